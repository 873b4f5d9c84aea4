/**
 * Where a shipment stands, as a pure function of the *set* of its facts: the same for every order of arrival and any number
 * of repetitions. Voided facts are dropped, the rest are sorted by what they say and never by when they came, and scanned once.
 */

export const milestones = [
  'created',
  'accepted',
  'in_transit',
  'at_hub',
  'out_for_delivery',
  'attempted',
  'delivered',
  'exception',
  'returning',
  'returned',
  'cancelled',
] as const
export type Milestone = (typeof milestones)[number]

export interface Fact {
  /** Unique within the shipment (fact.ts). */
  readonly id: string
  /** Hash of what it says; the id of a fact whose source has none for it. Two facts that say the same count once. */
  readonly content: string
  /** Time of occurrence, ms, whole seconds. */
  readonly time: number
  /** Null: kept and shown, says nothing about where the shipment stands. */
  readonly milestone: Milestone | null
  /** Lower counts first among facts of the same second and rank. */
  readonly priority: number
  /** Attempt that the fact names itself; our own fleet knows it. */
  readonly attempt: number | null
  /** False when the source gave a local time without its zone. */
  readonly zoneKnown: boolean
  /** Id of the fact that this one takes back. A void cannot itself be voided. */
  readonly voids: string | null
  /** The source's word for it; the reason of an exception. */
  readonly code: string
}

/**
 * Rank within an attempt. in_transit and at_hub share one, since parcels go between hubs. `exception` has the rank at which it
 * is sorted only: it stands beside the climb and does not raise it.
 */
const rankOf: Readonly<Record<Milestone, number>> = {
  created: 0,
  accepted: 10,
  in_transit: 20,
  at_hub: 20,
  out_for_delivery: 30,
  attempted: 40,
  exception: 45,
  delivered: 50,
  returning: 60,
  returned: 70,
  cancelled: 80,
}

const hourMs = 3600 * 1000
/** A lower rank counts only when it lies further after the higher than clocks of scanners differ. */
export const skewWindowMs = 2 * hourMs
/** Half of the inhabited time zones lie within this of each other: the window when a source gives no zone. */
export const skewWindowUnknownZoneMs = 12 * hourMs

/** Place in the one order of all facts of a shipment. */
export interface SortKey {
  readonly time: number
  readonly rank: number
  readonly priority: number
  readonly content: string
}

/** The projection: all that is needed to add a later fact without reading the earlier ones. Plain JSON. */
export interface Standing {
  readonly state: Milestone
  /** 1 on the way out; a return opens the next. */
  readonly leg: number
  readonly returnLeg: boolean
  readonly attempt: number
  /** True after a failed attempt: the next fact that counts belongs to the next attempt. */
  readonly attemptOver: boolean
  readonly rank: number
  /** When that rank was reached, ms, and whether in a known zone. */
  readonly since: number
  readonly sinceZoneKnown: boolean
  /** Reason of the exception that the shipment is in, null when in none. */
  readonly exception: string | null
  /** Facts kept but not counted, because they came out of order or after the end. */
  readonly late: number
  /** Every milestone reached, `leg.attempt.milestone` → time in ms. Each is told once. */
  readonly reached: Readonly<Record<string, number>>
  /** Time of the first fact in order: none lies before it. */
  readonly first: number | null
  /** The last fact in order; one that sorts after it can simply be added. */
  readonly last: SortKey | null
  /** True when a fact takes another back: it may have come before the one it names, so nothing can simply be added any more. */
  readonly hasVoids: boolean
  readonly facts: number
  /** Facts before this are put away into files and counted in already, ms. What reaches behind it needs them back (archive.ts). */
  readonly sealedUntil: number | null
}

export const nothingYet: Standing = {
  state: 'created',
  leg: 1,
  returnLeg: false,
  attempt: 1,
  attemptOver: false,
  rank: -1,
  since: 0,
  sinceZoneKnown: true,
  exception: null,
  late: 0,
  reached: {},
  first: null,
  last: null,
  hasVoids: false,
  facts: 0,
  sealedUntil: null,
}

const rankOfFact = ({ milestone }: Fact): number => (milestone === null ? -1 : rankOf[milestone])

