import { Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { settleLines, settlementBreaks, type SettleLine, settlementOutcomes, type SettledLine } from './settle-lines.ts'

const closed = { additionalProperties: false }
const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const Minor = Type.Integer({ minimum: -1_000_000_000_000, maximum: 1_000_000_000_000 })
const Gateway = Type.String({ minLength: 1, maxLength: 60 })
const Kind = Type.Enum(['charge', 'refund', 'chargeback', 'fee'])
const Key = Type.Union([Type.String({ minLength: 1, maxLength: 200 }), Type.Null()])
const Subject = {
  subjectKind: Type.Union([Type.Enum(['charge', 'capture', 'refund', 'chargeback']), Type.Null()]),
  subjectId: Type.Union([Id, Type.Null()]),
}
const Result = Type.Enum([...settlementOutcomes])

/** Settlement lines of gateways, kept and matched. */
export function settlementOperations({
  gateways,
  installation,
}: {
  readonly gateways: ReadonlyMap<string, unknown>
  readonly installation: string
}): Operation[] {
  const judge = (line: SettleLine): Outcome<SettleLine> => {
    if (!gateways.has(line.gateway)) return refused('payments.unknown_gateway', `there is no gateway ${line.gateway}`, '/gateway')
    return Number.isNaN(Date.parse(line.bookedOn))
      ? refused('payments.no_such_day', `${line.bookedOn} is no day that exists`, '/bookedOn')
      : accepted(line)
  }
  return [
    command({
      id: 'payments.settle_line',
      context: 'payments',
      summary:
        'Keeps a line of a gateway’s settlement file, and says what of ours it is; the same line of the same file again changes nothing',
      input: Type.Object(
        {
          gateway: Gateway,
          fileHash: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the file' }),
          batch: Type.String({ minLength: 1, maxLength: 200, description: 'the gateway’s own name of the file or payout' }),
          line: Type.Integer({ minimum: 1, maximum: 2_000_000_000 }),
          kind: Kind,
          key: Key,
          gatewayRef: Type.String({ maxLength: 200 }),
          grossMinor: Minor,
          feeMinor: Minor,
          netMinor: Minor,
          currency: Type.String({ pattern: '^[A-Z]{3}$' }),
          bookedOn: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$' }),
        },
        closed,
      ),
      output: Type.Object(
        { outcome: Result, ...Subject, heldMinor: Type.Union([Type.Integer(), Type.Null()]), first: Type.Boolean() },
        closed,
      ),
      scopes: ['settlement:write'],
      http: { method: 'POST', path: '/v1/payments/settlement-lines', batchPath: '/v1/payments/settlement-lines/batch' },
      batch: { largest: 1000, longestWaitMs: 1, concurrent: 1, largestRequest: 1000 },
      idempotency: 'inherent',
      priority: 'low',
      errors: { 'payments.unknown_gateway': 404, 'payments.no_such_day': 422, 'payments.settlement_sum': 422 },
      body: async (context, asked) => {
        const judged = asked.map(({ input }) => judge(input))
        const good = judged.flatMap((each) => (each.ok ? [each.value] : []))
        const settled = (await settleLines(context, good, installation)).values()
        return judged.map((each) => (each.ok ? (settled.next().value as Outcome<SettledLine>) : each))
      },
    }),
    query({
      id: 'payments.settlement_breaks',
      context: 'payments',
      summary:
        'Settlement lines of a gateway that are not what we hold, by rising id; `next` is the cursor of the next page, null at the end',
      input: Type.Object(
        {
          gateway: Gateway,
          after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        },
        closed,
      ),
      output: Type.Object(
        {
          lines: Type.Array(
            Type.Object(
              {
                id: Id,
                gateway: Type.String(),
                batch: Type.String(),
                line: Type.Integer(),
                kind: Kind,
                key: Key,
                gatewayRef: Type.String(),
                grossMinor: Type.Integer(),
                currency: Type.String(),
                outcome: Result,
                ...Subject,
              },
              closed,
            ),
          ),
          next: Type.Union([Id, Type.Null()]),
        },
        closed,
      ),
      scopes: ['settlement:read', 'settlement:write'],
      http: { method: 'GET', path: '/v1/payments/settlement-lines' },
      batch: { largest: 20, longestWaitMs: 0 },
      priority: 'low',
      errors: {},
      body: async (context, asked) => {
        const pages = asked.map(({ input: { gateway, after = 0, limit = 100 } }) => ({ gateway, after, limit }))
        return (await settlementBreaks(context, pages)).map((lines, at) =>
          accepted({ lines, next: lines.length === pages[at]?.limit ? (lines.at(-1)?.id ?? null) : null }),
        )
      },
    }),
  ]
}
