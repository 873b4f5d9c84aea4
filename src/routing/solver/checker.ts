import type { Plan, PlanRoute } from './plan.ts'
import { type Problem, typesOfVehicles, type VehicleType } from './problem.ts'

/** What is wrong with a plan, in words; and its cost as counted here. */
export interface Verdict {
  readonly broken: readonly string[]
  readonly cost: number
}

/**
 * Judges a plan by what it says it does: follows the clock of each route as written, adds up loads and costs. Knows nothing of how the plan was made and
 * uses no code of the search.
 */
export function checkPlan(problem: Problem, plan: Plan): Verdict {
  const broken: string[] = []
  const types = typesOfVehicles(problem)
  const seen = new Map<number, string>()
  const used = new Set<number>()
  let cost = 0
  const note = (stop: number, where: string) => {
    if (problem.stops[stop] === undefined) broken.push(`${where}: there is no stop ${stop}`)
    const other = seen.get(stop)
    if (other !== undefined) broken.push(`stop ${stop} is in ${other} and in ${where}`)
    seen.set(stop, where)
  }
  for (const route of plan.routes) {
    const where = `route of vehicle ${route.vehicle}`
    const type = types[route.vehicle]
    if (type === undefined || used.has(route.vehicle)) {
      broken.push(type === undefined ? `${where}: there is no such vehicle` : `${where}: it has two routes`)
      continue
    }
    used.add(route.vehicle)
    for (const stop of route.stops) note(stop, where)
    if (route.stops.some((stop) => problem.stops[stop] === undefined)) continue
    const verdict = checkRoute(problem, type, route)
    broken.push(...verdict.broken.map((text) => `${where}: ${text}`))
    cost += verdict.cost
  }
  for (const { stop } of plan.unassigned) {
    note(stop, 'what is left out')
    cost += problem.stops[stop]?.unassignedCost ?? 0
  }
  for (const stop of problem.stops.keys()) if (!seen.has(stop)) broken.push(`stop ${stop} is nowhere`)
  broken.push(...brokenLocks(problem, plan))
  if (Math.abs(cost - plan.cost) > 1e-6 * Math.max(1, Math.abs(cost))) broken.push(`the plan says it costs ${plan.cost}, and costs ${cost}`)
  return { broken, cost }
}

function brokenLocks(problem: Problem, plan: Plan): string[] {
  return problem.locked.flatMap(({ vehicle, stops, loadsBefore = [] }) => {
    const route = plan.routes.find((each) => each.vehicle === vehicle)
    const kept = stops.every((stop, at) => route?.stops[at] === stop && route.loadsBefore.includes(at) === loadsBefore.includes(at))
    return kept ? [] : [`the locked stops of vehicle ${vehicle} have moved`]
  })
}

