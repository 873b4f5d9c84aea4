import type { Consumer } from '#platform/consumer.ts'
import type { Messaging } from '#messaging'

export interface PartnerFlowDeps {
  readonly messaging: Messaging
}

type Source = 'orders' | 'payments' | 'tracking'

/** What partners are told by webhook: each public event becomes a delivery for each endpoint that wants it. */
export function eventToPartners(
  { messaging }: PartnerFlowDeps,
  contexts: readonly Source[] = ['orders', 'payments', 'tracking'],
): Consumer[] {
  return contexts.map((from) => ({
    name: `messaging.tell_partners_of_${from}`,
    priority: 'unhurried',
    from,
    into: 'messaging',
    types: messaging.publicEvents.filter((type) => type.startsWith(`${from}.`)),
    handle: (context, events) => messaging.fanOut(context, events),
  }))
}
