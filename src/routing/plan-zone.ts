import { type Cell, type FleetFacts, type Held, planAssignments, type Refusal, type Request, type Route, slotKey } from './assign.ts'
import type { Load, SkuType } from './capacity/index.ts'
import { Fleet, frameOf, type Ground, type TruckTime, type Vehicle } from './fleet.ts'
import { Path, type PathStop } from './path.ts'
import type { RoadTable } from './roads.ts'
import { type Door, type Effort, skillsOf, skillsOfTruck, solveByRoad, type Truck } from './solve-slot.ts'
import type { KnownWay, Point } from './travel.ts'

/** A zone on one date as the planner sees it: plain data, so that it can be sent to a worker. */
export interface ZonePicture {
  readonly zoneId: number
  readonly zoneCode: string
  readonly ground: Ground
  readonly date: string
  /** Slots that started before are over. */
  readonly now: Date
  readonly cells: readonly Cell[]
  readonly routes: readonly Route[]
  readonly waybills: readonly PictureWaybill[]
  readonly held: readonly Held[]
  readonly fleet: FleetFacts
  readonly effort: Effort
  /** By slot: ways by road, or why there are none. Absent: no table service is configured. */
  readonly roads?: ReadonlyMap<string, RoadTable | string>
}

export interface PictureWaybill extends Load {
  readonly waybillId: number
  readonly attempt: number
  readonly orderId: number
  readonly skuType: SkuType
  readonly at: Point
  /** The slot that was asked for; null: any of this date. */
  readonly asked: string | null
  /** Where it rides; null: it waits. */
  readonly routeId: number | null
  readonly pinned: boolean
  /** When its goods are at the depot, in seconds since the epoch; absent: they are there. */
  readonly ready?: number
}

export interface PlannedRoute {
  /** Null: to be opened. With its version in the picture: who commits compares it. */
  readonly routeId: number | null
  readonly version: number
  readonly vehicleId: number
  readonly vehicleCode: string
  readonly times: { readonly from: number; readonly to: number }
  readonly path: readonly PathStop[]
  readonly cost: number
  readonly why: string
}

/** What a run makes of one slot: routes that change or are new, and who waits on, with the reason. Routes that stay are not there. */
export interface SlotPlan {
  readonly zoneId: number
  readonly date: string
  readonly code: string
  readonly routes: readonly PlannedRoute[]
  /** Quotas of those that get a place: waybill ids by quota. */
  readonly placed: readonly { readonly quotaId: number; readonly waybillIds: readonly number[] }[]
  readonly refused: readonly { readonly waybillId: number; readonly code: string; readonly reason: string }[]
  readonly kept: number
  readonly costBefore: number
  readonly costAfter: number
  /** Where its ways come from; absent where no table service is configured. */
  readonly ways?: string
}

/** ADRA for one zone and date: filter, group by slot and SKU type, fill, upgrade, create, sequence, explain; slot by slot, as the trucks come free. */
export function planZone(picture: ZonePicture): SlotPlan[] {
  const busy = [...picture.fleet.busy]
  const slots = [...Map.groupBy(picture.cells, slotKey).values()].toSorted(
    ([a], [b]) => (a?.startsAt.getTime() ?? 0) - (b?.startsAt.getTime() ?? 0) || ((a?.code ?? '') < (b?.code ?? '') ? -1 : 1),
  )
  const asking = new Map<string | null, PictureWaybill[]>()
  for (const waybill of picture.waybills.toSorted((a, b) => a.waybillId - b.waybillId)) {
    if (waybill.routeId !== null) continue
    const list = asking.get(waybill.asked)
    if (list === undefined) asking.set(waybill.asked, [waybill])
    else list.push(waybill)
  }
  const riding = Map.groupBy(
    picture.waybills.filter(({ routeId }) => routeId !== null),
    ({ routeId }) => routeId as number,
  )
  let free = asking.get(null) ?? []
  const plans: SlotPlan[] = []
  for (const [index, cells] of slots.entries()) {
    const [cell] = cells
    if (cell === undefined) continue
    const last = index === slots.length - 1
    const { chosen, refused, quotaOf } = filterReady(picture, { cells, asking: asking.get(cell.code) ?? [], free, last })
    const plan = planSlot(picture, { cell, cells, chosen, refused, quotaOf, riding, busy })
    plans.push(plan)
    for (const route of plan.routes) if (route.path.length > 0) busy.push({ vehicleId: route.vehicleId, ...route.times })
    const gone = new Set([...plan.placed.flatMap(({ waybillIds }) => waybillIds), ...plan.refused.map(({ waybillId }) => waybillId)])
    free = free.filter(({ waybillId }) => !gone.has(waybillId))
  }
  return plans
}

