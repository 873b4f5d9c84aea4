import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, type Statement, statement } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { badCursor, cursorOf, headColumns, type HeadRow, listedOf, readCursor } from './list-orders.ts'
import type { ListOutput, SearchInput } from './list-schemas.ts'
import { searchQuery, stretchBits } from './search-words.ts'

type Found = Statement<{ at: number; order_id: number }>
const questions = `unnest($1::integer[], $2::text[], $3::bigint[], $4::integer[]) as q (at, query, before, most)`

// What many orders have is found among the newest at once.
const amongNewest: Found = statement(
  'orders.search_newest',
  `select q.at, s.order_id from ${questions} cross join lateral (
     select order_id from (select order_id, words from orders.order_search where order_id < q.before order by order_id desc limit 2000) as newest
     where words @@ q.query::tsquery limit q.most) as s`,
)

/** More than so many are not rare. */
const rareMost = 1_000

// What few have is found whole by the index. The fence keeps the planner from walking all orders for the sake of their order.
const rare: Found = statement(
  'orders.search_rare',
  `select q.at, s.order_id from ${questions} cross join lateral (
     select order_id from (select order_id from orders.order_search where words @@ q.query::tsquery offset 0) as found
     where order_id < q.before limit ${rareMost + 1}) as s`,
)

// What is between goes by stretches of ids, from new to old, until the page is full.
const byStretches: Found = statement(
  'orders.search_stretches',
  `select q.at, s.order_id from ${questions} cross join lateral (
     select found.order_id
     from generate_series(least(q.before - 1, (select max(order_id) from orders.order_search)) >> ${stretchBits}, 0, -1) as stretch (n)
       cross join lateral (
         select order_id from (select order_id from orders.order_search
           where words @@ (q.query || ' & ''#' || stretch.n || '''')::tsquery offset 0) as all_of_it
         where order_id < q.before order by order_id desc limit q.most) as found
     limit q.most) as s`,
)

const heads = statement<HeadRow>('orders.search_heads', `select ${headColumns} from orders.orders o where o.id = any($1::bigint[])`)

interface Question {
  readonly at: number
  readonly query: string
  readonly before: number
  readonly most: number
}

/**
 * Orders by the words in them, newest first; every question of a batch takes the same few statements. Words come from events, a moment
 * after an order is placed; states are those of the heads as they stand.
 */
export async function searchOrders(context: ReadContext, asked: readonly Asked<SearchInput>[]): Promise<Outcome<ListOutput>[]> {
  const outcomes: Outcome<ListOutput>[] = Array.from({ length: asked.length })
  const questionsAsked: Question[] = []
  asked.forEach(({ input }, at) => {
    const query = searchQuery(input.text, input.storeId)
    const before = input.before === undefined ? [Number.MAX_SAFE_INTEGER] : readCursor(input.before, 1)
    if (query === null) outcomes[at] = refused('orders.nothing_to_find', 'Give a word with at least one letter or digit.', '/text')
    else if (before === null) outcomes[at] = badCursor()
    else questionsAsked.push({ at, query, before: before[0] as number, most: (input.limit ?? 50) + 1 })
  })
  const found = await findIds(context, questionsAsked)
  const ids = [...new Set([...found.values()].flat())]
  const rows = new Map((ids.length === 0 ? [] : await context.query(heads, [ids])).map((row) => [row.id, row]))
  for (const { at, most } of questionsAsked) {
    const page = (found.get(at) ?? []).slice(0, most)
    const shown = page.slice(0, most - 1)
    outcomes[at] = accepted({
      orders: shown.flatMap((id) => rows.get(id) ?? []).map(listedOf),
      next: page.length === most ? cursorOf([shown.at(-1) as number]) : null,
    })
  }
  return outcomes
}

async function findIds(context: ReadContext, asked: readonly Question[]): Promise<Map<number, number[]>> {
  const found = new Map<number, number[]>()
  let open = asked
  const look = async (where: Found, enough: (ids: number[], question: Question) => boolean): Promise<void> => {
    if (open.length === 0) return
    const rows = await context.query(where, [
      open.map(({ at }) => at),
      open.map(({ query }) => query),
      open.map(({ before }) => before),
      open.map(({ most }) => most),
    ])
    const ids = Map.groupBy(rows, ({ at }) => at)
    open = open.filter((question) => {
      const own = (ids.get(question.at) ?? []).map(({ order_id: id }) => id).toSorted((a, b) => b - a)
      if (!enough(own, question)) return true
      found.set(question.at, own)
      return false
    })
  }
  await look(amongNewest, (ids, { most }) => ids.length >= most)
  await look(rare, (ids) => ids.length <= rareMost)
  await look(byStretches, () => true)
  return found
}
