import { type ReadContext, statement } from '#platform/database.ts'
import { type Cell, type FleetFacts, type Held, type Route, slotKey } from './assign.ts'
import { dateAfter, type Load, type SkuType } from './capacity/index.ts'
import type { TruckTime, Vehicle } from './fleet.ts'
import type { RouteState } from './lifecycle.ts'

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

/** Columns of a truck, of any table that has joined it and its depot. */
export const vehicleColumns = `vehicle.id as vehicle_id, vehicle.code as vehicle_code, vehicle.type, vehicle.weight_grams as truck_weight,
  vehicle.volume_ml as truck_volume, vehicle.pieces as truck_pieces, vehicle.depot_id, depot.lat as depot_lat, depot.lng as depot_lng,
  vehicle.trip_cost, vehicle.km_cost`

export interface VehicleRow {
  vehicle_id: number
  vehicle_code: string
  type: SkuType
  truck_weight: number
  truck_volume: number
  truck_pieces: number
  depot_id: number | null
  depot_lat: number | null
  depot_lng: number | null
  trip_cost: number
  km_cost: number
}

export const vehicleOf = (row: VehicleRow, shifts: Vehicle['shifts'] = null): Vehicle => ({
  vehicleId: row.vehicle_id,
  code: row.vehicle_code,
  type: row.type,
  weightGrams: row.truck_weight,
  volumeMl: row.truck_volume,
  pieces: row.truck_pieces,
  depotId: row.depot_id,
  base: row.depot_lat === null || row.depot_lng === null ? null : { lat: row.depot_lat, lng: row.depot_lng },
  tripCost: row.trip_cost,
  kmCost: row.km_cost,
  shifts,
})

export interface RouteRow extends VehicleRow {
  id: number
  version: number
  zone_id: number
  date: string
  slot_code: string
  state: RouteState
  starts_at: Date
  ends_at: Date
  leaves_at: Date
  returns_at: Date
  weight_capacity_grams: number
  volume_capacity_ml: number
  pieces_capacity: number
  weight_grams: number
  volume_ml: number
  pieces: number
  frozen: number
  path: string
}

const columnsWith = (
  path: string,
): string => `route.id, route.version, route.zone_id, route.date, route.slot_code, route.state, route.starts_at, route.ends_at,
  route.leaves_at, route.returns_at, route.weight_capacity_grams, route.volume_capacity_ml, route.pieces_capacity, route.weight_grams,
  route.volume_ml, route.pieces, route.frozen, ${path}, ${vehicleColumns}`
export const routeColumns = columnsWith('route.path::text')

const selectRoutes = statement<RouteRow>(
  'routing.routes_of_slots',
  `select ${routeColumns}
   from unnest($1::bigint[], $2::text[], $3::text[]) as slot (zone_id, date, code)
   join routing.route on route.date = slot.date and route.zone_id = slot.zone_id and route.slot_code = slot.code
   join routing.vehicle on vehicle.id = route.vehicle_id left join routing.depot on depot.id = vehicle.depot_id
   where route.leaves_at is not null`,
)

export const routeOf = (row: RouteRow): Route => ({
  routeId: row.id,
  version: row.version,
  zoneId: row.zone_id,
  date: row.date,
  code: row.slot_code,
  open: row.state === 'open',
  vehicle: vehicleOf(row),
  capacity: { weightGrams: row.weight_capacity_grams, volumeMl: row.volume_capacity_ml, pieces: row.pieces_capacity },
  load: { weightGrams: row.weight_grams, volumeMl: row.volume_ml, pieces: row.pieces },
  times: { from: row.leaves_at.getTime() / 1000, to: row.returns_at.getTime() / 1000 },
  startsAt: row.starts_at,
  endsAt: row.ends_at,
  frozen: row.frozen,
  path: row.path,
})

/** Open routes of a slot and kind of truck that the waybills of one batch are tried on: those with room, and full ones that may get a larger truck. */
const mostTried = { withRoom: 6, full: 2 } as const

// Those that take even the largest waybill of the batch go first, or it would depend on its company. Of them those with the fewest stops have the most time left: new ones, and those that lost some. With the stops of all of them a batch would read a
// megabyte once its slots have filled dozens of trucks, and unpacking the stops is most of the work.
const selectRoutesToTry = statement<RouteRow & { tried: boolean }>(
  'routing.routes_to_try',
  `select ${columnsWith(`case when route.tried then route.path::text else '[]' end as path`)}, route.tried
   from (
     select ranked.*, ranked.state = 'open' and case when ranked.roomy then ranked.place <= ${mostTried.withRoom}
       else $7 and ranked.place <= ${mostTried.full} end as tried
     from (
       select route.*, fit.roomy,
         row_number() over (partition by route.zone_id, route.date, route.slot_code, vehicle.type, route.state, fit.roomy
           order by fit.ample desc, route.stops, route.id desc) as place
       from unnest($1::bigint[], $2::text[], $3::text[]) as slot (zone_id, date, code)
       join routing.route on route.date = slot.date and route.zone_id = slot.zone_id and route.slot_code = slot.code
       join routing.vehicle on vehicle.id = route.vehicle_id
       cross join lateral (select route.weight_grams + $4 <= route.weight_capacity_grams and route.volume_ml + $5 <= route.volume_capacity_ml
         and route.pieces + $6 <= route.pieces_capacity as roomy, route.weight_grams + $8 <= route.weight_capacity_grams
         and route.volume_ml + $9 <= route.volume_capacity_ml and route.pieces + $10 <= route.pieces_capacity as ample) as fit
       where route.leaves_at is not null
     ) as ranked
   ) as route
   join routing.vehicle on vehicle.id = route.vehicle_id left join routing.depot on depot.id = vehicle.depot_id
   where route.tried or $7`,
)

