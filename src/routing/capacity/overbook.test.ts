import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { learnedPercent, mostPercent, whySo } from './overbook.ts'

const history = fc
  .record({
    dates: fc.integer({ min: 0, max: 56 }),
    used: fc.integer({ min: 0, max: 20_000 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ dates, used, share }) => ({ dates, used, burnt: Math.floor(used * share) }))

describe('what is learned of lost places', () => {
  it('is bounded, sells nothing beyond the plan where little is known, and never more than what was lost for sure', () => {
    fc.assert(
      fc.property(history, (seen) => {
        const percent = learnedPercent(seen)
        expect(Number.isInteger(percent)).toBe(true)
        expect(percent).toBeGreaterThanOrEqual(100)
        expect(percent).toBeLessThanOrEqual(mostPercent)
        if (seen.dates < 8 || seen.used < 200) expect(percent).toBe(100)
        // Of so many sold, at most as many come as were planned, if as many are lost as before.
        if (percent < mostPercent && seen.used > 0) expect((percent / 100) * (1 - seen.burnt / seen.used)).toBeLessThanOrEqual(1)
        expect(learnedPercent(seen)).toBe(percent)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    [{ dates: 56, used: 10_000, burnt: 0 }, 100],
    [{ dates: 56, used: 10_000, burnt: 800 }, 108],
    [{ dates: 20, used: 400, burnt: 32 }, 105],
    [{ dates: 7, used: 10_000, burnt: 800 }, 100],
    [{ dates: 56, used: 10_000, burnt: 9_000 }, 150],
  ])('%o gives %i percent', (seen, percent) => expect(learnedPercent(seen)).toBe(percent))

  it('says its numbers', () => {
    const plan = { trucks: 6, stopsPerTruck: 20, overbookMost: 115, capacity: 200 }
    const learned = { dates: 56, used: 10_000, burnt: 800, percent: 108 }
    expect(whySo({ ...plan, learned })).toBe(
      '6 trucks × 20 stops × 108 %, never more than 200; 800 of 10000 places of 56 dates were lost after the cut-off, at least 8 % more can be sold, at most 15 % may',
    )
    expect(whySo({ ...plan, learned: { ...learned, dates: 3 } })).toContain('too few to learn from')
    expect(whySo({ ...plan, overbookMost: 100, learned })).toBe('6 trucks × 20 stops, never more than 200')
  })
})
