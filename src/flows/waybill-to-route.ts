import type { Fulfilment, WaybillMoved, WaybillsCreated } from '#fulfilment'
import type { Consumer } from '#platform/consumer.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Routing, RoutingAssigned } from '#routing'
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
      types: ['fulfilment.waybills_created', 'fulfilment.waybill_rescheduled', 'fulfilment.waybill_moved'],
      async handle(context: WriteContext, events: Events<WaybillsCreated | WaybillMoved>) {
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
        if (asked.length === 0) return
        const assigned = await routing.assignWaybills(
          context,
          asked.map((event) => {
            const { waybillId, orderId, attempt, destination, slot, skuType, weightGrams, volumeMl, pieces } = event.payload
            return { waybillId, orderId, attempt, destination, slot, skuType, weightGrams, volumeMl, pieces, ...actorOf(this.name, event) }
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
  ]
}
