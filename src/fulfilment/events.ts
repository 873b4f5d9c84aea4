import type { NewEvent } from '#platform/events.ts'
import { isBeingPrepared, type QuotaEffect, type WaybillState } from './lifecycle.ts'
import type { Destination, Purpose, SkuType, SlotChoice, Waybill } from './waybill.ts'

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
  /** With `return` the truck fetches it there. */
  readonly purpose: Purpose
  /** Number of the request for a route: 1 at birth, one more each time it asks again. */
  readonly attempt: number
  /** When its goods will be ready for the truck, where who prepares it has said so and has not packed it. */
  readonly readyAt: string | null
  readonly createdAt: string
}

/** The same facts, told when a waybill asks for a route again: in another slot, after a failed attempt, or free of a hold. Asking twice is asking once. */
export type WaybillRescheduled = WaybillsCreated

export interface WaybillMoved {
  readonly waybillId: number
  readonly orderId: number
  readonly sectionNo: number
  readonly itemNos: readonly number[]
  readonly purpose: Purpose
  /** With `return`: the claim whose goods it fetches. */
  readonly claimId: number | null
  readonly from: WaybillState
  readonly to: WaybillState
  /** States walked in between, when a report named a later one. */
  readonly via: readonly WaybillState[]
  readonly attempt: number
  /** What it does to the place that request `ask` has in a quota; null where it does nothing. */
  readonly quota: { readonly effect: QuotaEffect; readonly ask: number } | null
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

/**
 * Rows that were split off others, told apart on the waybill that carries them. What it reported between the split and this named the old
 * row only, so it says where the new ones stand.
 */
export interface RowsSplit {
  readonly orderId: number
  readonly waybillId: number
  readonly state: WaybillState
  readonly itemNos: readonly number[]
}

/** A waybill waits with its warehouse or merchant longer than was promised; told once for each stay in a state. */
export interface WaybillLate {
  readonly waybillId: number
  readonly orderId: number
  /** null: our own warehouse. */
  readonly merchantId: string | null
  readonly state: WaybillState
  readonly since: string
  readonly promisedAt: string
}

/** Pieces that the warehouse did not find: the waybill goes on without them, and its order is to follow. */
export interface ShortPicked {
  readonly waybillId: number
  readonly orderId: number
  readonly items: readonly { readonly itemNo: number; readonly quantity: number }[]
  /** What the order does about them: give them up, or wait for them. */
  readonly policy: 'cancel' | 'backorder'
}

/** When the goods of a waybill will be ready for the truck is known, or is another time; null: they are. */
export interface ReadyPromised {
  readonly waybillId: number
  readonly orderId: number
  /** Request for a route that stands. */
  readonly ask: number
  readonly readyAt: string | null
}

/** What a waybill carries that is being prepared, after it changed. */
export interface ContentsChanged {
  readonly waybillId: number
  readonly orderId: number
  readonly items: readonly { readonly itemNo: number; readonly sku: string; readonly quantity: number }[]
}

export const fulfilmentEventTypes = {
  waybillsCreated: 'fulfilment.waybills_created',
  waybillRescheduled: 'fulfilment.waybill_rescheduled',
  waybillMoved: 'fulfilment.waybill_moved',
  callOffFailed: 'fulfilment.call_off_failed',
  rowsSplit: 'fulfilment.rows_split',
  waybillLate: 'fulfilment.waybill_late',
  shortPicked: 'fulfilment.short_picked',
  contentsChanged: 'fulfilment.contents_changed',
  readyPromised: 'fulfilment.ready_promised',
} as const

type Described = Pick<
  Waybill,
  | 'waybillId'
  | 'orderId'
  | 'sectionNo'
  | 'destination'
  | 'slot'
  | 'skuType'
  | 'weightGrams'
  | 'volumeMl'
  | 'pieces'
  | 'items'
  | 'purpose'
  | 'ask'
  | 'readyAt'
>

/** The facts of a waybill with the request for a route that stands now. */
export function describedEvent(type: 'waybillsCreated' | 'waybillRescheduled', waybill: Described, at: Date): NewEvent {
  const { waybillId, orderId, sectionNo, destination, slot, skuType, weightGrams, volumeMl, pieces, items, purpose, ask, readyAt } = waybill
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
    purpose,
    attempt: ask,
    readyAt: readyAt?.toISOString() ?? null,
    createdAt: at.toISOString(),
  }
  return { key: String(waybillId), type: fulfilmentEventTypes[type], payload }
}

export function movedEvent(payload: WaybillMoved): NewEvent {
  return { key: String(payload.waybillId), type: fulfilmentEventTypes.waybillMoved, payload }
}

/** Told to whoever prepares it; before its release nobody does. */
export function contentsEvent(waybill: Pick<Waybill, 'waybillId' | 'orderId' | 'purpose' | 'state' | 'items'>): NewEvent[] {
  if (!isBeingPrepared(waybill)) return []
  const { waybillId, orderId, items } = waybill
  const payload: ContentsChanged = { waybillId, orderId, items: items.map(({ itemNo, sku, quantity }) => ({ itemNo, sku, quantity })) }
  return [{ key: String(waybillId), type: fulfilmentEventTypes.contentsChanged, payload }]
}
