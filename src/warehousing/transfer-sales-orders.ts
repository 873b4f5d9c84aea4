import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { type Applied, unknownSalesOrder, writeApplied } from './change-sales-orders.ts'
import { describedEvent, readyEvents } from './events.ts'
import { isEnded, salesOrderLifeCycle } from './lifecycle.ts'
import { unknownWarehouse } from './make-sales-orders.ts'
import type { SalesOrder } from './sales-order.ts'
import { insertSalesOrders, lockSalesOrders, type NewSalesOrder, salesOrdersById, successorsOf } from './sales-order-store.ts'
import { allWarehouses } from './warehouse-store.ts'

export interface TransferSalesOrder {
  readonly salesOrderId: number
  readonly warehouse: string
  readonly reason: string
  readonly actor: string
  readonly commandId: string
}

export interface TransferredSalesOrder {
  /** The one that the other warehouse works by. */
  readonly salesOrderId: number
  readonly transferredFrom: number
  readonly warehouse: string
  readonly changed: boolean
}

/**
 * Hands sales orders over to another warehouse, until somebody picks: the old one is closed, a new one points at it, and both warehouses are
 * told. The same transfer again finds the new one. Errors: unknown_sales_order, unknown_warehouse, is_over, already_picking.
 */
export async function transferSalesOrders(
  context: WriteContext,
  commands: readonly TransferSalesOrder[],
): Promise<Outcome<TransferredSalesOrder>[]> {
  if (commands.length === 0) return []
  const locked = await lockSalesOrders(
    context,
    commands.map(({ salesOrderId }) => salesOrderId),
  )
  const gone = [...locked.values()].flatMap(({ salesOrderId, state }) => (state === 'transferred' ? [salesOrderId] : []))
  const [warehouses, successors] = await Promise.all([allWarehouses(context), successorsOf(context, gone)])
  const asked = new Map<number, NewSalesOrder>()
  const closed: Applied[] = []
  const judged = commands.map((command): Outcome<{ warehouse: string; changed: boolean }> => {
    const { salesOrderId, warehouse: code, reason, actor, commandId } = command
    const order = locked.get(salesOrderId)
    if (order === undefined) return unknownSalesOrder(salesOrderId)
    const warehouse = warehouses.find((each) => each.warehouse === code)
    if (warehouse === undefined) return unknownWarehouse(code)
    const before = asked.get(salesOrderId) ?? successors.get(salesOrderId)
    if (before?.warehouse === code || order.warehouse === code) return accepted({ warehouse: code, changed: false })
    if (before !== undefined || isEnded(order.state))
      return refused(
        'warehousing.is_over',
        `sales order ${salesOrderId} is ${before === undefined ? order.state : 'transferred'}`,
        '/salesOrderId',
      )
    if (!salesOrderLifeCycle.canMove(order.state, 'transferred'))
      return refused(
        'warehousing.already_picking',
        `sales order ${salesOrderId} is ${order.state}; its goods are in hands`,
        '/salesOrderId',
        {
          state: order.state,
        },
      )
    const after: SalesOrder = { ...order, state: 'transferred', movedAt: context.now, version: order.version + 1 }
    const by = { by: 'transfer', cause: 'sales_orders.transfer', reason, actor, commandId } as const
    closed.push({ before: order, after, missing: [], transferredTo: code, ...by })
    const { pickFlow, shortPolicy } = warehouse
    asked.set(salesOrderId, {
      ...order,
      warehouse: code,
      pickFlow,
      shortPolicy,
      wave: null,
      readyAt: null,
      transferredFrom: salesOrderId,
      madeBy: null,
      reference: null,
      cause: `${by.cause}: ${reason}`,
      actor,
      commandId,
    })
    return accepted({ warehouse: code, changed: true })
  })
  // The old ones first: a waybill has one at a time.
  await writeApplied(context, closed)
  const froms = [...asked.keys()]
  const born = await insertSalesOrders(context, [...asked.values()])
  const written = await salesOrdersById(context, [...born.values()])
  await context.announce(
    [...written.values()].flatMap((order) => [
      describedEvent('made', order, 'transfer'),
      // What the one before has said of its goods holds no more.
      ...readyEvents(locked.get(order.transferredFrom ?? 0) ?? order, order),
    ]),
  )
  const idOf = new Map([...born].map(([at, id]) => [froms[at] as number, id]))
  const changed = new Set<number>()
  return judged.map((outcome, index): Outcome<TransferredSalesOrder> => {
    if (!outcome.ok) return outcome
    const { salesOrderId: from } = commands[index] as TransferSalesOrder
    const first = outcome.value.changed && !changed.has(from)
    changed.add(from)
    const salesOrderId = idOf.get(from) ?? successors.get(from)?.salesOrderId ?? from
    return accepted({ salesOrderId, transferredFrom: from, warehouse: outcome.value.warehouse, changed: first })
  })
}
