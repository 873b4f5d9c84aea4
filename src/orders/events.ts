import type { Destination } from './order.ts'

/** What orders announce; key: the order id. Amounts in minor units of the order's currency. */
export interface OrderPlaced {
  readonly orderId: number
  readonly number: string
  readonly storeId: string
  readonly customerId: string
  readonly currency: string
  readonly totalMinor: number
  readonly payment: { readonly means: 'card'; readonly token: string } | null
}

export interface OrderPaid {
  readonly orderId: number
  readonly number: string
  readonly placedAt: string
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
    }[]
  }[]
}

export interface OrderCancelled {
  readonly orderId: number
  readonly itemNos: readonly number[]
  /** True when nothing of the order is left. */
  readonly whole: boolean
  /** What the cancelled items and, when nothing is left, their shipping cost. */
  readonly amountMinor: number
}
