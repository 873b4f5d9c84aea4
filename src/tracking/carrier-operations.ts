import { Type } from 'typebox'
import { accepted, refused } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import type { CarrierDesk } from './carrier-desk.ts'
import { type MessageRow, messagesOf, wholeMessages } from './carrier-store.ts'
import { Carrier, exact } from './schemas.ts'

const Nullable = (schema: Parameters<typeof Type.Union>[0][number]) => Type.Union([schema, Type.Null()])

const messageOut = {
  messageId: Type.Integer(),
  carrier: Type.String(),
  receivedAt: Type.String(),
  readAt: Nullable(Type.String()),
  added: Nullable(Type.Integer()),
  known: Nullable(Type.Integer()),
  broken: Type.Array(Type.Object({ at: Type.String(), detail: Type.String() }, exact)),
  brokenCount: Type.Integer(),
  bodyBytes: Type.Integer(),
}
const plain = ({ id, receivedAt, readAt, broken, ...row }: MessageRow) => ({
  ...row,
  messageId: id,
  receivedAt: receivedAt.toISOString(),
  readAt: readAt?.toISOString() ?? null,
  broken: broken?.map(({ at, detail }) => ({ at, detail })) ?? [],
})

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
    summary:
      'Messages of carriers, newest first, with what became of them and the first ten of what could not be recorded; kept for 30 days',
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
        messages: Type.Array(Type.Object(messageOut, exact)),
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
          const messages = rows.map(plain)
          return accepted({ messages, next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null })
        }),
      ),
  }),
  query({
    id: 'tracking.get_carrier_message',
    context: 'tracking',
    summary: 'A message of a carrier as it came, with all that could not be recorded',
    input: Type.Object({ messageId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }, exact),
    output: Type.Object({ ...messageOut, body: Type.String() }, exact),
    scopes: ['tracking:read'],
    http: { method: 'GET', path: '/v1/track/carrier-messages/:messageId' },
    // A body is a megabyte at most.
    batch: { largest: 8, longestWaitMs: 0, concurrent: 2 },
    priority: 'low',
    errors: { 'tracking.unknown_message': 404 },
    body: async (context, asked) => {
      const found = await wholeMessages(
        context,
        asked.map(({ input }) => input.messageId),
      )
      return asked.map(({ input: { messageId } }) => {
        const row = found.get(messageId)
        if (row === undefined)
          return refused('tracking.unknown_message', `there is no message ${messageId}; they are kept for 30 days`, '/messageId')
        return accepted({ ...plain(row), body: row.body })
      })
    },
  }),
]
