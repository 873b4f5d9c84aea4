import { type ReadContext, statement } from '#platform/database.ts'
import { foldedStates, itemLifeCycle } from './lifecycle.ts'

/**
 * Facts about orders as columns: each is one PostgreSQL array as text, all of the same length and in the same order, rows by rising
 * order and item. Whoever keeps facts hands them on to its own statement as they are: a thousand orders pass through this process
 * as some thirty strings, not as a hundred thousand values.
 */
export interface FactColumns<Column extends string = string> {
  readonly rows: number
  readonly columns: Readonly<Record<Column, string>>
}

/** What is known of orders and of their item rows now. */
export interface OrderFacts {
  readonly orders: FactColumns
  readonly items: FactColumns
}

/** A state as the column that says when it was first entered. `draft` has none: rows are born when they are placed. */
const timeOf = (state: string): string => `${state}_at`
const itemStates = Object.keys(itemLifeCycle.states).filter((state) => state !== 'draft' && state !== 'pending_payment')
const orderStates = foldedStates.filter((state) => state !== 'draft' && state !== 'pending_payment')

const times = (states: readonly string[]): Record<string, string> =>
  Object.fromEntries(['placed', ...states].map((state) => [timeOf(state), 'timestamptz']))

/** Columns of an item fact with their types in SQL; the first two are its key. `order_version` rises with every change of the order. */
export const itemFactColumns: Readonly<Record<string, string>> = {
  order_id: 'bigint',
  item_no: 'smallint',
  order_number: 'text',
  store_id: 'text',
  customer_id: 'text',
  channel: 'text',
  currency: 'text',
  section_no: 'smallint',
  merchant_id: 'text',
  part: 'smallint',
  sku: 'text',
  sku_type: 'text',
  quantity: 'integer',
  unit_price_minor: 'bigint',
  discount_minor: 'bigint',
  tax_minor: 'bigint',
  line_total_minor: 'bigint',
  origin_item_no: 'smallint',
  origin_kind: 'text',
  state: 'text',
  ...times(itemStates),
  order_version: 'integer',
}

/** Columns of an order fact; the first is its key. */
export const orderFactColumns: Readonly<Record<string, string>> = {
  order_id: 'bigint',
  order_number: 'text',
  store_id: 'text',
  customer_id: 'text',
  channel: 'text',
  currency: 'text',
  sections: 'smallint',
  items: 'smallint',
  pieces: 'integer',
  total_minor: 'bigint',
  shipping_minor: 'bigint',
  duplicate_of: 'bigint',
  state: 'text',
  ...times(orderStates),
  order_version: 'integer',
}

const firstEntered = (states: readonly string[]): string =>
  states.map((state) => `min(occurred_at) filter (where to_state = '${state}') as ${timeOf(state)}`).join(', ')
const asArrays = (columns: Readonly<Record<string, string>>, prefix: string): string =>
  Object.keys(columns)
    .map((column) => `array_agg(${column})::text as ${prefix}${column}`)
    .join(', ')

// Each order is read by itself: joined freely, a plan for few rows compares each item of two thousand orders with each other.
// A row that was split off has the past of the row it was cut from, up to the cut: the row of the same family whose quantity changed
// in the same entry of the log.
const itemsOfOrder = `with recursive rows as materialized (
       select item_no, section_no, part, sku, sku_type, quantity, unit_price_minor, discount_minor, tax_minor, origin_item_no, origin_kind, state
       from orders.item where order_id = h.id
     ), log as materialized (
       select c.id as sequence, l.level, l.entity::smallint as item_no, l.to_state, c.occurred_at
       from orders.change c cross join lateral unnest(c.levels, c.entities, c.to_states) as l (level, entity, to_state)
       where c.root = h.id and l.level in ('item', 'quantity')
     ), cuts as (
       select l.sequence, l.item_no, case when r.origin_kind = 'split' then r.origin_item_no else r.item_no end as family
       from log l join rows r on r.item_no = l.item_no where l.level = 'quantity'
     ), split as (
       select r.item_no, r.origin_item_no, min(l.sequence) as born
       from rows r join log l on l.item_no = r.item_no and l.level = 'item' where r.origin_kind = 'split' group by r.item_no, r.origin_item_no
     ), cut_from as materialized (
       select s.item_no, s.born, coalesce(min(c.item_no), s.origin_item_no) as source
       from split s left join cuts c on c.sequence = s.born and c.family = s.origin_item_no and c.item_no < s.item_no
       group by s.item_no, s.born, s.origin_item_no
     ), lineage as (
       select item_no, source, born from cut_from
       union all
       select l.item_no, c.source, c.born from lineage l join cut_from c on c.item_no = l.source
     ), past as (
       select item_no, to_state, occurred_at from log where level = 'item'
       union all
       select l.item_no, g.to_state, g.occurred_at
       from lineage l join log g on g.item_no = l.source and g.level = 'item' and g.sequence < l.born
     )
     select rows.*, parcels.merchant_id, entered.* from rows
     left join (select section_no, merchant_id from orders.section where order_id = h.id) as parcels (parcel_no, merchant_id) on parcel_no = section_no
     left join (
       select item_no as told_of, min(occurred_at) as placed_at, ${firstEntered(itemStates)} from past group by item_no
     ) as entered on told_of = item_no`

