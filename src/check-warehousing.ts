import { type Fulfilment, isBeingPrepared, type StoredWaybill, wayToTheDoor } from '#fulfilment'
import type { CheckResult } from '#kernel/check.ts'
import type { Databases, Scope } from '#platform/database.ts'
import { isEnded, rankOf, type SalesOrder, type Warehousing } from '#warehousing'

export interface WarehouseContexts {
  readonly fulfilment: Fulfilment
  readonly warehousing: Warehousing
}

const pageOf = 1_000
const namedMost = 100
const prepared = ['released', 'acknowledged', 'picked', 'packed', 'staged'] as const

/**
 * Sales orders against waybills: what our warehouses are to prepare has one, with the same pieces; neither is ahead of the other; what was
 * called off is called off at the warehouse. Exact once every event has been taken.
 */
export async function checkSalesOrders(
  scope: Scope,
  databases: Databases,
  { fulfilment, warehousing }: WarehouseContexts,
): Promise<CheckResult[]> {
  const without: string[] = []
  const apart: string[] = []
  for (const state of prepared) {
    for (let after = 0; ; ) {
      const page = { state, after, limit: pageOf }
      const [waybills = []] = await databases.of('fulfilment').read(scope, (context) => fulfilment.waybillsAwaiting(context, [page]))
      const ours = waybills.filter((waybill) => waybill.merchant === '' && isBeingPrepared(waybill))
      const ids = ours.map(({ waybillId }) => waybillId)
      const found = await databases.of('warehousing').read(scope, (context) => warehousing.salesOrdersOfWaybills(context, ids))
      for (const waybill of ours) {
        const missing = withoutOne(waybill, found.get(waybill.waybillId) ?? [])
        if (missing !== undefined) without.push(missing)
      }
      if (waybills.length < pageOf) break
      after = waybills.at(-1)?.waybillId ?? 0
    }
  }
  for (let after = 0; ; ) {
    const orders = await databases.of('warehousing').read(scope, (context) => warehousing.salesOrdersPage(context, after, pageOf))
    const ids = orders.flatMap(({ waybillId, state }) => (waybillId === null || isEnded(state) ? [] : [waybillId]))
    const waybills = await databases.of('fulfilment').read(scope, (context) => fulfilment.waybillsById(context, ids))
    for (const order of orders)
      if (order.waybillId !== null && !isEnded(order.state)) apart.push(...differences(order, waybills.get(order.waybillId)))
    if (orders.length < pageOf) break
    after = orders.at(-1)?.salesOrderId ?? 0
  }
  return [
    { check: 'warehousing: what our warehouses prepare has a sales order', breaks: without.slice(0, namedMost) },
    { check: 'warehousing: sales orders and waybills tell the same', breaks: apart.slice(0, namedMost) },
  ]
}

function withoutOne({ waybillId, ask, state, holds }: StoredWaybill, orders: readonly SalesOrder[]): string | undefined {
  if (orders.some((order) => !isEnded(order.state) && order.ask === ask)) return undefined
  // Somebody has called its sales order off, and the hold keeps it from the trucks until it has another.
  if (orders.at(-1)?.state === 'cancelled' && holds.includes('goods_missing')) return undefined
  return `waybill ${waybillId} is ${state} and has no sales order`
}

const at = (state: StoredWaybill['state']): number => wayToTheDoor.indexOf(state)

/** In what a sales order that goes on and its waybill disagree. */
export function differences(order: SalesOrder, waybill: StoredWaybill | undefined): string[] {
  const { salesOrderId, state, ask, lines } = order
  const name = `sales order ${salesOrderId}`
  if (waybill === undefined) return [`${name} is of waybill ${order.waybillId}, which does not exist`]
  const { waybillId, state: stands, holds } = waybill
  if (ask !== waybill.ask) return state === 'packed' ? [] : [`${name} is ${state}, and waybill ${waybillId} is planned again`]
  if (!isBeingPrepared(waybill)) {
    // What is packed may have left, come back or be lost; only what is called off before that goes back to its shelf.
    return state === 'packed' && stands !== 'cancelled' && stands !== 'created'
      ? []
      : [`${name} is ${state}, its waybill ${waybillId} is ${stands}`]
  }
  const found: string[] = []
  const least = { created: 'released', accepted: 'acknowledged', picking: 'acknowledged', picked: 'picked', packed: 'packed' } as const
  const behind = at(stands) < at(least[state as keyof typeof least])
  // An exception that blocks packing keeps the waybill where it is, and a person knows.
  if (behind && holds.length === 0) found.push(`${name} is ${state}, its waybill ${waybillId} is ${stands}`)
  if (at(stands) >= at('packed') && rankOf(state) < rankOf('packed')) found.push(`waybill ${waybillId} is ${stands}, ${name} is ${state}`)
  const wanted = new Map(lines.map(({ itemNo, quantity, short }) => [itemNo, quantity - short]))
  for (const { itemNo, quantity } of waybill.items) {
    if (wanted.get(itemNo) !== quantity)
      found.push(`waybill ${waybillId} carries ${quantity} of item ${itemNo}, ${name} has ${wanted.get(itemNo) ?? 0}`)
    wanted.delete(itemNo)
  }
  for (const [itemNo, quantity] of wanted)
    if (quantity > 0) found.push(`${name} has ${quantity} of item ${itemNo}, waybill ${waybillId} none`)
  return found
}
