import { Type } from 'typebox'
import { accepted, refused } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { accountId, house } from './account.ts'
import { findAccounts } from './ledger-store.ts'
import { findEntries, trialBalanceOf } from './read-ledger.ts'
import { useAccounts } from './use-accounts.ts'

const closed = { additionalProperties: false }
const means = Type.Enum(['wallet', 'points', 'voucher'], { description: 'wallet, points or voucher' })
const holder = Type.String({ pattern: '^[\\x21-\\x7e]{1,128}$', description: 'the customer; of a voucher its code' })
const currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217 code, such as CAD' })
const amountMinor = Type.Integer({ minimum: 1, maximum: 1_000_000_000_000, description: 'minor units of the currency' })
const account = Type.Object({ means, holder, currency, balanceMinor: Type.Integer() }, closed)
const when = Type.String({ format: 'date-time' })

/** Everything that can be asked of the ledger. */
export const ledgerOperations: readonly Operation[] = [
  command({
    id: 'ledger.credit_account',
    context: 'ledger',
    audited: true,
    summary: 'Put money on an account of a customer, backed by an account of the house',
    input: Type.Object(
      {
        means,
        holder,
        currency,
        amountMinor,
        source: Type.Enum(['top_up', 'goodwill', 'promotion', 'gift'], { description: 'who pays for it' }),
        reason: Type.String({ minLength: 1, maxLength: 200 }),
      },
      closed,
    ),
    output: account,
    scopes: ['ledger:write'],
    http: { method: 'POST', path: '/v1/ledger/credits', status: 201 },
    batch: { largest: 500, longestWaitMs: 1 },
    idempotency: 'required',
    priority: 'normal',
    errors: { 'ledger.balance_too_large': 409 },
    async body(context, asked) {
      const ids = asked.map(({ input }) => accountId(input.means, input.holder, input.currency))
      const results = await useAccounts(
        context,
        asked.map(({ input, commandId, actor }, index) => {
          const id = ids[index] ?? ''
          return {
            command: {
              act: 'credit',
              key: `credit ${actor.id} ${commandId}`,
              account: id,
              amountMinor: input.amountMinor,
              orderId: null,
              from: house.funding(input.source),
              reason: input.reason,
            },
            opens: { id, means: input.means, holder: input.holder, currency: input.currency },
          }
        }),
        'operation:ledger.credit_account',
      )
      const found = new Map((await findAccounts(context, ids)).map((row) => [row.id, row]))
      return asked.map(({ input }, index) => {
        const row = found.get(ids[index] ?? '')
        if (results[index]?.outcome !== 'succeeded' || row === undefined)
          return refused('ledger.balance_too_large', 'The account can not hold so much.', '/amountMinor')
        return accepted({ means: input.means, holder: input.holder, currency: input.currency, balanceMinor: row.balanceMinor })
      })
    },
  }),
  query({
    id: 'ledger.get_account',
    context: 'ledger',
    summary: 'What an account of a customer holds',
    input: Type.Object({ means, holder, currency }, closed),
    output: account,
    scopes: ['ledger:read', 'orders:write'],
    http: { method: 'GET', path: '/v1/ledger/accounts/:means/:holder/:currency' },
    batch: { largest: 128, longestWaitMs: 0 },
    priority: 'normal',
    errors: { 'ledger.no_such_account': 404 },
    async body(context, asked) {
      const ids = asked.map(({ input }) => accountId(input.means, input.holder, input.currency))
      const found = new Map((await findAccounts(context, ids)).map((row) => [row.id, row]))
      return asked.map(({ input }, index) => {
        const row = found.get(ids[index] ?? '')
        if (row === undefined) return refused('ledger.no_such_account', 'Nothing was ever put on such an account.', '/holder')
        return accepted({ ...input, balanceMinor: row.balanceMinor })
      })
    },
  }),
  query({
    id: 'ledger.get_order_entries',
    context: 'ledger',
    summary: 'Every entry of the journal that belongs to an order, oldest first',
    input: Type.Object({ orderId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }, closed),
    output: Type.Object({
      entries: Type.Array(
        Type.Object({
          id: Type.Integer(),
          key: Type.String(),
          kind: Type.String(),
          orderId: Type.Union([Type.Integer(), Type.Null()]),
          currency,
          lines: Type.Array(Type.Object({ account: Type.String(), amountMinor: Type.Integer() })),
          reason: Type.String(),
          actor: Type.String(),
          occurredAt: when,
        }),
      ),
    }),
    scopes: ['ledger:read'],
    http: { method: 'GET', path: '/v1/ledger/orders/:orderId/entries' },
    batch: { largest: 64, longestWaitMs: 0 },
    priority: 'normal',
    errors: {},
    async body(context, asked) {
      const found = await findEntries(
        context,
        asked.map(({ input }) => input.orderId),
      )
      return asked.map(({ input }) => accepted({ entries: (found.get(input.orderId) ?? []) as never[] }))
    },
  }),
  query({
    id: 'ledger.get_trial_balance',
    context: 'ledger',
    summary: 'Debits, credits and balance of every account of the house, and of the customers’ accounts by means',
    input: Type.Object({ from: Type.Optional(when), until: Type.Optional(when) }, closed),
    output: Type.Object({
      lines: Type.Array(
        Type.Object({
          account: Type.String(),
          currency,
          debitMinor: Type.Integer(),
          creditMinor: Type.Integer(),
          balanceMinor: Type.Integer(),
        }),
      ),
    }),
    scopes: ['ledger:read'],
    http: { method: 'GET', path: '/v1/ledger/trial-balance' },
    batch: { largest: 1, longestWaitMs: 0 },
    priority: 'low',
    errors: {},
    body: (context, asked) =>
      Promise.all(
        asked.map(async ({ input }) => {
          const at = (text: string | undefined) => (text === undefined ? null : new Date(text))
          return accepted({ lines: [...(await trialBalanceOf(context, at(input.from), at(input.until)))] })
        }),
      ),
  }),
]
