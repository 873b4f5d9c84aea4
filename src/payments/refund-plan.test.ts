import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Means } from './payment-plan.ts'
import { planRefund, type RefundableLeg, refundPolicies } from './refund-plan.ts'

const leg = (id: number, leftMinor: number, means: Means = 'card'): RefundableLeg => ({ id, position: id, means, leftMinor })
const shares = (...args: Parameters<typeof planRefund>) => planRefund(...args).map(({ legId, amountMinor }) => [legId, amountMinor])

describe('the refund planner', () => {
  test('each policy takes from its own legs first', () => {
    const legs = [leg(1, 100), leg(2, 50, 'wallet'), leg(3, 30)]
    expect(shares(legs, 60, 'last_first')).toEqual([
      [3, 30],
      [2, 30],
    ])
    expect(shares(legs, 120, 'first_first')).toEqual([
      [1, 100],
      [2, 20],
    ])
    expect(shares(legs, 60, 'accounts_first')).toEqual([
      [2, 50],
      [3, 10],
    ])
    expect(shares(legs, 140, 'cards_first')).toEqual([
      [3, 30],
      [1, 100],
      [2, 10],
    ])
  })

  test('in proportion, the minor units that are left over go to the largest remainders', () => {
    expect(shares([leg(1, 1), leg(2, 1), leg(3, 1)], 2, 'proportional')).toEqual([
      [1, 1],
      [2, 1],
    ])
    expect(shares([leg(1, 700), leg(2, 299), leg(3, 1)], 100, 'proportional')).toEqual([
      [1, 70],
      [2, 30],
    ])
  })

  test('whatever the legs and the amount: shares add up to it, and no leg gives more than it has', () => {
    const legs = fc.array(
      fc.record({
        means: fc.constantFrom<Means>('card', 'wallet', 'points', 'voucher', 'transfer'),
        leftMinor: fc.integer({ min: -5, max: 1e12 }),
      }),
      { minLength: 1, maxLength: 12 },
    )
    fc.assert(
      fc.property(legs, fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(...refundPolicies), (drawn, part, policy) => {
        const all = drawn.map(({ means, leftMinor }, index) => leg(index + 1, leftMinor, means))
        const total = all.reduce((sum, { leftMinor }) => sum + Math.max(0, leftMinor), 0)
        const amountMinor = Math.floor(total * part)
        const planned = planRefund(all, amountMinor, policy)
        expect(planned.reduce((sum, share) => sum + share.amountMinor, 0)).toBe(amountMinor)
        for (const share of planned) {
          expect(share.amountMinor).toBeGreaterThan(0)
          expect(share.amountMinor).toBeLessThanOrEqual(all.find(({ id }) => id === share.legId)?.leftMinor ?? 0)
        }
        expect(new Set(planned.map(({ legId }) => legId)).size).toBe(planned.length)
      }),
      { seed: 77, numRuns: 2_000 },
    )
  })

  test('more than all have left is a bug of the caller', () => {
    expect(() => planRefund([leg(1, 5)], 6, 'last_first')).toThrow('6 can not go back from 5')
  })
})
