import { invariant } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { WaybillState } from './lifecycle.ts'
import { loadOf, type Purpose, type SkuType, type Waybill, type WaybillItem, type WaybillPlan } from './waybill.ts'

interface WaybillRow {
  id: number
  order_id: number
  order_number: string
  section_no: number
  sku_type: SkuType
  merchant: string
  purpose: Purpose
  state: WaybillState
  attempt: number
  version: number
  destination: Waybill['destination']
  slot_date: string | null
  slot_code: string | null
  route_id: number | null
  items: WaybillItem[]
  weight_grams: number
  volume_ml: number
  pieces: number
  created_at: Date
  moved_at: Date
}

export interface StoredWaybill extends Waybill {
  readonly createdAt: Date
  readonly movedAt: Date
}

const columns = `id, order_id, order_number, section_no, sku_type, merchant, purpose, state, attempt, version, destination,
  slot_date, slot_code, route_id, items, weight_grams, volume_ml, pieces, created_at, moved_at`

function waybillOf(row: WaybillRow): StoredWaybill {
  return {
    waybillId: row.id,
    orderId: row.order_id,
    orderNumber: row.order_number,
    sectionNo: row.section_no,
    skuType: row.sku_type,
    merchant: row.merchant,
    purpose: row.purpose,
    state: row.state,
    attempt: row.attempt,
    version: row.version,
    destination: row.destination,
    slot: row.slot_date === null || row.slot_code === null ? null : { date: row.slot_date, code: row.slot_code },
    routeId: row.route_id,
    items: row.items,
    weightGrams: row.weight_grams,
    volumeMl: row.volume_ml,
    pieces: row.pieces,
    createdAt: row.created_at,
    movedAt: row.moved_at,
  }
}

/** Birth of a waybill, before it has its id. */
export interface NewWaybill extends WaybillPlan {
  readonly orderId: number
  readonly orderNumber: string
  readonly purpose: Purpose
  /** The payment part that released it: 0 at first, another where a section is paid for again. */
  readonly part: number
  readonly actor: string
  readonly commandId: string
}

export interface WaybillKey {
  readonly order_id: number
  readonly section_no: number
  readonly sku_type: SkuType
  readonly merchant: string
  readonly purpose: Purpose
  readonly part: number
}

const insertNew = statement<WaybillKey & { id: number }>(
  'fulfilment.insert_waybills',
  `with asked as (
     select * from unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::json[], $8::text[], $9::text[],
       $10::json[], $11::bigint[], $12::bigint[], $13::int[], $14::text[], $15::text[], $19::smallint[])
       with ordinality as asked (order_id, order_number, section_no, sku_type, merchant, purpose, destination, slot_date, slot_code,
         items, weight_grams, volume_ml, pieces, command_id, actor, part, position)
   ), born as (
     insert into fulfilment.waybill (order_id, order_number, section_no, sku_type, merchant, purpose, state, destination, slot_date,
       slot_code, items, weight_grams, volume_ml, pieces, part, created_at, moved_at)
     select order_id, order_number, section_no, sku_type, merchant, purpose, 'created', destination, slot_date,
       slot_code, items, weight_grams, volume_ml, pieces, part, $16, $16
     from asked order by order_id, section_no, position
     on conflict (order_id, section_no, sku_type, merchant, purpose, part) do nothing
     returning id, order_id, section_no, sku_type, merchant, purpose, part
   ), logged as (
     insert into fulfilment.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select born.id, '{waybill}', array[born.id::text], '{""}', '{created}', 'fulfilment.create', asked.command_id, asked.actor, $17, $18, $16
     from born join asked using (order_id, section_no, sku_type, merchant, purpose, part)
   )
   select id, order_id, section_no, sku_type, merchant, purpose, part from born`,
)

