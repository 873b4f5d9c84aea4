import { invariant } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import type { Held, Place, Plan, Refusal } from './assign.ts'
import { type Load, tellQuotas } from './capacity/index.ts'
import { type AssignmentState, routeLifeCycle, type RouteState } from './lifecycle.ts'
import type { AskedAssignment, StoredAssignment } from './routing-store.ts'

/** What a batch decided about one waybill; `before` is null at its birth. */
export interface Decided {
  readonly asked: AskedAssignment
  readonly zoneId: number | null
  readonly place: Place | Refusal
  readonly before: 'waiting' | null
  readonly commandId: string
  readonly actor: string
}

const writePlan = statement<{ waybill_id: number; attempt: number; route_id: number | null; taken: number; filled: number }>(
  'routing.write_plan',
  `with opened as (
     insert into routing.route (zone_id, date, slot_code, vehicle_id, starts_at, ends_at, weight_capacity_grams, volume_capacity_ml,
       pieces_capacity, weight_grams, volume_ml, pieces, stops, leaves_at, returns_at, path, why)
     select zone_id, date, slot_code, vehicle_id, starts_at, ends_at, weight_capacity_grams, volume_capacity_ml, pieces_capacity, weight_grams,
       volume_ml, pieces, stops, to_timestamp(leaves), to_timestamp(returns), path::json, why
     from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::bigint[],
       $8::bigint[], $9::int[], $10::bigint[], $11::bigint[], $12::int[], $13::int[], $57::bigint[], $58::bigint[], $59::text[], $60::text[])
       as new (zone_id, date, slot_code, vehicle_id, starts_at, ends_at, weight_capacity_grams, volume_capacity_ml, pieces_capacity, weight_grams,
         volume_ml, pieces, stops, leaves, returns, path, why)
     order by vehicle_id, starts_at
     returning id, vehicle_id, starts_at
   ), filled as (
     update routing.route set weight_grams = route.weight_grams + load.weight_grams, volume_ml = route.volume_ml + load.volume_ml,
       pieces = route.pieces + load.pieces, stops = route.stops + load.stops, version = route.version + 1, path = load.path::json,
       vehicle_id = coalesce(vehicle.id, route.vehicle_id), weight_capacity_grams = coalesce(vehicle.weight_grams, weight_capacity_grams),
       volume_capacity_ml = coalesce(vehicle.volume_ml, volume_capacity_ml), pieces_capacity = coalesce(vehicle.pieces, pieces_capacity),
       leaves_at = to_timestamp(load.leaves), returns_at = to_timestamp(load.returns), why = route.why || load.why
     from unnest($14::bigint[], $15::bigint[], $16::bigint[], $17::int[], $18::int[], $61::text[], $62::bigint[], $63::bigint[], $64::bigint[], $65::text[])
       as load (id, weight_grams, volume_ml, pieces, stops, path, leaves, returns, vehicle_id, why)
     left join routing.vehicle on vehicle.id = load.vehicle_id
     where route.id = load.id and route.state = 'open' returning 1
   ), taken as (
     update routing.quota set used = quota.used + claim.delta
     from unnest($19::bigint[], $53::int[]) as claim (id, delta)
     where quota.id = claim.id and quota.used + claim.delta <= quota.capacity returning 1
   ), noted as (
     insert into routing.quota_ledger (quota_id, kind, delta, waybill_ids, occurred_at)
     select id, 'reserve', delta, waybill_ids::bigint[], $44 from unnest($19::bigint[], $20::int[], $21::text[]) as claim (id, delta, waybill_ids)
   ), handed_over as (
     insert into routing.quota_ledger (quota_id, kind, delta, waybill_ids, reference, occurred_at)
     select quota_id, 'take', -places, '{}', reference, $44 from unnest($54::text[], $55::bigint[], $56::int[]) as hold (reference, quota_id, places)
   ), used_up as (
     delete from routing.place_hold using unnest($54::text[], $55::bigint[], $56::int[]) as hold (reference, quota_id, places)
     where place_hold.reference = hold.reference and place_hold.quota_id = hold.quota_id and place_hold.places = hold.places
   ), used_in_part as (
     update routing.place_hold set places = place_hold.places - hold.places
     from unnest($54::text[], $55::bigint[], $56::int[]) as hold (reference, quota_id, places)
     where place_hold.reference = hold.reference and place_hold.quota_id = hold.quota_id and place_hold.places > hold.places
   ), decided as (
     select decided.*, coalesce(decided.known_route_id, opened.id) as route_id
     from unnest($22::bigint[], $23::int[], $24::bigint[], $25::text[], $26::text[], $27::bigint[], $28::bigint[], $29::int[], $30::float8[],
       $31::float8[], $32::text[], $33::text[], $34::text[], $35::bigint[], $36::text[], $37::text[], $38::bigint[], $39::bigint[], $40::bigint[],
       $41::timestamptz[], $42::text[], $43::text[], $66::timestamptz[])
       with ordinality as decided (waybill_id, attempt, order_id, state, sku_type, weight_grams, volume_ml, pieces, lat, lng, postcode, asked_date,
         asked_slot, zone_id, date, slot_code, quota_id, known_route_id, new_vehicle_id, new_starts_at, reason_code, reason, ready_at, position)
     left join opened on opened.vehicle_id = decided.new_vehicle_id and opened.starts_at = decided.new_starts_at
   ), written as (
     insert into routing.assignment (waybill_id, attempt, order_id, state, sku_type, weight_grams, volume_ml, pieces, lat, lng, postcode,
       asked_date, asked_slot, ready_at, zone_id, date, slot_code, quota_id, route_id, reason_code, reason)
     select waybill_id, attempt, order_id, state, sku_type, weight_grams, volume_ml, pieces, lat, lng, postcode,
       asked_date, asked_slot, ready_at, zone_id, date, slot_code, quota_id, route_id, reason_code, reason
     from decided order by position
     on conflict (waybill_id, attempt) do update set state = excluded.state, version = assignment.version + 1, zone_id = excluded.zone_id,
       date = excluded.date, slot_code = excluded.slot_code, quota_id = excluded.quota_id, route_id = excluded.route_id,
       reason_code = excluded.reason_code, reason = excluded.reason
     where assignment.state = 'waiting'
     returning waybill_id, attempt, route_id
   ), logged as (
     insert into routing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select root, array_fill('assignment'::text, array[cardinality(to_states::text[])]),
       array_fill(entity, array[cardinality(to_states::text[])]), from_states::text[], to_states::text[], 'routing.assign', command_id, actor, $51, $52, $44
     from unnest($45::bigint[], $46::text[], $47::text[], $48::text[], $49::text[], $50::text[])
       as change (root, entity, from_states, to_states, command_id, actor)
   )
   select waybill_id, attempt, route_id, (select count(*)::int from taken) as taken, (select count(*)::int from filled) as filled from written`,
)

