import type { Fulfilment, StoredWaybill, WaybillState } from '#fulfilment'
import type { CheckResult } from '#kernel/check.ts'
import type { ItemState, OrderGoods, Orders } from '#orders'
import type { Databases, Scope } from '#platform/database.ts'
import type { Milestone, Tracking } from '#tracking'

export interface GoodsContexts {
  readonly orders: Orders
  readonly fulfilment: Fulfilment
  readonly tracking: Tracking
}

/** Where a shipment is told to stand, by waybill. */
export type Milestones = ReadonlyMap<number, Milestone>

const preparing: readonly ItemState[] = ['preparing', 'ready']
const back: readonly ItemState[] = ['returned', 'lost', 'cancelled']

/** What an item may be while the waybill that carries it stands there. An item never goes back, a waybill that is planned again does. */
const itemsOn: Readonly<Record<WaybillState, readonly ItemState[]>> = {
  created: ['paid', 'backordered', 'allocated', ...preparing],
  routed: ['allocated', ...preparing],
  released: ['allocated', ...preparing],
  acknowledged: preparing,
  picked: preparing,
  packed: preparing,
  staged: ['ready'],
  loaded: ['shipped'],
  out_for_delivery: ['out_for_delivery'],
  arrived: ['out_for_delivery'],
  delivered: ['delivered', 'confirmed', 'returned', 'exchanged'],
  partially_delivered: ['out_for_delivery', 'delivered', 'confirmed', 'returned', 'exchanged'],
  attempt_failed: ['delivery_failed'],
  rescheduled: ['delivery_failed'],
  returning: ['shipped', 'out_for_delivery', 'delivery_failed', 'lost', 'cancelled'],
  returned_to_depot: back,
  restocked: back,
  written_off: back,
  cancelled: [],
  lost: ['lost'],
  damaged: ['lost'],
}

const early: readonly Milestone[] = ['created', 'accepted']
const onTheRoad: readonly Milestone[] = ['in_transit', 'at_hub', 'out_for_delivery', 'attempted', 'exception']

/** Where its shipment may stand. Carriers may tell of hubs and of troubles that we have no state for. */
const shipmentsOf: Readonly<Record<WaybillState, readonly Milestone[]>> = {
  created: early,
  routed: early,
  released: early,
  acknowledged: early,
  picked: early,
  packed: early,
  staged: early,
  loaded: onTheRoad,
  out_for_delivery: onTheRoad,
  arrived: onTheRoad,
  delivered: ['delivered'],
  partially_delivered: ['delivered'],
  attempt_failed: onTheRoad,
  rescheduled: onTheRoad,
  returning: ['returning', 'exception'],
  returned_to_depot: ['returned'],
  restocked: ['returned'],
  written_off: ['returned', 'returning', 'exception'],
  cancelled: ['cancelled'],
  lost: ['exception'],
  damaged: ['exception'],
}

/** What has to be on a waybill: all that is paid and not withheld, and all that came of it. */
const carriedNowhere = new Set<ItemState>(['draft', 'pending_payment', 'cancelled', 'backordered'])

export interface GoodsDifferences {
  /** Items and the waybills that carry them. */
  readonly items: string[]
  /** Waybills and their shipments. */
  readonly shipments: string[]
}

