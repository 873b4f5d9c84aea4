import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { currentContext } from '#platform/request-context.ts'
import type { FoldedState, ItemState, MoneyState } from './lifecycle.ts'
import type { Decision, Destination, Order } from './order.ts'
import type { OrderView } from './schemas.ts'

/** A new order as it is written: everything decided, numbered and summed. */
export interface NewOrder {
  readonly id: number
  readonly number: string
  readonly storeId: string
  readonly customerId: string
  readonly channel: string
  readonly currency: string
  readonly totalMinor: number
  readonly state: FoldedState
  readonly sections: readonly NewSection[]
  readonly commandId: string
  readonly actor: string
}

export interface NewSection {
  readonly destination: Destination
  readonly slot: { readonly date: string; readonly code: string } | null
  readonly merchantId: string | null
  readonly shippingMinor: number
  readonly items: readonly NewItem[]
}

export interface NewItem {
  readonly itemNo: number
  readonly sku: string
  readonly skuType: string
  readonly quantity: number
  readonly unitPriceMinor: number
  readonly discountMinor: number
  readonly taxMinor: number
  readonly weightGrams: number
  readonly volumeMl: number
  readonly state: ItemState
}

// Columns go in as arrays and rows come out of unnest: a statement has the same text for one order and for 128, so it is
// planned once a connection, and it costs a fifth of what JSON costs to take apart on the server.
const insert = statement(
  'orders.insert',
  `with head as (
     insert into orders.orders (id, number, store_id, customer_id, channel, currency, total_minor, state, money_state, rehearsal_id, placed_at, changed_at)
     select id, number, store_id, customer_id, channel, currency, total_minor, state, 'none', $36, $35, $35
     from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[])
       as o (id, number, store_id, customer_id, channel, currency, total_minor, state)
   ), sections as (
     insert into orders.section (order_id, section_no, state, destination, slot_date, slot_code, merchant_id, shipping_minor)
     select * from unnest($9::bigint[], $10::smallint[], $11::text[], $12::json[], $13::date[], $14::text[], $15::text[], $16::bigint[])
   ), items as (
     insert into orders.item (order_id, item_no, section_no, sku, sku_type, quantity, unit_price_minor, discount_minor, tax_minor,
       weight_grams, volume_ml, state)
     select * from unnest($17::bigint[], $18::smallint[], $19::smallint[], $20::text[], $21::text[], $22::integer[], $23::bigint[],
       $24::bigint[], $25::bigint[], $26::integer[], $27::integer[], $28::text[])
   )
   insert into orders.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
   select root, levels::text[], entities::text[], from_states::text[], to_states::text[], 'place', command_id, actor, $37, $36, $35
   from unnest($1::bigint[], $29::text[], $30::text[], $31::text[], $32::text[], $33::text[], $34::text[])
     as c (root, levels, entities, from_states, to_states, command_id, actor)`,
)

export function insertOrders(
  context: WriteContext,
  orders: readonly NewOrder[],
  birth: (order: NewOrder) => { levels: string; entities: string; from: string; to: string },
): void {
  const sections = orders.flatMap((order) => order.sections.map((section, index) => ({ order, section, sectionNo: index + 1 })))
  const items = sections.flatMap(({ order, section, sectionNo }) => section.items.map((item) => ({ order, item, sectionNo })))
  const births = orders.map(birth)
  context.defer(insert, [
    orders.map((order) => order.id),
    orders.map((order) => order.number),
    orders.map((order) => order.storeId),
    orders.map((order) => order.customerId),
    orders.map((order) => order.channel),
    orders.map((order) => order.currency),
    orders.map((order) => order.totalMinor),
    orders.map((order) => order.state),
    sections.map(({ order }) => order.id),
    sections.map(({ sectionNo }) => sectionNo),
    sections.map(({ order }) => order.state),
    sections.map(({ section }) => JSON.stringify(section.destination)),
    sections.map(({ section }) => section.slot?.date ?? null),
    sections.map(({ section }) => section.slot?.code ?? null),
    sections.map(({ section }) => section.merchantId),
    sections.map(({ section }) => section.shippingMinor),
    items.map(({ order }) => order.id),
    items.map(({ item }) => item.itemNo),
    items.map(({ sectionNo }) => sectionNo),
    items.map(({ item }) => item.sku),
    items.map(({ item }) => item.skuType),
    items.map(({ item }) => item.quantity),
    items.map(({ item }) => item.unitPriceMinor),
    items.map(({ item }) => item.discountMinor),
    items.map(({ item }) => item.taxMinor),
    items.map(({ item }) => item.weightGrams),
    items.map(({ item }) => item.volumeMl),
    items.map(({ item }) => item.state),
    births.map(({ levels }) => levels),
    births.map(({ entities }) => entities),
    births.map(({ from }) => from),
    births.map(({ to }) => to),
    orders.map((order) => order.commandId),
    orders.map((order) => order.actor),
    context.now,
    context.rehearsalId,
    context.traffic,
  ])
}

