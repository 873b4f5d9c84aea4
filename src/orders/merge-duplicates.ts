import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { changeNamed, unknownOrder } from './change-orders.ts'
import type { Changed, MergeDuplicatesInput } from './change-schemas.ts'
import { headOf, lineOf, type Order } from './order.ts'
import { type Decision, settle, unchanged } from './settle.ts'

/** A day: customers who press twice do so within minutes, those who doubt and order again within a day. */
const usualWindowMinutes = 1_440

/** Of two orders for the same goods one is kept, and the unpaid other cancelled with a link to it. */
export const mergeDuplicates = (context: WriteContext, asked: readonly Asked<MergeDuplicatesInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    names: ({ duplicate }) => [duplicate],
    change({ input }, idOf) {
      const id = idOf(input.duplicate)
      const kept = idOf(input.order)
      if (id === undefined) return unknownOrder(input.duplicate, '/duplicate')
      if (id === kept) return refused('orders.not_duplicates', 'An order is no duplicate of itself.', '/duplicate')
      // The duplicate is the one that changes.
      return {
        orderId: id,
        named: { order: input.duplicate, field: '/duplicate' },
        with: kept as number,
        cause: `duplicate of ${input.order}`,
        detailed: true,
        decide: (duplicate: Order, keep: Order | undefined) =>
          keep === undefined
            ? refused('orders.not_duplicates', `There is no order "${input.order}" to keep.`, '/order')
            : dropDuplicate(keep, duplicate, input.windowMinutes ?? usualWindowMinutes),
      }
    },
    answer: (changed) => changed,
  })

export function dropDuplicate(kept: Order, duplicate: Order, windowMinutes: number): Outcome<Decision> {
  const wrong = (reason: string, field = '/duplicate') => refused('orders.not_duplicates', reason, field)
  const [keptHead, head] = [headOf(kept), headOf(duplicate)]
  if (duplicate.state === 'cancelled' && head.duplicateOf === kept.id) return accepted(unchanged(duplicate))
  if (kept.storeId !== duplicate.storeId || keptHead.customerId !== head.customerId)
    return wrong('They are of different customers or stores.')
  if (kept.state === 'cancelled') return wrong(`Order ${kept.number} is cancelled and can not be the one to keep.`, '/order')
  if (Math.abs(keptHead.placedAtMs - head.placedAtMs) > windowMinutes * 60_000)
    return wrong(`They were placed more than ${windowMinutes} minutes apart.`)
  const unpaid =
    duplicate.moneyState === 'none' && duplicate.items.every(({ state }) => state === 'pending_payment' || state === 'cancelled')
  if (!unpaid || duplicate.state === 'cancelled') {
    return wrong(
      `Order ${duplicate.number} is ${duplicate.state}; only one that nobody has paid for is dropped. Keep that one, or cancel it by itself.`,
    )
  }
  if (goodsOf(kept) !== goodsOf(duplicate)) return wrong('They are for different goods.')
  const items = duplicate.items.map((item) => (item.state === 'cancelled' ? item : { ...item, state: 'cancelled' as const }))
  return accepted(settle(duplicate, { ...duplicate, items, detail: { ...head, duplicateOf: kept.id } }))
}

/** What an order is for, however its rows are divided. */
function goodsOf(order: Order): string {
  const pieces = new Map<string, number>()
  for (const item of order.items) {
    if (item.state === 'cancelled') continue
    const { sku, quantity } = lineOf(item)
    pieces.set(sku, (pieces.get(sku) ?? 0) + quantity)
  }
  return JSON.stringify([...pieces].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
