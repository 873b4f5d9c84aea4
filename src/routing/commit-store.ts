import { invariant } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import type { Held } from './assign.ts'
import { type Load, tellQuotas } from './capacity/index.ts'
import type { RouteState } from './lifecycle.ts'
import type { PathStop } from './path.ts'
import { DecidedUnderneath } from './plan-store.ts'
import type { PlannedRoute, SlotPlan } from './plan-zone.ts'

/** A waybill as it stands when a plan is committed. */
export interface Standing extends Load {
  readonly waybillId: number
  readonly attempt: number
  readonly orderId: number
  readonly state: 'waiting' | 'assigned'
  readonly routeId: number | null
  readonly reason: string | null
}

export interface CommitFacts {
  readonly waybills: ReadonlyMap<number, Standing>
  readonly routes: ReadonlyMap<number, { readonly version: number; readonly state: RouteState }>
  /** Who rides now on each route of the plan. */
  readonly riders: ReadonlyMap<number, readonly number[]>
  readonly left: ReadonlyMap<number, number>
  readonly holds: readonly Held[]
  /** Trucks of new routes that are out on others by now. */
  readonly takenTrucks: ReadonlySet<number>
  readonly cutOffAt: Date
}

const lockWaybills = statement<{
  waybill_id: number
  attempt: number
  order_id: number
  state: 'waiting' | 'assigned'
  route_id: number | null
  reason: string | null
  weight_grams: number
  volume_ml: number
  pieces: number
}>(
  'routing.lock_planned_waybills',
  `select waybill_id, attempt, order_id, state, route_id, reason, weight_grams, volume_ml, pieces from routing.assignment
   where (waybill_id = any($1::bigint[]) or route_id = any($2::bigint[])) and state in ('waiting', 'assigned') order by waybill_id, attempt for update`,
)

const selectFacts = statement<{ routes: string; quotas: string; holds: string; taken: string; cut_off_at: Date }>(
  'routing.commit_facts',
  `select cut_off_at,
     (select coalesce(json_agg(json_build_array(id, version, state)), '[]')::text from routing.route where id = any($4::bigint[])) as routes,
     (select coalesce(json_agg(json_build_array(id, capacity - used)), '[]')::text from routing.quota where id = any($5::bigint[])) as quotas,
     (select coalesce(json_agg(json_build_object('reference', reference, 'orderId', order_id, 'quotaId', quota_id, 'places', places)
        order by reference, quota_id), '[]')::text
      from routing.place_hold where quota_id = any($5::bigint[]) and order_id is not null and expires_at > $6) as holds,
     (select coalesce(json_agg(distinct new.vehicle_id), '[]')::text
      from unnest($7::bigint[], $8::bigint[], $9::bigint[]) as new (vehicle_id, leaves, returns)
      join routing.route on route.vehicle_id = new.vehicle_id and route.leaves_at < to_timestamp(new.returns) and to_timestamp(new.leaves) < route.returns_at
      where route.id <> all($4::bigint[])) as taken
   from routing.slot where zone_id = $1 and date = $2 and code = $3`,
)

