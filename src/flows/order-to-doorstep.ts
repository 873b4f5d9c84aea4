import type { Consumer } from '#platform/consumer.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Fulfilment, WaybillMoved, WaybillState } from '#fulfilment'
import type { ItemState, OrderCancelled, OrderPaid, OrderPlaced, Orders } from '#orders'
import type { Payments, PaymentsCovered, PaymentsRefunded } from '#payments'
import { actorOf, type Events, eventsOf, type FlowLog, noteRefusals } from './step.ts'

export interface FlowDeps {
  readonly orders: Orders
  readonly payments: Payments
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
export function orderToDoorstep({ orders, payments, fulfilment, log }: FlowDeps): Consumer[] {
  return [
    {
      name: 'payments.take_payment',
      from: 'orders',
      into: 'payments',
      types: ['orders.placed', 'orders.cancelled'],
      async handle(context: WriteContext, events: Events<OrderPlaced | OrderCancelled>) {
        const placed = eventsOf<OrderPlaced>(events, 'orders.placed')
        const cancelled = eventsOf<OrderCancelled>(events, 'orders.cancelled')
        const requested = await payments.requestPayments(
          context,
          placed.map((event) => ({
            orderId: event.payload.orderId,
            storeId: event.payload.storeId,
            currency: event.payload.currency,
            amountMinor: event.payload.totalMinor,
            instrument: event.payload.payment,
            ...actorOf(this.name, event),
          })),
        )
        noteRefusals(log, this.name, placed, requested)
        // After the requests: an order placed and cancelled in one batch has its request by now.
        const ended = await payments.cancelOrRefund(
          context,
          cancelled.map((event) => ({
            orderId: event.payload.orderId,
            ...(event.payload.whole ? {} : { amountMinor: event.payload.amountMinor }),
            reason: 'cancelled',
            ...actorOf(this.name, event),
          })),
        )
        noteRefusals(log, this.name, cancelled, ended)
      },
    },
    {
      name: 'orders.note_money',
      from: 'payments',
      into: 'orders',
      types: ['payments.covered', 'payments.refunded'],
      async handle(context: WriteContext, events: Events<PaymentsCovered | PaymentsRefunded>) {
        const noted = await orders.noteMoney(
          context,
          events.map((event) => ({
            orderId: event.payload.orderId,
            what: event.type === 'payments.covered' ? ('covered' as const) : ('refunded' as const),
            ...('heldMinor' in event.payload ? { heldMinor: event.payload.heldMinor } : {}),
            ...actorOf(this.name, event),
          })),
        )
        noteRefusals(log, this.name, events, noted)
      },
    },
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
            whole: event.payload.whole,
            reason: 'order cancelled',
            ...actorOf(this.name, event),
          })),
        )
        noteRefusals(log, this.name, cancelled, calledOff)
        calledOff.forEach((outcome) => {
          if (outcome.ok && outcome.value.left.length > 0)
            log.warn({ consumer: this.name, ...outcome.value }, 'cancelled goods were too far gone to call off')
        })
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
