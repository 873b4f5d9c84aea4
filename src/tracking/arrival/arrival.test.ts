import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { olistUtcOffsetMinutes, readOlistTrips } from '#partners/olist/index.ts'
import { madeTrips } from '#test/made-trips.ts'
import { estimateArrival } from './estimate.ts'
import { judgeArrivals } from './judge.ts'
import { type Case, casesOf, fitArrivals } from './model.ts'
import { daysAt, quantilesOf, shareAt, type Span } from './quantiles.ts'

const dayMs = 86_400_000
const monday = Date.UTC(2026, 2, 2)
const ended = (days: number, weight = 1): Span => ({ days, ended: true, weight })
const watched = (days: number): Span => ({ days, ended: false, weight: 1 })

describe('quantiles of how long it takes', () => {
  it('are those of the plain list when everything has ended', () => {
    const quantiles = quantilesOf(Array.from({ length: 100 }, (_, n) => ended(n + 1)))
    expect(daysAt(quantiles, 0.5)).toBe(50)
    expect(daysAt(quantiles, 0.9)).toBe(90)
    expect(shareAt(quantiles, 50)).toBeCloseTo(0.5, 6)
  })

  it('take what is still under way as longer, so that the newest orders do not count only when they were quick', () => {
    const quick = [ended(1), ended(1), ended(1), ended(1)]
    expect(daysAt(quantilesOf([...quick, ended(9), ended(9), ended(9)]), 0.5)).toBe(1)
    const andUnderWay = quantilesOf([...quick, ended(9), ended(9), ended(9), watched(2), watched(2), watched(2)])
    expect(daysAt(andUnderWay, 0.5)).toBe(9)
  })

  it('say nothing when nothing has ended', () => {
    expect(quantilesOf([watched(3), watched(5)])).toEqual([])
  })

  it('never fall, whatever the spans', () => {
    const spans = fc.array(
      fc.record({ days: fc.double({ min: 0, max: 60, noNaN: true }), ended: fc.boolean(), weight: fc.constantFrom(0.1, 0.5, 1) }),
    )
    fc.assert(
      fc.property(spans, (of) => {
        const quantiles = quantilesOf(of)
        for (const [index, days] of quantiles.entries()) expect(days).toBeGreaterThanOrEqual(quantiles[index - 1] ?? 0)
      }),
    )
  })
})

const caseOf = (days: number, change: Partial<Case> = {}): Case => ({
  stage: 'in_transit',
  origin: 'A',
  destination: 'B',
  distanceKm: 200,
  at: monday,
  deliveredAt: monday + days * dayMs,
  watchedUntil: Infinity,
  ...change,
})
const many = (count: number, days: number, change: Partial<Case> = {}) => Array.from({ length: count }, () => caseOf(days, change))
const until = monday + 60 * dayMs
const inDays = (at: number | undefined) => ((at ?? NaN) - monday) / dayMs

