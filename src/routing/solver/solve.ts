import { compile, type Model } from './model.ts'
import { looksNeeded, planFew } from './few-stops.ts'
import { findNeighbours } from './neighbours.ts'
import type { Plan, RouteStops } from './plan.ts'
import type { Problem } from './problem.ts'
import { reasonsFor } from './reasons.ts'
import { Routes } from './routes.ts'
import { beginWithSavings } from './savings.ts'
import { improve } from './search.ts'
import { timetable } from './timeline.ts'

export interface SolveOptions {
  /** The same seed and `iterations` give the same plan. */
  readonly seed?: number | undefined
  /** How long to search, by `now`. */
  readonly millis?: number | undefined
  /** How many attempts to make; with `millis` as well, whichever ends first. */
  readonly iterations?: number | undefined
  /** Milliseconds of any clock. Needed with `millis`. */
  readonly now?: (() => number) | undefined
  /** Asked every few attempts; true ends the search with the best plan so far. */
  readonly stopped?: (() => boolean) | undefined
  /** Routes to begin with. Those that do not hold are taken apart. */
  readonly start?: readonly RouteStops[] | undefined
}

/** Attempts for each stop before all routes of a few stops are looked at. */
const guessesForFew = 100

/** Plans routes, better the longer it may: any plan it returns keeps every rule, and what it cannot carry it explains. */
export function solve(problem: Problem, options: SolveOptions = {}): Plan {
  const { seed = 1, millis = Infinity, iterations = Infinity, now = () => 0, stopped = () => false, start = [] } = options
  if (millis === Infinity && iterations === Infinity && options.stopped === undefined)
    throw new Error('solve needs millis, iterations or stopped')
  if (millis !== Infinity && options.now === undefined) throw new Error('solve needs now with millis')
  const startedAt = now()
  const model = compile(problem)
  const routes = new Routes(model)
  for (const { vehicle, stops, loadsBefore } of start) begin(routes, vehicle, { stops, loadsBefore })
  const neighbours = findNeighbours(model)
  if (model.vehicles > 0 && routes.used === 0) beginWithSavings(routes, neighbours)
  const left = () => millis - (now() - startedAt)
  // A look at a route counts as an attempt: where all can be looked at, the plan will be the cheapest, and the search only has to be a good guess until then.
  const looks = looksNeeded(model)
  const isFew = looks < Infinity && looks <= iterations
  const guesses = isFew ? Math.min(iterations, guessesForFew * model.stops) : iterations
  const attempts = improve(routes, neighbours, { seed, millis: left(), iterations: guesses, now, stopped })
  if (isFew) planFew(routes, () => left() <= 0 || stopped())
  return planOf(model, routes, attempts)
}

/** A given route may repeat its locked prefix; from there on it is taken as far as it holds. */
function begin(routes: Routes, vehicle: number, given: { stops: readonly number[]; loadsBefore: readonly number[] }): void {
  const locked = routes.count[vehicle] ?? 0
  const isKnown = given.stops.slice(0, locked).every((stop) => routes.vehicleOf[stop] === vehicle)
  const from = isKnown ? locked : 0
  const free = given.stops.slice(from)
  const trips = given.loadsBefore.map((at) => at - from)
  if (routes.append(vehicle, free, trips)) return
  for (const [at, stop] of free.entries()) routes.append(vehicle, [stop], trips.includes(at) ? [0] : [])
}

function planOf(model: Model, routes: Routes, iterations: number): Plan {
  const planned: Plan['routes'][number][] = []
  for (let vehicle = 0; vehicle < model.vehicles; vehicle += 1) {
    const length = routes.write(vehicle)
    if (length === 0) continue
    const stops = [...routes.walk.stops.subarray(0, length)]
    const loadsBefore = stops.flatMap((_, at) => (routes.walk.loads[at] === 1 ? [at] : []))
    planned.push(timetable(model, routes.walk, { vehicle, stops, loadsBefore }))
  }
  const unassigned = [...routes.absent.subarray(0, routes.absentCount)]
    .toSorted((a, b) => a - b)
    .map((stop) => ({ stop, reasons: reasonsFor(routes, stop) }))
  const moved = planned.reduce(
    (sum, { vehicle, stops }) => sum + stops.filter((c) => ![-1, vehicle].includes(model.incumbent[c]!)).length,
    0,
  )
  const left = unassigned.reduce((sum, { stop }) => sum + model.unassignedCost[stop]!, 0)
  const cost = planned.reduce((sum, route) => sum + route.cost, 0) + moved * model.moveCost + left
  return { routes: planned, unassigned, cost, iterations }
}
