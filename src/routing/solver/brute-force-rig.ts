import type { Problem, VehicleType } from './problem.ts'
import { typesOfVehicles } from './problem.ts'

/**
 * The cheapest plan there is, found by trying everything; for a handful of stops. Written apart from the solver: no shared code, time is followed by
 * trying every start and every leg for every break.
 */
export function cheapest(problem: Problem): number {
  const types = typesOfVehicles(problem)
  const all = (1 << problem.stops.length) - 1
  const byVehicle = types.map((_, vehicle) => cheapestBySet(problem, types, vehicle))
  const lockedBy = new Map(problem.locked.flatMap(({ vehicle, stops }) => stops.map((stop) => [stop, vehicle] as const)))
  // Left out: any set without locked stops.
  let least = new Float64Array(all + 1)
  for (let set = 0; set <= all; set += 1) {
    for (const [stop, { unassignedCost }] of problem.stops.entries()) {
      if ((set & (1 << stop)) !== 0) least[set] = least[set]! + (lockedBy.has(stop) ? Infinity : unassignedCost)
    }
  }
  for (const costs of byVehicle) {
    const next = new Float64Array(all + 1).fill(Infinity)
    for (let set = 0; set <= all; set += 1) {
      for (let sub = set; ; sub = (sub - 1) & set) {
        next[set] = Math.min(next[set]!, least[set & ~sub]! + costs[sub]!)
        if (sub === 0) break
      }
    }
    least = next
  }
  return least[all]!
}

/** For each set of stops, the cheapest way in which one vehicle makes just these. */
function cheapestBySet(problem: Problem, types: readonly VehicleType[], vehicle: number): Float64Array {
  const type = types[vehicle]!
  const costs = new Float64Array(1 << problem.stops.length).fill(Infinity)
  const locked = problem.locked.find((prefix) => prefix.vehicle === vehicle)?.stops ?? []
  const lockedElsewhere = new Set(problem.locked.filter((prefix) => prefix.vehicle !== vehicle).flatMap(({ stops }) => stops))
  if (locked.length === 0) costs[0] = 0
  const extend = (route: number[], loads: number[], set: number) => {
    if (route.length > 0) {
      if (!loadsFit(problem, type, { route, loads })) return
      if (route.length >= locked.length) {
        const cost = routeCost(problem, type, { route, loads })
        const moved = route.filter((stop) => ![-1, vehicle].includes(problem.stops[stop]!.incumbent)).length
        costs[set] = Math.min(costs[set]!, cost + moved * problem.moveCost)
      }
    }
    for (const [number, stop] of problem.stops.entries()) {
      const mustBe = locked[route.length]
      if ((set & (1 << number)) !== 0 || (mustBe !== undefined && mustBe !== number) || lockedElsewhere.has(number)) continue
      if ((stop.skills & ~type.skills) !== 0 || (stop.onVehicle !== -1 && stop.onVehicle !== vehicle)) continue
      extend([...route, number], loads, set | (1 << number))
      const mayLoad = route.length > 0 && route.length >= locked.length && loads.length + 1 < type.maxTrips
      if (mayLoad) extend([...route, number], [...loads, route.length], set | (1 << number))
    }
  }
  extend([], [], 0)
  return costs
}

interface Made {
  readonly route: readonly number[]
  readonly loads: readonly number[]
}

const tripsOf = ({ route, loads }: Made): number[][] => {
  const starts = [0, ...loads, route.length]
  return starts.slice(0, -1).map((from, nth) => route.slice(from, starts[nth + 1]))
}

function loadsFit(problem: Problem, type: VehicleType, made: Made): boolean {
  return tripsOf(made).every((trip) =>
    type.capacity.every((capacity, d) => trip.reduce((sum, stop) => sum + problem.stops[stop]!.demand[d]!, 0) <= capacity),
  )
}

function routeCost(problem: Problem, type: VehicleType, made: Made): number {
  const travel = problem.travel[type.profile]!
  const between = (matrix: Int32Array, from: number | null, to: number | null) =>
    from === null || to === null ? 0 : matrix[from * travel.size + to]!
  const visits: { place: number | null; opens: number; closes: number; takes: number }[] = []
  const trips = tripsOf(made)
  const releases = trips.map((trip) => Math.max(0, ...trip.map((stop) => problem.stops[stop]!.release)))
  for (const [nth, trip] of trips.entries()) {
    if (nth > 0) visits.push({ place: type.start, opens: releases[nth]!, closes: Infinity, takes: type.reloadDuration })
    for (const stop of trip) {
      const { place, opens, closes, service } = problem.stops[stop]!
      visits.push({ place, opens, closes, takes: service })
    }
  }
  visits.push({ place: type.end, opens: 0, closes: type.shiftCloses, takes: 0 })
  const ways = visits.map(({ place }, at) => between(travel.durations, at === 0 ? type.start : visits[at - 1]!.place, place))
  const costs = visits.reduce((sum, { place }, at) => sum + between(travel.costs, at === 0 ? type.start : visits[at - 1]!.place, place), 0)
  const earliest = Math.max(type.shiftOpens, releases[0]!)
  const end = earliestEnd({ type, visits, ways }, earliest)
  if (end === Infinity) return Infinity
  let duration = 0
  if (type.costPerDuration > 0) {
    let start = end
    while (earliestEnd({ type, visits, ways }, start) !== end) start -= 1
    duration = end - start
  }
  return type.fixedCost + type.costPerTravel * costs + type.costPerDuration * duration
}

interface Legs {
  readonly type: VehicleType
  readonly visits: readonly { opens: number; closes: number; takes: number }[]
  readonly ways: readonly number[]
}

/** The soonest end of any start from `from` on, over all choices of legs for breaks and of later starts that spare a break. */
function earliestEnd({ type, visits, ways }: Legs, from: number): number {
  let soonest = Infinity
  const { breaks } = type
  for (const start of new Set([from, ...breaks.map(({ latest }) => Math.max(from, latest + 1))])) {
    const go = (leg: number, clock: number, taken: number) => {
      if (leg === visits.length) {
        const pending = breaks.slice(taken).every(({ latest }) => start > latest || clock <= latest)
        if (pending) soonest = Math.min(soonest, clock)
        return
      }
      for (let upTo = taken; upTo <= breaks.length; upTo += 1) {
        let leaves = clock
        let arrives = clock + ways[leg]!
        let holds = true
        for (const { earliest, latest, duration } of breaks.slice(taken, upTo)) {
          const begins = Math.max(leaves, earliest)
          holds &&= begins <= latest
          leaves = begins + duration
          arrives = Math.max(arrives, earliest) + duration
        }
        const visit = visits[leg]!
        const begins = Math.max(arrives, visit.opens)
        if (holds && begins <= visit.closes) go(leg + 1, begins + visit.takes, upTo)
      }
    }
    const spared = breaks.filter(({ latest }) => start > latest).length
    for (let skip = 0; skip <= spared; skip += 1) go(0, start, skip)
  }
  return soonest
}