interface Ready {
  readonly chosen: readonly PictureWaybill[]
  readonly refused: readonly { waybillId: number; code: string; reason: string }[]
  readonly quotaOf: ReadonlyMap<number, number>
}

/** Who may have a place of this slot: those that asked for it, in the order in which they came, as far as the quota goes; then those that take any. */
function filterReady(
  { now, zoneCode, held }: ZonePicture,
  {
    cells,
    asking,
    free,
    last,
  }: { cells: readonly Cell[]; asking: readonly PictureWaybill[]; free: readonly PictureWaybill[]; last: boolean },
): Ready {
  const left = new Map(cells.map(({ skuType, quota }) => [skuType, quota === null ? 0 : quota.capacity - quota.used]))
  const heldLeft = new Map(held.map((hold) => [hold, hold.places]))
  const chosen: PictureWaybill[] = []
  const refused: { waybillId: number; code: string; reason: string }[] = []
  const quotaOf = new Map<number, number>()
  for (const waybill of [...asking, ...free]) {
    const { waybillId, skuType, orderId, asked } = waybill
    const cell = cells.find((one) => one.skuType === skuType)
    const refuse = ({ code, reason }: Refusal) => {
      if (asked !== null || last) refused.push({ waybillId, code, reason })
    }
    const where = `${cells[0]?.code} on ${cells[0]?.date} of zone ${zoneCode}`
    if ((cells[0]?.startsAt ?? now) <= now) refuse({ code: 'slot_closed', reason: `slot ${where} has begun` })
    else if (cell === undefined || cell.quota === null) refuse({ code: 'no_quota', reason: `no ${skuType} quota is set for slot ${where}` })
    else {
      const { quotaId, capacity } = cell.quota
      const hold = held.find((one) => one.orderId === orderId && one.quotaId === quotaId && (heldLeft.get(one) ?? 0) > 0)
      const room = left.get(skuType) ?? 0
      if (hold === undefined && room < 1) {
        refuse({ code: 'quota_full', reason: `all ${capacity} ${skuType} places of slot ${where} are taken` })
        continue
      }
      if (hold === undefined) left.set(skuType, room - 1)
      else heldLeft.set(hold, (heldLeft.get(hold) ?? 0) - 1)
      quotaOf.set(waybillId, quotaId)
      chosen.push(waybill)
    }
  }
  return { chosen, refused, quotaOf }
}

interface SlotAsked extends Ready {
  readonly cell: Cell
  readonly cells: readonly Cell[]
  readonly riding: ReadonlyMap<number, readonly PictureWaybill[]>
  readonly busy: readonly TruckTime[]
}

