import { isUtf8 } from 'node:buffer'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { type Failure, type Outcome, refused } from '#kernel/outcome.ts'
import type { Clock } from '#kernel/time.ts'
import type { CommandQueues } from '#platform/command-queue.ts'
import type { Authentication } from '#platform/authentication.ts'
import { inputReaderOf } from '#platform/http-input.ts'
import type { Operation } from '#platform/operation.ts'
import type { Call, Runner } from '#platform/operation-runner.ts'
import { isOperational } from '#platform/sql-retry.ts'
import { problemOf, statusOf } from '#platform/problem.ts'
import { newTraceId, type RequestContext } from '#platform/request-context.ts'
import { shadowHeader, type ShadowKeys, verifyShadow } from '#platform/shadow-header.ts'

/** Path of an operation's batch twin: its own path without parameters, and `/batch`. */
export function batchPathOf(operation: Operation): string | undefined {
  if (operation.kind !== 'command' || operation.batch.largest < 2 || operation.http.raw) return undefined
  if (operation.http.batchPath !== undefined) return operation.http.batchPath ?? undefined
  return `${operation.http.path.replace(/\/:[^/]+/g, '')}/batch`
}

export const largestRequestOf = (operation: Operation): number => operation.batch.largestRequest ?? 5_000

export interface HttpOptions {
  readonly runner: Runner
  /** Where commands wait that callers do not wait for; without it, `Prefer: respond-async` is passed over. */
  readonly queues?: Pick<CommandQueues, 'queueOf' | 'accept'>
  readonly authentication: Authentication
  readonly shadowKeys: ShadowKeys
  readonly clock: Clock
  readonly log: { error(facts: object, message: string): void }
}

/** A single order may have 5,000 lines; 1 MiB holds twice that. */
const singleBodyBytes = 1 << 20
/** 5,000 commands of ordinary size, or one that itself holds thousands of entries; a larger import is several requests or a hot-folder file. */
const batchBodyBytes = 8 << 20

/** The HTTP way in: one route for each operation and one for its batch twin, both made from the operation table. */
export function openHttp(options: HttpOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: singleBodyBytes,
    requestTimeout: 30_000,
    keepAliveTimeout: 75_000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 256 },
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer))
    } catch (error) {
      done(error as Error)
    }
  })
  app.setErrorHandler((error, request, reply) => {
    const traceId = newTraceId()
    return sendFailure(reply, failureOf(error, request, { ...options, traceId }), traceId)
  })
  app.setNotFoundHandler((request, reply) =>
    sendFailure(
      reply,
      refused('platform.no_such_route', `There is no ${request.method} ${request.url.split('?')[0]}; see /docs.`).error,
      newTraceId(),
    ),
  )
  for (const operation of options.runner.operations) if (!operation.http.raw) mount(app, operation, options)
  // In a scope of their own, since who parses a body belongs to the scope: what is signed must stay as it was signed.
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
      if (!isUtf8(body as Buffer)) done(new BadBody('The body is not valid UTF-8.'))
      else if ((body as Buffer).includes(0)) done(new BadBody('Text can not hold U+0000.'))
      else done(null, (body as Buffer).toString('utf8'))
    })
    for (const operation of options.runner.operations) if (operation.http.raw) mount(scope, operation, options)
  })
  return app
}

class BadBody extends Error {
  readonly failure: Failure
  constructor(detail: string, field = 'body') {
    super(detail)
    this.failure = refused('platform.malformed_body', detail, field).error
  }
}

function refuseUnstorable(value: unknown, at: string): void {
  if (typeof value === 'string') {
    if (value.includes('\u0000') || !value.isWellFormed()) throw new BadBody('Text can not hold U+0000 or half of a surrogate pair.', at)
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) {
      refuseUnstorable(name, `${at}/${name}`)
      refuseUnstorable(inner, `${at}/${name}`)
    }
  }
}

