import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { ArrivalModel } from './arrival/model.ts'
import type { Standing } from './fold.ts'
import { type StoredProjection, unpackStanding } from './projection.ts'

export interface LaneDistance {
  readonly from: string
  readonly to: string
  readonly distanceKm: number
}

const putLaneRows = statement(
  'tracking.put_lanes',
  `insert into tracking.lane (lane_from, lane_to, distance_km)
   select * from unnest($1::text[], $2::text[], $3::real[]) as asked (lane_from, lane_to, distance_km) order by lane_from, lane_to
   on conflict (lane_from, lane_to) do update set distance_km = excluded.distance_km`,
)
/** Writes distances; each lane at most once. */
export const putLanes = (context: WriteContext, lanes: readonly LaneDistance[]) =>
  context.query(putLaneRows, [lanes.map(({ from }) => from), lanes.map(({ to }) => to), lanes.map(({ distanceKm }) => distanceKm)])

const selectLanes = statement<LaneDistance>(
  'tracking.lanes',
  `select lane.lane_from as "from", lane.lane_to as "to", distance_km as "distanceKm"
   from unnest($1::text[], $2::text[]) as asked (lane_from, lane_to) join tracking.lane using (lane_from, lane_to)`,
)
export const lanesOf = (context: ReadContext, lanes: readonly { readonly from: string; readonly to: string }[]) =>
  context.query(selectLanes, [lanes.map(({ from }) => from), lanes.map(({ to }) => to)])

export interface PastShipment {
  readonly id: number
  readonly from: string | null
  readonly to: string | null
  readonly distanceKm: number | null
  readonly createdAt: Date
  readonly standing: Standing
}

const pastColumns = `shipment.id, shipment.lane_from as "from", shipment.lane_to as "to", distance_km as "distanceKm", created_at as "createdAt",
  projection`
const lanes = 'left join tracking.lane on lane.lane_from = shipment.lane_from and lane.lane_to = shipment.lane_to'
const selectNext = statement<{ id: number; createdAt: Date }>(
  'tracking.next_shipment',
  `select id, created_at as "createdAt" from tracking.shipment where id >= $1 order by id limit 1`,
)
const selectLast = statement<{ id: number }>('tracking.last_shipment', `select id from tracking.shipment order by id desc limit 1`)
const selectSample = statement<Omit<PastShipment, 'standing'> & { projection: StoredProjection }>(
  'tracking.sample_shipments',
  `select ${pastColumns} from tracking.shipment ${lanes} where shipment.id = any($1::bigint[]) and merged_into is null order by shipment.id`,
)

const pageSize = 2_000

/**
 * At most `most` shipments that were opened since an instant, spread evenly over all of them. The first of them is found by halving, since
 * ids rise with time; no index on the time has to be kept for it.
 */
export async function sampleShipments(context: ReadContext, since: Date, most: number): Promise<PastShipment[]> {
  const [last] = await context.query(selectLast)
  if (last === undefined) return []
  let [low, high] = [1, last.id]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [next] = await context.query(selectNext, [middle])
    if (next === undefined || next.createdAt >= since) high = middle
    else low = Math.min(next.id + 1, high)
  }
  const step = Math.max(1, (last.id - low + 1) / most)
  const ids = Array.from({ length: Math.ceil((last.id - low + 1) / step) }, (_, n) => Math.floor(low + n * step))
  const found: PastShipment[] = []
  for (let from = 0; from < ids.length; from += pageSize)
    for (const { projection, ...row } of await context.query(selectSample, [ids.slice(from, from + pageSize)]))
      found.push({ ...row, standing: unpackStanding(projection) })
  return found.filter(({ createdAt }) => createdAt >= since)
}

const insertModel = statement<{ id: number }>(
  'tracking.insert_arrival_model',
  `with model as (
     insert into tracking.arrival_model (until_at, shipments, cases, utc_offset_minutes, fitted_at)
     values ($1, $2::integer, $3::integer, $4::integer, $5) returning id
   ), cells as (
     insert into tracking.arrival_cell (model_id, key, worth, days)
     select model.id, key, worth, days::real[] from model, unnest($6::text[], $7::real[], $8::text[]) as cell (key, worth, days)
   )
   select id from model`,
)
const dropModels = statement(
  'tracking.drop_arrival_models',
  `with gone as (
     delete from tracking.arrival_model where id <= (select id from tracking.arrival_model order by id desc offset $1::integer limit 1) returning id
   )
   delete from tracking.arrival_cell using gone where arrival_cell.model_id = gone.id`,
)

/** A fortnight of daily models: as long as people ask why something was told. */
const modelsKept = 14

/** Keeps a model under a new version and drops the oldest ones. */
export async function keepModel(context: WriteContext, model: ArrivalModel, shipments: number): Promise<number> {
  const cells = Object.entries(model.cells)
  const shifts = Object.entries(model.weekdayShifts)
  const [row] = await context.query(insertModel, [
    new Date(model.until),
    shipments,
    model.cases,
    model.utcOffsetMinutes,
    context.now,
    [...cells.map(([key]) => key), ...shifts.map(([key]) => key)],
    [...cells.map(([, { worth }]) => worth), ...shifts.map(() => 0)],
    [...cells.map(([, { quantiles }]) => `{${quantiles.join(',')}}`), ...shifts.map(([, days]) => `{${days}}`)],
  ])
  context.defer(dropModels, [modelsKept])
  return row?.id ?? 0
}

export interface ModelRow {
  readonly id: number
  readonly untilAt: Date
  readonly shipments: number
  readonly cases: number
  readonly utcOffsetMinutes: number
  readonly fittedAt: Date
}
const selectModels = statement<ModelRow>(
  'tracking.arrival_models',
  `select id, until_at as "untilAt", shipments, cases, utc_offset_minutes as "utcOffsetMinutes", fitted_at as "fittedAt"
   from tracking.arrival_model order by id desc limit $1::integer`,
)
/** Newest first. */
export const modelsOf = (context: ReadContext, most: number) => context.query(selectModels, [most])

const selectCells = statement<{ key: string; worth: number; days: number[] }>(
  'tracking.arrival_cells',
  `select key, worth, days from tracking.arrival_cell where model_id = $1 and key = any($2::text[])`,
)
export const cellsOf = (context: ReadContext, modelId: number, keys: readonly string[]) => context.query(selectCells, [modelId, keys])
