import type { Consumer } from '#platform/consumer.ts'
import type { WriteContext } from '#platform/database.ts'
import type { CallOffFailed, Fulfilment, WaybillMoved, WaybillState } from '#fulfilment'
import type { ItemState, OrderCancelled, OrderPaid, Orders } from '#orders'
import { actorOf, type Events, eventsOf, type FlowLog, noteRefusals } from './step.ts'

export interface FlowDeps {
  readonly orders: Orders
  readonly fulfilment: Fulfilment
  readonly log: FlowLog
}

/** What a waybill's state says about the items on it; states that say nothing new about the goods are absent. */
const itemStateOf: Partial<Record<WaybillState, ItemState>> = {
  routed: 'allocated',
  acknowledged: 'preparing',
  picked: 'preparing',
  packed: 'preparing',
  staged: 'ready',
  loaded: 'shipped',
  out_for_delivery: 'out_for_delivery',
  arrived: 'out_for_delivery',
  delivered: 'delivered',
  attempt_failed: 'delivery_failed',
  returned_to_depot: 'returned',
  lost: 'lost',
  damaged: 'lost',
}

/** From checkout to the doorstep: how orders, payments and fulfilment follow each other. Each step is one transaction of one context. */
export function orderToDoorstep({ orders, fulfilment, log }: FlowDeps): Consumer[] {
  return [
    {
      name: 'fulfilment.prepare',
      priority: 'unhurried',
      from: 'orders',
      into: 'fulfilment',
      types: ['orders.paid', 'orders.cancelled'],
      async handle(context: WriteContext, events: Events<OrderPaid | OrderCancelled>) {
        const paid = eventsOf<OrderPaid>(events, 'orders.paid')
        const cancelled = eventsOf<OrderCancelled>(events, 'orders.cancelled')
        const created = await fulfilment.createWaybills(
          context,
          paid.map((event) => ({
            orderId: event.payload.orderId,
            number: event.payload.number,
            part: event.payload.part,
            sections: event.payload.sections,
            ...actorOf(this.name, event),
          })),
        )
        noteRefusals(log, this.name, paid, created)
        const calledOff = await fulfilment.cancelWaybills(
          context,
          cancelled.map((event) => ({
            orderId: event.payload.orderId,
            itemNos: event.payload.itemNos,
            reduced: event.payload.reduced,
            whole: event.payload.whole,
            reason: 'order cancelled',
            ...actorOf(this.name, event),
          })),
        )
        noteRefusals(log, this.name, cancelled, calledOff)
      },
    },
    {
      name: 'orders.index',
      priority: 'unhurried',
      from: 'orders',
      into: 'orders',
      types: ['orders.placed', 'orders.edited'],
      async handle(context: WriteContext, events: Events<{ readonly orderId: number }>) {
        await orders.indexOrders(context, [...new Set(events.map((event) => event.payload.orderId))])
      },
    },
    {
      // Apart from the moves: two changes of one order in one transaction would not see each other.
      name: 'orders.note_call_offs',
      priority: 'unhurried',
      from: 'fulfilment',
      into: 'orders',
      types: ['fulfilment.call_off_failed'],
      async handle(context: WriteContext, events: Events<CallOffFailed>) {
        const noted = await orders.noteTooFarGone(
          context,
          events.map((event) => ({ orderId: event.payload.orderId, itemNos: event.payload.itemNos, ...actorOf(this.name, event) })),
        )
        noteRefusals(log, this.name, events, noted)
      },
    },
    {
      name: 'orders.follow_waybills',
      priority: 'unhurried',
      from: 'fulfilment',
      into: 'orders',
      types: ['fulfilment.waybill_moved'],
      async handle(context: WriteContext, events: Events<WaybillMoved>) {
        const moves = events.flatMap((event) => {
          const to = itemStateOf[event.payload.to]
          return to === undefined ? [] : [{ event, to }]
        })
        const moved = await orders.moveItems(
          context,
          moves.map(({ event, to }) => ({
            orderId: event.payload.orderId,
            moves: event.payload.itemNos.map((itemNo) => ({ itemNo, to })),
            cause: `waybill ${event.payload.waybillId} ${event.payload.to}`,
            ...actorOf(this.name, event),
          })),
        )
        noteRefusals(
          log,
          this.name,
          moves.map(({ event }) => event),
          moved,
        )
      },
    },
  ]
}