/**
 * Routes that waybills from `least` to `most` in size are tried on. With `all`, those that are not tried come along without their stops, as if
 * closed: they count where trucks of a slot are limited.
 */
export async function loadRoutesToTry(
  context: ReadContext,
  cells: readonly Pick<Cell, 'zoneId' | 'date' | 'code'>[],
  { least, most, all }: { least: Load; most: Load; all: boolean },
): Promise<Route[]> {
  const slots = slotsOf(cells)
  if (slots.length === 0) return []
  const rows = await context.query(selectRoutesToTry, [
    ...columnsOf(slots),
    least.weightGrams,
    least.volumeMl,
    least.pieces,
    all,
    most.weightGrams,
    most.volumeMl,
    most.pieces,
  ])
  return rows.map((row) => ({ ...routeOf(row), open: row.tried }))
}

const slotsOf = (cells: readonly Pick<Cell, 'zoneId' | 'date' | 'code'>[]) => [
  ...new Map(cells.map((cell) => [slotKey(cell), cell])).values(),
]
const columnsOf = (slots: readonly Pick<Cell, 'zoneId' | 'date' | 'code'>[]) => [
  slots.map((slot) => slot.zoneId),
  slots.map((slot) => slot.date),
  slots.map((slot) => slot.code),
]

/** Routes that take a truck in the slots of the cells. */
export async function loadRoutes(context: ReadContext, cells: readonly Pick<Cell, 'zoneId' | 'date' | 'code'>[]): Promise<Route[]> {
  const slots = slotsOf(cells)
  if (slots.length === 0) return []
  return (await context.query(selectRoutes, columnsOf(slots))).map(routeOf)
}

const selectById = statement<RouteRow>(
  'routing.route_rows_by_id',
  `select ${routeColumns} from routing.route join routing.vehicle on vehicle.id = route.vehicle_id
   left join routing.depot on depot.id = vehicle.depot_id where route.id = any($1::bigint[]) and route.leaves_at is not null order by route.id`,
)

export const loadRoutesById = (context: ReadContext, routeIds: readonly number[]): Promise<RouteRow[]> =>
  context.query(selectById, [[...new Set(routeIds)]])

const selectVehicles = statement<VehicleRow & { dates: string; starts: string; ends: string }>(
  'routing.active_vehicles',
  `select ${vehicleColumns}, coalesce(shift.dates, '[]')::text as dates, coalesce(shift.starts, '[]')::text as starts, coalesce(shift.ends, '[]')::text as ends
   from routing.vehicle left join routing.depot on depot.id = vehicle.depot_id
   left join lateral (
     select json_agg(date) as dates, json_agg(extract(epoch from opens)) as starts,
       json_agg(extract(epoch from case when closes <= opens then closes + interval '1 day' else closes end)) as ends
     from (select date, (date || ' ' || shift_starts_at)::timestamp at time zone coalesce(depot.time_zone, 'UTC') as opens,
       (date || ' ' || shift_ends_at)::timestamp at time zone coalesce(depot.time_zone, 'UTC') as closes from unnest($1::text[]) as day (date)) as day
     where shift_starts_at is not null
   ) as shift on true
   where active`,
)
const selectBusy = statement<{ vehicle_id: number; leaves_at: Date; returns_at: Date }>(
  'routing.busy_vehicles',
  'select vehicle_id, leaves_at, returns_at from routing.route where date = any($1::text[]) and leaves_at is not null',
)
const selectLimits = statement<{ zone_id: number; date: string; slot_code: string; sku_type: SkuType; trucks: number }>(
  'routing.truck_limits',
  'select zone_id, date, slot_code, sku_type, trucks from routing.quota where date = any($1::text[]) and zone_id = any($2::bigint[]) and trucks is not null',
)

/** All trucks with their shifts of the dates, when they are out, and how many a slot may have. */
export async function loadFleet(context: ReadContext, days: { dates: readonly string[]; zoneIds: readonly number[] }): Promise<FleetFacts> {
  const dates = [...new Set(days.dates)]
  const vehicles = await context.query(selectVehicles, [dates])
  // A day more on both sides: a trip into an early slot overlaps one of the date before, in zones far apart.
  const near = [...new Set(dates.flatMap((date) => [dateAfter(date, -1), date, dateAfter(date, 1)]))]
  const busy = await context.query(selectBusy, [near])
  const limits = await context.query(selectLimits, [dates, [...new Set(days.zoneIds)]])
  return {
    vehicles: vehicles.map((row) => vehicleOf(row, shiftsOf(row))),
    busy: busy.map(
      ({ vehicle_id, leaves_at, returns_at }): TruckTime => ({
        vehicleId: vehicle_id,
        from: leaves_at.getTime() / 1000,
        to: returns_at.getTime() / 1000,
      }),
    ),
    limits: new Map(limits.map((row) => [`${row.zone_id} ${row.date} ${row.slot_code} ${row.sku_type}`, row.trucks])),
  }
}

function shiftsOf({ dates, starts, ends }: { dates: string; starts: string; ends: string }): Vehicle['shifts'] {
  const [days, from, to] = [JSON.parse(dates) as string[], JSON.parse(starts) as number[], JSON.parse(ends) as number[]]
  return days.length === 0 ? null : new Map(days.map((date, at) => [date, { from: from[at] ?? 0, to: to[at] ?? 0 }]))
}
