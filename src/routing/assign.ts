import { invariant } from '#kernel/outcome.ts'
import { fitsType, type Load, type SkuType } from './capacity/index.ts'
import { Fleet, type Ground, type TruckTime, type Vehicle } from './fleet.ts'
import { type Insertion, Path, type PathStop, type TooLate } from './path.ts'
import type { Point } from './travel.ts'
import { noVehicle, overBy } from './why.ts'

/**
 * The online rule, pure: which quota, which truck and which place on its way each waybill gets, given what is free. Deterministic: waybills in the
 * order given, routes by id, slots by start, trucks by cost and id. It never changes its inputs, so it can be run again with more known.
 */
export interface Request extends Load {
  readonly zoneId: number
  readonly zoneCode: string
  readonly skuType: SkuType
  readonly asked: { readonly date: string; readonly code: string } | null
  readonly orderId: number
  readonly waybillId: number
  readonly at: Point
  /** When its goods are at the depot, in seconds since the epoch; absent: they are there. */
  readonly ready?: number
}

/** Places that a checkout holds for an order: its waybills take them. */
export interface Held {
  readonly reference: string
  readonly orderId: number
  readonly quotaId: number
  readonly places: number
}

/** One zone, slot and SKU type. */
export interface Cell {
  readonly zoneId: number
  readonly date: string
  readonly code: string
  readonly skuType: SkuType
  readonly startsAt: Date
  readonly endsAt: Date
  readonly cutOffAt: Date
  /** Null when no quota is set for this SKU type. */
  readonly quota: { readonly quotaId: number; readonly capacity: number; readonly used: number } | null
}

/** A route of a slot, with its truck. Those that are not open take part in what is limited, and get nothing more. */
export interface Route {
  readonly routeId: number
  readonly version: number
  readonly zoneId: number
  readonly date: string
  readonly code: string
  readonly open: boolean
  readonly vehicle: Vehicle
  /** What the truck could carry when the route was opened, and what it carries. */
  readonly capacity: Load
  readonly load: Load
  readonly times: { readonly from: number; readonly to: number }
  readonly startsAt: Date
  readonly endsAt: Date
  readonly frozen: number
  /** JSON of its doors: read when it is looked at. */
  readonly path: string
}

export interface Board {
  readonly now: Date
  readonly cells: readonly Cell[]
  readonly routes: readonly Route[]
  readonly held: readonly Held[]
  /** Where trucks that have a depot of their own do not say it: base and middle of each zone. */
  readonly zones: ReadonlyMap<number, Ground>
  /** Zones that have agreed to help a zone out with their trucks, in the order in which they are asked. */
  readonly neighbours?: ReadonlyMap<number, readonly { readonly zoneId: number; readonly code: string }[]>
  /** Null until it is needed: most batches fit on routes that are open. */
  readonly fleet: FleetFacts | null
}

export interface FleetFacts {
  readonly vehicles: readonly Vehicle[]
  readonly busy: readonly TruckTime[]
  /** Most trucks of a type in a slot, by `slotKey` and type. */
  readonly limits: ReadonlyMap<string, number>
}

export type ReasonCode = 'no_zone' | 'no_slot' | 'slot_closed' | 'no_quota' | 'quota_full' | 'no_vehicle' | 'awaits_run'

export interface Refusal {
  readonly code: ReasonCode
  readonly reason: string
}

/** A route to be opened. */
export interface NewRoute {
  readonly cell: Cell
  readonly vehicle: Vehicle
  readonly times: { readonly from: number; readonly to: number }
  readonly path: readonly PathStop[]
  readonly why: string
}

/** A route whose doors changed, and its truck where a larger one takes over. */
export interface ChangedRoute {
  readonly routeId: number
  readonly path: readonly PathStop[]
  readonly times: { readonly from: number; readonly to: number }
  readonly vehicle: Vehicle | null
  readonly why: string
}

export type Place = {
  readonly cell: Cell
  readonly quotaId: number
  readonly vehicleId: number
  /** The hold whose place it takes; null: one of those that were free. */
  readonly hold: Held | null
} & ({ readonly routeId: number } | { readonly newRoute: number })

export interface Plan {
  /** As many as requests, in their order. */
  readonly places: readonly (Place | Refusal)[]
  readonly newRoutes: readonly NewRoute[]
  readonly changedRoutes: readonly ChangedRoute[]
  /** True when a route would have to be opened and the fleet was not given: load it and plan again. */
  readonly needsFleet: boolean
}

