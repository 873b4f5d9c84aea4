import type { Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { type CallOffFailed, contentsEvent, fulfilmentEventTypes } from './events.ts'
import { cancelTargetOf, type WaybillState } from './lifecycle.ts'
import { itemsWord } from './change-waybills.ts'
import { moveWaybills, type MoveWaybill } from './move-waybills.ts'
import { piecesOf, type WaybillItem, withItems } from './waybill.ts'
import { lockWaybillsOfOrders, type StoredWaybill } from './waybill-store.ts'
import { updateWaybills, type WaybillChange } from './waybill-writer.ts'

export interface CancelWaybills {
  readonly orderId: number
  readonly itemNos: readonly number[]
  /** Rows of which a part was cancelled, with the quantity that they still have. */
  readonly reduced?: readonly { readonly itemNo: number; readonly quantity: number }[]
  /** True when the whole order is off, whatever `itemNos` says. */
  readonly whole?: boolean
  readonly actor: string
  readonly commandId: string
  readonly reason?: string
}

export interface CancelledWaybills {
  readonly orderId: number
  /** Waybills that were called off: `cancelled`, or `returning` when already loaded. */
  readonly moved: readonly { waybillId: number; to: WaybillState }[]
  /** Waybills that lost some items and go on with the rest. */
  readonly shrunk: readonly number[]
  /** Waybills that hold such items and are too far gone: over, or loaded with other items that are still wanted. */
  readonly left: readonly { waybillId: number; state: WaybillState; itemNos: readonly number[] }[]
}

/** Follows a cancelled order or items: whole waybills are called off, shared ones shrink while they are not yet loaded. */
export async function cancelWaybills(context: WriteContext, commands: readonly CancelWaybills[]): Promise<Outcome<CancelledWaybills>[]> {
  if (commands.length === 0) return []
  const locked = await lockWaybillsOfOrders(
    context,
    commands.map((command) => command.orderId),
  )
  // What comes back is not called off with what was to go out.
  const waybills = new Map<number, StoredWaybill>()
  for (const waybill of locked) if (waybill.purpose !== 'return') waybills.set(waybill.waybillId, waybill)
  const calledOff = new Set<number>()
  const moves: MoveWaybill[] = []
  const shrinks: WaybillChange[] = []

  const outcomes = commands.map(({ orderId, itemNos, reduced = [], whole = false, actor, commandId, reason }) => {
    const gone = new Set(itemNos)
    const quantityOf = new Map(reduced.map(({ itemNo, quantity }) => [itemNo, quantity]))
    const moved: { waybillId: number; to: WaybillState }[] = []
    const shrunk: number[] = []
    const left: { waybillId: number; state: WaybillState; itemNos: number[] }[] = []
    for (const waybill of waybills.values()) {
      const { waybillId, orderId: of, state, items } = waybill
      if (of !== orderId || calledOff.has(waybillId)) continue
      const kept = whole ? [] : items.filter((item) => !gone.has(item.itemNo)).map((item) => shrunkTo(item, quantityOf.get(item.itemNo)))
      if (!whole && kept.length === items.length && kept.every((item, index) => item === items[index])) continue
      const to = cancelTargetOf(waybill)
      if (to !== undefined && kept.length === 0) {
        moved.push({ waybillId, to })
        calledOff.add(waybillId)
        moves.push({ waybillId, to, actor, commandId, reason: reason ?? 'order cancelled' })
      } else if (to === 'cancelled') {
        shrunk.push(waybillId)
        waybills.set(waybillId, withItems(waybill, kept))
        const values = [itemsWord(items), itemsWord(kept)]
        shrinks.push({ waybillId, level: 'items', values, cause: `fulfilment.shrink: ${reason ?? 'order cancelled'}`, commandId, actor })
      } else if (state !== 'cancelled' && state !== 'returning') {
        // Those of which some pieces were cancelled, too: they come to the door nevertheless.
        const meant = items.filter((item) => whole || gone.has(item.itemNo) || shrunkTo(item, quantityOf.get(item.itemNo)) !== item)
        left.push({ waybillId, state, itemNos: meant.map((item) => item.itemNo) })
      }
    }
    return { ok: true as const, value: { orderId, moved, shrunk, left } satisfies CancelledWaybills }
  })

  await updateWaybills(
    context,
    locked.flatMap((before) => {
      const after = waybills.get(before.waybillId)
      return after === undefined || after === before || calledOff.has(before.waybillId) ? [] : [{ before, after }]
    }),
    shrinks.filter(({ waybillId }) => !calledOff.has(waybillId)),
  )
  await context.announce(
    locked.flatMap((before) => {
      const after = waybills.get(before.waybillId)
      return after === undefined || after === before || calledOff.has(before.waybillId) ? [] : contentsEvent(after)
    }),
  )
  await moveWaybills(context, moves)
  await context.announce(
    outcomes.flatMap(({ value: { orderId, left } }) =>
      left.map(({ waybillId, state, itemNos }): NewEvent => {
        const payload: CallOffFailed = { orderId, waybillId, state, itemNos }
        return { key: String(waybillId), type: fulfilmentEventTypes.callOffFailed, payload }
      }),
    ),
  )
  return outcomes
}

const shrunkTo = (item: WaybillItem, quantity: number | undefined): WaybillItem =>
  quantity === undefined || quantity >= item.quantity ? item : piecesOf(item, quantity)
