import type { CheckResult } from '#kernel/check.ts'
import type { PaymentGateway } from '#payments'
import type { ContextDatabase, ReadContext, WriteContext } from '#platform/database.ts'
import type { Operation } from '#platform/operation.ts'
import { openAccountGateway } from './account-gateway.ts'
import { type BookMovement, bookMovements } from './book-movements.ts'
import { checkLedger } from './check.ts'
import { ledgerOperations } from './operations.ts'
import { findOrderTotals, type TrialLine, trialBalanceOf } from './read-ledger.ts'

export type { BookMovement, TrialLine }

/** The face of the ledger: the journal of every movement of money, and the accounts of customers that can pay. */
export interface Ledger {
  /** Wallet, points and vouchers as gateways: legs on them are paid like legs by card. */
  readonly gateways: readonly PaymentGateway[]
  readonly operations: readonly Operation[]
  /** Books what moved at gateways; a movement booked before is passed over. Returns how many were new. */
  bookMovements(context: WriteContext, asked: readonly BookMovement[]): Promise<number>
  /** By order id: what the journal says that the order brought in and kept, minor units. */
  findOrderTotals(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, number>>
  trialBalance(context: ReadContext, from: Date | null, until: Date | null): Promise<TrialLine[]>
  check(context: ReadContext): Promise<CheckResult[]>
}

export function openLedger({ database }: { readonly database: ContextDatabase }): Ledger {
  return {
    gateways: (['wallet', 'points', 'voucher'] as const).map((means) => openAccountGateway(database, means)),
    operations: ledgerOperations,
    bookMovements,
    findOrderTotals,
    trialBalance: trialBalanceOf,
    check: checkLedger,
  }
}