/** Writes waybills with their history; those whose key exists already are left out of the answer. */
export async function insertWaybills(context: WriteContext, waybills: readonly NewWaybill[]): Promise<(WaybillKey & { id: number })[]> {
  const loads = waybills.map((waybill) => loadOf(waybill.items))
  return context.query(insertNew, [
    waybills.map((waybill) => waybill.orderId),
    waybills.map((waybill) => waybill.orderNumber),
    waybills.map((waybill) => waybill.sectionNo),
    waybills.map((waybill) => waybill.skuType),
    waybills.map((waybill) => waybill.merchant),
    waybills.map((waybill) => waybill.purpose),
    waybills.map((waybill) => JSON.stringify(waybill.destination)),
    waybills.map((waybill) => waybill.slot?.date ?? null),
    waybills.map((waybill) => waybill.slot?.code ?? null),
    waybills.map((waybill) => JSON.stringify(waybill.items)),
    loads.map((load) => load.weightGrams),
    loads.map((load) => load.volumeMl),
    loads.map((load) => load.pieces),
    waybills.map((waybill) => waybill.commandId),
    waybills.map((waybill) => waybill.actor),
    context.now,
    context.traffic,
    context.rehearsalId,
    waybills.map((waybill) => waybill.part),
  ])
}

const lockById = statement<WaybillRow>(
  'fulfilment.lock_waybills',
  `select ${columns} from fulfilment.waybill where id = any($1::bigint[]) order by id for update`,
)

/** Locks waybills in ascending id order, which is the order of every lock on this table, so that two callers never wait in a ring. */
export async function lockWaybills(context: WriteContext, waybillIds: readonly number[]): Promise<Map<number, StoredWaybill>> {
  const rows = await context.query(lockById, [[...new Set(waybillIds)]])
  return new Map(rows.map((row) => [row.id, waybillOf(row)]))
}

const lockByOrder = statement<WaybillRow>(
  'fulfilment.lock_waybills_of_orders',
  `select ${columns} from fulfilment.waybill where order_id = any($1::bigint[]) order by id for update`,
)

export async function lockWaybillsOfOrders(context: WriteContext, orderIds: readonly number[]): Promise<StoredWaybill[]> {
  return (await context.query(lockByOrder, [[...new Set(orderIds)]])).map(waybillOf)
}

/** A waybill as it was locked and as it shall be. */
export interface WaybillUpdate {
  readonly before: StoredWaybill
  readonly after: StoredWaybill
}

/** One line of history: what one command did to one waybill, walked states included. */
export interface WaybillChange {
  readonly waybillId: number
  readonly from: WaybillState
  readonly steps: readonly WaybillState[]
  readonly cause: string
  readonly commandId: string
  readonly actor: string
}

const updateMoved = statement<{ updated: number }>(
  'fulfilment.update_waybills',
  `with move as (
     select * from unnest($1::bigint[], $2::text[], $3::text[], $4::int[], $5::timestamptz[], $6::text[], $7::text[], $8::bigint[])
       as move (id, from_state, to_state, attempt, moved_at, slot_date, slot_code, route_id)
   ), moved as (
     update fulfilment.waybill set state = move.to_state, attempt = move.attempt, moved_at = move.moved_at, slot_date = move.slot_date,
       slot_code = move.slot_code, route_id = move.route_id, version = waybill.version + 1
     from move where waybill.id = move.id and waybill.state = move.from_state
     returning 1
   ), logged as (
     insert into fulfilment.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select root, array_fill('waybill'::text, array[cardinality(to_states::text[])]), array_fill(root::text, array[cardinality(to_states::text[])]),
       from_states::text[], to_states::text[], cause, command_id, actor, $15, $16, $17
     from unnest($9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[])
       with ordinality as change (root, from_states, to_states, cause, command_id, actor, position)
     order by position
   )
   select count(*)::int as updated from moved`,
)

/** Writes locked waybills and their history in one statement. */
export async function updateWaybills(
  context: WriteContext,
  updates: readonly WaybillUpdate[],
  changes: readonly WaybillChange[],
): Promise<void> {
  if (updates.length === 0) return
  const [result] = await context.query(updateMoved, [
    updates.map(({ before }) => before.waybillId),
    updates.map(({ before }) => before.state),
    updates.map(({ after }) => after.state),
    updates.map(({ after }) => after.attempt),
    updates.map(({ after }) => after.movedAt),
    updates.map(({ after }) => after.slot?.date ?? null),
    updates.map(({ after }) => after.slot?.code ?? null),
    updates.map(({ after }) => after.routeId),
    changes.map((change) => change.waybillId),
    changes.map(({ from, steps }) => `{${[from, ...steps.slice(0, -1)].join()}}`),
    changes.map(({ steps }) => `{${steps.join()}}`),
    changes.map((change) => change.cause),
    changes.map((change) => change.commandId),
    changes.map((change) => change.actor),
    context.traffic,
    context.rehearsalId,
    context.now,
  ])
  invariant(result?.updated === updates.length, `${updates.length} locked waybills to move, ${result?.updated} moved`)
}

