import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { Cell, Held } from './assign.ts'
import { loadRoutes } from './board-store.ts'
import type { SkuType, Zone } from './capacity/index.ts'
import type { PictureWaybill, SlotPlan, ZonePicture } from './plan-zone.ts'

const selectCells = statement<{
  code: string
  starts_at: Date
  ends_at: Date
  cut_off_at: Date
  sku_type: SkuType
  quota_id: number
  capacity: number
  used: number
}>(
  'routing.cells_of_day',
  `select slot.code, slot.starts_at, slot.ends_at, slot.cut_off_at, quota.sku_type, quota.id as quota_id, quota.capacity, quota.used
   from routing.slot join routing.quota on quota.zone_id = slot.zone_id and quota.date = slot.date and quota.slot_code = slot.code
   where slot.zone_id = $1 and slot.date = $2 order by slot.starts_at, slot.code, quota.sku_type`,
)

interface WaybillRow {
  waybill_id: number
  attempt: number
  order_id: number
  sku_type: SkuType
  weight_grams: number
  volume_ml: number
  pieces: number
  lat: number | null
  lng: number | null
  asked_slot: string | null
  ready_at: Date | null
  route_id: number | null
  pinned: boolean
}

/** Those that wait for this zone and date, or for any date; and those that ride on routes of it. */
const selectWaybills = statement<WaybillRow>(
  'routing.waybills_of_day',
  `select waybill_id, attempt, order_id, sku_type, assignment.weight_grams, assignment.volume_ml, assignment.pieces, lat, lng, asked_slot, ready_at, null::bigint as route_id, false as pinned
   from routing.assignment where state = 'waiting' and zone_id = $1 and (asked_date = $2 or asked_date is null)
   union all
   select waybill_id, attempt, order_id, sku_type, assignment.weight_grams, assignment.volume_ml, assignment.pieces, lat, lng, asked_slot, ready_at, route_id,
     -- Whose goods are late stays on its truck until people move it.
     pinned or late_ready_at is not null as pinned
   from routing.route join routing.assignment on assignment.route_id = route.id and assignment.state = 'assigned'
   where route.date = $2 and route.zone_id = $1 and route.state = 'open'`,
)

const selectHeld = statement<{ reference: string; order_id: number; quota_id: number; places: number }>(
  'routing.holds_of_day',
  `select reference, order_id, quota_id, places from routing.place_hold
   where zone_id = $1 and date = $2 and order_id is not null and expires_at > $3 order by reference, quota_id`,
)

const nowhere = { lat: 0, lng: 0 }

/** All that the planner needs to know of a zone on a date, but the trucks. */
export async function loadPicture(context: ReadContext, zone: Zone, date: string): Promise<Omit<ZonePicture, 'fleet' | 'effort'>> {
  const { zoneId, code: zoneCode, base } = zone
  const centre = zone.centre ?? base ?? nowhere
  const [cellRows, waybillRows, heldRows] = await Promise.all([
    context.query(selectCells, [zoneId, date]),
    context.query(selectWaybills, [zoneId, date]),
    context.query(selectHeld, [zoneId, date, context.now]),
  ])
  const cells = cellRows.map(
    (row): Cell => ({
      zoneId,
      date,
      code: row.code,
      skuType: row.sku_type,
      startsAt: row.starts_at,
      endsAt: row.ends_at,
      cutOffAt: row.cut_off_at,
      quota: { quotaId: row.quota_id, capacity: row.capacity, used: row.used },
    }),
  )
  const waybills = waybillRows.map(
    (row): PictureWaybill => ({
      waybillId: row.waybill_id,
      attempt: row.attempt,
      orderId: row.order_id,
      skuType: row.sku_type,
      weightGrams: row.weight_grams,
      volumeMl: row.volume_ml,
      pieces: row.pieces,
      at: row.lat === null || row.lng === null ? centre : { lat: row.lat, lng: row.lng },
      asked: row.asked_slot,
      routeId: row.route_id,
      pinned: row.pinned,
      ...(row.ready_at === null ? {} : { ready: Math.ceil(row.ready_at.getTime() / 1000) }),
    }),
  )
  const held = heldRows.map(
    (row): Held => ({
      reference: row.reference,
      orderId: row.order_id,
      quotaId: row.quota_id,
      places: row.places,
    }),
  )
  const routes = await loadRoutes(context, cells)
  const ground = { base, centre, depotId: base?.depotId ?? null }
  return { zoneId, zoneCode, ground, date, now: context.now, cells, waybills, held, routes }
}

