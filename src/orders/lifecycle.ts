import { defineLifeCycle } from '#kernel/lifecycle.ts'

export type ItemState =
  | 'draft'
  | 'pending_payment'
  | 'paid'
  | 'allocated'
  | 'backordered'
  | 'preparing'
  | 'ready'
  | 'shipped'
  | 'out_for_delivery'
  | 'delivery_failed'
  | 'delivered'
  | 'confirmed'
  | 'cancelled'
  | 'returned'
  | 'exchanged'
  | 'lost'

/** Goods axis of one item. Ranks order the states for the cascade; from `paid` on a later fact may skip stages, never go back. */
export const itemLifeCycle = defineLifeCycle<ItemState>({
  name: 'item',
  initial: 'draft',
  states: {
    draft: { rank: 0, about: 'in an order that is still being put together' },
    pending_payment: { rank: 10, about: 'placed; waits for its money' },
    paid: { rank: 20, about: 'its money is covered' },
    backordered: { rank: 25, about: 'paid, but the goods are not there yet' },
    allocated: { rank: 30, about: 'on a waybill that has a route' },
    preparing: { rank: 40, about: 'the warehouse or merchant is picking it' },
    ready: { rank: 50, about: 'packed and staged for the truck' },
    shipped: { rank: 60, about: 'loaded; has left the warehouse' },
    delivery_failed: { rank: 65, about: 'an attempt to deliver it failed; another may follow' },
    out_for_delivery: { rank: 70, about: 'on its last leg' },
    delivered: { rank: 80, about: 'handed over' },
    confirmed: { rank: 90, about: 'the customer has it and the time to object is over' },
    cancelled: { end: true, about: 'will not be delivered' },
    returned: { end: true, about: 'came back' },
    exchanged: { end: true, about: 'came back and was replaced' },
    lost: { end: true, about: 'lost or destroyed on the way' },
  },
  transitions: [
    { from: ['draft'], to: 'pending_payment', by: 'place' },
    { from: ['pending_payment'], to: 'paid', by: 'cover' },
    { from: ['paid', 'allocated', 'preparing', 'ready'], to: 'backordered', by: 'miss' },
    { from: ['paid', 'backordered'], to: 'allocated', by: 'allocate' },
    { from: ['paid', 'backordered', 'allocated'], to: 'preparing', by: 'pick' },
    { from: ['paid', 'backordered', 'allocated', 'preparing'], to: 'ready', by: 'stage' },
    { from: ['paid', 'backordered', 'allocated', 'preparing', 'ready'], to: 'shipped', by: 'load' },
    { from: ['paid', 'backordered', 'allocated', 'preparing', 'ready', 'shipped', 'delivery_failed'], to: 'out_for_delivery', by: 'drive' },
    { from: ['shipped', 'out_for_delivery'], to: 'delivery_failed', by: 'fail' },
    {
      from: ['paid', 'backordered', 'allocated', 'preparing', 'ready', 'shipped', 'out_for_delivery', 'delivery_failed'],
      to: 'delivered',
      by: 'deliver',
    },
    { from: ['delivered'], to: 'confirmed', by: 'confirm' },
    { from: ['draft', 'pending_payment', 'paid', 'backordered', 'allocated'], to: 'cancelled', by: 'cancel' },
    { from: ['preparing', 'ready'], to: 'cancelled', by: 'cancel with consent' },
    { from: ['shipped', 'out_for_delivery', 'delivery_failed', 'delivered', 'confirmed'], to: 'returned', by: 'return' },
    { from: ['delivered', 'confirmed'], to: 'exchanged', by: 'exchange' },
    { from: ['preparing', 'ready', 'shipped', 'out_for_delivery', 'delivery_failed'], to: 'lost', by: 'lose' },
  ],
})

export const rankOf = (state: ItemState): number => itemLifeCycle.states[state].rank ?? -1

/** States of sections and orders: never set, always folded from the items (cascade.ts). */
export const foldedStates = [
  'draft',
  'pending_payment',
  'paid',
  'allocated',
  'backordered',
  'preparing',
  'ready',
  'partially_shipped',
  'shipped',
  'partially_delivered',
  'delivered',
  'confirmed',
  'partially_returned',
  'returned',
  'lost',
  'cancelled',
] as const
export type FoldedState = (typeof foldedStates)[number]

export const moneyStates = ['none', 'partial', 'authorized', 'captured', 'partially_refunded', 'refunded', 'over'] as const
export type MoneyState = (typeof moneyStates)[number]

/**
 * Flags beside the states, as bits, so that they fold. All but `withheld` are attention: they call for a person.
 * hold: somebody holds it; failed_delivery: an attempt failed; unknown_payment: a gateway has not said how a charge ended;
 * too_far_gone: cancelled goods that could not be called off; cancel_requested: the warehouse has not answered yet;
 * withheld: paid, and not announced while a hold is on.
 */
export const flagBits = { hold: 1, failed_delivery: 2, unknown_payment: 4, too_far_gone: 8, cancel_requested: 16, withheld: 32 } as const
export type Flag = keyof typeof flagBits
