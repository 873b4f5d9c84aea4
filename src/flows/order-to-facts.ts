import type { Analytics } from '#analytics'
import type { PaymentsFailed, PaymentsMoved } from '#payments'
import type { Consumer } from '#platform/consumer.ts'
import type { WriteContext } from '#platform/database.ts'
import { type Events, eventsOf } from './step.ts'

export interface FactsFlowDeps {
  readonly analytics: Analytics
}

/** How analysts' tables follow orders and payments. Facts of orders are read anew, so events only say which ones to read. */
export function orderToFacts({ analytics }: FactsFlowDeps): Consumer[] {
  return [
    {
      name: 'analytics.project_orders',
      priority: 'unhurried',
      // Many events of one order in one batch are one projection: so larger batches, and further apart.
      largestBatch: 2_000,
      batchesApartMs: 500,
      from: 'orders',
      into: 'analytics',
      types: [
        'orders.placed',
        'orders.paid',
        'orders.moved',
        'orders.cancelled',
        'orders.edited',
        'orders.payment_asked',
        'orders.amount_raised',
        'orders.hold_changed',
        'orders.claim_moved',
      ],
      async handle(context: WriteContext, events: Events<unknown>) {
        // Events of orders have the order's id for their key. The read comes after their commit, so it shows at least what they tell.
        const ids = [...new Set(events.map(({ key }) => Number(key)))]
        const claimed = [...new Set(eventsOf(events, 'orders.claim_moved').map(({ key }) => Number(key)))]
        await analytics.projectOrders(context, ids, claimed)
      },
    },
    {
      name: 'analytics.note_payments',
      priority: 'unhurried',
      largestBatch: 2_000,
      batchesApartMs: 500,
      from: 'payments',
      into: 'analytics',
      types: ['payments.moved', 'payments.failed'],
      async handle(context: WriteContext, events: Events<PaymentsMoved | PaymentsFailed>) {
        const movements = eventsOf<PaymentsMoved>(events, 'payments.moved').flatMap(({ payload, occurredAt }) =>
          payload.movement === null ? [] : [{ moved: payload, movement: payload.movement, movedAt: occurredAt }],
        )
        await analytics.recordMovements(context, movements)
        const failures = eventsOf<PaymentsFailed>(events, 'payments.failed').map(({ id, payload, occurredAt }) => ({
          eventId: id,
          failed: payload,
          failedAt: occurredAt,
        }))
        await analytics.recordFailures(context, failures)
      },
    },
  ]
}