const isPlace = (place: Place | Refusal): place is Place => 'quotaId' in place

function addLoad<K>(sums: Map<K, Load & { stops: number }>, key: K, load: Load): void {
  const sum = sums.get(key) ?? { weightGrams: 0, volumeMl: 0, pieces: 0, stops: 0 }
  sums.set(key, {
    weightGrams: sum.weightGrams + load.weightGrams,
    volumeMl: sum.volumeMl + load.volumeMl,
    pieces: sum.pieces + load.pieces,
    stops: sum.stops + 1,
  })
}

/**
 * Writes a plan under the lock of its days, in one statement: new routes, loads, quotas with their ledger, assignments,
 * history. Returns the route of each waybill and attempt.
 */
export async function writeDecided(
  context: WriteContext,
  decided: readonly Decided[],
  { newRoutes, changedRoutes }: Pick<Plan, 'newRoutes' | 'changedRoutes'>,
): Promise<Map<string, number | null>> {
  if (decided.length === 0) return new Map()
  const newLoads = new Map<number, Load & { stops: number }>()
  const loads = new Map<number, Load & { stops: number }>()
  const claims = new Map<number, number[]>()
  const holds = new Map<Held, number>()
  for (const { asked, place } of decided) {
    if (!isPlace(place)) continue
    if ('routeId' in place) addLoad(loads, place.routeId, asked)
    else addLoad(newLoads, place.newRoute, asked)
    if (place.hold !== null) holds.set(place.hold, (holds.get(place.hold) ?? 0) + 1)
    const claim = claims.get(place.quotaId)
    if (claim === undefined) claims.set(place.quotaId, [asked.waybillId])
    else claim.push(asked.waybillId)
  }
  const filled = [...loads].toSorted(([a], [b]) => a - b)
  const taken = [...claims].toSorted(([a], [b]) => a - b)
  const changed = new Map(changedRoutes.map((route) => [route.routeId, route]))
  const changedOf = filled.map(([routeId]) => changed.get(routeId) as (typeof changedRoutes)[number])
  const handed = [...holds]
  const handedOf = (quotaId: number) => handed.reduce((sum, [hold, count]) => sum + (hold.quotaId === quotaId ? count : 0), 0)
  const places = decided.map(({ place }) => (isPlace(place) ? place : null))
  const opening = places.map((place) => (place !== null && 'newRoute' in place ? (newRoutes[place.newRoute] ?? null) : null))
  const refusals = decided.map(({ place }) => (isPlace(place) ? null : place))
  const stateOf = (place: Place | Refusal): AssignmentState => (isPlace(place) ? 'assigned' : 'waiting')
  // A first decision is history from birth on; a second one that still waits is none.
  const changes = decided.filter(({ before, place }) => before === null || isPlace(place))
  const history = changes.map(({ before, place }) => {
    const path = before === null ? ['""', 'waiting'] : ['waiting']
    if (isPlace(place)) path.push('assigned')
    return { from: `{${path.slice(0, -1).join()}}`, to: `{${path.slice(1).join()}}` }
  })

  const written = context.query(writePlan, [
    newRoutes.map(({ cell }) => cell.zoneId),
    newRoutes.map(({ cell }) => cell.date),
    newRoutes.map(({ cell }) => cell.code),
    newRoutes.map(({ vehicle }) => vehicle.vehicleId),
    newRoutes.map(({ cell }) => cell.startsAt),
    newRoutes.map(({ cell }) => cell.endsAt),
    newRoutes.map(({ vehicle }) => vehicle.weightGrams),
    newRoutes.map(({ vehicle }) => vehicle.volumeMl),
    newRoutes.map(({ vehicle }) => vehicle.pieces),
    newRoutes.map((_, index) => newLoads.get(index)?.weightGrams ?? 0),
    newRoutes.map((_, index) => newLoads.get(index)?.volumeMl ?? 0),
    newRoutes.map((_, index) => newLoads.get(index)?.pieces ?? 0),
    newRoutes.map((_, index) => newLoads.get(index)?.stops ?? 0),
    filled.map(([routeId]) => routeId),
    filled.map(([, load]) => load.weightGrams),
    filled.map(([, load]) => load.volumeMl),
    filled.map(([, load]) => load.pieces),
    filled.map(([, load]) => load.stops),
    taken.map(([quotaId]) => quotaId),
    taken.map(([, waybillIds]) => waybillIds.length),
    taken.map(([, waybillIds]) => `{${waybillIds.join()}}`),
    decided.map(({ asked }) => asked.waybillId),
    decided.map(({ asked }) => asked.attempt),
    decided.map(({ asked }) => asked.orderId),
    decided.map(({ place }) => stateOf(place)),
    decided.map(({ asked }) => asked.skuType),
    decided.map(({ asked }) => asked.weightGrams),
    decided.map(({ asked }) => asked.volumeMl),
    decided.map(({ asked }) => asked.pieces),
    decided.map(({ asked }) => asked.lat),
    decided.map(({ asked }) => asked.lng),
    decided.map(({ asked }) => asked.postcode),
    decided.map(({ asked }) => asked.asked?.date ?? null),
    decided.map(({ asked }) => asked.asked?.code ?? null),
    decided.map(({ zoneId }) => zoneId),
    places.map((place) => place?.cell.date ?? null),
    places.map((place) => place?.cell.code ?? null),
    places.map((place) => place?.quotaId ?? null),
    places.map((place) => (place !== null && 'routeId' in place ? place.routeId : null)),
    opening.map((route) => route?.vehicle.vehicleId ?? null),
    opening.map((route) => route?.cell.startsAt ?? null),
    refusals.map((refusal) => refusal?.code ?? null),
    refusals.map((refusal) => refusal?.reason ?? null),
    context.now,
    changes.map(({ asked }) => asked.waybillId),
    changes.map(({ asked }) => String(asked.attempt)),
    history.map(({ from }) => from),
    history.map(({ to }) => to),
    changes.map(({ commandId }) => commandId),
    changes.map(({ actor }) => actor),
    context.traffic,
    context.rehearsalId,
    taken.map(([quotaId, waybillIds]) => waybillIds.length - handedOf(quotaId)),
    handed.map(([{ reference }]) => reference),
    handed.map(([{ quotaId }]) => quotaId),
    handed.map(([, count]) => count),
    newRoutes.map(({ times }) => times.from),
    newRoutes.map(({ times }) => times.to),
    newRoutes.map(({ path }) => JSON.stringify(path)),
    newRoutes.map(({ why }) => why),
    changedOf.map(({ path }) => JSON.stringify(path)),
    changedOf.map(({ times }) => times.from),
    changedOf.map(({ times }) => times.to),
    changedOf.map(({ vehicle }) => vehicle?.vehicleId ?? null),
    changedOf.map(({ why }) => why),
    decided.map(({ asked }) => asked.readyAt),
  ])
  const told = tellQuotas(
    context,
    taken.map(([quotaId]) => quotaId),
  )
  const [rows] = await Promise.all([written, told])
  if (rows.length !== decided.length) throw new DecidedUnderneath(`${decided.length} assignments decided, ${rows.length} written`)
  invariant(rows[0]?.taken === taken.length && rows[0].filled === filled.length, 'a quota or route moved under the lock of its day')
  return new Map(rows.map((row) => [`${row.waybill_id} ${row.attempt}`, row.route_id]))
}