function parseJson(body: Buffer): unknown {
  // Decoding would turn broken bytes into U+FFFD without a word, and a name would be stored that nobody sent.
  if (!isUtf8(body)) throw new BadBody('The body is not valid UTF-8.')
  try {
    const text = body.toString('utf8')
    const value: unknown = JSON.parse(text)
    // Only an escape can smuggle in what PostgreSQL can not store: U+0000 and halves of surrogate pairs.
    if (text.includes('\\u')) refuseUnstorable(value, '')
    return value
  } catch (error) {
    if (error instanceof BadBody) throw error
    throw new BadBody(`The body is not JSON: ${error instanceof Error ? error.message : 'unreadable'}.`)
  }
}

function failureOf(error: unknown, request: FastifyRequest, options: HttpOptions & { traceId: string }): Failure {
  if (error instanceof BadBody) return error.failure
  const { code, message } = error as { code?: string; message: string }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return refused('platform.body_too_large', `The body is larger than ${request.routeOptions.bodyLimit} bytes.`, 'body').error
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return refused('platform.unsupported_media_type', 'Send JSON as application/json.', 'Content-Type').error
  }
  if (code?.startsWith('FST_ERR_CTP')) return refused('platform.malformed_body', message, 'body').error
  if (code === 'FST_ERR_BAD_URL' || code === 'FST_ERR_MAX_PARAM_LENGTH')
    return refused('platform.invalid_input', 'The path is malformed.', 'path').error
  if (isOperational(error)) {
    return refused('platform.unavailable', 'The database can not be reached; try again shortly.', undefined, { retryAfterSeconds: 1 }).error
  }
  // The route, not the address: that of a public page is a secret link.
  options.log.error({ err: error, route: request.routeOptions.url, traceId: options.traceId }, 'request broke')
  return refused('platform.internal', 'Something broke on our side; it was logged under this trace id.').error
}

function sendFailure(reply: FastifyReply, failure: Failure, traceId: string, operation?: Operation): FastifyReply {
  const status = statusOf(failure, operation)
  const retryAfter = failure.facts?.['retryAfterSeconds']
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .code(status)
    .header('content-type', 'application/problem+json')
    .send(JSON.stringify(problemOf(failure, status, traceId)))
}

/** Context and authentication: the first two aspects, done by the way in since only it knows headers. */
async function contextOf(request: FastifyRequest, options: HttpOptions): Promise<RequestContext | Failure> {
  const { headers } = request
  const traceId = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(String(headers['traceparent'] ?? ''))?.[1] ?? newTraceId()
  const asked = options.authentication.actorOf(headers.authorization)
  const actor = asked instanceof Promise ? await asked : asked
  if (actor === undefined) {
    return refused('platform.not_authenticated', 'This API key is not known, has expired or was revoked.', 'Authorization').error
  }
  const mark = headers[shadowHeader]
  if (mark === undefined) return { traffic: 'live', rehearsalId: null, actor, traceId }
  const rehearsal = verifyShadow(options.shadowKeys, String(mark), options.clock.now())
  return rehearsal.ok ? { traffic: 'shadow', rehearsalId: rehearsal.value, actor, traceId } : rehearsal.error
}

