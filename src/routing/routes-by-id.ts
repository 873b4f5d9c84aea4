import { type ReadContext, statement } from '#platform/database.ts'
import type { SkuType } from './capacity/index.ts'
import type { RouteState } from './lifecycle.ts'
import type { PathStop } from './path.ts'

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
  state: RouteState
  frozen: number
  leaves_at: Date | null
  returns_at: Date | null
  path: string
  why: string
}

const selectRoutes = statement<RouteRow>(
  'routing.routes_by_id',
  `select route.id, zone.code as zone_code, route.date, route.slot_code, vehicle.code as vehicle_code, vehicle.type, route.starts_at, route.ends_at,
     weight_capacity_grams, volume_capacity_ml, pieces_capacity, route.weight_grams, route.volume_ml, route.pieces, route.stops,
     route.state, route.frozen, route.leaves_at, route.returns_at, route.path::text, route.why,
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
        state: row.state,
        leavesAt: row.leaves_at?.toISOString() ?? null,
        returnsAt: row.returns_at?.toISOString() ?? null,
        frozen: row.frozen,
        why: row.why,
        stops: (JSON.parse(row.path) as PathStop[]).map(({ lat, lng, arrives, waybills }, at) => ({
          position: at + 1,
          lat,
          lng,
          arrivesAt: new Date(arrives * 1000).toISOString(),
          waybillIds: [...waybills],
        })),
      },
    ]),
  )
}
