import type { UnassignedReason } from './reasons.ts'

/** A plan: which vehicle makes which stops, when, at what cost; and what is left out, with the reason in numbers. */
export interface Plan {
  readonly routes: readonly PlanRoute[]
  readonly unassigned: readonly UnassignedStop[]
  /** All routes, moves and what is left out. */
  readonly cost: number
  /** How often routes were ruined and made anew. */
  readonly iterations: number
}

/** Which stops, in order; all that a plan decides about a vehicle. */
export interface RouteStops {
  readonly vehicle: number
  readonly stops: readonly number[]
  /** Numbers (from 0) of those stops before which the vehicle loads again. */
  readonly loadsBefore: readonly number[]
}

export interface PlanRoute extends RouteStops {
  readonly startsAt: number
  readonly endsAt: number
  /** When service begins, for each stop. */
  readonly begins: readonly number[]
  /** When each loading between two trips begins. */
  readonly loadings: readonly number[]
  readonly breaks: readonly TakenBreak[]
  readonly cost: number
}

/** A break on the way to stop number `before` of the route (to the depot when a loading comes first, which `beforeLoading` says); the way to the end has the number of stops. */
export interface TakenBreak {
  readonly nth: number
  readonly before: number
  readonly beforeLoading: boolean
  readonly startsAt: number
}

export interface UnassignedStop {
  readonly stop: number
  /** The vehicles that came closest, the closest first. */
  readonly reasons: readonly UnassignedReason[]
}
