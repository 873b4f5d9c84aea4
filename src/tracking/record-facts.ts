import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { type MilestoneReached, type MilestoneWithdrawn, trackingEventTypes } from './events.ts'
import { factIdOf, milestoneOf, ownSource, priorityOf, secondOf, tellsRecipients } from './fact.ts'
import { append, canAppend, fold, type Milestone, nothingYet, type Standing } from './fold.ts'
import {
  factsOf,
  insertFacts,
  insertShipments,
  lockShipments,
  type NewShipment,
  type Shipment,
  type StoredFact,
  takeShipmentIds,
  updateShipments,
} from './tracking-store.ts'

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

/** A fact from any source about a shipment that we know. */
export interface ReportedFact {
  /** One of the two says which shipment. */
  readonly shipmentId?: number
  readonly waybillId?: number
  readonly code: string
  readonly occurredAt: Date
  readonly source: string
  readonly sourceId?: string
  readonly place?: string
  readonly detail?: string
  readonly attempt?: number
  /** False when the source gave local time without a zone. */
  readonly zoneKnown?: boolean
  /** Id of a fact that this one takes back. */
  readonly voids?: string
}

export interface RecordedFact {
  readonly shipmentId: number
  readonly factId: string
  /** Where the shipment stands after the whole batch. */
  readonly state: Milestone
  /** False when the fact was known. */
  readonly added: boolean
  /** True when the code is known to us; an unknown one is kept and shown. */
  readonly codeKnown: boolean
}

const farthestAheadMs = 24 * 3600 * 1000

const factOf = (shipmentId: number, reported: ReportedFact): StoredFact => {
  const { code, source, sourceId = null, place = '', detail = null, attempt = null, zoneKnown = true, voids = null } = reported
  // Whole seconds, as the id has them: two copies of one fact must be one row, whichever comes first.
  const time = secondOf(reported.occurredAt.getTime())
  const id = factIdOf({ source, shipmentId, code, time, place, attempt, zoneKnown, voids })
  const milestone = voids === null ? milestoneOf(source, code) : null
  return { id, shipmentId, time, milestone, priority: priorityOf(source), attempt, zoneKnown, voids, code, place, source, sourceId, detail }
}

/**
 * Follows waybills. Shipments are opened first: ids, then shipment and first fact in one statement. Then the movements that say
 * something to a recipient are recorded as facts; the others (routed, released …) touch nothing.
 */
export async function recordMovements(
  context: WriteContext,
  movements: readonly Movement[],
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
      // Fulfilment has committed it. Refused because a clock is behind, it would never come again, and the two would differ for good.
      { until: new Date(8.64e15) },
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
    const fact = factOf(shipmentId, { code: 'created', occurredAt, source: ownSource, attempt })
    return { shipmentId, waybillId, orderId, standing: append(nothingYet, [fact]), fact }
  })
  return insertShipments(context, shipments, ownSource)
}

/**
 * Records facts in any order and any number of copies. Locks the shipments by id, writes what is new, folds what changed (adding
 * where that is enough, from all facts where not) and tells milestones. At most five statements for any number of facts.
 */
