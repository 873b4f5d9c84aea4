import { accepted, invariant, type Outcome, refused } from '#kernel/outcome.ts'
import type { NewEvent } from '#platform/events.ts'
import { byPart, giveBack, paidFor } from './asked-parts.ts'
import type { Claim, ClaimItem, Replacement } from './claim-lifecycle.ts'
import type { OrderRefundDue, PartAmount } from './events.ts'
import { itemLifeCycle } from './lifecycle.ts'
import { amountOf, detailOf, headOf, type Line, lineOf, newPart, type Order, type OrderItem, type OrderSection } from './order.ts'
import { largestSectionNo } from './regroup-sections.ts'
import { nextItemNo, shareOf } from './split-row.ts'

/** Pieces of a claim that are settled now: a row of their own. */
export interface Settled {
  readonly item: OrderItem
  /** Which of the claim's rows it is. */
  readonly position: number
}

export interface SettledClaim {
  readonly order: Order
  readonly claim: Claim
  readonly events: readonly NewEvent[]
}

const rowIn = (order: Order, itemNo: number): OrderItem => {
  const item = order.items.find((each) => each.itemNo === itemNo)
  invariant(item, `order ${order.number} has no row ${itemNo}`)
  return item
}

/**
 * What rows are worth that are given back now: what was paid for them. Goods that were sent again cost nothing themselves; a piece of
 * them is worth a piece of what they replaced, and all its pieces together are worth what that was, to the minor unit.
 */
function worthOf(order: Order, rows: readonly OrderItem[]): { part: number; amountMinor: number }[] {
  const given = piecesGiven(order)
  return rows.map((item) => {
    const paid = paidFor(order, item)
    if (paid === item) return { part: item.part, amountMinor: amountOf(lineOf(item)) }
    const { quantity } = lineOf(paid)
    const before = given.get(paid.itemNo) ?? 0
    const after = before + lineOf(item).quantity
    invariant(after <= quantity, `more of item ${paid.itemNo} of order ${order.number} would be given back than it was`)
    given.set(paid.itemNo, after)
    const amountMinor = amountOf(lineOf(paid))
    return { part: paid.part, amountMinor: shareOf(amountMinor, after, quantity) - shareOf(amountMinor, before, quantity) }
  })
}

/** Pieces that money or goods were given for already, of rows that were sent again. */
function piecesGiven(order: Order): Map<number, number> {
  const given = new Map<number, number>()
  for (const claim of headOf(order).claims) {
    if (claim.kind === 'reship') continue
    for (const { itemNo, quantity, accepted: fit, damaged } of claim.items) {
      const pieces = claim.kind === 'refund_only' ? (claim.state === 'completed' ? quantity : 0) : fit + damaged
      if (pieces === 0) continue
      const item = rowIn(order, itemNo)
      const paid = paidFor(order, item)
      if (paid !== item) given.set(paid.itemNo, (given.get(paid.itemNo) ?? 0) + pieces)
    }
  }
  return given
}

/** Money for rows, and where the claim grants it shipping of sections that nothing is left of. Rows have their new states already. */
export function refundRows(before: Order, draft: Order, { claim, settled }: { claim: Claim; settled: readonly Settled[] }): SettledClaim {
  const amounts: PartAmount[] = [
    ...worthOf(
      before,
      settled.map(({ item }) => item),
    ),
  ]
  const sections = claim.kind === 'return' && claim.refundShipping ? emptied(draft, settled) : []
  for (const section of sections) amounts.push({ part: section.part, amountMinor: detailOf(section).shippingMinor })
  const { order, given } = giveBackAll(draft, byPart(amounts))
  const refundedMinor = given.reduce((sum, { amountMinor }) => sum + amountMinor, claim.refundedMinor)
  return {
    order,
    claim: { ...claim, refundedMinor, shippingSections: [...claim.shippingSections, ...sections.map(({ sectionNo }) => sectionNo)] },
    events: refundEvents(order, given, { kind: 'claim', claim }),
  }
}

/** Sections of these rows that nothing is left of, whose shipping no claim gave back yet. */
function emptied(order: Order, settled: readonly Settled[]): OrderSection[] {
  const given = new Set(headOf(order).claims.flatMap(({ shippingSections }) => shippingSections))
  const touched = new Set(settled.map(({ item }) => item.sectionNo))
  return order.sections.filter(
    ({ sectionNo }) =>
      touched.has(sectionNo) &&
      !given.has(sectionNo) &&
      order.items.every((item) => item.sectionNo !== sectionNo || itemLifeCycle.states[item.state].end),
  )
}

function giveBackAll(order: Order, amounts: readonly PartAmount[]): { order: Order; given: PartAmount[] } {
  let draft = order
  const given: PartAmount[] = []
  for (const { part, amountMinor } of amounts) {
    const back = giveBack(draft, part, amountMinor)
    draft = { ...draft, parts: back.parts }
    given.push(...back.given)
  }
  return { order: draft, given: byPart(given) }
}

function refundEvents(
  order: Order,
  parts: readonly PartAmount[],
  { kind, claim }: { kind: 'claim' | 'price_difference'; claim: Claim },
): NewEvent[] {
  if (parts.length === 0) return []
  const payload: OrderRefundDue = { orderId: order.id, parts, kind, to: 'means', reason: `claim ${claim.id}` }
  return [{ key: String(order.id), type: 'orders.refund_due', payload }]
}