const selectDemand = statement<{ zone_id: number; sku_type: SkuType; waybills: number }>(
  'routing.demand_of_day',
  `select zone_id, sku_type, count(*)::int as waybills from routing.assignment
   where state = 'waiting' and zone_id = any($1::bigint[]) and (asked_date = $2 or asked_date is null) group by zone_id, sku_type`,
)

export async function loadDemand(context: ReadContext, zoneIds: readonly number[], date: string) {
  const demand = new Map(zoneIds.map((zoneId) => [zoneId, { dry: 0, frozen: 0, mixed: 0 }]))
  for (const row of await context.query(selectDemand, [zoneIds, date])) {
    const zone = demand.get(row.zone_id)
    if (zone !== undefined) zone[row.sku_type] = row.waybills
  }
  return demand
}

/** How long a claim lasts; each zone that is done makes it last anew. */
const claimMs = 5 * 60_000

const lockClaims = statement<{ zone_id: number; run_id: number | null; run_until: Date | null }>(
  'routing.lock_claims',
  `select zone_id, run_id, run_until from routing.zone_day where date = $1 and zone_id = any($2::bigint[]) order by zone_id for update`,
)

const insertRun = statement<{ id: number }>(
  'routing.insert_run',
  `insert into routing.plan_run (date, zone_ids, asked, totals, asked_at, actor) values ($1, $2::bigint[], $3::json, '{}', $4, $5) returning id`,
)

const claimDays = statement(
  'routing.claim_days',
  'update routing.zone_day set run_id = $1, run_until = $2 where date = $3 and zone_id = any($4::bigint[])',
)

const freeDays = statement(
  'routing.free_days',
  'update routing.zone_day set run_id = null, run_until = null where run_id = $1 and date = $2 and zone_id = any($3::bigint[])',
)

export interface RunAsked {
  readonly date: string
  readonly zoneIds: readonly number[]
  /** What was asked, as it is shown later. */
  readonly asked: object
  readonly actor: string
}

/** Claims zones of a date for a run: one at a time for each. Who is under way is returned instead. */
export async function claimRun(
  context: WriteContext,
  { date, zoneIds, asked, actor }: RunAsked,
): Promise<{ runId: number } | { busy: number[] }> {
  const rows = await context.query(lockClaims, [date, zoneIds])
  const busy = rows.filter(({ run_until }) => run_until !== null && run_until > context.now).map(({ zone_id }) => zone_id)
  if (busy.length > 0) return { busy }
  const [run] = await context.query(insertRun, [date, zoneIds, JSON.stringify(asked), context.now, actor])
  const runId = run?.id ?? 0
  await context.query(claimDays, [runId, new Date(context.now.getTime() + claimMs), date, zoneIds])
  return { runId }
}

/** Claims zones again for a run that was only looked at so far. */
export async function reclaimRun(
  context: WriteContext,
  runId: number,
  { date, zoneIds }: Pick<RunAsked, 'date' | 'zoneIds'>,
): Promise<number[]> {
  const rows = await context.query(lockClaims, [date, zoneIds])
  const busy = rows.filter(({ run_until }) => run_until !== null && run_until > context.now).map(({ zone_id }) => zone_id)
  if (busy.length === 0) await context.query(claimDays, [runId, new Date(context.now.getTime() + claimMs), date, zoneIds])
  return busy
}

export async function freeRun(context: WriteContext, runId: number, { date, zoneIds }: Pick<RunAsked, 'date' | 'zoneIds'>): Promise<void> {
  await context.query(freeDays, [runId, date, zoneIds])
}

const extendClaim = statement(
  'routing.extend_claim',
  `with worked as (update routing.plan_run set worked_until = $2 where id = $1)
   update routing.zone_day set run_until = $2 where run_id = $1 and date = $3`,
)

const insertCells = statement(
  'routing.insert_plan_cells',
  `insert into routing.plan_cell (run_id, zone_id, slot_code, plan)
   select $1, zone_id, slot_code, plan::json from unnest($2::bigint[], $3::text[], $4::text[]) as cell (zone_id, slot_code, plan)
   order by zone_id, slot_code
   on conflict (run_id, zone_id, slot_code) do update set plan = excluded.plan`,
)

/** Keeps the plans of a zone, and the claim alive. */
export async function storePlans(context: WriteContext, runId: number, plans: readonly SlotPlan[]): Promise<void> {
  const [first] = plans
  if (first === undefined) return
  await context.query(insertCells, [
    runId,
    plans.map(({ zoneId }) => zoneId),
    plans.map(({ code }) => code),
    plans.map((plan) => JSON.stringify(plan)),
  ])
  await context.query(extendClaim, [runId, new Date(context.now.getTime() + claimMs), first.date])
}

