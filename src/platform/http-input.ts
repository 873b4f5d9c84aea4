import type { FastifyRequest } from 'fastify'
import type { Operation } from '#platform/operation.ts'

type Coerce = (text: string) => unknown

/**
 * Makes the reader of an operation's input: body, path parameters and query fields in one object. Path and query come as
 * text; those that the schema wants as numbers, booleans or lists are turned into such, and left as they are where that fails,
 * so that validation names them.
 */
export function inputReaderOf(operation: Operation): (request: FastifyRequest) => unknown {
  if (operation.http.raw) return rawInput
  const properties = (operation.input as { properties?: Record<string, { type?: string; items?: { type?: string } }> }).properties ?? {}
  const coercions = new Map<string, Coerce>()
  for (const [name, schema] of Object.entries(properties)) {
    if (schema.type === 'integer' || schema.type === 'number') coercions.set(name, numberOf)
    else if (schema.type === 'boolean') coercions.set(name, booleanOf)
    else if (schema.type === 'array') {
      const each = schema.items?.type === 'integer' || schema.items?.type === 'number' ? numberOf : (text: string) => text
      coercions.set(name, (text) => text.split(',').map(each))
    }
  }
  const coerced = (from: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(from).map(([name, value]) => [name, typeof value === 'string' ? (coercions.get(name)?.(value) ?? value) : value]),
    )
  const hasParams = operation.http.path.includes('/:')
  if (operation.http.method === 'GET' || operation.http.method === 'DELETE') {
    return (request) => ({ ...coerced(request.query as Record<string, unknown>), ...coerced(request.params as Record<string, unknown>) })
  }
  if (!hasParams) return (request) => request.body
  return (request) => {
    const { body } = request
    const fields = typeof body === 'object' && body !== null && !Array.isArray(body) ? body : body === undefined ? {} : { body }
    return { ...fields, ...coerced(request.params as Record<string, unknown>) }
  }
}

/** Headers that prove who calls have no business in an input, which may be stored. */
const credentials = new Set(['authorization', 'cookie', 'proxy-authorization'])

function rawInput(request: FastifyRequest): unknown {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !credentials.has(name)) headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return { ...(request.params as Record<string, unknown>), headers, body: typeof request.body === 'string' ? request.body : '' }
}

function numberOf(text: string): unknown {
  const value = Number(text)
  return text.trim() === '' || Number.isNaN(value) ? text : value
}

function booleanOf(text: string): unknown {
  return text === 'true' ? true : text === 'false' ? false : text
}
