import { Insertion } from './insertion.ts'
import type { Neighbours } from './neighbours.ts'
import { Random } from './random.ts'
import { Recreate } from './recreate.ts'
import type { Routes } from './routes.ts'
import { ruin } from './ruin.ts'
import type { Model } from './model.ts'

/** How long a search goes on; at least one of the two bounds counts. `stopped` is asked every few attempts. */
export interface SearchLimits {
  readonly seed: number
  readonly millis: number
  readonly iterations: number
  now(): number
  stopped(): boolean
}

/** Between two looks at the clock. */
const attemptsPerLook = 100
/** So few stops are planned as well as can be long before most budgets end: their search is bounded by attempts for each stop as well. */
const fewStops = 12
const attemptsForFew = 2_000
/** Temperatures as shares of what a stop costs in the first plan: how much worse a plan may be and still be taken. */
const hottest = 0.3
const coldest = 0.01

/** Which routes a plan has: enough to come back to it. */
class Kept {
  readonly #next: Int32Array
  readonly #loadsBefore: Uint8Array
  readonly #vehicleOf: Int32Array
  cost = Infinity
  constructor(routes: Routes) {
    this.#next = routes.next.slice()
    this.#loadsBefore = routes.loadsBefore.slice()
    this.#vehicleOf = routes.vehicleOf.slice()
  }
  keep(routes: Routes): void {
    this.cost = routes.cost
    this.#next.set(routes.next)
    this.#loadsBefore.set(routes.loadsBefore)
    this.#vehicleOf.set(routes.vehicleOf)
  }
  /** Stops and trips of a vehicle. */
  route(model: Model, vehicle: number): { stops: number[]; loadsBefore: number[] } {
    const end = model.stops + 2 * vehicle + 1
    const stops: number[] = []
    const loadsBefore: number[] = []
    for (let x = this.#next[end - 1]!; x !== end; x = this.#next[x]!) {
      if (this.#loadsBefore[x] === 1) loadsBefore.push(stops.length)
      stops.push(x)
    }
    return { stops, loadsBefore }
  }
}

/** Ruin and recreate with simulated annealing. Leaves the best routes it saw in `routes`; returns the number of attempts. */
export function improve(routes: Routes, neighbours: Neighbours, limits: SearchLimits): number {
  const random = new Random(limits.seed)
  const insertion = new Insertion(routes, neighbours, random)
  const recreate = new Recreate(routes, insertion, random)
  const { model } = routes
  const best = new Kept(routes)
  const started = limits.now()
  if (routes.absentCount > 0) {
    routes.begin()
    recreate.run(true)
  }
  best.keep(routes)
  const perStop = (routes.routesCost || 1) / Math.max(1, model.stops)
  let temperature = hottest * perStop
  let attempts = 0
  const most = model.stops <= fewStops ? Math.min(limits.iterations, model.stops * attemptsForFew) : limits.iterations
  while (attempts < most) {
    if (attempts % attemptsPerLook === 0) {
      const gone = Math.max(
        most === Infinity ? 0 : attempts / most,
        limits.millis === Infinity ? 0 : (limits.now() - started) / limits.millis,
      )
      if (gone >= 1 || limits.stopped()) break
      temperature = hottest * perStop * (coldest / hottest) ** gone
    }
    attempts += 1
    const before = routes.cost
    routes.begin()
    ruin(routes, { neighbours, random })
    recreate.run()
    const cost = routes.cost
    if (cost >= before - temperature * Math.log(random.fraction() + 1e-12)) routes.takeBack()
    else if (cost < best.cost - 1e-7) best.keep(routes)
  }
  restore(routes, best)
  return attempts
}

function restore(routes: Routes, best: Kept): void {
  const { model } = routes
  const kept = Array.from({ length: model.vehicles }, (_, vehicle) => best.route(model, vehicle))
  routes.clear()
  for (const [vehicle, { stops, loadsBefore }] of kept.entries()) {
    const locked = routes.count[vehicle]!
    const added = routes.append(
      vehicle,
      stops.slice(locked),
      loadsBefore.map((at) => at - locked),
    )
    if (!added && stops.length > locked) throw new Error(`a kept route of vehicle ${vehicle} does not hold`)
  }
}
