import type { ContentsChanged, Fulfilment, WaybillMoved } from '#fulfilment'
import type { Consumer } from '#platform/consumer.ts'
import type { Databases, WriteContext } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'
import type { FollowWaybill, SalesOrderMade, SalesOrderMoved, SalesOrderPromised, SalesOrderState, Warehousing } from '#warehousing'
import { actorOf, type Events, eventsOf, type FlowLog, noteRefusals } from './step.ts'

export interface WarehouseFlowDeps {
  readonly fulfilment: Fulfilment
  readonly warehousing: Warehousing
  readonly databases: Pick<Databases, 'of'>
  readonly log: FlowLog
}

/** What a waybill is when its sales order is there; `picking` says nothing that `acknowledged` does not. */
const waybillStateOf: Partial<Record<SalesOrderState, 'acknowledged' | 'picked' | 'packed'>> = {
  accepted: 'acknowledged',
  picking: 'acknowledged',
  picked: 'picked',
  packed: 'packed',
}

/** Events in stretches that each have one event of a key, so that what one waybill tells is followed in its order. */
export function singly<Payload>(events: Events<Payload>): Events<Payload>[] {
  const stretches: DeliveredEvent<Payload>[][] = []
  const next = new Map<string, number>()
  for (const event of events) {
    const at = next.get(event.key) ?? 0
    next.set(event.key, at + 1)
    const stretch = stretches[at]
    if (stretch === undefined) stretches.push([event])
    else stretch.push(event)
  }
  return stretches
}

const isReleased = ({ to, via, purpose }: WaybillMoved): boolean => purpose !== 'return' && (to === 'released' || via.includes('released'))
const wasReleased: ReadonlySet<string> = new Set(['released', 'acknowledged', 'picked', 'packed', 'staged', 'loaded'])

/** Undefined for what says nothing to a warehouse, which is most. */
function followOf(event: DeliveredEvent<WaybillMoved | ContentsChanged>, consumer: string): FollowWaybill | undefined {
  const of = { waybillId: event.payload.waybillId, ...actorOf(consumer, event) }
  if (!('to' in event.payload)) return { ...of, to: 'contents', items: event.payload.items }
  const { to, via, from, purpose, reason } = event.payload
  if (purpose === 'return') return undefined
  if (to === 'packed' || via.includes('packed')) return { ...of, to: 'packed' }
  // On the road it is the truck's, and what comes back was packed.
  const isOff = (to === 'cancelled' || to === 'created') && wasReleased.has(from)
  return isOff ? { ...of, to: 'cancelled', reason: reason ?? (to === 'created' ? 'planned again' : 'waybill cancelled') } : undefined
}

