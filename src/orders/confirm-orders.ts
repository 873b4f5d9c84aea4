import { type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { changeNamed, changeOrders } from './change-orders.ts'
import type { Changed, ConfirmInput } from './change-schemas.ts'
import { moveItems, unknownItem } from './move-items.ts'
import type { Order } from './order.ts'
import { findSection } from './pick-rows.ts'
import type { Decision } from './settle.ts'

/** Customers say that they have it: delivered items become confirmed. */
export const confirmOrders = (context: WriteContext, asked: readonly Asked<ConfirmInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({ cause: 'confirm', decide: (order: Order) => confirmOrder(order, input) }),
    answer: (changed) => changed,
  })

/** Of what is named explicitly all must be delivered; of a section or an order, what is delivered is confirmed. */
export function confirmOrder(order: Order, { sectionNo, itemNos }: Pick<ConfirmInput, 'sectionNo' | 'itemNos'>): Outcome<Decision> {
  if (sectionNo !== undefined) {
    const section = findSection(order, sectionNo)
    if (!section.ok) return section
  }
  for (const [at, itemNo] of (itemNos ?? []).entries()) {
    const item = order.items.find((each) => each.itemNo === itemNo)
    if (item === undefined) return unknownItem(order, itemNo, `/itemNos/${at}`)
    if (item.state !== 'delivered' && item.state !== 'confirmed') return notDelivered(`Item ${itemNo} is ${item.state}`, `/itemNos/${at}`)
  }
  const meant = order.items.filter(
    (item) => (itemNos?.includes(item.itemNo) ?? true) && (sectionNo === undefined || item.sectionNo === sectionNo),
  )
  const delivered = meant.filter(({ state }) => state === 'delivered')
  if (delivered.length === 0 && !meant.some(({ state }) => state === 'confirmed'))
    return notDelivered(`The order is ${order.state}`, '/order')
  return moveItems(
    order,
    delivered.map(({ itemNo }) => ({ itemNo, to: 'confirmed' })),
  )
}

const notDelivered = (fact: string, field: string): Outcome<never> =>
  refused('orders.not_delivered', `${fact}; only what was delivered can be confirmed.`, field)

const mostAtOnce = 500

// Rows that another round of another process works on are passed over, so that two never wait for each other.
const takeDue = statement<{ order_id: number }>(
  'orders.take_to_confirm',
  `delete from orders.to_confirm where order_id in (
     select order_id from orders.to_confirm where delivered_at < $1 order by delivered_at, order_id limit $2 for update skip locked)
   returning order_id`,
)

/**
 * Confirms what was delivered before an instant and nothing of the order since. At most 500 orders; how many it was is returned,
 * so that a round calls again while it is 500.
 */
export async function confirmDelivered(context: WriteContext, before: Date): Promise<number> {
  const due = await context.query(takeDue, [before, mostAtOnce])
  await changeOrders(
    context,
    due.map((row) => ({
      orderId: row.order_id,
      cause: 'the time to object is over',
      commandId: `confirm before ${before.toISOString()}`,
      actor: 'system:confirm',
      decide: (order: Order) =>
        moveItems(
          order,
          order.items.filter(({ state }) => state === 'delivered').map(({ itemNo }) => ({ itemNo, to: 'confirmed' })),
        ),
    })),
  )
  return due.length
}
