import { hash } from 'node:crypto'
import { carrierMeaningOf } from './carriers/index.ts'
import type { Milestone } from './fold.ts'

/** What the codes of a source mean. Unknown codes get no milestone; they are kept and shown. */
type CodeTable = Readonly<Record<string, Milestone | null>>

/** Codes that any source may use: the names of the milestones, and a few plain words for them. */
const standardCodes: CodeTable = {
  created: 'created',
  accepted: 'accepted',
  picked_up: 'accepted',
  in_transit: 'in_transit',
  departed_hub: 'in_transit',
  at_hub: 'at_hub',
  arrived_at_hub: 'at_hub',
  out_for_delivery: 'out_for_delivery',
  attempted: 'attempted',
  attempt_failed: 'attempted',
  delivered: 'delivered',
  exception: 'exception',
  lost: 'exception',
  damaged: 'exception',
  returning: 'returning',
  returned: 'returned',
  cancelled: 'cancelled',
  void: null,
}

/** States of waybills that a recipient has something from. Those not named (routed, released …) are our own business. */
export const ownSource = 'fulfilment'
const ownCodes: CodeTable = {
  created: 'created',
  acknowledged: 'accepted',
  picked: null,
  packed: null,
  staged: null,
  loaded: 'in_transit',
  out_for_delivery: 'out_for_delivery',
  arrived: null,
  delivered: 'delivered',
  partially_delivered: 'delivered',
  attempt_failed: 'attempted',
  rescheduled: null,
  returning: 'returning',
  returned_to_depot: 'returned',
  cancelled: 'cancelled',
  lost: 'exception',
  damaged: 'exception',
}

export const tellsRecipients = (waybillState: string): boolean => Object.hasOwn(ownCodes, waybillState)

export function milestoneOf(source: string, code: string): Milestone | null {
  const meaning = carrierMeaningOf(source, code)
  if (meaning !== undefined) return meaning.milestone
  const table = source === ownSource ? ownCodes : standardCodes
  return Object.hasOwn(table, code) ? (table[code] ?? null) : null
}

/** Whether a code is in a table, even where it moves nothing. */
export const isKnownCode = (source: string, code: string): boolean =>
  carrierMeaningOf(source, code) !== undefined || milestoneOf(source, code) !== null || (source === ownSource && tellsRecipients(code))

/** Among facts of one second and rank: our own fleet first. */
export function priorityOf(source: string): number {
  return source === ownSource ? 0 : 10
}

export const secondOf = (time: number): number => Math.floor(time / 1000) * 1000

export interface FactContent {
  readonly source: string
  readonly code: string
  readonly time: number
  readonly place: string
  readonly attempt: number | null
  readonly zoneKnown: boolean
  readonly voids: string | null
}

/**
 * What a fact says, to the second, as a hash: a feed that repeats itself, or two feeds that carry the same fact, say one. All that
 * the fold reads is in it: were the attempt left out, two facts that differ in it would be one, and which of them is kept would
 * depend on which came first. Which shipment it is about is left out: ids of shipments are given in the order in which their numbers
 * are first heard of, and the last tie of the sort order must not depend on that. JSON keeps the parts apart: place "a" with code "bc"
 * must not be place "ab" with code "c".
 */
export function contentOf({ source, code, time, place, attempt, zoneKnown, voids }: FactContent): string {
  return hashed(JSON.stringify([source, code, Math.floor(time / 1000), place, attempt, zoneKnown, voids]))
}

/** Id of a fact whose source has an id for it: one row, whatever is said under it, now or later. */
export function sourceFactIdOf(source: string, sourceId: string): string {
  return hashed(JSON.stringify([source, sourceId]))
}

/** Tells versions of one source id apart. The name of the shipment is in it, since a source may have meant another one. */
export function versionOf(content: string, name: string, detail: string | null): string {
  return hashed(JSON.stringify([content, name, detail]))
}

/** 128 bits in the shape of a UUID, the narrowest column that PostgreSQL has for them. */
function hashed(text: string): string {
  const digest = hash('sha256', text, 'hex')
  // Joined, since that makes one flat text: parts put together by a template hold on to all their parts while the fact is on its way.
  return [digest.slice(0, 8), digest.slice(8, 12), digest.slice(12, 16), digest.slice(16, 20), digest.slice(20, 32)].join('-')
}
