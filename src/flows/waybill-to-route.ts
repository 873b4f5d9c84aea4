import type { Fulfilment, ReadyPromised, WaybillMoved, WaybillsCreated } from '#fulfilment'
import type { Consumer } from '#platform/consumer.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Routing, RoutingAssigned, RoutingReadyWeighed } from '#routing'
import { actorOf, type Events, eventsOf, type FlowLog, noteRefusals } from './step.ts'

export interface RouteFlowDeps {
  readonly fulfilment: Fulfilment
  readonly routing: Routing
  readonly log: FlowLog
}

/** Waybills get a route from routing, and give it back when they are called off or put off. */
export function waybillToRoute({ fulfilment, routing, log }: RouteFlowDeps): Consumer[] {
  return [
    {
      name: 'routing.assign',
      priority: 'unhurried',
      from: 'fulfilment',
      into: 'routing',
      types: ['fulfilment.waybills_created', 'fulfilment.waybill_rescheduled', 'fulfilment.waybill_moved', 'fulfilment.ready_promised'],
      async handle(context: WriteContext, events: Events<WaybillsCreated | WaybillMoved | ReadyPromised>) {
        const asked = [
          ...eventsOf<WaybillsCreated>(events, 'fulfilment.waybills_created'),
          ...eventsOf<WaybillsCreated>(events, 'fulfilment.waybill_rescheduled'),
        ]
        const effects = eventsOf<WaybillMoved>(events, 'fulfilment.waybill_moved').flatMap((event) => {
          const { waybillId, quota } = event.payload
          return quota === null
            ? []
            : [{ event, effect: quota.effect, command: { waybillId, attempt: quota.ask, ...actorOf(this.name, event) } }]
        })
        // What is committed was assigned before; of what is committed and given back in one batch the ledger tells both.
        await routing.commitAssignments(
          context,
          effects.flatMap(({ effect, command }) => (effect === 'commit' ? [command] : [])),
        )
        // What is given back comes before those who ask in the same batch, so that they can have it.
        const over = effects.filter(({ effect }) => effect === 'give_back')
        if (over.length > 0) {
          const released = await routing.releaseAssignments(
            context,
            over.map(({ command }) => command),
          )
          noteRefusals(
            log,
            this.name,
            over.map(({ event }) => event),
            released,
          )
        }
        const assigned = await routing.assignWaybills(
          context,
          asked.map((event) => {
            const { waybillId, orderId, attempt, destination, slot, skuType, weightGrams, volumeMl, pieces, readyAt } = event.payload
            // What was told before there was such a time has none.
            const ready = typeof readyAt === 'string' ? { readyAt: new Date(readyAt) } : {}
            const load = { skuType, weightGrams, volumeMl, pieces }
            return { waybillId, orderId, attempt, destination, slot, ...load, ...ready, ...actorOf(this.name, event) }
          }),
        )
        noteRefusals(log, this.name, asked, assigned)
        // A waybill that was made and called off within one batch was released before it was assigned: release it again.
        const made = new Set(asked.map((event) => event.payload.waybillId))
        const again = over.filter(({ command }) => made.has(command.waybillId))
        await routing.releaseAssignments(
          context,
          again.map(({ command }) => command),
        )
        // Behind those who ask: what was said of the request that stands is said again by none of them.
        await routing.followReady(
          context,
          eventsOf<ReadyPromised>(events, 'fulfilment.ready_promised').map(({ payload: { waybillId, ask, readyAt } }) => ({
            waybillId,
            attempt: ask,
            readyAt: readyAt === null ? null : new Date(readyAt),
          })),
        )
      },
    },
    {
      name: 'fulfilment.take_route',
      priority: 'unhurried',
      from: 'routing',
      into: 'fulfilment',
      types: ['routing.assigned'],
      async handle(context: WriteContext, events: Events<RoutingAssigned>) {
        const routed = await fulfilment.routeWaybills(
          context,
          events.map((event) => {
            const { waybillId, attempt, date, slotCode, routeId, cutOffAt } = event.payload
            return { waybillId, attempt, date, slotCode, routeId, cutOffAt: new Date(cutOffAt), ...actorOf(this.name, event) }
          }),
        )
        noteRefusals(log, this.name, events, routed)
      },
    },
    {
      name: 'fulfilment.take_readiness',
      priority: 'unhurried',
      from: 'routing',
      into: 'fulfilment',
      types: ['routing.ready_weighed'],
      async handle(context: WriteContext, events: Events<RoutingReadyWeighed>) {
        // Each by its last word, which holds for the request that stands.
        const last = [...new Map(events.map((event) => [event.key, event])).values()]
        const by = { kind: 'goods_late', owner: 'routing' } as const
        const held = last.flatMap((event) => {
          const { waybillId, attempt: ask, tooLate } = event.payload
          return tooLate === null ? [] : [{ waybillId, ask, ...by, reason: tooLate, ...actorOf(this.name, event) }]
        })
        const freed = last.flatMap((event) => {
          const { waybillId, attempt: ask, tooLate } = event.payload
          return tooLate === null
            ? [{ waybillId, ask, ...by, reason: 'its truck can wait for its goods', ...actorOf(this.name, event) }]
            : []
        })
        // The two never meet on one waybill. What is over meanwhile is refused, and needs no hold.
        const outcomes = await fulfilment.holdWaybills(context, held)
        noteRefusals(
          log,
          this.name,
          last.filter(({ payload }) => payload.tooLate !== null),
          outcomes,
        )
        await fulfilment.releaseWaybills(context, freed)
      },
    },
  ]
}
