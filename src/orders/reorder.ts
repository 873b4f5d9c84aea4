import { type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type ReadContext, type WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { largestTotalMinor } from './amend-orders.ts'
import { unknownOrder } from './change-orders.ts'
import type { ReorderInput } from './change-schemas.ts'
import type { Destination } from './order.ts'
import { type PlaceDeps, placeOrders } from './place-orders.ts'
import { resolveOrders } from './resolve-orders.ts'
import type { Placed, PlaceInput } from './schemas.ts'

interface OldOrder {
  id: number
  store_id: string
  customer_id: string
  currency: string
  sections: { destination: Destination; merchantId: string | null; shippingMinor: number; rows: OldRow[] | null }[]
}
interface OldRow {
  sku: string
  quantity: number
  unitPriceMinor: number
  taxMinor: number
}

// What was ordered, not what became of it: split rows add up again, rows made in exchange or sent again are left out.
const oldOrders = statement<OldOrder>(
  'orders.to_reorder',
  `select o.id, o.store_id, o.customer_id, o.currency,
     (select json_agg(json_build_object('destination', s.destination, 'merchantId', s.merchant_id, 'shippingMinor', s.shipping_minor, 'rows',
        (select json_agg(json_build_object('sku', r.sku, 'quantity', r.quantity, 'unitPriceMinor', r.unit_price_minor, 'taxMinor', r.tax_minor) order by r.first)
         from (select min(i.item_no) as first, i.sku, i.unit_price_minor, sum(i.quantity) as quantity, sum(i.tax_minor) as tax_minor
               from orders.item i where i.order_id = o.id and i.section_no = s.section_no and coalesce(i.origin_kind, 'split') = 'split'
                 and not exists (select from orders.item m where m.order_id = i.order_id and m.item_no = i.origin_item_no and m.origin_kind <> 'split')
               group by i.sku, i.unit_price_minor) as r)) order by s.section_no)
      from orders.section s where s.order_id = o.id and s.merged_into is null) as sections
   from orders.orders o where o.id = any($1::bigint[])`,
)

/**
 * Places new orders with the goods of old ones, as far as the catalogue still has them: at the prices given, else at the old ones.
 * Discounts, slots and means of payment belong to their day and are not repeated.
 */
export async function reorder(deps: PlaceDeps, context: WriteContext, asked: readonly Asked<ReorderInput>[]): Promise<Outcome<Placed>[]> {
  const ids = await resolveOrders(
    context,
    asked.map(({ input }) => input.order),
  )
  const old = await readOld(context, [...new Set(ids.values())])
  const skuOf = await deps.catalogue.skus(context, namesOf(old.values()))
  const drafts = asked.map((command): Outcome<never> | Asked<PlaceInput> => {
    const order = old.get(ids.get(command.input.order) ?? 0)
    if (order === undefined) return unknownOrder(command.input.order)
    const input = draftOf(order, command.input, (sku) => skuOf(sku) !== undefined)
    return 'ok' in input ? input : { ...command, input }
  })
  const placed = await placeOrders(
    deps,
    context,
    drafts.flatMap((draft) => ('ok' in draft ? [] : [draft])),
  )
  let next = 0
  return drafts.map((draft) => ('ok' in draft ? draft : (placed[next++] as Outcome<Placed>)))
}

async function readOld(context: ReadContext, ids: readonly number[]): Promise<Map<number, OldOrder>> {
  const rows = ids.length === 0 ? [] : await context.query(oldOrders, [ids])
  return new Map(rows.map((row) => [row.id, row]))
}

function* namesOf(orders: Iterable<OldOrder>): Iterable<string> {
  for (const { sections } of orders) for (const { rows } of sections) for (const { sku } of rows ?? []) yield sku
}

function draftOf(order: OldOrder, input: ReorderInput, inCatalogue: (sku: string) => boolean): PlaceInput | Outcome<never> {
  const priceOf = new Map((input.prices ?? []).map((price) => [price.sku, price]))
  const sections = order.sections.flatMap(({ destination, merchantId, shippingMinor, rows }) => {
    const items = (rows ?? [])
      .filter(({ sku }) => inCatalogue(sku))
      .map(({ sku, quantity, unitPriceMinor, taxMinor }) => {
        const price = priceOf.get(sku)
        if (price === undefined) return { sku, quantity, unitPriceMinor, taxMinor }
        return { sku, quantity, unitPriceMinor: price.unitPriceMinor, taxMinor: (price.taxMinor ?? 0) * quantity }
      })
    return items.length === 0 ? [] : [{ destination, shippingMinor, items, ...(merchantId === null ? {} : { merchantId }) }]
  })
  if (sections.length === 0) return refused('orders.nothing_left', 'The catalogue has none of these goods any more.', '/order')
  const totalMinor = sections.reduce(
    (sum, section) =>
      sum + section.shippingMinor + section.items.reduce((lines, item) => lines + item.quantity * item.unitPriceMinor + item.taxMinor, 0),
    0,
  )
  if (totalMinor > largestTotalMinor) {
    return refused('orders.total_too_large', `An order comes to at most ${largestTotalMinor}; this would be ${totalMinor}.`, '/prices')
  }
  return {
    storeId: order.store_id,
    customerId: order.customer_id,
    channel: input.channel ?? 'reorder',
    currency: order.currency,
    totalMinor,
    sections,
    ...(input.payment === undefined ? {} : { payment: input.payment }),
  }
}
