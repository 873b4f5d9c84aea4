import type { Consumer } from '#platform/consumer.ts'
import type { WriteContext } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'
import type { Ledger } from '#ledger'
import type {
  OrderAmountRaised,
  OrderCancelled,
  OrderMoved,
  OrderPaymentAsked,
  OrderPlaced,
  OrderRefundDue,
  Orders,
  PaymentFact,
} from '#orders'
import type { Payments, PaymentsChecking, PaymentsExpired, PaymentsMoved } from '#payments'
import { actorOf, type Events, eventsOf, type FlowLog, noteRefusals } from './step.ts'

export interface MoneyFlowDeps {
  readonly orders: Orders
  readonly payments: Payments
  readonly ledger: Ledger
  readonly log: FlowLog
}

/** How orders ask for money, payments take it and give it back, and the ledger books what moved. */
export function orderToMoney({ orders, payments, ledger, log }: MoneyFlowDeps): Consumer[] {
  return [
    {
      name: 'payments.take_payment',
      from: 'orders',
      into: 'payments',
      types: ['orders.placed', 'orders.payment_asked', 'orders.amount_raised', 'orders.cancelled', 'orders.refund_due'],
      async handle(context: WriteContext, events: Events<unknown>) {
        // One kind of event after the other, in the order in which they can follow each other for one order: what is asked for is
        // raised, then lowered. Only "asked again after a cancel" is not in this order, and it asks for a part of its own.
        const asked = events.filter(
          (event): event is DeliveredEvent<OrderPlaced | OrderPaymentAsked> =>
            event.type === 'orders.placed' || event.type === 'orders.payment_asked',
        )
        const all = asked.flatMap((event) => event.payload.payments.map((part) => ({ event, part })))
        // An amended order names a new plan for a part that is asked already; its means are brought below, once its amount is right.
        const known = await livingParts(payments, context, eventsOf<OrderPaymentAsked>(events, 'orders.payment_asked'))
        const isKnown = ({ event, part }: (typeof all)[number]): boolean =>
          event.type === 'orders.payment_asked' && known.has(`${event.payload.orderId} ${part.part}`)
        const requests = all.filter((each) => !isKnown(each))
        const amended = all.filter(isKnown)
        if (requests.length > 0) {
          const requested = await payments.requestPayments(
            context,
            requests.map(({ event, part }) => ({
              orderId: event.payload.orderId,
              storeId: event.payload.storeId,
              customerId: event.payload.customerId,
              currency: event.payload.currency,
              ...part,
              ...actorOf(this.name, event),
            })),
          )
          noteRefusals(log, this.name, eventsIn(requests), requested)
        }
        const raised = eventsOf<OrderAmountRaised>(events, 'orders.amount_raised').flatMap((event) =>
          event.payload.parts.map((part) => ({ event, part })),
        )
        if (raised.length > 0) {
          const commands = raised.map(({ event, part }) => ({ orderId: event.payload.orderId, ...part, ...actorOf(this.name, event) }))
          noteRefusals(log, this.name, eventsIn(raised), await payments.raiseDue(context, commands))
        }
        const cancelled = eventsOf<OrderCancelled>(events, 'orders.cancelled')
        if (cancelled.length > 0) {
          const commands = cancelled.map((event) => ({
            orderId: event.payload.orderId,
            parts: event.payload.parts,
            whole: event.payload.whole,
            reason: 'cancelled',
            ...actorOf(this.name, event),
          }))
          noteRefusals(log, this.name, cancelled, await payments.cancelOrRefund(context, commands))
        }
        const due = eventsOf<OrderRefundDue>(events, 'orders.refund_due')
        if (due.length > 0) {
          const commands = due.map((event) => ({ ...event.payload, ...actorOf(this.name, event) }))
          noteRefusals(log, this.name, due, await payments.cancelOrRefund(context, commands))
        }
        const plans = amended.filter(({ part }) => part.plan !== null)
        if (plans.length > 0) {
          const paid = await payments.payPayments(
            context,
            plans.map(({ event, part }) => ({
              orderId: event.payload.orderId,
              part: part.part,
              legs: part.plan?.legs ?? [],
              ...actorOf(this.name, event),
            })),
          )
          noteRefusals(log, this.name, eventsIn(plans), paid)
        }
      },
    },
    {
      name: 'orders.note_money',
      from: 'payments',
      into: 'orders',
      types: ['payments.moved', 'payments.expired', 'payments.checking'],
      async handle(context: WriteContext, events: Events<PaymentsMoved | PaymentsExpired | PaymentsChecking>) {
        const facts = events.map(
          (event) =>
            ({ type: event.type, orderId: event.payload.orderId, event: event.payload, ...actorOf(this.name, event) }) as PaymentFact,
        )
        noteRefusals(log, this.name, events, await orders.notePaymentFacts(context, facts))
      },
    },
    {
      name: 'payments.capture',
      priority: 'unhurried',
      from: 'orders',
      into: 'payments',
      types: ['orders.moved'],
      async handle(context: WriteContext, events: Events<OrderMoved>) {
        // Orders names what to capture only where money is set aside and not taken: ordinary orders were paid at once.
        const due = events.flatMap((event) => [
          ...(event.payload.toCapture ?? []).map((capture) => ({ event, capture: { ...capture, of: 'others' as const } })),
          ...(event.payload.toCollect ?? []).map((capture) => ({ event, capture: { ...capture, of: 'cash' as const } })),
        ])
        if (due.length === 0) return
        const captured = await payments.captureFor(
          context,
          due.map(({ event, capture }) => ({ orderId: event.payload.orderId, ...capture, ...actorOf(this.name, event) })),
        )
        noteRefusals(log, this.name, eventsIn(due), captured)
      },
    },
    {
      name: 'ledger.book_movements',
      priority: 'unhurried',
      from: 'payments',
      into: 'ledger',
      types: ['payments.moved'],
      async handle(context: WriteContext, events: Events<PaymentsMoved>) {
        await ledger.bookMovements(
          context,
          events.flatMap((event) => {
            const { movement } = event.payload
            return movement === null ? [] : [{ moved: { ...event.payload, movement }, ...actorOf(this.name, event) }]
          }),
        )
      },
    },
  ]
}

const eventsIn = (entries: readonly { readonly event: DeliveredEvent }[]): DeliveredEvent[] => entries.map(({ event }) => event)

/** Parts that have a living request, as `order part`. Asked only where an event may name one again. */
async function livingParts(
  payments: Payments,
  context: WriteContext,
  events: readonly DeliveredEvent<OrderPaymentAsked>[],
): Promise<ReadonlySet<string>> {
  if (events.length === 0) return new Set()
  const found = await payments.findPayments(
    context,
    events.map((event) => event.payload.orderId),
  )
  const living = [...found.values()].flatMap(({ orderId, requests }) =>
    requests.filter(({ state }) => state !== 'cancelled' && state !== 'expired').map(({ part }) => `${orderId} ${part}`),
  )
  return new Set(living)
}
