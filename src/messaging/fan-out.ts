import type { WriteContext } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'
import { activeEndpoints, insertDeliveries, type OnlyAbout } from './webhook-store.ts'

/** Events that partners may subscribe to, with what they are about. */
export const publicEvents: Readonly<Record<string, string>> = {
  'orders.placed': 'an order was placed',
  'orders.paid': 'items are paid and will be prepared',
  'orders.moved': 'items changed their state',
  'orders.edited': 'destination, slot, sections or items of an order changed',
  'orders.hold_changed': 'an order or section was put on hold, or released',
  'orders.cancelled': 'an order or some of its items were cancelled',
  'orders.claim_moved': 'a return, exchange, reship or refund went a step on',
  'payments.moved': 'money was set aside, taken or given back',
  'payments.failed': 'a means of payment failed for good',
  'payments.expired': 'nobody paid in time',
  'tracking.milestone_reached': 'a parcel came to a milestone: handed over, at a hub, out for delivery, delivered …',
  'tracking.milestone_withdrawn': 'a milestone that was told turned out not to be so',
}

/**
 * Turns events into deliveries, one for each active endpoint that wants the type. The message's name comes from the event, so an
 * event that is handled twice is one message.
 */
export async function fanOut(context: WriteContext, events: readonly DeliveredEvent[]): Promise<void> {
  const endpoints = await activeEndpoints(context)
  if (endpoints.length === 0) return
  const deliveries = events.flatMap((event) => {
    const wanting = endpoints.filter(
      ({ eventTypes, only }) => (eventTypes.includes(event.type) || eventTypes.includes('*')) && isAbout(event.payload, only),
    )
    if (wanting.length === 0) return []
    const body = JSON.stringify({ type: event.type, timestamp: event.occurredAt.toISOString(), data: withoutSecrets(event.payload) })
    const messageId = `msg_${event.type.split('.')[0]}_${event.id}`
    return wanting.map(({ id }) => ({ messageId, endpointId: id, eventType: event.type, eventKey: event.key, body }))
  })
  insertDeliveries(context, deliveries)
}

function isAbout(payload: unknown, only: OnlyAbout | null): boolean {
  if (only === null) return true
  const fields = typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>) : {}
  return Object.entries(only).every(([field, values]) => values.includes(fields[field] as string | number))
}

/** Tokens of payment means are ours and the gateway's; a partner's server has no use for them. */
function withoutSecrets(payload: unknown): unknown {
  return JSON.parse(JSON.stringify(payload, (name, value: unknown) => (name === 'token' ? undefined : value)))
}
