import type { Load, SkuType } from './capacity/index.ts'
import type { PathStop } from './path.ts'
import { checkPlan, defineProblem, type Plan } from './solver/index.ts'
import { skillsOf, skillsOfTruck } from './solve-slot.ts'
import { metresBetween, type Point, secondsFor, serviceOf, wayBetween } from './travel.ts'

/** Of a waybill, as it was asked for. */
type Goods = Load & { readonly skuType: SkuType; readonly ready?: number }

/** A route as it was written, with all that it must keep. */
export interface WrittenRoute {
  readonly name: string
  readonly truck: Load & { readonly type: SkuType; readonly vehicleId: number }
  readonly base: Point | null
  readonly times: { readonly from: number; readonly to: number }
  readonly slot: { readonly opens: number; readonly closes: number }
  readonly path: readonly PathStop[]
}

/**
 * What is wrong with written routes, judged by the solver's independent checker: each stop at the time that is written, loads, temperature, window, the truck's
 * own time; besides, that no truck is in two places and no waybill on two routes. Knows nothing of how they were planned.
 */
export function verifyRoutes(routes: readonly WrittenRoute[], waybills: ReadonlyMap<number, Goods>): string[] {
  const broken = routes.flatMap((route) => verifyRoute(route, waybills).map((text) => `${route.name}: ${text}`))
  const seen = new Set<number>()
  for (const { name, path } of routes) {
    for (const id of path.flatMap((stop) => stop.waybills)) {
      if (seen.has(id)) broken.push(`${name}: waybill ${id} is on another route as well`)
      seen.add(id)
    }
  }
  for (const own of Map.groupBy(routes, ({ truck }) => truck.vehicleId).values()) {
    const ordered = own.toSorted((a, b) => a.times.from - b.times.from)
    for (const [at, route] of ordered.entries())
      if (at > 0 && (ordered[at - 1]?.times.to ?? 0) > route.times.from)
        broken.push(`${route.name}: its truck is out on ${ordered[at - 1]?.name}`)
  }
  return broken
}

function verifyRoute({ truck, base, times, slot, path }: WrittenRoute, waybills: ReadonlyMap<number, Goods>): readonly string[] {
  if (path.length === 0) return []
  const zero = Math.min(times.from, slot.opens)
  const places: Point[] = [...path, ...(base === null ? [] : [base])]
  const size = places.length
  const durations = new Int32Array(size * size)
  for (let from = 0; from < size; from += 1)
    for (let to = 0; to < size; to += 1) durations[from * size + to] = secondsFor(metresBetween(places[from] as Point, places[to] as Point))
  // Ways that a table service told stand at the doors; all others are by the great circle.
  for (const [at, stop] of path.entries()) {
    const before = at > 0 ? at - 1 : base === null ? null : path.length
    if (before !== null) durations[before * size + at] = wayBetween(places[before] as Point, stop, stop.by, places[before] as Point).seconds
    if (at === path.length - 1 && base !== null) durations[at * size + path.length] = wayBetween(stop, base, stop.home, base).seconds
  }
  const unknown = path.flatMap((stop) => stop.waybills.filter((id) => !waybills.has(id)))
  if (unknown.length > 0) return [`waybill ${unknown[0]} is not known`]
  const stops = path.map((stop, place) => {
    const loads = stop.waybills.map((id) => waybills.get(id) as Goods)
    const sum = (of: (load: Load) => number) => loads.reduce((total, load) => total + of(load), 0)
    return {
      place,
      opens: slot.opens - zero,
      closes: slot.closes - zero,
      service: serviceOf(loads.length),
      demand: [sum((load) => load.weightGrams), sum((load) => load.volumeMl), sum((load) => load.pieces)],
      skills: loads.reduce((bits, { skuType }) => bits | skillsOf[skuType], 0),
      release: Math.max(0, Math.ceil(Math.max(0, ...loads.map(({ ready = 0 }) => ready))) - zero),
    }
  })
  const depot = base === null ? null : path.length
  const problem = defineProblem({
    stops,
    vehicleTypes: [
      {
        count: 1,
        start: depot,
        end: depot,
        shiftOpens: times.from - zero,
        shiftCloses: times.to - zero,
        skills: skillsOfTruck[truck.type],
        capacity: [truck.weightGrams, truck.volumeMl, truck.pieces],
      },
    ],
    travel: { size, durations, costs: durations },
  })
  const way = (from: number | null, to: number | null) => (from === null || to === null ? 0 : (durations[from * size + to] ?? 0))
  const last = path.length - 1
  const cost = path.reduce((sum, _, at) => sum + (at === 0 ? way(depot, 0) : way(at - 1, at)), way(last, depot))
  const endsAt = (path[last]?.arrives ?? 0) - zero + (stops[last]?.service ?? 0) + way(last, depot)
  const begins = path.map(({ arrives }) => arrives - zero)
  const route = {
    vehicle: 0,
    stops: [...path.keys()],
    loadsBefore: [],
    startsAt: Math.max(times.from - zero, ...path.map(({ ready = 0 }) => ready - zero)),
    endsAt,
    begins,
    loadings: [],
    breaks: [],
    cost,
  }
  const plan: Plan = { routes: [route], unassigned: [], cost, iterations: 0 }
  return checkPlan(problem, plan).broken
}
