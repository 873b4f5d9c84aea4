import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { Account, AccountEntry, AccountUse, Line } from './account.ts'

/** An entry as it is written. */
export interface NewEntry {
  readonly key: string
  readonly kind: string
  readonly orderId: number | null
  readonly currency: string
  readonly lines: readonly Line[]
  readonly reason: string
  readonly actor: string
  readonly commandId: string
}

// The order of events is the order of entries; a movement that was booked before is passed over.
const insertEntries = statement<{ key: string }>(
  'ledger.insert_entries',
  `insert into ledger.entry (key, kind, order_id, currency, accounts, amounts, reason, actor, command_id, rehearsal_id, occurred_at)
   select key, kind, order_id, currency, accounts::text[], amounts::bigint[], reason, actor, command_id, $10, $11
   from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
     with ordinality as input (key, kind, order_id, currency, accounts, amounts, reason, actor, command_id, position)
   order by position
   on conflict (key) do nothing
   returning key`,
)

/** Books entries; those of a key that is booked already change nothing. Returns the keys that are new. */
export async function bookEntries(context: WriteContext, entries: readonly NewEntry[]): Promise<string[]> {
  if (entries.length === 0) return []
  const rows = await context.query(insertEntries, [
    entries.map((entry) => entry.key),
    entries.map((entry) => entry.kind),
    entries.map((entry) => entry.orderId),
    entries.map((entry) => entry.currency),
    entries.map((entry) => arrayOf(entry.lines.map(([account]) => account))),
    entries.map((entry) => arrayOf(entry.lines.map(([, amount]) => String(amount)))),
    entries.map((entry) => entry.reason),
    entries.map((entry) => entry.actor),
    entries.map((entry) => entry.commandId),
    context.rehearsalId,
    context.now,
  ])
  return rows.map((row) => row.key)
}

const arrayOf = (words: readonly string[]): string => `{${words.map((word) => `"${word.replace(/["\\]/g, '\\$&')}"`).join(',')}}`

const openAccounts = statement(
  'ledger.open_accounts',
  `insert into ledger.account (id, means, holder, currency, balance_minor, opened_at)
   select id, means, holder, currency, 0, $5 from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as input (id, means, holder, currency)
   order by id on conflict (id) do nothing`,
)

/** Makes sure that accounts exist, empty where they are new. */
export async function openAccountRows(context: WriteContext, accounts: readonly Omit<Account, 'balanceMinor'>[]): Promise<void> {
  if (accounts.length === 0) return
  await context.query(openAccounts, [
    accounts.map((account) => account.id),
    accounts.map((account) => account.means),
    accounts.map((account) => account.holder),
    accounts.map((account) => account.currency),
    context.now,
  ])
}

// Accounts first, ascending, by account and by the uses named: whoever changes a use holds its account.
const lockAccounts = statement<{ id: string }>(
  'ledger.lock_accounts',
  `select id from ledger.account where id = any($1::text[]) or id in (select account from ledger.account_use where key = any($2::text[]))
   order by id for no key update`,
)
const readAccountRows = statement<Account>(
  'ledger.read_accounts',
  `select id, means, holder, currency, balance_minor as "balanceMinor" from ledger.account
   where id = any($1::text[]) or id in (select account from ledger.account_use where key = any($2::text[]))`,
)
const readUses = statement<AccountUse>(
  'ledger.read_uses',
  `select key, account, order_id as "orderId", amount_minor as "amountMinor", captured_minor as "capturedMinor",
     released_minor as "releasedMinor", refunded_minor as "refundedMinor"
   from ledger.account_use where key = any($1::text[])`,
)
const readBooked = statement<{ key: string }>('ledger.read_booked', 'select key from ledger.entry where key = any($1::text[])')

export interface AccountBook {
  readonly accounts: Map<string, Account>
  readonly uses: Map<string, AccountUse>
  readonly booked: Set<string>
}