/** A release or another assignment of the same waybill came first, between our look and our write: look and decide again. */
export class DecidedUnderneath extends Error {
  override readonly name = 'DecidedUnderneath'
  readonly code = '40001'
}

/** An assignment to give back; `beforeCutOff` decides whether its quota returns or burns. */
export interface Released {
  readonly assignment: StoredAssignment
  readonly beforeCutOff: boolean
  readonly commandId: string
  readonly actor: string
}

const lockForRelease = statement<{
  waybill_id: number
  attempt: number
  state: AssignmentState
  route_id: number | null
  before_cut_off: boolean | null
}>(
  'routing.lock_for_release',
  `select waybill_id, attempt, assignment.state, assignment.route_id,
     (select slot.cut_off_at > $2 from routing.slot where slot.zone_id = assignment.zone_id and slot.date = assignment.date
        and slot.code = assignment.slot_code) as before_cut_off
   from routing.assignment where waybill_id = any($1::bigint[]) order by waybill_id, attempt for update`,
)

/** States of assignments read again under their lock, with whether their slot's cut-off is still ahead. */
export async function lockAssignments(
  context: WriteContext,
  waybillIds: readonly number[],
): Promise<Map<string, { state: AssignmentState; routeId: number | null; beforeCutOff: boolean }>> {
  const rows = await context.query(lockForRelease, [waybillIds, context.now])
  return new Map(
    rows.map((row) => [
      `${row.waybill_id} ${row.attempt}`,
      { state: row.state, routeId: row.route_id, beforeCutOff: row.before_cut_off ?? false },
    ]),
  )
}