function planSlot(picture: ZonePicture, asked: SlotAsked): SlotPlan {
  const { cell, chosen, refused, quotaOf, riding, busy } = asked
  const { ground, fleet: facts, effort } = picture
  const here = picture.routes.filter((route) => slotKey(route) === slotKey(cell))
  const facing: FleetFacts = { ...facts, busy }
  const movable = here.filter((route) => route.open && holds(route, ground))
  const { doors, trucks, free } = sceneOf({ cell, movable, chosen, riding, ground, fleet: new Fleet(facing, here) })
  const table = picture.roads === undefined ? null : (picture.roads.get(cell.code) ?? 'no table was asked for')
  const { solved, ways } =
    chosen.length === 0 && effort.attemptsPerDoor === 0 ? { solved: null } : solveByRoad(doors, trucks, { effort, table })
  const byId = new Map([...chosen, ...movable.flatMap(({ routeId }) => riding.get(routeId) ?? [])].map((one) => [one.waybillId, one]))
  const before = movable.reduce((sum, route, truck) => sum + costOf(route.vehicle, (trucks[truck] as Truck).frame, route.path), 0)
  const dropsAny = solved?.left.some((door) => (doors[door]?.truck ?? -1) !== -1) ?? false
  // A plan that takes a waybill off its route without another one is never taken: the routes stay, and what is new goes the online way.
  const base = solved === null || dropsAny ? null : solved
  const routes = base === null ? [] : routesOf({ movable, trucks, routes: base.routes, free })
  const leftIds = base === null ? chosen.map(({ waybillId }) => waybillId) : base.left.flatMap((door) => doors[door]?.waybills ?? [])
  const filled = fillLeft(picture, { ...asked, here, movable, routes, facing, left: leftIds.flatMap((id) => byId.get(id) ?? []) })
  const placedIds = chosen.map(({ waybillId }) => waybillId).filter((id) => !filled.refused.some((one) => one.waybillId === id))
  const placed = [...Map.groupBy(placedIds, (id) => quotaOf.get(id) as number)].map(([quotaId, waybillIds]) => ({ quotaId, waybillIds }))
  const changed = filled.routes.filter((route) => hasChanged(route, movable))
  const costAfter = before + changed.reduce((sum, route) => sum + route.cost - costBefore(route, movable, ground), 0)
  return {
    zoneId: picture.zoneId,
    date: picture.date,
    code: cell.code,
    routes: changed,
    placed,
    refused: [...refused, ...filled.refused],
    kept: here.length - changed.filter(({ routeId }) => routeId !== null).length,
    costBefore: Math.round(before),
    costAfter: Math.round(costAfter),
    ...(ways === undefined ? {} : { ways }),
  }
}

const doorsOf = (route: Route): PathStop[] => JSON.parse(route.path) as PathStop[]

const frameOfRoute = (route: Route, ground: Ground) =>
  frameOf(route, { vehicle: route.vehicle, ground, times: route.times, frozen: route.frozen })

/** Whether the route keeps its own rules; one that does not (a door was moved by hand of SQL, a slot shrank) is left to people. */
const holds = (route: Route, ground: Ground): boolean => new Path(frameOfRoute(route, ground), doorsOf(route)).holds

function costOf(vehicle: Vehicle, frame: Path['frame'], path: string | readonly PathStop[]): number {
  const stops = typeof path === 'string' ? (JSON.parse(path) as PathStop[]) : path
  return stops.length === 0 ? 0 : vehicle.tripCost + (new Path(frame, stops).metres() / 1000) * vehicle.kmCost
}

function costBefore({ routeId }: PlannedRoute, movable: readonly Route[], ground: Ground): number {
  const route = movable.find((one) => one.routeId === routeId)
  return route === undefined ? 0 : costOf(route.vehicle, frameOfRoute(route, ground), route.path)
}

function hasChanged({ routeId, path, vehicleId }: PlannedRoute, movable: readonly Route[]): boolean {
  const route = movable.find((one) => one.routeId === routeId)
  if (route === undefined || route.vehicle.vehicleId !== vehicleId) return true
  const waybillsOf = (stops: readonly PathStop[]) => JSON.stringify(stops.map(({ waybills }) => waybills))
  return waybillsOf(doorsOf(route)) !== waybillsOf(path)
}

/** More trucks than this are not offered to a part of a day: which of many equal ones stays at home makes no difference. */
const spareTrucks = 4

/** Doors of the slot, and trucks: those of its routes first, then those that are free, as many of a type as the slot may have. */
function sceneOf({
  cell,
  movable,
  chosen,
  riding,
  ground,
  fleet,
}: {
  cell: Cell
  movable: readonly Route[]
  chosen: readonly PictureWaybill[]
  riding: ReadonlyMap<number, readonly PictureWaybill[]>
  ground: Ground
  fleet: Fleet
}) {
  const doors: Door[] = []
  const trucks: Truck[] = movable.map((route, truck) => {
    const byId = new Map((riding.get(route.routeId) ?? []).map((one) => [one.waybillId, one]))
    const own: number[] = []
    let frozen = 0
    for (const [at, stop] of doorsOf(route).entries()) {
      own.push(
        doors.push(
          doorOf(
            stop.waybills.flatMap((id) => byId.get(id) ?? []),
            { at: stop, truck, stop },
          ),
        ) - 1,
      )
      if (at < route.frozen) frozen += 1
    }
    return { vehicle: route.vehicle, capacity: route.capacity, frame: frameOfRoute(route, ground), doors: own, frozen }
  })
  for (const group of groupByDoor(chosen)) doors.push(doorOf(group, { at: (group[0] as PictureWaybill).at, truck: -1 }))
  const offered = new Map<SkuType, number>()
  const need = neededTrucks(doors)
  const free = fleet.freeFor(cell, ground).filter(({ vehicle }) => {
    const count = offered.get(vehicle.type) ?? 0
    if (fleet.isLimited(cell, vehicle.type, -count) || count >= need(vehicle) + spareTrucks) return false
    offered.set(vehicle.type, count + 1)
    return true
  })
  for (const { vehicle, times } of free)
    trucks.push({ vehicle, capacity: vehicle, frame: frameOf(cell, { vehicle, ground, times, frozen: 0 }), doors: [], frozen: 0 })
  return { doors, trucks, free }
}

