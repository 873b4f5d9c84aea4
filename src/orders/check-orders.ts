import type { CheckResult } from '#kernel/check.ts'
import { type ReadContext, type Statement, statement } from '#platform/database.ts'
import { foldStates, stateOfFold } from './cascade.ts'
import type { ItemState } from './lifecycle.ts'

interface CheckRow {
  breaks: string[]
}

const broken = (verb: string, breaks: string): Statement<CheckRow> =>
  statement<CheckRow>(`orders.check_${verb}`, `select array(select b::text from (${breaks} limit 100) as breaks (b)) as breaks`)

// The last state that the log gives each entity must be the stored one, and each stored entity must have a birth in the log.
const logMatches = broken(
  'log',
  `with logged as (
     select distinct on (root, level, entity) root, level, entity, to_state from orders.change_log order by root, level, entity, sequence desc, position desc
   ), stored as (
     select id as root, 'order' as level, '' as entity, state from orders.orders
     union all select id, 'money', '', money_state from orders.orders
     union all select order_id, 'section', section_no::text, state from orders.section
     union all select order_id, 'item', item_no::text, state from orders.item
   )
   select format('order %s %s %s is %s, its log says %s', coalesce(s.root, l.root), coalesce(s.level, l.level), coalesce(s.entity, l.entity),
     coalesce(s.state, 'absent'), coalesce(l.to_state, 'nothing'))
   from stored s full join logged l on l.root = s.root and l.level = s.level and l.entity = s.entity
   where s.state is distinct from l.to_state`,
)

// Each change must start where the one before it ended: no state was skipped over or written twice.
const logChains = broken(
  'chain',
  `select format('order %s %s %s: change %s starts from %s, the one before ended at %s', root, level, entity, sequence, from_state, before)
   from (select *, lag(to_state) over (partition by root, level, entity order by sequence, position) as before from orders.change_log) as chain
   where from_state is distinct from before`,
)

const totals = broken(
  'totals',
  `select format('order %s: total is %s, lines and shipping make %s', o.id, o.total_minor, lines.sum + shipping.sum)
   from orders.orders o,
     lateral (select coalesce(sum(quantity * unit_price_minor - discount_minor + tax_minor), 0) as sum from orders.item where order_id = o.id) as lines,
     lateral (select coalesce(sum(shipping_minor), 0) as sum from orders.section where order_id = o.id) as shipping
   where o.total_minor <> lines.sum + shipping.sum`,
)

const orphans = broken(
  'orphans',
  `select format('section %s of order %s has no order', section_no, order_id) from orders.section s
     where not exists (select from orders.orders where id = s.order_id)
   union all select format('item %s of order %s has no section', item_no, order_id) from orders.item i
     where not exists (select from orders.section s where s.order_id = i.order_id and s.section_no = i.section_no)
   union all select format('order %s has no items', id) from orders.orders o where not exists (select from orders.item where order_id = o.id)`,
)

const states = statement<{ id: number; state: string; sections: [number, string][]; items: [number, ItemState][] }>(
  'orders.check_states',
  `select o.id, o.state,
     (select json_agg(json_build_array(section_no, state)) from orders.section where order_id = o.id) as sections,
     (select json_agg(json_build_array(section_no, state)) from orders.item where order_id = o.id) as items
   from orders.orders o where o.id > $1 order by o.id limit 5000`,
)

/** Invariants of orders: cascade = items, stored states = log, totals add up, nothing is an orphan. */
export async function checkOrders(context: ReadContext): Promise<CheckResult[]> {
  const run = async (check: string, asked: Statement<CheckRow>): Promise<CheckResult> => {
    const [row] = await context.query(asked)
    return { check, breaks: row?.breaks ?? [] }
  }
  return [
    await checkCascade(context),
    await run('every stored state is the last one in its log', logMatches),
    await run('every change starts where the one before ended', logChains),
    await run('lines and shipping add up to the total', totals),
    await run('no section or item without its order', orphans),
  ]
}

async function checkCascade(context: ReadContext): Promise<CheckResult> {
  const breaks: string[] = []
  for (let after = 0; ; ) {
    const rows = await context.query(states, [after])
    for (const row of rows) {
      const items = row.items ?? []
      for (const [sectionNo, state] of row.sections ?? []) {
        const folded = stateOfFold(foldStates(items.filter(([section]) => section === sectionNo).map(([, item]) => item)))
        if (folded !== state) breaks.push(`order ${row.id} section ${sectionNo} is ${state}, its items fold to ${folded}`)
      }
      const folded = stateOfFold(foldStates(items.map(([, item]) => item)))
      if (folded !== row.state) breaks.push(`order ${row.id} is ${row.state}, its items fold to ${folded}`)
    }
    const last = rows.at(-1)
    if (last === undefined) break
    after = last.id
  }
  return { check: 'section and order states are the fold of their items', breaks: breaks.slice(0, 100) }
}

const money = statement<{ id: number; money_state: string; total_minor: number }>(
  'orders.money_page',
  'select id, money_state, total_minor from orders.orders where id > $1 order by id limit 5000',
)

/** Orders by rising id with what they say of their money; for the check against payments. */
export async function moneyPage(
  context: ReadContext,
  after: number,
): Promise<{ orderId: number; moneyState: string; totalMinor: number }[]> {
  const rows = await context.query(money, [after])
  return rows.map((row) => ({ orderId: row.id, moneyState: row.money_state, totalMinor: row.total_minor }))
}
