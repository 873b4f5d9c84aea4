import type { ReadContext, WriteContext } from '#platform/database.ts'
import { type AssignWaybill, assignWaybills, type RetryUnassigned, retryUnassigned } from './assign-waybills.ts'
import { checkRouting } from './check.ts'
import { type CommitAssignment, commitAssignments } from './commit-assignments.ts'
import { type ImportZones, importZones } from './import-zones.ts'
import { openOperations } from './operations.ts'
import { type PutQuota, putQuotas, type PutSlot, putSlots, type PutVehicle, putVehicles } from './put-capacity.ts'
import { type ReleaseAssignment, releaseAssignments } from './release-assignments.ts'
import { assignmentsByOrder, openZoneCache } from './routing-store.ts'

export type { ReasonCode, SkuType } from './assign.ts'
export type { AssignedWaybill, AssignWaybill, Retried, RetryUnassigned } from './assign-waybills.ts'
export type { LawReport } from './check.ts'
export type { CommitAssignment, CommittedAssignment } from './commit-assignments.ts'
export { routingEventTypes, type RoutingAssigned, type RoutingUnassigned } from './events.ts'
export type { ImportedZones, ImportZones } from './import-zones.ts'
export { assignmentLifeCycle, type AssignmentState } from './lifecycle.ts'
export { type CityPlan, type MadeCity, madeCity } from './made-city.ts'
export type { PutQuota, PutSlot, PutVehicle } from './put-capacity.ts'
export type { ReleaseAssignment, ReleasedAssignment } from './release-assignments.ts'
export type { StoredAssignment } from './routing-store.ts'
export { type GeoPoint, tableTravel, type Travel } from './solver/index.ts'

/**
 * Zones, slots, quotas, trucks and routes: where each waybill rides, or why it waits. Every function works in the transaction of
 * the context it is given, takes any number of commands and answers each; repeating a command has no second effect.
 */
export function openRouting() {
  const zones = openZoneCache()
  return {
    operations: openOperations(zones),
    assignWaybills: (context: WriteContext, commands: readonly AssignWaybill[]) => assignWaybills(context, commands, zones),
    commitAssignments: (context: WriteContext, commands: readonly CommitAssignment[]) => commitAssignments(context, commands),
    releaseAssignments: (context: WriteContext, commands: readonly ReleaseAssignment[]) => releaseAssignments(context, commands),
    retryUnassigned: (context: WriteContext, command: RetryUnassigned) => retryUnassigned(context, command, zones),
    importZones: (context: WriteContext, commands: readonly ImportZones[]) => importZones(context, commands),
    putSlots: (context: WriteContext, commands: readonly PutSlot[]) => putSlots(context, commands),
    putVehicles: (context: WriteContext, commands: readonly PutVehicle[]) => putVehicles(context, commands),
    putQuotas: (context: WriteContext, commands: readonly PutQuota[]) => putQuotas(context, commands),
    assignmentsOfOrders: (context: ReadContext, orderIds: readonly number[]) => assignmentsByOrder(context, orderIds),
    check: (context: ReadContext) => checkRouting(context),
  }
}

export type Routing = ReturnType<typeof openRouting>
