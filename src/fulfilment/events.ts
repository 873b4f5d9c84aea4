import type { NewEvent } from '#platform/events.ts'
import type { WaybillState } from './lifecycle.ts'
import type { Destination, SkuType, SlotChoice, Waybill } from './waybill.ts'

/** What routing and tracking need to know of a waybill. One event a waybill, keyed by its id. */
export interface WaybillsCreated {
  readonly waybillId: number
  readonly orderId: number
  readonly sectionNo: number
  readonly destination: Destination
  readonly slot: SlotChoice | null
  readonly skuType: SkuType
  readonly weightGrams: number
  readonly volumeMl: number
  readonly pieces: number
  readonly itemNos: readonly number[]
  /** Which attempt a route is asked for: 1 at birth, the coming one after a reschedule. */
  readonly attempt: number
  readonly createdAt: string
}

/** The same facts, told when a failed waybill asks for a route again. */
export type WaybillRescheduled = WaybillsCreated

export interface WaybillMoved {
  readonly waybillId: number
  readonly orderId: number
  readonly sectionNo: number
  readonly itemNos: readonly number[]
  readonly from: WaybillState
  readonly to: WaybillState
  /** States walked in between, when a report named a later one. */
  readonly via: readonly WaybillState[]
  readonly attempt: number
  readonly occurredAt: string
  readonly reason: string | null
}

/** Items that an order cancelled and that could not be called off any more: somebody has to bring them back. */
export interface CallOffFailed {
  readonly orderId: number
  readonly waybillId: number
  readonly state: WaybillState
  readonly itemNos: readonly number[]
}

export const fulfilmentEventTypes = {
  waybillsCreated: 'fulfilment.waybills_created',
  waybillRescheduled: 'fulfilment.waybill_rescheduled',
  waybillMoved: 'fulfilment.waybill_moved',
  callOffFailed: 'fulfilment.call_off_failed',
} as const

type Described = Pick<
  Waybill,
  'waybillId' | 'orderId' | 'sectionNo' | 'destination' | 'slot' | 'skuType' | 'weightGrams' | 'volumeMl' | 'pieces' | 'items'
>

export function describedEvent(
  type: 'waybillsCreated' | 'waybillRescheduled',
  waybill: Described,
  about: { attempt: number; at: Date },
): NewEvent {
  const { waybillId, orderId, sectionNo, destination, slot, skuType, weightGrams, volumeMl, pieces, items } = waybill
  const payload: WaybillsCreated = {
    waybillId,
    orderId,
    sectionNo,
    destination,
    slot,
    skuType,
    weightGrams,
    volumeMl,
    pieces,
    itemNos: items.map((item) => item.itemNo),
    attempt: about.attempt,
    createdAt: about.at.toISOString(),
  }
  return { key: String(waybillId), type: fulfilmentEventTypes[type], payload }
}

export function movedEvent(payload: WaybillMoved): NewEvent {
  return { key: String(payload.waybillId), type: fulfilmentEventTypes.waybillMoved, payload }
}