/** Locks accounts and reads them, their uses and what is booked, inside the lock. */
export async function lockAccountBook(
  context: WriteContext,
  { accounts, useKeys, keys }: { accounts: readonly string[]; useKeys: readonly string[]; keys: readonly string[] },
): Promise<AccountBook> {
  // Sent together, run one after the other: what follows the lock has a snapshot taken when the lock is held.
  const [, rows, uses, booked] = await Promise.all([
    context.query(lockAccounts, [accounts, useKeys]),
    context.query(readAccountRows, [accounts, useKeys]),
    context.query(readUses, [useKeys]),
    context.query(readBooked, [keys]),
  ])
  return {
    accounts: new Map(rows.map((row) => [row.id, row])),
    uses: new Map(uses.map((use) => [use.key, use])),
    booked: new Set(booked.map((row) => row.key)),
  }
}

const writeBalances = statement<{ id: string }>(
  'ledger.write_balances',
  `update ledger.account set balance_minor = input.to_minor, version = account.version + 1
   from unnest($1::text[], $2::bigint[], $3::bigint[]) as input (id, from_minor, to_minor)
   where account.id = input.id and account.balance_minor = input.from_minor
   returning account.id`,
)
const writeUses = statement(
  'ledger.write_uses',
  `insert into ledger.account_use (key, account, order_id, amount_minor, captured_minor, released_minor, refunded_minor, used_at)
   select key, account, order_id, amount, captured, released, refunded, $8
   from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
     as input (key, account, order_id, amount, captured, released, refunded)
   on conflict (key) do update set captured_minor = excluded.captured_minor, released_minor = excluded.released_minor,
     refunded_minor = excluded.refunded_minor`,
)

/** A balance was changed while we held its lock: only an UPDATE by hand can do that. All is read and decided again. */
class BalanceMoved extends Error {
  readonly code = '40001'
}

/** Writes what was decided: balances by compare-and-set, uses, entries. */
export async function writeAccountBook(
  context: WriteContext,
  before: AccountBook,
  after: { accounts: ReadonlyMap<string, Account>; uses: ReadonlyMap<string, AccountUse>; entries: readonly AccountEntry[] },
  by: { actor: string },
): Promise<void> {
  const moved = [...after.accounts.values()].filter(({ id, balanceMinor }) => before.accounts.get(id)?.balanceMinor !== balanceMinor)
  const uses = [...after.uses.values()].filter((use) => before.uses.get(use.key) !== use)
  await bookEntries(
    context,
    after.entries.map((entry) => ({
      ...entry,
      currency: before.accounts.get(entry.account)?.currency ?? '',
      actor: by.actor,
      commandId: entry.key,
    })),
  )
  if (moved.length > 0) {
    const written = await context.query(writeBalances, [
      moved.map(({ id }) => id),
      moved.map(({ id }) => before.accounts.get(id)?.balanceMinor ?? 0),
      moved.map(({ balanceMinor }) => balanceMinor),
    ])
    if (written.length !== moved.length) throw new BalanceMoved('a balance was changed by hand while a decision about it was being made')
  }
  if (uses.length > 0) {
    context.defer(writeUses, [
      uses.map((use) => use.key),
      uses.map((use) => use.account),
      uses.map((use) => use.orderId),
      uses.map((use) => use.amountMinor),
      uses.map((use) => use.capturedMinor),
      uses.map((use) => use.releasedMinor),
      uses.map((use) => use.refundedMinor),
      context.now,
    ])
  }
}

/** A use and whether entries of given keys are booked, without a lock: what a gateway's query asks. */
export async function findUse(context: ReadContext, key: string): Promise<AccountUse | undefined> {
  const [use] = await context.query(readUses, [[key]])
  return use
}
export async function isBooked(context: ReadContext, key: string): Promise<boolean> {
  return (await context.query(readBooked, [[key]])).length > 0
}
export function findAccounts(context: ReadContext, ids: readonly string[]): Promise<Account[]> {
  return context.query(readAccountRows, [ids, []])
}
