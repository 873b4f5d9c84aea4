import type { NewEvent } from '#platform/events.ts'
import type { SalesOrderState } from './lifecycle.ts'
import type { Missing, PickFlow, SalesLine, SalesOrder, ShortPolicy } from './sales-order.ts'

/** Why a sales order is there or moved: its waybill, somebody's command, the warehouse's report. */
export type Cause = 'waybill' | 'hand' | 'transfer' | 'report'

/** `warehousing.sales_order_made`: a warehouse is to prepare something. */
export interface SalesOrderMade {
  readonly salesOrderId: number
  /** null for work that no waybill asks for. */
  readonly waybillId: number | null
  readonly orderId: number | null
  readonly orderNumber: string | null
  readonly warehouse: string
  readonly pickFlow: PickFlow
  readonly wave: string | null
  readonly skuType: 'dry' | 'frozen' | 'mixed'
  readonly slot: { readonly date: string; readonly code: string } | null
  readonly destination: Readonly<Record<string, string | number>> | null
  /** What was asked; `short` is what is known to be missing of it. */
  readonly lines: readonly { readonly itemNo: number; readonly sku: string; readonly quantity: number; readonly short: number }[]
  /** The one of another warehouse that it stands in for. */
  readonly transferredFrom: number | null
  readonly by: Cause
  /** Rises with each change of it. */
  readonly version: number
}

/** `warehousing.sales_order_changed`: its lines, pick flow or wave are other ones now; all of it, as it is. */
export type SalesOrderChanged = SalesOrderMade

/** `warehousing.sales_order_moved` */
export interface SalesOrderMoved {
  readonly salesOrderId: number
  readonly waybillId: number | null
  readonly orderId: number | null
  readonly warehouse: string
  readonly from: SalesOrderState
  /** The same as `from` where a warehouse only said what is missing. */
  readonly to: SalesOrderState
  readonly by: Cause
  /** Pieces that were found missing just now, by line. */
  readonly missing: readonly Missing[]
  readonly shortPolicy: ShortPolicy
  /** With `transferred`: the warehouse that prepares it now. */
  readonly transferredTo: string | null
  readonly reason: string | null
  readonly version: number
  readonly occurredAt: string
}

/** `warehousing.ready_promised`: a warehouse has said when something will be ready for its truck. */
export interface SalesOrderPromised {
  readonly salesOrderId: number
  readonly waybillId: number | null
  /** The waybill's request for a route that it is prepared for. */
  readonly ask: number | null
  /** Null: who prepares it now has not said it. */
  readonly readyAt: string | null
  readonly version: number
}

export const warehousingEventTypes = {
  made: 'warehousing.sales_order_made',
  changed: 'warehousing.sales_order_changed',
  moved: 'warehousing.sales_order_moved',
  promised: 'warehousing.ready_promised',
} as const

/** Sales orders of one waybill are told in their order, whichever warehouse has them. */
const keyOf = ({ waybillId, salesOrderId }: SalesOrder): string => (waybillId === null ? `sales-order-${salesOrderId}` : String(waybillId))

export function describedEvent(type: 'made' | 'changed', order: SalesOrder, by: Cause): NewEvent {
  const { salesOrderId, waybillId, orderId, orderNumber, warehouse, pickFlow, wave, skuType, slot, destination } = order
  const payload: SalesOrderMade = {
    salesOrderId,
    waybillId,
    orderId,
    orderNumber,
    warehouse,
    pickFlow,
    wave,
    skuType,
    slot,
    destination,
    lines: order.lines.map(({ itemNo, sku, quantity, short }: SalesLine) => ({ itemNo, sku, quantity, short })),
    transferredFrom: order.transferredFrom,
    by,
    version: order.version,
  }
  return { key: keyOf(order), type: warehousingEventTypes[type], payload }
}

export function readyEvents(before: SalesOrder, after: SalesOrder): NewEvent[] {
  const { salesOrderId, waybillId, ask, readyAt, version } = after
  if (before.readyAt?.getTime() === readyAt?.getTime()) return []
  const payload: SalesOrderPromised = { salesOrderId, waybillId, ask, readyAt: readyAt?.toISOString() ?? null, version }
  return [{ key: keyOf(after), type: warehousingEventTypes.promised, payload }]
}

export function movedEvent(
  before: SalesOrder,
  after: SalesOrder,
  told: Pick<SalesOrderMoved, 'by' | 'missing' | 'reason'> & { readonly transferredTo?: string },
): NewEvent {
  const { salesOrderId, waybillId, orderId, warehouse, shortPolicy, version, movedAt } = after
  const payload: SalesOrderMoved = {
    salesOrderId,
    waybillId,
    orderId,
    warehouse,
    from: before.state,
    to: after.state,
    by: told.by,
    missing: told.missing,
    shortPolicy,
    transferredTo: told.transferredTo ?? null,
    reason: told.reason,
    version,
    occurredAt: movedAt.toISOString(),
  }
  return { key: keyOf(after), type: warehousingEventTypes.moved, payload }
}
