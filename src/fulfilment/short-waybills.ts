import type { WriteContext } from '#platform/database.ts'
import { type Applied, changesOf, eventsOf } from './change-waybills.ts'
import { contentsEvent, fulfilmentEventTypes, type ShortPicked } from './events.ts'
import { cancelTargetOf, isOver } from './lifecycle.ts'
import { piecesOf, type WaybillItem, withItems } from './waybill.ts'
import { lockWaybills, type StoredWaybill } from './waybill-store.ts'
import { updateWaybills } from './waybill-writer.ts'

export interface ShortWaybill {
  readonly waybillId: number
  /** Pieces that the warehouse does not have, by row. */
  readonly missing: readonly { readonly itemNo: number; readonly quantity: number }[]
  readonly policy: ShortPicked['policy']
  readonly actor: string
  readonly commandId: string
}

/**
 * Takes pieces off waybills that the warehouse does not have, before anything else is made of its report: from here on a waybill carries what
 * is really in it, and its order follows by `fulfilment.short_picked`. One of which nothing is left is called off. A call has one command for
 * a waybill; repeating it takes the pieces off again, so that whoever calls keeps a cursor.
 */
export async function shortWaybills(context: WriteContext, commands: readonly ShortWaybill[]): Promise<void> {
  if (commands.length === 0) return
  const locked = await lockWaybills(
    context,
    commands.map(({ waybillId }) => waybillId),
  )
  const applied: Applied<StoredWaybill>[] = []
  const told: { command: ShortWaybill; waybill: StoredWaybill; taken: ShortPicked['items'] }[] = []
  for (const command of commands) {
    const waybill = locked.get(command.waybillId)
    if (waybill === undefined || waybill.purpose === 'return' || isOver(waybill)) continue
    const { items, taken } = without(waybill.items, command.missing)
    if (taken.length === 0) continue
    const off = items.length === 0 ? cancelTargetOf(waybill) : undefined
    // Called off it keeps its rows, as a record.
    const after =
      off === undefined
        ? withItems({ ...waybill, version: waybill.version + 1 }, items)
        : { ...waybill, state: off, movedAt: context.now, version: waybill.version + 1 }
    const decision = { steps: off === undefined ? [] : [off], after, reason: 'the warehouse does not have it' }
    const { actor, commandId } = command
    applied.push({ before: waybill, decision, cause: 'fulfilment.short_pick', commandId, actor })
    told.push({ command, waybill, taken })
  }
  await updateWaybills(
    context,
    applied.map(({ before, decision: { after } }) => ({ before, after })),
    applied.flatMap(changesOf),
  )
  await context.announce([
    ...told.map(({ command: { policy }, waybill: { waybillId, orderId }, taken }) => {
      const payload: ShortPicked = { waybillId, orderId, items: taken, policy }
      return { key: String(waybillId), type: fulfilmentEventTypes.shortPicked, payload }
    }),
    ...applied.flatMap((each) => eventsOf(each, context.now)),
    ...applied.flatMap(({ decision: { steps, after } }) => (steps.length === 0 ? contentsEvent(after) : [])),
  ])
}

/** Takes pieces from the rows that are named; what is more than they have, from other rows of that SKU: a row may have been split meanwhile. */
function without(items: readonly WaybillItem[], missing: ShortWaybill['missing']): { items: WaybillItem[]; taken: ShortPicked['items'] } {
  const left = new Map(items.map((item) => [item.itemNo, item.quantity]))
  const taken = new Map<number, number>()
  for (const { itemNo, quantity } of missing) {
    const sku = items.find((item) => item.itemNo === itemNo)?.sku
    const rows = [itemNo, ...items.filter((item) => item.sku === sku && item.itemNo !== itemNo).map((item) => item.itemNo)]
    let open = quantity
    for (const row of rows) {
      const off = Math.min(open, left.get(row) ?? 0)
      if (off === 0) continue
      left.set(row, (left.get(row) ?? 0) - off)
      taken.set(row, (taken.get(row) ?? 0) + off)
      open -= off
    }
  }
  return {
    items: items.flatMap((item) => {
      const quantity = left.get(item.itemNo) ?? 0
      return quantity === 0 ? [] : [quantity === item.quantity ? item : piecesOf(item, quantity)]
    }),
    taken: [...taken].map(([itemNo, quantity]) => ({ itemNo, quantity })),
  }
}
