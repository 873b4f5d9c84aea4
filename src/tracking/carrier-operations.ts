import { Type } from 'typebox'
import { accepted } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import type { CarrierDesk } from './carrier-desk.ts'
import { messagesOf } from './carrier-store.ts'
import { Carrier, exact } from './schemas.ts'

const Nullable = (schema: Parameters<typeof Type.Union>[0][number]) => Type.Union([schema, Type.Null()])

/** Webhooks of carriers in, and what became of them. */
export const carrierOperations = (desk: CarrierDesk): readonly Operation[] => [
  command({
    id: 'tracking.carrier_webhook',
    context: 'tracking',
    summary:
      'A carrier tells what happened to its parcels. Proven by what was agreed with it; answered 200 once it is in the inbox, and read after that.',
    input: Type.Object(
      {
        carrier: Carrier,
        headers: Type.Record(Type.String({ maxLength: 200 }), Type.String({ maxLength: 8_192 }), { maxProperties: 200 }),
        body: Type.String({ maxLength: 1_000_000, description: 'as it was sent' }),
      },
      exact,
    ),
    output: Type.Object({ first: Type.Boolean() }, exact),
    // Open to all: a signature or a token of the carrier is the proof.
    scopes: [],
    http: { method: 'POST', path: '/v1/track/carriers/:carrier', status: 200, batchPath: null, raw: true },
    batch: { largest: 128, longestWaitMs: 2 },
    idempotency: 'inherent',
    // All of a carrier's calls come from one client: the limit is that of the whole system, not that of a caller.
    limit: { perSecond: 2_000, burst: 5_000 },
    priority: 'normal',
    errors: { 'tracking.unknown_carrier': 404, 'tracking.message_refused': 401 },
    body: (context, asked) =>
      desk.receive(
        context,
        asked.map(({ input }) => input),
      ),
  }),
  query({
    id: 'tracking.list_carrier_messages',
    context: 'tracking',
    summary: 'Messages of carriers as they came, newest first, with what became of them; kept for 30 days',
    input: Type.Object(
      {
        carrier: Type.Optional(Carrier),
        broken: Type.Optional(Type.Boolean({ description: 'only those of which something could not be recorded' })),
        before: Type.Optional(
          Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'cursor: messages older than this' }),
        ),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, description: '50 unless told' })),
      },
      exact,
    ),
    output: Type.Object(
      {
        messages: Type.Array(
          Type.Object(
            {
              messageId: Type.Integer(),
              carrier: Type.String(),
              receivedAt: Type.String(),
              readAt: Nullable(Type.String()),
              added: Nullable(Type.Integer()),
              known: Nullable(Type.Integer()),
              broken: Type.Array(Type.Object({ at: Type.String(), detail: Type.String() }, exact)),
              body: Type.String(),
            },
            exact,
          ),
        ),
        next: Nullable(Type.Integer()),
      },
      exact,
    ),
    scopes: ['tracking:read'],
    http: { method: 'GET', path: '/v1/track/carrier-messages' },
    batch: { largest: 8, longestWaitMs: 0 },
    priority: 'low',
    errors: {},
    body: (context, asked) =>
      Promise.all(
        asked.map(async ({ input }) => {
          const limit = input.limit ?? 50
          const rows = await messagesOf(context, {
            before: input.before ?? null,
            carrier: input.carrier ?? null,
            broken: input.broken ?? false,
            limit,
          })
          const messages = rows.map(({ id, receivedAt, readAt, broken, ...row }) => ({
            messageId: id,
            ...row,
            receivedAt: receivedAt.toISOString(),
            readAt: readAt?.toISOString() ?? null,
            broken: broken?.map(({ at, detail }) => ({ at, detail })) ?? [],
          }))
          return accepted({ messages, next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null })
        }),
      ),
  }),
]