/** How many trucks like this one all that it may carry could need, generously: a third of the time goes to ways. */
function neededTrucks(doors: readonly Door[]): (vehicle: Vehicle) => number {
  return (vehicle) => {
    const own = doors.filter(({ skills, truck }) => truck === -1 && (skills & ~skillsOfTruck[vehicle.type]) === 0)
    const sum = (of: (door: Door) => number) => own.reduce((total, door) => total + of(door), 0)
    const byLoad = Math.max(
      sum(({ weightGrams }) => weightGrams) / vehicle.weightGrams,
      sum(({ volumeMl }) => volumeMl) / vehicle.volumeMl,
      sum(({ pieces }) => pieces) / vehicle.pieces,
    )
    return Math.ceil(Math.max(byLoad * 1.3, own.length / 8))
  }
}

const mostAtDoor = 12

function* groupByDoor(waybills: readonly PictureWaybill[]): Generator<PictureWaybill[]> {
  for (const group of Map.groupBy(waybills, ({ at, skuType, ready = 0 }) => `${at.lat} ${at.lng} ${skuType} ${ready}`).values())
    for (let from = 0; from < group.length; from += mostAtDoor) yield group.slice(from, from + mostAtDoor)
}

/** What a stop of a route knows of the roads. */
interface Roaded {
  readonly by?: KnownWay
  readonly home?: KnownWay
}

function doorOf(group: readonly PictureWaybill[], { at, truck, stop = {} }: { at: Point; truck: number; stop?: Roaded }): Door {
  const sum = (of: (one: Load) => number) => group.reduce((total, one) => total + of(one), 0)
  return {
    at: { lat: at.lat, lng: at.lng },
    skills: group.reduce((bits, { skuType }) => bits | skillsOf[skuType], 0),
    waybills: group.map(({ waybillId }) => waybillId),
    weightGrams: sum(({ weightGrams }) => weightGrams),
    volumeMl: sum(({ volumeMl }) => volumeMl),
    pieces: sum(({ pieces }) => pieces),
    truck,
    ready: group.reduce((latest, { ready = 0 }) => Math.max(latest, ready), 0),
    pinned: group.some(({ pinned }) => pinned),
    ...(stop.by === undefined ? {} : { by: stop.by }),
    ...(stop.home === undefined ? {} : { home: stop.home }),
  }
}

interface Solved {
  readonly movable: readonly Route[]
  readonly trucks: readonly Truck[]
  readonly routes: ReadonlyMap<number, { readonly path: Path; readonly cost: number }>
  readonly free: readonly { readonly vehicle: Vehicle }[]
}

function routesOf({ movable, trucks, routes }: Solved): PlannedRoute[] {
  return trucks.flatMap(({ vehicle, frame }, index): PlannedRoute[] => {
    const route = movable[index]
    const solved = routes.get(index)
    if (route === undefined && solved === undefined) return []
    const doors = solved?.path.stops.length ?? 0
    const why = route === undefined ? `opened for ${doors} doors: ${movable.length} open routes could not take them as cheaply` : ''
    return [
      {
        routeId: route?.routeId ?? null,
        version: route?.version ?? 0,
        vehicleId: vehicle.vehicleId,
        vehicleCode: vehicle.code,
        times: { from: frame.from, to: frame.to },
        path: solved?.path.stops ?? [],
        cost: solved === undefined ? 0 : Math.round(costOf(vehicle, frame, solved.path.stops)),
        why,
      },
    ]
  })
}

interface Leftover extends SlotAsked {
  readonly here: readonly Route[]
  readonly movable: readonly Route[]
  readonly routes: readonly PlannedRoute[]
  readonly facing: FleetFacts
  readonly left: readonly PictureWaybill[]
}

