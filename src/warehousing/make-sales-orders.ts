import { accepted, invariant, type Outcome, refused } from '#kernel/outcome.ts'
import type { Scope, WriteContext } from '#platform/database.ts'
import { describedEvent } from './events.ts'
import { newLines, type PickFlow, type SalesLine, type SalesOrder, type SkuType } from './sales-order.ts'
import { insertSalesOrders, lockCurrent, nameOf, type NewSalesOrder, salesOrdersById, salesOrdersByReference } from './sales-order-store.ts'
import { allWarehouses, type Warehouse } from './warehouse-store.ts'

/** A waybill as far as a warehouse is to know it. */
export interface WarehouseWaybill {
  readonly waybillId: number
  readonly ask: number
  readonly orderId: number
  readonly orderNumber: string
  readonly skuType: SkuType
  readonly slot: SalesOrder['slot']
  readonly destination: NonNullable<SalesOrder['destination']>
  readonly items: readonly Pick<SalesLine, 'itemNo' | 'sku' | 'quantity'>[]
}

/** Waybills that a warehouse of ours may be told to prepare now, by id; others are left out. They belong to fulfilment. */
export type FindPreparable = (scope: Scope, waybillIds: readonly number[]) => Promise<ReadonlyMap<number, WarehouseWaybill>>

interface By {
  readonly actor: string
  readonly commandId: string
}
export type MakeFromWaybill = WarehouseWaybill & By

export interface CreateSalesOrder extends By {
  readonly reference: string
  readonly madeBy: string
  readonly warehouse: string
  readonly pickFlow?: PickFlow
  readonly wave?: string | null
  /** Either this, and it has the lines of the waybill, or lines of its own. */
  readonly waybillId?: number | null
  readonly skuType?: SkuType
  readonly lines?: readonly Pick<SalesLine, 'itemNo' | 'sku' | 'quantity'>[]
}

export interface CreatedSalesOrder {
  readonly salesOrderId: number
  readonly waybillId: number | null
  readonly created: boolean
}

/** Reads back what was written, in the order in which it was asked, and tells it. */
async function tell(context: WriteContext, born: ReadonlyMap<number, number>, by: 'waybill' | 'hand'): Promise<void> {
  const ids = [...born.values()]
  if (ids.length === 0) return
  const written = await salesOrdersById(context, ids)
  await context.announce(ids.flatMap((id) => describedEvent('made', written.get(id) as SalesOrder, by)))
}

/**
 * A sales order for each waybill that was released, by the warehouse that prepares its kind of goods. A waybill has one at a time; what has one
 * gets no second.
 */
export async function makeFromWaybills(context: WriteContext, waybills: readonly MakeFromWaybill[]): Promise<void> {
  if (waybills.length === 0) return
  const warehouses = await allWarehouses(context)
  const asked = waybills.flatMap(({ items, actor, commandId, ...waybill }): NewSalesOrder[] => {
    const warehouse = warehouses.find(({ skuTypes }) => skuTypes.includes(waybill.skuType))
    invariant(warehouse !== undefined, `no warehouse prepares ${waybill.skuType} goods`)
    return [
      {
        ...waybill,
        ...flowOf(warehouse, {}),
        lines: newLines(items),
        readyAt: null,
        transferredFrom: null,
        madeBy: null,
        reference: null,
        cause: 'waybill released',
        actor,
        commandId,
      },
    ]
  })
  await tell(context, await insertSalesOrders(context, asked), 'waybill')
}

const flowOf = ({ warehouse, pickFlow, shortPolicy }: Warehouse, given: { pickFlow?: PickFlow; wave?: string | null }) => ({
  warehouse,
  pickFlow: given.pickFlow ?? pickFlow,
  wave: given.wave ?? null,
  shortPolicy,
})

/**
 * By hand, 1 to 1,000, each with its own outcome; the same reference of the same maker again makes nothing. Errors: unknown_warehouse,
 * two_targets, not_preparable, has_one_already, reference_taken, named_twice.
 */
