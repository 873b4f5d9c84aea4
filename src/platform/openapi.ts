import type { TSchema } from 'typebox'
import { batchPathOf, largestRequestOf } from '#platform/http-server.ts'
import type { Operation } from '#platform/operation.ts'
import { platformErrors } from '#platform/problem.ts'
import { shadowHeader } from '#platform/shadow-header.ts'

/** The OpenAPI 3.1 document of an operation table: the same schemas that validate. */
export function openApiOf(operations: readonly Operation[], version: string, serverUrl: string): object {
  const paths: Record<string, Record<string, object>> = {}
  const add = (path: string, method: string, entry: object): void => {
    const template = path.replace(/:([A-Za-z]+)/g, '{$1}')
    paths[template] = { ...paths[template], [method.toLowerCase()]: entry }
  }
  for (const operation of operations) {
    add(operation.http.path, operation.http.method, singleOf(operation))
    const batchPath = batchPathOf(operation)
    if (batchPath !== undefined) add(batchPath, 'POST', batchOf(operation))
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Throughline',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Orders from checkout to the doorstep. Every command has a batch twin; every failure is problem+json with a code and the field at fault.',
    },
    servers: [{ url: serverUrl }],
    security: [{ apiKey: [] }],
    paths,
    components: {
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, tl_…' } },
      parameters: {
        IdempotencyKey: {
          name: 'Idempotency-Key',
          in: 'header',
          schema: { type: 'string', maxLength: 128 },
          description:
            'New for each command, kept for at least a day: the same key and body give the first answer again, another body is refused.',
        },
        Shadow: {
          name: shadowHeader,
          in: 'header',
          schema: { type: 'string' },
          description: 'Signed mark of rehearsal traffic: rehearsal.expiry.keyId.signature.',
        },
      },
      schemas: { Problem: problemSchema },
    },
  }
}

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'traceId'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'what is wrong and what would be right' },
    code: { type: 'string', description: 'stable; listed in docs/reference/errors.md' },
    field: { type: 'string', description: 'JSON pointer or header name of the field at fault' },
    traceId: { type: 'string' },
    facts: { type: 'object', additionalProperties: true },
  },
}

/** Strips TypeBox's own marks, which are not enumerable or not JSON. */
const plain = (schema: TSchema): Record<string, unknown> => JSON.parse(JSON.stringify(schema)) as Record<string, unknown>

function headOf(operation: Operation, suffix = ''): Record<string, unknown> {
  return {
    operationId: `${operation.id}${suffix}`,
    tags: [operation.context],
    ...(operation.scopes.length === 0 ? { security: [] } : { description: `Needs one of the scopes ${operation.scopes.join(', ')}.` }),
  }
}

function headerParameters(operation: Operation): object[] {
  const keyed = operation.kind === 'command' && operation.idempotency !== 'inherent'
  const key = { $ref: '#/components/parameters/IdempotencyKey' }
  return [...(keyed ? [key] : []), { $ref: '#/components/parameters/Shadow' }]
}

function singleOf(operation: Operation): object {
  const input = plain(operation.input) as { properties?: Record<string, object>; required?: string[] }
  const pathNames = [...operation.http.path.matchAll(/:([A-Za-z]+)/g)].map((match) => match[1] ?? '')
  const inQuery = operation.http.method === 'GET' || operation.http.method === 'DELETE'
  const parameters: object[] = []
  const bodyProperties: Record<string, object> = {}
  for (const [name, schema] of Object.entries(input.properties ?? {})) {
    if (pathNames.includes(name)) parameters.push({ name, in: 'path', required: true, schema })
    else if (inQuery) parameters.push({ name, in: 'query', required: input.required?.includes(name) ?? false, schema })
    else bodyProperties[name] = schema
  }
  const required = input.required?.filter((name) => name in bodyProperties) ?? []
  const body = { ...input, properties: bodyProperties, ...(required.length > 0 ? { required } : { required: undefined }) }
  return {
    ...headOf(operation),
    summary: operation.summary,
    parameters: [...parameters, ...headerParameters(operation)],
    ...(inQuery ? {} : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: {
      [operation.http.status ?? 200]: { description: 'Done', content: { 'application/json': { schema: plain(operation.output) } } },
      ...errorResponses(operation),
    },
  }
}

function batchOf(operation: Operation): object {
  const entry = {
    type: 'object',
    required: ['input'],
    additionalProperties: false,
    properties: { idempotencyKey: { type: 'string', maxLength: 128 }, input: plain(operation.input) },
  }
  const outcome = {
    type: 'object',
    required: ['status'],
    properties: { status: { type: 'integer' }, value: plain(operation.output), error: { $ref: '#/components/schemas/Problem' } },
  }
  const body = {
    type: 'object',
    required: ['commands'],
    additionalProperties: false,
    properties: { commands: { type: 'array', minItems: 1, maxItems: largestRequestOf(operation), items: entry } },
  }
  return {
    ...headOf(operation, '.batch'),
    summary: `Batch: ${operation.summary.charAt(0).toLowerCase()}${operation.summary.slice(1)}`,
    parameters: [{ $ref: '#/components/parameters/Shadow' }],
    requestBody: { required: true, content: { 'application/json': { schema: body } } },
    responses: {
      200: {
        description: 'One outcome for each command; a bad one fails alone',
        content: {
          'application/json': {
            schema: { type: 'object', required: ['outcomes'], properties: { outcomes: { type: 'array', items: outcome } } },
          },
        },
      },
      ...errorResponses(operation),
    },
  }
}

function errorResponses(operation: Operation): Record<string, object> {
  const byStatus = new Map<number, string[]>()
  const shared = ['platform.invalid_input', 'platform.not_authenticated', 'platform.limited', 'platform.unavailable']
  const own = Object.entries(operation.errors)
  for (const [code, status] of [...own, ...shared.map((name): [string, number] => [name, platformErrors[name] ?? 500])]) {
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      { description: codes.join(', '), content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
    ]),
  )
}
