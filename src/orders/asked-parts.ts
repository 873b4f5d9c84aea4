import { invariant } from '#kernel/outcome.ts'
import type { PartAmount } from './events.ts'
import { amountOf, detailOf, lineOf, newPart, type Order, type OrderItem, type Part } from './order.ts'

/**
 * What parts ask, and what goes back. Goods that replace others are a part of their own, which asks for them less what those were
 * worth: that worth, the credit, is counted as given back there, and stays with the part that paid for the goods that came back.
 */
export interface AskedParts {
  readonly parts: readonly Part[]
  /** Credit of goods in exchange that were cancelled: it goes back from where it had come. */
  readonly released: readonly PartAmount[]
}

/** Parts with what they ask now: rows that are not cancelled, shipping of sections that something is left of, less what was given back. */
export function askedNow(order: Order): AskedParts {
  const asked = new Map<number, number>()
  const add = (part: number, amountMinor: number) => asked.set(part, (asked.get(part) ?? 0) + amountMinor)
  for (const item of order.items) add(item.part, item.state === 'cancelled' ? 0 : amountOf(lineOf(item)))
  for (const section of order.sections) {
    const own = order.items.filter((item) => item.sectionNo === section.sectionNo)
    const left = own.length === 0 || own.some((item) => item.state !== 'cancelled')
    add(section.part, left ? detailOf(section).shippingMinor : 0)
  }
  let short = false
  const known = order.parts.map((part): Part => {
    const askedMinor = (asked.get(part.part) ?? 0) - part.givenBackMinor
    short ||= askedMinor < 0
    return askedMinor === part.askedMinor ? part : { ...part, askedMinor }
  })
  const added = [...asked].filter(([part]) => !order.parts.some((each) => each.part === part))
  const parts = added.length === 0 ? known : [...known, ...added.map(([part, askedMinor]) => newPart(part, askedMinor))]
  return short ? releaseCredits(order, parts) : { parts, released: [] }
}

/** Moves credit that no row needs any more to the part that it came from. Such a part is always older, so the newest go first. */
function releaseCredits(order: Order, parts: readonly Part[]): AskedParts {
  const is = new Map(parts.map((part) => [part.part, part]))
  const released: PartAmount[] = []
  const owed = new Map<number, number>()
  for (const partNo of [...is.keys()].toSorted((a, b) => b - a)) {
    const part = is.get(partNo) as Part
    const inMinor = owed.get(partNo) ?? 0
    const outMinor = Math.max(0, inMinor - part.askedMinor)
    if (inMinor === 0 && outMinor === 0) continue
    is.set(partNo, {
      ...part,
      askedMinor: part.askedMinor - inMinor + outMinor,
      givenBackMinor: part.givenBackMinor + inMinor - outMinor,
    })
    if (inMinor > outMinor) released.push({ part: partNo, amountMinor: inMinor - outMinor })
    if (outMinor === 0) continue
    const from = creditOf(order, partNo)
    invariant(from !== undefined, `part ${partNo} of order ${order.number} would ask ${part.askedMinor}`)
    owed.set(from, (owed.get(from) ?? 0) + outMinor)
  }
  return { parts: parts.map((part) => is.get(part.part) as Part), released }
}

/** The part whose money stands behind the credit of a part: that of the goods which its goods were exchanged for. */
export function creditOf(order: Order, partNo: number): number | undefined {
  const made = order.items.find((item) => item.part === partNo && item.line?.originKind === 'exchange')
  return made === undefined ? undefined : paidRow(order, made).part
}

const rowOf = (order: Order, itemNo: number | null): OrderItem => {
  const row = order.items.find((item) => item.itemNo === itemNo)
  invariant(row, `order ${order.number} has no row ${itemNo}, which another came from`)
  return row
}

/** The row that siblings were split off, or the row itself. */
const rootOf = (order: Order, item: OrderItem): OrderItem =>
  lineOf(item).originKind === 'split' ? rowOf(order, lineOf(item).originItemNo) : item

/** Goods that were sent again cost nothing; what was paid for them stands in the row that they replace. */
export function paidFor(order: Order, item: OrderItem): OrderItem {
  const root = rootOf(order, item)
  return lineOf(root).originKind === 'reship' ? paidFor(order, rowOf(order, lineOf(root).originItemNo)) : item
}

/** The row that goods in exchange came for, as far back as somebody paid for it. */
const paidRow = (order: Order, made: OrderItem): OrderItem => paidFor(order, rowOf(order, lineOf(made).originItemNo))

/** Takes an amount from a part, and what it does not ask itself from the part behind its credit. */
export function giveBack(order: Order, partNo: number, amountMinor: number): { parts: readonly Part[]; given: PartAmount[] } {
  const part = order.parts.find((each) => each.part === partNo)
  invariant(part, `order ${order.number} has no part ${partNo}`)
  const ownMinor = Math.min(part.askedMinor, amountMinor)
  const restMinor = amountMinor - ownMinor
  const parts =
    ownMinor === 0
      ? order.parts
      : order.parts.map((each) =>
          each === part ? { ...part, askedMinor: part.askedMinor - ownMinor, givenBackMinor: part.givenBackMinor + ownMinor } : each,
        )
  const given = ownMinor === 0 ? [] : [{ part: partNo, amountMinor: ownMinor }]
  if (restMinor === 0) return { parts, given }
  const from = creditOf(order, partNo)
  invariant(from !== undefined, `part ${partNo} of order ${order.number} asks less than ${amountMinor}`)
  const rest = giveBack({ ...order, parts }, from, restMinor)
  return { parts: rest.parts, given: [...given, ...rest.given] }
}

/** One amount a part. */
export function byPart(amounts: readonly PartAmount[]): PartAmount[] {
  const sums = new Map<number, number>()
  for (const { part, amountMinor } of amounts) sums.set(part, (sums.get(part) ?? 0) + amountMinor)
  return [...sums].filter(([, amountMinor]) => amountMinor > 0).map(([part, amountMinor]) => ({ part, amountMinor }))
}
