import type { Means } from './payment-plan.ts'

/** What payments publishes. Keyed by order id as text, so that an order's events arrive in order. */
export const paymentsMoved = 'payments.moved'
export const paymentsFailed = 'payments.failed'
export const paymentsExpired = 'payments.expired'
export const paymentsChecking = 'payments.checking'

/** Which request of which order an event is about. `part`: 0 the order as a whole, 1–999 the section of that number, from 1000 a later difference. */
export interface OfRequest {
  readonly requestId: number
  readonly orderId: number
  readonly part: number
}

/** Where a request stands, minor units: always all of it, so that the last event told is enough. */
export interface PaymentSums {
  readonly dueMinor: number
  /** Set aside at gateways and not yet taken. */
  readonly authorizedMinor: number
  /** Taken, whatever went back later. */
  readonly capturedMinor: number
  readonly refundedMinor: number
  /** Of the refunded: given as goodwill, which leaves what is due as it is. */
  readonly goodwillMinor: number
}

/** One movement of money, or of a promise of it. */
export interface Movement {
  readonly kind: 'authorized' | 'captured' | 'voided' | 'refunded' | 'charged_back' | 'dispute_won'
  /** Id of the attempt, capture, void or refund that did it: with the kind it happens once. */
  readonly subjectId: number
  readonly legId: number
  readonly amountMinor: number
  readonly means: Means
  readonly gateway: string
  readonly gatewayRef: string
  /** Money of a charge that was found after its attempt had been given up, and its way back; it never counts in the sums. */
  readonly stray: boolean
}

/** Money of a request moved, or what is due of it changed. */
export interface PaymentsMoved extends OfRequest {
  readonly storeId: string
  readonly customerId: string
  readonly currency: string
  /** null where only what is due has changed, such as a request for nothing. */
  readonly movement: Movement | null
  /** Why, such as `cancelled`, `claim 12`, `goodwill: late`; empty for a plain payment. */
  readonly reason: string
  /** True when with this event what must be secured is secured: goods may be prepared. */
  readonly covered: boolean
  readonly sums: PaymentSums
}

/** A means of payment has failed for good, and with it, where legs settle together, the others. The request stays open: the customer may pay by another. */
export interface PaymentsFailed extends OfRequest {
  readonly means: Means
  readonly reason: string
}

/** Nobody paid in time. What was authorised is voided. */
export interface PaymentsExpired extends OfRequest {
  readonly sums: PaymentSums
}

/** The end of an attempt is not known (true), or all ends are known again (false): the customer sees "checking". */
export interface PaymentsChecking extends OfRequest {
  readonly unknown: boolean
}
