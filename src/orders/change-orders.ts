import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import type { OrderCancelled } from './events.ts'
import { cancelOrder, coverOrder, type Decision, type ItemMove, moveItems, type Order, refundOrder } from './order.ts'
import { type Caused, deferDecisions, deferPaidEvents, lockOrders } from './order-store.ts'
import type { Changed } from './schemas.ts'

/** One change of one order: what decides it and what to name as its cause. */
export interface OrderChange {
  readonly orderId: number
  readonly cause: string
  readonly commandId: string
  readonly actor: string
  readonly decide: (order: Order) => Outcome<Decision>
}

/**
 * The one way an order changes: lock heads in ascending id, read inside the lock, decide one after the other, write all
 * by compare-and-set with history. Several changes of one order in a batch see each other's result.
 */
export async function changeOrders(
  context: WriteContext,
  changes: readonly OrderChange[],
): Promise<{ outcome: Outcome<Changed>; decision?: Decision }[]> {
  const orders = await lockOrders(
    context,
    changes.map((change) => change.orderId),
  )
  const before = new Map(orders)
  const caused = new Map<number, Caused>()
  const results = changes.map((change) => {
    const order = orders.get(change.orderId)
    if (order === undefined) return { outcome: unknownOrder(String(change.orderId)) }
    const decided = change.decide(order)
    if (!decided.ok) return { outcome: decided }
    const decision = decided.value
    orders.set(order.id, decision.after)
    const earlier = caused.get(order.id)
    caused.set(order.id, {
      order: before.get(order.id) ?? order,
      decision: earlier ? { changes: mergeChanges(earlier.decision.changes, decision.changes), after: decision.after } : decision,
      cause: earlier && decision.changes.length === 0 ? earlier.cause : change.cause,
      commandId: change.commandId,
      actor: change.actor,
    })
    const { id: orderId, number, state, moneyState } = decision.after
    return { outcome: accepted({ orderId, number, state, moneyState }), decision }
  })
  deferDecisions(context, [...caused.values()])
  return results
}

/** Two changes of one order in one batch are written as one: from the first state to the last. */
function mergeChanges(first: Decision['changes'], second: Decision['changes']): Decision['changes'] {
  const merged = new Map(first.map((change) => [`${change.level} ${change.entity}`, change]))
  for (const change of second) {
    const id = `${change.level} ${change.entity}`
    const earlier = merged.get(id)
    merged.set(id, earlier ? { ...change, from: earlier.from } : change)
  }
  return [...merged.values()].filter(({ from, to }) => from !== to)
}

export const unknownOrder = (order: string): Outcome<never> => refused('orders.not_found', `There is no order "${order}".`, '/order')

export interface CoverCommand {
  readonly orderId: number
  readonly commandId: string
  readonly actor: string
}

/** What became of an order's money. */
export interface MoneyCommand extends CoverCommand {
  readonly what: 'covered' | 'refunded'
  /** After a refund: what payments still hold for the order, minor units. */
  readonly heldMinor?: number
}

/**
 * Notes what became of orders' money, in the order it happened, all in one change: the second of two changes of one order
 * must see what the first decided. Items of a covered order become paid, and `orders.paid` tells fulfilment what to prepare.
 */
export async function noteMoney(context: WriteContext, commands: readonly MoneyCommand[]): Promise<Outcome<Changed>[]> {
  const results = await changeOrders(
    context,
    commands.map((command) => ({
      ...command,
      cause: command.what === 'covered' ? 'cover' : 'refund',
      decide: command.what === 'covered' ? coverOrder : (order: Order) => refundOrder(order, command.heldMinor ?? 0),
    })),
  )
  const paid = results.flatMap(({ outcome, decision }) =>
    outcome.ok && decision?.changes.some(({ to }) => to === 'paid') ? [outcome.value.orderId] : [],
  )
  if (paid.length > 0) deferPaidEvents(context, [...new Set(paid)])
  return results.map(({ outcome }) => outcome)
}

export interface MoveCommand extends CoverCommand {
  readonly cause: string
  readonly moves: readonly ItemMove[]
}

/** Moves items as their waybills move. A fact that is overtaken succeeds without effect. */
export async function moveOrderItems(context: WriteContext, commands: readonly MoveCommand[]): Promise<Outcome<Changed>[]> {
  const results = await changeOrders(
    context,
    commands.map((command) => ({ ...command, decide: (order: Order) => moveItems(order, command.moves) })),
  )
  return results.map(({ outcome }) => outcome)
}

const amounts = statement<{ order_id: number; item_no: number; amount_minor: number }>(
  'orders.item_amounts',
  `select order_id, item_no, quantity * unit_price_minor - discount_minor + tax_minor as amount_minor
   from orders.item where order_id = any($1::bigint[])`,
)
const shipping = statement<{ order_id: number; shipping_minor: number }>(
  'orders.shipping',
  `select order_id, sum(shipping_minor)::bigint as shipping_minor from orders.section where order_id = any($1::bigint[]) group by order_id`,
)

export interface CancelCommand extends CoverCommand {
  readonly itemNos?: readonly number[] | undefined
  readonly reason: string
}

/** Cancels whole orders or single items, and tells payments and fulfilment what they owe. */
export async function cancelOrders(context: WriteContext, commands: readonly CancelCommand[]): Promise<Outcome<Changed>[]> {
  const results = await changeOrders(
    context,
    commands.map((command) => ({
      ...command,
      cause: `cancel: ${command.reason}`,
      decide: (order: Order) => cancelOrder(order, command.itemNos),
    })),
  )
  const cancelled = results.flatMap(({ outcome, decision }) => {
    const itemNos =
      decision?.changes.flatMap(({ level, entity, to }) => (level === 'item' && to === 'cancelled' ? [Number(entity)] : [])) ?? []
    return outcome.ok && itemNos.length > 0 ? [{ orderId: outcome.value.orderId, itemNos, whole: outcome.value.state === 'cancelled' }] : []
  })
  if (cancelled.length > 0) {
    const ids = cancelled.map(({ orderId }) => orderId)
    const amountOf = new Map((await context.query(amounts, [ids])).map((row) => [`${row.order_id} ${row.item_no}`, row.amount_minor]))
    const shippingOf = new Map((await context.query(shipping, [ids])).map((row) => [row.order_id, row.shipping_minor]))
    await context.announce(
      cancelled.map(({ orderId, itemNos, whole }): NewEvent => {
        const items = itemNos.reduce((sum, itemNo) => sum + (amountOf.get(`${orderId} ${itemNo}`) ?? 0), 0)
        const payload: OrderCancelled = { orderId, itemNos, whole, amountMinor: items + (whole ? (shippingOf.get(orderId) ?? 0) : 0) }
        return { key: String(orderId), type: 'orders.cancelled', payload }
      }),
    )
  }
  return results.map(({ outcome }) => outcome)
}