/** Reads under the lock of the day what a plan was made on. */
export async function loadCommitFacts(context: WriteContext, plan: SlotPlan): Promise<CommitFacts> {
  const waybillIds = [
    ...plan.routes.flatMap(({ path }) => path.flatMap(({ waybills }) => waybills)),
    ...plan.refused.map(({ waybillId }) => waybillId),
  ]
  const routeIds = plan.routes.flatMap(({ routeId }) => (routeId === null ? [] : [routeId]))
  const opened = plan.routes.filter(({ routeId }) => routeId === null)
  const rows = await context.query(lockWaybills, [waybillIds, routeIds])
  const [facts] = await context.query(selectFacts, [
    plan.zoneId,
    plan.date,
    plan.code,
    routeIds,
    plan.placed.map(({ quotaId }) => quotaId),
    context.now,
    opened.map(({ vehicleId }) => vehicleId),
    opened.map(({ times }) => times.from),
    opened.map(({ times }) => times.to),
  ])
  invariant(facts, 'a slot that was planned is there')
  const waybills = new Map<number, Standing>()
  const riders = new Map<number, number[]>(routeIds.map((id) => [id, []]))
  for (const { waybill_id, attempt, order_id, state, route_id, reason, weight_grams, volume_ml, pieces } of rows) {
    const load = { weightGrams: weight_grams, volumeMl: volume_ml, pieces }
    waybills.set(waybill_id, { waybillId: waybill_id, attempt, orderId: order_id, state, routeId: route_id, reason, ...load })
    if (state === 'assigned' && route_id !== null) riders.get(route_id)?.push(waybill_id)
  }
  const routes = JSON.parse(facts.routes) as [number, number, RouteState][]
  return {
    waybills,
    riders,
    routes: new Map(routes.map(([id, version, state]) => [id, { version, state }])),
    left: new Map(JSON.parse(facts.quotas) as [number, number][]),
    holds: JSON.parse(facts.holds) as Held[],
    takenTrucks: new Set(JSON.parse(facts.taken) as number[]),
    cutOffAt: facts.cut_off_at,
  }
}

export interface CommitRoute extends Load {
  readonly planned: PlannedRoute
  readonly path: readonly PathStop[]
  readonly waybills: readonly number[]
}

export interface Commit {
  readonly plan: SlotPlan
  readonly routes: readonly CommitRoute[]
  readonly placed: readonly {
    readonly standing: Standing
    readonly quotaId: number
    readonly route: CommitRoute
    readonly hold: Held | null
  }[]
  readonly moved: readonly { readonly standing: Standing; readonly route: CommitRoute }[]
  readonly refused: readonly { readonly standing: Standing; readonly code: string; readonly reason: string }[]
  readonly by: { readonly runId: number; readonly actor: string }
}

