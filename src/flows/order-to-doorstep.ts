import type { Consumer } from '#platform/consumer.ts'
import type { WriteContext } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'
import type { CallOffFailed, Fulfilment, RowsSplit, ShortPicked, WaybillMoved, WaybillState } from '#fulfilment'
import type { ItemState, MoveCommand, OrderCancelled, OrderClaimMoved, OrderEdited, OrderPaid, Orders } from '#orders'
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

/** What a row is that was split off while its waybill stands there: what it would be had all reports named it. */
const itemStateOn: typeof itemStateOf = { ...itemStateOf, released: 'allocated', rescheduled: 'delivery_failed', restocked: 'returned' }

function itemStateAfter(payload: WaybillMoved | RowsSplit): ItemState | undefined {
  if ('state' in payload) return itemStateOn[payload.state]
  // What comes back moves its claim.
  return payload.purpose === 'return' ? undefined : itemStateOf[payload.to]
}

/** The same for goods that come back by a claim. */
const claimStateOf: Partial<Record<WaybillState, 'in_transit' | 'received'>> = { returning: 'in_transit', returned_to_depot: 'received' }

type OrderEvent = OrderPaid | OrderCancelled | OrderEdited | OrderClaimMoved

/**
 * Events of a batch in stretches that each have one event of an order, but for those of its payment: what an order tells is followed in
 * the order in which it was told, and what different orders tell is followed at once.
 */
export function wavesOf(events: Events<OrderEvent>): Events<OrderEvent>[] {
  const waves: DeliveredEvent<OrderEvent>[][] = []
  const next = new Map<string, { wave: number; type: string }>()
  for (const event of events) {
    const last = next.get(event.key)
    const together = last?.type === event.type && (event.type === 'orders.paid' || event.type === 'orders.cancelled')
    const wave = last === undefined ? 0 : together ? last.wave : last.wave + 1
    next.set(event.key, { wave, type: event.type })
    const of = waves[wave]
    if (of === undefined) waves.push([event])
    else of.push(event)
  }
  return waves
}

/** From checkout to the doorstep: how orders, payments and fulfilment follow each other. Each step is one transaction of one context. */
export function orderToDoorstep({ orders, fulfilment, log }: FlowDeps): Consumer[] {
  const prepare = async (context: WriteContext, consumer: string, wave: Events<OrderEvent>): Promise<void> => {
    const paid = eventsOf<OrderPaid>(wave, 'orders.paid')
    const created = await fulfilment.createWaybills(
      context,
      paid.map((event) => {
        const { orderId, number, part, sections } = event.payload
        return { orderId, number, part, sections, ...actorOf(consumer, event) }
      }),
    )
    noteRefusals(log, consumer, paid, created)
    const cancelled = eventsOf<OrderCancelled>(wave, 'orders.cancelled')
    const calledOff = await fulfilment.cancelWaybills(
      context,
      cancelled.map((event) => {
        const { orderId, itemNos, reduced, whole } = event.payload
        return { orderId, itemNos, reduced, whole, reason: 'order cancelled', ...actorOf(consumer, event) }
      }),
    )
    noteRefusals(log, consumer, cancelled, calledOff)
    await fulfilment.followEdits(
      context,
      eventsOf<OrderEdited>(wave, 'orders.edited').map((event) => {
        const { orderId, fields, splits, sections } = event.payload
        return { orderId, fields, splits, sections, ...actorOf(consumer, event) }
      }),
    )
    const claims = eventsOf<OrderClaimMoved>(wave, 'orders.claim_moved')
    const booked = claims.filter(({ payload }) => payload.to === 'pickup_booked')
    const fetched = await fulfilment.fetchGoods(
      context,
      booked.map((event) => {
        const { orderId, claimId, items } = event.payload
        return { orderId, claimId, items, ...actorOf(consumer, event) }
      }),
    )
    noteRefusals(log, consumer, booked, fetched)
    await fulfilment.keepGoods(
      context,
      claims
        .filter(({ payload }) => payload.to === 'withdrawn')
        .map((event) => {
          const { orderId, claimId } = event.payload
          return { orderId, claimId, reason: 'the claim was withdrawn', ...actorOf(consumer, event) }
        }),
    )
  }

  return [
    {
      name: 'fulfilment.prepare',
      priority: 'unhurried',
      from: 'orders',
      into: 'fulfilment',
      types: ['orders.paid', 'orders.cancelled', 'orders.edited', 'orders.claim_moved'],
      async handle(context: WriteContext, events: Events<OrderEvent>) {
        for (const wave of wavesOf(events)) await prepare(context, this.name, wave)
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
      types: ['fulfilment.waybill_moved', 'fulfilment.rows_split', 'fulfilment.short_picked'],
      async handle(context: WriteContext, events: Events<WaybillMoved | RowsSplit | ShortPicked>) {
        const moves = events.flatMap((event): { event: DeliveredEvent; command: MoveCommand }[] => {
          const of = { orderId: event.payload.orderId, ...actorOf(this.name, event) }
          if ('policy' in event.payload) {
            const { items, policy, waybillId } = event.payload
            return [{ event, command: { ...of, short: { items, policy }, cause: `waybill ${waybillId} short picked` } }]
          }
          const to = itemStateAfter(event.payload)
          if (to === undefined) return []
          const cause = `waybill ${event.payload.waybillId} ${'to' in event.payload ? event.payload.to : event.payload.state}`
          return [{ event, command: { ...of, cause, moves: event.payload.itemNos.map((itemNo) => ({ itemNo, to })) } }]
        })
        const moved = await orders.moveItems(
          context,
          moves.map(({ command }) => command),
        )
        noteRefusals(
          log,
          this.name,
          moves.map(({ event }) => event),
          moved,
        )
      },
    },
    {
      // Apart from the moves of items, as two changes of one order in one transaction would not see each other.
      name: 'orders.follow_returns',
      priority: 'unhurried',
      from: 'fulfilment',
      into: 'orders',
      types: ['fulfilment.waybill_moved'],
      async handle(context: WriteContext, events: Events<WaybillMoved>) {
        const moves = events.flatMap((event) => {
          const { claimId, to: state } = event.payload
          const to = claimStateOf[state]
          return claimId === null || to === undefined ? [] : [{ event, command: { claimId, to, ...actorOf(this.name, event) } }]
        })
        const moved = await orders.moveClaims(
          context,
          moves.map(({ command }) => command),
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
