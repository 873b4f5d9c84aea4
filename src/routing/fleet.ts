import type { Cell, FleetFacts, OpenTruck, Request, Route } from './assign.ts'
import { fitsType, type Load, type SkuType } from './capacity/index.ts'
import { type Insertion, Path, timesOfTrip } from './path.ts'
import type { Point } from './travel.ts'
import { overBy } from './why.ts'

export interface Vehicle extends Load {
  readonly vehicleId: number
  readonly code: string
  readonly type: SkuType
  readonly depotId: number | null
  /** Where its depot is; null: where the zone says. */
  readonly base: Point | null
  readonly tripCost: number
  readonly kmCost: number
  /** Shifts by date, in seconds since the epoch; null: always. */
  readonly shifts: ReadonlyMap<string, { readonly from: number; readonly to: number }> | null
}

/** Seconds since the epoch, half-open. */
export interface TruckTime {
  readonly vehicleId: number
  readonly from: number
  readonly to: number
}

export interface Ground {
  readonly base: Point | null
  readonly centre: Point
  readonly depotId?: number | null
}

interface Free {
  readonly vehicle: Vehicle
  readonly times: { readonly from: number; readonly to: number }
}

type Slot = Pick<Cell, 'zoneId' | 'date' | 'code' | 'startsAt' | 'endsAt'>

const slotOf = (at: { zoneId: number; date: string; code: string }, type: SkuType) => `${at.zoneId} ${at.date} ${at.code} ${type}`

/** The trucks while a batch is planned: who is out when, and how many of a type a slot may still have. */
export class Fleet {
  readonly #vehicles: readonly Vehicle[]
  readonly #busy: Map<number, TruckTime[]>
  readonly #limits: ReadonlyMap<string, number>
  readonly #out = new Map<string, number>()
  /** By slot; made anew when a truck goes or comes. When all are out this is what keeps a thousand refusals cheap. */
  readonly #free = new Map<string, readonly Free[]>()

  constructor({ vehicles, busy, limits }: FleetFacts, routes: readonly Route[]) {
    this.#vehicles = vehicles.toSorted((a, b) => a.tripCost - b.tripCost || a.vehicleId - b.vehicleId)
    this.#busy = Map.groupBy(busy, ({ vehicleId }) => vehicleId)
    this.#limits = limits
    for (const route of routes) this.#count(slotOf(route, route.vehicle.type), 1)
  }

  get vehicles(): readonly Vehicle[] {
    return this.#vehicles
  }

