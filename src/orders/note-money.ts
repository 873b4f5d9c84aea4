import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { PaymentsChecking, PaymentsExpired, PaymentsMoved, PaymentSums } from '#payments'
import type { WriteContext } from '#platform/database.ts'
import { changeOrders, type OrderChange } from './change-orders.ts'
import { coverFresh } from './cover-fresh.ts'
import { flagBits } from './lifecycle.ts'
import { unknownItem } from './move-items.ts'
import type { Order, OrderItem, Part } from './order.ts'
import type { Changed } from './schemas.ts'
import { type Decision, settle, unchanged } from './settle.ts'

/** One event of payments about one order, with the event as the command that the log names. */
export interface Noted<Event> {
  readonly orderId: number
  readonly event: Event
  readonly commandId: string
  readonly actor: string
}

/** What payments tell of an order, each kind with its event. */
export type PaymentFact =
  | ({ readonly type: 'payments.moved' } & Noted<PaymentsMoved>)
  | ({ readonly type: 'payments.expired' } & Noted<PaymentsExpired>)
  | ({ readonly type: 'payments.checking' } & Noted<PaymentsChecking>)

/**
 * Notes facts of all kinds in the order they were told; the last sums told are all there is to know, so a repeated event changes
 * nothing. Items of a covered part become paid, and `orders.paid` tells fulfilment what to prepare, save what is on hold. Writes of a
 * change leave with the commit, so two changes of one order in a transaction must be decided together: a charge whose end becomes
 * known tells `checking` and `moved` at once. Errors: orders.not_found, orders.unknown_part.
 */
export async function notePaymentFacts(context: WriteContext, facts: readonly PaymentFact[]): Promise<Outcome<Changed>[]> {
  const batch = facts.map(({ orderId }) => orderId)
  const moved = facts.filter((fact) => fact.type === 'payments.moved')
  const done = await coverFresh(context, batch, moved, causeOf)
  const rest = facts.filter(({ orderId }) => !done.has(orderId))
  const results = await changeOrders(
    context,
    rest.map((fact) => ({ ...changeOfFact(fact), orderId: fact.orderId, commandId: fact.commandId, actor: fact.actor })),
  )
  let next = 0
  return facts.map(({ orderId }) => {
    const changed = done.get(orderId)
    return changed === undefined ? (results[next++]?.outcome as Outcome<Changed>) : accepted(changed)
  })
}

function changeOfFact(fact: PaymentFact): Pick<OrderChange, 'cause' | 'detailed' | 'decide'> {
  switch (fact.type) {
    case 'payments.moved':
      return { cause: causeOf(fact.event), decide: (order) => takeMoney(order, fact.event) }
    case 'payments.expired':
      return { cause: 'payment expired', detailed: true, decide: (order) => expirePart(order, fact.event) }
    case 'payments.checking': {
      const { part: partNo, unknown } = fact.event
      const cause = unknown ? 'a charge without an answer' : 'charges are known again'
      return { cause, decide: (order) => changePart(order, partNo, (part) => (part.unknown === unknown ? part : { ...part, unknown })) }
    }
  }
}

const causeOf = ({ covered, movement, reason }: PaymentsMoved): string => {
  const what = covered ? 'cover' : (movement?.kind ?? 'due changed')
  return reason === '' ? what : `${what}: ${reason}`
}

const sameSums = (a: PaymentSums | undefined, b: PaymentSums): boolean =>
  a !== undefined &&
  a.dueMinor === b.dueMinor &&
  a.authorizedMinor === b.authorizedMinor &&
  a.capturedMinor === b.capturedMinor &&
  a.refundedMinor === b.refundedMinor &&
  a.goodwillMinor === b.goodwillMinor

