import type { ReadContext, WriteContext } from '#platform/database.ts'
import { type CancelWaybills, cancelWaybills } from './cancel-waybills.ts'
import { checkFulfilment } from './check.ts'
import { type CreateWaybills, createWaybills } from './create-waybills.ts'
import { type FetchGoods, fetchGoods, type KeepGoods, keepGoods } from './fetch-goods.ts'
import { type FollowEdit, followEdits } from './follow-edits.ts'
import { expireHolds, type HoldWaybill, holdWaybills, type ReleaseWaybill, releaseWaybills } from './hold-waybills.ts'
import { type MakeWaybill, makeWaybills } from './make-waybills.ts'
import {
  callOffWaybills,
  type CancelWaybill,
  type MoveWaybill,
  moveWaybills,
  type RescheduleWaybill,
  rescheduleWaybills,
  type RouteWaybill,
  routeWaybills,
} from './move-waybills.ts'
import { operations } from './operations.ts'
import { type Promises, watchPromises } from './promises.ts'
import { type PromiseReady, promiseReady } from './promise-ready.ts'
import { type ShortWaybill, shortWaybills } from './short-waybills.ts'
import { type StatePage, waybillsById, waybillsByOrder, waybillsByState } from './waybill-store.ts'

export { type CancelledWaybills, type CancelWaybills } from './cancel-waybills.ts'
export type { MovedWaybill } from './change-waybills.ts'
export type { LawReport } from './check.ts'
export type { CreatedWaybills, CreateWaybills } from './create-waybills.ts'
export {
  fulfilmentEventTypes,
  type CallOffFailed,
  type ContentsChanged,
  type ReadyPromised,
  type RowsSplit,
  type WaybillLate,
  type ShortPicked,
  type WaybillMoved,
  type WaybillRescheduled,
  type WaybillsCreated,
} from './events.ts'
export type { FetchedGoods, FetchGoods, KeepGoods } from './fetch-goods.ts'
export type { EditedSection, FollowEdit, Followed } from './follow-edits.ts'
export type { HeldWaybill, HoldWaybill, ReleaseWaybill } from './hold-waybills.ts'
export { type HoldKind, holdKinds, holdTable } from './holds.ts'
export {
  isBeingPrepared,
  quotaEffects,
  returnLifeCycle,
  stepsBetween,
  type WaybillState,
  wayToTheDoor,
  waybillLifeCycle,
  waybillStates,
} from './lifecycle.ts'
export { type FindByContainer, merchantOperations } from './merchant-operations.ts'
export type { MadeWaybill, MakeWaybill } from './make-waybills.ts'
export type { CancelWaybill, MoveWaybill, RescheduleWaybill, RouteWaybill } from './move-waybills.ts'
export { type FindFreeSlots, previewOperations } from './preview-operation.ts'
export type { PromiseReady } from './promise-ready.ts'
export type { Promises } from './promises.ts'
export type { Destination, PaidSection, Purpose, SkuType, SlotChoice, Waybill, WaybillItem } from './waybill.ts'
export type { StatePage, StoredWaybill } from './waybill-store.ts'

/**
 * Waybills: from the paid items of an order to the door, or back. Every function works in the transaction of the context it
 * is given, takes any number of commands and answers each; repeating a command has no second effect.
 */
export function openFulfilment() {
  return {
    operations,
    createWaybills: (context: WriteContext, commands: readonly CreateWaybills[]) => createWaybills(context, commands),
    /** Waybills that no payment released, by a reference of the caller's. */
    makeWaybills: (context: WriteContext, commands: readonly MakeWaybill[]) => makeWaybills(context, commands),
    moveWaybills: (context: WriteContext, commands: readonly MoveWaybill[]) => moveWaybills(context, commands),
    routeWaybills: (context: WriteContext, commands: readonly RouteWaybill[]) => routeWaybills(context, commands),
    /** Follows cancelled rows of orders; callOffWaybills names waybills. */
    cancelWaybills: (context: WriteContext, commands: readonly CancelWaybills[]) => cancelWaybills(context, commands),
    callOffWaybills: (context: WriteContext, commands: readonly CancelWaybill[]) => callOffWaybills(context, commands),
    rescheduleWaybills: (context: WriteContext, commands: readonly RescheduleWaybill[]) => rescheduleWaybills(context, commands),
    holdWaybills: (context: WriteContext, commands: readonly HoldWaybill[]) => holdWaybills(context, commands),
    releaseWaybills: (context: WriteContext, commands: readonly ReleaseWaybill[]) => releaseWaybills(context, commands),
    /** Gives slots of waybills back whose holds have lasted too long, a page at a time; returns how many it looked at. */
    expireHolds: (context: WriteContext, most?: number) => expireHolds(context, most),
    /** Notices and tells what waits longer than was promised, a page at a time; returns how many. */
    watchPromises: (context: WriteContext, promises: Promises, most?: number) => watchPromises(context, promises, most),
    /** Books pickups for claims, and calls them off. */
    fetchGoods: (context: WriteContext, commands: readonly FetchGoods[]) => fetchGoods(context, commands),
    keepGoods: (context: WriteContext, commands: readonly KeepGoods[]) => keepGoods(context, commands),
    /** One edit of each order in a call. */
    followEdits: (context: WriteContext, commands: readonly FollowEdit[]) => followEdits(context, commands),
    /** Pieces that a warehouse does not have; one command for a waybill. */
    shortWaybills: (context: WriteContext, commands: readonly ShortWaybill[]) => shortWaybills(context, commands),
    /** When goods will be ready for their truck, as who prepares them says. */
    promiseReady: (context: WriteContext, commands: readonly PromiseReady[]) => promiseReady(context, commands),
    /** Waybills that wait in each asked state, in pages by id. */
    waybillsAwaiting: (context: ReadContext, pages: readonly StatePage[]) => waybillsByState(context, pages),
    waybillsById: (context: ReadContext, waybillIds: readonly number[]) => waybillsById(context, waybillIds),
    waybillsOfOrders: (context: ReadContext, orderIds: readonly number[]) => waybillsByOrder(context, orderIds),
    check: (context: ReadContext) => checkFulfilment(context),
  }
}

export type Fulfilment = ReturnType<typeof openFulfilment>
