import type { PaymentPlan } from '#payments'
import type { Destination } from './order.ts'

/** What orders announce; key: the order id. Amounts in minor units of the order's currency. */

/** One payment request that an order needs. `part`: 0 the order as a whole, 1–999 a section that pays for itself, from 1000 a later difference. */
export interface PartAsked {
  readonly part: number
  readonly amountMinor: number
  /** null: it stays open until somebody brings a means of payment. */
  readonly plan: PaymentPlan | null
}

/** How much of which part. */
export interface PartAmount {
  readonly part: number
  readonly amountMinor: number
}

interface OfOrder {
  readonly orderId: number
}

export interface OrderPlaced extends OfOrder {
  readonly number: string
  readonly storeId: string
  readonly customerId: string
  readonly currency: string
  readonly totalMinor: number
  readonly payments: readonly PartAsked[]
}

/** `orders.payment_asked`: items were added, or an exchange costs more than what came back. */
export interface OrderPaymentAsked extends OfOrder {
  readonly storeId: string
  readonly customerId: string
  readonly currency: string
  readonly payments: readonly PartAsked[]
}

/** `orders.amount_raised`: an order that was not paid yet was amended upwards; its request owes so much more. */
export interface OrderAmountRaised extends OfOrder {
  readonly parts: readonly PartAmount[]
}

/** Items whose money is secured, to be prepared; held sections come when they are released. */
export interface OrderPaid extends OfOrder {
  readonly number: string
  readonly placedAt: string
  /** The payment part whose covering released these items: a second paying of the same section is a delivery of its own. */
  readonly part: number
  readonly sections: readonly {
    readonly sectionNo: number
    readonly destination: Destination
    readonly slot: { readonly date: string; readonly code: string } | null
    readonly merchantId: string | null
    readonly items: readonly {
      readonly itemNo: number
      readonly sku: string
      readonly skuType: 'dry' | 'frozen' | 'mixed'
      readonly quantity: number
      /** Of the whole line. */
      readonly weightGrams: number
      readonly volumeMl: number
      /** The row whose goods these stand in for, where they go out in exchange or again. */
      readonly replaces?: number
    }[]
  }[]
}

/** `orders.cancelled` */
export interface OrderCancelled extends OfOrder {
  /** Rows that are cancelled now. */
  readonly itemNos: readonly number[]
  /** Rows of which a part was split off and cancelled: what the row itself holds now. */
  readonly reduced: readonly { readonly itemNo: number; readonly quantity: number }[]
  /** True when nothing of the order is left. */
  readonly whole: boolean
  /** What payments need not ask for any more, or give back: items, and shipping of sections that nothing is left of. */
  readonly parts: readonly PartAmount[]
}

/** `orders.refund_due`: money that goes back for another reason than a cancel. */
export interface OrderRefundDue extends OfOrder {
  readonly parts: readonly PartAmount[]
  /** Goodwill is a gift: what the order owes stays as it is. */
  readonly kind: 'claim' | 'price_difference' | 'goodwill'
  /** goodwill only: to the means that paid, or as credit to the customer's wallet. */
  readonly to: 'means' | 'wallet'
  readonly reason: string
}

/** `orders.moved`: item states changed after payment, or items on hold were paid for; for whoever keeps facts or tells partners. */
export interface OrderMoved extends OfOrder {
  readonly number: string
  readonly storeId: string
  readonly state: string
  /** `amountMinor`: what the row comes to, whatever part of it was paid by others. */
  readonly items: readonly {
    readonly itemNo: number
    readonly from: string
    readonly to: string
    readonly part: number
    readonly amountMinor: number
  }[]
  /** Where money of a part is set aside and not taken: what of it these items have earned by leaving the house. `last`: nothing more will. */
  readonly toCapture?: readonly (PartAmount & { readonly last: boolean })[]
  /** The same for cash: what these items have earned by being handed over. */
  readonly toCollect?: readonly (PartAmount & { readonly last: boolean })[]
}

/** `orders.edited`: destination, slot, sections, quantities or items are other ones now; `fields` says which kind of thing. */
export interface OrderEdited extends OfOrder {
  readonly fields: readonly ('destination' | 'slot' | 'sections' | 'items')[]
  /** Rows split by this edit. */
  readonly splits: readonly { readonly itemNo: number; readonly fromItemNo: number; readonly quantity: number }[]
  /** Sections whose destination, slot or rows are other ones now, as they are; none where only rows were split or changed. */
  readonly sections: readonly {
    readonly sectionNo: number
    readonly destination: Destination
    readonly slot: { readonly date: string; readonly code: string } | null
    readonly merchantId: string | null
    readonly itemNos: readonly number[]
  }[]
}

/** `orders.hold_changed` */
export interface OrderHoldChanged extends OfOrder {
  /** null: the whole order. */
  readonly sectionNo: number | null
  readonly held: boolean
  readonly reason: string
  readonly owner: string
}

/** `orders.cancel_requested`: goods in preparation; the warehouse agrees or not (`orders.answer_cancel`). */
export interface OrderCancelRequested extends OfOrder {
  readonly itemNos: readonly number[]
  readonly reason: string
}

/** `orders.claim_moved` */
export interface OrderClaimMoved extends OfOrder {
  readonly claimId: number
  readonly kind: 'return' | 'exchange' | 'reship' | 'refund_only'
  readonly from: string
  readonly to: string
  readonly reason: string
  readonly items: readonly { readonly itemNo: number; readonly quantity: number }[]
}