function checkRoute(problem: Problem, type: VehicleType, route: PlanRoute): Verdict {
  const broken = [...brokenLoads(problem, type, route), ...brokenRights(problem, type, route)]
  const travel = problem.travel[type.profile]
  if (travel === undefined) return { broken: [...broken, `there is no profile ${type.profile}`], cost: 0 }
  const way = (matrix: Int32Array, from: number | null, to: number | null): number =>
    from === null || to === null ? 0 : (matrix[from * travel.size + to] ?? 0)
  let place = type.start
  let clock = route.startsAt
  let ways = 0
  let moves = 0
  const takenBreaks = new Set<number>()
  /** Goes to a place, taking the breaks written for that leg, and is there at `begins` at the latest. */
  const drive = (to: number | null, leg: { before: number; loading: boolean; begins: number; name: string }) => {
    const pauses = route.breaks.filter(({ before, beforeLoading }) => before === leg.before && beforeLoading === leg.loading)
    let free = leg.begins - clock
    let last = clock
    for (const { nth, startsAt } of pauses.toSorted((a, b) => a.startsAt - b.startsAt)) {
      const rule = type.breaks[nth]
      if (rule === undefined || takenBreaks.has(nth)) {
        broken.push(`break ${nth} is taken twice or does not exist`)
        continue
      }
      takenBreaks.add(nth)
      if (startsAt < rule.earliest || startsAt > rule.latest) broken.push(`break ${nth} starts at ${startsAt}`)
      if (startsAt < last) broken.push(`break ${nth} starts at ${startsAt}, before ${last}`)
      last = startsAt + rule.duration
      free -= rule.duration
    }
    if (last > leg.begins) broken.push(`${leg.name} begins at ${leg.begins}, during a break until ${last}`)
    const needs = way(travel.durations, place, to)
    if (needs > free) broken.push(`${leg.name} begins ${needs - free} too soon: the way takes ${needs}`)
    ways += way(travel.costs, place, to)
    place = to
  }
  let loading = 0
  for (const [at, number] of route.stops.entries()) {
    const stop = problem.stops[number]
    if (stop === undefined) continue
    if (route.loadsBefore.includes(at)) {
      const begins = route.loadings[loading] ?? Number.NaN
      loading += 1
      drive(type.start, { before: at, loading: true, begins, name: `loading ${loading}` })
      for (const other of tripFrom(route, at)) {
        if (!(begins >= (problem.stops[other]?.release ?? 0))) broken.push(`stop ${other} is loaded at ${begins}, before its release`)
      }
      clock = begins + type.reloadDuration
    }
    const begins = route.begins[at] ?? Number.NaN
    drive(stop.place, { before: at, loading: false, begins, name: `stop ${number}` })
    if (!(begins >= stop.opens && begins <= stop.closes))
      broken.push(`stop ${number} begins at ${begins}, not in ${stop.opens}–${stop.closes}`)
    clock = begins + stop.service
    if (stop.incumbent !== -1 && stop.incumbent !== route.vehicle) moves += 1
  }
  drive(type.end, { before: route.stops.length, loading: false, begins: route.endsAt, name: 'the end' })
  if (route.startsAt < type.shiftOpens) broken.push(`it starts at ${route.startsAt}, before the shift`)
  if (route.endsAt > type.shiftCloses) broken.push(`it ends at ${route.endsAt}, after the shift`)
  for (const other of tripFrom(route, 0)) {
    if (route.startsAt < (problem.stops[other]?.release ?? 0)) broken.push(`it starts before the release of stop ${other}`)
  }
  for (const [nth, { latest }] of type.breaks.entries()) {
    if (!takenBreaks.has(nth) && route.startsAt <= latest && route.endsAt > latest) broken.push(`break ${nth} is not taken`)
  }
  const cost = type.fixedCost + type.costPerTravel * ways + type.costPerDuration * (route.endsAt - route.startsAt)
  if (Math.abs(cost - route.cost) > 1e-6 * Math.max(1, cost)) broken.push(`it says it costs ${route.cost}, and costs ${cost}`)
  return { broken, cost: cost + moves * problem.moveCost }
}

/** The stops of the trip that begins with stop number `at`. */
function tripFrom(route: PlanRoute, at: number): readonly number[] {
  const next = Math.min(route.stops.length, ...route.loadsBefore.filter((other) => other > at))
  return route.stops.slice(at, next)
}

function brokenLoads(problem: Problem, type: VehicleType, route: PlanRoute): string[] {
  const starts = [0, ...route.loadsBefore]
  const broken = starts.some((at, nth) => nth > 0 && at <= (starts[nth - 1] ?? 0)) ? ['its trips are not in order'] : []
  if (starts.length > type.maxTrips) broken.push(`${starts.length} trips where ${type.maxTrips} are allowed`)
  for (const at of starts) {
    for (const [dimension, capacity] of type.capacity.entries()) {
      const load = tripFrom(route, at).reduce((sum, stop) => sum + (problem.stops[stop]?.demand[dimension] ?? 0), 0)
      if (load > capacity) broken.push(`${load - capacity} over in dimension ${dimension}`)
    }
  }
  return broken
}

function brokenRights(problem: Problem, type: VehicleType, route: PlanRoute): string[] {
  return route.stops.flatMap((number) => {
    const stop = problem.stops[number]
    if (stop === undefined) return []
    const broken: string[] = []
    if ((stop.skills & ~type.skills) !== 0) broken.push(`stop ${number} needs skills ${stop.skills}, the vehicle has ${type.skills}`)
    if (stop.onVehicle !== -1 && stop.onVehicle !== route.vehicle) broken.push(`stop ${number} may ride on vehicle ${stop.onVehicle} only`)
    return broken
  })
}