/** Warehouses are instructed by sales orders when waybills are released, and what they answer moves the waybills. */
export function waybillToWarehouse({ fulfilment, warehousing, databases, log }: WarehouseFlowDeps): Consumer[] {
  return [
    {
      name: 'warehousing.follow_waybills',
      priority: 'unhurried',
      from: 'fulfilment',
      into: 'warehousing',
      types: ['fulfilment.waybill_moved', 'fulfilment.contents_changed'],
      async handle(context: WriteContext, events: Events<WaybillMoved | ContentsChanged>) {
        const telling = events.flatMap((event) => {
          const released = 'to' in event.payload && isReleased(event.payload)
          const follow = followOf(event, this.name)
          return released || follow !== undefined ? [{ ...event, payload: { released, follow, told: event.payload } }] : []
        })
        const released = telling.filter(({ payload }) => payload.released).map(({ payload }) => payload.told.waybillId)
        // Read as they are now; what changed since the release is told by later events, and says the same again.
        const waybills =
          released.length === 0
            ? undefined
            : await databases.of('fulfilment').read(context, (read) => fulfilment.waybillsById(read, [...new Set(released)]))
        for (const stretch of singly(telling)) {
          await warehousing.makeFromWaybills(
            context,
            stretch.flatMap((event) => {
              const { released: isNew, told } = event.payload
              const waybill = waybills?.get(told.waybillId)
              if (!isNew || waybill === undefined || waybill.merchant !== '') return []
              const { waybillId, orderId, orderNumber, skuType, destination, items } = waybill
              const { quota, slot } = { quota: (told as WaybillMoved).quota, slot: waybill.slot }
              const of = { waybillId, orderId, orderNumber, skuType, slot, items, ask: quota?.ask ?? waybill.ask }
              return [{ ...of, destination: { ...destination }, ...actorOf(this.name, event) }]
            }),
          )
          await warehousing.followWaybills(
            context,
            stretch.flatMap(({ payload }) => payload.follow ?? []),
          )
        }
      },
    },
    {
      name: 'fulfilment.follow_sales_orders',
      priority: 'unhurried',
      from: 'warehousing',
      into: 'fulfilment',
      types: ['warehousing.sales_order_moved', 'warehousing.sales_order_made', 'warehousing.ready_promised'],
      async handle(context: WriteContext, events: Events<SalesOrderMoved | SalesOrderMade | SalesOrderPromised>) {
        const ofWaybills = events.filter(({ payload }) => payload.waybillId !== null && !('by' in payload && payload.by === 'waybill'))
        for (const stretch of singly(ofWaybills)) await followSalesOrders(context, this.name, stretch)
      },
    },
  ]

  async function followSalesOrders(
    context: WriteContext,
    consumer: string,
    stretch: Events<SalesOrderMoved | SalesOrderMade | SalesOrderPromised>,
  ): Promise<void> {
    const moved = eventsOf<SalesOrderMoved>(stretch, 'warehousing.sales_order_moved')
    const of = (event: DeliveredEvent<SalesOrderMoved | SalesOrderMade | SalesOrderPromised>) => ({
      waybillId: event.payload.waybillId ?? 0,
      ...actorOf(consumer, event),
    })
    // What is missing comes off first, so that no truck takes a waybill that says more than is in it.
    await fulfilment.shortWaybills(
      context,
      moved
        .filter(({ payload }) => payload.missing.length > 0)
        .map((event) => ({ ...of(event), missing: event.payload.missing, policy: event.payload.shortPolicy })),
    )
    const reported = moved.filter(({ payload: { by, to, from } }) => by === 'report' && to !== from)
    const moves = reported.flatMap((event) => {
      const to = waybillStateOf[event.payload.to]
      return to === undefined ? [] : [{ event, to }]
    })
    const outcomes = await fulfilment.moveWaybills(
      context,
      moves.map(({ event, to }) => {
        const { reason, occurredAt } = event.payload
        return { ...of(event), to, occurredAt: new Date(occurredAt), ...(reason === null ? {} : { reason }) }
      }),
    )
    noteRefusals(
      log,
      consumer,
      moves.map(({ event }) => event),
      outcomes,
    )
    const promised = eventsOf<SalesOrderPromised>(stretch, 'warehousing.ready_promised')
    const noted = await fulfilment.promiseReady(
      context,
      promised.map((event) => {
        const { ask, readyAt } = event.payload
        return { ...of(event), readyAt: readyAt === null ? null : new Date(readyAt), ...(ask === null ? {} : { ask }) }
      }),
    )
    noteRefusals(log, consumer, promised, noted)
    // Nobody prepares it until it has another sales order; so no truck takes it.
    const off = moved.filter(({ payload: { by, to } }) => by === 'hand' && to === 'cancelled')
    const held = await fulfilment.holdWaybills(
      context,
      off.map((event) => ({ ...of(event), kind: 'goods_missing', owner: 'warehousing', reason: event.payload.reason ?? 'no sales order' })),
    )
    noteRefusals(log, consumer, off, held)
    const again = eventsOf<SalesOrderMade>(stretch, 'warehousing.sales_order_made').filter(({ payload }) => payload.by === 'hand')
    const freed = await fulfilment.releaseWaybills(
      context,
      again.map((event) => ({ ...of(event), owner: 'warehousing', reason: 'it has a sales order again' })),
    )
    noteRefusals(log, consumer, again, freed)
  }
}