describe('an estimate of arrival', () => {
  it('is the middle of what was, with a window that holds four of five', () => {
    const model = fitArrivals(
      Array.from({ length: 101 }, (_, n) => caseOf(1 + n / 10)),
      { until },
    )
    const told = estimateArrival(model, caseOf(0), monday)
    expect(inDays(told?.at)).toBeCloseTo(6, 0)
    expect(inDays(told?.from)).toBeCloseTo(2, 0)
    expect(inDays(told?.to)).toBeCloseTo(10, 0)
  })

  it('never lies in the past, and goes on being told when a parcel is overdue', () => {
    const model = fitArrivals(
      Array.from({ length: 101 }, (_, n) => caseOf(1 + n / 10)),
      { until },
    )
    const before = estimateArrival(model, caseOf(0), monday)
    for (const days of [0, 2, 6, 10, 30]) {
      const now = monday + days * dayMs
      const told = estimateArrival(model, caseOf(0), now)
      expect(told?.from).toBeGreaterThanOrEqual(now)
      expect(told?.at).toBeGreaterThanOrEqual(told?.from ?? Infinity)
      expect(told?.at).toBeGreaterThanOrEqual(before?.at ?? Infinity)
    }
  })

  it('goes back to wider cells where a lane has few cases, and says how many stand behind it', () => {
    const model = fitArrivals([...many(200, 3), ...many(2, 30, { destination: 'Z' })], { until })
    const rare = estimateArrival(model, caseOf(0, { destination: 'Z' }), monday)
    expect(inDays(rare?.at)).toBeCloseTo(3, 0)
    expect(rare?.basis).toBe('in_transit/b2')
    const known = estimateArrival(model, caseOf(0), monday)
    expect(known?.basis).toBe('in_transit/b2/B/A')
    expect(known?.cases).toBe(200)
  })

  it('follows a lane that has many cases of its own, and draws one with some towards its surroundings', () => {
    const model = fitArrivals([...many(200, 3), ...many(150, 10, { destination: 'Y' }), ...many(20, 10, { destination: 'X' })], { until })
    expect(inDays(estimateArrival(model, caseOf(0, { destination: 'Y' }), monday)?.at)).toBeGreaterThan(8.5)
    const some = inDays(estimateArrival(model, caseOf(0, { destination: 'X' }), monday)?.at)
    expect(some).toBeGreaterThan(4)
    expect(some).toBeLessThan(10)
  })

  it('knows that a Friday waits for Monday, wherever it goes', () => {
    const friday = monday + 4 * dayMs
    const weekday = (days: number, at: number, change: Partial<Case> = {}) => caseOf(0, { at, deliveredAt: at + days * dayMs, ...change })
    const cases = Array.from({ length: 100 }, () => [weekday(2, monday), weekday(2, monday + dayMs), weekday(5, friday)]).flat()
    // To Q only Mondays are known.
    const model = fitArrivals([...cases, ...many(30, 2, { destination: 'Q' })], { until })
    const toQ = estimateArrival(model, caseOf(0, { at: friday, destination: 'Q' }), friday)
    expect(((toQ?.at ?? 0) - friday) / dayMs).toBeGreaterThan(4)
  })

  it('is not told from a stage that was never seen', () => {
    expect(estimateArrival(fitArrivals(many(50, 3), { until }), caseOf(0, { stage: 'at_hub' }), monday)).toBeUndefined()
  })

  it('looks at nothing that happened after it was fitted', () => {
    const trips = madeTrips({ seed: 5, count: 2_000, days: 120 })
    const cut = Date.UTC(2017, 2, 1)
    const later = trips.map((trip) =>
      trip.deliveredAt !== null && trip.deliveredAt > cut ? { ...trip, deliveredAt: trip.deliveredAt + 50 * dayMs } : trip,
    )
    const gone = later.filter(({ reached }) => (reached.created ?? 0) < cut)
    const fitted = (of: typeof trips) => fitArrivals(of.flatMap(casesOf), { until: cut })
    expect(fitted(later)).toEqual(fitted(trips))
    expect(fitted(gone)).toEqual(fitted(trips))
  })
})

describe('judged on orders that it was not fitted on', () => {
  it('finds the law of made trips, and holds what its window says', () => {
    const judged = judgeArrivals(madeTrips({ seed: 11, count: 6_000, days: 360 }), {
      from: Date.UTC(2017, 6, 1),
      until: Date.UTC(2017, 10, 1),
      refitDays: 30,
      utcOffsetMinutes: 0,
    })
    expect(judged.map(({ stage }) => stage)).toEqual(['created', 'accepted', 'in_transit'])
    for (const { medianDays, biasDays, withinShare, promised, untold } of judged) {
      // Chance alone is off by 0.7 days at the median; the promised day by ten.
      expect(medianDays).toBeLessThan(1.2)
      expect(Math.abs(biasDays)).toBeLessThan(0.6)
      expect(withinShare).toBeGreaterThan(0.7)
      expect(promised.medianDays).toBeGreaterThan(5)
      expect(untold).toBe(0)
    }
  })

  it("beats the real data set's own estimate at the median and at the 90th percentile", async () => {
    const folder = join(import.meta.dirname, '../../../../shared/data/olist')
    if (!existsSync(folder)) {
      console.log('skipped: no shared data')
      return
    }
    const judged = judgeArrivals(await readOlistTrips(folder), {
      from: Date.UTC(2018, 0, 1),
      until: Date.UTC(2018, 8, 1),
      refitDays: 30,
      utcOffsetMinutes: olistUtcOffsetMinutes,
    })
    expect(judged.map(({ stage }) => stage)).toEqual(['created', 'accepted', 'in_transit'])
    for (const { stage, cases, medianDays, p90Days, lateShare, promised } of judged) {
      console.log(
        `${stage}: ${cases} orders, ${medianDays.toFixed(2)} d off at the median, promised day ${promised.medianDays.toFixed(2)} d`,
      )
      expect(cases).toBeGreaterThan(1_000)
      expect(medianDays).toBeLessThan(promised.medianDays * 0.6)
      expect(p90Days).toBeLessThan(promised.p90Days)
      expect(lateShare).toBeLessThan(0.12)
    }
  })
})