const finish = statement(
  'routing.finish_run',
  `update routing.plan_run set totals = $2::json, solved_at = coalesce(solved_at, $3), worked_until = null,
     committed_at = case when $4::text is null then committed_at else $3 end, committed = coalesce($4::json, committed) where id = $1`,
)

export async function finishRun(
  context: WriteContext,
  runId: number,
  { totals, committed }: { totals: object; committed: object | null },
): Promise<void> {
  await context.query(finish, [runId, JSON.stringify(totals), context.now, committed === null ? null : JSON.stringify(committed)])
}

export interface StoredRun {
  readonly runId: number
  readonly date: string
  readonly zoneIds: readonly number[]
  readonly asked: Readonly<Record<string, unknown>>
  readonly totals: Readonly<Record<string, number>>
  readonly actor: string
  /** Null while it is planned. */
  readonly solvedAt: Date | null
  readonly committedAt: Date | null
  readonly committed: Readonly<Record<string, number>> | null
}

const selectRuns = statement<{
  id: number
  date: string
  zone_ids: number[]
  asked: StoredRun['asked']
  totals: StoredRun['totals']
  actor: string
  solved_at: Date | null
  committed_at: Date | null
  committed: StoredRun['committed']
}>(
  'routing.runs_by_id',
  'select id, date, zone_ids, asked, totals, actor, solved_at, committed_at, committed from routing.plan_run where id = any($1::bigint[])',
)

export async function runsById(context: ReadContext, runIds: readonly number[]): Promise<Map<number, StoredRun>> {
  const rows = await context.query(selectRuns, [[...new Set(runIds)]])
  return new Map(
    rows.map((row) => [
      row.id,
      {
        runId: row.id,
        date: row.date,
        zoneIds: row.zone_ids.map(Number),
        asked: row.asked,
        totals: row.totals,
        actor: row.actor,
        solvedAt: row.solved_at,
        committedAt: row.committed_at,
        committed: row.committed,
      },
    ]),
  )
}

const selectPlans = statement<{ plan: SlotPlan }>(
  'routing.plans_of_run',
  'select plan from routing.plan_cell where run_id = $1 and ($2::bigint is null or zone_id = $2) order by zone_id, slot_code',
)

/** The plans of a run, of one zone or of all. */
export async function plansOf(context: ReadContext, runId: number, zoneId: number | null = null): Promise<SlotPlan[]> {
  return (await context.query(selectPlans, [runId, zoneId])).map(({ plan }) => plan)
}

const takeDue = statement<{ id: number }>(
  'routing.take_due_run',
  `update routing.plan_run set worked_until = $2, attempts = attempts + 1 where id = (
     select id from routing.plan_run where committed_at is null and (solved_at is null or asked ->> 'preview' = 'false')
       and (worked_until is null or worked_until < $1) and attempts < 3
     order by id limit 1 for update skip locked)
   returning id`,
)

/** A run that was asked for and that nobody works on, or whose worker died. Three tries. */
export async function takeDueRun(context: WriteContext): Promise<number | null> {
  const [run] = await context.query(takeDue, [context.now, new Date(context.now.getTime() + claimMs)])
  return run?.id ?? null
}

const askCommit = statement(
  'routing.ask_commit',
  `update routing.plan_run set asked = (asked::jsonb || '{"preview": false}')::json, attempts = 0 where id = $1`,
)

export async function askToCommit(context: WriteContext, runId: number): Promise<void> {
  await context.query(askCommit, [runId])
}

const selectDueWaves = statement<{ date: string; zone_codes: string[] }>(
  'routing.due_waves',
  `select slot.date, array_agg(distinct zone.code order by zone.code) as zone_codes
   from routing.zone join routing.slot on slot.zone_id = zone.id and slot.date = any($1::text[]) and slot.cut_off_at <= $2 and slot.starts_at > $2
   join routing.zone_day on zone_day.zone_id = zone.id and zone_day.date = slot.date and (zone_day.run_until is null or zone_day.run_until < $2)
   where zone.planning = 'wave' and exists (
     select from routing.assignment where assignment.state = 'waiting' and assignment.zone_id = zone.id and assignment.asked_date = slot.date
       and assignment.asked_slot = slot.code and assignment.reason_code = 'awaits_run')
   group by slot.date order by slot.date`,
)

/** Zones that are planned in waves and have a slot that closed with waybills that wait for a run. */
export async function dueWaves(context: ReadContext, dates: readonly string[]): Promise<{ date: string; zoneCodes: string[] }[]> {
  return (await context.query(selectDueWaves, [dates, context.now])).map(({ date, zone_codes }) => ({ date, zoneCodes: zone_codes }))
}