// Locks order heads in ascending id; whoever changes sections or items of an order holds its head first.
const lock = statement<{ id: number }>('orders.lock', `select id from orders.orders where id = any($1::bigint[]) order by id for update`)

interface LoadedRow {
  id: number
  number: string
  store_id: string
  state: FoldedState
  money_state: MoneyState
  sections: [sectionNo: number, state: FoldedState][]
  items: [itemNo: number, sectionNo: number, state: ItemState][]
}

// A statement of its own after the lock: within one statement the sub-selects would read the snapshot from before the wait.
const load = statement<LoadedRow>(
  'orders.load',
  `select o.id, o.number, o.store_id, o.state, o.money_state,
     (select json_agg(json_build_array(s.section_no, s.state) order by s.section_no) from orders.section s where s.order_id = o.id) as sections,
     (select json_agg(json_build_array(i.item_no, i.section_no, i.state) order by i.item_no) from orders.item i where i.order_id = o.id) as items
   from orders.orders o where o.id = any($1::bigint[])`,
)

/** Locks orders and reads them inside the lock, by id. Unknown ids are absent. */
export async function lockOrders(context: WriteContext, ids: readonly number[]): Promise<Map<number, Order>> {
  // Sent together; the server runs them one after the other, so the second reads what the first waited for.
  const [, rows] = await Promise.all([context.query(lock, [ids]), context.query(load, [ids])])
  return new Map(
    rows.map((row) => [
      row.id,
      {
        id: row.id,
        number: row.number,
        storeId: row.store_id,
        state: row.state,
        moneyState: row.money_state,
        sections: row.sections.map(([sectionNo, state]) => ({ sectionNo, state })),
        items: row.items.map(([itemNo, sectionNo, state]) => ({ itemNo, sectionNo, state })),
      },
    ]),
  )
}

/** A decision about one order, with what caused it. */
export interface Caused {
  readonly order: Order
  readonly decision: Decision
  readonly cause: string
  readonly commandId: string
  readonly actor: string
}

const write = statement(
  'orders.write_changes',
  `with items as (
     update orders.item i set state = m.to_state, version = i.version + 1
     from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[]) as m (order_id, item_no, from_state, to_state)
     where i.order_id = m.order_id and i.item_no = m.item_no and i.state = m.from_state
     returning 1
   ), sections as (
     update orders.section s set state = m.to_state, version = s.version + 1
     from unnest($5::bigint[], $6::smallint[], $7::text[], $8::text[]) as m (order_id, section_no, from_state, to_state)
     where s.order_id = m.order_id and s.section_no = m.section_no and s.state = m.from_state
     returning 1
   ), heads as (
     update orders.orders o set state = m.to_state, money_state = m.money_to, version = o.version + 1, changed_at = $21
     from unnest($9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[]) as m (id, from_state, to_state, money_from, money_to)
     where o.id = m.id and o.state = m.from_state and o.money_state = m.money_from
     returning 1
   ), log as (
     insert into orders.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select root, levels::text[], entities::text[], from_states::text[], to_states::text[], cause, command_id, actor, $22, $23, $21
     from unnest($9::bigint[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[])
       as c (root, levels, entities, from_states, to_states, cause, command_id, actor)
   )
   select orders.expect_changed($24, (select count(*) from items) + (select count(*) from sections) + (select count(*) from heads))`,
)

/**
 * Writes decisions by compare-and-set, with their history, at the end of the transaction. One decision an order; those without
 * changes are passed over. Where a row has been changed underneath, without the order's lock, the statement itself fails as
 * a serialization failure, and all is read and decided again.
 */
export function deferDecisions(context: WriteContext, decisions: readonly Caused[]): void {
  const changed = decisions.filter(({ decision }) => decision.changes.length > 0)
  if (changed.length === 0) return
  const moves = changed.flatMap(({ order, decision }) => decision.changes.map((change) => ({ id: order.id, ...change })))
  const items = moves.filter(({ level }) => level === 'item')
  const sections = moves.filter(({ level }) => level === 'section')
  context.defer(write, [
    items.map(({ id }) => id),
    items.map(({ entity }) => entity),
    items.map(({ from }) => from),
    items.map(({ to }) => to),
    sections.map(({ id }) => id),
    sections.map(({ entity }) => entity),
    sections.map(({ from }) => from),
    sections.map(({ to }) => to),
    changed.map(({ order }) => order.id),
    changed.map(({ order }) => order.state),
    changed.map(({ decision }) => decision.after.state),
    changed.map(({ order }) => order.moneyState),
    changed.map(({ decision }) => decision.after.moneyState),
    changed.map(({ decision }) => literal(decision.changes.map(({ level }) => level))),
    changed.map(({ decision }) => literal(decision.changes.map(({ entity }) => entity))),
    changed.map(({ decision }) => literal(decision.changes.map(({ from }) => from))),
    changed.map(({ decision }) => literal(decision.changes.map(({ to }) => to))),
    changed.map(({ cause }) => cause),
    changed.map(({ commandId }) => commandId),
    changed.map(({ actor }) => actor),
    context.now,
    context.traffic,
    context.rehearsalId,
    items.length + sections.length + changed.length,
  ])
}

