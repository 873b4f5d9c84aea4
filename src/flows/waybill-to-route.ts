import type { Fulfilment, WaybillMoved, WaybillState, WaybillsCreated } from '#fulfilment'
import type { Consumer } from '#platform/consumer.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Routing, RoutingAssigned } from '#routing'
import { actorOf, type Events, eventsOf, type FlowLog, noteRefusals } from './step.ts'

export interface RouteFlowDeps {
  readonly fulfilment: Fulfilment
  readonly routing: Routing
  readonly log: FlowLog
}

/** After these the waybill rides no more in its attempt, so its place on the truck and in the quota goes back. */
const givesBack = new Set<WaybillState>(['cancelled', 'rescheduled'])

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
        // First what is given back, so that those who ask in the same batch can have it.
        const over = eventsOf<WaybillMoved>(events, 'fulfilment.waybill_moved').filter(({ payload }) => givesBack.has(payload.to))
        if (over.length > 0) {
          const released = await routing.releaseAssignments(
            context,
            over.map((event) => ({ waybillId: event.payload.waybillId, attempt: event.payload.attempt, ...actorOf(this.name, event) })),
          )
          noteRefusals(log, this.name, over, released)
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
        const again = over.filter((event) => made.has(event.payload.waybillId))
        if (again.length > 0) {
          await routing.releaseAssignments(
            context,
            again.map((event) => ({ waybillId: event.payload.waybillId, attempt: event.payload.attempt, ...actorOf(this.name, event) })),
          )
        }
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
            const { waybillId, attempt, date, slotCode, routeId } = event.payload
            return { waybillId, attempt, date, slotCode, routeId, ...actorOf(this.name, event) }
          }),
        )
        noteRefusals(log, this.name, events, routed)
      },
    },
  ]
}