export async function recordFacts(
  context: WriteContext,
  reported: readonly ReportedFact[],
  { until = new Date(context.now.getTime() + farthestAheadMs) } = {},
): Promise<Outcome<RecordedFact>[]> {
  if (reported.length === 0) return []
  const shipments = await lockShipments(context, {
    shipmentIds: reported.flatMap((fact) => fact.shipmentId ?? []),
    waybillIds: reported.flatMap((fact) => (fact.shipmentId === undefined ? (fact.waybillId ?? []) : [])),
  })
  const byId = new Map(shipments.map((shipment) => [shipment.shipmentId, shipment]))
  const byWaybill = new Map(shipments.map((shipment) => [shipment.waybillId, shipment]))
  const judged = reported.map((fact): Outcome<StoredFact> => {
    const shipment = fact.shipmentId === undefined ? byWaybill.get(fact.waybillId ?? 0) : byId.get(fact.shipmentId)
    if (shipment === undefined) {
      const [field, name] =
        fact.shipmentId === undefined ? ['/waybillId', `of waybill ${fact.waybillId}`] : ['/shipmentId', `${fact.shipmentId}`]
      return refused('tracking.unknown_shipment', `there is no shipment ${name}`, field)
    }
    if (fact.occurredAt > until)
      return refused('tracking.in_the_future', `${fact.occurredAt.toISOString()} is more than a day ahead`, '/occurredAt')
    return accepted(factOf(shipment.shipmentId, fact))
  })
  const facts = new Map<string, StoredFact>()
  for (const outcome of judged) if (outcome.ok && !facts.has(outcome.value.id)) facts.set(outcome.value.id, outcome.value)
  const added = await insertFacts(context, [...facts.values()])
  const standings = await foldAgain(
    context,
    byId,
    [...facts.values()].filter((fact) => added.has(fact.id)),
  )

  const firstToTell = new Set(added)
  return judged.map((outcome): Outcome<RecordedFact> => {
    if (!outcome.ok) return outcome
    const { id, shipmentId, source, code, voids } = outcome.value
    const { state } = standings.get(shipmentId) ?? (byId.get(shipmentId) as Shipment).standing
    const codeKnown = voids !== null || milestoneOf(source, code) !== null || (source === ownSource && tellsRecipients(code))
    // Of two copies in one batch the first one added it.
    return accepted({ shipmentId, factId: id, state, added: firstToTell.delete(id), codeKnown })
  })
}

async function foldAgain(
  context: WriteContext,
  shipments: ReadonlyMap<number, Shipment>,
  added: readonly StoredFact[],
): Promise<Map<number, Standing>> {
  const fresh = new Map<number, StoredFact[]>()
  for (const fact of added) {
    const list = fresh.get(fact.shipmentId)
    if (list === undefined) fresh.set(fact.shipmentId, [fact])
    else list.push(fact)
  }
  const standings = new Map<number, Standing>()
  const refold: number[] = []
  for (const [shipmentId, facts] of fresh) {
    const { standing } = shipments.get(shipmentId) as Shipment
    if (canAppend(standing, facts)) standings.set(shipmentId, append(standing, facts))
    else refold.push(shipmentId)
  }
  for (const [shipmentId, facts] of await factsOf(context, refold)) standings.set(shipmentId, fold(facts))
  await updateShipments(
    context,
    [...standings].map(([shipmentId, standing]) => ({ shipmentId, standing })),
  )
  await context.announce([...standings].flatMap(([shipmentId, standing]) => tellings(shipments.get(shipmentId) as Shipment, standing)))
  return standings
}

/**
 * What is to be told: milestones reached that had not been, and milestones told that are so no more. `created` is not told: it
 * says nothing that fulfilment.waybills_created has not said, and would cost a row for every shipment.
 */
function tellings({ shipmentId, waybillId, orderId, standing: before }: Shipment, after: Standing): NewEvent[] {
  const describe = (key: string, time: number): MilestoneReached => {
    const [leg, attempt, milestone] = key.split('.') as [string, string, Milestone]
    return {
      shipmentId,
      waybillId,
      orderId,
      milestone,
      leg: Number(leg),
      attempt: Number(attempt),
      occurredAt: new Date(time).toISOString(),
    }
  }
  const key = String(waybillId)
  const events: NewEvent[] = []
  for (const [reached, time] of Object.entries(before.reached)) {
    if (reached in after.reached || reached.endsWith('.created')) continue
    const payload: MilestoneWithdrawn = { ...describe(reached, time), state: after.state }
    events.push({ key, type: trackingEventTypes.withdrawn, payload })
  }
  for (const [reached, time] of Object.entries(after.reached)) {
    if (reached in before.reached || reached.endsWith('.created')) continue
    events.push({ key, type: trackingEventTypes.reached, payload: describe(reached, time) })
  }
  return events
}