const writeReleased = statement(
  'routing.write_released',
  `with emptied as (
     update routing.route set weight_grams = route.weight_grams - load.weight_grams, volume_ml = route.volume_ml - load.volume_ml,
       pieces = route.pieces - load.pieces, stops = route.stops - load.stops, version = route.version + 1, path = load.path::json,
       state = case when load.empty then 'dropped' else route.state end,
       leaves_at = case when load.empty then null else route.leaves_at end, returns_at = case when load.empty then null else route.returns_at end
     from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $18::text[], $19::boolean[])
       as load (id, weight_grams, volume_ml, pieces, stops, path, empty)
     where route.id = load.id and route.state <> 'dropped'
   ), dropped as (
     insert into routing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select id, '{route}', array[id::text], array[from_state], '{dropped}', 'routing.release', '', 'system:routing', $16, $17, $10
     from unnest($1::bigint[], $20::text[], $19::boolean[]) as load (id, from_state, empty) where empty
   ), given_back as (
     update routing.quota set used = quota.used + claim.delta
     from (select id, sum(delta)::int as delta from unnest($6::bigint[], $8::int[]) as claim (id, delta) group by id) as claim
     where quota.id = claim.id
   ), noted as (
     insert into routing.quota_ledger (quota_id, kind, delta, waybill_ids, occurred_at)
     select id, kind, delta, waybill_ids::bigint[], $10
     from unnest($6::bigint[], $7::text[], $8::int[], $9::text[]) as claim (id, kind, delta, waybill_ids)
   ), freed as (
     update routing.assignment set state = 'released', version = assignment.version + 1
     from unnest($11::bigint[], $12::int[]) as gone (waybill_id, attempt)
     where assignment.waybill_id = gone.waybill_id and assignment.attempt = gone.attempt and assignment.state in ('waiting', 'assigned')
   )
   insert into routing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
   select root, '{assignment}', array[attempt::text], array[from_state], '{released}', 'routing.release', command_id, actor, $16, $17, $10
   from unnest($11::bigint[], $12::int[], $13::text[], $14::text[], $15::text[]) as change (root, attempt, from_state, command_id, actor)`,
)

