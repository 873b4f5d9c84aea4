import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { cancelTargetOf, type WaybillState } from './lifecycle.ts'
import { moveWaybills, type MoveWaybill } from './move-waybills.ts'
import type { WaybillItem } from './waybill.ts'
import { lockWaybillsOfOrders, shrinkWaybills } from './waybill-store.ts'

export interface CancelWaybills {
  readonly orderId: number
  readonly itemNos: readonly number[]
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
  readonly left: readonly { waybillId: number; state: WaybillState }[]
}

/** Follows a cancelled order or items: whole waybills are called off, shared ones shrink while they are not yet loaded. */
export async function cancelWaybills(context: WriteContext, commands: readonly CancelWaybills[]): Promise<Outcome<CancelledWaybills>[]> {
  if (commands.length === 0) return []
  const locked = await lockWaybillsOfOrders(
    context,
    commands.map((command) => command.orderId),
  )
  const itemsLeft = new Map<number, readonly WaybillItem[]>(locked.map((waybill) => [waybill.waybillId, waybill.items]))
  const calledOff = new Map<number, WaybillState>()
  const moves: MoveWaybill[] = []
  const shrunkAll = new Set<number>()

  const outcomes = commands.map(({ orderId, itemNos, whole = false, actor, commandId, reason }) => {
    const gone = new Set(itemNos)
    const moved: { waybillId: number; to: WaybillState }[] = []
    const shrunk: number[] = []
    const left: { waybillId: number; state: WaybillState }[] = []
    for (const { waybillId, orderId: of, state } of locked) {
      if (of !== orderId || calledOff.has(waybillId)) continue
      const items = itemsLeft.get(waybillId) ?? []
      const kept = whole ? [] : items.filter((item) => !gone.has(item.itemNo))
      if (kept.length === items.length && !whole) continue
      const to = cancelTargetOf(state)
      if (to !== undefined && kept.length === 0) {
        moved.push({ waybillId, to })
        calledOff.set(waybillId, to)
        moves.push({ waybillId, to, actor, commandId, reason: reason ?? 'order cancelled' })
      } else if (to === 'cancelled') {
        shrunk.push(waybillId)
        shrunkAll.add(waybillId)
        itemsLeft.set(waybillId, kept)
      } else if (state !== 'cancelled' && state !== 'returning') {
        left.push({ waybillId, state })
      }
    }
    return accepted<CancelledWaybills>({ orderId, moved, shrunk, left })
  })

  const shrinking = [...shrunkAll].filter((waybillId) => !calledOff.has(waybillId))
  await shrinkWaybills(
    context,
    shrinking.map((waybillId) => ({ waybillId, items: itemsLeft.get(waybillId) ?? [] })),
  )
  await moveWaybills(context, moves)
  return outcomes
}
