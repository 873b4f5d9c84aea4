import type { WaybillMoved, WaybillsCreated } from '#fulfilment'
import type { Consumer } from '#platform/consumer.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Tracking } from '#tracking'
import { type Events, type FlowLog, noteRefusals } from './step.ts'

export interface TrackFlowDeps {
  readonly tracking: Tracking
  readonly log: FlowLog
}

/** What a customer has nothing from: a waybill that is planned again, and an empty truck on its way to fetch goods. */
function tells(payload: WaybillsCreated | WaybillMoved): boolean {
  if (!('to' in payload)) return true
  return payload.to !== 'created' && !(payload.purpose === 'return' && payload.to === 'out_for_delivery')
}

/** Every waybill is a shipment that customers can follow. */
export function waybillToTrack({ tracking, log }: TrackFlowDeps): Consumer[] {
  return [
    {
      name: 'tracking.follow_waybills',
      priority: 'unhurried',
      from: 'fulfilment',
      into: 'tracking',
      types: ['fulfilment.waybills_created', 'fulfilment.waybill_moved'],
      async handle(context: WriteContext, events: Events<WaybillsCreated | WaybillMoved>) {
        const telling = events.filter(({ payload }) => tells(payload))
        const recorded = await tracking.recordMovements(
          context,
          telling.map(({ payload }) => {
            const { waybillId, orderId, attempt } = payload
            if (!('to' in payload)) return { waybillId, orderId, attempt, state: 'created', occurredAt: new Date(payload.createdAt) }
            const detail = payload.reason === null ? {} : { detail: payload.reason }
            return { waybillId, orderId, attempt, state: payload.to, occurredAt: new Date(payload.occurredAt), ...detail }
          }),
        )
        // Not a race that was lost: fulfilment has committed it. Parked, it is replayed once the file is there.
        for (const outcome of recorded)
          if (!outcome.ok && outcome.error.code === 'tracking.archive_unreadable') throw new Error(outcome.error.detail)
        noteRefusals(log, this.name, telling, recorded)
      },
    },
  ]
}
