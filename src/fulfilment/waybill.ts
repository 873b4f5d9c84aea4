import type { HoldKind } from './holds.ts'
import type { WaybillState } from './lifecycle.ts'

export type SkuType = 'dry' | 'frozen' | 'mixed'
export type Purpose = 'delivery' | 'return' | 'replacement'

export interface Destination {
  readonly name: string
  readonly line1: string
  readonly city: string
  readonly postcode: string
  readonly country: string
  readonly lat?: number
  readonly lng?: number
}

/** `date` is the local date of the zone that the destination lies in, `YYYY-MM-DD`. */
export interface SlotChoice {
  readonly date: string
  readonly code: string
}

/** One order line in a waybill. Weight and volume are of the whole line, not of one piece. */
export interface WaybillItem {
  readonly itemNo: number
  readonly sku: string
  readonly quantity: number
  readonly weightGrams: number
  readonly volumeMl: number
}

export interface PaidSection {
  readonly sectionNo: number
  readonly destination: Destination
  readonly slot: SlotChoice | null
  readonly merchantId: string | null
  /** `replaces`: the row whose goods these stand in for, in exchange or sent again. */
  readonly items: readonly (WaybillItem & { readonly skuType: SkuType; readonly replaces?: number })[]
}

export interface WaybillPlan {
  readonly sectionNo: number
  readonly skuType: SkuType
  /** '' is our own warehouse. */
  readonly merchant: string
  readonly purpose: Purpose
  readonly destination: Destination
  readonly slot: SlotChoice | null
  readonly items: readonly WaybillItem[]
  /** With `replacement`: the first row that these goods stand in for. */
  readonly replaces?: number
}

export interface Waybill extends Omit<WaybillPlan, 'replaces'> {
  readonly waybillId: number
  readonly orderId: number
  readonly orderNumber: string
  /** What tells waybills of one section, SKU type and merchant apart: the payment part that released it, negative where no payment did. */
  readonly part: number
  readonly state: WaybillState
  /** How often it was taken to the door, the coming time included. */
  readonly attempt: number
  /** Number of its request for a route: raised each time it asks again, before loading or after a failed attempt. */
  readonly ask: number
  readonly version: number
  readonly routeId: number | null
  /** Until when giving the slot back gives the place in the quota back; null without a route. */
  readonly cutOffAt: Date | null
  /** When its goods will be ready for the truck, by the word of who prepares it; null: nobody has said, or they are packed. */
  readonly readyAt: Date | null
  /** Kinds of holds that are open. */
  readonly holds: readonly HoldKind[]
  /** The waybill that this one brings back or replaces. */
  readonly originId: number | null
  /** The claim that asked for it, with `return`. */
  readonly claimId: number | null
  /** Who made it by hand, and by which name of theirs; null when it was made from a paid order. */
  readonly madeBy: string | null
  readonly reference: string | null
  readonly weightGrams: number
  readonly volumeMl: number
  readonly pieces: number
}

/**
 * One waybill for each SKU type of each section; a section has one merchant, one destination and one slot, so those split by
 * themselves. Groups come in the order of their first item, so that the same order always gives the same waybills.
 */
export function planWaybills(sections: readonly PaidSection[]): WaybillPlan[] {
  const plans: WaybillPlan[] = []
  for (const { sectionNo, destination, slot, merchantId, items } of sections) {
    const groups = new Map<SkuType, WaybillItem[]>()
    for (const { skuType, itemNo, sku, quantity, weightGrams, volumeMl } of items) {
      const item = { itemNo, sku, quantity, weightGrams, volumeMl }
      const group = groups.get(skuType)
      if (group === undefined) groups.set(skuType, [item])
      else group.push(item)
    }
    // Goods in exchange or again come in sections of their own, so one row that replaces another speaks for all.
    const replaces = items.find((item) => item.replaces !== undefined)?.replaces
    const purpose = replaces === undefined ? 'delivery' : 'replacement'
    const whose = { merchant: merchantId ?? '', purpose, ...(replaces === undefined ? {} : { replaces }) } as const
    for (const [skuType, group] of groups) plans.push({ sectionNo, skuType, ...whose, destination, slot, items: group })
  }
  return plans
}

/** `quantity` pieces of an item; weight and volume are of the whole line and are shared with it. */
export function piecesOf(item: WaybillItem, quantity: number): WaybillItem {
  const share = (ofAll: number): number => Math.round((ofAll * quantity) / item.quantity)
  return { ...item, quantity, weightGrams: share(item.weightGrams), volumeMl: share(item.volumeMl) }
}

export interface Load {
  readonly weightGrams: number
  readonly volumeMl: number
  readonly pieces: number
}

export function loadOf(items: readonly WaybillItem[]): Load {
  let weightGrams = 0
  let volumeMl = 0
  let pieces = 0
  for (const item of items) {
    weightGrams += item.weightGrams
    volumeMl += item.volumeMl
    pieces += item.quantity
  }
  return { weightGrams, volumeMl, pieces }
}

/** A waybill with other contents, and so with another load. */
export const withItems = <W extends Waybill>(waybill: W, items: readonly WaybillItem[]): W => ({ ...waybill, items, ...loadOf(items) })
