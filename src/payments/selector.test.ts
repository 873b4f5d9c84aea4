import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GatewayMix } from './gateway-mix.ts'
import { rankGateways } from './selector.ts'

const choosing = { means: 'card' as const, amountMinor: 10_000, currency: 'EUR', country: '' }
const all = () => true
const none: ReadonlyMap<string, number> = new Map()
const ratio = (weights: readonly number[]): GatewayMix => ({
  strategy: 'ratio',
  gateways: weights.map((weight, index) => ({ gateway: `pg${index}`, weight })),
})

/** Payments one after the other; `fails` says at which the chosen gateway declines and the next in rank takes it. */
function play(mix: GatewayMix, payments: number, fails: (at: number) => boolean = () => false): string[] {
  const counts = new Map<string, number>()
  return Array.from({ length: payments }, (_, at) => {
    const [first = '', second = ''] = rankGateways(mix, choosing, counts, all)
    const taken = fails(at) ? second : first
    counts.set(taken, (counts.get(taken) ?? 0) + 1)
    return taken
  })
}

describe('the selector', () => {
  test('70 to 30: of 1,000 payments 700 and 300, though one in twenty fails over', () => {
    const taken = play(ratio([70, 30]), 1_000, (at) => at % 20 === 7)
    expect(Math.abs(taken.filter((name) => name === 'pg0').length - 700)).toBeLessThanOrEqual(1)
  })

  test('with two gateways any window of any length is within one payment of its target', () => {
    const weight = fc.integer({ min: 1, max: 100 })
    fc.assert(
      fc.property(weight, weight, (a, b) => {
        const taken = play(ratio([a, b]), 240)
        const sums = [0]
        for (const name of taken) sums.push((sums.at(-1) ?? 0) + (name === 'pg0' ? 1 : 0))
        let farthest = 0
        for (let from = 0; from < 240; from += 1) {
          for (let to = from + 1; to <= 240; to += 1) {
            const target = ((to - from) * a) / (a + b)
            farthest = Math.max(farthest, Math.abs((sums[to] ?? 0) - (sums[from] ?? 0) - target))
          }
        }
        expect(farthest).toBeLessThan(1 + 1e-9)
      }),
      { seed: 5, numRuns: 40 },
    )
  })

  test('with any number of gateways the share since the start is always the target, rounded down or up', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 6 }), (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        const counts = new Map<string, number>()
        let farthest = 0
        for (const [at, name] of play(ratio(weights), 300).entries()) {
          counts.set(name, (counts.get(name) ?? 0) + 1)
          for (const [index, weight] of weights.entries()) {
            const count = counts.get(`pg${index}`) ?? 0
            farthest = Math.max(farthest, Math.abs(count * total - (at + 1) * weight) / total)
          }
        }
        expect(farthest).toBeLessThan(1)
      }),
      { seed: 6, numRuns: 200 },
    )
  })

  test('failovers are paid back: each gateway is within its target by as many payments as failed over since it last was', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 50, maxLength: 300 }), fc.integer({ min: 1, max: 99 }), (failing, weight) => {
        // Failures in the first half only: by the end of the second all must be back on target.
        const half = failing.length
        const taken = play(ratio([weight, 100 - weight]), half * 40, (at) => at < half && (failing[at] ?? false))
        const count = taken.filter((name) => name === 'pg0').length
        expect(Math.abs(count - (half * 40 * weight) / 100)).toBeLessThan(weight < 3 || weight > 97 ? half : 1)
      }),
      { seed: 7, numRuns: 100 },
    )
  })

  test('a gateway that is out leaves its share to the others, by their own weights', () => {
    const mix = ratio([50, 30, 20])
    const counts = new Map<string, number>()
    for (let at = 0; at < 500; at += 1) {
      const [name = ''] = rankGateways(mix, choosing, counts, (gateway) => gateway !== 'pg0')
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    expect([...counts].toSorted()).toEqual([
      ['pg1', 300],
      ['pg2', 200],
    ])
  })

  test('priority, fees, country and bands rank as they say, and the rest follows for failover', () => {
    const rank = (mix: GatewayMix, over: Partial<typeof choosing> = {}) => rankGateways(mix, { ...choosing, ...over }, none, all)
    expect(rank({ strategy: 'priority', gateways: [{ gateway: 'b' }, { gateway: 'a' }] })).toEqual(['b', 'a'])
    const fees: GatewayMix = {
      strategy: 'cheapest',
      gateways: [
        { gateway: 'a', feeBasisPoints: 140, feeFixedMinor: 25 },
        { gateway: 'b', feeBasisPoints: 95, feeFixedMinor: 90 },
        { gateway: 'a', currency: 'BRL', feeBasisPoints: 10 },
      ],
    }
    expect(rank(fees)).toEqual(['a', 'b'])
    expect(rank(fees, { amountMinor: 20_000 })).toEqual(['b', 'a'])
    expect(rank(fees, { amountMinor: 20_000, currency: 'BRL' })).toEqual(['a', 'b'])
    const countries: GatewayMix = {
      strategy: 'card_country',
      gateways: [{ gateway: 'br', countries: ['BR', 'AR'] }, { gateway: 'jp', countries: ['JP'] }, { gateway: 'rest' }],
    }
    expect(rank(countries, { country: 'AR' })).toEqual(['br', 'rest', 'jp'])
    expect(rank(countries)).toEqual(['rest', 'br', 'jp'])
    const bands: GatewayMix = {
      strategy: 'amount',
      gateways: [
        { gateway: 'small', untilMinor: 10_000 },
        { gateway: 'large', fromMinor: 10_000 },
      ],
    }
    expect(rank(bands)).toEqual(['large', 'small'])
    expect(rank(bands, { amountMinor: 9_999 })).toEqual(['small', 'large'])
  })
})
