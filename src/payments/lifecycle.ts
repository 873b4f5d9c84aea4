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
    covered: { about: 'Exactly what is due is in hand, or set aside where it is taken on shipment.' },
    overcovered: { about: 'More than is due is in hand; the excess is on its way back.' },
    expired: { about: 'Nobody paid in time.', end: true },
    cancelled: { about: 'Nothing is due any more; what was taken goes back.', end: true },
  },
  transitions: [
    { from: ['open', 'processing'], to: 'requires_action', by: 'ask the customer' },
    { from: ['open', 'requires_action'], to: 'processing', by: 'ask for payment' },
    // From covered: more is due than before, or the bank took the money back.
    {
      from: ['requires_action', 'processing', 'partially_covered', 'covered', 'overcovered'],
      to: 'open',
      by: 'payment failed, void, raise',
    },
    { from: ['partially_covered', 'covered', 'overcovered'], to: 'requires_action', by: 'ask the customer for the rest' },
    { from: ['partially_covered', 'covered', 'overcovered'], to: 'processing', by: 'lose a part while another is asked for' },
    { from: ['open', 'requires_action', 'processing', 'covered', 'overcovered'], to: 'partially_covered', by: 'take a part, raise' },
    { from: ['open', 'requires_action', 'processing', 'partially_covered', 'overcovered'], to: 'covered', by: 'take or give back' },
    { from: ['open', 'requires_action', 'processing', 'partially_covered', 'covered'], to: 'overcovered', by: 'take too much or reduce' },
    { from: ['open', 'requires_action', 'processing', 'partially_covered', 'covered', 'overcovered'], to: 'expired', by: 'expire' },
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
    captured: { about: 'All of it is taken that will be.' },
    partially_refunded: { about: 'A part of what was taken has been given back.' },
    refunded: { about: 'All that was taken has been given back.', end: true },
    voided: { about: 'Given up before anything was taken.', end: true },
    failed: { about: 'No attempt succeeded and none will follow.', end: true },
    charged_back: { about: 'The bank took the money back.' },
    conflict: { about: 'Our books and the gateway disagree; a person decides.' },
  },
  transitions: [
    { from: ['created'], to: 'requires_action', by: 'ask the payer' },
    { from: ['requires_action'], to: 'created', by: 'payer did not act; ask again' },
    { from: ['created', 'requires_action'], to: 'authorized', by: 'authorize' },
    { from: ['authorized', 'charged_back'], to: 'partially_captured', by: 'capture a part' },
    { from: ['created', 'requires_action', 'authorized', 'partially_captured'], to: 'captured', by: 'capture' },
    { from: ['partially_captured', 'captured', 'charged_back', 'conflict'], to: 'partially_refunded', by: 'refund a part' },
    { from: ['partially_captured', 'captured', 'partially_refunded', 'charged_back', 'conflict'], to: 'refunded', by: 'refund' },
    { from: ['created', 'requires_action', 'authorized'], to: 'voided', by: 'void' },
    { from: ['created', 'requires_action', 'authorized'], to: 'failed', by: 'fail' },
    { from: ['partially_captured', 'captured', 'partially_refunded'], to: 'charged_back', by: 'charge back' },
    { from: ['charged_back', 'conflict'], to: 'captured', by: 'win the dispute' },
    { from: ['created', 'authorized', 'partially_captured', 'captured'], to: 'conflict', by: 'find a disagreement' },
  ],
})

/** One call of one gateway. */
export type AttemptState =
  | 'created'
  | 'sent'
  | 'requires_action'
  | 'succeeded'
  | 'declined_soft'
  | 'declined_hard'
  | 'unreachable'
  | 'unknown'

