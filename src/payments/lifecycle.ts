import { defineLifeCycle } from '#kernel/lifecycle.ts'

/** Money axis of an order: what was asked and how much of it is in hand. */
export type RequestState =
  | 'open'
  | 'requires_action'
  | 'processing'
  | 'partially_covered'
  | 'covered'
  | 'overcovered'
  | 'expired'
  | 'cancelled'

export const requestCycle = defineLifeCycle<RequestState>({
  name: 'payment request',
  initial: 'open',
  states: {
    open: { about: 'Money is due and nothing is under way: not asked yet, or the last asking failed.' },
    requires_action: { about: 'The customer must act, as in 3-D Secure.' },
    processing: { about: 'A payment is under way; the customer sees "checking".' },
    partially_covered: { about: 'Some of what is due is in hand.' },
    covered: { about: 'Exactly what is due is in hand.' },
    overcovered: { about: 'More than is due is in hand; the excess is on its way back.' },
    expired: { about: 'Nobody paid in time.', end: true },
    cancelled: { about: 'Nothing is due any more; what was taken goes back.', end: true },
  },
  transitions: [
    { from: ['open', 'processing', 'partially_covered'], to: 'requires_action', by: 'ask the customer' },
    { from: ['open', 'requires_action'], to: 'processing', by: 'ask for payment' },
    { from: ['requires_action', 'processing'], to: 'open', by: 'payment failed' },
    { from: ['open', 'requires_action', 'processing', 'covered'], to: 'partially_covered', by: 'take a part' },
    { from: ['open', 'requires_action', 'processing', 'partially_covered', 'overcovered'], to: 'covered', by: 'take or give back' },
    { from: ['open', 'requires_action', 'processing', 'partially_covered', 'covered'], to: 'overcovered', by: 'take too much or reduce' },
    { from: ['open', 'requires_action'], to: 'expired', by: 'expire' },
    {
      from: ['open', 'requires_action', 'processing', 'partially_covered', 'covered', 'overcovered'],
      to: 'cancelled',
      by: 'cancel',
    },
  ],
})

/** One means of payment of a request. */
export type LegState =
  | 'created'
  | 'requires_action'
  | 'authorized'
  | 'partially_captured'
  | 'captured'
  | 'partially_refunded'
  | 'refunded'
  | 'voided'
  | 'failed'
  | 'charged_back'
  | 'conflict'

export const legCycle = defineLifeCycle<LegState>({
  name: 'payment leg',
  initial: 'created',
  states: {
    created: { about: 'Asked for; its attempts decide.' },
    requires_action: { about: 'The payer must act, as in 3-D Secure.' },
    authorized: { about: 'The money is set aside, not taken.' },
    partially_captured: { about: 'A part of what was set aside is taken.' },
    captured: { about: 'All of it is taken.' },
    partially_refunded: { about: 'A part of what was taken has been given back.' },
    refunded: { about: 'All that was taken has been given back.', end: true },
    voided: { about: 'Given up before anything was taken.', end: true },
    failed: { about: 'No attempt succeeded and none will follow.', end: true },
    charged_back: { about: 'The bank took the money back.' },
    conflict: { about: 'Our books and the gateway disagree; a person decides.' },
  },
  transitions: [
    { from: ['created'], to: 'requires_action', by: 'ask the payer' },
    { from: ['created', 'requires_action'], to: 'authorized', by: 'authorize' },
    { from: ['authorized'], to: 'partially_captured', by: 'capture a part' },
    { from: ['created', 'requires_action', 'authorized', 'partially_captured'], to: 'captured', by: 'capture' },
    { from: ['partially_captured', 'captured', 'charged_back', 'conflict'], to: 'partially_refunded', by: 'refund a part' },
    { from: ['partially_captured', 'captured', 'partially_refunded', 'conflict'], to: 'refunded', by: 'refund' },
    { from: ['created', 'requires_action', 'authorized'], to: 'voided', by: 'void' },
    { from: ['created', 'requires_action', 'authorized'], to: 'failed', by: 'fail' },
    { from: ['partially_captured', 'captured', 'partially_refunded'], to: 'charged_back', by: 'charge back' },
    { from: ['charged_back', 'conflict'], to: 'captured', by: 'win the dispute' },
    { from: ['created', 'authorized', 'partially_captured', 'captured'], to: 'conflict', by: 'find a disagreement' },
  ],
})

/** One call of one gateway. */
export type AttemptState = 'created' | 'sent' | 'succeeded' | 'declined_soft' | 'declined_hard' | 'unreachable' | 'unknown'

export const attemptCycle = defineLifeCycle<AttemptState>({
  name: 'payment attempt',
  initial: 'created',
  states: {
    created: { about: 'Written down, before the call.' },
    sent: { about: 'The call is being made, or its process died making it.' },
    succeeded: { about: 'The gateway took the money.', end: true },
    declined_soft: { about: 'Declined for now; another attempt may succeed.', end: true },
    declined_hard: { about: 'Declined for good.', end: true },
    unreachable: { about: 'It is certain that the gateway did not act, as far as it told us.' },
    unknown: { about: 'The call was made and its end is not known; only a query or a webhook may resolve it.' },
  },
  transitions: [
    { from: ['created'], to: 'sent', by: 'send' },
    { from: ['sent', 'unknown'], to: 'succeeded', by: 'gateway charged' },
    { from: ['sent', 'unknown'], to: 'declined_soft', by: 'gateway declined for now' },
    { from: ['sent', 'unknown'], to: 'declined_hard', by: 'gateway declined' },
    { from: ['created', 'sent', 'unknown'], to: 'unreachable', by: 'gateway did not act' },
    { from: ['sent'], to: 'unknown', by: 'no certain answer' },
    // A gateway that had no charge when asked and reports one later. Its money goes straight back (a stray refund).
    { from: ['unreachable'], to: 'succeeded', by: 'charge found late' },
  ],
})

/** Money on its way back. */
export type RefundState = 'requested' | 'approved' | 'sent' | 'pending' | 'succeeded' | 'failed' | 'unknown' | 'manual'

export const refundCycle = defineLifeCycle<RefundState>({
  name: 'refund',
  initial: 'requested',
  states: {
    requested: { about: 'Asked for.' },
    approved: { about: 'Allowed, by policy or by a person.' },
    sent: { about: 'The call is being made; the same key may be sent again.' },
    pending: { about: 'The gateway has taken it on and will tell.' },
    succeeded: { about: 'The money is back with the customer.', end: true },
    failed: { about: 'The gateway will not do it.' },
    unknown: { about: 'The call was made and its end is not known.' },
    manual: { about: 'Left to a person; the amount stays reserved.', end: true },
  },
  transitions: [
    { from: ['requested'], to: 'approved', by: 'approve' },
    { from: ['approved', 'unknown'], to: 'sent', by: 'send' },
    { from: ['sent', 'unknown'], to: 'pending', by: 'gateway took it on' },
    { from: ['sent', 'pending', 'unknown'], to: 'succeeded', by: 'gateway refunded' },
    { from: ['sent', 'pending', 'unknown'], to: 'failed', by: 'gateway refused' },
    { from: ['sent'], to: 'unknown', by: 'no certain answer' },
    { from: ['failed'], to: 'manual', by: 'hand to a person' },
  ],
})
