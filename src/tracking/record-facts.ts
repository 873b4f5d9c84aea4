import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { type MilestoneReached, type MilestoneWithdrawn, trackingEventTypes } from './events.ts'
import { noArchive, type ReadArchive, recall, unreadableArchive } from './archive.ts'
import { isKnownCode } from './fact.ts'
import { countUnknownCodes, type UnknownCode } from './unknown-codes.ts'
import { lockNamed } from './find-shipments.ts'
import { append, canAppend, type Milestone, reachesBehind, type Standing, standsOnSealed } from './fold.ts'
import { foldShipments } from './fold-shipments.ts'
import { type Draft, draftOf, isBetter, type Named, namedBy, type ReportedFact, unknownShipment } from './reported-fact.ts'
import { lockShipments, type Shipment, updateShipments } from './shipment-store.ts'
import {
  type IncomingFact,
  insertFacts,
  keepReplaced,
  replaceFacts,
  rowKeyOf,
  spanOf,
  type Standpoint,
  standpointsOf,
} from './tracking-store.ts'

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

export interface RecordOptions {
  /** A day ahead, unless told. */
  readonly until?: Date
  /** A year behind, unless told. */
  readonly since?: Date
  /** What is about facts that are put away is refused without it. */
  readonly archive?: ReadArchive
}

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
    archive = noArchive,
  }: RecordOptions = {},
): Promise<Outcome<RecordedFact>[]> {
  if (reported.length === 0) return []
  // Hashes and names come before the locks: others wait for those.
  const named = reported.map((fact): Outcome<{ name: Named; draft: Draft }> => {
    const name = judgeTime(fact, { until, since }) ?? namedBy(fact)
    return name.ok ? accepted({ name: name.value, draft: draftOf(fact, name.value) }) : name
  })
  const locked = await lockNamed(
    context,
    named.flatMap((each) => (each.ok ? each.value.name : [])),
    { open: true },
  )
  const judged = named.map((each): Outcome<IncomingFact> => {
    if (!each.ok) return each
    const { name, draft } = each.value
    const shipment = locked.find(name)
    return shipment === undefined ? unknownShipment(name) : accepted({ ...draft, shipmentId: shipment.shipmentId })
  })
  const { shipments, added, changed, corrected, unreadable } = await writeFacts(context, { locked: locked.shipments, judged, archive })
  const standings = await foldAgain(context, shipments, added, changed)

  // Of two copies in one batch the first one added it; the others are objects of their own.
  const news = new Set([...added, ...corrected])
  const unknown = new Map<string, UnknownCode>()
  const outcomes = judged.map((outcome, index): Outcome<RecordedFact> => {
    if (!outcome.ok) return outcome
    const { id, shipmentId, source, code, voids } = outcome.value
    const out = unreadable.size === 0 ? undefined : unreadable.get(keyOf(outcome.value))
    if (out !== undefined) return out
    const { state } = standings.get(shipmentId) ?? (shipments.get(shipmentId) as Shipment).standing
    const codeKnown = voids !== null || isKnownCode(source, code)
    const isAdded = news.has(outcome.value)
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
  /** What took the place of another. */
  readonly corrected: readonly IncomingFact[]
  /** Refusals of what is about a file that can not be read, by `keyOf`. */
  readonly unreadable: ReadonlyMap<string, Outcome<never>>
}

/** A source id is one fact wherever it is; anything else is one within its shipment. */
const keyOf = ({ version, shipmentId, id }: IncomingFact): string => (version === null ? rowKeyOf(shipmentId, id) : id)

/** Whether a fact says under its source id what counts there, or less than that. */
const isNews = (fact: IncomingFact, now: Standpoint | undefined): boolean =>
  now === undefined || (now.version !== fact.version && isBetter(fact, now))

async function writeFacts(
  context: WriteContext,
  { locked, judged, archive }: { locked: ReadonlyMap<number, Shipment>; judged: readonly Outcome<IncomingFact>[]; archive: ReadArchive },
): Promise<Written> {
  const facts = new Map<string, IncomingFact>()
  const worse: IncomingFact[] = []
  for (const outcome of judged) {
    if (!outcome.ok) continue
    const fact = outcome.value
    const key = keyOf(fact)
    const other = facts.get(key)
    if (other === undefined) facts.set(key, fact)
    else if (fact.version !== null && fact.version !== other.version) {
      const better = isBetter(fact, other)
      worse.push(better ? other : fact)
      if (better) facts.set(key, fact)
    }
  }
  const opening = new Opening(context, archive)
  const behind = [...facts.values()].filter((fact) => reachesBehind((locked.get(fact.shipmentId) as Shipment).standing, fact))
  if (behind.length > 0) {
    const sourced = behind.flatMap(({ version, id }) => (version === null ? [] : id))
    const known = await standpointsOf(context, sourced)
    // What is told again needs no file.
    const news = behind.filter((fact) => isNews(fact, known.get(fact.id)))
    await opening.open(news.map((fact) => ({ fact, shipment: locked.get(fact.shipmentId) as Shipment })))
    for (const key of opening.unreadable.keys()) facts.delete(key)
  }
  const added = new Set(
    (await insertFacts(context, [...facts.values()])).map(
      ({ id, shipment_id }) => (facts.get(id) ?? facts.get(rowKeyOf(shipment_id, id))) as IncomingFact,
    ),
  )
  const known = [...facts.values()].filter((fact) => fact.version !== null && !added.has(fact))
  const standpoints = await standpointsOf(
    context,
    known.map((fact) => fact.id),
  )
  const better: { fact: IncomingFact; now: Standpoint }[] = []
  for (const fact of known) {
    const now = standpoints.get(fact.id)
    if (now === undefined || now.version === fact.version) continue
    if (isBetter(fact, now)) better.push({ fact, now })
    else worse.push(fact)
  }
  // A correction that takes a fact from a shipment that is not named here locks that one late; should two wait for each other, one is run again.
  const wanted = new Set(better.map(({ now }) => now.shipmentId))
  const shipments = await lockOthers(context, locked, wanted)
  await opening.open(
    better.flatMap(({ fact, now }) => {
      const shipment = shipments.get(now.shipmentId)
      return shipment !== undefined && standsOnSealed(shipment.standing, now) ? [{ fact, shipment }] : []
    }),
  )
  const replacing = better.filter(({ fact }) => !opening.unreadable.has(keyOf(fact)))
  await replaceFacts(
    context,
    replacing.map(({ fact }) => fact),
  )
  keepReplaced(
    context,
    worse.filter((fact) => !opening.unreadable.has(keyOf(fact))),
  )
  const changed = new Set([...opening.recalled, ...replacing.flatMap(({ fact, now }) => [now.shipmentId, fact.shipmentId])])
  return { shipments, added: [...added], changed, corrected: replacing.map(({ fact }) => fact), unreadable: opening.unreadable }
}

/** Brings back what facts are about that lies in files, each shipment once. */
class Opening {
  readonly recalled = new Set<number>()
  readonly unreadable = new Map<string, Outcome<never>>()
  readonly #context: WriteContext
  readonly #archive: ReadArchive

  constructor(context: WriteContext, archive: ReadArchive) {
    this.#context = context
    this.#archive = archive
  }

  async open(wanted: readonly { readonly fact: IncomingFact; readonly shipment: Shipment }[]): Promise<void> {
    const closed = new Map(wanted.map(({ shipment }) => [shipment.shipmentId, shipment]))
    for (const shipmentId of this.recalled) closed.delete(shipmentId)
    const missing = await recall(this.#context, [...closed.values()], this.#archive)
    for (const shipmentId of closed.keys()) if (!missing.has(shipmentId)) this.recalled.add(shipmentId)
    for (const { fact, shipment } of wanted) {
      const file = missing.get(shipment.shipmentId)
      if (file !== undefined)
        this.unreadable.set(keyOf(fact), unreadableArchive(shipment.shipmentId, file, fact.voids === null ? '/occurredAt' : '/voids'))
    }
  }
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
  for (const reached in before.reached) {
    if (reached in after.reached || reached.endsWith('.created')) continue
    const payload: MilestoneWithdrawn = { ...describe(reached, before.reached[reached] as number), state: after.state }
    events.push({ key, type: trackingEventTypes.withdrawn, payload })
  }
  for (const reached in after.reached) {
    if (reached in before.reached || reached.endsWith('.created')) continue
    events.push({ key, type: trackingEventTypes.reached, payload: describe(reached, after.reached[reached] as number) })
  }
  return events
}
