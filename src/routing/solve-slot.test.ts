import { expect, it } from 'vitest'
import type { Vehicle } from './fleet.ts'
import { type Door, skillsOf, solveSlot, type Truck } from './solve-slot.ts'
import { Random } from './solver/random.ts'
import { metresBetween, secondsFor, serviceOf } from './travel.ts'

/** `SLOTS=500` is the long form, some two minutes. */
const slots = Number(process.env['SLOTS'] ?? 30)
const base = { lat: 40, lng: 0 }
const opens = 8 * 3600
const closes = 10 * 3600

interface Asked {
  readonly doors: readonly Door[]
  readonly trucks: readonly Truck[]
}

/** Seven or eight doors, trucks of several sizes and prices, goods that come later; room for all. */
function slotOf(seed: number): Asked {
  const random = new Random(seed)
  const between = (low: number, high: number) => low + random.below(high - low + 1)
  const doors = Array.from(
    { length: between(7, 8) },
    (_, at): Door => ({
      at: { lat: 40 + between(-60, 60) / 1000, lng: between(-60, 60) / 1000 },
      skills: skillsOf.dry,
      waybills: [at + 1],
      truck: -1,
      pinned: false,
      ready: random.fraction() < 0.15 ? opens + between(0, 2400) : 0,
      weightGrams: 1,
      volumeMl: 1,
      pieces: between(1, 5),
    }),
  )
  const kinds = Array.from({ length: 3 }, () => ({ pieces: between(6, 25), tripCost: between(1000, 6000), kmCost: between(40, 90) }))
  const trucks = Array.from({ length: 10 }, (_, at): Truck => {
    const kind = kinds[at % 3] as (typeof kinds)[number]
    const size = { weightGrams: 1000, volumeMl: 1000, pieces: kind.pieces }
    const vehicle: Vehicle = { vehicleId: at + 1, code: `T-${at}`, type: 'dry', ...size, depotId: null, base, shifts: null, ...kind }
    const frame = { base, from: opens - 1200, to: closes, opens, closes, frozen: 0 }
    return { vehicle, capacity: vehicle, frame, doors: [], frozen: 0 }
  })
  return { doors, trucks }
}

/** By trying every order of every set, and every way to deal the sets out: shares no code with the solver. */
function cheapestOf({ doors, trucks }: Asked): number {
  const all = (1 << doors.length) - 1
  const shortest = new Float64Array(all + 1).fill(Infinity)
  const frame = trucks[0]?.frame ?? { from: 0, to: 0 }
  const extend = (order: number[], set: number) => {
    let clock = Math.max(frame.from, ...order.map((door) => doors[door]?.ready ?? 0))
    let [place, metres, held] = [base, 0, true]
    for (const door of order) {
      const { at } = doors[door] as Door
      const way = metresBetween(place, at)
      clock = Math.max(opens, clock + secondsFor(way))
      held &&= clock <= closes
      clock += serviceOf(1)
      metres += way
      place = at
    }
    const home = metresBetween(place, base)
    if (held && clock + secondsFor(home) <= frame.to) shortest[set] = Math.min(shortest[set] ?? Infinity, metres + home)
    if (held) for (const door of doors.keys()) if ((set & (1 << door)) === 0) extend([...order, door], set | (1 << door))
  }
  for (const door of doors.keys()) extend([door], 1 << door)
  const pieces = (set: number) => doors.reduce((sum, door, at) => sum + ((set >> at) & 1) * door.pieces, 0)
  let least = new Float64Array(all + 1).fill(Infinity)
  least[0] = 0
  for (const { vehicle } of trucks) {
    const next = least.slice()
    for (let set = 1; set <= all; set += 1)
      for (let sub = set; sub > 0; sub = (sub - 1) & set)
        if (pieces(sub) <= vehicle.pieces) {
          const cost = (least[set & ~sub] ?? Infinity) + vehicle.tripCost + (vehicle.kmCost / 1000) * (shortest[sub] ?? Infinity)
          if (cost < (next[set] ?? Infinity)) next[set] = cost
        }
    least = next
  }
  return least[all] ?? Infinity
}

it(`${slots} slots of seven or eight doors cost what the cheapest of all plans costs`, () => {
  let whole = 0
  for (let seed = 1; seed <= slots; seed += 1) {
    const asked = slotOf(seed)
    const { routes, left } = solveSlot(asked.doors, asked.trucks, { effort: { seed, attemptsPerDoor: 1, moveCost: 0 } })
    const least = cheapestOf(asked)
    if (least === Infinity) {
      expect(left.length).toBeGreaterThan(0)
      continue
    }
    whole += 1
    const cost = [...routes].reduce((sum, [truck, { path }]) => {
      const { tripCost, kmCost } = (asked.trucks[truck] as Truck).vehicle
      return sum + tripCost + (kmCost / 1000) * path.metres()
    }, 0)
    expect({ seed, left, cost: cost.toFixed(3) }).toEqual({ seed, left: [], cost: least.toFixed(3) })
  }
  expect(whole).toBeGreaterThan(slots / 2)
}, 600_000)
