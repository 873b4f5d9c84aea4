/** Why an order of the data set can not simply go through. Each is a fact of the data, found by rule, never by an order's id. */
export const reasons = {
  no_items: 'no items in the data set',
  no_customer: 'no customer in the data set, so nobody to send it to',
  no_purchase_time: 'no readable time of purchase',
  repeated_id: 'its order or customer id belongs to another order; of this data set each order has its own',
  unreadable_amount: 'an amount of its items is not readable',
  unknown_status: 'a status that is not known',
  no_zone: 'address in no zone',
  cancelled_after_carrier: 'cancelled after the carrier had it; a return in our terms',
  paid_other_than_due: 'paid ≠ items and freight',
  no_payment: 'no payment in the data set, yet approved',
  means_not_defined: 'means of payment not defined',
  zero_payment: 'a payment of nothing',
  odd_instalments: 'a number of instalments that nobody gives',
  many_means: 'more payments than a plan has room for; the last ones of one means are one',
  no_approval: 'went on without an approval',
  approved_before_purchase: 'approved before it was purchased',
  carrier_before_purchase: 'carrier before purchase',
  carrier_before_approval: 'carrier before approval',
  delivered_before_carrier: 'delivered before the carrier had it',
  delivered_before_approval: 'delivered before approval',
  no_carrier_date: 'the carrier had it, but no date says when',
  no_delivery_date: 'delivered, but no date says when',
  dates_beyond_status: 'has dates of stages that its status has not reached',
} as const

export type ReasonCode = keyof typeof reasons

export interface Reason {
  readonly code: ReasonCode
  /** With the numbers and times of this order. */
  readonly detail: string
}

/** Where an order should stand at the end, in our words. */
export interface Expected {
  readonly states: readonly string[]
  readonly money: readonly string[]
}

/**
 * What each status of the data set is in our words.
 *
 * `approved`, `invoiced` and `processing` are one thing here: the money is there and the carrier does not have it yet. Which
 * of paid and allocated an order is depends only on whether routing has found it a route, of which the data set knows nothing.
 * `unavailable` means that the seller did not have the goods: the order was called off, as `canceled` was.
 */
const expectedOf: Readonly<Record<string, Expected>> = {
  created: { states: ['pending_payment'], money: ['none'] },
  approved: { states: ['paid', 'allocated'], money: ['captured'] },
  invoiced: { states: ['paid', 'allocated'], money: ['captured'] },
  processing: { states: ['paid', 'allocated'], money: ['captured'] },
  shipped: { states: ['shipped'], money: ['captured'] },
  delivered: { states: ['delivered'], money: ['captured'] },
  canceled: { states: ['cancelled'], money: ['none', 'refunded'] },
  unavailable: { states: ['cancelled'], money: ['none', 'refunded'] },
}

export const knownStatuses: readonly string[] = Object.keys(expectedOf)

/** A called-off order that had been paid must have its money back, one that had not must never have had any. */
export function expectationOf(status: string, wasPaid: boolean): Expected | undefined {
  const expected = expectedOf[status]
  if (expected === undefined || !expected.states.includes('cancelled')) return expected
  return { ...expected, money: [wasPaid ? 'refunded' : 'none'] }
}
