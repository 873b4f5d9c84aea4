import type { Load, SkuType } from './capacity/index.ts'
import type { Vehicle } from './fleet.ts'
import { placeKey, type RoadTable, RoadWays } from './roads.ts'
import { Path, type PathFrame, type PathStop } from './path.ts'
import { checkPlan, defineProblem, type Plan, type Problem, ProblemError, solve, type StopInput, type Travel } from './solver/index.ts'
import { type KnownWay, metresBetween, type Point, secondsFor, serviceOf } from './travel.ts'

/** Waybills that are left at one door together: new ones of one kind of goods, or all that a route leaves there now. */
export interface Door extends Load {
  readonly at: Point
  /** What the truck must be able to carry, as bits. */
  readonly skills: number
  readonly waybills: readonly number[]
  /** The truck that has them now, an index of `trucks`; -1: none. */
  readonly truck: number
  /** They stay on that truck. */
  readonly pinned: boolean
  /** When their goods are at the depot, in seconds since the epoch; 0: they are there. */
  readonly ready: number
  /** Ways by road that its route knows, from the door before and back to the depot. */
  readonly by?: KnownWay
  readonly home?: KnownWay
}

/** A truck with the time that it has for this slot, and the doors of its route, by index; the first `frozen` stay where they are. */
export interface Truck {
  readonly vehicle: Vehicle
  readonly capacity: Load
  readonly frame: PathFrame
  readonly doors: readonly number[]
  readonly frozen: number
}

export interface Effort {
  readonly seed: number
  /** Attempts for each door: the same number gives the same plan on any machine. */
  readonly attemptsPerDoor: number
  /** What it costs that a waybill changes its truck, in the unit of the trucks' costs. */
  readonly moveCost: number
}

export interface SlotToSolve {
  readonly effort: Effort
  /** Ways by road between all doors and bases; null: great circles, but for what routes know. */
  readonly roads?: RoadWays | null
}

export interface SolvedSlot {
  /** By truck: its doors in order. Trucks that stay at home are not there. */
  readonly routes: ReadonlyMap<number, { readonly path: Path; readonly doors: readonly number[]; readonly cost: number }>
  readonly left: readonly number[]
}

export const skillsOf: Readonly<Record<SkuType, number>> = { dry: 1, frozen: 2, mixed: 4 }
export const skillsOfTruck: Readonly<Record<SkuType, number>> = { dry: 1, frozen: 2, mixed: 7 }
/** Goods that come later need a truck that may wait for them: one whose first doors stay as they are may have left. */
const mayWait = 8
/** More doors than that are parted by where they lie: time grows faster than doors. */
const mostDoors = 500
const wantedDoors = 400
/**
 * So few doors are planned to the optimum: ways through the same doors to the same last one are compared, at most 2,048 sets with a last one for each kind of truck and
 * each time at which goods come, and 6,561 ways to deal a truck its doors. Milliseconds; the limit, in looks, is there for fleets of many kinds.
 */
const fewDoors = 8
const everyRouteOfFew = 200_000

/** Plans a slot of a zone, in parts where it is large. Pure, and the same for the same seed. */
export function solveSlot(doors: readonly Door[], trucks: readonly Truck[], { effort, roads = null }: SlotToSolve): SolvedSlot {
  const routes = new Map<number, { path: Path; doors: readonly number[]; cost: number }>()
  const left: number[] = []
  for (const part of partsOf(doors, trucks)) {
    const solved = solvePart(doors, trucks, { part, effort, roads })
    for (const [truck, route] of solved.routes) routes.set(truck, route)
    left.push(...solved.left)
  }
  return { routes, left: left.toSorted((a, b) => a - b) }
}

/**
 * By road where there is a table of all places, and stops that stay where they are hold by it; else by great circles, and `ways` says why. `table` is the
 * reason where there is none, and null where no table service is configured.
 */
export function solveByRoad(
  doors: readonly Door[],
  trucks: readonly Truck[],
  { effort, table }: { effort: Effort; table: RoadTable | string | null },
): { readonly solved: SolvedSlot; readonly ways?: string } {
  if (table === null) return { solved: solveSlot(doors, trucks, { effort }) }
  const byCircle = (why: string) => ({ solved: solveSlot(doors, trucks, { effort }), ways: `great circle: ${why}` })
  if (typeof table === 'string') return byCircle(table)
  const roads = new RoadWays(table)
  const bases = trucks.flatMap(({ frame: { base } }) => (base === null ? [] : [base]))
  if (!roads.covers([...doors.map(({ at }) => at), ...bases])) return byCircle('the table lacks a place')
  try {
    return { solved: solveSlot(doors, trucks, { effort, roads }), ways: `road table of ${table.places.length} places` }
  } catch (error) {
    if (error instanceof ProblemError) return byCircle(`by road, ${error.message}`)
    throw error
  }
}

interface PartToSolve {
  readonly part: Part
  readonly effort: Effort
  readonly roads: RoadWays | null
}

interface Part {
  readonly doors: readonly number[]
  readonly trucks: readonly number[]
}

