import type { ChargeResult, FollowUpResult } from '#payments'
import type { WriteContext } from '#platform/database.ts'
import { type Account, type AccountCommand, type AccountEntry, type AccountUse, decideOnAccount } from './account.ts'
import { lockAccountBook, openAccountRows, writeAccountBook } from './ledger-store.ts'

/** A command with the account that it may open: a credit to somebody who has none yet. */
export interface UseAccount {
  readonly command: AccountCommand
  /** Opened where it does not exist; for credits. */
  readonly opens?: Omit<Account, 'balanceMinor'>
}

/**
 * Acts on accounts of customers: charge, set aside, take, release, give back, credit. Set-based, in one transaction, with the
 * balance, the use and the entry of each command written together or not at all.
 */
export async function useAccounts(
  context: WriteContext,
  asked: readonly UseAccount[],
  actor: string,
): Promise<(ChargeResult | FollowUpResult)[]> {
  if (asked.length === 0) return []
  await openAccountRows(
    context,
    asked.flatMap(({ opens }) => (opens === undefined ? [] : [opens])),
  )
  const commands = asked.map(({ command }) => command)
  const before = await lockAccountBook(context, {
    accounts: commands.flatMap((command) => ('account' in command ? [command.account] : [])),
    useKeys: commands.map((command) => ('useKey' in command ? command.useKey : command.key)),
    keys: commands.map((command) => command.key),
  })
  const accounts = new Map<string, Account>(before.accounts)
  const uses = new Map<string, AccountUse>(before.uses)
  const booked = new Set(before.booked)
  const entries: AccountEntry[] = []
  const results = commands.map((command) => {
    const use = uses.get('useKey' in command ? command.useKey : command.key)
    const account = accounts.get('account' in command ? command.account : (use?.account ?? ''))
    const decision = decideOnAccount(command, { account, use, booked: booked.has(command.key) })
    if (account !== undefined && decision.balanceMinor !== undefined)
      accounts.set(account.id, { ...account, balanceMinor: decision.balanceMinor })
    if (decision.use !== undefined) uses.set(decision.use.key, decision.use)
    if (decision.entry !== undefined) {
      entries.push(decision.entry)
      booked.add(decision.entry.key)
    }
    return decision.result
  })
  await writeAccountBook(context, before, { accounts, uses, entries }, { actor })
  return results
}
