import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { HoldKind } from './holds.ts'
import { phaseOf, type WaybillState } from './lifecycle.ts'
import { loadOf, type Purpose, type SkuType, type Waybill, type WaybillItem, type WaybillPlan } from './waybill.ts'

interface WaybillRow {
  id: number
  order_id: number
  order_number: string
  section_no: number
  sku_type: SkuType
  merchant: string
  purpose: Purpose
  part: number
  state: WaybillState
  attempt: number
  ask: number
  version: number
  destination: Waybill['destination']
  slot_date: string | null
  slot_code: string | null
  route_id: number | null
  cut_off_at: Date | null
  ready_at: Date | null
  holds: HoldKind[]
  origin_id: number | null
  claim_id: number | null
  made_by: string | null
  reference: string | null
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

/** What moving a waybill looks at: where it goes is left out, and so are the facts of its birth, for reports come by the thousand. */
export type MovingWaybill = Pick<
  StoredWaybill,
  | 'waybillId'
  | 'orderId'
  | 'sectionNo'
  | 'purpose'
  | 'claimId'
  | 'state'
  | 'attempt'
  | 'ask'
  | 'version'
  | 'slot'
  | 'routeId'
  | 'cutOffAt'
  | 'readyAt'
  | 'holds'
  | 'items'
  | 'movedAt'
>

const columns = `id, order_id, order_number, section_no, sku_type, merchant, purpose, part, state, attempt, ask, version, destination,
  slot_date, slot_code, route_id, cut_off_at, ready_at, holds, origin_id, claim_id, made_by, reference, items, weight_grams, volume_ml, pieces,
  created_at, moved_at`

function waybillOf(row: WaybillRow): StoredWaybill {
  return {
    ...movingOf(row),
    orderNumber: row.order_number,
    skuType: row.sku_type,
    merchant: row.merchant,
    part: row.part,
    destination: row.destination,
    originId: row.origin_id,
    madeBy: row.made_by,
    reference: row.reference,
    weightGrams: row.weight_grams,
    volumeMl: row.volume_ml,
    pieces: row.pieces,
    createdAt: row.created_at,
  }
}

const movingOf = (row: WaybillRow): MovingWaybill => ({
  waybillId: row.id,
  orderId: row.order_id,
  sectionNo: row.section_no,
  purpose: row.purpose,
  claimId: row.claim_id,
  state: row.state,
  attempt: row.attempt,
  ask: row.ask,
  version: row.version,
  slot: row.slot_date === null || row.slot_code === null ? null : { date: row.slot_date, code: row.slot_code },
  routeId: row.route_id,
  cutOffAt: row.cut_off_at,
  readyAt: row.ready_at,
  holds: row.holds,
  items: row.items,
  movedAt: row.moved_at,
})

/** Birth of a waybill, before it has its id. */
export interface NewWaybill extends Omit<WaybillPlan, 'replaces'> {
  readonly orderId: number
  readonly orderNumber: string
  readonly part: number
  readonly originId: number | null
  readonly claimId: number | null
  readonly madeBy: string | null
  readonly reference: string | null
  readonly cause: string
  readonly actor: string
  readonly commandId: string
}

// A number below 2^31 that nothing else locks by. Orders share 256 locks, so that a batch of any size takes few and in one order.
const lockSpace = 7_001
const sharedLocks = 256
const lockOrders = statement(
  'fulfilment.lock_orders',
  `select pg_advisory_xact_lock(${lockSpace}, place) from (select distinct (id % ${sharedLocks})::int as place from unnest($1::bigint[]) as o (id) order by 1) as p`,
)

/**
 * Waybills of orders, by order, for whoever makes more of them: until the end of the transaction nobody else does. An item is in one
 * delivery, and two callers that make waybills of one order at once must see each other's. The waybills themselves are not locked.
 */
export async function waybillsBeforeMore(context: WriteContext, orderIds: readonly number[]): Promise<Map<number, StoredWaybill[]>> {
  const ids = [...new Set(orderIds)]
  const locked = context.query(lockOrders, [ids])
  // Sent together and run one after the other: the second one looks when the locks are ours.
  const [, waybills] = await Promise.all([locked, waybillsByOrder(context, ids)])
  return waybills
}

interface BornRow {
  position: number
  id: number
}

const insertNew = statement<BornRow>(
  'fulfilment.insert_waybills',
  `with asked as (
     select * from unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::json[], $8::text[], $9::text[],
       $10::json[], $11::bigint[], $12::bigint[], $13::int[], $14::text[], $15::text[], $19::smallint[], $20::bigint[], $21::bigint[],
       $22::text[], $23::text[], $24::text[])
       with ordinality as asked (order_id, order_number, section_no, sku_type, merchant, purpose, destination, slot_date, slot_code,
         items, weight_grams, volume_ml, pieces, command_id, actor, part, origin_id, claim_id, made_by, reference, cause, position)
   ), born as (
     insert into fulfilment.waybill (order_id, order_number, section_no, sku_type, merchant, purpose, state, destination, slot_date,
       slot_code, items, weight_grams, volume_ml, pieces, part, origin_id, claim_id, made_by, reference, created_at, moved_at)
     select order_id, order_number, section_no, sku_type, merchant, purpose, 'created', destination, slot_date,
       slot_code, items, weight_grams, volume_ml, pieces, part, origin_id, claim_id, made_by, reference, $16, $16
     from asked order by order_id, section_no, position
     on conflict do nothing
     returning id, order_id, section_no, sku_type, merchant, purpose, part
   ), known as (
     select born.id, asked.position, asked.cause, asked.command_id, asked.actor
     from born join asked using (order_id, section_no, sku_type, merchant, purpose, part)
   ), logged as (
     insert into fulfilment.change (root, level, states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select id, 'waybill', '{"",created}', cause, command_id, actor, $17, $18, $16 from known
   )
   select id, position::int from known order by position`,
)

/** Writes waybills with their history. Returns the ids by place; one that was there already, by its key or by its reference, has none. */
export async function insertWaybills(context: WriteContext, waybills: readonly NewWaybill[]): Promise<Map<number, number>> {
  if (waybills.length === 0) return new Map()
  const loads = waybills.map((waybill) => loadOf(waybill.items))
  const rows = await context.query(insertNew, [
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
    waybills.map((waybill) => waybill.originId),
    waybills.map((waybill) => waybill.claimId),
    waybills.map((waybill) => waybill.madeBy),
    waybills.map((waybill) => waybill.reference),
    waybills.map((waybill) => waybill.cause),
  ])
  return new Map(rows.map((row) => [row.position - 1, row.id]))
}

const lockToMove = statement<WaybillRow>(
  'fulfilment.lock_to_move',
  `select id, order_id, section_no, purpose, claim_id, state, attempt, ask, version, slot_date, slot_code, route_id, cut_off_at, ready_at, holds, items, moved_at
   from fulfilment.waybill where id = any($1::bigint[]) order by id for update`,
)

/** Locks waybills that are to be moved, in ascending id order as every lock on this table. */
export async function lockToMoveWaybills(context: WriteContext, waybillIds: readonly number[]): Promise<Map<number, MovingWaybill>> {
  const rows = await context.query(lockToMove, [[...new Set(waybillIds)]])
  return new Map(rows.map((row) => [row.id, movingOf(row)]))
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

// Found by phase and looked through by id. The last condition repeats the predicate of index waybill_phase: with a parameter alone the
// planner could not prove that the index serves.
const selectByState = statement<WaybillRow & { asked: number }>(
  'fulfilment.waybills_by_state',
  `select asked.position::int as asked, waybill.* from unnest($1::text[], $2::text[], $3::bigint[], $4::int[])
     with ordinality as asked (phase, state, after, most, position)
   cross join lateral (
     select ${columns} from fulfilment.waybill
     where waybill.phase = asked.phase and waybill.state = asked.state and waybill.id > asked.after and waybill.phase <> 'over'
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
    pages.map((page) => phaseOf[page.state]),
    pages.map((page) => page.state),
    pages.map((page) => page.after),
    pages.map((page) => page.limit),
  ])
  const lists: StoredWaybill[][] = pages.map(() => [])
  for (const row of rows) lists[row.asked - 1]?.push(waybillOf(row))
  return lists
}

const selectByReference = statement<WaybillRow>(
  'fulfilment.waybills_by_reference',
  // Each name is looked up by itself; joined freely, the planner may read all references that there are.
  `select waybill.* from unnest($1::text[], $2::text[]) as asked (made_by, reference)
   cross join lateral (
     select ${columns} from fulfilment.waybill
     where waybill.made_by = asked.made_by and waybill.reference = asked.reference and waybill.reference is not null offset 0
   ) as waybill`,
)

/** Waybills that callers have made by these names of theirs. */
export async function waybillsByReference(
  context: ReadContext,
  names: readonly { readonly madeBy: string; readonly reference: string }[],
): Promise<StoredWaybill[]> {
  const rows = await context.query(selectByReference, [names.map(({ madeBy }) => madeBy), names.map(({ reference }) => reference)])
  return rows.map(waybillOf)
}