function mount(app: FastifyInstance, operation: Operation, options: HttpOptions): void {
  const { runner } = options
  const readInput = inputReaderOf(operation)
  const status = operation.http.status ?? 200
  app.route({
    method: operation.http.method,
    ...(operation.http.batchPath === null ? { bodyLimit: batchBodyBytes } : {}),
    url: operation.http.path,
    async handler(request, reply) {
      if (request.url.includes('%00')) {
        return sendFailure(reply, refused('platform.invalid_input', 'An address can not hold U+0000.', 'path').error, newTraceId())
      }
      const context = await contextOf(request, options)
      if ('code' in context) return sendFailure(reply, context, newTraceId())
      const idempotencyKey = request.headers['idempotency-key']
      const call: Call = {
        context,
        input: readInput(request),
        idempotencyKey: idempotencyKey === undefined ? undefined : String(idempotencyKey),
      }
      const later = laterOf(request, operation, options)
      if (later !== undefined) {
        const accepted = runner.admit(operation.id, call) ?? (await later(call))
        if (!accepted.ok) return sendFailure(reply, accepted.error, context.traceId, operation)
        const { commandId } = accepted.value
        return reply
          .code(202)
          .headers({
            'content-type': 'application/json',
            'preference-applied': 'respond-async',
            location: `/v1/commands/${commandId}`,
          })
          .send(JSON.stringify(accepted.value))
      }
      const outcome = await runner.run(operation.id, call)
      if (!outcome.ok) return sendFailure(reply, outcome.error, context.traceId, operation)
      return reply.code(status).header('content-type', 'application/json').send(JSON.stringify(outcome.value))
    },
  })
  const batchPath = batchPathOf(operation)
  if (batchPath === undefined) return
  app.route({
    method: 'POST',
    url: batchPath,
    bodyLimit: batchBodyBytes,
    async handler(request, reply) {
      const context = await contextOf(request, options)
      if ('code' in context) return sendFailure(reply, context, newTraceId())
      const calls = callsOf(request.body, context, operation)
      if ('code' in calls) return sendFailure(reply, calls, context.traceId, operation)
      const later = laterOf(request, operation, options)
      const outcomes: Outcome<unknown>[] =
        later === undefined
          ? await runner.runMany(operation.id, calls)
          : await Promise.all(calls.map(async (call) => runner.admit(operation.id, call) ?? later(call)))
      if (later !== undefined) reply.header('preference-applied', 'respond-async')
      const limited = wholeLimitOf(outcomes)
      if (limited !== undefined) return sendFailure(reply, limited, context.traceId, operation)
      const answer = outcomes.map((outcome) => {
        if (outcome.ok) return { status: later === undefined ? status : 202, value: outcome.value }
        const failed = statusOf(outcome.error, operation)
        return { status: failed, error: problemOf(outcome.error, failed, context.traceId) }
      })
      return reply
        .code(200)
        .header('content-type', 'application/json')
        .send(JSON.stringify({ outcomes: answer }))
    },
  })
}

/** A batch of which nothing was let in is refused as one, so that its sender hears 429 and when to come again. */
function wholeLimitOf(outcomes: readonly Outcome<unknown>[]): Failure | undefined {
  const [first] = outcomes
  return first?.ok === false && outcomes.every((outcome) => !outcome.ok && outcome.error.code === 'platform.limited')
    ? first.error
    : undefined
}

/** How a call is accepted to be run later, where the caller prefers that (RFC 7240) and the operation has a queue. */
function laterOf(request: FastifyRequest, operation: Operation, { queues }: HttpOptions) {
  const { prefer } = request.headers
  if (prefer === undefined || queues === undefined || !/(^|[,;\s])respond-async($|[,;\s])/.test(String(prefer))) return undefined
  const queue = queues.queueOf(operation)
  return queue === undefined ? undefined : (call: Call) => queues.accept(queue, operation, call)
}

/** Reads `{"commands": [{"idempotencyKey": …, "input": …}]}`. The envelope is checked here, each input by the runner, so that one fails alone. */
function callsOf(body: unknown, context: RequestContext, operation: Operation): Call[] | Failure {
  const invalid = (detail: string, field: string): Failure => refused('platform.invalid_input', detail, field).error
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return invalid('A batch is an object with the field "commands".', '/')
  for (const name of Object.keys(body)) if (name !== 'commands') return invalid(`There is no field "${name}" here.`, `/${name}`)
  const commands: unknown = (body as { commands?: unknown }).commands
  if (!Array.isArray(commands) || commands.length === 0) return invalid('"commands" is a list with at least one command.', '/commands')
  const most = largestRequestOf(operation)
  if (commands.length > most) {
    return refused('platform.batch_too_large', `A batch has at most ${most} commands; this one has ${commands.length}.`, '/commands').error
  }
  const calls: Call[] = []
  for (const [index, entry] of (commands as unknown[]).entries()) {
    if (typeof entry !== 'object' || entry === null) return invalid('A command is an object with the field "input".', `/commands/${index}`)
    for (const name of Object.keys(entry)) {
      if (name !== 'input' && name !== 'idempotencyKey') return invalid(`There is no field "${name}" here.`, `/commands/${index}/${name}`)
    }
    const { input, idempotencyKey } = entry as { input?: unknown; idempotencyKey?: unknown }
    if (idempotencyKey !== undefined && typeof idempotencyKey !== 'string') {
      return invalid('An idempotency key is a string.', `/commands/${index}/idempotencyKey`)
    }
    calls.push({ context, input, idempotencyKey })
  }
  return calls
}
