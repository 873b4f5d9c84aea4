import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { type MilestoneReached, type MilestoneWithdrawn, trackingEventTypes } from './events.ts'
import { isKnownCode } from './fact.ts'
import { countUnknownCodes, type UnknownCode } from './unknown-codes.ts'
import { lockNamed } from './find-shipments.ts'
import { append, canAppend, type Milestone, type Standing } from './fold.ts'
import { foldShipments } from './fold-shipments.ts'
import { incomingFact, isBetter, type Named, namedBy, type ReportedFact, unknownShipment } from './reported-fact.ts'
import { lockShipments, type Shipment, updateShipments } from './shipment-store.ts'
import { type IncomingFact, insertFacts, keepReplaced, replaceFacts, rowKeyOf, spanOf, standpointsOf } from './tracking-store.ts'

export interface RecordedFact {
  readonly shipmentId: number
  readonly factId: string
  /** Where the shipment stands after the whole batch. */
  readonly state: Milestone
  /** False when the fact was known, or a better version of it. */
  readonly added: boolean
  /** True when the code is known to us; an unknown one is kept and shown. */
  readonly codeKnown: boolean
}

const dayMs = 24 * 3600 * 1000
const farthestAheadMs = dayMs
/** What a live feed tells of a year ago is a broken clock; histories are brought in with a limit of their own. */
const farthestBehindMs = 366 * dayMs

/**
 * Records facts in any order and any number of copies. Finds and locks the shipments, writes what is new, folds what changed (adding
 * where that is enough, from all facts where not) and tells milestones. A constant number of statements for any number of facts.
 */
export async function recordFacts(
  context: WriteContext,
  reported: readonly ReportedFact[],
  {
    until = new Date(context.now.getTime() + farthestAheadMs),
    since = new Date(context.now.getTime() - farthestBehindMs),
  }: { until?: Date; since?: Date } = {},
): Promise<Outcome<RecordedFact>[]> {
  if (reported.length === 0) return []
  const named = reported.map((fact): Outcome<Named> => judgeTime(fact, { until, since }) ?? namedBy(fact))
  const locked = await lockNamed(
    context,
    named.flatMap((each) => (each.ok ? each.value : [])),
    { open: true },
  )
  const judged = reported.map((fact, index): Outcome<IncomingFact> => {
    const name = named[index] as Outcome<Named>
    if (!name.ok) return name
    const shipment = locked.find(name.value)
    return shipment === undefined ? unknownShipment(name.value) : accepted(incomingFact(shipment.shipmentId, fact, name.value))
  })
  const { shipments, added, changed, corrected } = await writeFacts(context, locked.shipments, judged)
  const standings = await foldAgain(context, shipments, added, changed)

  const firstToTell = new Set(corrected)
  for (const fact of added) firstToTell.add(toldKey(fact))
  const unknown = new Map<string, UnknownCode>()
  const outcomes = judged.map((outcome, index): Outcome<RecordedFact> => {
    if (!outcome.ok) return outcome
    const { id, shipmentId, source, code, voids } = outcome.value
    const { state } = standings.get(shipmentId) ?? (shipments.get(shipmentId) as Shipment).standing
    const codeKnown = voids !== null || isKnownCode(source, code)
    // Of two copies in one batch the first one added it.
    const isAdded = firstToTell.delete(toldKey(outcome.value))
    if (isAdded && !codeKnown) {
      const key = JSON.stringify([source, code])
      const { times = 0, example = reported[index]?.number ?? `S${shipmentId}` } = unknown.get(key) ?? {}
      unknown.set(key, { source, code, times: times + 1, example })
    }
    return accepted({ shipmentId, factId: id, state, added: isAdded, codeKnown })
  })
  countUnknownCodes(context, [...unknown.values()])
  return outcomes
}

const toldKey = ({ shipmentId, id, version }: IncomingFact): string => `${rowKeyOf(shipmentId, id)} ${version ?? ''}`

function judgeTime({ occurredAt }: ReportedFact, { until, since }: { until: Date; since: Date }): Outcome<never> | undefined {
  if (occurredAt > until)
    return refused(
      'tracking.in_the_future',
      `${occurredAt.toISOString()} is more than a day ahead; is the clock of the source right?`,
      '/occurredAt',
    )
  if (occurredAt < since)
    return refused(
      'tracking.too_long_ago',
      `${occurredAt.toISOString()} is more than a year ago; is the clock of the source right?`,
      '/occurredAt',
    )
  return undefined
}

