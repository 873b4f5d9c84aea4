import { describe, expect, test } from 'vitest'
import { longestWay } from './problem.ts'
import { greatCircleTravel, tableTravel, vanInTown } from './travel.ts'

describe('ways by great circle', () => {
  test('a degree of latitude is 111 km and ways are the same both ways', () => {
    const flat = { ...vanInTown, detour: 1 }
    const { size, costs, durations } = greatCircleTravel(
      [
        { lat: 43, lng: -79 },
        { lat: 44, lng: -79 },
        { lat: 43, lng: -79 },
      ],
      flat,
    )
    expect(size).toBe(3)
    expect(costs[1]).toBe(111_195)
    expect(costs[3]).toBe(costs[1])
    expect([costs[2], durations[2]]).toEqual([0, 0])
    // 2 km at 6, 8 km at 9, 30 km at 15, the rest at 22 metres a second, and 30 s.
    expect(durations[1]).toBe(Math.round(30 + 2_000 / 6 + 8_000 / 9 + 30_000 / 15 + 71_195 / 22))
  })

  test('a farther place never takes less time', () => {
    const { durations } = greatCircleTravel(Array.from({ length: 200 }, (_, at) => ({ lat: 43 + at / 100, lng: -79 })))
    for (let at = 1; at < 200; at += 1) expect(durations[at]!).toBeGreaterThanOrEqual(durations[at - 1]!)
  })

  test('bad points and profiles are named', () => {
    expect(() => greatCircleTravel([{ lat: 91, lng: 0 }])).toThrow('points/0/lat')
    expect(() => greatCircleTravel([{ lat: 0, lng: Number.NaN }])).toThrow('points/0/lng')
    expect(() => greatCircleTravel([], { ...vanInTown, detour: 0 })).toThrow('profile/detour')
    expect(() => greatCircleTravel([], { ...vanInTown, bands: [{ upToMetres: 5, metresPerSecond: 3 }] })).toThrow('profile/bands')
  })
})

describe('ways from a table', () => {
  test('no way is the longest way, and durations serve as costs', () => {
    const travel = tableTravel([
      [0, 12.4],
      [null, 0],
    ])
    expect([...travel.durations]).toEqual([0, 12, longestWay, 0])
    expect(travel.costs).toBe(travel.durations)
  })

  test('a table that is not square is named by its row', () => {
    expect(() => tableTravel([[0, 1], [1]])).toThrow('durations/1')
    expect(() => tableTravel([[0]], [[-1]])).toThrow('costs/0/0')
  })
})