/** What an order becomes when payments tell where a part's money stands; pure. */
export function takeMoney(
  order: Order,
  { part: partNo, sums, covered }: Pick<PaymentsMoved, 'part' | 'sums' | 'covered'>,
): Outcome<Decision> {
  const part = order.parts.find((each) => each.part === partNo)
  if (part === undefined) return unknownPart(order, partNo)
  // An amendment upwards is on its way to payments: goods wait until its money is there, too.
  const enough = covered && sums.dueMinor >= part.askedMinor
  const { dueMinor, authorizedMinor, capturedMinor, refundedMinor, goodwillMinor } = sums
  const told: Part = sameSums(part.told, sums)
    ? part
    : { ...part, told: { dueMinor, authorizedMinor, capturedMinor, refundedMinor, goodwillMinor } }
  const after = enough && !told.covered ? { ...told, covered: true } : told
  const waits = enough && order.items.some((item) => item.part === partNo && item.state === 'pending_payment')
  if (after === part && !waits) return accepted(unchanged(order))
  const parts = order.parts.map((each) => (each === part ? after : each))
  if (!waits) return accepted(settle(order, { ...order, parts }))
  const items = order.items.map((item): OrderItem => {
    if (item.part !== partNo || item.state !== 'pending_payment') return item
    const held = order.held || order.sections.some((section) => section.held && section.sectionNo === item.sectionNo)
    return { ...item, state: 'paid', flags: held ? item.flags | flagBits.withheld : item.flags }
  })
  return accepted(settle(order, { ...order, parts, items }, { paidParts: [partNo] }))
}

function expirePart(order: Order, { part: partNo, sums }: PaymentsExpired): Outcome<Decision> {
  const part = order.parts.find((each) => each.part === partNo)
  if (part === undefined) return unknownPart(order, partNo)
  const parts = sameSums(part.told, sums) ? order.parts : order.parts.map((each) => (each === part ? { ...part, told: sums } : each))
  const waits = order.items.some((item) => item.part === partNo && item.state === 'pending_payment')
  if (!waits && parts === order.parts) return accepted(unchanged(order))
  const items = waits
    ? order.items.map(
        (item): OrderItem => (item.part === partNo && item.state === 'pending_payment' ? { ...item, state: 'cancelled' } : item),
      )
    : order.items
  return accepted(settle(order, { ...order, parts, items }))
}

function changePart(order: Order, partNo: number, change: (part: Part) => Part): Outcome<Decision> {
  const part = order.parts.find((each) => each.part === partNo)
  if (part === undefined) return unknownPart(order, partNo)
  const after = change(part)
  if (after === part) return accepted(unchanged(order))
  return accepted(settle(order, { ...order, parts: order.parts.map((each) => (each === part ? after : each)) }))
}

const unknownPart = (order: Order, part: number): Outcome<never> =>
  refused('orders.unknown_part', `Order ${order.number} asks for no payment ${part}.`, undefined, { part })

/** Cancelled goods that had gone too far to be called off. */
export interface TooFarGone {
  readonly orderId: number
  readonly itemNos: readonly number[]
  readonly commandId: string
  readonly actor: string
}

/** Flags items whose goods could not be called off, so that a person looks after them. */
export async function noteTooFarGone(context: WriteContext, commands: readonly TooFarGone[]): Promise<Outcome<Changed>[]> {
  const results = await changeOrders(
    context,
    commands.map(({ orderId, commandId, actor, itemNos }) => ({
      orderId,
      commandId,
      actor,
      cause: 'could not be called off',
      decide(order: Order): Outcome<Decision> {
        const unknown = itemNos.find((itemNo) => !order.items.some((item) => item.itemNo === itemNo))
        if (unknown !== undefined) return unknownItem(order, unknown)
        const named = new Set(itemNos)
        if (!order.items.some((item) => named.has(item.itemNo) && (item.flags & flagBits.too_far_gone) === 0))
          return accepted(unchanged(order))
        const items = order.items.map((item) => (named.has(item.itemNo) ? { ...item, flags: item.flags | flagBits.too_far_gone } : item))
        return accepted(settle(order, { ...order, items }))
      },
    })),
  )
  return results.map(({ outcome }) => outcome)
}
