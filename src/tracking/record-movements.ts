import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { noArchive, type ReadArchive } from './archive.ts'
import { ownSource, tellsRecipients } from './fact.ts'
import { append, nothingYet } from './fold.ts'
import { recordFacts, type RecordedFact } from './record-facts.ts'
import { draftOf } from './reported-fact.ts'
import { insertShipments, type NewShipment, takeShipmentIds } from './shipment-store.ts'

/** What became of a waybill; `created` opens its shipment. */
export interface Movement {
  readonly waybillId: number
  readonly orderId: number
  /** State of the waybill, as fulfilment names it. */
  readonly state: string
  readonly attempt: number
  readonly occurredAt: Date
  readonly detail?: string
}

/**
 * Follows waybills. Shipments are opened first: ids, then shipment and first fact in one statement. Then the movements that say
 * something to a recipient are recorded as facts; the others (routed, released …) touch nothing.
 */
export async function recordMovements(
  context: WriteContext,
  movements: readonly Movement[],
  { archive = noArchive }: { readonly archive?: ReadArchive } = {},
): Promise<Outcome<{ waybillId: number; changed: boolean }>[]> {
  const births = new Map<number, Movement>()
  for (const movement of movements)
    if (movement.state === 'created' && !births.has(movement.waybillId)) births.set(movement.waybillId, movement)
  // By waybill: two callers that open the same shipments wait for each other in one order. Of two copies the first opened it.
  const opened = await openShipments(
    context,
    [...births.values()].toSorted((a, b) => a.waybillId - b.waybillId),
  )
  const telling = movements.filter((movement) => movement.state !== 'created' && tellsRecipients(movement.state))
  const recorded = (
    await recordFacts(
      context,
      telling.map(({ waybillId, state, attempt, occurredAt, detail }) => ({
        waybillId,
        code: state,
        occurredAt,
        source: ownSource,
        attempt,
        ...(detail === undefined ? {} : { detail }),
      })),
      // Fulfilment has committed it. Refused because of a clock, it would never come again, and the two would differ for good.
      { until: new Date(8.64e15), since: new Date(-8.64e15), archive },
    )
  ).values()
  return movements.map((movement): Outcome<{ waybillId: number; changed: boolean }> => {
    const { waybillId, state } = movement
    if (state === 'created') return accepted({ waybillId, changed: opened.delete(waybillId) })
    if (!tellsRecipients(state)) return accepted({ waybillId, changed: false })
    const outcome = recorded.next().value as Outcome<RecordedFact>
    return outcome.ok ? accepted({ waybillId, changed: outcome.value.added }) : outcome
  })
}

async function openShipments(context: WriteContext, births: readonly Movement[]): Promise<Map<number, number>> {
  if (births.length === 0) return new Map()
  const ids = await takeShipmentIds(context, births.length)
  const shipments = births.map(({ waybillId, orderId, attempt, occurredAt }, index): NewShipment => {
    const shipmentId = ids[index] as number
    const fact = { ...draftOf({ code: 'created', occurredAt, source: ownSource, attempt }), shipmentId }
    return { shipmentId, waybillId, orderId, standing: append(nothingYet, [fact]), fact }
  })
  return insertShipments(context, shipments, ownSource)
}