interface Written {
  /** The locked ones, with those that a correction took a fact from. */
  readonly shipments: ReadonlyMap<number, Shipment>
  /** New rows that did not take the place of another. */
  readonly added: readonly IncomingFact[]
  /** Shipments of which a fact was replaced, moved or taken away. */
  readonly changed: ReadonlySet<number>
  /** `toldKey` of what took the place of another. */
  readonly corrected: readonly string[]
}

async function writeFacts(
  context: WriteContext,
  locked: ReadonlyMap<number, Shipment>,
  judged: readonly Outcome<IncomingFact>[],
): Promise<Written> {
  const facts = new Map<string, IncomingFact>()
  const worse: IncomingFact[] = []
  for (const outcome of judged) {
    if (!outcome.ok) continue
    const fact = outcome.value
    // A source id is one fact wherever it is; anything else is one within its shipment.
    const key = fact.version === null ? rowKeyOf(fact.shipmentId, fact.id) : fact.id
    const other = facts.get(key)
    if (other === undefined) facts.set(key, fact)
    else if (fact.version !== null && fact.version !== other.version) {
      const better = isBetter(fact, other)
      worse.push(better ? other : fact)
      if (better) facts.set(key, fact)
    }
  }
  const rows = await insertFacts(context, [...facts.values()])
  const added: IncomingFact[] = []
  const known: IncomingFact[] = []
  for (const fact of facts.values()) {
    if (rows.has(rowKeyOf(fact.shipmentId, fact.id))) added.push(fact)
    else if (fact.version !== null) known.push(fact)
  }
  const standpoints = await standpointsOf(
    context,
    known.map((fact) => fact.id),
  )
  const replacing: IncomingFact[] = []
  const changed = new Set<number>()
  for (const fact of known) {
    const now = standpoints.get(fact.id)
    if (now === undefined || now.version === fact.version) continue
    if (!isBetter(fact, now)) {
      worse.push(fact)
      continue
    }
    replacing.push(fact)
    changed.add(now.shipmentId).add(fact.shipmentId)
  }
  // A correction that takes a fact from a shipment that is not named here locks that one late; should two wait for each other, one is run again.
  const others = await lockOthers(context, locked, changed)
  await replaceFacts(context, replacing)
  keepReplaced(context, worse)
  return { shipments: others, added, changed, corrected: replacing.map(toldKey) }
}

async function lockOthers(
  context: WriteContext,
  locked: ReadonlyMap<number, Shipment>,
  wanted: ReadonlySet<number>,
): Promise<ReadonlyMap<number, Shipment>> {
  const missing = [...wanted].filter((shipmentId) => !locked.has(shipmentId))
  if (missing.length === 0) return locked
  const others = await lockShipments(context, { shipmentIds: missing })
  return new Map([...locked, ...others.shipments])
}

/** Brings the projections of shipments to what their facts say, and tells what that changes. Shipments in `whole` are folded from all their facts. */
export async function foldAgain(
  context: WriteContext,
  shipments: ReadonlyMap<number, Shipment>,
  added: readonly IncomingFact[],
  whole: ReadonlySet<number> = new Set(),
): Promise<Map<number, Standing>> {
  const fresh = new Map<number, IncomingFact[]>()
  for (const fact of added) {
    const list = fresh.get(fact.shipmentId)
    if (list === undefined) fresh.set(fact.shipmentId, [fact])
    else list.push(fact)
  }
  const standings = new Map<number, Standing>()
  const refold = new Set(whole)
  for (const [shipmentId, facts] of fresh) {
    const { standing } = shipments.get(shipmentId) as Shipment
    if (!whole.has(shipmentId) && canAppend(standing, facts)) standings.set(shipmentId, append(standing, facts))
    else refold.add(shipmentId)
  }
  const again = [...refold]
  const standingsBefore = again.flatMap((id) => shipments.get(id)?.standing ?? [])
  // What a correction or a merge brought is not among the fresh ones, so those are looked for everywhere.
  const span =
    whole.size > 0
      ? undefined
      : spanOf(
          standingsBefore,
          again.flatMap((id) => fresh.get(id) ?? []),
        )
  for (const [shipmentId, standing] of await foldShipments(context, again, span)) standings.set(shipmentId, standing)
  updateShipments(
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
function tellings({ shipmentId, waybillId, orderId, orderRef, standing: before }: Shipment, after: Standing): NewEvent[] {
  const describe = (key: string, time: number): MilestoneReached => {
    const [leg, attempt, milestone] = key.split('.') as [string, string, Milestone]
    return {
      shipmentId,
      waybillId,
      orderId,
      orderRef,
      milestone,
      leg: Number(leg),
      attempt: Number(attempt),
      occurredAt: new Date(time).toISOString(),
    }
  }
  const key = waybillId === null ? `s${shipmentId}` : String(waybillId)
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
