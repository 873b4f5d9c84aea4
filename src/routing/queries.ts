import { type ReadContext, statement } from '#platform/database.ts'
import type { SkuType } from './assign.ts'

const selectAvailability = statement<{
  position: number
  date: string
  code: string
  starts_at: Date
  ends_at: Date
  cut_off_at: Date
  capacity: number
  used: number
}>(
  'routing.availability',
  `select asked.position::int, slot.date, slot.code, slot.starts_at, slot.ends_at, slot.cut_off_at, quota.capacity, quota.used
   from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) with ordinality as asked (zone_id, sku_type, from_date, to_date, position)
   join routing.slot on slot.zone_id = asked.zone_id and slot.date between asked.from_date and asked.to_date
   join routing.quota on quota.zone_id = slot.zone_id and quota.date = slot.date and quota.slot_code = slot.code and quota.sku_type = asked.sku_type
   order by asked.position, slot.starts_at, slot.code`,
)

export interface AvailabilityDemand {
  readonly zoneId: number
  readonly skuType: SkuType
  readonly from: string
  readonly to: string
}

export interface SlotAvailability {
  readonly date: string
  readonly code: string
  readonly startsAt: Date
  readonly endsAt: Date
  readonly cutOffAt: Date
  readonly capacity: number
  readonly left: number
  /** True while the cut-off is ahead and a place is left. */
  readonly open: boolean
}

export async function availabilityOf(context: ReadContext, demands: readonly AvailabilityDemand[]): Promise<SlotAvailability[][]> {
  const lists: SlotAvailability[][] = demands.map(() => [])
  const rows = await context.query(selectAvailability, [
    demands.map((demand) => demand.zoneId),
    demands.map((demand) => demand.skuType),
    demands.map((demand) => demand.from),
    demands.map((demand) => demand.to),
  ])
  for (const { position, date, code, starts_at, ends_at, cut_off_at, capacity, used } of rows) {
    const left = capacity - used
    const open = left > 0 && cut_off_at > context.now
    lists[position - 1]?.push({ date, code, startsAt: starts_at, endsAt: ends_at, cutOffAt: cut_off_at, capacity, left, open })
  }
  return lists
}

interface RouteRow {
  id: number
  zone_code: string
  date: string
  slot_code: string
  vehicle_code: string
  type: SkuType
  starts_at: Date
  ends_at: Date
  weight_capacity_grams: number
  volume_capacity_ml: number
  pieces_capacity: number
  weight_grams: number
  volume_ml: number
  pieces: number
  stops: number
  waybill_ids: string
}

const selectRoutes = statement<RouteRow>(
  'routing.routes_by_id',
  `select route.id, zone.code as zone_code, route.date, route.slot_code, vehicle.code as vehicle_code, vehicle.type, route.starts_at, route.ends_at,
     weight_capacity_grams, volume_capacity_ml, pieces_capacity, route.weight_grams, route.volume_ml, route.pieces, route.stops,
     (select coalesce(json_agg(waybill_id order by waybill_id), '[]')::text from routing.assignment where route_id = route.id and state = 'assigned') as waybill_ids
   from routing.route join routing.zone on zone.id = route.zone_id join routing.vehicle on vehicle.id = route.vehicle_id
   where route.id = any($1::bigint[])`,
)

export async function routesById(context: ReadContext, routeIds: readonly number[]) {
  const rows = await context.query(selectRoutes, [routeIds])
  return new Map(
    rows.map((row) => [
      row.id,
      {
        routeId: row.id,
        zoneCode: row.zone_code,
        date: row.date,
        slotCode: row.slot_code,
        vehicleCode: row.vehicle_code,
        vehicleType: row.type,
        startsAt: row.starts_at.toISOString(),
        endsAt: row.ends_at.toISOString(),
        load: { weightGrams: row.weight_grams, volumeMl: row.volume_ml, pieces: row.pieces, stops: row.stops },
        capacity: { weightGrams: row.weight_capacity_grams, volumeMl: row.volume_capacity_ml, pieces: row.pieces_capacity },
        waybillIds: JSON.parse(row.waybill_ids) as number[],
      },
    ]),
  )
}
