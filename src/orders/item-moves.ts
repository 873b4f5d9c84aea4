import type { OrderMoved } from './events.ts'
import { flagBits, type ItemState, itemLifeCycle, rankOf } from './lifecycle.ts'
import { minorOf, type Order, type OrderSection } from './order.ts'

/**
 * Items that were paid for before and are in another state now. A payment itself is told by `orders.paid`, save for items that are on
 * hold: those are paid for now, and `orders.paid` tells of them when they are released.
 */
export function movesOf(before: Order, after: Order): OrderMoved['items'] {
  if (before.items === after.items) return []
  return before.items.flatMap((was, at) => {
    const is = after.items[at]
    if (is === undefined || is.state === was.state || (rankOf(was.state) < 20 && (is.flags & flagBits.withheld) === 0)) return []
    return [{ itemNo: was.itemNo, from: was.state, to: is.state, part: is.part, amountMinor: minorOf(is) }]
  })
}

/** When money that is set aside is earned: by goods that have left the house, or, as cash, by goods that were handed over. */
interface Earning {
  readonly has: (state: ItemState) => boolean
  /** May still come to that. */
  readonly may: (state: ItemState) => boolean
}

const unended = (state: ItemState, below: number): boolean => !itemLifeCycle.states[state].end && rankOf(state) < below
const byLeaving: Earning = {
  has: (state) => rankOf(state) >= 60 || state === 'returned' || state === 'exchanged',
  may: (state) => unended(state, 60),
}
const byHandingOver: Earning = { has: (state) => rankOf(state) >= 80 || state === 'exchanged', may: (state) => unended(state, 80) }

/** What of a part is earned: its goods, and shipping of sections of which something has earned; never more than it asks. */
function earnedMinor(order: Order, part: number, { cap, has }: { readonly cap: number; readonly has: Earning['has'] }): number {
  let sum = 0
  const sections = new Set<number>()
  for (const item of order.items) {
    if (!has(item.state)) continue
    sections.add(item.sectionNo)
    if (item.part === part) sum += minorOf(item)
  }
  for (const section of order.sections) if (section.part === part && sections.has(section.sectionNo)) sum += shippingOf(section)
  return Math.min(sum, cap)
}

const shippingOf = ({ detail, readShippingMinor }: OrderSection): number => detail?.shippingMinor ?? readShippingMinor ?? 0

/** Rows of an order that are another thing now than they were, by part. */
const partsOf = (before: Order, after: Order, is: (state: ItemState, was: ItemState) => boolean): Set<number> => {
  const found = new Set<number>()
  after.items.forEach((item, at) => {
    const was = before.items[at]
    if (was !== undefined && is(item.state, was.state)) found.add(item.part)
  })
  return found
}

/**
 * What is to be taken now of money that is set aside and not taken, by parts: what goods that left just now have earned, and what of
 * cash goods that were handed over have. Nothing for parts that were captured whole, which is how most are paid.
 */
export function capturesOf(before: Order, after: Order): Pick<OrderMoved, 'toCapture' | 'toCollect'> {
  if (after.items === before.items || !after.parts.some(({ told }) => told !== undefined && told.authorizedMinor > 0)) return {}
  const toCapture = earnedNow(before, after, byLeaving)
  const toCollect = earnedNow(before, after, byHandingOver)
  return { ...(toCapture.length === 0 ? {} : { toCapture }), ...(toCollect.length === 0 ? {} : { toCollect }) }
}

function earnedNow(before: Order, after: Order, { has, may }: Earning): NonNullable<OrderMoved['toCapture']> {
  const earning = partsOf(before, after, (is, was) => has(is) && !has(was))
  const ended = partsOf(before, after, (is, was) => !may(is) && may(was))
  return after.parts.flatMap(({ part, askedMinor: cap, told }) => {
    if (told === undefined || told.authorizedMinor === 0) return []
    const last = !after.items.some((item) => item.part === part && may(item.state))
    // Shipping may be earned by goods of another part that leave first; so it is the sums that count, not whose goods they are.
    const earned = earnedMinor(after, part, { cap, has }) - earnedMinor(before, part, { cap, has })
    const amountMinor = Math.min(Math.max(0, earned), told.authorizedMinor)
    // The rest was cancelled or lost: nothing more is earned, and payments may let go of what is set aside.
    const ends = last && (earning.has(part) || ended.has(part))
    return amountMinor > 0 || ends ? [{ part, amountMinor, last }] : []
  })
}