export function sortKeyOf(fact: Fact): SortKey {
  return { time: fact.time, rank: rankOfFact(fact), priority: fact.priority, content: fact.content }
}

/** By time, then rank, then source, then what is said; never by receipt, and never "about the same time", which is not transitive. */
export function compareKeys(a: SortKey, b: SortKey): number {
  return a.time - b.time || a.rank - b.rank || a.priority - b.priority || compareTexts(a.content, b.content)
}

/** The same order, of facts; what they say, which may have to be hashed first, is looked at where nothing else tells them apart. */
export function compareFacts(a: Fact, b: Fact): number {
  return a.time - b.time || rankOfFact(a) - rankOfFact(b) || a.priority - b.priority || compareTexts(a.content, b.content)
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** What a shipment's later facts are folded onto: where it stood by those that are put away, and which facts those took back. */
export interface Base {
  readonly standing: Standing
  readonly voided: readonly string[]
}
export const unsealed: Base = { standing: nothingYet, voided: [] }

/** Where a shipment stands by its facts before an instant; with it as the base, the facts from then on lead to where all of them lead. */
export function seal(facts: readonly Fact[], until: number, before: Base = unsealed): Base {
  const early = facts.filter((fact) => fact.time < until)
  // A void that lies later takes its effect along: the fact that it names is about to be out of reach.
  const named = facts.flatMap((fact) => fact.voids ?? [])
  const standing = fold(early, { standing: before.standing, voided: [...before.voided, ...named] })
  return {
    standing: { ...standing, sealedUntil: until },
    voided: [...new Set([...before.voided, ...early.flatMap((fact) => fact.voids ?? [])])],
  }
}

/** Folds a set of facts. Repetitions of one id count once, and so does what two of them say. */
export function fold(facts: readonly Fact[], { standing: base, voided: voidedBefore }: Base = unsealed): Standing {
  const since = base.sealedUntil ?? Number.NEGATIVE_INFINITY
  const unique = new Map(facts.filter((fact) => fact.time >= since).map((fact) => [fact.id, fact]))
  const voided = new Set([...voidedBefore, ...[...unique.values()].flatMap((fact) => (fact.voids === null ? [] : [fact.voids]))])
  let standing = base
  let said = ''
  for (const fact of [...unique.values()].toSorted(compareFacts)) {
    const dropped = fact.voids === null && voided.has(fact.id)
    // The same content sorts next to itself.
    standing = dropped || fact.content === said ? counted(standing, fact) : add(standing, fact)
    if (!dropped) said = fact.content
  }
  return standing
}

/** Whether a fact that is new to a shipment is about what is put away: of that time, or a void, which may name one of those. */
export const reachesBehind = ({ sealedUntil }: Standing, { time, voids }: Pick<Fact, 'time' | 'voids'>): boolean =>
  sealedUntil !== null && (time < sealedUntil || voids !== null)

/** Whether taking a fact away touches what is put away: it is of that time, or may be a void that took one of those back. */
export const standsOnSealed = ({ sealedUntil, hasVoids }: Standing, { time }: Pick<Fact, 'time'>): boolean =>
  sealedUntil !== null && (time < sealedUntil || hasVoids)

/** Whether facts that are new to the shipment can be added one by one: they sort after all others, and nothing is taken back. */
export function canAppend(standing: Standing, facts: readonly Fact[]): boolean {
  const { last, hasVoids, sealedUntil } = standing
  const since = sealedUntil ?? Number.NEGATIVE_INFINITY
  return (
    !hasVoids &&
    facts.every((fact) => fact.voids === null && fact.time >= since && (last === null || compareKeys(last, sortKeyOf(fact)) < 0))
  )
}

/** Adds facts that `canAppend` allowed. O(1) a fact. */
export function append(standing: Standing, facts: readonly Fact[]): Standing {
  const ordered = facts.length < 2 ? facts : facts.toSorted(compareFacts)
  let next = standing
  for (const fact of ordered) next = fact.content === next.last?.content ? counted(next, fact) : add(next, fact)
  return next
}

const counted = (standing: Standing, fact: Fact): Standing => ({
  ...standing,
  first: standing.first ?? fact.time,
  last: sortKeyOf(fact),
  hasVoids: standing.hasVoids || fact.voids !== null,
  facts: standing.facts + 1,
})
const keptLate = (standing: Standing, fact: Fact): Standing => ({ ...counted(standing, fact), late: standing.late + 1 })

/** One step of the scan. */
function add(standing: Standing, fact: Fact): Standing {
  const { milestone } = fact
  if (fact.voids !== null || milestone === null) return counted(standing, fact)
  if (milestone === 'returning' || milestone === 'returned') return addReturn(standing, fact, milestone)
  // Whole on the way back, only a new way out says more.
  if (standing.returnLeg) return addOnReturnLeg(standing, fact, milestone)
  if (standing.state === 'delivered' || standing.state === 'cancelled') return keptLate(standing, fact)
  if (milestone === 'exception') return reach(standing, fact, { state: 'exception', exception: fact.code })
  return climb(standing, fact, milestone)
}

function addReturn(standing: Standing, fact: Fact, milestone: 'returning' | 'returned'): Standing {
  if (standing.returnLeg) {
    const over = standing.rank === rankOf.returned
    if (milestone === 'returned')
      return over ? keptLate(standing, fact) : reach(standing, fact, { state: 'returned', rank: rankOf.returned })
    // A second "returning" is the same return, unless the first one has ended long ago.
    if (!over) return standing.exception === null ? keptLate(standing, fact) : reach(standing, fact, { state: 'returning' })
    if (!isLongAfter(standing, fact)) return keptLate(standing, fact)
  }
  const opened = { leg: standing.leg + 1, returnLeg: true, attempt: 1, attemptOver: false }
  return reach(standing, fact, { ...opened, state: milestone, rank: rankOf[milestone] })
}

function addOnReturnLeg(standing: Standing, fact: Fact, milestone: Milestone): Standing {
  if (standing.rank === rankOf.returned) return keptLate(standing, fact)
  if (milestone === 'exception') return reach(standing, fact, { state: 'exception', exception: fact.code })
  const wayOut = milestone === 'out_for_delivery' || milestone === 'attempted' || milestone === 'delivered'
  // Scans at hubs belong to the way back; a new way out is believed only long after the turn.
  if (!wayOut || !isLongAfter(standing, fact)) return keptLate(standing, fact)
  return climb({ ...standing, leg: standing.leg + 1, returnLeg: false, attempt: 1, attemptOver: false, rank: -1 }, fact, milestone)
}

function climb(standing: Standing, fact: Fact, milestone: Milestone): Standing {
  const rank = rankOf[milestone]
  if (fact.attempt !== null && fact.attempt < standing.attempt) return keptLate(standing, fact)
  // A fact that names a later attempt opens it, however soon after the last one.
  if (fact.attempt !== null && fact.attempt > standing.attempt)
    return reach(standing, fact, { state: milestone, rank, attempt: fact.attempt, attemptOver: milestone === 'attempted' })
  const higher = rank > standing.rank || (rank === standing.rank && !standing.attemptOver)
  if (!higher && !isLongAfter(standing, fact)) return keptLate(standing, fact)
  const named = fact.attempt === standing.attempt
  const attempt = standing.attemptOver && milestone !== 'cancelled' && !named ? standing.attempt + 1 : standing.attempt
  return reach(standing, fact, { state: milestone, rank, attempt, attemptOver: milestone === 'attempted' })
}

function isLongAfter(standing: Standing, fact: Fact): boolean {
  const window = standing.sinceZoneKnown && fact.zoneKnown ? skewWindowMs : skewWindowUnknownZoneMs
  return fact.time - standing.since > window
}

function reach(standing: Standing, fact: Fact, change: Partial<Standing>): Standing {
  const next = { ...standing, exception: null, ...change }
  const raised = change.rank !== undefined
  const key = `${next.leg}.${next.attempt}.${next.state}`
  return {
    ...next,
    since: raised ? fact.time : standing.since,
    sinceZoneKnown: raised ? fact.zoneKnown : standing.sinceZoneKnown,
    reached: key in standing.reached ? standing.reached : { ...standing.reached, [key]: fact.time },
    first: standing.first ?? fact.time,
    last: sortKeyOf(fact),
    facts: standing.facts + 1,
  }
}
