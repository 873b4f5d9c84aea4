import type { CheckResult } from '#kernel/check.ts'
import { type ReadContext, type Statement, statement } from '#platform/database.ts'
import { findFoldDrift, logDrift, sayDrift } from './drift.ts'

interface CheckRow {
  breaks: string[]
}

const broken = (verb: string, breaks: string): Statement<CheckRow> =>
  statement<CheckRow>(`orders.check_${verb}`, `select array(select b::text from (${breaks} limit 100) as breaks (b)) as breaks`)

// The last state that the log gives each entity must be the stored one, and each stored entity must have a birth in the log.
const logMatches = broken(
  'log',
  `select format('order %s %s %s is %s, its log says %s', root, level, entity, coalesce(stored, 'absent'), coalesce(logged, 'nothing'))
   from (${logDrift('true', 'true')}) as drift`,
)

// Each change must start where the one before it ended: no state was skipped over or written twice. Sections are born without money
// and nothing with attention; the log does not say so.
const logChains = broken(
  'chain',
  `select format('order %s %s %s: change %s starts from %s, the one before ended at %s', root, level, entity, sequence, from_state, before)
   from (select *, lag(to_state) over (partition by root, level, entity order by sequence, position) as before from orders.change_log
         where level in ('item', 'section', 'order', 'money', 'attention', 'claim')) as chain
   where from_state is distinct from before and not (before is null and (level = 'attention' or level = 'money' and entity <> '')
     and from_state in ('none', 'clear'))`,
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

// What a part asks is what its rows that are not cancelled cost, with shipping where something is left, less what was given back.
const parts = broken(
  'parts',
  `select format('order %s: part %s asks %s, its rows make %s', coalesce(p.order_id, made.order_id), coalesce(p.part, made.part),
     coalesce(p.asked_minor::text, 'nothing'), made.sum - coalesce(p.given_back_minor, 0))
   from orders.part p full join (
     select order_id, part, sum(amount) as sum from (
       select order_id, part, case when state = 'cancelled' then 0 else quantity * unit_price_minor - discount_minor + tax_minor end as amount from orders.item
       union all
       select s.order_id, s.part, case when coalesce(bool_or(i.state <> 'cancelled'), true) then s.shipping_minor else 0 end
       from orders.section s left join orders.item i on i.order_id = s.order_id and i.section_no = s.section_no group by s.order_id, s.section_no
     ) as amounts group by order_id, part
   ) as made on made.order_id = p.order_id and made.part = p.part
   where p.asked_minor is distinct from made.sum - coalesce(p.given_back_minor, 0)`,
)

const siblings = broken(
  'siblings',
  `select format('item %s of order %s was split off item %s, which is another thing or absent', i.item_no, i.order_id, i.origin_item_no)
   from orders.item i left join orders.item o on o.order_id = i.order_id and o.item_no = i.origin_item_no
   where i.origin_kind = 'split' and (o.item_no is null or o.origin_kind = 'split' or o.sku <> i.sku or o.unit_price_minor <> i.unit_price_minor)`,
)

const uncovered = broken(
  'uncovered',
  `select format('item %s of order %s is %s, yet its payment %s is not covered', i.item_no, i.order_id, i.state, i.part)
   from orders.item i left join orders.part p on p.order_id = i.order_id and p.part = i.part
   where i.state not in ('draft', 'pending_payment', 'cancelled') and p.covered is not true`,
)

const holds = broken(
  'holds',
  `select format('order %s section %s: held is %s, open holds say %s', t.order_id, t.section_no, t.held, not t.held)
   from (select id as order_id, 0 as section_no, held from orders.orders union all select order_id, section_no, held from orders.section) as t
   where t.held <> exists (select from orders.hold h where h.order_id = t.order_id and h.section_no = t.section_no and h.released_at is null)
   union all
   select format('item %s of order %s is withheld, yet nothing holds it', i.item_no, i.order_id) from orders.item i
     join orders.orders o on o.id = i.order_id join orders.section s on s.order_id = i.order_id and s.section_no = i.section_no
   where 'withheld' = any(i.flags) and not o.held and not s.held
   union all
   select format('item %s of order %s is %s, yet it is flagged %s', item_no, order_id, state, flags) from orders.item
   where state in ('cancelled', 'returned', 'exchanged', 'lost') and flags && array['withheld', 'cancel_requested']`,
)

// Pieces that claims have for themselves are pieces of their rows: those on their way through a claim, refused ones that wait to be
// sent back, and those that were settled while their row goes on.
const claims = broken(
  'claims',
  `select format('item %s of order %s has %s pieces, claims hold %s', h.item_no, h.order_id, coalesce(i.quantity, 0), h.pieces)
   from (
     select c.order_id, held.item_no, sum(held.pieces) as pieces
     from orders.claim c join orders.claim_item ci on ci.claim_id = c.id, lateral (
       select ci.item_no, ci.quantity where c.state in ('requested', 'approved', 'pickup_booked', 'in_transit', 'received')
         or c.state = 'completed' and c.kind in ('reship', 'refund_only')
       union all select ci.refused_item_no, ci.refused where c.state = 'inspected' and ci.refused > 0
       union all select ci.item_no, ci.accepted + ci.damaged where ci.accepted + ci.damaged > 0
     ) as held (item_no, pieces) group by c.order_id, held.item_no
   ) as h left join orders.item i on i.order_id = h.order_id and i.item_no = h.item_no
   where h.pieces > coalesce(i.quantity, 0)
   union all
   select format('claim %s is of order %s, which is absent, or has no rows', c.id, c.order_id) from orders.claim c
   where not exists (select from orders.orders o where o.id = c.order_id) or not exists (select from orders.claim_item ci where ci.claim_id = c.id)`,
)

// What claims gave back stands in the parts that paid; a part that was never paid gives nothing back but credit of an exchange.
const givenBack = broken(
  'given_back',
  `select format('order %s: its claims gave back %s, its parts say %s', c.order_id, c.refunded, p.given)
   from (select order_id, sum(refunded_minor) as refunded from orders.claim group by order_id) as c
     cross join lateral (select coalesce(sum(given_back_minor), 0) as given from orders.part where order_id = c.order_id offset 0) as p
   where c.refunded > p.given`,
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
    await run('payments ask what rows and shipping cost', parts),
    await run('rows that were split are of one kind with their origin', siblings),
    await run('nothing is prepared that is not paid', uncovered),
    await run('what is held or waits has its reason still', holds),
    await run('no piece is in two claims', claims),
    await run('what claims gave back stands in the parts that paid', givenBack),
  ]
}

