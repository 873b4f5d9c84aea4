import type { PaymentPlan } from '#payments'
import type { NewEvent } from '#platform/events.ts'
import { askedNow, type AskedParts } from './asked-parts.ts'
import { emptyFold, flagNames, foldItem, type Fold, joinFolds, stateOfFold } from './cascade.ts'
import { claimEvents, newSteps } from './claim-steps.ts'
import type { OrderAmountRaised, OrderCancelled, OrderPaymentAsked, OrderRefundDue, PartAmount, PartAsked } from './events.ts'
import { flagBits } from './lifecycle.ts'
import { foldParts, moneyStateOf } from './money-fold.ts'
import { amountOf, detailOf, headOf, lineOf, type Order, type OrderItem, type OrderSection, type Part, type StateChange } from './order.ts'
import type { Split } from './split-row.ts'

/** What a command makes of an order: all of it follows from the order before and after. */
export interface Decision {
  readonly changes: readonly StateChange[]
  readonly after: Order
  readonly events: readonly NewEvent[]
  /** Parts whose goods are paid now: `orders.paid` is announced for what of them is not withheld. */
  readonly paidParts: readonly number[]
  /** Items that were withheld and are free now; announced as paid. */
  readonly released: readonly number[]
}

/** What a command knows beyond the order that it made. */
export interface Beside {
  /** Its own events; what follows from amounts and cancelled rows is added to them. */
  readonly events?: readonly NewEvent[]
  readonly splits?: readonly Split[]
  /** How new parts are to be paid. */
  readonly plans?: ReadonlyMap<number, PaymentPlan | null>
  readonly paidParts?: readonly number[]
  readonly released?: readonly number[]
}

export const unchanged = (order: Order): Decision => ({ changes: [], after: order, events: [], paidParts: [], released: [] })

const atEnd = ~(flagBits.withheld | flagBits.cancel_requested)
const shown = ~flagBits.withheld

/**
 * Folds a drafted order (items, sections and parts as a command wants them) into its states, and finds what changed on the way.
 * Rows of a draft stand where they stood before, new ones after them.
 */
export function settle(before: Order, draft: Order, beside: Beside = {}): Decision {
  if (draft === before) return { ...unchanged(before), ...onlyGiven(beside) }
  const items = draft.items === before.items ? draft.items : draft.items.map((item, at) => tidied(item, before.items[at]))
  const { parts, released }: AskedParts = draft.detail === undefined ? { parts: draft.parts, released: [] } : askedNow({ ...draft, items })
  const { sections, whole } = foldSections(draft.sections, items, parts)
  const unknown = parts.some((part) => part.unknown) ? flagBits.unknown_payment : 0
  const after: Order = {
    ...draft,
    items,
    parts,
    sections,
    totalMinor: draft.detail === undefined ? draft.totalMinor : totalOf({ ...draft, items }),
    state: stateOfFold(whole),
    moneyState: moneyStateOf(foldParts(parts)),
    attention: (whole.flags | unknown | (draft.held ? flagBits.hold : 0)) & shown,
  }
  return {
    changes: changesOf(before, after),
    after,
    events: [...(beside.events ?? []), ...followingEvents(before, after, { ...beside, credits: released }), ...claimEvents(before, after)],
    paidParts: beside.paidParts ?? [],
    released: beside.released ?? [],
  }
}

const onlyGiven = ({ events = [], paidParts = [], released = [] }: Beside) => ({ events, paidParts, released })

function tidied(item: OrderItem, was: OrderItem | undefined): OrderItem {
  if (item === was || item.flags === 0 || foldItem(item.state).live === 1) return item
  return { ...item, flags: item.flags & atEnd }
}

function foldSections(sections: readonly OrderSection[], items: readonly OrderItem[], parts: readonly Part[]) {
  const folds = new Map<number, Fold>()
  // With one part there is nothing to tell apart, which is how most orders are.
  const paid = parts.length > 1 ? partsBySection(sections, items) : undefined
  for (const item of items) {
    folds.set(item.sectionNo, joinFolds(folds.get(item.sectionNo) ?? emptyFold, foldItem(item.state, item.flags)))
  }
  let whole = emptyFold
  const folded = sections.map((section): OrderSection => {
    const fold = folds.get(section.sectionNo) ?? emptyFold
    const flags = fold.flags | (section.held ? flagBits.hold : 0)
    whole = joinFolds(whole, flags === fold.flags ? fold : { ...fold, flags })
    const state = stateOfFold(fold)
    const moneyState = moneyStateOf(foldParts(parts, paid && (({ part }) => paid.get(section.sectionNo)?.has(part) ?? false)))
    const attention = flags & shown
    return state === section.state && moneyState === section.moneyState && attention === section.attention
      ? section
      : { ...section, state, moneyState, attention }
  })
  return { sections: folded, whole }
}

/** Parts whose money is a section's: its own part, and those of its items. */
export function partsBySection(sections: readonly OrderSection[], items: readonly OrderItem[]): Map<number, Set<number>> {
  const parts = new Map(sections.map((section) => [section.sectionNo, new Set([section.part])]))
  for (const item of items) parts.get(item.sectionNo)?.add(item.part)
  return parts
}

/** All that was ever ordered, cancelled rows too. */
const totalOf = (order: Order): number =>
  order.items.reduce((sum, item) => sum + amountOf(lineOf(item)), 0) +
  order.sections.reduce((sum, section) => sum + detailOf(section).shippingMinor, 0)

const attentionWord = (bits: number): string => flagNames(bits).join('+') || 'clear'
const slotWord = (section: OrderSection): string =>
  section.detail?.slot ? `${section.detail.slot.date} ${section.detail.slot.code}` : 'none'

