import type { ContextDatabase, ReadContext, WriteContext } from '#platform/database.ts'
import { type AssignWaybill, assignWaybills, type RetryUnassigned, retryUnassigned } from './assign-waybills.ts'
import { checkRouting } from './check.ts'
import { type CommitAssignment, commitAssignments } from './commit-assignments.ts'
import { openCapacity } from './capacity/index.ts'
import { type ChangeRoute, changeRoutes } from './change-routes.ts'
import { type MoveAssignment, moveAssignments } from './move-assignments.ts'
import { openPlanWorkers } from './plan-workers.ts'
import { openRoads, type RoadService } from './roads.ts'
import { runOperations } from './run-operations.ts'
import { openRuns } from './runs.ts'
import { openOperations } from './operations.ts'
import { type ReleaseAssignment, releaseAssignments } from './release-assignments.ts'
import { assignmentsByOrder } from './routing-store.ts'
import { followReady, type SetReady, setReady } from './set-ready.ts'

export type { ReasonCode } from './assign.ts'
export type { AssignedWaybill, AssignWaybill, Retried, RetryUnassigned } from './assign-waybills.ts'
export type { LawReport } from './check.ts'
export type { ChangeRoute } from './change-routes.ts'
export type { MoveAssignment } from './move-assignments.ts'
export { type DayToPlan, planDay } from './plan-day.ts'
export { openPlanWorkers, type PlanWorkers } from './plan-workers.ts'
export type { SlotPlan, ZonePicture } from './plan-zone.ts'
export type { FinishedRun, RunPlan } from './runs.ts'
export type { RoadService } from './roads.ts'
export { verifyRoutes, type WrittenRoute } from './verify-routes.ts'
export type { CommitAssignment, CommittedAssignment } from './commit-assignments.ts'
export { routingEventTypes, type RoutingAssigned, type RoutingReadyWeighed, type RoutingUnassigned } from './events.ts'
export type {
  HeldPlaces,
  HoldPlaces,
  ImportedZones,
  ImportZones,
  KeepPlaces,
  PutDepot,
  PutQuota,
  PutSlot,
  PutVehicle,
  PutWeeklyQuota,
  PutWeeklySlot,
  SkuType,
} from './capacity/index.ts'
export { assignmentLifeCycle, type AssignmentState, routeLifeCycle, type RouteState } from './lifecycle.ts'
export { type CityPlan, type MadeCity, madeCity } from './capacity/index.ts'
export type { ReleaseAssignment, ReleasedAssignment } from './release-assignments.ts'
export type { StoredAssignment } from './routing-store.ts'
export { type GeoPoint, tableTravel, type Travel } from './solver/index.ts'

/**
 * Zones, slots, quotas, trucks and routes: where each waybill rides, or why it waits. Every function works in the transaction of
 * the context it is given, takes any number of commands and answers each; repeating a command has no second effect.
 */
export interface RoutingDeps {
  /** For runs of the planner, which are many transactions. */
  readonly database: ContextDatabase
  /** Threads that plan; 2 unless told. */
  readonly workers?: number
  /** Ways by road for runs; without it they are great circles. */
  readonly roads?: RoadService
}

export function openRouting({ database, workers = 2, roads }: RoutingDeps) {
  const { zones, operations, ...capacity } = openCapacity()
  const runs = openRuns({
    database,
    zones,
    workers: openPlanWorkers(workers),
    roads: roads === undefined ? null : { live: openRoads(roads, 'live'), shadow: openRoads(roads, 'shadow') },
    retry: (context, page) => retryUnassigned(context, page, zones),
  })
  return {
    ...capacity,
    operations: [...operations, ...openOperations(zones), ...runOperations(zones, runs)],
    /** Runs of ADRA; `workDue` is a round. */
    runs,
    assignWaybills: (context: WriteContext, commands: readonly AssignWaybill[]) => assignWaybills(context, commands, zones),
    commitAssignments: (context: WriteContext, commands: readonly CommitAssignment[]) => commitAssignments(context, commands),
    releaseAssignments: (context: WriteContext, commands: readonly ReleaseAssignment[]) => releaseAssignments(context, commands, zones),
    retryUnassigned: (context: WriteContext, command: RetryUnassigned) => retryUnassigned(context, command, zones),
    changeRoutes: (context: WriteContext, commands: readonly ChangeRoute[]) => changeRoutes(context, commands),
    moveAssignments: (context: WriteContext, commands: readonly MoveAssignment[]) => moveAssignments(context, commands, zones),
    setReady: (context: WriteContext, commands: readonly SetReady[]) => setReady(context, commands, zones),
    /** What waybills told; it is answered by `routing.ready_weighed`. */
    followReady: (context: WriteContext, commands: readonly (SetReady & { attempt: number })[]) => followReady(context, commands, zones),
    assignmentsOfOrders: (context: ReadContext, orderIds: readonly number[]) => assignmentsByOrder(context, orderIds),
    check: (context: ReadContext) => checkRouting(context),
  }
}

export type Routing = ReturnType<typeof openRouting>
