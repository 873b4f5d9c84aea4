import type { Model } from './model.ts'
import type { PlanRoute, RouteStops, TakenBreak } from './plan.ts'
import type { Break } from './problem.ts'
import type { Walk } from './walk.ts'

const never = 4_000_000_000

/** A leg of the timetable: the way to a stop, to the depot for loading, or to the end. */
interface Leg {
  readonly way: number
  readonly before: number
  readonly isLoading: boolean
  readonly opens: number
  readonly closes: number
  readonly takes: number
}

/** When everything on a route happens: it starts as late as it can without ending later than it must. */
export function timetable(model: Model, walk: Walk, route: RouteStops): PlanRoute {
  const { vehicle, stops, loadsBefore } = route
  for (const [at, stop] of stops.entries()) {
    walk.stops[at] = stop
    walk.loads[at] = loadsBefore.includes(at) ? 1 : 0
  }
  const cost = walk.cost(vehicle, stops.length)
  const startsAt = walk.latestStart(vehicle, stops.length)
  const { breaks } = model.types[vehicle]!
  const legs = legsOf(model, route)
  const taken = breaks.length === 0 ? [] : breaksByLeg(breaks, legs, startsAt)
  const begins: number[] = []
  const loadings: number[] = []
  const pauses: TakenBreak[] = []
  let clock = startsAt
  for (const [nth, leg] of legs.entries()) {
    let arrival = clock + leg.way
    for (const number of taken[nth] ?? []) {
      const pause = breaks[number]!
      const begin = Math.max(clock, pause.earliest)
      pauses.push({ nth: number, before: leg.before, beforeLoading: leg.isLoading, startsAt: begin })
      clock = begin + pause.duration
      arrival = Math.max(arrival, pause.earliest) + pause.duration
    }
    const begin = Math.max(arrival, leg.opens)
    if (leg.isLoading) loadings.push(begin)
    else if (leg.before < stops.length) begins.push(begin)
    clock = begin + leg.takes
  }
  return { ...route, startsAt, endsAt: clock, begins, loadings, breaks: pauses, cost }
}

function legsOf(model: Model, { vehicle, stops, loadsBefore }: RouteStops): Leg[] {
  const type = model.types[vehicle]!
  const { timeOut } = model.matrices[type.profile]!
  const depot = model.place[model.stops + 2 * vehicle]!
  const legs: Leg[] = []
  let from = depot
  const to = (place: number): number => {
    const way = timeOut[from * model.size + place]!
    from = place
    return way
  }
  for (const [at, stop] of stops.entries()) {
    if (loadsBefore.includes(at)) {
      const nextLoading = loadsBefore.find((other) => other > at) ?? stops.length
      const opens = stops.slice(at, nextLoading).reduce((latest, each) => Math.max(latest, model.release[each]!), 0)
      legs.push({ way: to(depot), before: at, isLoading: true, opens, closes: never, takes: type.reloadDuration })
    }
    const [opens, closes, takes] = [model.opens[stop]!, model.closes[stop]!, model.service[stop]!]
    legs.push({ way: to(model.place[stop]!), before: at, isLoading: false, opens, closes, takes })
  }
  const end = model.place[model.stops + 2 * vehicle + 1]!
  legs.push({ way: to(end), before: stops.length, isLoading: false, opens: 0, closes: type.shiftCloses, takes: 0 })
  return legs
}

/** Which breaks are taken on which leg so that the route ends soonest: forward by number of breaks taken, then back along what led there. */
function breaksByLeg(breaks: readonly Break[], legs: readonly Leg[], startsAt: number): number[][] {
  let times = [startsAt, ...breaks.map(({ latest }) => (startsAt > latest ? startsAt : never))]
  const cameFrom: number[][] = []
  for (const leg of legs) {
    const from = times.map(() => 0)
    const next = times.map((_, to) => {
      let least = never
      for (let state = 0; state <= to; state += 1) {
        const ends = endOfLeg(breaks.slice(state, to), leg, times[state]!)
        if (ends < least) {
          least = ends
          from[to] = state
        }
      }
      return least
    })
    cameFrom.push(from)
    times = next
  }
  let state = 0
  let least = never
  for (const [taken, ends] of times.entries()) {
    if (ends < least && ends <= (breaks[taken]?.latest ?? never)) {
      least = ends
      state = taken
    }
  }
  const byLeg: number[][] = legs.map(() => [])
  for (let nth = legs.length - 1; nth >= 0; nth -= 1) {
    const before = cameFrom[nth]![state]!
    for (let number = before; number < state; number += 1) byLeg[nth]!.push(number)
    state = before
  }
  return byLeg
}

function endOfLeg(pauses: readonly Break[], leg: Leg, leaves: number): number {
  let clock = leaves
  let arrival = leaves + leg.way
  for (const { earliest, latest, duration } of pauses) {
    const begins = Math.max(clock, earliest)
    if (begins > latest) return never
    clock = begins + duration
    arrival = Math.max(arrival, earliest) + duration
  }
  const begins = Math.max(arrival, leg.opens)
  return leaves >= never || begins > leg.closes ? never : begins + leg.takes
}
