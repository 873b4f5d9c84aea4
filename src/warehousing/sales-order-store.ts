import { invariant } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { SalesOrderState } from './lifecycle.ts'
import type { SalesLine, SalesOrder } from './sales-order.ts'

interface Row extends Omit<SalesOrder, 'slot'> {
  readonly slotDate: string | null
  readonly slotCode: string | null
}

const columns = `sales_order.id as "salesOrderId", sales_order.warehouse, sales_order.waybill_id as "waybillId", sales_order.ask,
  sales_order.order_id as "orderId", sales_order.order_number as "orderNumber", sales_order.pick_flow as "pickFlow", sales_order.wave,
  sales_order.short_policy as "shortPolicy", sales_order.sku_type as "skuType", sales_order.slot_date as "slotDate",
  sales_order.slot_code as "slotCode", sales_order.destination, sales_order.lines, sales_order.ready_at as "readyAt", sales_order.state, sales_order.version,
  sales_order.transferred_from as "transferredFrom", sales_order.made_by as "madeBy", sales_order.reference,
  sales_order.created_at as "createdAt", sales_order.moved_at as "movedAt"`

function orderOf({ slotDate, slotCode, ...row }: Row): SalesOrder {
  return { ...row, slot: slotDate === null || slotCode === null ? null : { date: slotDate, code: slotCode } }
}

const lockById = statement<Row>(
  'warehousing.lock_sales_orders',
  `select ${columns} from warehousing.sales_order where id = any($1::bigint[]) order by id for update`,
)
const lockByWaybill = statement<Row>(
  'warehousing.lock_current',
  `select ${columns} from warehousing.sales_order
   where waybill_id = any($1::bigint[]) and state not in ('cancelled', 'transferred') order by id for update`,
)

/** Locks sales orders in ascending id order, as every lock on this table. */
export async function lockSalesOrders(context: WriteContext, ids: readonly number[]): Promise<Map<number, SalesOrder>> {
  const rows = await context.query(lockById, [[...new Set(ids)]])
  return new Map(rows.map((row) => [row.salesOrderId, orderOf(row)]))
}

// A number below 2^31 that nothing else locks by. Waybills share 256 locks, so that a batch of any size takes few and in one order.
const lockWaybills = statement(
  'warehousing.lock_waybills',
  `select pg_advisory_xact_lock(7002, place) from (select distinct (id % 256)::int as place from unnest($1::bigint[]) as w (id) order by 1) as p`,
)

/**
 * Locks those by which waybills are prepared now, or were the last time; by waybill. First come locks of the waybills themselves, which need no row: who makes one by
 * hand has looked at the waybill, and what the waybill tells meanwhile waits until that one is there to be called off.
 */
export async function lockCurrent(context: WriteContext, waybillIds: readonly number[]): Promise<Map<number, SalesOrder>> {
  if (waybillIds.length === 0) return new Map()
  const ids = [...new Set(waybillIds)]
  // Sent together and run one after the other.
  const [, rows] = await Promise.all([context.query(lockWaybills, [ids]), context.query(lockByWaybill, [ids])])
  // Of several, one for each time that it was prepared, the last holds.
  return new Map(rows.map((row) => [row.waybillId ?? 0, orderOf(row)]))
}

const selectById = statement<Row>('warehousing.sales_orders', `select ${columns} from warehousing.sales_order where id = any($1::bigint[])`)
const selectByWaybill = statement<Row>(
  'warehousing.sales_orders_of_waybills',
  `select ${columns} from warehousing.sales_order where waybill_id = any($1::bigint[]) order by id`,
)
const selectSuccessors = statement<Row>(
  'warehousing.successors',
  `select ${columns} from warehousing.sales_order where transferred_from = any($1::bigint[])`,
)
const selectPage = statement<Row>(
  'warehousing.sales_orders_page',
  `select ${columns} from warehousing.sales_order where id > $1 order by id limit $2`,
)
const selectReferences = statement<Row>(
  'warehousing.sales_orders_by_reference',
  `select ${columns} from unnest($1::text[], $2::text[]) as asked (made_by, reference)
   join warehousing.sales_order on sales_order.made_by = asked.made_by and sales_order.reference = asked.reference
     and sales_order.reference is not null`,
)

const byId = (rows: readonly Row[]): Map<number, SalesOrder> => new Map(rows.map((row) => [row.salesOrderId, orderOf(row)]))

export const salesOrdersById = async (context: ReadContext, ids: readonly number[]): Promise<Map<number, SalesOrder>> =>
  byId(await context.query(selectById, [[...new Set(ids)]]))

