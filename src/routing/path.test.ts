import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Path, type PathFrame, timesOfTrip } from './path.ts'
import { secondsBetween } from './travel.ts'

const base = { lat: 40, lng: 0 }
const frame: PathFrame = { base, from: 0, to: 7200, opens: 600, closes: 6600, frozen: 0 }
const doors = fc.array(
  fc.record({
    lat: fc.double({ min: 39.95, max: 40.05, noNaN: true }),
    lng: fc.double({ min: -0.05, max: 0.05, noNaN: true }),
    ready: fc.constantFrom(0, 0, 0, 300, 1500, 4000),
  }),
  {
    minLength: 1,
    maxLength: 25,
  },
)

/** Drives a path by itself, without its tables. */
function drive(path: Path): { late: number; served: number[] } {
  let clock = Math.max(path.frame.from, ...path.stops.map(({ ready = 0 }) => ready))
  let place = path.frame.base
  let late = 0
  for (const stop of path.stops) {
    clock = Math.max(path.frame.opens, clock + (place === null ? 0 : secondsBetween(place, stop)))
    expect(stop.arrives).toBe(clock)
    late = Math.max(late, clock - path.frame.closes)
    clock += stop.service
    place = stop
  }
  const back = place === null || path.frame.base === null ? 0 : secondsBetween(place, path.frame.base)
  return { late: Math.max(late, clock + back - path.frame.to), served: path.stops.flatMap(({ waybills }) => waybills) }
}

describe('paths', () => {
  it('insert where every time still holds, at the shortest detour, and refuse only what fits nowhere', () => {
    fc.assert(
      fc.property(doors, fc.constantFrom(null, base), (points, from) => {
        const path = new Path({ ...frame, base: from }, [])
        for (const [at, point] of points.entries()) {
          const before = path.metres()
          const insertion = path.bestInsertion(point, point.ready)
          const tried = Array.from({ length: path.stops.length + 1 }, (_, place) => {
            const copy = new Path(path.frame, path.stops)
            copy.insert({ at: place, joins: false, metres: 0 }, point, { waybillId: at, ready: point.ready })
            return drive(copy).late <= 0 ? copy.metres() - before : Infinity
          })
          if ('lateSeconds' in insertion) {
            expect(Math.min(...tried)).toBe(Infinity)
            expect(insertion.lateSeconds).toBeGreaterThan(0)
            continue
          }
          if (!insertion.joins) expect(insertion.metres).toBe(Math.min(...tried))
          path.insert(insertion, point, { waybillId: at, ready: point.ready })
          expect(drive(path).late).toBeLessThanOrEqual(0)
          expect(path.holds).toBe(true)
        }
        const half = new Set(drive(path).served.filter((id) => id % 2 === 0))
        path.remove(half)
        expect(drive(path).late).toBeLessThanOrEqual(0)
        expect(drive(path).served.every((id) => !half.has(id))).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('know when goods are ready under a truck that leaves earlier than the one they were planned for', () => {
    const late = new Path({ ...frame, from: 3600 }, [])
    const door = { lat: 40.01, lng: 0 }
    const insertion = late.bestInsertion(door, 1800)
    if ('lateSeconds' in insertion) throw new Error('it fits')
    late.insert(insertion, door, { waybillId: 1, ready: 1800 })
    expect(late.leaves).toBe(3600)
    expect(late.under(frame).leaves).toBe(1800)
    expect((late.withReady(new Map([[1, 1800]])) as Path).under(frame).leaves).toBe(1800)
  })

  it('leave one more at a door where the truck stops anyway, and nothing before what is frozen', () => {
    const path = new Path(frame, [])
    for (const id of [1, 2]) path.insert({ at: 0, joins: false, metres: 0 }, { lat: 40.01, lng: 0.001 * id }, { waybillId: id })
    expect(path.bestInsertion({ lat: 40.01, lng: 0.002 })).toEqual({ at: 0, joins: true, metres: 0 })
    const frozen = path.under({ ...frame, frozen: 2 })
    expect(frozen.bestInsertion({ lat: 40.01, lng: 0.002 })).toMatchObject({ at: 2, joins: false })
  })

  it('let a truck serve slots that follow each other, and stay longer where the way would eat the slot', () => {
    const slot = (from: number, to: number) => ({ startsAt: new Date(from * 1000), endsAt: new Date(to * 1000) })
    const ground = { base, centre: { lat: 40.03, lng: 0 }, shift: null }
    const [first, second] = [timesOfTrip(slot(0, 7200), ground), timesOfTrip(slot(7200, 14_400), ground)]
    expect(first?.to).toBe(second?.from)
    expect(timesOfTrip(slot(0, 1800), ground)).toMatchObject({ to: 1800 + 540 })
    expect(timesOfTrip(slot(0, 7200), { ...ground, shift: { from: 7000, to: 9000 } })).toBe(null)
  })
})
