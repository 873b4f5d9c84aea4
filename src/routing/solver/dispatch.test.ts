import { describe, expect, test } from 'vitest'
import { checkPlan } from './checker.ts'
import { byFutures, greedy, lazy, playDay } from './dispatch.ts'
import { canLeave, dispatchDay, hour, leavesAt, mustGo } from './dispatch-day.ts'
import type { Instance } from './instance.ts'
import { Random } from './random.ts'

/** Forty customers around a depot with windows of four hours over a day of six waves. */
function town(seed: number): Instance {
  const random = new Random(seed)
  const size = 41
  const points = Array.from({ length: size }, (_, at) => (at === 0 ? [0, 0] : [random.below(3_000) - 1_500, random.below(3_000) - 1_500]))
  const opens = points.map((_, at) => (at === 0 ? 0 : (2 + random.below(5)) * hour))
  return {
    name: 'town',
    vehicles: 40,
    capacity: 60,
    size,
    durations: Int32Array.from({ length: size * size }, (_, at) => {
      const [from, to] = [points[Math.floor(at / size)]!, points[at % size]!]
      return Math.round(Math.hypot(from[0]! - to[0]!, from[1]! - to[1]!))
    }),
    demand: points.map(() => 1 + random.below(12)),
    opens,
    closes: opens.map((time, at) => (at === 0 ? 12 * hour : time + 4 * hour)),
    service: points.map((_, at) => (at === 0 ? 0 : 240)),
  }
}
const day = dispatchDay(town(1), 1, 20)
const options = { seed: 1, iterations: 100 }
const costOf = (played: ReturnType<typeof playDay>) => played.reduce((sum, { plan }) => sum + plan.cost, 0)
const futures = byFutures({ seed: 1, futures: 4, waves: 1, rounds: 2, waitShare: 0.75, goShare: 0.2, each: { iterations: 100 } })

describe('a day by the hour', () => {
  test('every request can leave in its own wave, and the same seed gives the same day', () => {
    expect(day.requests.length).toBe(day.lastWave - day.firstWave + 1)
    for (const [nth, requests] of day.requests.entries()) {
      for (const request of requests) expect(canLeave(day.instance, request, leavesAt(day.firstWave + nth))).toBe(true)
    }
    expect(dispatchDay(town(1), 1, 20)).toEqual(day)
    expect(dispatchDay(town(1), 2, 20)).not.toEqual(day)
  })

  test.each([
    ['greedy', greedy],
    ['lazy', lazy],
    ['by futures', futures],
  ])('%s serves every request once, none too late', (_, policy) => {
    const played = playDay(day, policy, options)
    const all = day.requests.reduce((sum, requests) => sum + requests.length, 0)
    expect(played.reduce((sum, { went }) => sum + went, 0)).toBe(all)
    for (const { wave, problem, plan } of played) {
      expect(plan.unassigned).toEqual([])
      expect(checkPlan(problem, plan).broken).toEqual([])
      for (const route of plan.routes) expect(route.startsAt).toBeGreaterThanOrEqual(leavesAt(wave))
    }
  })

  test('what must go is what the next wave could not bring in time, and all in the last wave', () => {
    const request = day.requests[0]![0]!
    const latest = day.firstWave + day.requests.findIndex((_, nth) => !canLeave(day.instance, request, leavesAt(day.firstWave + nth + 1)))
    expect(mustGo(day, request, latest)).toBe(true)
    if (latest > day.firstWave) expect(mustGo(day, request, latest - 1)).toBe(false)
    expect(mustGo(day, request, day.lastWave)).toBe(true)
  })

  test('weighing futures is cheaper than sending all at once', () => {
    const costs = [1, 2, 3].map((seed) => {
      const some = dispatchDay(town(seed), seed, 20)
      return [futures, greedy].map((policy) => costOf(playDay(some, policy, options)))
    })
    const [weighed, all] = [0, 1].map((nth) => costs.reduce((sum, row) => sum + row[nth]!, 0))
    expect(weighed!).toBeLessThan(all!)
  })
})