function partsOf(doors: readonly Door[], trucks: readonly Truck[]): Part[] {
  const all = [...doors.keys()]
  if (doors.length <= mostDoors) return [{ doors: all, trucks: [...trucks.keys()] }]
  const groups = bisect(all, doors, Math.ceil(doors.length / wantedDoors))
  const partOf = new Map(groups.flatMap((group, part) => group.map((door) => [door, part] as const)))
  // A route goes with the part that most of its doors lie in, and takes all of them along.
  const trucksOf = groups.map((): number[] => [])
  let turn = 0
  for (const [index, truck] of trucks.entries()) {
    if (truck.doors.length === 0) {
      trucksOf[turn % groups.length]?.push(index)
      turn += 1
      continue
    }
    const counts = Map.groupBy(truck.doors, (door) => partOf.get(door) ?? 0)
    const [home = 0] = [...counts].toSorted((a, b) => b[1].length - a[1].length || a[0] - b[0])[0] ?? []
    trucksOf[home]?.push(index)
    for (const door of truck.doors) partOf.set(door, home)
  }
  return groups.map((_, part) => ({ doors: all.filter((door) => partOf.get(door) === part), trucks: trucksOf[part] ?? [] }))
}

/** Halves along the longer side until there are as many parts as wanted. */
function bisect(group: readonly number[], doors: readonly Door[], parts: number): number[][] {
  if (parts <= 1) return [[...group]]
  const along = (axis: 'lat' | 'lng') => group.map((door) => doors[door]?.at[axis] ?? 0)
  const spread = (axis: 'lat' | 'lng') => along(axis).reduce((a, b) => Math.max(a, b)) - along(axis).reduce((a, b) => Math.min(a, b))
  const axis = spread('lat') >= spread('lng') ? 'lat' : 'lng'
  const ordered = group.toSorted((a, b) => (doors[a]?.at[axis] ?? 0) - (doors[b]?.at[axis] ?? 0) || a - b)
  const first = Math.floor(parts / 2)
  const cut = Math.round((ordered.length * first) / parts)
  return [...bisect(ordered.slice(0, cut), doors, first), ...bisect(ordered.slice(cut), doors, parts - first)]
}

/** The problem of a part in the solver's numbers: places are the doors, then the bases of the trucks; times start with the earliest truck. */
function problemOf(doors: readonly Door[], trucks: readonly Truck[], { part, effort, roads }: PartToSolve) {
  // A truck whose shift begins later leaves after the slot has opened.
  const zero = part.trucks.reduce(
    (first, truck) => Math.min(first, trucks[truck]?.frame.from ?? Infinity, trucks[truck]?.frame.opens ?? Infinity),
    Infinity,
  )
  const own = part.doors.map((door) => doors[door] as Door)
  const bases: Point[] = []
  const baseOf = (base: Point | null): number | null => {
    if (base === null) return null
    const known = bases.findIndex(({ lat, lng }) => lat === base.lat && lng === base.lng)
    if (known >= 0) return own.length + known
    return own.length + bases.push(base) - 1
  }
  const types = part.trucks.map((index) => {
    const { vehicle, capacity, frame, frozen } = trucks[index] as Truck
    const place = baseOf(frame.base)
    return {
      count: 1,
      capacity: [capacity.weightGrams, capacity.volumeMl, capacity.pieces],
      skills: skillsOfTruck[vehicle.type] | (frozen === 0 ? mayWait : 0),
      start: place,
      end: place,
      shiftOpens: frame.from - zero,
      shiftCloses: frame.to - zero,
      fixedCost: vehicle.tripCost,
      costPerTravel: vehicle.kmCost / 1000,
    }
  })
  const travel = travelOf(own, [...own.map(({ at }) => at), ...bases], roads)
  const vehicleOf = new Map(part.trucks.map((truck, vehicle) => [truck, vehicle]))
  const frame = trucks[part.trucks[0] ?? 0]?.frame
  const dearest = 1000 * (1 + trucks.reduce((most, { vehicle }) => Math.max(most, vehicle.tripCost), 5000))
  const stops = own.map((door, place): StopInput => {
    const truck = door.truck === -1 ? -1 : (vehicleOf.get(door.truck) ?? -1)
    const isFixed = (trucks[door.truck]?.frozen ?? 0) > 0
    return {
      place,
      demand: [door.weightGrams, door.volumeMl, door.pieces],
      opens: (frame?.opens ?? 0) - zero,
      closes: (frame?.closes ?? 0) - zero,
      service: serviceOf(door.waybills.length),
      skills: door.skills | (door.ready > zero && !isFixed ? mayWait : 0),
      release: Math.max(0, door.ready - zero),
      // What has a route is not left out for anything that has none.
      unassignedCost: dearest * door.waybills.length * (truck === -1 ? 1 : 1000),
      incumbent: truck,
      onVehicle: door.pinned || (isFixed && door.ready > zero) ? truck : -1,
    }
  })
  const stopOf = new Map(part.doors.map((door, stop) => [door, stop]))
  const start = part.trucks.flatMap((index, vehicle) => {
    const stopsOf = (trucks[index]?.doors ?? []).map((door) => stopOf.get(door) as number)
    return stopsOf.length === 0 ? [] : [{ vehicle, stops: stopsOf, loadsBefore: [], frozen: trucks[index]?.frozen ?? 0 }]
  })
  const locked = start.flatMap(({ vehicle, stops: all, frozen }) => (frozen === 0 ? [] : [{ vehicle, stops: all.slice(0, frozen) }]))
  const problem = defineProblem({ stops, vehicleTypes: types, travel, moveCost: effort.moveCost, locked })
  return { problem, start }
}

