import type { CheckResult } from '#kernel/check.ts'
import type { Outcome } from '#kernel/outcome.ts'
import type { ContextDatabase, ReadContext, WriteContext } from '#platform/database.ts'
import { openIdBlocks } from '#platform/id-blocks.ts'
import type { Operation } from '#platform/operation.ts'
import { Catalogue } from './catalogue.ts'
import {
  type CancelCommand,
  type CoverCommand,
  cancelOrders,
  type MoneyCommand,
  type MoveCommand,
  moveOrderItems,
  noteMoney,
} from './change-orders.ts'
import { checkOrders, moneyPage } from './check-orders.ts'
import { orderOperations } from './operations.ts'
import type { Changed } from './schemas.ts'

export type { OrderCancelled, OrderPaid, OrderPlaced } from './events.ts'
export { type ItemState, itemLifeCycle } from './lifecycle.ts'
export { isOrderNumber } from './order-number.ts'
export type { CancelCommand, CoverCommand, MoneyCommand, MoveCommand }

/** The face of orders: what flows and ways in may ask. Each command is set-based and works in the transaction it is given. */
export interface Orders {
  readonly operations: readonly Operation[]
  noteMoney(context: WriteContext, commands: readonly MoneyCommand[]): Promise<Outcome<Changed>[]>
  moveItems(context: WriteContext, commands: readonly MoveCommand[]): Promise<Outcome<Changed>[]>
  cancel(context: WriteContext, commands: readonly CancelCommand[]): Promise<Outcome<Changed>[]>
  check(context: ReadContext): Promise<CheckResult[]>
  moneyPage(context: ReadContext, after: number): Promise<{ orderId: number; moneyState: string; totalMinor: number }[]>
}

export interface OrdersDeps {
  readonly database: ContextDatabase
  /** Numbers in [0, 1), for order numbers; a seeded one in tests. */
  readonly random: () => number
}

export function openOrders(deps: OrdersDeps): Orders {
  const catalogue = new Catalogue()
  const ids = openIdBlocks(deps.database, 'order')
  return {
    operations: orderOperations({ catalogue, ids, random: deps.random }),
    noteMoney,
    moveItems: moveOrderItems,
    cancel: cancelOrders,
    check: checkOrders,
    moneyPage,
  }
}