const shrink = statement(
  'fulfilment.shrink_waybills',
  `update fulfilment.waybill set items = less.items, weight_grams = less.weight_grams, volume_ml = less.volume_ml, pieces = less.pieces,
     version = version + 1
   from unnest($1::bigint[], $2::json[], $3::bigint[], $4::bigint[], $5::int[]) as less (id, items, weight_grams, volume_ml, pieces)
   where waybill.id = less.id`,
)

/** Takes items out of locked waybills that keep others. */
export async function shrinkWaybills(
  context: WriteContext,
  waybills: readonly { waybillId: number; items: readonly WaybillItem[] }[],
): Promise<void> {
  if (waybills.length === 0) return
  const loads = waybills.map(({ items }) => loadOf(items))
  await context.query(shrink, [
    waybills.map(({ waybillId }) => waybillId),
    waybills.map(({ items }) => JSON.stringify(items)),
    loads.map((load) => load.weightGrams),
    loads.map((load) => load.volumeMl),
    loads.map((load) => load.pieces),
  ])
}

const selectById = statement<WaybillRow>(
  'fulfilment.waybills_by_id',
  `select ${columns} from fulfilment.waybill where id = any($1::bigint[])`,
)

export async function waybillsById(context: ReadContext, waybillIds: readonly number[]): Promise<Map<number, StoredWaybill>> {
  const rows = await context.query(selectById, [waybillIds])
  return new Map(rows.map((row) => [row.id, waybillOf(row)]))
}

const selectByOrder = statement<WaybillRow>(
  'fulfilment.waybills_by_order',
  `select ${columns} from fulfilment.waybill where order_id = any($1::bigint[]) order by id`,
)

export async function waybillsByOrder(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, StoredWaybill[]>> {
  const found = new Map<number, StoredWaybill[]>(orderIds.map((orderId) => [orderId, []]))
  for (const row of await context.query(selectByOrder, [orderIds])) found.get(row.order_id)?.push(waybillOf(row))
  return found
}

// The literal list repeats the predicate of index waybill_open: with a parameter alone the planner could not prove that the index serves.
const selectByState = statement<WaybillRow & { asked: number }>(
  'fulfilment.waybills_by_state',
  `select asked.position::int as asked, waybill.* from unnest($1::text[], $2::bigint[], $3::int[])
     with ordinality as asked (state, after, most, position)
   cross join lateral (
     select ${columns} from fulfilment.waybill
     where waybill.state = asked.state and waybill.id > asked.after
       and waybill.state not in ('delivered', 'restocked', 'written_off', 'cancelled')
     order by waybill.id limit asked.most
   ) as waybill
   order by asked.position, waybill.id`,
)

export interface StatePage {
  readonly state: WaybillState
  readonly after: number
  readonly limit: number
}

/** Waybills that stand in an unended state, from the smallest id after the cursor; one list a page asked for. */
export async function waybillsByState(context: ReadContext, pages: readonly StatePage[]): Promise<StoredWaybill[][]> {
  const rows = await context.query(selectByState, [
    pages.map((page) => page.state),
    pages.map((page) => page.after),
    pages.map((page) => page.limit),
  ])
  const lists: StoredWaybill[][] = pages.map(() => [])
  for (const row of rows) lists[row.asked - 1]?.push(waybillOf(row))
  return lists
}

interface ChangeLogRow {
  root: number
  from_state: string
  to_state: string
  cause: string
  actor: string
  occurred_at: Date
}

const selectHistory = statement<ChangeLogRow>(
  'fulfilment.history',
  `select root, from_state, to_state, cause, actor, occurred_at from fulfilment.change_log
   where root = any($1::bigint[]) order by sequence, position`,
)

export async function historyOf(context: ReadContext, waybillIds: readonly number[]): Promise<Map<number, ChangeLogRow[]>> {
  const found = new Map<number, ChangeLogRow[]>(waybillIds.map((waybillId) => [waybillId, []]))
  for (const row of await context.query(selectHistory, [waybillIds])) found.get(row.root)?.push(row)
  return found
}
