import { type ReadContext, statement } from '#platform/database.ts'
import type { Cell, Fleet, Held, ReasonCode, Route, Vehicle } from './assign.ts'
import type { Load, SkuType } from './capacity/index.ts'
import type { AssignmentState } from './lifecycle.ts'

export interface CellDemand {
  readonly zoneId: number
  readonly skuType: SkuType
  /** Null asks for the first open slots that have quota left. */
  readonly asked: { readonly date: string; readonly code: string } | null
}

interface CellRow {
  zone_id: number
  sku_type: SkuType
  date: string
  code: string
  starts_at: Date
  ends_at: Date
  cut_off_at: Date
  quota_id: number | null
  capacity: number | null
  used: number | null
}

const selectCells = statement<CellRow>(
  'routing.cells',
  `with demand as (select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) as demand (zone_id, sku_type, date, code))
   select slot.zone_id, demand.sku_type, slot.date, slot.code, slot.starts_at, slot.ends_at, slot.cut_off_at,
     quota.id as quota_id, quota.capacity, quota.used
   from demand
   join routing.slot on slot.zone_id = demand.zone_id and slot.date = demand.date and slot.code = demand.code
   left join routing.quota on quota.zone_id = slot.zone_id and quota.date = slot.date and quota.slot_code = slot.code
     and quota.sku_type = demand.sku_type
   where demand.date is not null
   union
   select free.* from demand
   cross join lateral (
     select slot.zone_id, quota.sku_type, slot.date, slot.code, slot.starts_at, slot.ends_at, slot.cut_off_at,
       quota.id, quota.capacity, quota.used
     from routing.slot
     -- With offset 0 each slot asks for its one quota by the whole key; joined freely, the planner read all quotas of a zone for each slot.
     cross join lateral (
       select * from routing.quota
       where quota.zone_id = slot.zone_id and quota.date = slot.date and quota.slot_code = slot.code and quota.sku_type = demand.sku_type
       offset 0
     ) as quota
     where slot.zone_id = demand.zone_id and slot.date between $5 and $6 and slot.cut_off_at > $7 and quota.used < quota.capacity
     order by slot.starts_at, slot.code limit $8
   ) as free
   where demand.date is null`,
)

export interface Horizon {
  readonly from: string
  readonly to: string
  readonly mostSlots: number
}

export async function loadCells(context: ReadContext, demands: readonly CellDemand[], horizon: Horizon): Promise<Cell[]> {
  if (demands.length === 0) return []
  const rows = await context.query(selectCells, [
    demands.map((demand) => demand.zoneId),
    demands.map((demand) => demand.skuType),
    demands.map((demand) => demand.asked?.date ?? null),
    demands.map((demand) => demand.asked?.code ?? null),
    horizon.from,
    horizon.to,
    context.now,
    horizon.mostSlots,
  ])
  return rows.map((row) => ({
    zoneId: row.zone_id,
    date: row.date,
    code: row.code,
    skuType: row.sku_type,
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    cutOffAt: row.cut_off_at,
    quota: row.quota_id === null ? null : { quotaId: row.quota_id, capacity: row.capacity ?? 0, used: row.used ?? 0 },
  }))
}

const selectHeld = statement<{ reference: string; order_id: number; quota_id: number; places: number }>(
  'routing.holds_of_orders',
  `select reference, order_id, quota_id, places from routing.place_hold
   where order_id = any($1::bigint[]) and expires_at > $2 order by reference, quota_id`,
)

export async function loadHeld(context: ReadContext, orderIds: readonly number[]): Promise<Held[]> {
  const rows = await context.query(selectHeld, [[...new Set(orderIds)], context.now])
  return rows.map(({ reference, order_id, quota_id, places }) => ({ reference, orderId: order_id, quotaId: quota_id, places }))
}

interface RouteRow {
  id: number
  zone_id: number
  date: string
  slot_code: string
  vehicle_id: number
  vehicle_code: string
  type: SkuType
  weight_room: number
  volume_room: number
  pieces_room: number
}

