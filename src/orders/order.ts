import type { PaymentSums } from '#payments'
import { invariant } from '#kernel/outcome.ts'
import { foldItem, stateOfFold } from './cascade.ts'
import type { Claim } from './claim-lifecycle.ts'
import type { FoldedState, ItemState, MoneyState } from './lifecycle.ts'

export interface Destination {
  readonly name: string
  readonly line1: string
  readonly city: string
  readonly postcode: string
  readonly country: string
  readonly lat?: number
  readonly lng?: number
}

export interface Slot {
  readonly date: string
  readonly code: string
}

/** What a row of goods is, beside its state. Amounts of the whole row, minor units. */
export interface Line {
  readonly sku: string
  readonly skuType: string
  readonly quantity: number
  readonly unitPriceMinor: number
  readonly discountMinor: number
  readonly taxMinor: number
  /** Of one piece. */
  readonly weightGrams: number
  readonly volumeMl: number
  /** The row that the customer ordered, where this one was split off it or made for it. */
  readonly originItemNo: number | null
  readonly originKind: 'split' | 'exchange' | 'reship' | null
}

export interface OrderItem {
  readonly itemNo: number
  readonly sectionNo: number
  /** The payment part that pays for it. */
  readonly part: number
  readonly state: ItemState
  /** Bits of `flagBits` that were set on this row. */
  readonly flags: number
  /** What the row came to when it was read; where its line was read, that says it. */
  readonly readMinor?: number
  /** Read only where a change asks for it. */
  readonly line?: Line
}

export interface SectionDetail {
  readonly destination: Destination
  readonly slot: Slot | null
  readonly merchantId: string | null
  readonly shippingMinor: number
  readonly mergedInto: number | null
}

export interface OrderSection {
  readonly sectionNo: number
  /** The payment part of its shipping and of what is added before payment. */
  readonly part: number
  readonly state: FoldedState
  readonly moneyState: MoneyState
  readonly attention: number
  readonly held: boolean
  /** Its shipping when it was read. */
  readonly readShippingMinor?: number
  readonly detail?: SectionDetail
}

/** A payment part: what the order asks for it and what payments told of it last, minor units. */
export interface Part {
  readonly part: number
  /** Live and ended rows but for cancelled ones, with shipping, less what was given back. */
  readonly askedMinor: number
  /** True since payments said that its goods may be prepared. */
  readonly covered: boolean
  /** The end of a charge is not known. */
  readonly unknown: boolean
  /** Given back for claims and differences of price: their rows keep their amounts. For goods in exchange: worth of what came back for them, too. */
  readonly givenBackMinor: number
  /** Goodwill that was promised to the means that paid; what payments have given of it stands in `told`. */
  readonly goodwillMinor: number
  readonly told?: PaymentSums
}

export interface Hold {
  /** 0: the whole order. */
  readonly sectionNo: number
  readonly owner: string
  readonly reason: string
}

/** The head's own data and its open holds; read only where a change asks for lines. */
export interface HeadDetail {
  readonly customerId: string
  readonly currency: string
  readonly channel: string
  readonly placedAtMs: number
  readonly duplicateOf: number | null
  readonly holds: readonly Hold[]
  readonly claims: readonly Claim[]
}

/** What decisions need of an order, read under its lock. */
export interface Order {
  readonly id: number
  readonly number: string
  readonly storeId: string
  readonly state: FoldedState
  readonly moneyState: MoneyState
  readonly attention: number
  readonly held: boolean
  readonly totalMinor: number
  readonly parts: readonly Part[]
  readonly sections: readonly OrderSection[]
  readonly items: readonly OrderItem[]
  readonly detail?: HeadDetail
}

export interface StateChange {
  /**
   * item, section, order, money, attention and claim are states, and each of their changes starts where the one before ended; the
   * others note what else was changed.
   */
  readonly level:
    | 'item'
    | 'section'
    | 'order'
    | 'money'
    | 'attention'
    | 'claim'
    | 'quantity'
    | 'item_section'
    | 'destination'
    | 'slot'
    | 'hold'
  /** Item or section number or id of a claim; empty for the order itself. */
  readonly entity: string
  /** Empty at birth. */
  readonly from: string
  readonly to: string
}

export function lineOf(item: OrderItem): Line {
  invariant(item.line, `item ${item.itemNo} was read without its line`)
  return item.line
}

export function detailOf(section: OrderSection): SectionDetail {
  invariant(section.detail, `section ${section.sectionNo} was read without its detail`)
  return section.detail
}

export function headOf(order: Order): HeadDetail {
  invariant(order.detail, `order ${order.number} was read without its detail`)
  return order.detail
}

export const amountOf = ({ quantity, unitPriceMinor, discountMinor, taxMinor }: Line): number =>
  quantity * unitPriceMinor - discountMinor + taxMinor

/** What a row comes to, by its line or as it was read. */
export const minorOf = (item: OrderItem): number => (item.line === undefined ? (item.readMinor ?? 0) : amountOf(item.line))

export const newPart = (part: number, askedMinor: number): Part => ({
  part,
  askedMinor,
  covered: false,
  unknown: false,
  givenBackMinor: 0,
  goodwillMinor: 0,
})

/** States at birth, for placing. */
export function birthChanges(itemNosBySection: readonly (readonly number[])[], state: ItemState & FoldedState): StateChange[] {
  const fold = foldItem(state)
  return [
    ...itemNosBySection.flatMap((itemNos) =>
      itemNos.map((itemNo): StateChange => ({ level: 'item', entity: String(itemNo), from: '', to: state })),
    ),
    ...itemNosBySection.map((_, index): StateChange => ({ level: 'section', entity: String(index + 1), from: '', to: stateOfFold(fold) })),
    { level: 'order', entity: '', from: '', to: stateOfFold(fold) },
    { level: 'money', entity: '', from: '', to: 'none' },
  ]
}