const write = statement<{ written: number; wrote: number; took: number; ids: string }>(
  'routing.write_commit',
  `with slot as (select * from routing.slot where zone_id = $1 and date = $2 and code = $3),
   opened as (
     insert into routing.route (zone_id, date, slot_code, vehicle_id, starts_at, ends_at, weight_capacity_grams, volume_capacity_ml, pieces_capacity,
       weight_grams, volume_ml, pieces, stops, leaves_at, returns_at, path, why)
     select slot.zone_id, slot.date, slot.code, vehicle.id, slot.starts_at, slot.ends_at, vehicle.weight_grams, vehicle.volume_ml, vehicle.pieces,
       new.weight_grams, new.volume_ml, new.pieces, new.stops, to_timestamp(leaves), to_timestamp(returns), path::json, new.why
     from unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $8::int[], $9::bigint[], $10::bigint[], $11::text[], $12::text[])
       as new (vehicle_id, weight_grams, volume_ml, pieces, stops, leaves, returns, path, why)
     join routing.vehicle on vehicle.id = new.vehicle_id cross join slot order by vehicle.id
     returning id, vehicle_id
   ), filled as (
     update routing.route set weight_grams = load.weight_grams, volume_ml = load.volume_ml, pieces = load.pieces, stops = load.stops,
       path = load.path::json, version = route.version + 1, why = route.why || load.why,
       vehicle_id = vehicle.id, weight_capacity_grams = case when vehicle.id = route.vehicle_id then weight_capacity_grams else vehicle.weight_grams end,
       volume_capacity_ml = case when vehicle.id = route.vehicle_id then volume_capacity_ml else vehicle.volume_ml end,
       pieces_capacity = case when vehicle.id = route.vehicle_id then pieces_capacity else vehicle.pieces end,
       state = case when load.stops = 0 then 'dropped' else route.state end,
       leaves_at = case when load.stops = 0 then null else to_timestamp(load.leaves) end,
       returns_at = case when load.stops = 0 then null else to_timestamp(load.returns) end
     from unnest($13::bigint[], $14::int[], $15::bigint[], $16::bigint[], $17::bigint[], $18::int[], $19::int[], $20::bigint[], $21::bigint[],
       $22::text[], $23::text[]) as load (id, version, vehicle_id, weight_grams, volume_ml, pieces, stops, leaves, returns, path, why)
     join routing.vehicle on vehicle.id = load.vehicle_id
     where route.id = load.id and route.version = load.version and route.state = 'open' returning route.id
   ), taken as (
     update routing.quota set used = quota.used + claim.more from unnest($24::bigint[], $25::int[], $26::int[]) as claim (id, places, more)
     where quota.id = claim.id and quota.used + claim.more <= quota.capacity returning 1
   ), noted as (
     insert into routing.quota_ledger (quota_id, kind, delta, waybill_ids, occurred_at)
     select id, 'reserve', places, waybill_ids::bigint[], $28 from unnest($24::bigint[], $25::int[], $27::text[]) as claim (id, places, waybill_ids)
   ), handed_over as (
     insert into routing.quota_ledger (quota_id, kind, delta, waybill_ids, reference, occurred_at)
     select quota_id, 'take', -places, '{}', reference, $28 from unnest($29::text[], $30::bigint[], $31::int[]) as hold (reference, quota_id, places)
   ), used_up as (
     delete from routing.place_hold using unnest($29::text[], $30::bigint[], $31::int[]) as hold (reference, quota_id, places)
     where place_hold.reference = hold.reference and place_hold.quota_id = hold.quota_id and place_hold.places = hold.places
   ), used_in_part as (
     update routing.place_hold set places = place_hold.places - hold.places
     from unnest($29::text[], $30::bigint[], $31::int[]) as hold (reference, quota_id, places)
     where place_hold.reference = hold.reference and place_hold.quota_id = hold.quota_id and place_hold.places > hold.places
   ), placed as (
     update routing.assignment set state = 'assigned', version = assignment.version + 1, zone_id = $1, date = $2, slot_code = $3,
       quota_id = place.quota_id, route_id = coalesce(place.route_id, opened.id), reason_code = null, reason = null
     from unnest($32::bigint[], $33::int[], $34::bigint[], $35::bigint[], $36::bigint[]) as place (waybill_id, attempt, quota_id, route_id, vehicle_id)
     left join opened on opened.vehicle_id = place.vehicle_id
     where assignment.waybill_id = place.waybill_id and assignment.attempt = place.attempt and assignment.state = 'waiting' returning 1
   ), moved as (
     update routing.assignment set route_id = coalesce(place.route_id, opened.id), version = assignment.version + 1
     from unnest($37::bigint[], $38::int[], $39::bigint[], $40::bigint[]) as place (waybill_id, attempt, route_id, vehicle_id)
     left join opened on opened.vehicle_id = place.vehicle_id
     where assignment.waybill_id = place.waybill_id and assignment.attempt = place.attempt and assignment.state = 'assigned' returning 1
   ), explained as (
     update routing.assignment set reason_code = why.code, reason = why.reason
     from unnest($41::bigint[], $42::int[], $43::text[], $44::text[]) as why (waybill_id, attempt, code, reason)
     where assignment.waybill_id = why.waybill_id and assignment.attempt = why.attempt and assignment.state = 'waiting'
   ), logged as (
     insert into routing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select waybill_id, '{assignment}'::text[], array[attempt::text], '{waiting}'::text[], '{assigned}'::text[], 'routing.run', $45, $46, $47, $48, $28
     from unnest($32::bigint[], $33::int[]) as place (waybill_id, attempt)
     union all
     select waybill_id, '{route}'::text[], array[attempt::text], array[from_route::text], array[coalesce(to_route, opened.id)::text], 'routing.run', $45, $46, $47, $48, $28
     from unnest($37::bigint[], $38::int[], $49::bigint[], $39::bigint[], $40::bigint[]) as place (waybill_id, attempt, from_route, to_route, vehicle_id)
     left join opened on opened.vehicle_id = place.vehicle_id
     union all
     select id, '{route}'::text[], array[id::text], '{open}'::text[], '{dropped}'::text[], 'routing.run', $45, $46, $47, $48, $28
     from unnest($13::bigint[], $19::int[]) as load (id, stops) where stops = 0
   )
   select (select count(*)::int from placed) + (select count(*)::int from moved) as written, (select count(*)::int from filled) as wrote,
     (select count(*)::int from taken) as took, (select coalesce(json_agg(json_build_array(vehicle_id, id)), '[]')::text from opened) as ids`,
)

