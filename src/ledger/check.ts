import type { CheckResult } from '#kernel/check.ts'
import { type ReadContext, type Statement, statement } from '#platform/database.ts'

const broken = (verb: string, breaks: string): Statement<{ breaks: string[] }> =>
  statement(`ledger.check_${verb}`, `select array(select b::text from (${breaks} limit 100) as breaks (b)) as breaks`)

const balances = broken(
  'balances',
  `select format('account %s says %s, its entries say %s', coalesce(a.id, e.account), coalesce(a.balance_minor, 0), coalesce(e.balance, 0))
   from ledger.account a full join (
     select line.account, -sum(line.amount) as balance from ledger.entry
     cross join lateral unnest(accounts, amounts) as line (account, amount)
     where line.account ~ '^(wallet|points|voucher):' group by line.account
   ) e on e.account = a.id
   where coalesce(a.balance_minor, 0) <> coalesce(e.balance, 0)`,
)

const sums = broken(
  'sums',
  `select format('entry %s (%s) does not add up to nothing: %s', id, key, ledger.sum_of(amounts)) from ledger.entry where ledger.sum_of(amounts) <> 0`,
)

const held = broken(
  'held',
  `select format('%s held %s, uses have %s open', sums.currency, sums.held, coalesce(uses.open, 0))
   from (
     select e.currency, -sum(line.amount) as held from ledger.entry e
     cross join lateral unnest(e.accounts, e.amounts) as line (account, amount) where line.account = 'held' group by e.currency
   ) sums
   left join (
     select a.currency, sum(u.amount_minor - u.captured_minor - u.released_minor) as open
     from ledger.account_use u join ledger.account a on a.id = u.account group by a.currency
   ) uses on uses.currency = sums.currency
   where sums.held <> coalesce(uses.open, 0)`,
)

const strays = broken(
  'strays',
  `select format('%s %s of charges found late have not gone back', -sum(line.amount), e.currency)
   from ledger.entry e cross join lateral unnest(e.accounts, e.amounts) as line (account, amount)
   where line.account = 'stray' group by e.currency having sum(line.amount) > 0`,
)

/** Laws of the ledger, from its own tables. */
export async function checkLedger(context: ReadContext): Promise<CheckResult[]> {
  const run = async (check: string, asked: Statement<{ breaks: string[] }>): Promise<CheckResult> => {
    const [row] = await context.query(asked)
    return { check, breaks: row?.breaks ?? [] }
  }
  return [
    await run('every entry adds up to nothing', sums),
    await run('the balance of an account is what its entries say', balances),
    await run('what is held is what uses have open', held),
    await run('nothing more of late charges went back than came', strays),
  ]
}