/** Everything in which an order, its waybills and their shipments disagree, each in a sentence with both sides. */
export function differencesOf(
  { orderId, items }: OrderGoods,
  waybills: readonly StoredWaybill[],
  milestones: Milestones,
): GoodsDifferences {
  const found: GoodsDifferences = { items: [], shipments: [] }
  const rows = new Map(items.map((item) => [item.itemNo, item]))
  const carried = new Set<number>()
  for (const waybill of waybills) {
    const { waybillId, purpose, state, attempt } = waybill
    const milestone = milestones.get(waybillId)
    if (milestone === undefined || !mayStand(waybill, milestone))
      found.shipments.push(`order ${orderId}: waybill ${waybillId} is ${state}, its shipment is ${milestone ?? 'not there'}`)
    if (purpose === 'return' || state === 'cancelled') continue
    for (const { itemNo, quantity } of waybill.items) {
      carried.add(itemNo)
      const row = rows.get(itemNo)
      if (row === undefined) {
        found.items.push(`order ${orderId}: waybill ${waybillId} carries item ${itemNo}, which the order does not have`)
        continue
      }
      // It comes to the door although it was cancelled, and a person knows.
      if (row.tooFarGone) continue
      // After a failed attempt the item waits as failed until the truck leaves again.
      const again = attempt > 1 && row.state === 'delivery_failed' && (itemsOn[state].includes('shipped') || early === shipmentsOf[state])
      if (!again && !itemsOn[state].includes(row.state))
        found.items.push(`order ${orderId}: item ${itemNo} is ${row.state}, its waybill ${waybillId} is ${state}`)
      if (row.quantity !== quantity)
        found.items.push(`order ${orderId}: item ${itemNo} has ${row.quantity} pieces, waybill ${waybillId} carries ${quantity}`)
    }
  }
  for (const { itemNo, state, withheld } of items) {
    if (!carried.has(itemNo) && !withheld && !carriedNowhere.has(state))
      found.items.push(`order ${orderId}: item ${itemNo} is ${state}, and no waybill carries it`)
  }
  return found
}

function mayStand({ purpose, state, attempt }: StoredWaybill, milestone: Milestone): boolean {
  // Nobody is told of an empty truck on its way to fetch goods.
  const way = purpose === 'return' && (state === 'out_for_delivery' || state === 'arrived') ? early : shipmentsOf[state]
  return way.includes(milestone) || (attempt > 1 && way === early && onTheRoad.includes(milestone))
}

export interface ComparedOrders {
  readonly checked: number
  /** Orders of which something differs. */
  readonly differences: ReadonlyMap<number, GoodsDifferences>
  /** The last order that was looked at; undefined: there is none any more. */
  readonly last: number | undefined
}

/** A page of orders, or some by id, each against its waybills and their shipments. */
export async function compareOrders(
  scope: Scope,
  databases: Databases,
  { orders, fulfilment, tracking }: GoodsContexts,
  asked: { readonly after: number; readonly limit: number } | { readonly orderIds: readonly number[] },
): Promise<ComparedOrders> {
  const page = await databases
    .of('orders')
    .read(scope, (context) =>
      'orderIds' in asked ? orders.goodsOfOrders(context, asked.orderIds) : orders.goodsPage(context, asked.after, asked.limit),
    )
  const ids = page.map(({ orderId }) => orderId)
  const [waybills, milestones] = await Promise.all([
    databases.of('fulfilment').read(scope, (context) => fulfilment.waybillsOfOrders(context, ids)),
    databases.of('tracking').read(scope, (context) => tracking.milestonesOfOrders(context, ids)),
  ])
  const differences = new Map<number, GoodsDifferences>()
  for (const goods of page) {
    const found = differencesOf(goods, waybills.get(goods.orderId) ?? [], milestones)
    if (found.items.length + found.shipments.length > 0) differences.set(goods.orderId, found)
  }
  return { checked: page.length, differences, last: page.at(-1)?.orderId }
}

/** The most that is shown of each kind; the rest is counted. */
const mostShown = 100
const ordersAPage = 2_000

/** Order by order: items, waybills and shipments must tell the same. It is exact once every event has been taken. */
export async function checkGoods(
  scope: Scope,
  databases: Databases,
  { orders, fulfilment, tracking }: GoodsContexts,
): Promise<CheckResult[]> {
  const items: string[] = []
  const shipments: string[] = []
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: ComparedOrders = await compareOrders(scope, databases, { orders, fulfilment, tracking }, { after, limit: ordersAPage })
    for (const found of page.differences.values()) {
      items.push(...found.items)
      shipments.push(...found.shipments)
    }
    after = page.last
  }
  return [
    { check: 'goods: items are where the waybills are that carry them', breaks: shown(items) },
    { check: 'goods: shipments stand where their waybills are', breaks: shown(shipments) },
  ]
}

const shown = (breaks: readonly string[]): string[] =>
  breaks.length <= mostShown ? [...breaks] : [...breaks.slice(0, mostShown), `and ${breaks.length - mostShown} more`]
