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
  readonly items: readonly (WaybillItem & { readonly skuType: SkuType })[]
}

export interface WaybillPlan {
  readonly sectionNo: number
  readonly skuType: SkuType
  /** '' is our own warehouse. */
  readonly merchant: string
  readonly destination: Destination
  readonly slot: SlotChoice | null
  readonly items: readonly WaybillItem[]
}

export interface Waybill extends WaybillPlan {
  readonly waybillId: number
  readonly orderId: number
  readonly orderNumber: string
  readonly purpose: Purpose
  readonly state: WaybillState
  readonly attempt: number
  readonly version: number
  readonly routeId: number | null
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
    for (const [skuType, group] of groups) plans.push({ sectionNo, skuType, merchant: merchantId ?? '', destination, slot, items: group })
  }
  return plans
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
