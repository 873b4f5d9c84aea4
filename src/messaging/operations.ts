import { Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { publicEvents } from './fan-out.ts'
import { secretOf } from './webhook-signature.ts'
import { listDeliveries, listEndpoints, mostReplayed, putEndpoints, replayDeliveries, rotateSecrets } from './webhook-store.ts'

const closed = { additionalProperties: false }
const endpointId = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$', description: 'your name for it, such as erp-orders' })
const when = Type.String({ format: 'date-time' })
const eventTypes = Type.Array(Type.String({ minLength: 1, maxLength: 60 }), { minItems: 1, maxItems: 50, description: 'event types, or *' })
const noEndpoint = (): Outcome<never> => refused('messaging.no_such_endpoint', 'There is no endpoint of this name.', '/endpointId')

const key = Type.Union([Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }), Type.String({ minLength: 1, maxLength: 64 })])
const values = Type.Optional(Type.Array(key, { minItems: 1, maxItems: 1_000 }))
/** Fields that say what an event is about. An event that lacks one of them is not told to an endpoint that names it. */
const only = Type.Object(
  { orderId: values, orderRef: values, shipmentId: values, waybillId: values, milestone: values },
  { ...closed, minProperties: 1, description: 'tell only of events whose payload has one of these values, in each of the fields named' },
)

/** Why an address can not be one of ours; plain HTTP only reaches this very machine, for trying out. */
function problemOf({ url, eventTypes: types }: { url: string; eventTypes: readonly string[] }): Outcome<never> | undefined {
  const parsed = URL.parse(url)
  const local = parsed !== null && ['127.0.0.1', 'localhost', '[::1]'].includes(parsed.hostname)
  if (parsed === null || !(parsed.protocol === 'https:' || (parsed.protocol === 'http:' && local)) || parsed.username !== '')
    return refused('messaging.bad_url', 'An endpoint is an https address without credentials; http reaches localhost only.', '/url')
  const unknown = types.findIndex((type) => type !== '*' && !(type in publicEvents))
  if (unknown === -1) return undefined
  const known = Object.keys(publicEvents).join(', ')
  return refused('messaging.unknown_event', `There is no event "${types[unknown]}"; there are ${known}.`, `/eventTypes/${unknown}`)
}