async function checkCascade(context: ReadContext): Promise<CheckResult> {
  const breaks: string[] = []
  for (let after = 0; breaks.length < 100; ) {
    const page = await findFoldDrift(context, after)
    for (const drift of page.drifts) breaks.push(sayDrift(drift))
    if (page.next === null) break
    after = page.next
  }
  return { check: 'states, money and attention of sections and orders are the fold of items and payments', breaks: breaks.slice(0, 100) }
}

const money = statement<{ id: number; money_state: string; total_minor: number; asked_minor: number; held_minor: number }>(
  'orders.money_page',
  `select o.id, o.money_state, o.total_minor, sum(p.asked_minor)::bigint as asked_minor,
     sum(coalesce(p.captured_minor - p.refunded_minor, 0))::bigint as held_minor
   from (select id, money_state, total_minor from orders.orders where id > $1 order by id limit 5000) as o
     cross join lateral (select * from orders.part where order_id = o.id offset 0) as p
   group by o.id, o.money_state, o.total_minor order by o.id`,
)

/** What an order says of its money, minor units: what it asks now, and what payments were last told to hold (captured less given back). */
export interface OrderMoney {
  readonly orderId: number
  readonly moneyState: string
  readonly totalMinor: number
  readonly askedMinor: number
  readonly heldMinor: number
}

/** Orders by rising id with what they say of their money; for the check against payments. */
export async function moneyPage(context: ReadContext, after: number): Promise<OrderMoney[]> {
  const rows = await context.query(money, [after])
  return rows.map((row) => ({
    orderId: row.id,
    moneyState: row.money_state,
    totalMinor: row.total_minor,
    askedMinor: row.asked_minor,
    heldMinor: row.held_minor,
  }))
}
