/** What payments publishes. Keyed by order id as text, so that an order's events arrive in order. */
export const paymentsCovered = 'payments.covered'
export const paymentsFailed = 'payments.failed'
export const paymentsRefunded = 'payments.refunded'

/** All that is due is in hand. */
export interface PaymentsCovered {
  readonly requestId: number
  readonly orderId: number
  readonly amountMinor: number
  readonly currency: string
  /** The attempt that covered it; null when nothing was due. */
  readonly attemptId: number | null
}

/** A means of payment has failed for good. The request stays open: the customer may pay by another. */
export interface PaymentsFailed {
  readonly requestId: number
  readonly orderId: number
  readonly reason: string
}

export interface PaymentsRefunded {
  readonly requestId: number
  readonly orderId: number
  readonly amountMinor: number
  /** What is still in hand for the order after this refund. */
  readonly heldMinor: number
}