/** What the solver could not carry goes the online way on its routes: a larger truck, one more, or a reason in numbers. */
function fillLeft(picture: ZonePicture, { cell, cells, here, movable, routes, facing, left, busy }: Leftover) {
  const solved = new Map(routes.map((route, index) => [route.routeId ?? -1 - index, route]))
  if (left.length === 0) return { routes, refused: [] }
  const vehicles = new Map([...facing.vehicles, ...here.map(({ vehicle }) => vehicle)].map((vehicle) => [vehicle.vehicleId, vehicle]))
  const byId = new Map(picture.waybills.map((one) => [one.waybillId, one]))
  const loadOf = (path: readonly PathStop[]): Load => {
    const ids = path.flatMap(({ waybills }) => waybills)
    const sum = (of: (one: Load) => number) => ids.reduce((total, id) => total + of(byId.get(id) as Load), 0)
    return { weightGrams: sum((one) => one.weightGrams), volumeMl: sum((one) => one.volumeMl), pieces: sum((one) => one.pieces) }
  }
  const standing = [...solved].flatMap(([routeId, route]): Route[] => {
    const known = movable.find((one) => one.routeId === routeId)
    const vehicle = vehicles.get(route.vehicleId)
    if (vehicle === undefined || route.path.length === 0) return []
    return [
      {
        routeId,
        version: route.version,
        zoneId: cell.zoneId,
        date: cell.date,
        code: cell.code,
        open: true,
        vehicle,
        capacity: known?.capacity ?? vehicle,
        load: loadOf(route.path),
        times: route.times,
        startsAt: cell.startsAt,
        endsAt: cell.endsAt,
        frozen: known?.frozen ?? 0,
        path: JSON.stringify(route.path),
      },
    ]
  })
  const others = here.filter((route) => !solved.has(route.routeId))
  const taken = standing.map(({ vehicle, times }) => ({ vehicleId: vehicle.vehicleId, ...times }))
  const requests = left.map(
    (one): Request => ({
      ...one,
      zoneId: picture.zoneId,
      zoneCode: picture.zoneCode,
      asked: { date: cell.date, code: cell.code },
    }),
  )
  const plan = planAssignments(requests, {
    now: picture.now,
    // The quota was counted when they were let in, and the cut-off is for those who come one by one.
    cells: cells.map((one) => ({
      ...one,
      cutOffAt: one.startsAt,
      quota: one.quota === null ? null : { ...one.quota, used: 0, capacity: Infinity },
    })),
    routes: [...standing, ...others],
    held: [],
    zones: new Map([[picture.zoneId, picture.ground]]),
    fleet: { ...facing, busy: [...busy, ...taken] },
  })
  const after = new Map<number, PlannedRoute>(solved)
  for (const changed of plan.changedRoutes) {
    const known = movable.find((one) => one.routeId === changed.routeId)
    const vehicle = changed.vehicle ?? vehicles.get(solved.get(changed.routeId)?.vehicleId ?? known?.vehicle.vehicleId ?? 0)
    if (vehicle === undefined) continue
    const route = solved.get(changed.routeId)
    after.set(changed.routeId, {
      routeId: changed.routeId < 0 ? null : changed.routeId,
      version: route?.version ?? known?.version ?? 0,
      vehicleId: vehicle.vehicleId,
      vehicleCode: vehicle.code,
      times: changed.times,
      path: changed.path,
      cost: Math.round(costOf(vehicle, frameOf(cell, { vehicle, ground: picture.ground, times: changed.times, frozen: 0 }), changed.path)),
      why: `${route?.why ?? ''}${changed.why}`,
    })
  }
  const opened = plan.newRoutes.map(
    ({ vehicle, times, path, why }): PlannedRoute => ({
      routeId: null,
      version: 0,
      vehicleId: vehicle.vehicleId,
      vehicleCode: vehicle.code,
      times,
      path,
      why,
      cost: Math.round(costOf(vehicle, frameOf(cell, { vehicle, ground: picture.ground, times, frozen: 0 }), path)),
    }),
  )
  const refused = plan.places.flatMap((place, index) =>
    'reason' in place ? [{ waybillId: (left[index] as PictureWaybill).waybillId, code: place.code, reason: place.reason }] : [],
  )
  return { routes: [...after.values(), ...opened], refused }
}
