import type { NewEvent } from '#platform/events.ts'
import type { Claim, ClaimState } from './claim-lifecycle.ts'
import type { OrderClaimMoved } from './events.ts'
import type { Order } from './order.ts'

interface ClaimStep {
  readonly claim: Claim
  readonly from: ClaimState | ''
  readonly to: ClaimState
}

/** Claims that are new or other ones now, with how they were. */
export function changedClaims(before: Order, after: Order): { was: Claim | undefined; is: Claim }[] {
  if (before.detail === undefined || after.detail === undefined || before.detail.claims === after.detail.claims) return []
  const known = before.detail.claims
  return after.detail.claims.map((is, at) => ({ was: known[at], is })).filter(({ was, is }) => was !== is)
}

/** Every state that claims passed between the two, in order. */
export const newSteps = (before: Order, after: Order): ClaimStep[] =>
  changedClaims(before, after).flatMap(({ was, is }) =>
    is.passed.map((to, at): ClaimStep => ({ claim: is, from: is.passed[at - 1] ?? '', to })).slice(was?.passed.length ?? 0),
  )

export function claimEvents(before: Order, after: Order): NewEvent[] {
  return newSteps(before, after).map(({ claim, from, to }) => {
    const items = claim.items.map(({ itemNo, quantity }) => ({ itemNo, quantity }))
    const payload: OrderClaimMoved = { orderId: after.id, claimId: claim.id, kind: claim.kind, from, to, reason: claim.reason, items }
    return { key: String(after.id), type: 'orders.claim_moved', payload }
  })
}