/** A text array as PostgreSQL writes it; only for our own words (states, levels, numbers), which need no escapes. */
export function literal(words: readonly string[]): string {
  return `{${words.map((word) => (word === '' ? '""' : word)).join(',')}}`
}

/**
 * Announces `orders.paid` (events.ts) with the sections and paid items as they stand, straight from the tables into the
 * outbox: through us it would be parsed, printed and escaped once more for each order.
 */
const announcePaid = statement(
  'orders.announce_paid',
  `with writer as materialized (select pg_current_xact_id() as tx)
   insert into orders.outbox (tx, key, type, schema_version, payload, trace_id, rehearsal_id, occurred_at)
   select writer.tx, o.id::text, 'orders.paid', 1,
     json_build_object('orderId', o.id, 'number', o.number, 'placedAt', o.placed_at, 'sections',
       (select json_agg(json_build_object('sectionNo', s.section_no, 'destination', s.destination, 'merchantId', s.merchant_id,
            'slot', case when s.slot_date is not null then json_build_object('date', s.slot_date, 'code', s.slot_code) end,
            'items', (select json_agg(json_build_object('itemNo', i.item_no, 'sku', i.sku, 'skuType', i.sku_type, 'quantity', i.quantity,
                'weightGrams', i.quantity * i.weight_grams, 'volumeMl', i.quantity * i.volume_ml) order by i.item_no)
              from orders.item i where i.order_id = o.id and i.section_no = s.section_no and i.state = 'paid')) order by s.section_no)
        from orders.section s where s.order_id = o.id and s.state = 'paid')), $2, $3, $4
   from writer, orders.orders o where o.id = any($1::bigint[]) order by o.id`,
)

export function deferPaidEvents(context: WriteContext, ids: readonly number[]): void {
  context.deferEvents(announcePaid, [ids, currentContext()?.traceId ?? '', context.rehearsalId, context.now])
}

const detail = statement<{ id: number; number: string; view: OrderView }>(
  'orders.detail',
  `select o.id, o.number, json_build_object('orderId', o.id, 'number', o.number, 'storeId', o.store_id, 'customerId', o.customer_id,
     'channel', o.channel, 'currency', o.currency, 'totalMinor', o.total_minor, 'state', o.state, 'moneyState', o.money_state,
     'attention', o.attention, 'placedAt', o.placed_at, 'changedAt', o.changed_at,
     'sections', (select json_agg(json_build_object('sectionNo', s.section_no, 'state', s.state, 'destination', s.destination,
          'slot', case when s.slot_date is not null then json_build_object('date', s.slot_date, 'code', s.slot_code) end,
          'merchantId', s.merchant_id, 'shippingMinor', s.shipping_minor,
          'items', (select json_agg(json_build_object('itemNo', i.item_no, 'sku', i.sku, 'skuType', i.sku_type, 'quantity', i.quantity,
              'unitPriceMinor', i.unit_price_minor, 'discountMinor', i.discount_minor, 'taxMinor', i.tax_minor, 'state', i.state)
              order by i.item_no)
            from orders.item i where i.order_id = o.id and i.section_no = s.section_no)) order by s.section_no)
      from orders.section s where s.order_id = o.id)) as view
   from orders.orders o where o.id = any($1::bigint[]) or o.number = any($2::text[])`,
)

/** Orders by id and by number, whole, in one statement. */
export async function readOrders(context: ReadContext, ids: readonly number[], numbers: readonly string[]): Promise<OrderView[]> {
  const rows = await context.query(detail, [ids, numbers])
  return rows.map((row) => row.view)
}

const log = statement<{ changes: unknown }>(
  'orders.timeline',
  `select coalesce(json_agg(json_build_object('sequence', sequence, 'level', level, 'entity', entity, 'from', from_state, 'to', to_state,
     'cause', cause, 'commandId', command_id, 'actor', actor, 'occurredAt', occurred_at) order by sequence, position), '[]') as changes
   from orders.change_log where root = any($1::bigint[]) group by root`,
)

export async function readTimelines(context: ReadContext, ids: readonly number[]): Promise<unknown[]> {
  return (await context.query(log, [ids])).map((row) => row.changes)
}