function travelOf(doors: readonly Door[], places: readonly Point[], roads: RoadWays | null): Travel {
  const size = places.length
  const costs = new Int32Array(size * size)
  const durations = new Int32Array(size * size)
  const note = (at: number, { metres, seconds }: { metres: number; seconds: number }) => {
    costs[at] = metres
    durations[at] = seconds
  }
  if (roads !== null) {
    for (const [from, place] of places.entries())
      for (const [to, other] of places.entries()) note(from * size + to, roads.way(place, other))
    return { size, costs, durations }
  }
  for (let from = 0; from < size; from += 1) {
    for (let to = 0; to < from; to += 1) {
      const metres = metresBetween(places[from] as Point, places[to] as Point)
      costs[from * size + to] = costs[to * size + from] = metres
      durations[from * size + to] = durations[to * size + from] = secondsFor(metres)
    }
  }
  // A route that was planned by road goes on knowing its ways: else what it holds by could break it now.
  const known = doors.some(({ by, home }) => by !== undefined || home !== undefined)
  if (!known) return { size, costs, durations }
  const at = Map.groupBy(places.keys(), (place) => placeKey(places[place] as Point))
  for (const [door, { by, home }] of doors.entries()) {
    if (by !== undefined) for (const from of at.get(placeKey(by)) ?? []) note(from * size + door, by)
    if (home !== undefined) for (const to of at.get(placeKey(home)) ?? []) note(door * size + to, home)
  }
  return { size, costs, durations }
}

function solvePart(doors: readonly Door[], trucks: readonly Truck[], asked: PartToSolve): SolvedSlot {
  const { part, effort, roads } = asked
  if (part.trucks.length === 0 || part.doors.length === 0) return { routes: new Map(), left: part.doors }
  const { problem, start } = problemOf(doors, trucks, asked)
  const asMuch = Math.max(1, Math.round(effort.attemptsPerDoor * part.doors.length))
  const isFew = part.doors.length <= fewDoors && effort.attemptsPerDoor > 0
  const plan = solve(problem, { seed: effort.seed, iterations: isFew ? Math.max(asMuch, everyRouteOfFew) : asMuch, start })
  mustHold(problem, plan)
  const routes = new Map(
    plan.routes.map((route) => {
      const truck = part.trucks[route.vehicle] as number
      const order = route.stops.map((stop) => part.doors[stop] as number)
      return [
        truck,
        { path: pathOfDoors(doors, { order, roads, truck: trucks[truck] as Truck }), doors: order, cost: Math.round(route.cost) },
      ] as const
    }),
  )
  return { routes, left: plan.unassigned.map(({ stop }) => part.doors[stop] as number) }
}

/** Every plan passes the judge that knows nothing of the search; what does not is a bug and is never committed. */
function mustHold(problem: Problem, plan: Plan): void {
  const { broken } = checkPlan(problem, plan)
  if (broken.length > 0) throw new Error(`a plan breaks its rules: ${broken.slice(0, 3).join('; ')}`)
}

interface Ordered {
  readonly order: readonly number[]
  readonly truck: Truck
  readonly roads: RoadWays | null
}

/** Goods of several kinds for one door that follow each other are one stop. */
function pathOfDoors(doors: readonly Door[], { order, truck: { frame, frozen }, roads }: Ordered): Path {
  const stops: PathStop[] = []
  for (const [at, index] of order.entries()) {
    const door = doors[index] as Door
    const last = stops.at(-1)
    const ready = Math.max(door.ready, last?.ready ?? 0)
    if (last !== undefined && at >= frozen && stops.length > frame.frozen && last.lat === door.at.lat && last.lng === door.at.lng) {
      const waybills = [...last.waybills, ...door.waybills]
      stops[stops.length - 1] = { ...last, waybills, service: serviceOf(waybills.length), ...(ready > 0 ? { ready } : {}) }
      continue
    }
    const before = last ?? frame.base
    const by = roads === null || before === null ? door.by : roads.known(before, door.at, before)
    stops.push({
      lat: door.at.lat,
      lng: door.at.lng,
      service: serviceOf(door.waybills.length),
      arrives: 0,
      waybills: door.waybills,
      ...(by === undefined ? {} : { by }),
      ...(door.home === undefined ? {} : { home: door.home }),
      ...(door.ready > 0 ? { ready: door.ready } : {}),
    })
  }
  const last = stops.at(-1)
  if (roads !== null && last !== undefined && frame.base !== null)
    stops[stops.length - 1] = { ...last, home: roads.known(last, frame.base, frame.base) }
  return new Path(frame, stops)
}
