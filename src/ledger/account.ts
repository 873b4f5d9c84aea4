import type { ChargeResult, FollowUpResult } from '#payments'

/** Accounts of customers that can pay. */
export type AccountMeans = 'wallet' | 'points' | 'voucher'

export interface Account {
  readonly id: string
  readonly means: AccountMeans
  readonly holder: string
  readonly currency: string
  /** What we owe the holder, minor units; never below zero. */
  readonly balanceMinor: number
}

/** One use of an account to pay, by the key of the charge. */
export interface AccountUse {
  readonly key: string
  readonly account: string
  readonly orderId: number | null
  readonly amountMinor: number
  readonly capturedMinor: number
  /** Set aside and given back untaken. */
  readonly releasedMinor: number
  readonly refundedMinor: number
}

/** A line of an entry: debit positive, credit negative. */
export type Line = readonly [account: string, amountMinor: number]

export const accountId = (means: AccountMeans, holder: string, currency: string): string => `${means}:${holder}:${currency}`

/** Accounts of the house. */
export const house = {
  /** Money that orders brought in. */
  orders: 'orders',
  /** Set aside on accounts of customers, not yet taken. */
  held: 'held',
  /** What a gateway owes us until it pays out. */
  gateway: (name: string): string => `gateway:${name}`,
  /** Charges that were found after they had been given up; empty once all have gone back. */
  stray: 'stray',
  disputes: 'disputes',
  /** Where money of accounts comes from when it is no payment. */
  funding: (source: string): string => `funding:${source}`,
} as const

/** What may be asked of an account, by a key of its own. */
export type AccountCommand =
  | {
      readonly act: 'charge' | 'authorize'
      readonly key: string
      readonly account: string
      readonly amountMinor: number
      readonly orderId: number | null
    }
  | {
      readonly act: 'capture' | 'void' | 'refund'
      readonly key: string
      readonly useKey: string
      readonly amountMinor: number
      readonly last?: boolean
    }
  | {
      readonly act: 'credit'
      readonly key: string
      readonly account: string
      readonly amountMinor: number
      readonly orderId: number | null
      /** The account of the house that backs it. */
      readonly from: string
      readonly reason: string
    }

export interface AccountEntry {
  readonly key: string
  readonly kind: string
  readonly account: string
  readonly orderId: number | null
  readonly reason: string
  readonly lines: readonly Line[]
}

export interface AccountDecision {
  readonly result: ChargeResult | FollowUpResult
  readonly entry?: AccountEntry
  readonly balanceMinor?: number
  readonly use?: AccountUse
}

export interface AccountState {
  readonly account: Account | undefined
  readonly use: AccountUse | undefined
  /** Whether an entry of this command's key is booked already. */
  readonly booked: boolean
}

const done = (gatewayRef: string) => ({ outcome: 'succeeded', gatewayRef }) as const

/** Decides one command on what was read under the account's lock. A repeated command has its first answer and no effect. */
export function decideOnAccount(command: AccountCommand, { account, use, booked }: AccountState): AccountDecision {
  switch (command.act) {
    case 'charge':
    case 'authorize':
      return take(command, account, use)
    case 'credit': {
      if (booked) return { result: done(command.key) }
      if (account === undefined) return failed('no_such_account')
      const lines: Line[] = [
        [command.from, command.amountMinor],
        [account.id, -command.amountMinor],
      ]
      const { key, orderId, reason } = command
      return {
        result: done(key),
        balanceMinor: account.balanceMinor + command.amountMinor,
        entry: { key, kind: 'credit', account: account.id, orderId, reason, lines },
      }
    }
    default:
      if (booked) return { result: done(command.key) }
      if (use === undefined || account === undefined) return failed('no_such_charge')
      return followUp(command, account, use)
  }
}

function take(
  command: Extract<AccountCommand, { act: 'charge' | 'authorize' }>,
  account: Account | undefined,
  use: AccountUse | undefined,
): AccountDecision {
  const { act, key, amountMinor, orderId } = command
  if (use !== undefined) {
    const same = use.account === command.account && use.amountMinor === amountMinor
    return { result: same ? done(key) : { outcome: 'declined_hard', reason: 'key_used_with_another_body' } }
  }
  if (account === undefined) return { result: { outcome: 'declined_hard', reason: 'no_such_account' } }
  if (account.balanceMinor < amountMinor) return { result: { outcome: 'declined_hard', reason: 'insufficient_balance' } }
  const captured = act === 'charge'
  return {
    result: done(key),
    balanceMinor: account.balanceMinor - amountMinor,
    use: { key, account: account.id, orderId, amountMinor, capturedMinor: captured ? amountMinor : 0, releasedMinor: 0, refundedMinor: 0 },
    entry: {
      key,
      kind: captured ? 'account_charged' : 'account_held',
      account: account.id,
      orderId,
      reason: '',
      lines: [
        [account.id, amountMinor],
        [captured ? house.orders : house.held, -amountMinor],
      ],
    },
  }
}

function followUp(
  command: Extract<AccountCommand, { act: 'capture' | 'void' | 'refund' }>,
  account: Account,
  use: AccountUse,
): AccountDecision {
  const { key, amountMinor } = command
  const open = use.amountMinor - use.capturedMinor - use.releasedMinor
  const booked = (kind: string, lines: Line[]): AccountEntry => ({
    key,
    kind,
    account: account.id,
    orderId: use.orderId,
    reason: '',
    lines,
  })
  if (command.act === 'refund') {
    if (amountMinor > use.capturedMinor - use.refundedMinor) return failed('more_than_was_taken')
    return {
      result: done(key),
      balanceMinor: account.balanceMinor + amountMinor,
      use: { ...use, refundedMinor: use.refundedMinor + amountMinor },
      entry: booked('account_refunded', [
        [house.orders, amountMinor],
        [account.id, -amountMinor],
      ]),
    }
  }
  if (open === 0) return failed('nothing_is_set_aside')
  if (command.act === 'capture' && amountMinor > open) return failed('more_than_is_set_aside')
  const taken = command.act === 'capture' ? amountMinor : 0
  const released = command.act === 'void' || command.last ? open - taken : 0
  const lines: Line[] = [[house.held, taken + released]]
  if (taken > 0) lines.push([house.orders, -taken])
  if (released > 0) lines.push([account.id, -released])
  return {
    result: done(key),
    balanceMinor: account.balanceMinor + released,
    use: { ...use, capturedMinor: use.capturedMinor + taken, releasedMinor: use.releasedMinor + released },
    entry: booked(command.act === 'capture' ? 'account_captured' : 'account_released', lines),
  }
}

const failed = (reason: string): AccountDecision => ({ result: { outcome: 'failed', reason } })