/**
 * New rows for old ones, in sections of their own without a slot, since that of the old section is over; each with a payment part
 * of its own, so that they are released like any goods whose money is there. In exchange, the part asks what they cost above what came
 * back, and where they cost less the difference goes back; goods that are sent again cost nothing.
 */
export function replaceRows(
  before: Order,
  draft: Order,
  { claim, settled }: { claim: Claim; settled: readonly Settled[] },
): Outcome<SettledClaim> {
  const worth = worthOf(
    before,
    settled.map(({ item }) => item),
  )
  const sources = [...new Set(worth.map(({ part }) => part))]
  const firstPart = Math.max(999, ...draft.parts.map(({ part }) => part)) + 1
  const firstSection = Math.max(...draft.sections.map(({ sectionNo }) => sectionNo)) + 1
  const olds = [...new Set(settled.map(({ item }) => item.sectionNo))]
  if (firstSection + olds.length - 1 > largestSectionNo || firstPart + sources.length > 32_767) {
    return refused('orders.too_many_sections', `An order has at most ${largestSectionNo} sections.`, '/claimId')
  }
  const partOf = (at: number): number => firstPart + sources.indexOf((worth[at] as PartAmount).part)
  const firstItemNo = nextItemNo(draft)
  const born = settled.map(
    ({ item, position }, at): OrderItem => ({
      itemNo: firstItemNo + at,
      sectionNo: firstSection + olds.indexOf(item.sectionNo),
      part: partOf(at),
      state: 'pending_payment',
      flags: 0,
      line: newLine(
        item,
        claim.kind === 'reship' ? 'reship' : (claim.items[position] as ClaimItem).replacement,
        (worth[at] as PartAmount).amountMinor,
      ),
    }),
  )
  const sections = olds.map((old, at): OrderSection => {
    const from = draft.sections.find(({ sectionNo }) => sectionNo === old) as OrderSection
    const sectionNo = firstSection + at
    return {
      ...from,
      sectionNo,
      part: born.find((item) => item.sectionNo === sectionNo)?.part ?? firstPart,
      state: 'draft',
      moneyState: 'none',
      attention: 0,
      held: false,
      detail: { ...detailOf(from), slot: null, shippingMinor: 0, mergedInto: null },
    }
  })
  const made: Order = { ...draft, items: [...draft.items, ...born], sections: [...draft.sections, ...sections] }
  const newNos = new Map(settled.map(({ position }, at) => [position, firstItemNo + at]))
  const replaced: Claim = {
    ...claim,
    items: claim.items.map((item, at) => ({ ...item, newItemNo: newNos.get(at) ?? item.newItemNo })),
  }
  if (claim.kind === 'reship') return accepted({ order: made, claim: replaced, events: [] })
  // By source: goods in exchange for those that one part paid for are one part themselves.
  const credits = sources.map((source, at) => {
    const sum = (amounts: readonly PartAmount[], part: number) =>
      amounts.reduce((total, each) => total + (each.part === part ? each.amountMinor : 0), 0)
    const newMinor = sum(
      born.map(({ part, line }) => ({ part, amountMinor: amountOf(line as Line) })),
      firstPart + at,
    )
    const oldMinor = sum(worth, source)
    return { source, part: firstPart + at, creditMinor: Math.min(newMinor, oldMinor), backMinor: Math.max(0, oldMinor - newMinor) }
  })
  const parts = credits.map(({ part, creditMinor }) => ({ ...newPart(part, 0), givenBackMinor: creditMinor }))
  const back = giveBackAll(
    made,
    credits.map(({ source, backMinor }) => ({ part: source, amountMinor: backMinor })),
  )
  const backMinor = back.given.reduce((sum, { amountMinor }) => sum + amountMinor, 0)
  return accepted({
    order: { ...back.order, items: made.items, parts: [...back.order.parts, ...parts] },
    claim: { ...replaced, refundedMinor: claim.refundedMinor + backMinor },
    events: refundEvents(draft, back.given, { kind: 'price_difference', claim }),
  })
}

/** The same goods at what they were worth, the goods wanted instead, or the same for nothing. */
function newLine(item: OrderItem, instead: Replacement | 'reship' | null, worthMinor: number): Line {
  const line = lineOf(item)
  const { quantity } = line
  const kind = instead === 'reship' ? 'reship' : 'exchange'
  const origin = { originItemNo: item.itemNo, originKind: kind } as const
  if (instead === 'reship') return { ...line, ...origin, unitPriceMinor: 0, discountMinor: 0, taxMinor: 0 }
  if (instead !== null) {
    const { sku, skuType, unitPriceMinor, taxMinor, weightGrams, volumeMl } = instead
    return { sku, skuType, quantity, unitPriceMinor, discountMinor: 0, taxMinor: taxMinor * quantity, weightGrams, volumeMl, ...origin }
  }
  if (amountOf(line) === worthMinor) return { ...line, ...origin }
  // Goods that had been sent again for nothing: what was paid for the first of them is their price.
  const unitPriceMinor = Math.ceil(worthMinor / quantity)
  return { ...line, ...origin, unitPriceMinor, discountMinor: unitPriceMinor * quantity - worthMinor, taxMinor: 0 }
}
