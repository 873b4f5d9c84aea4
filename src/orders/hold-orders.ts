import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import type { Asked } from '#platform/operation.ts'
import { changeNamed } from './change-orders.ts'
import type { Changed, HoldInput, ReleaseInput } from './change-schemas.ts'
import type { OrderHoldChanged } from './events.ts'
import { flagBits } from './lifecycle.ts'
import { headOf, type Hold, type Order } from './order.ts'
import { changeRows, findSection } from './pick-rows.ts'
import { type Decision, settle, unchanged } from './settle.ts'

/** Puts orders or sections on hold: what is paid while one is on is not announced until the last of its holds is released. */
export const holdOrders = (context: WriteContext, asked: readonly Asked<HoldInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    change: ({ input, actor }) => ({
      cause: `hold: ${input.reason}`,
      detailed: true,
      decide: (order: Order) => holdOrder(order, { sectionNo: input.sectionNo ?? 0, owner: input.owner ?? actor.id, reason: input.reason }),
    }),
    answer: (changed) => changed,
  })

/** Releases the holds of one owner, or all of an order or section. */
export const releaseOrders = (context: WriteContext, asked: readonly Asked<ReleaseInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    change: ({ input, actor }) => ({
      cause: `release: ${input.reason}`,
      detailed: true,
      decide: (order: Order) =>
        releaseOrder(order, { sectionNo: input.sectionNo ?? 0, owner: input.owner, reason: input.reason, by: actor.id }),
    }),
    answer: (changed) => changed,
  })

/** A hold of the same owner that is on already stays as it is. */
export function holdOrder(order: Order, hold: Hold): Outcome<Decision> {
  const section = hold.sectionNo === 0 ? undefined : findSection(order, hold.sectionNo)
  if (section?.ok === false) return section
  const { holds } = headOf(order)
  if (holds.some(({ sectionNo, owner }) => sectionNo === hold.sectionNo && owner === hold.owner)) return accepted(unchanged(order))
  return accepted(settle(order, withHolds(order, [...holds, hold]), { events: [holdEvent(order, hold, true)] }))
}

export function releaseOrder(
  order: Order,
  { sectionNo, owner, reason, by }: { sectionNo: number; owner: string | undefined; reason: string; by: string },
): Outcome<Decision> {
  const section = sectionNo === 0 ? undefined : findSection(order, sectionNo)
  if (section?.ok === false) return section
  const { holds } = headOf(order)
  const left = holds.filter((hold) => hold.sectionNo !== sectionNo || (owner !== undefined && hold.owner !== owner))
  if (left.length === holds.length) return accepted(unchanged(order))
  const freed = withHolds(order, left)
  const heldSections = new Set(freed.sections.filter((each) => each.held).map((each) => each.sectionNo))
  const released = freed.held
    ? []
    : freed.items.filter((item) => (item.flags & flagBits.withheld) !== 0 && !heldSections.has(item.sectionNo)).map(({ itemNo }) => itemNo)
  const draft = changeRows(freed, released, (item) => ({ ...item, flags: item.flags & ~flagBits.withheld }))
  const events = left.some((hold) => hold.sectionNo === sectionNo)
    ? []
    : [holdEvent(order, { sectionNo, owner: owner ?? by, reason }, false)]
  return accepted(settle(order, draft, { released, events }))
}

function withHolds(order: Order, holds: readonly Hold[]): Order {
  const on = new Set(holds.map(({ sectionNo }) => sectionNo))
  return {
    ...order,
    held: on.has(0),
    sections: order.sections.map((section) =>
      section.held === on.has(section.sectionNo) ? section : { ...section, held: on.has(section.sectionNo) },
    ),
    detail: { ...headOf(order), holds },
  }
}

function holdEvent(order: Order, { sectionNo, owner, reason }: Hold, held: boolean): NewEvent {
  const payload: OrderHoldChanged = { orderId: order.id, sectionNo: sectionNo === 0 ? null : sectionNo, held, reason, owner }
  return { key: String(order.id), type: 'orders.hold_changed', payload }
}
