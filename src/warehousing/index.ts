import type { CheckResult } from '#kernel/check.ts'
import type { ReadContext, WriteContext } from '#platform/database.ts'
import type { Operation } from '#platform/operation.ts'
import { type FollowWaybill, followWaybills } from './change-sales-orders.ts'
import { checkWarehousing } from './check.ts'
import { type FindPreparable, type MakeFromWaybill, makeFromWaybills } from './make-sales-orders.ts'
import { salesOrderOperations } from './operations.ts'
import type { SalesOrder } from './sales-order.ts'
import { salesOrdersOfWaybills, salesOrdersPage } from './sales-order-store.ts'

export type { FollowWaybill } from './change-sales-orders.ts'
export {
  type SalesOrderChanged,
  type SalesOrderMade,
  type SalesOrderMoved,
  type SalesOrderPromised,
  warehousingEventTypes,
} from './events.ts'
export { isEnded, rankOf, salesOrderLifeCycle, type SalesOrderState } from './lifecycle.ts'
export type { FindPreparable, WarehouseWaybill } from './make-sales-orders.ts'
export { pickFlows, type SalesLine, type SalesOrder } from './sales-order.ts'

/** The face of warehousing: instructions to warehouses, and what they answer. */
export interface Warehousing {
  readonly operations: readonly Operation[]
  /** A sales order for each waybill that was released; one that has one gets no second. */
  makeFromWaybills(context: WriteContext, waybills: readonly MakeFromWaybill[]): Promise<void>
  /** Follows waybills that were called off, packed by others, or carry something else; each once in a call. */
  followWaybills(context: WriteContext, commands: readonly FollowWaybill[]): Promise<void>
  /** All sales orders that waybills ever had, by waybill and rising id. */
  salesOrdersOfWaybills(context: ReadContext, waybillIds: readonly number[]): Promise<Map<number, SalesOrder[]>>
  /** Sales orders after an id, rising; to walk over all of them. */
  salesOrdersPage(context: ReadContext, after: number, limit: number): Promise<SalesOrder[]>
  check(context: ReadContext): Promise<CheckResult[]>
}

/** `findPreparable` looks at waybills, which are another context's. */
export function openWarehousing({ findPreparable }: { readonly findPreparable: FindPreparable }): Warehousing {
  return {
    operations: salesOrderOperations(findPreparable),
    makeFromWaybills,
    followWaybills,
    salesOrdersOfWaybills,
    salesOrdersPage,
    check: checkWarehousing,
  }
}
