import type { CheckResult } from '#kernel/check.ts'
import { type ReadContext, type Statement, statement } from '#platform/database.ts'

const broken = (verb: string, breaks: string): Statement<{ breaks: string[] }> =>
  statement(`analytics.check_${verb}`, `select array(select b::text from (${breaks} limit 100) as breaks (b)) as breaks`)

const totals = broken(
  'totals',
  `select format('order %s: total is %s, its item facts and shipping make %s', o.order_id, o.total_minor, i.sum + o.shipping_minor)
   from analytics.order_fact o cross join lateral (
     select coalesce(sum(line_total_minor), 0) as sum from analytics.item_fact where order_id = o.order_id offset 0
   ) as i where o.total_minor <> i.sum + o.shipping_minor`,
)

// A later state is never entered before the row was born; the first time in the state that it is in must be known.
const times = broken(
  'times',
  `select format('item_fact %s/%s is %s, and no time says since when', order_id, item_no, state) from analytics.item_fact
     where state not in ('draft', 'pending_payment') and to_jsonb(item_fact) ->> (state || '_at') is null
   union all
   select format('item_fact %s/%s was paid before it was placed', order_id, item_no) from analytics.item_fact where paid_at < placed_at`,
)

/** Laws of the facts, from their own tables. That they are what orders say is a law over contexts (`compareOrders`). */
export async function checkAnalytics(context: ReadContext): Promise<CheckResult[]> {
  const run = async (check: string, asked: Statement<{ breaks: string[] }>): Promise<CheckResult> => {
    const [row] = await context.query(asked)
    return { check, breaks: row?.breaks ?? [] }
  }
  return [
    await run('item facts and shipping add up to the total of their order', totals),
    await run('every item fact knows since when it is in its state', times),
  ]
}
