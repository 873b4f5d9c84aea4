import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { FoldedState, ItemState } from './lifecycle.ts'
import { partOf, type StoredPart, storedPart } from './lock-orders.ts'
import { type Destination, newPart, type Part, type Slot } from './order.ts'
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
  /** Null for the usual order: one part that asks the total. */
  readonly parts: readonly Part[] | null
  readonly commandId: string
  readonly actor: string
}

export interface NewSection {
  readonly part: number
  readonly destination: Destination
  readonly slot: Slot | null
  readonly merchantId: string | null
  readonly shippingMinor: number
  readonly items: readonly NewItem[]
}

export interface NewItem {
  readonly itemNo: number
  readonly part: number
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
     insert into orders.orders (id, number, store_id, customer_id, channel, currency, total_minor, state, money_state, parts, rehearsal_id, placed_at, changed_at)
     select id, number, store_id, customer_id, channel, currency, total_minor, state, 'none', parts, $36, $35, $35
     from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $38::json[])
       as o (id, number, store_id, customer_id, channel, currency, total_minor, state, parts)
   ), sections as (
     insert into orders.section (order_id, section_no, state, destination, slot_date, slot_code, merchant_id, shipping_minor, part)
     select * from unnest($9::bigint[], $10::smallint[], $11::text[], $12::json[], $13::date[], $14::text[], $15::text[], $16::bigint[], $39::smallint[])
   ), items as (
     insert into orders.item (order_id, item_no, section_no, sku, sku_type, quantity, unit_price_minor, discount_minor, tax_minor,
       weight_grams, volume_ml, state, part)
     select * from unnest($17::bigint[], $18::smallint[], $19::smallint[], $20::text[], $21::text[], $22::integer[], $23::bigint[],
       $24::bigint[], $25::bigint[], $26::integer[], $27::integer[], $28::text[], $40::smallint[])
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
    orders.map(({ parts }) => (parts === null ? null : JSON.stringify(parts.map(storedPart)))),
    sections.map(({ section }) => section.part),
    items.map(({ item }) => item.part),
  ])
}

type StoredView = Omit<OrderView, 'parts' | 'holds' | 'claims'> & {
  readonly parts: StoredPart[] | null
  readonly holds: OrderView['holds'] | null
  readonly claims: OrderView['claims'] | null
}

const detail = statement<{ view: StoredView }>(
  'orders.detail',
  `select json_build_object('orderId', o.id, 'number', o.number, 'storeId', o.store_id, 'customerId', o.customer_id,
     'channel', o.channel, 'currency', o.currency, 'totalMinor', o.total_minor, 'state', o.state, 'moneyState', o.money_state,
     'attention', o.attention, 'placedAt', o.placed_at, 'changedAt', o.changed_at, 'duplicateOf', o.duplicate_of, 'parts', o.parts,
     'holds', case when 'hold' = any(o.attention) then (select json_agg(json_build_object('sectionNo', nullif(h.section_no, 0), 'owner', h.owner,
         'reason', h.reason, 'heldAt', h.held_at, 'heldBy', h.held_by) order by h.id)
       from orders.hold h where h.order_id = o.id and h.released_at is null) end,
     'claims', (select json_agg(json_build_object('claimId', c.id, 'kind', c.kind, 'state', c.state, 'reason', c.reason,
         'refundShipping', c.refund_shipping, 'refundedMinor', c.refunded_minor, 'requestedAt', c.passed_at[1],
         'changedAt', c.passed_at[cardinality(c.passed_at)],
         'items', (select json_agg(json_build_object('itemNo', ci.item_no, 'quantity', ci.quantity, 'accepted', ci.accepted, 'damaged', ci.damaged,
             'refused', ci.refused, 'refusedItemNo', ci.refused_item_no, 'newItemNo', ci.new_item_no) order by ci.position)
           from orders.claim_item ci where ci.claim_id = c.id)) order by c.id)
       from orders.claim c where c.order_id = o.id),
     'sections', (select json_agg(json_build_object('sectionNo', s.section_no, 'part', s.part, 'state', s.state, 'moneyState', s.money_state,
          'attention', s.attention, 'destination', s.destination,
          'slot', case when s.slot_date is not null then json_build_object('date', s.slot_date, 'code', s.slot_code) end,
          'merchantId', s.merchant_id, 'shippingMinor', s.shipping_minor,
          'items', (select json_agg(json_build_object('itemNo', i.item_no, 'sku', i.sku, 'skuType', i.sku_type, 'quantity', i.quantity,
              'unitPriceMinor', i.unit_price_minor, 'discountMinor', i.discount_minor, 'taxMinor', i.tax_minor, 'state', i.state, 'part', i.part, 'flags', i.flags,
              'origin', case when i.origin_item_no is not null then json_build_object('itemNo', i.origin_item_no, 'kind', i.origin_kind) end)
              order by i.item_no)
            from orders.item i where i.order_id = o.id and i.section_no = s.section_no)) order by s.section_no)
      from orders.section s where s.order_id = o.id and s.merged_into is null)) as view
   from orders.orders o where o.id = any($1::bigint[]) or o.number = any($2::text[])`,
)

function viewOfPart(stored: StoredPart): OrderView['parts'][number] {
  const { part, askedMinor, covered, unknown, told } = partOf(stored)
  const { authorizedMinor = 0, capturedMinor = 0, refundedMinor = 0 } = told ?? {}
  return { part, askedMinor, covered, unknown, authorizedMinor, capturedMinor, refundedMinor }
}

/** Orders by id and by number, whole, in one statement. */
export async function readOrders(context: ReadContext, ids: readonly number[], numbers: readonly string[]): Promise<OrderView[]> {
  const rows = await context.query(detail, [ids, numbers])
  return rows.map(({ view }) => ({
    ...view,
    parts: (view.parts ?? [storedPart(newPart(0, view.totalMinor))]).map(viewOfPart),
    holds: view.holds ?? [],
    claims: view.claims ?? [],
  }))
}