export const attemptCycle = defineLifeCycle<AttemptState>({
  name: 'payment attempt',
  initial: 'created',
  states: {
    created: { about: 'Written down, before the call.' },
    sent: { about: 'The call is being made, or its process died making it.' },
    requires_action: { about: 'The gateway holds it open until the customer has acted; a query or webhook tells the end.' },
    succeeded: { about: 'The gateway took the money, or set it aside.', end: true },
    declined_soft: { about: 'Declined for now; another attempt may succeed.', end: true },
    declined_hard: { about: 'Declined for good.', end: true },
    unreachable: { about: 'It is certain that the gateway did not act, as far as it told us.' },
    unknown: { about: 'The call was made and its end is not known; only a query or a webhook may resolve it.' },
  },
  transitions: [
    { from: ['created'], to: 'sent', by: 'send' },
    { from: ['sent', 'unknown'], to: 'requires_action', by: 'gateway waits for the customer' },
    { from: ['sent', 'requires_action', 'unknown'], to: 'succeeded', by: 'gateway charged' },
    { from: ['sent', 'requires_action', 'unknown'], to: 'declined_soft', by: 'gateway declined for now' },
    { from: ['sent', 'requires_action', 'unknown'], to: 'declined_hard', by: 'gateway declined' },
    { from: ['created', 'sent', 'unknown'], to: 'unreachable', by: 'gateway did not act' },
    { from: ['sent'], to: 'unknown', by: 'no certain answer' },
    // A gateway that had no charge when asked and reports one later. Its money goes straight back (a stray refund).
    { from: ['unreachable'], to: 'succeeded', by: 'charge found late' },
  ],
})

/** What follows a charge at its gateway: a capture, a void, a refund; or a credit to a wallet in a refund's place. */
export type FollowUpState = 'requested' | 'approved' | 'sent' | 'pending' | 'succeeded' | 'failed' | 'unknown' | 'manual' | 'wallet'

export const followUpCycle = defineLifeCycle<FollowUpState>({
  name: 'follow-up',
  initial: 'requested',
  states: {
    requested: { about: 'Asked for.' },
    approved: { about: 'Allowed, by policy or by a person.' },
    sent: { about: 'The call is being made; the same key may be sent again.' },
    pending: { about: 'The gateway has taken it on and will tell.' },
    succeeded: { about: 'Done: taken, released, or back with the customer.', end: true },
    failed: { about: 'The gateway will not do it. Of a capture or void this is the end, and its leg tells what follows.' },
    unknown: { about: 'The call was made and its end is not known.' },
    manual: { about: 'Left to a person; an amount to give back stays reserved.', end: true },
    wallet: { about: 'A refund that its gateway would not do: credited to the customer’s wallet instead.', end: true },
  },
  transitions: [
    { from: ['requested'], to: 'approved', by: 'approve' },
    { from: ['approved', 'unknown'], to: 'sent', by: 'send' },
    { from: ['sent', 'unknown'], to: 'pending', by: 'gateway took it on' },
    { from: ['sent', 'pending', 'unknown'], to: 'succeeded', by: 'gateway did it' },
    { from: ['sent', 'pending', 'unknown'], to: 'failed', by: 'gateway refused' },
    { from: ['sent'], to: 'unknown', by: 'no certain answer' },
    { from: ['failed'], to: 'manual', by: 'hand to a person' },
    { from: ['failed'], to: 'wallet', by: 'credit the wallet' },
  ],
})

/** A card on its way to be kept at a gateway. */
export type BindingState = 'sent' | 'requires_action' | 'bound' | 'refused' | 'unknown'

export const bindingCycle = defineLifeCycle<BindingState>({
  name: 'card binding',
  initial: 'sent',
  states: {
    sent: { about: 'The gateway is being asked; the same key may be sent again.' },
    requires_action: { about: 'The customer must act, as in 3-D Secure.' },
    bound: { about: 'The card is kept.', end: true },
    refused: { about: 'The gateway or the issuer will not keep it.', end: true },
    unknown: { about: 'No certain answer; asked again by the next finish_binding.' },
  },
  transitions: [
    { from: ['sent', 'unknown'], to: 'requires_action', by: 'ask the customer' },
    { from: ['sent', 'requires_action', 'unknown'], to: 'bound', by: 'gateway keeps it' },
    { from: ['sent', 'requires_action', 'unknown'], to: 'refused', by: 'gateway refused' },
    { from: ['sent', 'requires_action'], to: 'unknown', by: 'no certain answer' },
  ],
})
