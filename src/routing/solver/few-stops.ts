import { looksAtLabels, type RoutesBySet, routesByLabels } from './few-labels.ts'
import type { Model } from './model.ts'
import type { Routes } from './routes.ts'

/** Eight stops have 109,600 orders: a tenth of a second for each kind of vehicle, less where windows are narrow, and a hundredth of that where a problem is plain. Nine have ten times as many. */
const fewStops = 8
/** Between two looks at the clock. */
const looksPerLook = 1_000

/** How many routes have to be looked at to know the cheapest plan, or Infinity where there are too many stops to try. */
export function looksNeeded(model: Model): number {
  if (model.stops > fewStops) return Infinity
  let sum = 0
  for (const [vehicle = 0] of kindsOf(model)) {
    if (model.isPlain) {
      sum += looksAtLabels(model, vehicle)
      continue
    }
    const { maxTrips } = model.types[vehicle]!
    let orders = 1
    for (let length = 1; length <= model.stops; length += 1) {
      orders *= model.stops - length + 1
      let loadings = 0
      for (let more = 0, ways = 1; more < Math.min(maxTrips, length); ways *= (length - 1 - more) / (more + 1), more += 1) loadings += ways
      sum += orders * loadings
    }
  }
  return sum
}

/** Vehicles by what they can do: those of one list have the same routes. One with locked stops is alone. */
function kindsOf(model: Model): number[][] {
  const locked = new Set(model.problem.locked.map(({ vehicle }) => vehicle))
  const kinds = Map.groupBy([...model.types.keys()], (vehicle) =>
    locked.has(vehicle) ? vehicle : JSON.stringify({ ...model.types[vehicle]!, count: 1 }),
  )
  return [...kinds.values()]
}

/**
 * The cheapest plan of a few stops, found by looking at every route and then at every way to deal the stops out; where the search did not find it, it
 * replaces what the search found. The search inserts one stop after the other and takes none that costs more than leaving it out, so that it does not see two
 * that pay only together. False when it was stopped: then `routes` are as they were.
 */
export function planFew(routes: Routes, stopped: () => boolean): boolean {
  const { model } = routes
  const all = (1 << model.stops) - 1
  const bySet: RoutesBySet[] = []
  let looks = 0
  const isOver = () => ++looks % looksPerLook === 0 && stopped()
  for (const kind of kindsOf(model)) {
    const found = model.isPlain ? routesByLabels(model, kind[0]!, isOver) : everyRoute(routes, kind[0]!, isOver)
    if (found === undefined) return false
    for (const vehicle of kind) bySet[vehicle] = found
  }
  let least = leftOut(model)
  const taken: Int32Array[] = []
  for (let vehicle = 0; vehicle < model.vehicles; vehicle += 1) {
    const prices = priceFor(model, vehicle, bySet[vehicle]!.price)
    const next = new Float64Array(all + 1).fill(Infinity)
    const own = new Int32Array(all + 1)
    for (let set = 0; set <= all; set += 1) {
      for (let sub = set; ; sub = (sub - 1) & set) {
        const cost = least[set & ~sub]! + prices[sub]!
        if (cost < next[set]!) {
          next[set] = cost
          own[set] = sub
        }
        if (sub === 0) break
      }
    }
    taken.push(own)
    least = next
  }
  if (least[all]! >= routes.cost - 1e-7) return true
  routes.clear()
  for (let vehicle = model.vehicles - 1, set = all; vehicle >= 0; vehicle -= 1) {
    const own = taken[vehicle]![set]!
    set &= ~own
    drive(routes, vehicle, { own, found: bySet[vehicle]! })
  }
  return true
}

/** What it costs to leave sets of stops out; locked ones cannot be. */
function leftOut({ stops, unassignedCost, frozen }: Model): Float64Array {
  const costs = new Float64Array(1 << stops)
  for (let set = 1; set < costs.length; set += 1) {
    const stop = 31 - Math.clz32(set)
    costs[set] = costs[set & ~(1 << stop)]! + (frozen[stop] === 1 ? Infinity : unassignedCost[stop]!)
  }
  return costs
}

/** With what depends on the very vehicle: stops that only another one may carry, and those that leave their incumbent. */
function priceFor({ stops, onVehicle, incumbent, moveCost }: Model, vehicle: number, prices: Float64Array): Float64Array {
  return prices.map((price, set) => {
    let sum = price
    for (let stop = 0; stop < stops; stop += 1) {
      if ((set & (1 << stop)) === 0) continue
      if (onVehicle[stop] !== -1 && onVehicle[stop] !== vehicle) return Infinity
      if (incumbent[stop] !== -1 && incumbent[stop] !== vehicle) sum += moveCost
    }
    return sum
  })
}

function everyRoute({ model, walk }: Routes, vehicle: number, isOver: () => boolean): RoutesBySet | undefined {
  const { stops, frozen, skills, vehicleSkills, types } = model
  const { maxTrips } = types[vehicle]!
  const size = 1 << stops
  const found = { price: new Float64Array(size).fill(Infinity), order: new Int32Array(size), loads: new Uint8Array(size) }
  let ended = false

  const look = (length: number, set: number, order: number, loads: number, trips: number): void => {
    ended ||= isOver()
    const price = walk.cost(vehicle, length)
    if (price < found.price[set]!) {
      found.price[set] = price
      found.order[set] = order
      found.loads[set] = loads
    }
    if (walk.mayGoOn) extend(length, set, order, loads, trips)
  }

  const extend = (length: number, set: number, order: number, loads: number, trips: number): void => {
    for (let stop = 0; stop < stops && !ended; stop += 1) {
      if ((set & (1 << stop)) !== 0 || frozen[stop] === 1 || (skills[stop]! & ~vehicleSkills[vehicle]!) !== 0) continue
      const longer = order | (stop << (3 * length))
      walk.stops[length] = stop
      walk.loads[length] = 0
      look(length + 1, set | (1 << stop), longer, loads, trips)
      if (length === 0 || trips === maxTrips || ended) continue
      walk.stops[length] = stop
      walk.loads[length] = 1
      look(length + 1, set | (1 << stop), longer, loads | (1 << length), trips + 1)
    }
  }

  const prefix = model.problem.locked.find((each) => each.vehicle === vehicle && each.stops.length > 0)
  if (prefix === undefined) {
    found.price[0] = 0
    extend(0, 0, 0, 0, 1)
  } else {
    const loadsBefore = prefix.loadsBefore ?? []
    let [set, order, loads] = [0, 0, 0]
    for (const [at, stop] of prefix.stops.entries()) {
      walk.stops[at] = stop
      walk.loads[at] = at > 0 && loadsBefore.includes(at) ? 1 : 0
      set |= 1 << stop
      order |= stop << (3 * at)
      loads |= walk.loads[at] << at
    }
    look(prefix.stops.length, set, order, loads, 1 + loadsBefore.filter((at) => at > 0).length)
  }
  return ended ? undefined : found
}

function drive(routes: Routes, vehicle: number, { own, found }: { own: number; found: RoutesBySet }): void {
  const stops: number[] = []
  for (let left = own, at = 0; left !== 0; left &= left - 1, at += 1) stops.push((found.order[own]! >> (3 * at)) & 7)
  const locked = routes.count[vehicle]!
  const loadsBefore = stops.flatMap((_, at) => (at >= locked && (found.loads[own]! & (1 << at)) !== 0 ? [at - locked] : []))
  if (stops.length > locked && !routes.append(vehicle, stops.slice(locked), loadsBefore))
    throw new Error(`a route of vehicle ${vehicle} that was looked at does not hold`)
}
