import { invariant } from '#kernel/outcome.ts'
import type { ChargeCall, ChargeResult, FollowUpCall, FollowUpResult, GatewayCall, PaymentGateway } from '#payments'
import { Batcher } from '#platform/batcher.ts'
import type { ContextDatabase, Scope } from '#platform/database.ts'
import { isOperational } from '#platform/sql-retry.ts'
import { type AccountCommand, type AccountMeans, accountId, house } from './account.ts'
import { findUse, isBooked } from './ledger-store.ts'
import { type UseAccount, useAccounts } from './use-accounts.ts'

/** Calls that wait for one transaction; beyond it a call is told that nothing was done. */
const mostWaiting = 10_000

/**
 * Accounts of customers as a payment gateway: a leg by wallet, points or voucher goes the same way as one by card, with
 * attempts, keys, queries and a sweep. Calls of one moment share a transaction.
 */
export function openAccountGateway(database: ContextDatabase, means: AccountMeans): PaymentGateway {
  const batchers = new Map<string, Batcher<UseAccount, ChargeResult | FollowUpResult>>()

  const batcherOf = ({ traffic, rehearsalId }: Scope): Batcher<UseAccount, ChargeResult | FollowUpResult> => {
    const key = `${traffic} ${rehearsalId ?? ''}`
    let batcher = batchers.get(key)
    if (batcher === undefined) {
      batcher = new Batcher({
        largest: 128,
        longestWaitMs: 1,
        concurrent: 1,
        mostWaiting,
        // Repeatable: each command finds its own key booked, should the first run have been committed after all.
        run: (asked) =>
          database.write({ traffic, rehearsalId }, (context) => useAccounts(context, asked, 'system:ledger'), { repeatable: true }),
      })
      batchers.set(key, batcher)
    }
    return batcher
  }

  const ask = async (call: GatewayCall, asked: UseAccount): Promise<ChargeResult | FollowUpResult> => {
    try {
      return (await batcherOf(call).add(asked)) ?? { outcome: 'unreachable', reason: 'too_many_waiting' }
    } catch (error) {
      if (isOperational(error)) return { outcome: 'unknown', reason: 'ledger_not_reached' }
      throw error
    }
  }

  const take = async (act: 'charge' | 'authorize', call: ChargeCall): Promise<ChargeResult> => {
    const account = accountId(means, call.token === '' ? call.customerId : call.token, call.currency)
    // A wallet or points belong to one customer; only a voucher may be paid with by whoever has its code.
    if (means !== 'voucher' && call.token !== '' && call.token !== call.customerId)
      return { outcome: 'declined_hard', reason: 'account_of_somebody_else' }
    const command: AccountCommand = { act, key: call.key, account, amountMinor: call.amountMinor, orderId: orderOf(call.reference) }
    const result = await ask(call, { command })
    invariant(isOfCharge(result), 'a charge on an account has the result of one')
    return result
  }

  const followUp = async (act: 'capture' | 'void' | 'refund', call: FollowUpCall): Promise<FollowUpResult> => {
    const { key, gatewayRef: useKey, amountMinor, last } = call
    return followUpOf(await ask(call, { command: { act, key, useKey, amountMinor, ...(last === undefined ? {} : { last }) } }))
  }

  const read = (call: GatewayCall, key: string) => database.read(scopeOf(call), (context) => findUse(context, key))

  return {
    name: means,
    means: [means],
    charge: (call) => take('charge', call),
    authorize: (call) => take('authorize', call),
    capture: (call) => followUp('capture', call),
    void: (call) => followUp('void', call),
    refund: (call) => followUp('refund', call),
    async credit(call) {
      // `gatewayRef` names the customer: there is no charge that it goes back on. What backs it is where the charge was booked.
      const id = accountId(means, call.gatewayRef, call.currency)
      const command = {
        act: 'credit',
        key: call.key,
        account: id,
        amountMinor: call.amountMinor,
        orderId: call.stray ? null : orderOf(call.reference),
        from: call.stray ? house.stray : house.orders,
        reason: 'instead of a refund',
      } as const
      return followUpOf(await ask(call, { command, opens: { id, means, holder: call.gatewayRef, currency: call.currency } }))
    },
    async queryCharge(call) {
      const use = await read(call, call.key)
      return use === undefined ? { outcome: 'not_found' } : { outcome: 'succeeded', gatewayRef: use.key }
    },
    async queryFollowUp(_kind, call) {
      const booked = await database.read(scopeOf(call), (context) => isBooked(context, call.key))
      return booked ? { outcome: 'succeeded', gatewayRef: call.key } : { outcome: 'not_found' }
    },
    verifyWebhook: () => ({ refused: `There are no webhooks of ${means}: it is an account of ours.` }),
  }
}

const scopeOf = ({ traffic, rehearsalId }: GatewayCall): Scope => ({ traffic, rehearsalId })

const orderOf = (reference: string): number | null => (/^[1-9]\d{0,15}$/.test(reference) ? Number(reference) : null)

const isOfCharge = (result: ChargeResult | FollowUpResult): result is ChargeResult =>
  result.outcome !== 'pending' && result.outcome !== 'failed'

function followUpOf(result: ChargeResult | FollowUpResult): FollowUpResult {
  // A follow-up that was not done is sent again under its key, so "nothing was done" and "not known" are one to it.
  if (result.outcome === 'unreachable') return { outcome: 'unknown', reason: result.reason }
  invariant(
    result.outcome === 'succeeded' || result.outcome === 'failed' || result.outcome === 'unknown' || result.outcome === 'pending',
    'a follow-up has the result of one',
  )
  return result
}
