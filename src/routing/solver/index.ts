export { checkPlan, type Verdict } from './checker.ts'
export { byFutures, type DispatchPolicy, type FuturesOptions, greedy, lazy, type PlayedWave, playDay } from './dispatch.ts'
export { type DispatchDay, dispatchDay } from './dispatch-day.ts'
export { type Instance, InstanceError, problemOf, tenths } from './instance.ts'
export { readSolutionCost, readVrplib } from './vrplib.ts'
export type { Plan, PlanRoute, RouteStops, TakenBreak, UnassignedStop } from './plan.ts'
export {
  type Break,
  defineProblem,
  endOfTime,
  type LockedPrefix,
  longestWay,
  type Problem,
  ProblemError,
  type ProblemInput,
  type Stop,
  type StopInput,
  type Travel,
  type VehicleType,
  type VehicleTypeInput,
} from './problem.ts'
export type { UnassignedReason } from './reasons.ts'
export { readSolomon } from './solomon.ts'
export { type ClusterTask, SolverThreads } from './solve-many.ts'
export { solve, type SolveOptions } from './solve.ts'
export { type GeoPoint, greatCircleTravel, type SpeedProfile, type TableRows, tableTravel, vanInTown } from './travel.ts'
