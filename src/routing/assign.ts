import { invariant } from '#kernel/outcome.ts'
import { fitsType, type Load, type SkuType } from './capacity/index.ts'

/**
 * The greedy rule, pure: which quota and which truck each waybill gets, given what is free. Deterministic: waybills in the
 * order given, routes by id, slots by start, trucks by id. It never changes its inputs, so it can be run again with more known.
 */

/** A waybill that wants a place, with its zone found. */
export interface Request extends Load {
  readonly zoneId: number
  readonly zoneCode: string
  readonly skuType: SkuType
  readonly asked: { readonly date: string; readonly code: string } | null
  readonly orderId: number
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

export interface Route {
  readonly routeId: number
  readonly zoneId: number
  readonly date: string
  readonly code: string
  readonly vehicleId: number
  readonly vehicleCode: string
  readonly type: SkuType
  /** What still fits. */
  readonly room: Load
}

export interface Vehicle extends Load {
  readonly vehicleId: number
  readonly code: string
  readonly type: SkuType
}

/** All trucks, and when each is already out. */
export interface Fleet {
  readonly vehicles: readonly Vehicle[]
  readonly busy: readonly { readonly vehicleId: number; readonly startsAt: Date; readonly endsAt: Date }[]
}

export interface Board {
  readonly now: Date
  readonly cells: readonly Cell[]
  readonly routes: readonly Route[]
  readonly held: readonly Held[]
  /** Null until it is needed: most batches fit on routes that are open. */
  readonly fleet: Fleet | null
}

export type ReasonCode = 'no_zone' | 'no_slot' | 'slot_closed' | 'no_quota' | 'quota_full' | 'no_vehicle'

export interface Refusal {
  readonly code: ReasonCode
  readonly reason: string
}

/** A route to be opened: `index` counts the plan's own. */
export interface NewRoute {
  readonly cell: Cell
  readonly vehicle: Vehicle
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
  /** True when a route would have to be opened and the fleet was not given: load it and plan again. */
  readonly needsFleet: boolean
}

interface OpenTruck {
  readonly place: { readonly routeId: number } | { readonly newRoute: number }
  readonly vehicleId: number
  readonly vehicleCode: string
  readonly type: SkuType
  weightGrams: number
  volumeMl: number
  pieces: number
}

const slotKey = (at: { zoneId: number; date: string; code: string }) => `${at.zoneId} ${at.date} ${at.code}`

export function planAssignments(requests: readonly Request[], board: Board): Plan {
  const used = new Map<Cell, number>()
  const cells = new Map<string, Cell[]>()
  for (const cell of board.cells.toSorted((a, b) => a.startsAt.getTime() - b.startsAt.getTime() || (a.code < b.code ? -1 : 1))) {
    const key = `${cell.zoneId} ${cell.skuType}`
    const list = cells.get(key)
    if (list === undefined) cells.set(key, [cell])
    else list.push(cell)
    used.set(cell, cell.quota?.used ?? 0)
  }
  const trucks = new Map<string, OpenTruck[]>()
  for (const route of board.routes.toSorted((a, b) => a.routeId - b.routeId)) {
    const { routeId, vehicleId, vehicleCode, type, room } = route
    const truck = { place: { routeId }, vehicleId, vehicleCode, type, ...room }
    const list = trucks.get(slotKey(route))
    if (list === undefined) trucks.set(slotKey(route), [truck])
    else list.push(truck)
  }
  const heldLeft = new Map(board.held.map((hold) => [hold, hold.places]))
  const heldFor = (request: Request, quotaId: number | undefined): Held | null =>
    board.held.find((hold) => hold.orderId === request.orderId && hold.quotaId === quotaId && (heldLeft.get(hold) ?? 0) > 0) ?? null
  const newRoutes: NewRoute[] = []
  const freeBySlot = new Map<string, Vehicle[]>()
  let needsFleet = false

  /** Trucks that are not out while this slot runs, those of this plan included. */
  const freeVehicles = (cell: Cell): Vehicle[] => {
    let free = freeBySlot.get(slotKey(cell))
    if (free === undefined) {
      const fleet = board.fleet ?? { vehicles: [], busy: [] }
      const overlaps = (at: { startsAt: Date; endsAt: Date }) => at.startsAt < cell.endsAt && cell.startsAt < at.endsAt
      const out = new Set(fleet.busy.filter(overlaps).map((busy) => busy.vehicleId))
      for (const opened of newRoutes) if (overlaps(opened.cell)) out.add(opened.vehicle.vehicleId)
      free = fleet.vehicles.filter((vehicle) => !out.has(vehicle.vehicleId)).toSorted((a, b) => a.vehicleId - b.vehicleId)
      freeBySlot.set(slotKey(cell), free)
    }
    return free
  }

  const open = (cell: Cell, request: Request): OpenTruck | undefined => {
    const fits = (vehicle: Vehicle) => fitsType(vehicle.type, request.skuType) && overBy(vehicle, request) === undefined
    const free = freeVehicles(cell)
    const vehicle = free.find((one) => one.type === request.skuType && fits(one)) ?? free.find(fits)
    if (vehicle === undefined) return undefined
    // It is out now in every slot that overlaps this one; those lists are made anew when next asked for.
    freeBySlot.clear()
    newRoutes.push({ cell, vehicle })
    const { weightGrams, volumeMl, pieces } = vehicle
    return {
      place: { newRoute: newRoutes.length - 1 },
      vehicleId: vehicle.vehicleId,
      vehicleCode: vehicle.code,
      type: vehicle.type,
      weightGrams,
      volumeMl,
      pieces,
    }
  }

  const takeTruck = (cell: Cell, request: Request): OpenTruck | Refusal => {
    const key = slotKey(cell)
    const here = trucks.get(key) ?? []
    const fitting = here.filter((truck) => fitsType(truck.type, request.skuType))
    const withRoom = fitting.filter((truck) => overBy(truck, request) === undefined)
    // A mixed truck could carry the other goods too, so one of the very type goes first.
    let truck = withRoom.find((one) => one.type === request.skuType) ?? withRoom[0]
    if (truck === undefined) {
      if (board.fleet === null) needsFleet = true
      truck = open(cell, request)
      if (truck === undefined)
        return { code: 'no_vehicle', reason: noVehicle({ cell, request, fitting, free: freeVehicles(cell), fleet: board.fleet }) }
      trucks.set(key, [...here, truck])
    }
    truck.weightGrams -= request.weightGrams
    truck.volumeMl -= request.volumeMl
    truck.pieces -= request.pieces
    return truck
  }

  const placeIn = (cell: Cell, request: Request): Place | Refusal => {
    const hold = heldFor(request, cell.quota?.quotaId)
    // What is held counts as used, so that only its own order finds it free.
    const closed = closedReason(cell, { request, now: board.now, used: (used.get(cell) ?? 0) - (hold === null ? 0 : 1) })
    if (closed !== undefined) return closed
    invariant(cell.quota, 'a cell without quota was refused above')
    const truck = takeTruck(cell, request)
    if ('reason' in truck) return truck
    if (hold === null) used.set(cell, (used.get(cell) ?? 0) + 1)
    else heldLeft.set(hold, (heldLeft.get(hold) ?? 0) - 1)
    return { cell, quotaId: cell.quota.quotaId, ...truck.place, vehicleId: truck.vehicleId, hold }
  }

  const places = requests.map((request): Place | Refusal => {
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
  })
  return { places, newRoutes, needsFleet }
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

/** By how much a load is over what fits, in the dimension that is most over; undefined when it fits. */
function overBy(room: Load, load: Load): { share: number; text: string } | undefined {
  let worst: { share: number; text: string } | undefined
  const look = (needed: number, free: number, text: (over: number) => string) => {
    if (needed > free && (worst === undefined || (needed - free) / needed > worst.share))
      worst = { share: (needed - free) / needed, text: text(needed - free) }
  }
  look(load.weightGrams, room.weightGrams, (over) => `${Math.ceil(over / 1000)} kg`)
  look(load.volumeMl, room.volumeMl, (over) => `${Math.ceil(over / 1000)} litres`)
  look(load.pieces, room.pieces, (over) => `${over} pieces`)
  return worst
}

interface Shortage {
  readonly cell: Cell
  readonly request: Request
  readonly fitting: readonly OpenTruck[]
  readonly free: readonly Vehicle[]
  readonly fleet: Fleet | null
}

/** Names the truck that came closest and by how much it fell short, and how many were looked at. */
function noVehicle({ cell, request, fitting, free, fleet }: Shortage): string {
  const trucks = [
    ...fitting.map((truck) => ({ code: truck.vehicleCode, room: truck as Load })),
    ...free.filter((vehicle) => fitsType(vehicle.type, request.skuType)).map((vehicle) => ({ code: vehicle.code, room: vehicle as Load })),
  ]
  let closest: { share: number; text: string; code: string } | undefined
  for (const { code, room } of trucks) {
    const over = overBy(room, request)
    if (over !== undefined && (closest === undefined || over.share < closest.share)) closest = { ...over, code }
  }
  const able = (fleet?.vehicles ?? []).filter((vehicle) => fitsType(vehicle.type, request.skuType)).length
  const counted = `${fitting.length} routes open and ${trucks.length - fitting.length} of ${able} fitting trucks free for ${cell.code} on ${cell.date}`
  return closest === undefined
    ? `no truck takes ${request.skuType} goods: ${counted}`
    : `${closest.text} over on truck ${closest.code}; ${counted}`
}