const selectRoutes = statement<RouteRow>(
  'routing.routes_with_room',
  `select route.id, route.zone_id, route.date, route.slot_code, route.vehicle_id, vehicle.code as vehicle_code, vehicle.type,
     route.weight_capacity_grams - route.weight_grams as weight_room, route.volume_capacity_ml - route.volume_ml as volume_room,
     route.pieces_capacity - route.pieces as pieces_room
   from unnest($1::bigint[], $2::text[], $3::text[]) as slot (zone_id, date, code)
   join routing.route on route.date = slot.date and route.zone_id = slot.zone_id and route.slot_code = slot.code
   join routing.vehicle on vehicle.id = route.vehicle_id
   where route.pieces < route.pieces_capacity`,
)

export async function loadRoutes(context: ReadContext, cells: readonly Cell[]): Promise<Route[]> {
  const slots = [...new Map(cells.map((cell) => [`${cell.zoneId} ${cell.date} ${cell.code}`, cell])).values()]
  if (slots.length === 0) return []
  const rows = await context.query(selectRoutes, [
    slots.map((slot) => slot.zoneId),
    slots.map((slot) => slot.date),
    slots.map((slot) => slot.code),
  ])
  return rows.map((row) => ({
    routeId: row.id,
    zoneId: row.zone_id,
    date: row.date,
    code: row.slot_code,
    vehicleId: row.vehicle_id,
    vehicleCode: row.vehicle_code,
    type: row.type,
    room: { weightGrams: row.weight_room, volumeMl: row.volume_room, pieces: row.pieces_room },
  }))
}

const selectVehicles = statement<{ id: number; code: string; type: SkuType; weight_grams: number; volume_ml: number; pieces: number }>(
  'routing.active_vehicles',
  'select id, code, type, weight_grams, volume_ml, pieces from routing.vehicle where active',
)
const selectBusy = statement<{ vehicle_id: number; starts_at: Date; ends_at: Date }>(
  'routing.busy_vehicles',
  'select vehicle_id, starts_at, ends_at from routing.route where date = any($1::text[])',
)

export async function loadFleet(context: ReadContext, dates: readonly string[]): Promise<Fleet> {
  const vehicles = await context.query(selectVehicles)
  const busy = await context.query(selectBusy, [[...new Set(dates)]])
  return {
    vehicles: vehicles.map(
      ({ id, code, type, weight_grams, volume_ml, pieces }): Vehicle => ({
        vehicleId: id,
        code,
        type,
        weightGrams: weight_grams,
        volumeMl: volume_ml,
        pieces,
      }),
    ),
    busy: busy.map(({ vehicle_id, starts_at, ends_at }) => ({ vehicleId: vehicle_id, startsAt: starts_at, endsAt: ends_at })),
  }
}

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
}

export interface StoredAssignment extends AskedAssignment {
  readonly state: AssignmentState
  readonly zoneId: number | null
  readonly date: string | null
  readonly slotCode: string | null
  readonly quotaId: number | null
  readonly routeId: number | null
  readonly vehicleId: number | null
  readonly reasonCode: ReasonCode | null
  readonly reason: string | null
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
  zone_id: number | null
  date: string | null
  slot_code: string | null
  quota_id: number | null
  route_id: number | null
  vehicle_id: number | null
  reason_code: ReasonCode | null
  reason: string | null
}

const assignmentColumns = `assignment.waybill_id, attempt, order_id, state, sku_type, assignment.weight_grams, assignment.volume_ml,
  assignment.pieces, lat, lng, postcode, asked_date, asked_slot, assignment.zone_id, assignment.date, assignment.slot_code, quota_id, route_id,
  route.vehicle_id, reason_code, reason`

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
    zoneId: row.zone_id,
    date: row.date,
    slotCode: row.slot_code,
    quotaId: row.quota_id,
    routeId: row.route_id,
    vehicleId: row.vehicle_id,
    reasonCode: row.reason_code,
    reason: row.reason,
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
   where state = 'waiting' and waybill_id > $1 and ($2::text[] is null or reason_code = any($2::text[]))
   order by waybill_id limit $3`,
)

export async function waitingAssignments(
  context: ReadContext,
  page: { after: number; reasonCodes: readonly ReasonCode[] | null; limit: number },
): Promise<StoredAssignment[]> {
  return (await context.query(selectWaiting, [page.after, page.reasonCodes, page.limit])).map(assignmentOf)
}
