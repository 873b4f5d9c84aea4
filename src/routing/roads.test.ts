import { describe, expect, it } from 'vitest'
import { openRoads, type AskedTable, RoadWays } from './roads.ts'
import type { Point } from './travel.ts'

/** A service whose every table takes some time of a clock that is set by hand. */
function openService({ takesMs = 10, answer }: { takesMs?: number; answer?: () => AskedTable } = {}) {
  const seen: string[] = []
  const clock = { now: 0 }
  let calls = 0
  const roads = openRoads(
    {
      nowMs: () => clock.now,
      observe: (traffic, result) => seen.push(`${traffic} ${result}`),
      async fetchTable(points) {
        calls += 1
        clock.now += takesMs
        if (answer !== undefined) return answer()
        const size = points.length
        const ways = Int32Array.from({ length: size * size }, (_, at) => at)
        return { kind: 'ok', travel: { size, durations: ways, costs: ways } }
      },
    },
    'live',
  )
  return { roads, seen, clock, calls: () => calls }
}
const points = (count: number, from = 0): Point[] => Array.from({ length: count }, (_, at) => ({ lat: 40, lng: (from + at) / 1000 }))

describe('road tables', () => {
  it('are kept for the same places in any order, asked once by many at once, and anew after an hour', async () => {
    const { roads, seen, clock, calls } = openService()
    const [first, same] = await Promise.all([roads.tableOf(points(3)), roads.tableOf(points(3))])
    expect(first).toBe(same)
    expect(await roads.tableOf([...points(3).toReversed(), ...points(2)])).toBe(first)
    expect(calls()).toBe(1)
    clock.now += 3_600_001
    await roads.tableOf(points(3))
    expect(calls()).toBe(2)
    expect(seen).toEqual(['live fetched', 'live kept', 'live fetched'])
  })

  it('of too many places are not asked for, and old ones go when there are too many ways', async () => {
    const { roads, calls } = openService()
    expect(await roads.tableOf(points(1_001))).toBe('1001 places, at most 1000')
    expect(calls()).toBe(0)
    // Five of a thousand places are five million ways; four million are kept.
    for (let nth = 0; nth < 5; nth += 1) await roads.tableOf(points(1_000, 2_000 * nth))
    expect(calls()).toBe(5)
    await roads.tableOf(points(1_000, 8_000))
    expect(calls()).toBe(5)
    await roads.tableOf(points(1_000, 0))
    expect(calls()).toBe(6)
  })

  it('of one run are waited for a minute in all, however many zones it has', async () => {
    const { roads, seen, calls } = openService({ takesMs: 25_000 })
    const run = roads.forRun()
    const answers: string[] = []
    for (let zone = 0; zone < 6; zone += 1) {
      const table = await run.tableOf(points(2, 10 * zone))
      answers.push(typeof table === 'string' ? table : 'table')
    }
    expect(answers.slice(0, 3)).toEqual(['table', 'table', 'table'])
    expect(new Set(answers.slice(3))).toEqual(new Set(['this run has waited 75 s for road tables']))
    expect(calls()).toBe(3)
    expect(seen.at(-1)).toBe('live not_asked')
    expect(typeof (await roads.forRun().tableOf(points(2, 100)))).toBe('object')
  })

  it('that a service throws instead of answering are a reason like any other', async () => {
    const { roads } = openService({
      answer: () => {
        throw new Error('no route to host')
      },
    })
    expect(await roads.tableOf(points(2))).toBe('Error: no route to host')
    expect(await roads.tableOf(points(3))).toMatch(/rests after a failure/)
  })

  it('say the way there and the way back', async () => {
    const { roads } = openService()
    const table = await roads.tableOf(points(2))
    if (typeof table === 'string') throw new Error(table)
    const ways = new RoadWays(table)
    const [a, b] = points(2) as [Point, Point]
    expect([ways.way(a, b).seconds, ways.way(b, a).seconds]).toEqual([1, 2])
    expect(ways.covers([a, { lat: 1, lng: 1 }])).toBe(false)
  })
})
