import type { Milestone, SortKey, Standing } from './fold.ts'

/**
 * A standing as it is stored: its values without their names. Half of what is written for each batch of facts are projections, and
 * more than a third of a projection were the names of its fields.
 */
type Packed = readonly [
  state: Milestone,
  leg: number,
  attempt: number,
  flags: number,
  rank: number,
  since: number,
  exception: string | null,
  late: number,
  facts: number,
  reached: Readonly<Record<string, number>>,
  last: readonly [time: number, rank: number, priority: number, content: string] | null,
  first: number | null,
]

const returnLegFlag = 1
const attemptOverFlag = 2
const sinceZoneUnknownFlag = 4
const hasVoidsFlag = 8

export function packStanding(standing: Standing): Packed {
  const { state, leg, attempt, rank, since, exception, late, facts, reached, first, last } = standing
  const flags =
    (standing.returnLeg ? returnLegFlag : 0) |
    (standing.attemptOver ? attemptOverFlag : 0) |
    (standing.sinceZoneKnown ? 0 : sinceZoneUnknownFlag) |
    (standing.hasVoids ? hasVoidsFlag : 0)
  const packedLast = last === null ? null : ([last.time, last.rank, last.priority, last.content] as const)
  return [state, leg, attempt, flags, rank, since, exception, late, facts, reached, packedLast, first]
}

/** Projections of before the packing are objects; they are rewritten at their shipment's next fact, or by a rebuild. */
export function unpackStanding(stored: Packed | Standing): Standing {
  if (!Array.isArray(stored)) return stored as Standing
  const [state, leg, attempt, flags, rank, since, exception, late, facts, reached, last, first] = stored as Packed
  return {
    state,
    leg,
    returnLeg: (flags & returnLegFlag) !== 0,
    attempt,
    attemptOver: (flags & attemptOverFlag) !== 0,
    rank,
    since,
    sinceZoneKnown: (flags & sinceZoneUnknownFlag) === 0,
    exception,
    late,
    reached,
    first,
    last: last === null ? null : keyOf(last),
    hasVoids: (flags & hasVoidsFlag) !== 0,
    facts,
  }
}

const keyOf = ([time, rank, priority, content]: NonNullable<Packed[10]>): SortKey => ({ time, rank, priority, content })

export type StoredProjection = Packed | Standing
