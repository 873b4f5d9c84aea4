import { invariant } from '#kernel/outcome.ts'
import type { Means } from './payment-plan.ts'

/** From which means money goes back first. proportional: from each its share, to the minor unit by largest remainder. */
export const refundPolicies = ['last_first', 'first_first', 'proportional', 'accounts_first', 'cards_first'] as const
export type RefundPolicy = (typeof refundPolicies)[number]

export interface RefundableLeg {
  readonly id: number
  readonly position: number
  readonly means: Means
  /** What may still go back of it: captured, less refunds under way and done, less what the bank took back. */
  readonly leftMinor: number
}

export interface RefundShare {
  readonly legId: number
  readonly amountMinor: number
}

const accounts: ReadonlySet<Means> = new Set(['wallet', 'points', 'voucher'])

/**
 * Which leg gives back how much: the shares add up to the amount, and none is more than its leg has left. The amount must not
 * be more than all have left; asking for more is a bug of the caller, who holds the lock and has counted.
 */
export function planRefund(legs: readonly RefundableLeg[], amountMinor: number, policy: RefundPolicy): RefundShare[] {
  const usable = legs.filter((leg) => leg.leftMinor > 0)
  const totalMinor = usable.reduce((sum, leg) => sum + leg.leftMinor, 0)
  invariant(amountMinor >= 0 && amountMinor <= totalMinor, `${amountMinor} can not go back from ${totalMinor}`)
  if (policy === 'proportional') return shareOut(usable, amountMinor, totalMinor)
  let leftMinor = amountMinor
  const shares: RefundShare[] = []
  for (const leg of usable.toSorted(orderBy(policy))) {
    const share = Math.min(leftMinor, leg.leftMinor)
    if (share > 0) shares.push({ legId: leg.id, amountMinor: share })
    leftMinor -= share
  }
  return shares
}

function orderBy(policy: RefundPolicy): (a: RefundableLeg, b: RefundableLeg) => number {
  if (policy === 'first_first') return (a, b) => a.position - b.position
  const first = ({ means }: RefundableLeg): boolean =>
    (policy === 'accounts_first' && accounts.has(means)) || (policy === 'cards_first' && means === 'card')
  return (a, b) => Number(first(b)) - Number(first(a)) || b.position - a.position
}

/** Largest remainder. Whole shares are floors, so no share can pass what its leg has left: amount ≤ total. Products pass 2^53, hence bigint. */
function shareOut(legs: readonly RefundableLeg[], amountMinor: number, totalMinor: number): RefundShare[] {
  if (amountMinor === 0) return []
  const total = BigInt(totalMinor)
  const parts = legs.map((leg) => {
    const product = BigInt(leg.leftMinor) * BigInt(amountMinor)
    return { leg, whole: Number(product / total), remainder: product % total }
  })
  let leftMinor = amountMinor - parts.reduce((sum, part) => sum + part.whole, 0)
  const byRemainder = parts.toSorted((a, b) =>
    a.remainder === b.remainder ? a.leg.position - b.leg.position : a.remainder > b.remainder ? -1 : 1,
  )
  const extra = new Set<number>()
  for (const { leg } of byRemainder) {
    if (leftMinor === 0) break
    extra.add(leg.id)
    leftMinor -= 1
  }
  return parts.flatMap(({ leg, whole }) => {
    const share = whole + (extra.has(leg.id) ? 1 : 0)
    return share === 0 ? [] : [{ legId: leg.id, amountMinor: share }]
  })
}