/** All sales orders that waybills ever had, by waybill and rising id. */
export async function salesOrdersOfWaybills(context: ReadContext, waybillIds: readonly number[]): Promise<Map<number, SalesOrder[]>> {
  const rows = await context.query(selectByWaybill, [[...new Set(waybillIds)]])
  return Map.groupBy(rows.map(orderOf), ({ waybillId }) => waybillId ?? 0)
}

/** By the one that they stand in for. */
export async function successorsOf(context: ReadContext, ids: readonly number[]): Promise<Map<number, SalesOrder>> {
  if (ids.length === 0) return new Map()
  const rows = await context.query(selectSuccessors, [[...new Set(ids)]])
  return new Map(rows.map((row) => [row.transferredFrom ?? 0, orderOf(row)]))
}

export const salesOrdersPage = async (context: ReadContext, after: number, limit: number): Promise<SalesOrder[]> =>
  (await context.query(selectPage, [after, limit])).map(orderOf)

export const nameOf = (madeBy: string | null, reference: string | null): string => JSON.stringify([madeBy, reference])

export async function salesOrdersByReference(
  context: ReadContext,
  names: readonly { readonly madeBy: string; readonly reference: string }[],
): Promise<Map<string, SalesOrder>> {
  if (names.length === 0) return new Map()
  const rows = await context.query(selectReferences, [names.map(({ madeBy }) => madeBy), names.map(({ reference }) => reference)])
  return new Map(rows.map((row) => [nameOf(row.madeBy, row.reference), orderOf(row)]))
}

/** Work of a warehouse in a state, from the smallest id after the cursor; one list a page asked for. */
export interface WorkPage {
  readonly warehouse: string
  readonly state: SalesOrderState
  readonly after: number
  readonly limit: number
}

// The last condition repeats the predicate of index sales_order_work: with a parameter alone the planner could not prove that it serves.
const selectWork = statement<Row & { asked: number }>(
  'warehousing.work',
  `select asked.position::int as asked, found.* from unnest($1::text[], $2::text[], $3::bigint[], $4::int[])
     with ordinality as asked (warehouse, state, after, most, position)
   cross join lateral (
     select ${columns} from warehousing.sales_order
     where sales_order.warehouse = asked.warehouse and sales_order.state = asked.state and sales_order.id > asked.after
       and sales_order.state in ('created', 'accepted', 'picking', 'picked')
     order by sales_order.id limit asked.most
   ) as found order by asked.position, found."salesOrderId"`,
)

export async function workOf(context: ReadContext, pages: readonly WorkPage[]): Promise<SalesOrder[][]> {
  const rows = await context.query(selectWork, [
    pages.map(({ warehouse }) => warehouse),
    pages.map(({ state }) => state),
    pages.map(({ after }) => after),
    pages.map(({ limit }) => limit),
  ])
  const lists: SalesOrder[][] = pages.map(() => [])
  for (const { asked, ...row } of rows) lists[asked - 1]?.push(orderOf(row))
  return lists
}

export interface NewSalesOrder extends Omit<SalesOrder, 'salesOrderId' | 'state' | 'version' | 'createdAt' | 'movedAt'> {
  readonly cause: string
  readonly actor: string
  readonly commandId: string
}

const insertNew = statement<{ position: number; id: number }>(
  'warehousing.insert_sales_orders',
  `with asked as (
     select * from unnest($1::text[], $2::bigint[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
       $10::text[], $11::text[], $12::json[], $13::json[], $14::bigint[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[])
       with ordinality as asked (warehouse, waybill_id, ask, order_id, order_number, pick_flow, wave, short_policy, sku_type, slot_date,
         slot_code, destination, lines, transferred_from, made_by, reference, cause, actor, command_id, position)
   ), numbered as (
     select nextval(pg_get_serial_sequence('warehousing.sales_order', 'id')) as id, asked.* from asked order by position
   ), born as (
     insert into warehousing.sales_order (id, warehouse, waybill_id, ask, order_id, order_number, pick_flow, wave, short_policy, sku_type, slot_date,
       slot_code, destination, lines, transferred_from, made_by, reference, state, created_at, moved_at)
     overriding system value
     select id, warehouse, waybill_id, ask, order_id, order_number, pick_flow, wave, short_policy, sku_type, slot_date, slot_code, destination,
       lines, transferred_from, made_by, reference, 'created', $20, $20
     from numbered order by position
     on conflict do nothing
     returning id
   ), logged as (
     insert into warehousing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select id, '{sales_order}', array[id::text], '{""}', '{created}', cause, command_id, actor, $21, $22, $20
     from born join numbered using (id)
   )
   select position::int, id from born join numbered using (id) order by position`,
)