/** Everything that can be asked of messaging. */
export const messagingOperations = ({ randomBytes }: { readonly randomBytes: (count: number) => Buffer }): readonly Operation[] => [
  command({
    id: 'messaging.put_endpoint',
    context: 'messaging',
    audited: true,
    summary: 'Register an address that is told of events by webhook, or change it; the secret is told once, at the first time',
    input: Type.Object(
      {
        endpointId,
        url: Type.String({ minLength: 1, maxLength: 500 }),
        description: Type.Optional(Type.String({ maxLength: 200 })),
        eventTypes,
        only: Type.Optional(only),
        active: Type.Optional(Type.Boolean({ description: 'true unless told; what is due waits while it is false' })),
      },
      closed,
    ),
    output: Type.Object({ endpointId, secret: Type.Union([Type.String(), Type.Null()]) }),
    scopes: ['messaging:write'],
    http: { method: 'PUT', path: '/v1/webhook-endpoints/:endpointId', batchPath: null },
    batch: { largest: 32, longestWaitMs: 0 },
    idempotency: 'inherent',
    priority: 'normal',
    errors: { 'messaging.bad_url': 422, 'messaging.unknown_event': 422 },
    async body(context, asked) {
      const problems = asked.map(({ input }) => problemOf(input))
      // The last of two for one endpoint holds: a statement can not touch a row twice.
      const good = new Map(asked.flatMap(({ input }, index) => (problems[index] === undefined ? [[input.endpointId, input] as const] : [])))
      const rows = await putEndpoints(
        context,
        [...good.values()].map((input) => ({
          ...input,
          description: input.description ?? '',
          only: input.only ?? null,
          active: input.active ?? true,
          secret: secretOf(randomBytes(32)),
        })),
      )
      const newSecrets = new Map(rows.map((row) => [row.id, row.isNew ? row.secret : null]))
      return asked.map(({ input }, index) => {
        return problems[index] ?? accepted({ endpointId: input.endpointId, secret: newSecrets.get(input.endpointId) ?? null })
      })
    },
  }),
  command({
    id: 'messaging.rotate_secret',
    context: 'messaging',
    audited: true,
    summary: 'Give an endpoint a new secret; the one before signs as well for a day',
    input: Type.Object({ endpointId }, closed),
    output: Type.Object({ endpointId, secret: Type.String() }),
    scopes: ['messaging:write'],
    http: { method: 'POST', path: '/v1/webhook-endpoints/:endpointId/secret', batchPath: null },
    batch: { largest: 1, longestWaitMs: 0 },
    idempotency: 'required',
    priority: 'normal',
    errors: { 'messaging.no_such_endpoint': 404 },
    async body(context, asked) {
      const ids = asked.map(({ input }) => input.endpointId)
      const rows = new Map(
        (
          await rotateSecrets(
            context,
            ids,
            ids.map(() => secretOf(randomBytes(32))),
          )
        ).map((row) => [row.id, row.secret]),
      )
      return asked.map(({ input }) => {
        const secret = rows.get(input.endpointId)
        return secret === undefined ? noEndpoint() : accepted({ endpointId: input.endpointId, secret })
      })
    },
  }),
  query({
    id: 'messaging.list_endpoints',
    context: 'messaging',
    summary: 'All webhook endpoints, with what waits for them and what was given up',
    input: Type.Object({}, closed),
    output: Type.Object({
      endpoints: Type.Array(
        Type.Object({
          endpointId,
          url: Type.String(),
          description: Type.String(),
          eventTypes,
          only: Type.Union([only, Type.Null()]),
          active: Type.Boolean(),
          problem: Type.Union([Type.String(), Type.Null()]),
          createdAt: when,
          pending: Type.Integer(),
          dead: Type.Integer(),
        }),
      ),
    }),
    scopes: ['messaging:read', 'messaging:write'],
    http: { method: 'GET', path: '/v1/webhook-endpoints' },
    batch: { largest: 8, longestWaitMs: 0 },
    priority: 'normal',
    errors: {},
    async body(context, asked) {
      const rows = await listEndpoints(context)
      const endpoints = rows.map(({ id, createdAt, ...row }) => ({
        endpointId: id,
        ...row,
        eventTypes: [...row.eventTypes],
        createdAt: createdAt.toISOString(),
      }))
      return asked.map(() => accepted({ endpoints }))
    },
  }),
  query({
    id: 'messaging.list_deliveries',
    context: 'messaging',
    summary: 'What was sent to an endpoint, newest first, with how it went',
    input: Type.Object(
      {
        endpointId,
        state: Type.Optional(Type.Enum(['pending', 'delivered', 'dead'])),
        before: Type.Optional(
          Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'cursor: deliveries older than this' }),
        ),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, description: '100 unless told' })),
      },
      closed,
    ),
    output: Type.Object({
      deliveries: Type.Array(
        Type.Object({
          deliveryId: Type.Integer(),
          messageId: Type.String(),
          eventType: Type.String(),
          eventKey: Type.String(),
          state: Type.String(),
          attempts: Type.Integer(),
          lastStatus: Type.Union([Type.Integer(), Type.Null()]),
          lastError: Type.Union([Type.String(), Type.Null()]),
          createdAt: when,
        }),
      ),
      next: Type.Union([Type.Integer(), Type.Null()]),
    }),
    scopes: ['messaging:read', 'messaging:write'],
    http: { method: 'GET', path: '/v1/webhook-endpoints/:endpointId/deliveries' },
    batch: { largest: 8, longestWaitMs: 0 },
    priority: 'normal',
    errors: {},
    body: (context, asked) =>
      Promise.all(
        asked.map(async ({ input }) => {
          const limit = input.limit ?? 100
          const rows = await listDeliveries(context, {
            endpointId: input.endpointId,
            state: input.state ?? null,
            before: input.before ?? null,
            limit,
          })
          const deliveries = rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() }))
          return accepted({ deliveries, next: rows.length === limit ? (rows.at(-1)?.deliveryId ?? null) : null })
        }),
      ),
  }),
  command({
    id: 'messaging.replay',
    context: 'messaging',
    audited: true,
    summary:
      'Send ended deliveries again under their own names: those named, those since an instant or from a position, or, with none of these, the dead ones',
    input: Type.Object(
      {
        endpointId,
        deliveryIds: Type.Optional(
          Type.Array(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }), { minItems: 1, maxItems: 10_000 }),
        ),
        since: Type.Optional(when),
        fromDelivery: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: Number.MAX_SAFE_INTEGER,
            description: 'this delivery and all later ones, as messaging.list_deliveries numbers them',
          }),
        ),
      },
      closed,
    ),
    output: Type.Object({
      endpointId,
      replayed: Type.Integer({ description: 'at most 10,000' }),
      next: Type.Union([Type.Integer(), Type.Null()], {
        description:
          'ask again from this delivery for the rest; null when that was all, and for dead ones, where the same question again brings the rest',
      }),
    }),
    scopes: ['messaging:write'],
    http: { method: 'POST', path: '/v1/webhook-endpoints/:endpointId/replay', batchPath: null },
    batch: { largest: 8, longestWaitMs: 0 },
    idempotency: 'optional',
    priority: 'low',
    errors: { 'messaging.no_such_endpoint': 404 },
    async body(context, asked) {
      const known = new Set((await listEndpoints(context)).map(({ id }) => id))
      const outcomes: Outcome<{ endpointId: string; replayed: number; next: number | null }>[] = []
      for (const { input } of asked) {
        if (!known.has(input.endpointId)) {
          outcomes.push(noEndpoint())
          continue
        }
        const since = input.since === undefined ? null : new Date(input.since)
        const rows = await replayDeliveries(context, input.endpointId, {
          ids: input.deliveryIds ?? null,
          since,
          from: input.fromDelivery ?? null,
        })
        // The dead ones are due now and no more found: the same question finds the rest, and a position would bring all that were delivered along.
        const byPosition = since !== null || input.fromDelivery !== undefined
        const next = byPosition && rows.length === mostReplayed ? Math.max(...rows.map(({ id }) => id)) + 1 : null
        outcomes.push(accepted({ endpointId: input.endpointId, replayed: rows.length, next }))
      }
      return outcomes
    },
  }),
]