/** `paths` are the routes' doors without what is released. A route that nothing is left of frees its truck, unless it has left. */
export async function writeReleases(
  context: WriteContext,
  released: readonly Released[],
  paths: ReadonlyMap<number, { readonly path: string; readonly state: RouteState }>,
): Promise<void> {
  if (released.length === 0) return
  const loads = new Map<number, Load & { stops: number }>()
  const claims = new Map<string, { quotaId: number; kind: 'give_back' | 'burn'; waybillIds: number[] }>()
  for (const { assignment, beforeCutOff } of released) {
    const { routeId, quotaId, waybillId, state } = assignment
    if (state !== 'assigned' || routeId === null || quotaId === null) continue
    addLoad(loads, routeId, assignment)
    const kind = beforeCutOff ? 'give_back' : 'burn'
    const claim = claims.get(`${quotaId} ${kind}`)
    if (claim === undefined) claims.set(`${quotaId} ${kind}`, { quotaId, kind, waybillIds: [waybillId] })
    else claim.waybillIds.push(waybillId)
  }
  const emptied = [...loads]
  const after = emptied.map(([routeId]) => paths.get(routeId) ?? { path: '[]', state: 'ended' as const })
  const noted = [...claims.values()]
  const written = context.query(writeReleased, [
    emptied.map(([routeId]) => routeId),
    emptied.map(([, load]) => load.weightGrams),
    emptied.map(([, load]) => load.volumeMl),
    emptied.map(([, load]) => load.pieces),
    emptied.map(([, load]) => load.stops),
    noted.map(({ quotaId }) => quotaId),
    noted.map(({ kind }) => kind),
    noted.map(({ kind, waybillIds }) => (kind === 'burn' ? 0 : -waybillIds.length)),
    noted.map(({ waybillIds }) => `{${waybillIds.join()}}`),
    context.now,
    released.map(({ assignment }) => assignment.waybillId),
    released.map(({ assignment }) => assignment.attempt),
    released.map(({ assignment }) => assignment.state),
    released.map(({ commandId }) => commandId),
    released.map(({ actor }) => actor),
    context.traffic,
    context.rehearsalId,
    after.map(({ path }) => path),
    after.map(({ path, state }) => path === '[]' && routeLifeCycle.canMove(state, 'dropped')),
    after.map(({ state }) => state),
  ])
  const returned = noted.filter(({ kind }) => kind === 'give_back')
  const told = tellQuotas(
    context,
    returned.map(({ quotaId }) => quotaId),
  )
  await Promise.all([written, told])
}

const insertTombstones = statement<{ waybill_id: number; attempt: number }>(
  'routing.insert_tombstones',
  `with born as (
     insert into routing.assignment (waybill_id, attempt, order_id, state, sku_type, weight_grams, volume_ml, pieces, postcode)
     select waybill_id, attempt, 0, 'released', 'dry', 0, 0, 0, '' from unnest($1::bigint[], $2::int[]) as gone (waybill_id, attempt)
     on conflict do nothing returning waybill_id, attempt
   ), logged as (
     insert into routing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
   select waybill_id, '{assignment,assignment}', array[attempt::text, attempt::text], '{"",waiting}', '{waiting,released}', 'routing.release',
       command_id, actor, $5, $6, $7
     from born join unnest($1::bigint[], $2::int[], $3::text[], $4::text[]) as gone (waybill_id, attempt, command_id, actor) using (waybill_id, attempt)
   )
   select waybill_id, attempt from born`,
)

/** Notes releases that came before their assignment, so that the assignment, when it comes, takes no place. Returns the keys noted. */
export async function writeTombstones(
  context: WriteContext,
  gone: readonly { waybillId: number; attempt: number; commandId: string; actor: string }[],
): Promise<Set<string>> {
  if (gone.length === 0) return new Set()
  const rows = await context.query(insertTombstones, [
    gone.map(({ waybillId }) => waybillId),
    gone.map(({ attempt }) => attempt),
    gone.map(({ commandId }) => commandId),
    gone.map(({ actor }) => actor),
    context.traffic,
    context.rehearsalId,
    context.now,
  ])
  return new Set(rows.map((row) => `${row.waybill_id} ${row.attempt}`))
}