function changesOf(before: Order, after: Order): StateChange[] {
  const changes: StateChange[] = []
  const note = (level: StateChange['level'], entity: number | '', from: string, to: string) => {
    if (from !== to) changes.push({ level, entity: String(entity), from, to })
  }
  if (after.items !== before.items) {
    after.items.forEach((item, at) => {
      const was = before.items[at]
      if (was === item) return
      note('item', item.itemNo, was?.state ?? '', item.state)
      if (was === undefined) return
      note('quantity', item.itemNo, String(was.line?.quantity), String(item.line?.quantity))
      note('item_section', item.itemNo, String(was.sectionNo), String(item.sectionNo))
    })
  }
  if (after.sections !== before.sections) {
    after.sections.forEach((section, at) => {
      const was = before.sections[at]
      if (was === section) return
      note('section', section.sectionNo, was?.state ?? '', section.state)
      // A section is born without money and without flags, and the log does not say so at each placing.
      note('money', section.sectionNo, was?.moneyState ?? 'none', section.moneyState)
      note('attention', section.sectionNo, attentionWord(was?.attention ?? 0), attentionWord(section.attention))
      note('hold', section.sectionNo, was?.held ? 'held' : 'free', section.held ? 'held' : 'free')
      if (was === undefined || was.detail === section.detail) return
      if (was.detail?.destination !== section.detail?.destination)
        changes.push({ level: 'destination', entity: String(section.sectionNo), from: '', to: 'changed' })
      note('slot', section.sectionNo, slotWord(was), slotWord(section))
    })
  }
  for (const { claim, from, to } of newSteps(before, after)) changes.push({ level: 'claim', entity: String(claim.id), from, to })
  note('hold', '', before.held ? 'held' : 'free', after.held ? 'held' : 'free')
  note('order', '', before.state, after.state)
  note('money', '', before.moneyState, after.moneyState)
  note('attention', '', attentionWord(before.attention), attentionWord(after.attention))
  return changes
}

/** Events that follow from rows and amounts: what was cancelled, and what payments have to ask more. */
function followingEvents(
  before: Order,
  after: Order,
  { splits = [], plans, credits }: Beside & { readonly credits: readonly PartAmount[] },
): NewEvent[] {
  if (after.detail === undefined || after.items === before.items) return []
  const events: NewEvent[] = []
  const key = String(after.id)
  const was = new Map(before.parts.map((part) => [part.part, part.askedMinor]))
  // A released credit is told as a refund, not as what was cancelled.
  for (const { part, amountMinor } of credits) was.set(part, (was.get(part) ?? 0) - amountMinor)
  const differences = after.parts
    .filter(({ part }) => was.has(part))
    .map(({ part, askedMinor }): PartAmount => ({ part, amountMinor: askedMinor - (was.get(part) ?? 0) }))
  const cancelled = after.items.filter((item, at) => item.state === 'cancelled' && before.items[at]?.state !== 'cancelled')
  if (cancelled.length > 0) {
    const from = new Map(splits.map((split) => [split.itemNo, split.fromItemNo]))
    const shrunk = new Set(cancelled.flatMap(({ itemNo }) => from.get(itemNo) ?? []))
    const payload: OrderCancelled = {
      orderId: after.id,
      itemNos: cancelled.map(({ itemNo }) => itemNo),
      reduced: after.items
        .filter(({ itemNo, state }) => shrunk.has(itemNo) && state !== 'cancelled')
        .map((item) => ({ itemNo: item.itemNo, quantity: lineOf(item).quantity })),
      whole: after.state === 'cancelled',
      parts: differences.filter(({ amountMinor }) => amountMinor < 0).map(({ part, amountMinor }) => ({ part, amountMinor: -amountMinor })),
    }
    events.push({ key, type: 'orders.cancelled', payload })
  } else {
    // A larger discount or less tax: less is asked though nothing was cancelled. What claims gave back has been told by them.
    const givenBack = new Map(before.parts.map((part) => [part.part, part.givenBackMinor]))
    const lowered = after.parts.flatMap(({ part, givenBackMinor }): PartAmount[] => {
      const difference = differences.find((each) => each.part === part)?.amountMinor ?? 0
      const amountMinor = -(difference + givenBackMinor - (givenBack.get(part) ?? 0))
      return difference < 0 && amountMinor > 0 ? [{ part, amountMinor }] : []
    })
    if (lowered.length > 0) {
      const payload: OrderRefundDue = { orderId: after.id, parts: lowered, kind: 'price_difference', to: 'means', reason: 'amended' }
      events.push({ key, type: 'orders.refund_due', payload })
    }
  }
  if (credits.length > 0) {
    const reason = 'goods in exchange were cancelled'
    const payload: OrderRefundDue = { orderId: after.id, parts: credits, kind: 'price_difference', to: 'means', reason }
    events.push({ key, type: 'orders.refund_due', payload })
  }
  const raised = differences.filter(({ amountMinor }) => amountMinor > 0)
  if (raised.length > 0) {
    const payload: OrderAmountRaised = { orderId: after.id, parts: raised }
    events.push({ key, type: 'orders.amount_raised', payload })
  }
  const asked = after.parts
    .filter(({ part }) => !was.has(part))
    .map(({ part, askedMinor }): PartAsked => ({ part, amountMinor: askedMinor, plan: plans?.get(part) ?? null }))
  if (asked.length > 0) events.push(askedEvent(after, asked))
  return events
}

/** `orders.payment_asked` for parts of an order. */
export function askedEvent(order: Order, payments: readonly PartAsked[]): NewEvent {
  const { customerId, currency } = headOf(order)
  const payload: OrderPaymentAsked = { orderId: order.id, storeId: order.storeId, customerId, currency, payments }
  return { key: String(order.id), type: 'orders.payment_asked', payload }
}
