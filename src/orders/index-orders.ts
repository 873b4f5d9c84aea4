import { statement, type WriteContext } from '#platform/database.ts'
import { type Findable, indexWords } from './search-words.ts'

const read = statement<Findable>(
  'orders.read_findable',
  `select o.id as "orderId", o.number, o.store_id as "storeId", o.customer_id as "customerId",
     (select array_agg(distinct s.destination ->> 'name') || array_agg(distinct s.destination ->> 'city') from orders.section s
      where s.order_id = o.id and s.merged_into is null)
      || (select array_agg(distinct i.sku) from orders.item i where i.order_id = o.id) as texts,
     (select array_agg(distinct s.destination ->> 'postcode') from orders.section s where s.order_id = o.id and s.merged_into is null) as postcodes
   from orders.orders o where o.id = any($1::bigint[])`,
)

const write = statement(
  'orders.write_search',
  `insert into orders.order_search (order_id, words)
   select order_id, array_to_tsvector(words::text[]) from unnest($1::bigint[], $2::text[]) as w (order_id, words) order by order_id
   on conflict (order_id) do update set words = excluded.words where order_search.words is distinct from excluded.words`,
)

const arrayOf = (words: readonly string[]): string => `{${words.map((word) => `"${word.replace(/["\\]/g, '\\$&')}"`).join(',')}}`

/** Puts together anew what orders are found by, with two statements for any number. Repeated it has no effect; unknown ids are passed over. */
export async function indexOrders(context: WriteContext, orderIds: readonly number[]): Promise<void> {
  const orders = await context.query(read, [[...new Set(orderIds)]])
  if (orders.length === 0) return
  context.defer(write, [orders.map(({ orderId }) => orderId), orders.map((order) => arrayOf(indexWords(order)))])
}
