import { defineLifeCycle } from '#kernel/lifecycle.ts'

export const claimKinds = ['return', 'exchange', 'reship', 'refund_only'] as const
/** return: goods for money; exchange: goods for goods; reship: lost or damaged goods are sent again; refund_only: money, and no goods come back. */
export type ClaimKind = (typeof claimKinds)[number]

export type ClaimState =
  | 'requested'
  | 'approved'
  | 'rejected'
  | 'withdrawn'
  | 'pickup_booked'
  | 'in_transit'
  | 'received'
  | 'inspected'
  | 'completed'
  | 'sent_back'

/** A claim. On the way back a later fact may skip stages, never go back; reship and refund_only are completed by their approval. */
export const claimLifeCycle = defineLifeCycle<ClaimState>({
  name: 'claim',
  initial: 'requested',
  states: {
    requested: { rank: 10, about: 'somebody asks for it; the quantities are set aside for it' },
    approved: { rank: 20, about: 'granted; its pieces have rows of their own' },
    pickup_booked: { rank: 30, about: 'a courier will fetch the goods' },
    in_transit: { rank: 40, about: 'the goods are on their way back' },
    received: { rank: 50, about: 'the goods are in the warehouse' },
    inspected: { rank: 60, about: 'what was accepted is settled; refused pieces wait to be sent back' },
    completed: { end: true, about: 'settled whole' },
    sent_back: { end: true, about: 'refused pieces went back to the customer; accepted ones were settled' },
    rejected: { end: true, about: 'not granted' },
    withdrawn: { end: true, about: 'the customer keeps the goods' },
  },
  transitions: [
    { from: ['requested'], to: 'approved', by: 'approve' },
    { from: ['requested'], to: 'rejected', by: 'reject' },
    { from: ['requested', 'approved', 'pickup_booked', 'in_transit'], to: 'withdrawn', by: 'withdraw' },
    { from: ['approved'], to: 'pickup_booked', by: 'book a pickup' },
    { from: ['approved', 'pickup_booked'], to: 'in_transit', by: 'pick up' },
    { from: ['approved', 'pickup_booked', 'in_transit'], to: 'received', by: 'receive' },
    { from: ['received'], to: 'inspected', by: 'inspect' },
    { from: ['inspected'], to: 'sent_back', by: 'send the refused back' },
    { from: ['inspected'], to: 'completed', by: 'settle' },
    { from: ['approved'], to: 'completed', by: 'settle without goods' },
  ],
})

/** What is wanted in exchange, a piece for a piece; amounts of one piece, minor units. */
export interface Replacement {
  readonly sku: string
  readonly skuType: string
  readonly unitPriceMinor: number
  readonly taxMinor: number
  readonly weightGrams: number
  readonly volumeMl: number
}

export interface ClaimItem {
  /** The row that holds the pieces: as it was named, from the approval on the one split off for the claim. */
  readonly itemNo: number
  readonly quantity: number
  /** Fit to be sold again, damaged, and refused; nothing before the inspection. */
  readonly accepted: number
  readonly damaged: number
  readonly refused: number
  readonly refusedItemNo: number | null
  readonly newItemNo: number | null
  readonly replacement: Replacement | null
}

export interface Claim {
  readonly id: number
  readonly kind: ClaimKind
  readonly state: ClaimState
  readonly reason: string
  readonly refundShipping: boolean
  readonly shippingSections: readonly number[]
  readonly refundedMinor: number
  /** Every state that it was in, oldest first. */
  readonly passed: readonly ClaimState[]
  readonly items: readonly ClaimItem[]
}

/** Claims of one order; beyond, it is a case for a person. */
export const mostClaims = 999
const idsPerOrder = 1_000

export const claimIdOf = (orderId: number, claimNo: number): number => orderId * idsPerOrder + claimNo
export const orderOfClaim = (claimId: number): number => Math.floor(claimId / idsPerOrder)

/** A claim one state further. */
export const claimIn = (claim: Claim, state: ClaimState): Claim =>
  claim.state === state ? claim : { ...claim, state, passed: [...claim.passed, state] }