/** A route while the batch is planned. */
export interface OpenTruck {
  readonly cell: Pick<Cell, 'zoneId' | 'date' | 'code' | 'startsAt' | 'endsAt'>
  readonly place: { readonly routeId: number } | { readonly newRoute: number }
  vehicle: Vehicle
  capacity: Load
  load: { weightGrams: number; volumeMl: number; pieces: number }
  path: Path
  changed: boolean
  upgraded: boolean
  why: string
}

const asksForFleet: Refusal = { code: 'no_vehicle', reason: '' }

/** Open routes that one waybill is tried on: the nearest of those with room. */
const mostTried = 12

export const slotKey = (at: { zoneId: number; date: string; code: string }): string => `${at.zoneId} ${at.date} ${at.code}`

export function planAssignments(requests: readonly Request[], board: Board): Plan {
  const steps = planInSteps(requests, board)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** The same by a request at a time: whoever shares a thread with others can let them have their turn in between. */
export function* planInSteps(requests: readonly Request[], board: Board): Generator<undefined, Plan, undefined> {
  const used = new Map<Cell, number>()
  const cells = new Map<string, Cell[]>()
  for (const cell of board.cells.toSorted((a, b) => a.startsAt.getTime() - b.startsAt.getTime() || (a.code < b.code ? -1 : 1))) {
    const key = `${cell.zoneId} ${cell.skuType}`
    const list = cells.get(key)
    if (list === undefined) cells.set(key, [cell])
    else list.push(cell)
    used.set(cell, cell.quota?.used ?? 0)
  }
  const bySlot = Map.groupBy(board.routes, slotKey)
  const trucks = new Map<string, OpenTruck[]>()
  const heldLeft = new Map(board.held.map((hold) => [hold, hold.places]))
  const heldFor = (request: Request, quotaId: number | undefined): Held | null =>
    board.held.find((hold) => hold.orderId === request.orderId && hold.quotaId === quotaId && (heldLeft.get(hold) ?? 0) > 0) ?? null
  const newTrucks: OpenTruck[] = []
  const fleet = board.fleet === null ? null : new Fleet(board.fleet, board.routes)
  let needsFleet = false

  const trucksOf = (cell: Cell): OpenTruck[] => {
    const key = slotKey(cell)
    let here = trucks.get(key)
    if (here === undefined) {
      const routes = (bySlot.get(key) ?? []).filter(({ open }) => open).toSorted((a, b) => a.routeId - b.routeId)
      here = routes.map((route) => truckOf(route, groundOf(cell)))
      trucks.set(key, here)
    }
    return here
  }
  const groundOf = (cell: { zoneId: number }): Ground => board.zones.get(cell.zoneId) ?? { base: null, centre: { lat: 0, lng: 0 } }

  /** A larger truck for a route, or one more: what costs less. */
  const extend = (cell: Cell, request: Request, here: readonly OpenTruck[]): { truck: OpenTruck; insertion: Insertion } | undefined => {
    if (fleet === null) {
      needsFleet = true
      return undefined
    }
    const ground = groundOf(cell)
    const another = fleet.cheapest(cell, request, ground)
    const larger = fleet.cheapestUpgrade(cell, request, { ground, here, below: another?.cost ?? Infinity })
    if (larger !== undefined) {
      const { truck, vehicle, path, insertion } = larger
      const against = another === undefined ? 'no other truck is free' : `another truck costs ${Math.round(another.cost)}`
      truck.why = `${truck.why}; from truck ${truck.vehicle.code} (${truck.vehicle.type}) to ${vehicle.code} (${vehicle.type}) for ${Math.round(larger.cost)} more: ${against}`
      fleet.give(truck.vehicle, truck)
      Object.assign(truck, { vehicle, capacity: vehicle, path, changed: true, upgraded: true })
      fleet.take(vehicle, truck)
      return { truck, insertion }
    }
    if (another === undefined) return undefined
    const truck: OpenTruck = {
      cell,
      place: { newRoute: newTrucks.length },
      vehicle: another.vehicle,
      capacity: another.vehicle,
      load: { weightGrams: 0, volumeMl: 0, pieces: 0 },
      path: another.path,
      changed: true,
      upgraded: false,
      why: `opened for waybill ${request.waybillId} (${request.skuType}): ${here.length} routes had no room for it`,
    }
    newTrucks.push(truck)
    trucks.get(slotKey(cell))?.push(truck)
    fleet.take(another.vehicle, truck)
    return { truck, insertion: another.insertion }
  }

  const takeTruck = (cell: Cell, request: Request): OpenTruck | Refusal => {
    const here = trucksOf(cell)
    const { found, fitting, late } = bestOf(here, request)
    const chosen = found ?? extend(cell, request, here)
    if (needsFleet) return asksForFleet
    if (chosen === undefined)
      return { code: 'no_vehicle', reason: noVehicle({ cell, request, fitting, late, fleet, ground: groundOf(cell) }) }
    const { truck, insertion } = chosen
    truck.path.insert(insertion, request.at, request)
    truck.changed = true
    truck.load.weightGrams += request.weightGrams
    truck.load.volumeMl += request.volumeMl
    truck.load.pieces += request.pieces
    return truck
  }

  /** The same hours in a zone that has agreed to help out: its open routes, a larger truck there, or one more. The place stays one of the own zone's quota. */
  const takeNextDoor = (cell: Cell, request: Request, own: Refusal): OpenTruck | Refusal => {
    const reasons = [own.reason]
    for (const { zoneId, code } of board.neighbours?.get(cell.zoneId) ?? []) {
      const there = (cells.get(`${zoneId} ${request.skuType}`) ?? []).find(
        ({ date, startsAt, endsAt }) =>
          date === cell.date && startsAt.getTime() === cell.startsAt.getTime() && endsAt.getTime() === cell.endsAt.getTime(),
      )
      if (there === undefined) {
        reasons.push(`zone ${code} has no slot of the same hours`)
        continue
      }
      if (there.cutOffAt <= board.now) {
        reasons.push(`zone ${code} closed its slot at ${there.cutOffAt.toISOString()}`)
        continue
      }
      const truck = takeTruck(there, request)
      if (!('reason' in truck)) {
        truck.why = `${truck.why}; carries waybill ${request.waybillId} for zone ${request.zoneCode}: ${own.reason}`
        return truck
      }
      if (needsFleet) return truck
      reasons.push(`zone ${code}: ${truck.reason}`)
    }
    return { ...own, reason: reasons.join('; ') }
  }

  const placeIn = (cell: Cell, request: Request): Place | Refusal => {
    const hold = heldFor(request, cell.quota?.quotaId)
    // What is held counts as used, so that only its own order finds it free.
    const closed = closedReason(cell, { request, now: board.now, used: (used.get(cell) ?? 0) - (hold === null ? 0 : 1) })
    if (closed !== undefined) return closed
    invariant(cell.quota, 'a cell without quota was refused above')
    const own = takeTruck(cell, request)
    const truck = 'reason' in own && !needsFleet ? takeNextDoor(cell, request, own) : own
    if ('reason' in truck) return truck
    if (hold === null) used.set(cell, (used.get(cell) ?? 0) + 1)
    else heldLeft.set(hold, (heldLeft.get(hold) ?? 0) - 1)
    return { cell, quotaId: cell.quota.quotaId, ...truck.place, vehicleId: truck.vehicle.vehicleId, hold }
  }

  const placeOf = (request: Request): Place | Refusal => {
    // It is planned again with the fleet: what follows would be thrown away.
    if (needsFleet) return asksForFleet
    const candidates = cells.get(`${request.zoneId} ${request.skuType}`) ?? []
    const { asked } = request
    if (asked !== null) {
      const cell = candidates.find((one) => one.date === asked.date && one.code === asked.code)
      return cell === undefined
        ? { code: 'no_slot', reason: `zone ${request.zoneCode} has no slot ${asked.code} on ${asked.date}` }
        : placeIn(cell, request)
    }
    let firstRefusal: Refusal | undefined
    for (const cell of candidates) {
      const place = placeIn(cell, request)
      if (!('reason' in place)) return place
      // A missing truck says more than a full quota further on.
      if (firstRefusal === undefined || (firstRefusal.code !== 'no_vehicle' && place.code === 'no_vehicle')) firstRefusal = place
    }
    return (
      firstRefusal ?? {
        code: 'no_slot',
        reason: `zone ${request.zoneCode} has no open slot with ${request.skuType} quota in the next days`,
      }
    )
  }
  const places: (Place | Refusal)[] = []
  for (const request of requests) {
    places.push(placeOf(request))
    yield
  }
  return { places, newRoutes: newTrucks.map(newRouteOf), changedRoutes: [...trucks.values()].flat().flatMap(changedRouteOf), needsFleet }
}

/** Of the routes with room the one whose way gets longest by least; one of the very type before a mixed one, which could carry other goods too. */
export function bestOf(
  here: readonly OpenTruck[],
  request: Request,
): {
  found: { truck: OpenTruck; insertion: Insertion } | undefined
  fitting: OpenTruck[]
  late: { truck: OpenTruck; seconds: number } | null
} {
  const fitting = here.filter((truck) => fitsType(truck.vehicle.type, request.skuType))
  const withRoom = fitting.filter((truck) => overBy(roomOf(truck), request) === undefined)
  const near = withRoom.length <= mostTried ? withRoom : nearest(withRoom, request.at)
  let late: { truck: OpenTruck; seconds: number } | null = null
  for (const exact of [true, false]) {
    let found: { truck: OpenTruck; insertion: Insertion } | undefined
    for (const truck of near) {
      if ((truck.vehicle.type === request.skuType) !== exact) continue
      const insertion: Insertion | TooLate = truck.path.bestInsertion(request.at, request.ready)
      if ('lateSeconds' in insertion) {
        if (late === null || insertion.lateSeconds < late.seconds) late = { truck, seconds: insertion.lateSeconds }
      } else if (found === undefined || insertion.metres < found.insertion.metres) found = { truck, insertion }
    }
    if (found !== undefined) return { found, fitting, late }
  }
  return { found: undefined, fitting, late }
}

export const roomOf = ({ capacity, load }: { capacity: Load; load: Load }): Load => ({
  weightGrams: capacity.weightGrams - load.weightGrams,
  volumeMl: capacity.volumeMl - load.volumeMl,
  pieces: capacity.pieces - load.pieces,
})

function nearest(trucks: readonly OpenTruck[], { lat, lng }: Point): OpenTruck[] {
  const far = ({ path: { stops } }: OpenTruck) => Math.min(...stops.map((stop) => (stop.lat - lat) ** 2 + (stop.lng - lng) ** 2 / 2))
  return trucks
    .map((truck) => ({ truck, far: far(truck) }))
    .toSorted((a, b) => a.far - b.far)
    .slice(0, mostTried)
    .map(({ truck }) => truck)
}

function truckOf(route: Route, ground: { base: Point | null }): OpenTruck {
  const { routeId, vehicle, capacity, load, times, frozen, startsAt, endsAt } = route
  const frame = { base: vehicle.base ?? ground.base, ...times, opens: startsAt.getTime() / 1000, closes: endsAt.getTime() / 1000, frozen }
  return {
    cell: route,
    place: { routeId },
    vehicle,
    capacity,
    load: { ...load },
    path: new Path(frame, JSON.parse(route.path) as PathStop[]),
    changed: false,
    upgraded: false,
    why: '',
  }
}

const timesOf = ({ frame: { from, to } }: Path) => ({ from, to })

function newRouteOf({ cell, vehicle, path, why }: OpenTruck): NewRoute {
  return { cell: cell as Cell, vehicle, times: timesOf(path), path: path.stops, why }
}

function changedRouteOf({ place, vehicle, path, changed, upgraded, why }: OpenTruck): ChangedRoute[] {
  if (!changed || !('routeId' in place)) return []
  return [{ routeId: place.routeId, path: path.stops, times: timesOf(path), vehicle: upgraded ? vehicle : null, why }]
}

function closedReason(cell: Cell, { request, now, used }: { request: Request; now: Date; used: number }): Refusal | undefined {
  const where = `${cell.code} on ${cell.date} of zone ${request.zoneCode}`
  if (cell.cutOffAt <= now) {
    const minutes = Math.floor((now.getTime() - cell.cutOffAt.getTime()) / 60_000)
    return { code: 'slot_closed', reason: `slot ${where} closed ${minutes} min ago` }
  }
  if (cell.quota === null) return { code: 'no_quota', reason: `no ${cell.skuType} quota is set for slot ${where}` }
  if (used >= cell.quota.capacity)
    return { code: 'quota_full', reason: `all ${cell.quota.capacity} ${cell.skuType} places of slot ${where} are taken` }
  return undefined
}