/** Writes sales orders with their history. Returns ids by place; one whose waybill or name has one already is not written. */
export async function insertSalesOrders(context: WriteContext, orders: readonly NewSalesOrder[]): Promise<Map<number, number>> {
  if (orders.length === 0) return new Map()
  const rows = await context.query(insertNew, [
    orders.map(({ warehouse }) => warehouse),
    orders.map(({ waybillId }) => waybillId),
    orders.map(({ ask }) => ask),
    orders.map(({ orderId }) => orderId),
    orders.map(({ orderNumber }) => orderNumber),
    orders.map(({ pickFlow }) => pickFlow),
    orders.map(({ wave }) => wave),
    orders.map(({ shortPolicy }) => shortPolicy),
    orders.map(({ skuType }) => skuType),
    orders.map(({ slot }) => slot?.date ?? null),
    orders.map(({ slot }) => slot?.code ?? null),
    orders.map(({ destination }) => (destination === null ? null : JSON.stringify(destination))),
    orders.map(({ lines }) => JSON.stringify(lines)),
    orders.map(({ transferredFrom }) => transferredFrom),
    orders.map(({ madeBy }) => madeBy),
    orders.map(({ reference }) => reference),
    orders.map(({ cause }) => cause),
    orders.map(({ actor }) => actor),
    orders.map(({ commandId }) => commandId),
    context.now,
    context.traffic,
    context.rehearsalId,
  ])
  return new Map(rows.map(({ position, id }) => [position - 1, id]))
}

/** One line of history: what one command did to one sales order. */
export interface SalesOrderChange {
  readonly salesOrderId: number
  readonly level: 'sales_order' | 'lines' | 'pick_flow' | 'wave' | 'ready'
  readonly from: string
  readonly to: string
  readonly cause: string
  readonly commandId: string
  readonly actor: string
}

const updateAll = statement<{ updated: number }>(
  'warehousing.update_sales_orders',
  `with changed as (
     update warehousing.sales_order set state = change.to_state, lines = change.lines, pick_flow = change.pick_flow, wave = change.wave,
       ready_at = change.ready_at, moved_at = change.moved_at, version = sales_order.version + 1
     from unnest($1::bigint[], $2::int[], $3::text[], $4::json[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[])
       as change (id, from_version, to_state, lines, pick_flow, wave, moved_at, ready_at)
     where sales_order.id = change.id and sales_order.version = change.from_version
     returning 1
   )
   select count(*)::int as updated from changed`,
)
const insertChanges = statement(
  'warehousing.insert_changes',
  `insert into warehousing.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
   select root, array[level], array[root::text], array[from_state], array[to_state], cause, command_id, actor, $8, $9, $10
   from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     with ordinality as change (root, level, from_state, to_state, cause, command_id, actor, position)
   order by position`,
)

/** Writes locked sales orders, each once, and their history. */
export async function updateSalesOrders(
  context: WriteContext,
  updates: readonly { readonly before: SalesOrder; readonly after: SalesOrder }[],
  changes: readonly SalesOrderChange[],
): Promise<void> {
  if (updates.length === 0) return
  const [result] = await context.query(updateAll, [
    updates.map(({ before }) => before.salesOrderId),
    updates.map(({ before }) => before.version),
    updates.map(({ after }) => after.state),
    updates.map(({ after }) => JSON.stringify(after.lines)),
    updates.map(({ after }) => after.pickFlow),
    updates.map(({ after }) => after.wave),
    updates.map(({ after }) => after.movedAt),
    updates.map(({ after }) => after.readyAt),
  ])
  invariant(result?.updated === updates.length, `${updates.length} locked sales orders to change, ${result?.updated} changed`)
  // History waits for nobody and leaves with the commit.
  context.defer(insertChanges, [
    changes.map(({ salesOrderId }) => salesOrderId),
    changes.map(({ level }) => level),
    changes.map(({ from }) => from),
    changes.map(({ to }) => to),
    changes.map(({ cause }) => cause),
    changes.map(({ commandId }) => commandId),
    changes.map(({ actor }) => actor),
    context.traffic,
    context.rehearsalId,
    context.now,
  ])
}

const historyOfIds = statement<{
  root: number
  level: string
  from_state: string
  to_state: string
  cause: string
  actor: string
  occurred_at: Date
}>(
  'warehousing.history',
  `select root, level, from_state, to_state, cause, actor, occurred_at from warehousing.change_log where root = any($1::bigint[])
   order by sequence, position`,
)
export const historyOf = async (context: ReadContext, ids: readonly number[]) =>
  Map.groupBy(await context.query(historyOfIds, [[...new Set(ids)]]), ({ root }) => root)

/** Lines with what was asked and what is missing, as the history tells of them. */
export const linesWord = (lines: readonly SalesLine[]): string =>
  lines.map(({ itemNo, quantity, short }) => `${itemNo}x${quantity}${short > 0 ? `-${short}` : ''}`).join(' ')