  /** When the truck would be taken by a trip into this slot; null where it is out, off or limited. */
  timesFor(vehicle: Vehicle, slot: Slot, ground: Ground): { from: number; to: number } | null {
    if (vehicle.depotId !== null && (ground.depotId ?? null) !== null && vehicle.depotId !== ground.depotId) return null
    const shift = vehicle.shifts === null ? null : vehicle.shifts.get(slot.date)
    if (shift === undefined) return null
    const times = timesOfTrip(slot, { base: vehicle.base ?? ground.base, centre: ground.centre, shift })
    if (times === null) return null
    return (this.#busy.get(vehicle.vehicleId) ?? []).some(({ from, to }) => from < times.to && times.from < to) ? null : times
  }

  freeFor(slot: Slot, ground: Ground): readonly Free[] {
    const key = `${slot.zoneId} ${slot.date} ${slot.code}`
    let free = this.#free.get(key)
    if (free === undefined) {
      free = this.#vehicles.flatMap((vehicle) => {
        const times = this.timesFor(vehicle, slot, ground)
        return times === null ? [] : [{ vehicle, times }]
      })
      this.#free.set(key, free)
    }
    return free
  }

  isLimited(slot: Slot, type: SkuType, besides = 0): boolean {
    const limit = this.#limits.get(slotOf(slot, type))
    return limit !== undefined && (this.#out.get(slotOf(slot, type)) ?? 0) - besides >= limit
  }

  /** The truck for one route more that costs least: its trip and its way. One of the very type goes before a mixed one of the same cost. */
  cheapest(slot: Slot, request: Request, ground: Ground): { vehicle: Vehicle; path: Path; insertion: Insertion; cost: number } | undefined {
    for (const exact of [true, false]) {
      for (const { vehicle, times } of this.freeFor(slot, ground)) {
        if ((vehicle.type === request.skuType) !== exact || !this.#carries(vehicle, request) || this.isLimited(slot, vehicle.type)) continue
        const path = new Path(frameOf(slot, { vehicle, ground, times, frozen: 0 }), [])
        const insertion = path.bestInsertion(request.at, request.ready)
        if ('lateSeconds' in insertion) continue
        return { vehicle, path, insertion, cost: vehicle.tripCost + (insertion.metres / 1000) * vehicle.kmCost }
      }
    }
    return undefined
  }

  /** The route whose truck is best replaced by a free one that takes the request as well: next size, or mixed instead of dry. */
  cheapestUpgrade(
    slot: Slot,
    request: Request,
    { ground, here, below }: { ground: Ground; here: readonly OpenTruck[]; below: number },
  ): { truck: OpenTruck; vehicle: Vehicle; path: Path; insertion: Insertion; cost: number } | undefined {
    let best: { truck: OpenTruck; vehicle: Vehicle; path: Path; insertion: Insertion; cost: number } | undefined
    for (const truck of here) {
      const whole = {
        weightGrams: truck.load.weightGrams + request.weightGrams,
        volumeMl: truck.load.volumeMl + request.volumeMl,
        pieces: truck.load.pieces + request.pieces,
      }
      const old = truck.vehicle
      // A route whose first doors stay as they are has been given to its driver: it keeps its truck.
      if (truck.path.frame.frozen > 0) continue
      const insertion = truck.path.bestInsertion(request.at, request.ready)
      if ('lateSeconds' in insertion) continue
      for (const { vehicle, times } of this.freeFor(slot, ground)) {
        const more = vehicle.tripCost - old.tripCost
        if (more >= (best?.cost ?? below)) break
        if (overBy(vehicle, whole) !== undefined || !fitsType(vehicle.type, request.skuType) || !fitsType(vehicle.type, old.type)) continue
        if (this.isLimited(slot, vehicle.type, vehicle.type === old.type ? 1 : 0)) continue
        const path = truck.path.under(frameOf(slot, { vehicle, ground, times, frozen: 0 }))
        const place = path.bestInsertion(request.at, request.ready)
        if (!path.holds || 'lateSeconds' in place) continue
        const cost =
          Math.max(0, more) + (place.metres / 1000) * vehicle.kmCost + (Math.max(0, vehicle.kmCost - old.kmCost) * path.metres()) / 1000
        if (cost < (best?.cost ?? below)) best = { truck, vehicle, path, insertion: place, cost }
      }
    }
    return best
  }

  take(vehicle: Vehicle, { cell, path }: OpenTruck): void {
    const { from, to } = path.frame
    const times = this.#busy.get(vehicle.vehicleId)
    if (times === undefined) this.#busy.set(vehicle.vehicleId, [{ vehicleId: vehicle.vehicleId, from, to }])
    else times.push({ vehicleId: vehicle.vehicleId, from, to })
    this.#free.clear()
    this.#count(slotOf(cell, vehicle.type), 1)
  }

  give(vehicle: Vehicle, { cell, path }: OpenTruck): void {
    const { from, to } = path.frame
    const times = this.#busy.get(vehicle.vehicleId) ?? []
    this.#busy.set(
      vehicle.vehicleId,
      times.filter((time) => time.from !== from || time.to !== to),
    )
    this.#free.clear()
    this.#count(slotOf(cell, vehicle.type), -1)
  }

  #carries(vehicle: Vehicle, request: Request): boolean {
    return fitsType(vehicle.type, request.skuType) && overBy(vehicle, request) === undefined
  }

  #count(key: string, more: number): void {
    this.#out.set(key, (this.#out.get(key) ?? 0) + more)
  }
}

export function frameOf(
  { startsAt, endsAt }: Pick<Slot, 'startsAt' | 'endsAt'>,
  { vehicle, ground, times, frozen }: { vehicle: Vehicle; ground: Ground; times: { from: number; to: number }; frozen: number },
) {
  return { base: vehicle.base ?? ground.base, ...times, opens: startsAt.getTime() / 1000, closes: endsAt.getTime() / 1000, frozen }
}