export async function createSalesOrders(
  context: WriteContext,
  commands: readonly CreateSalesOrder[],
  findPreparable: FindPreparable,
): Promise<Outcome<CreatedSalesOrder>[]> {
  const waybillIds = commands.flatMap(({ waybillId }) => waybillId ?? [])
  const [warehouses, named, current] = await Promise.all([
    allWarehouses(context),
    salesOrdersByReference(context, commands),
    lockCurrent(context, waybillIds),
  ])
  // Looked at when the locks are ours: what they tell from now on is followed after us.
  const waybills = waybillIds.length === 0 ? new Map<number, WarehouseWaybill>() : await findPreparable(context, waybillIds)
  const asked: NewSalesOrder[] = []
  const places = new Map<string, number>()
  const taken = new Set([...current.values()].map(({ waybillId, ask }) => `${waybillId} ${ask}`))
  const judged = commands.map((command): Outcome<{ name: string }> => {
    const { madeBy, reference, waybillId = null, lines } = command
    const name = nameOf(madeBy, reference)
    const before = named.get(name) ?? asked[places.get(name) ?? -1]
    if (before !== undefined)
      return before.waybillId === waybillId
        ? accepted({ name })
        : refused('warehousing.reference_taken', `you have named a sales order of something else "${reference}"`, '/reference')
    const warehouse = warehouses.find((each) => each.warehouse === command.warehouse)
    if (warehouse === undefined) return unknownWarehouse(command.warehouse)
    if ((waybillId === null) === (lines === undefined))
      return refused('warehousing.two_targets', 'name a waybill, or lines, and one of these only', '/lines')
    const waybill = waybillId === null ? undefined : waybills.get(waybillId)
    if (waybillId !== null && waybill === undefined)
      return refused('warehousing.not_preparable', `waybill ${waybillId} is not one that a warehouse of ours prepares now`, '/waybillId')
    const key = `${waybillId} ${waybill?.ask}`
    if (waybillId !== null && taken.has(key))
      return refused('warehousing.has_one_already', `waybill ${waybillId} has a sales order; cancel or transfer that one`, '/waybillId')
    const items = waybill?.items ?? lines ?? []
    const twice = items.findIndex(({ itemNo }, at) => items.findIndex((item) => item.itemNo === itemNo) < at)
    if (twice >= 0) return refused('warehousing.named_twice', 'a line stands there twice', `/lines/${twice}/itemNo`)
    if (waybillId !== null) taken.add(key)
    places.set(name, asked.length)
    asked.push({
      ...(waybill ?? { ask: null, orderId: null, orderNumber: null, skuType: command.skuType ?? 'dry', slot: null, destination: null }),
      waybillId,
      ...flowOf(warehouse, command),
      lines: newLines(items),
      readyAt: null,
      transferredFrom: null,
      madeBy,
      reference,
      cause: 'sales_orders.create',
      actor: command.actor,
      commandId: command.commandId,
    })
    return accepted({ name })
  })
  const born = await insertSalesOrders(context, asked)
  await tell(context, born, 'hand')
  // Somebody else was faster with the same name or waybill.
  const lost = await salesOrdersByReference(
    context,
    commands.filter(({ madeBy, reference }) => !born.has(places.get(nameOf(madeBy, reference)) ?? 0)),
  )
  const told = new Set<string>()
  return judged.map((outcome, index): Outcome<CreatedSalesOrder> => {
    if (!outcome.ok) return outcome
    const { name } = outcome.value
    const { waybillId = null } = commands[index] as CreateSalesOrder
    const id = born.get(places.get(name) ?? -1)
    const created = id !== undefined && !told.has(name)
    told.add(name)
    const salesOrderId = id ?? named.get(name)?.salesOrderId ?? lost.get(name)?.salesOrderId
    return salesOrderId === undefined
      ? refused('warehousing.has_one_already', `waybill ${waybillId} has a sales order; cancel or transfer that one`, '/waybillId')
      : accepted({ salesOrderId, waybillId, created })
  })
}

export const unknownWarehouse = (warehouse: string): Outcome<never> =>
  refused('warehousing.unknown_warehouse', `there is no warehouse ${warehouse}`, '/warehouse')
