import { defineLifeCycle } from '#kernel/lifecycle.ts'

export type SalesOrderState = 'created' | 'accepted' | 'picking' | 'picked' | 'packed' | 'cancelled' | 'transferred'

/** A report of a later state walks over those before it: a warehouse that says only "packed" has still done the work. */
export const salesOrderLifeCycle = defineLifeCycle<SalesOrderState>({
  name: 'sales order',
  initial: 'created',
  states: {
    created: { rank: 0, about: 'the warehouse is told of it' },
    accepted: { rank: 1, about: 'the warehouse has said that it will prepare it' },
    picking: { rank: 2, about: 'somebody walks along the shelves' },
    picked: { rank: 3, about: 'all that is there is out of its shelf; what is missing is known' },
    packed: { rank: 4, about: 'in its bags and boxes; the warehouse is done with it' },
    cancelled: { about: 'called off; what was picked goes back to its shelf', end: true },
    transferred: { about: 'another warehouse prepares it', end: true },
  },
  transitions: [
    { from: ['created'], to: 'accepted', by: 'accept' },
    { from: ['created', 'accepted'], to: 'picking', by: 'begin' },
    { from: ['created', 'accepted', 'picking'], to: 'picked', by: 'pick' },
    { from: ['created', 'accepted', 'picking', 'picked'], to: 'packed', by: 'pack' },
    { from: ['created', 'accepted', 'picking'], to: 'cancelled', by: 'cancel' },
    { from: ['picked', 'packed'], to: 'cancelled', by: 'waybill called off' },
    { from: ['created', 'accepted'], to: 'transferred', by: 'transfer' },
  ],
})

export const rankOf = (state: SalesOrderState): number => salesOrderLifeCycle.states[state].rank ?? Number.POSITIVE_INFINITY
export const isEnded = (state: SalesOrderState): boolean => salesOrderLifeCycle.states[state].end === true
