import { type ReadContext, statement } from '#platform/database.ts'
import type { ReasonCode } from './assign.ts'
import type { Load, SkuType } from './capacity/index.ts'
import type { AssignmentState } from './lifecycle.ts'

/** A waybill's attempt as it was asked for. */
export interface AskedAssignment extends Load {
  readonly waybillId: number
  readonly attempt: number
  readonly orderId: number
  readonly skuType: SkuType
  readonly lat: number | null
  readonly lng: number | null
  readonly postcode: string
  readonly asked: { readonly date: string; readonly code: string } | null
  /** When its goods are at the depot; null: they are there. */
  readonly readyAt: Date | null
}

export interface StoredAssignment extends AskedAssignment {
  readonly state: AssignmentState
  /** When they will be, where that is too late for its truck, which then goes by `readyAt`. */
  readonly lateReadyAt: Date | null
  readonly zoneId: number | null
  readonly date: string | null
  readonly slotCode: string | null
  readonly quotaId: number | null
  readonly routeId: number | null
  readonly vehicleId: number | null
  /** Of the route: its zone, which may be one that helps out. */
  readonly routeZoneId: number | null
  readonly reasonCode: ReasonCode | null
  readonly reason: string | null
  /** Of the slot that it has. */
  readonly cutOffAt: Date | null
}

interface AssignmentRow {
  waybill_id: number
  attempt: number
  order_id: number
  state: AssignmentState
  sku_type: SkuType
  weight_grams: number
  volume_ml: number
  pieces: number
  lat: number | null
  lng: number | null
  postcode: string
  asked_date: string | null
  asked_slot: string | null
  ready_at: Date | null
  late_ready_at: Date | null
  zone_id: number | null
  date: string | null
  slot_code: string | null
  quota_id: number | null
  route_id: number | null
  vehicle_id: number | null
  route_zone_id: number | null
  reason_code: ReasonCode | null
  reason: string | null
  cut_off_at: Date | null
}

const assignmentColumns = `assignment.waybill_id, attempt, order_id, assignment.state, sku_type, assignment.weight_grams, assignment.volume_ml,
  assignment.pieces, lat, lng, postcode, asked_date, asked_slot, ready_at, late_ready_at, assignment.zone_id, assignment.date, assignment.slot_code, quota_id, route_id,
  route.vehicle_id, route.zone_id as route_zone_id, reason_code, reason,
  (select cut_off_at from routing.slot where slot.zone_id = assignment.zone_id and slot.date = assignment.date and slot.code = assignment.slot_code) as cut_off_at`

function assignmentOf(row: AssignmentRow): StoredAssignment {
  return {
    waybillId: row.waybill_id,
    attempt: row.attempt,
    orderId: row.order_id,
    state: row.state,
    skuType: row.sku_type,
    weightGrams: row.weight_grams,
    volumeMl: row.volume_ml,
    pieces: row.pieces,
    lat: row.lat,
    lng: row.lng,
    postcode: row.postcode,
    asked: row.asked_date === null || row.asked_slot === null ? null : { date: row.asked_date, code: row.asked_slot },
    readyAt: row.ready_at,
    lateReadyAt: row.late_ready_at,
    zoneId: row.zone_id,
    date: row.date,
    slotCode: row.slot_code,
    quotaId: row.quota_id,
    routeId: row.route_id,
    vehicleId: row.vehicle_id,
    routeZoneId: row.route_zone_id,
    reasonCode: row.reason_code,
    reason: row.reason,
    cutOffAt: row.cut_off_at,
  }
}

const selectByWaybill = statement<AssignmentRow>(
  'routing.assignments_by_waybill',
  `select ${assignmentColumns} from routing.assignment left join routing.route on route.id = route_id
   where waybill_id = any($1::bigint[]) order by waybill_id, attempt`,
)

export async function assignmentsByWaybill(context: ReadContext, waybillIds: readonly number[]): Promise<StoredAssignment[]> {
  return (await context.query(selectByWaybill, [[...new Set(waybillIds)]])).map(assignmentOf)
}

const selectByOrder = statement<AssignmentRow>(
  'routing.assignments_by_order',
  `select ${assignmentColumns} from routing.assignment left join routing.route on route.id = route_id
   where order_id = any($1::bigint[]) order by waybill_id, attempt`,
)

export async function assignmentsByOrder(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, StoredAssignment[]>> {
  const found = new Map<number, StoredAssignment[]>(orderIds.map((orderId) => [orderId, []]))
  for (const row of await context.query(selectByOrder, [orderIds])) found.get(row.order_id)?.push(assignmentOf(row))
  return found
}

const selectWaiting = statement<AssignmentRow>(
  'routing.waiting_assignments',
  `select ${assignmentColumns} from routing.assignment left join routing.route on route.id = route_id
   where assignment.state = 'waiting' and waybill_id > $1 and ($2::text[] is null or reason_code = any($2::text[]))
     and ($4::bigint[] is null or assignment.zone_id = any($4::bigint[]))
   order by waybill_id limit $3`,
)

export async function waitingAssignments(
  context: ReadContext,
  page: { after: number; reasonCodes: readonly ReasonCode[] | null; limit: number; zoneIds: readonly number[] | null },
): Promise<StoredAssignment[]> {
  return (await context.query(selectWaiting, [page.after, page.reasonCodes, page.limit, page.zoneIds])).map(assignmentOf)
}
