import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { bitsOf } from './cascade.ts'
import type { Claim, ClaimItem } from './claim-lifecycle.ts'
import type { FoldedState, ItemState, MoneyState } from './lifecycle.ts'
import {
  type Destination,
  type HeadDetail,
  type Line,
  newPart,
  type Order,
  type OrderItem,
  type OrderSection,
  type Part,
  type SectionDetail,
} from './order.ts'

// Locks order heads in ascending id; whoever changes sections or items of an order holds its head first.
export const lock = statement<{ id: number }>(
  'orders.lock',
  `select id from orders.orders where id = any($1::bigint[]) order by id for update`,
)

/** A part as it is stored: see orders.part, the view that names its places. */
export type StoredPart = readonly number[]

type StoredItem = [itemNo: number, sectionNo: number, state: ItemState, part: number, flags: string[] | null, minor: number]
type StoredSection = [
  sectionNo: number,
  state: FoldedState,
  part: number,
  moneyState: MoneyState,
  held: boolean,
  attention: string[] | null,
  shippingMinor: number,
]

interface LoadedRow {
  id: number
  number: string
  store_id: string
  state: FoldedState
  money_state: MoneyState
  attention: string[] | null
  held: boolean
  total_minor: number
  parts: StoredPart[] | null
  sections: StoredSection[]
  items: StoredItem[]
}

// A statement of its own after the lock: within one statement the sub-selects would read the snapshot from before the wait.
const load = statement<LoadedRow>(
  'orders.load',
  `select o.id, o.number, o.store_id, o.state, o.money_state, nullif(o.attention, '{}') as attention, o.held, o.total_minor, o.parts,
     (select json_agg(json_build_array(s.section_no, s.state, s.part, s.money_state, s.held, nullif(s.attention, '{}'), s.shipping_minor) order by s.section_no)
      from orders.section s where s.order_id = o.id) as sections,
     (select json_agg(json_build_array(i.item_no, i.section_no, i.state, i.part, nullif(i.flags, '{}'),
        i.quantity * i.unit_price_minor - i.discount_minor + i.tax_minor) order by i.item_no)
      from orders.item i where i.order_id = o.id) as items
   from orders.orders o where o.id = any($1::bigint[])`,
)

type StoredClaimItem = [
  itemNo: number,
  quantity: number,
  accepted: number,
  damaged: number,
  refused: number,
  refusedItemNo: number | null,
  newItemNo: number | null,
  replacement: ClaimItem['replacement'],
]

interface DetailRow {
  id: number
  customer_id: string
  currency: string
  channel: string
  placed_at: Date
  duplicate_of: number | null
  holds: [sectionNo: number, owner: string, reason: string][] | null
  claims: (Omit<Claim, 'items'> & { readonly items: StoredClaimItem[] })[] | null
  sections: [
    sectionNo: number,
    destination: Destination,
    slotDate: string | null,
    slotCode: string | null,
    merchantId: string | null,
    shippingMinor: number,
    mergedInto: number | null,
  ][]
  items: [
    itemNo: number,
    sku: string,
    skuType: string,
    quantity: number,
    unitPriceMinor: number,
    discountMinor: number,
    taxMinor: number,
    weightGrams: number,
    volumeMl: number,
    originItemNo: number | null,
    originKind: Line['originKind'],
  ][]
}

// What only changes of quantities, money, sections and holds need; others do not pay for it.
const loadDetail = statement<DetailRow>(
  'orders.load_detail',
  `select o.id, o.customer_id, o.currency, o.channel, o.placed_at, o.duplicate_of,
     (select json_agg(json_build_array(h.section_no, h.owner, h.reason) order by h.id)
      from orders.hold h where h.order_id = o.id and h.released_at is null) as holds,
     (select json_agg(json_build_object('id', c.id, 'kind', c.kind, 'state', c.state, 'reason', c.reason, 'refundShipping', c.refund_shipping,
        'shippingSections', c.shipping_sections, 'refundedMinor', c.refunded_minor, 'passed', c.passed,
        'items', (select json_agg(json_build_array(i.item_no, i.quantity, i.accepted, i.damaged, i.refused, i.refused_item_no, i.new_item_no,
           i.replacement) order by i.position) from orders.claim_item i where i.claim_id = c.id)) order by c.id)
      from orders.claim c where c.order_id = o.id) as claims,
     (select json_agg(json_build_array(s.section_no, s.destination, s.slot_date, s.slot_code, s.merchant_id, s.shipping_minor, s.merged_into)
        order by s.section_no) from orders.section s where s.order_id = o.id) as sections,
     (select json_agg(json_build_array(i.item_no, i.sku, i.sku_type, i.quantity, i.unit_price_minor, i.discount_minor, i.tax_minor,
        i.weight_grams, i.volume_ml, i.origin_item_no, i.origin_kind) order by i.item_no) from orders.item i where i.order_id = o.id) as items
   from orders.orders o where o.id = any($1::bigint[])`,
)

/**
 * Locks orders and reads them inside the lock, by id; those of `detailed` with lines, sections' data and open holds. Unknown ids
 * are absent.
 */
