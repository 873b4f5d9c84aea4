import type { CheckResult } from '#kernel/check.ts'
import { type ReadContext, type Statement, statement } from '#platform/database.ts'

const breaking = (verb: string, breaks: string): Statement<{ breaks: string[] }> =>
  statement(`warehousing.check_${verb}`, `select array(select b::text from (${breaks} limit 100) as breaks (b)) as breaks`)

const states = breaking(
  'states',
  `select format('sales order %s is %s, its history ends at %s', sales_order.id, sales_order.state, coalesce(last.state, 'nothing'))
   from warehousing.sales_order
   left join (
     select distinct on (root) root, to_state as state from warehousing.change_log where level = 'sales_order' order by root, sequence desc, position desc
   ) as last on last.root = sales_order.id
   where last.state is distinct from sales_order.state`,
)

const gaps = breaking(
  'gaps',
  `select format('sales order %s went on from %s, though it was %s', root, from_state, former) from (
     select root, from_state, lag(to_state) over (partition by root order by sequence, position) as former
     from warehousing.change_log where level = 'sales_order'
   ) as step where former is not null and former <> from_state`,
)

const successors = breaking(
  'successors',
  `select format('sales order %s is %s, and %s stands in for it', old.id, old.state, coalesce(young.id::text, 'none'))
   from warehousing.sales_order old
   left join warehousing.sales_order young on young.transferred_from = old.id
   where (old.state = 'transferred') <> (young.id is not null)`,
)

const lines = breaking(
  'lines',
  `select format('line %s of sales order %s asks %s, has %s, misses %s', line ->> 'itemNo', id, line ->> 'quantity', line ->> 'picked', line ->> 'short')
   from warehousing.sales_order cross join lateral json_array_elements(lines) as line
   where (line ->> 'short')::int not between 0 and (line ->> 'quantity')::int
     or (line ->> 'picked')::int <> case when state in ('picked', 'packed') then (line ->> 'quantity')::int - (line ->> 'short')::int
                                         when state = 'cancelled' then (line ->> 'picked')::int else 0 end`,
)

/** Laws of sales orders, from their own tables. */
export async function checkWarehousing(context: ReadContext): Promise<CheckResult[]> {
  const run = async (check: string, asked: Statement<{ breaks: string[] }>): Promise<CheckResult> => {
    const [row] = await context.query(asked)
    return { check, breaks: row?.breaks ?? [] }
  }
  return [
    await run('the state of a sales order is the last one in its history', states),
    await run('the history of a sales order has no gap', gaps),
    await run('what was transferred has one sales order that stands in for it', successors),
    await run('what is picked of a line is what was asked less what is missing', lines),
  ]
}