const facts = statement<Record<string, string | number | null>>(
  'orders.read_facts',
  `with heads as materialized (
     select o.* from unnest($1::bigint[]) as wanted (id)
     cross join lateral (select id, number, store_id, customer_id, channel, currency, total_minor, duplicate_of, state, version
       from orders.orders where id = wanted.id offset 0) as o
   ), item_facts as (
     select h.id as order_id, i.item_no, h.number as order_number, h.store_id, h.customer_id, h.channel, h.currency, i.section_no,
       i.merchant_id, i.part, i.sku, i.sku_type, i.quantity, i.unit_price_minor, i.discount_minor, i.tax_minor,
       i.quantity * i.unit_price_minor - i.discount_minor + i.tax_minor as line_total_minor, i.origin_item_no, i.origin_kind, i.state,
       ${['placed', ...itemStates].map((state) => `i.${timeOf(state)}`).join(', ')}, h.version as order_version
     from heads h cross join lateral (${itemsOfOrder}) as i
     order by order_id, item_no
   ), order_facts as (
     select h.id as order_id, h.number as order_number, h.store_id, h.customer_id, h.channel, h.currency, p.sections, r.items, r.pieces,
       h.total_minor, p.shipping_minor, h.duplicate_of, h.state,
       ${['placed', ...orderStates].map((state) => `t.${timeOf(state)}`).join(', ')}, h.version as order_version
     from heads h
     cross join lateral (select count(*) filter (where merged_into is null) as sections, sum(shipping_minor) as shipping_minor
       from orders.section where order_id = h.id) as p
     cross join lateral (select count(*) as items, sum(quantity) as pieces from orders.item where order_id = h.id) as r
     cross join lateral (select min(occurred_at) as placed_at, ${firstEntered(orderStates)}
       from orders.change c cross join lateral unnest(c.levels, c.to_states) as l (level, to_state)
       where c.root = h.id and l.level = 'order') as t
     order by h.id
   )
   select items.*, heads.* from
     (select count(*)::int as items, ${asArrays(itemFactColumns, 'i_')} from item_facts) as items,
     (select count(*)::int as orders, ${asArrays(orderFactColumns, 'o_')} from order_facts) as heads`,
)

/** Facts of orders and of their items as they are now, in one statement and so from one moment. Ids that do not exist are passed over. */
export async function readOrderFacts(context: ReadContext, orderIds: readonly number[]): Promise<OrderFacts> {
  const [row] = await context.query(facts, [[...new Set(orderIds)]])
  const pick = (names: Readonly<Record<string, string>>, prefix: string): Record<string, string> =>
    Object.fromEntries(Object.keys(names).map((name) => [name, String(row?.[prefix + name] ?? '{}')]))
  return {
    items: { rows: Number(row?.['items'] ?? 0), columns: pick(itemFactColumns, 'i_') },
    orders: { rows: Number(row?.['orders'] ?? 0), columns: pick(orderFactColumns, 'o_') },
  }
}

const page = statement<{ id: number }>('orders.fact_page', `select id from orders.orders where id > $1 order by id limit $2`)

/** Ids of orders after one, rising: for whoever walks over all of them. */
export async function orderIdsAfter(context: ReadContext, after: number, most: number): Promise<number[]> {
  return (await context.query(page, [after, most])).map(({ id }) => id)
}