/** Writes all of a slot's plan with one statement. Returns the route of each planned one. */
export async function writeCommit(
  context: WriteContext,
  { plan, routes, placed, moved, refused, by }: Commit,
): Promise<Map<PlannedRoute, number>> {
  const opened = routes.filter(({ planned }) => planned.routeId === null)
  const filled = routes.filter(({ planned }) => planned.routeId !== null)
  const claims = [...Map.groupBy(placed, ({ quotaId }) => quotaId)].toSorted(([a], [b]) => a - b)
  const holds = [
    ...Map.groupBy(
      placed.filter(({ hold }) => hold !== null),
      ({ hold }) => hold as Held,
    ),
  ]
  const toldVehicle = ({ planned }: CommitRoute) => (planned.routeId === null ? planned.vehicleId : null)
  const columns = (some: readonly CommitRoute[]) => [
    some.map(({ weightGrams }) => weightGrams),
    some.map(({ volumeMl }) => volumeMl),
    some.map(({ pieces }) => pieces),
    some.map(({ waybills }) => waybills.length),
    some.map(({ planned }) => planned.times.from),
    some.map(({ planned }) => planned.times.to),
    some.map(({ path }) => JSON.stringify(path)),
    some.map(({ planned }) => planned.why),
  ]
  const written = context.query(write, [
    plan.zoneId,
    plan.date,
    plan.code,
    opened.map(({ planned }) => planned.vehicleId),
    ...columns(opened),
    filled.map(({ planned }) => planned.routeId),
    filled.map(({ planned }) => planned.version),
    filled.map(({ planned }) => planned.vehicleId),
    ...columns(filled),
    claims.map(([quotaId]) => quotaId),
    claims.map(([, places]) => places.length),
    claims.map(([, places]) => places.filter(({ hold }) => hold === null).length),
    claims.map(([, places]) => `{${places.map(({ standing }) => standing.waybillId).join()}}`),
    context.now,
    holds.map(([{ reference }]) => reference),
    holds.map(([{ quotaId }]) => quotaId),
    holds.map(([, places]) => places.length),
    placed.map(({ standing }) => standing.waybillId),
    placed.map(({ standing }) => standing.attempt),
    placed.map(({ quotaId }) => quotaId),
    placed.map(({ route }) => route.planned.routeId),
    placed.map(({ route }) => toldVehicle(route)),
    moved.map(({ standing }) => standing.waybillId),
    moved.map(({ standing }) => standing.attempt),
    moved.map(({ route }) => route.planned.routeId),
    moved.map(({ route }) => toldVehicle(route)),
    refused.map(({ standing }) => standing.waybillId),
    refused.map(({ standing }) => standing.attempt),
    refused.map(({ code }) => code),
    refused.map(({ reason }) => reason),
    `run-${by.runId}`,
    by.actor,
    context.traffic,
    context.rehearsalId,
    moved.map(({ standing }) => standing.routeId),
  ])
  const [[row]] = await Promise.all([
    written,
    tellQuotas(
      context,
      claims.map(([quotaId]) => quotaId),
    ),
  ])
  const isWhole = row?.written === placed.length + moved.length && row.wrote === filled.length && row.took === claims.length
  if (row === undefined || !isWhole) throw new DecidedUnderneath(`a plan of slot ${plan.code} was overtaken while it was written`)
  const ids = new Map(JSON.parse(row.ids) as [number, number][])
  return new Map(routes.map(({ planned }) => [planned, planned.routeId ?? (ids.get(planned.vehicleId) as number)]))
}
