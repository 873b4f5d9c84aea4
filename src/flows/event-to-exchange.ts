import type { Fulfilment, StoredWaybill, WaybillMoved } from '#fulfilment'
import type { Consumer } from '#platform/consumer.ts'
import type { ContextName, Databases, WriteContext } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'
import type { Exchange, ExchangeMessage } from '#platform/exchange.ts'
import { type Partner, type PartnerMessage, partnerMessages } from './partner-messages.ts'

export interface ExchangeFlowDeps {
  readonly exchange: Pick<Exchange, 'publish'>
  readonly partners: readonly Partner[]
  readonly fulfilment: Pick<Fulfilment, 'waybillsOfOrders'>
  readonly databases: Pick<Databases, 'of'>
}

/**
 * What partners are told by message: one consumer for each partner and outbox, each with a cursor of its own, so that one who is away
 * holds up nobody else. The cursor moves when the exchange has the messages safe; what is sent again has the same id.
 */
export function eventToExchange({ exchange, partners, ...deps }: ExchangeFlowDeps): Consumer[] {
  return partners.flatMap((partner) => {
    const told = partnerMessages.filter(({ name }) => name in partner.takes)
    const byContext = Map.groupBy(told, ({ event }) => event.split('.')[0] as ContextName)
    return [...byContext].map(
      ([from, messages]): Consumer => ({
        name: `messaging.tell_${partner.name}_of_${from}`,
        priority: 'unhurried',
        from,
        into: 'messaging',
        types: [...new Set(messages.map(({ event }) => event))],
        async handle(context: WriteContext, events: readonly DeliveredEvent[]) {
          const waybills = messages.some(({ needsWaybill }) => needsWaybill) ? await waybillsOf(deps, context, events) : new Map()
          const made = events.flatMap((event) => messagesOf(partner, messages, event, waybills))
          if (made.length > 0) await exchange.publish(context, made)
        },
      }),
    )
  })
}

function messagesOf(
  partner: Partner,
  messages: readonly PartnerMessage[],
  event: DeliveredEvent,
  waybills: ReadonlyMap<number, StoredWaybill>,
): ExchangeMessage[] {
  return messages.flatMap(({ name, version, event: type, of }) => {
    if (type !== event.type) return []
    const body = of(event, waybills.get((event.payload as { waybillId?: number }).waybillId ?? 0))
    const wants = partner.takes[name]
    if (body === undefined || wants === undefined || (wants !== true && !wants(body as never))) return []
    const { id, key, occurredAt, traceId, rehearsalId } = event
    const from = type.split('.')[0]
    return [
      {
        // Outbox, number and name: the same message however often its event is handled.
        id: `${from}-${id}-${name}`,
        topic: `${partner.name}.${name}`,
        // With its context: an order and a waybill may have the same number, and two outboxes have no order between them.
        key: `${from}:${key}`,
        schemaVersion: version,
        occurredAt,
        traceId,
        rehearsalId,
        body,
      },
    ]
  })
}

/** The waybills that were released among these events. Read outside of the transaction: they lie in another context's tables. */
async function waybillsOf(
  { fulfilment, databases }: Pick<ExchangeFlowDeps, 'fulfilment' | 'databases'>,
  { traffic, rehearsalId }: WriteContext,
  events: readonly DeliveredEvent[],
): Promise<Map<number, StoredWaybill>> {
  const released = events.filter(({ payload }) => {
    const { to, via } = payload as Partial<WaybillMoved>
    return to === 'released' || via?.includes('released') === true
  })
  if (released.length === 0) return new Map()
  const orderIds = [...new Set(released.map(({ payload }) => (payload as WaybillMoved).orderId))]
  const found = await databases.of('fulfilment').read({ traffic, rehearsalId }, (read) => fulfilment.waybillsOfOrders(read, orderIds))
  return new Map([...found.values()].flat().map((waybill) => [waybill.waybillId, waybill]))
}
