import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { describedEvent } from './events.ts'
import { loadOf, type PaidSection, planWaybills } from './waybill.ts'
import { insertWaybills, type NewWaybill, type WaybillKey, waybillsByOrder } from './waybill-store.ts'

export interface CreateWaybills {
  readonly orderId: number
  readonly number: string
  /** The payment part that released these items, 0 unless told: a section that is paid for again gets waybills of its own. */
  readonly part?: number
  readonly sections: readonly PaidSection[]
  readonly actor: string
  readonly commandId: string
}

export interface CreatedWaybills {
  readonly orderId: number
  /** All waybills of the order's paid sections, those of an earlier run of the same command included. */
  readonly waybillIds: readonly number[]
}

const keyOf = (key: Omit<WaybillKey, 'purpose'>) => `${key.order_id} ${key.section_no} ${key.sku_type} ${key.merchant} ${key.part}`

/** Makes the delivery waybills of paid orders and announces each. Repeating it makes and announces nothing. */
export async function createWaybills(context: WriteContext, commands: readonly CreateWaybills[]): Promise<Outcome<CreatedWaybills>[]> {
  // By key: the same order twice in one batch asks once.
  const asked = new Map<string, NewWaybill>()
  for (const { orderId, number, part = 0, sections, actor, commandId } of commands) {
    for (const plan of planWaybills(sections)) {
      const key = keyOf({ order_id: orderId, section_no: plan.sectionNo, sku_type: plan.skuType, merchant: plan.merchant, part })
      if (!asked.has(key)) asked.set(key, { ...plan, orderId, orderNumber: number, purpose: 'delivery', part, actor, commandId })
    }
  }
  const born = asked.size === 0 ? [] : await insertWaybills(context, [...asked.values()])
  const events = born.flatMap((row) => {
    const plan = asked.get(keyOf(row))
    if (plan === undefined) return []
    return [describedEvent('waybillsCreated', { ...plan, ...loadOf(plan.items), waybillId: row.id }, { attempt: 1, at: context.now })]
  })
  await context.announce(events)

  const byOrder = new Map<number, number[]>()
  if (born.length === asked.size) {
    for (const row of born) byOrder.set(row.order_id, [...(byOrder.get(row.order_id) ?? []), row.id])
  } else {
    for (const [orderId, waybills] of await waybillsByOrder(context, [...new Set(commands.map((command) => command.orderId))]))
      byOrder.set(
        orderId,
        waybills.filter((waybill) => waybill.purpose === 'delivery').map((waybill) => waybill.waybillId),
      )
  }
  return commands.map(({ orderId }) => accepted({ orderId, waybillIds: byOrder.get(orderId) ?? [] }))
}
