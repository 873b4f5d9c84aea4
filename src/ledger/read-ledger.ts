import { type ReadContext, statement } from '#platform/database.ts'

/** One entry of the journal, its lines as account and amount; debit positive, credit negative, minor units. */
export interface EntryView {
  readonly id: number
  readonly key: string
  readonly kind: string
  readonly orderId: number | null
  readonly currency: string
  readonly lines: readonly { readonly account: string; readonly amountMinor: number }[]
  readonly reason: string
  readonly actor: string
  readonly occurredAt: string
}

const entryView = `json_build_object('id', e.id, 'key', e.key, 'kind', e.kind, 'orderId', e.order_id, 'currency', e.currency,
  'lines', (select json_agg(json_build_object('account', line.account, 'amountMinor', line.amount) order by line.position)
            from unnest(e.accounts, e.amounts) with ordinality as line (account, amount, position)),
  'reason', e.reason, 'actor', e.actor, 'occurredAt', e.occurred_at)`

const entriesOfOrders = statement<{ orderId: number; entries: EntryView[] }>(
  'ledger.entries_of_orders',
  `select asked.id as "orderId", coalesce(found.entries, '[]') as entries
   from unnest($1::bigint[]) as asked (id)
   cross join lateral (select json_agg(${entryView} order by e.id) as entries from ledger.entry e where e.order_id = asked.id offset 0) as found`,
)

/** Entries of orders, oldest first. */
export async function findEntries(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, EntryView[]>> {
  const rows = await context.query(entriesOfOrders, [orderIds])
  return new Map(rows.map((row) => [row.orderId, row.entries]))
}

export interface TrialLine {
  readonly account: string
  readonly currency: string
  readonly debitMinor: number
  readonly creditMinor: number
  readonly balanceMinor: number
}

// Accounts of customers are summed up by their means: a trial balance of a million wallets helps nobody.
const trialBalance = statement<TrialLine>(
  'ledger.trial_balance',
  `select account, currency, debit::bigint as "debitMinor", credit::bigint as "creditMinor", (debit - credit)::bigint as "balanceMinor"
   from (
     select case when line.account ~ '^(wallet|points|voucher):' then split_part(line.account, ':', 1) else line.account end as account, e.currency,
       coalesce(sum(line.amount) filter (where line.amount > 0), 0) as debit, coalesce(-sum(line.amount) filter (where line.amount < 0), 0) as credit
     from ledger.entry e cross join lateral unnest(e.accounts, e.amounts) as line (account, amount)
     where ($1::timestamptz is null or e.occurred_at >= $1) and ($2::timestamptz is null or e.occurred_at < $2)
     group by 1, 2
   ) as sums order by account, currency`,
)

/** Sums of all accounts over a half-open interval; balances over all currencies' columns are nothing. */
export function trialBalanceOf(context: ReadContext, from: Date | null, until: Date | null): Promise<TrialLine[]> {
  return context.query(trialBalance, [from, until])
}

const orderTotals = statement<{ orderId: number; heldMinor: number }>(
  'ledger.order_totals',
  `select e.order_id as "orderId", -sum(line.amount)::bigint as "heldMinor"
   from ledger.entry e cross join lateral unnest(e.accounts, e.amounts) as line (account, amount)
   where e.order_id = any($1::bigint[]) and line.account in ('orders', 'disputes')
   group by e.order_id`,
)

/** What the journal says that orders brought in and kept, minor units; absent where nothing is booked. */
export async function findOrderTotals(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, number>> {
  const rows = await context.query(orderTotals, [orderIds])
  return new Map(rows.map((row) => [row.orderId, row.heldMinor]))
}