export async function lockOrders(
  context: WriteContext,
  ids: readonly number[],
  detailed: readonly number[] = [],
): Promise<Map<number, Order>> {
  // Sent together; the server runs them one after the other, so the later ones read what the first waited for.
  const [, rows, details] = await Promise.all([
    context.query(lock, [ids]),
    context.query(load, [ids]),
    detailed.length === 0 ? [] : context.query(loadDetail, [detailed]),
  ])
  return assemble(rows, details)
}

/** The same without a lock, for reports. */
export async function loadOrders(context: ReadContext, ids: readonly number[]): Promise<Map<number, Order>> {
  return assemble(await context.query(load, [ids]), [])
}

function assemble(rows: readonly LoadedRow[], details: readonly DetailRow[]): Map<number, Order> {
  const detailOfId = new Map(details.map((row) => [row.id, row]))
  return new Map(rows.map((row) => [row.id, orderOf(row, detailOfId.get(row.id))]))
}

function orderOf(row: LoadedRow, detail: DetailRow | undefined): Order {
  const order: Order = {
    id: row.id,
    number: row.number,
    storeId: row.store_id,
    state: row.state,
    moneyState: row.money_state,
    attention: row.attention === null ? 0 : bitsOf(row.attention),
    held: row.held,
    totalMinor: row.total_minor,
    parts: row.parts === null ? [newPart(0, row.total_minor)] : row.parts.map(partOf),
    sections: row.sections.map(
      ([sectionNo, state, part, moneyState, held, attention, readShippingMinor]): OrderSection => ({
        sectionNo,
        part,
        state,
        moneyState,
        held,
        readShippingMinor,
        attention: attention === null ? 0 : bitsOf(attention),
      }),
    ),
    items: row.items.map(
      ([itemNo, sectionNo, state, part, flags, readMinor]): OrderItem => ({
        itemNo,
        sectionNo,
        part,
        state,
        readMinor,
        flags: flags === null ? 0 : bitsOf(flags),
      }),
    ),
  }
  if (detail === undefined) return order
  return {
    ...order,
    detail: headFrom(detail),
    sections: order.sections.map((section, at) => ({
      ...section,
      detail: sectionOf(detail.sections[at] as DetailRow['sections'][number]),
    })),
    items: order.items.map((item, at) => ({ ...item, line: lineFrom(detail.items[at] as DetailRow['items'][number]) })),
  }
}

const headFrom = (row: DetailRow): HeadDetail => ({
  customerId: row.customer_id,
  currency: row.currency,
  channel: row.channel,
  placedAtMs: row.placed_at.getTime(),
  duplicateOf: row.duplicate_of,
  holds: (row.holds ?? []).map(([sectionNo, owner, reason]) => ({ sectionNo, owner, reason })),
  claims: (row.claims ?? []).map((claim) => ({ ...claim, items: claim.items.map(claimItemOf) })),
})

const claimItemOf = (stored: StoredClaimItem): ClaimItem => {
  const [itemNo, quantity, accepted, damaged, refused, refusedItemNo, newItemNo, replacement] = stored
  return { itemNo, quantity, accepted, damaged, refused, refusedItemNo, newItemNo, replacement }
}

const sectionOf = ([
  ,
  destination,
  slotDate,
  slotCode,
  merchantId,
  shippingMinor,
  mergedInto,
]: DetailRow['sections'][number]): SectionDetail => ({
  destination,
  slot: slotDate === null || slotCode === null ? null : { date: slotDate, code: slotCode },
  merchantId,
  shippingMinor,
  mergedInto,
})

const lineFrom = (row: DetailRow['items'][number]): Line => {
  const [, sku, skuType, quantity, unitPriceMinor, discountMinor, taxMinor, weightGrams, volumeMl, originItemNo, originKind] = row
  return { sku, skuType, quantity, unitPriceMinor, discountMinor, taxMinor, weightGrams, volumeMl, originItemNo, originKind }
}

export function partOf(stored: StoredPart): Part {
  const [part = 0, askedMinor = 0, covered, unknown, givenBackMinor = 0, goodwillMinor = 0, dueMinor] = stored
  const known = { part, askedMinor, covered: covered === 1, unknown: unknown === 1, givenBackMinor, goodwillMinor }
  if (dueMinor === undefined) return known
  const [, , , , , , , authorizedMinor = 0, capturedMinor = 0, refundedMinor = 0, goodwillToldMinor = 0] = stored
  return { ...known, told: { dueMinor, authorizedMinor, capturedMinor, refundedMinor, goodwillMinor: goodwillToldMinor } }
}

export function storedPart({ part, askedMinor, covered, unknown, givenBackMinor, goodwillMinor, told }: Part): StoredPart {
  const known = [part, askedMinor, covered ? 1 : 0, unknown ? 1 : 0, givenBackMinor, goodwillMinor]
  if (told === undefined) return known
  return [...known, told.dueMinor, told.authorizedMinor, told.capturedMinor, told.refundedMinor, told.goodwillMinor]
}
