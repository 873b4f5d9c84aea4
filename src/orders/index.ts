import type { CheckResult } from '#kernel/check.ts'
import type { Outcome } from '#kernel/outcome.ts'
import type { ContextDatabase, ReadContext, WriteContext } from '#platform/database.ts'
import { openIdBlocks } from '#platform/id-blocks.ts'
import type { Operation } from '#platform/operation.ts'
import { Catalogue } from './catalogue.ts'
import { type MoveClaimCommand, moveClaimsById } from './change-claims.ts'
import { type ClaimFact, readClaimFacts } from './claim-facts.ts'
import { type CancelCommand, cancelOrders } from './cancel-orders.ts'
import { checkOrders, moneyPage, type OrderMoney } from './check-orders.ts'
import { confirmDelivered } from './confirm-orders.ts'
import { type FactColumns, itemFactColumns, orderFactColumns, type OrderFacts, orderIdsAfter, readOrderFacts } from './item-facts.ts'
import { type MoveCommand, moveOrderItems } from './move-order-items.ts'
import { notePaymentFacts, noteTooFarGone, type PaymentFact, type TooFarGone } from './note-money.ts'
import { goodsOfOrders, goodsPage, type GoodsRow, type OrderGoods } from './goods-page.ts'
import { indexOrders } from './index-orders.ts'
import { type Drift, driftPage, repairDrift } from './drift.ts'
import { orderOperations } from './operations.ts'
import type { Changed } from './schemas.ts'

export type {
  OrderAmountRaised,
  OrderCancelled,
  OrderCancelRequested,
  OrderClaimMoved,
  OrderEdited,
  OrderHoldChanged,
  OrderMoved,
  OrderPaid,
  OrderPaymentAsked,
  OrderPlaced,
  OrderRefundDue,
  PartAmount,
  PartAsked,
} from './events.ts'
export { type ClaimKind, claimLifeCycle, type ClaimState } from './claim-lifecycle.ts'
export { type ItemState, itemLifeCycle } from './lifecycle.ts'
export { itemFactColumns, orderFactColumns }
export { isOrderNumber, orderNumberOf } from './order-number.ts'
export type { GoodsRow, OrderGoods }
export type { CancelCommand, ClaimFact, MoveClaimCommand, Drift, FactColumns, MoveCommand, OrderFacts, PaymentFact, TooFarGone }

/** The face of orders: what flows and ways in may ask. Each command is set-based and works in the transaction it is given. */
export interface Orders {
  readonly operations: readonly Operation[]
  /** Takes all that payments tell, in one call of a transaction: changes of one order must be decided together. */
  notePaymentFacts(context: WriteContext, facts: readonly PaymentFact[]): Promise<Outcome<Changed>[]>
  /** Cancelled goods that could not be called off: a person has to look after them. */
  noteTooFarGone(context: WriteContext, commands: readonly TooFarGone[]): Promise<Outcome<Changed>[]>
  moveItems(context: WriteContext, commands: readonly MoveCommand[]): Promise<Outcome<Changed>[]>
  /** Notes how far goods of claims are; what is overtaken has no effect. Errors: orders.unknown_claim, orders.not_possible. */
  moveClaims(context: WriteContext, commands: readonly MoveClaimCommand[]): Promise<Outcome<Changed>[]>
  cancel(context: WriteContext, commands: readonly CancelCommand[]): Promise<Outcome<Changed>[]>
  /** Confirms what was delivered before an instant, at most 500 orders; returns how many it took. */
  confirmDelivered(context: WriteContext, before: Date): Promise<number>
  /** What is stored otherwise than items, payments or the log say, of 5,000 orders after an id; `next` is null at the end. */
  driftPage(context: ReadContext, after: number): Promise<{ drifts: Drift[]; next: number | null }>
  /** Folds orders anew and completes their log, with cause `repair`. */
  repairDrift(context: WriteContext, ids: readonly number[], by: { commandId: string; actor: string }): Promise<Outcome<Changed>[]>
  /** Facts of orders and their items, as columns that a statement takes as they are; from one moment, in one statement. */
  readFacts(context: ReadContext, orderIds: readonly number[]): Promise<OrderFacts>
  /** Ids of orders after one, rising; to walk over all of them. */
  idsAfter(context: ReadContext, after: number, most: number): Promise<number[]>
  /** Puts together what orders are found by; for `orders.placed` and `orders.edited`. */
  indexOrders(context: WriteContext, orderIds: readonly number[]): Promise<void>
  /** Claims of orders for analysts, in one statement. */
  readClaimFacts(context: ReadContext, orderIds: readonly number[]): Promise<ClaimFact[]>
  check(context: ReadContext): Promise<CheckResult[]>
  moneyPage(context: ReadContext, after: number): Promise<OrderMoney[]>
  goodsPage(context: ReadContext, after: number, most: number): Promise<OrderGoods[]>
  /** The same of some orders. */
  goodsOfOrders(context: ReadContext, orderIds: readonly number[]): Promise<OrderGoods[]>
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
    notePaymentFacts,
    noteTooFarGone,
    confirmDelivered,
    moveItems: moveOrderItems,
    moveClaims: moveClaimsById,
    cancel: cancelOrders,
    driftPage,
    repairDrift,
    readFacts: readOrderFacts,
    idsAfter: orderIdsAfter,
    indexOrders,
    readClaimFacts,
    check: checkOrders,
    moneyPage,
    goodsPage,
    goodsOfOrders,
  }
}
