import type { ReadContext, WriteContext } from '#platform/database.ts'
import { type CancelWaybills, cancelWaybills } from './cancel-waybills.ts'
import { checkFulfilment } from './check.ts'
import { type CreateWaybills, createWaybills } from './create-waybills.ts'
import { type MoveWaybill, moveWaybills, type RouteWaybill, routeWaybills } from './move-waybills.ts'
import { operations } from './operations.ts'
import { type StatePage, waybillsById, waybillsByOrder, waybillsByState } from './waybill-store.ts'

export { type CancelledWaybills, type CancelWaybills } from './cancel-waybills.ts'
export type { LawReport } from './check.ts'
export type { CreatedWaybills, CreateWaybills } from './create-waybills.ts'
export { fulfilmentEventTypes, type CallOffFailed, type WaybillMoved, type WaybillRescheduled, type WaybillsCreated } from './events.ts'
export { type WaybillState, wayToTheDoor, waybillLifeCycle, waybillStates } from './lifecycle.ts'
export { type FindByContainer, merchantOperations } from './merchant-operations.ts'
export type { MovedWaybill, MoveWaybill, RouteWaybill } from './move-waybills.ts'
export type { Destination, PaidSection, SkuType, SlotChoice, Waybill, WaybillItem } from './waybill.ts'
export type { StatePage, StoredWaybill } from './waybill-store.ts'

/**
 * Waybills: from the paid items of an order to the door, or back. Every function works in the transaction of the context it
 * is given, takes any number of commands and answers each; repeating a command has no second effect.
 */
export function openFulfilment() {
  return {
    operations,
    createWaybills: (context: WriteContext, commands: readonly CreateWaybills[]) => createWaybills(context, commands),
    moveWaybills: (context: WriteContext, commands: readonly MoveWaybill[]) => moveWaybills(context, commands),
    routeWaybills: (context: WriteContext, commands: readonly RouteWaybill[]) => routeWaybills(context, commands),
    cancelWaybills: (context: WriteContext, commands: readonly CancelWaybills[]) => cancelWaybills(context, commands),
    /** Waybills that wait in each asked state, in pages by id. */
    waybillsAwaiting: (context: ReadContext, pages: readonly StatePage[]) => waybillsByState(context, pages),
    waybillsById: (context: ReadContext, waybillIds: readonly number[]) => waybillsById(context, waybillIds),
    waybillsOfOrders: (context: ReadContext, orderIds: readonly number[]) => waybillsByOrder(context, orderIds),
    check: (context: ReadContext) => checkFulfilment(context),
  }
}

export type Fulfilment = ReturnType<typeof openFulfilment>
