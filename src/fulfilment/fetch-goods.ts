import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { changeWaybills } from './change-waybills.ts'
import { bear, carrierOf } from './create-waybills.ts'
import { cancelTargetOf } from './lifecycle.ts'
import { Parts } from './create-waybills.ts'
import { decideCancel } from './move-waybills.ts'
import { piecesOf, type Purpose, type WaybillItem } from './waybill.ts'
import { type NewWaybill, type StoredWaybill, waybillsBeforeMore, waybillsByOrder } from './waybill-store.ts'

/** A claim whose goods are to be fetched. */
export interface FetchGoods {
  readonly orderId: number
  readonly claimId: number
  readonly items: readonly { readonly itemNo: number; readonly quantity: number }[]
  readonly actor: string
  readonly commandId: string
}

export interface FetchedGoods {
  readonly orderId: number
  readonly claimId: number
  readonly waybillIds: readonly number[]
}

/**
 * Books pickups: for the goods of a claim one return waybill for each waybill that brought them, from the same door, in the first free
 * slot. Repeating it makes nothing. Error: nothing_to_fetch.
 */
export async function fetchGoods(context: WriteContext, commands: readonly FetchGoods[]): Promise<Outcome<FetchedGoods>[]> {
  if (commands.length === 0) return []
  const known = await waybillsBeforeMore(
    context,
    commands.map(({ orderId }) => orderId),
  )
  const parts = new Parts(known)
  const asked: NewWaybill[] = []
  const booked = new Map<number, number[]>()
  for (const { orderId, claimId, items, actor, commandId } of commands) {
    const waybills = known.get(orderId) ?? []
    if (booked.has(claimId) || waybills.some((waybill) => waybill.claimId === claimId)) continue
    const places: number[] = []
    booked.set(claimId, places)
    for (const [origin, goods] of goodsByCarrier(waybills, items)) {
      const { orderNumber, sectionNo, skuType, merchant, destination, waybillId: originId } = origin
      const of = { orderId, orderNumber, sectionNo, skuType, merchant, destination, originId, claimId }
      const born = { purpose: 'return' as Purpose, slot: null, madeBy: null, reference: null, cause: 'fulfilment.fetch' }
      places.push(asked.push({ ...of, ...born, items: goods, part: parts.next(orderId), actor, commandId }) - 1)
    }
  }
  const ids = await bear(context, asked)
  return commands.map(({ orderId, claimId }) => {
    const before = (known.get(orderId) ?? []).flatMap((waybill) => (waybill.claimId === claimId ? [waybill.waybillId] : []))
    const now = (booked.get(claimId) ?? []).flatMap((at) => ids.get(at) ?? [])
    if (before.length + now.length === 0)
      return refused('fulfilment.nothing_to_fetch', `no waybill of order ${orderId} has brought goods of claim ${claimId}`)
    return accepted({ orderId, claimId, waybillIds: [...before, ...now] })
  })
}

function goodsByCarrier(waybills: readonly StoredWaybill[], items: FetchGoods['items']): Map<StoredWaybill, WaybillItem[]> {
  const goods = new Map<StoredWaybill, WaybillItem[]>()
  for (const { itemNo, quantity } of items) {
    const carrier = carrierOf(waybills, itemNo)
    const item = carrier?.items.find((each) => each.itemNo === itemNo)
    if (carrier === undefined || item === undefined) continue
    const fetched = quantity < item.quantity ? piecesOf(item, quantity) : item
    const list = goods.get(carrier)
    if (list === undefined) goods.set(carrier, [fetched])
    else list.push(fetched)
  }
  return goods
}

/** A claim whose goods stay where they are. */
export interface KeepGoods {
  readonly orderId: number
  readonly claimId: number
  readonly reason: string
  readonly actor: string
  readonly commandId: string
}

/** Calls pickups off. What is in a truck already comes back all the same, and is sent out again from the depot. */
export async function keepGoods(context: WriteContext, commands: readonly KeepGoods[]): Promise<Outcome<{ readonly calledOff: number }>[]> {
  const known = await waybillsByOrder(context, [...new Set(commands.map(({ orderId }) => orderId))])
  const pickups = commands.map(({ orderId, claimId, ...why }) =>
    (known.get(orderId) ?? []).flatMap((waybill) =>
      waybill.claimId === claimId && cancelTargetOf(waybill) === 'cancelled' ? [{ waybillId: waybill.waybillId, ...why }] : [],
    ),
  )
  // Decided again under the lock: one that was fetched meanwhile is refused, and that is counted.
  const outcomes = (await changeWaybills(context, pickups.flat(), { decide: decideCancel, cause: 'fulfilment.keep' })).values()
  return pickups.map((list) => {
    let calledOff = 0
    for (const _ of list) {
      const outcome = outcomes.next().value
      if (outcome?.ok && outcome.value.state === 'cancelled') calledOff += 1
    }
    return accepted({ calledOff })
  })
}
