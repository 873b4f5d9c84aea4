import { drawOf } from '#partners/sandbox-pg/draws.ts'

/** What happens to a parcel, in words that no carrier uses; each dialect has its own for them. */
export const happenings = [
  'announced',
  'picked_up',
  'at_hub',
  'left_hub',
  'out',
  'nobody_in',
  'handed_over',
  'sent_back',
  'back',
  'damaged',
  'curiosity',
] as const
export type Happening = (typeof happenings)[number]

/** An event as the carrier knows it. */
export interface CarrierFact {
  readonly number: string
  readonly happening: Happening
  /** UTC, ms. */
  readonly at: number
  readonly town: string
}

const journeys: readonly (readonly Happening[])[] = [
  ['announced', 'picked_up', 'at_hub', 'left_hub', 'at_hub', 'out', 'handed_over'],
  ['announced', 'picked_up', 'at_hub', 'curiosity', 'left_hub', 'out', 'nobody_in', 'out', 'handed_over'],
  ['announced', 'picked_up', 'at_hub', 'left_hub'],
  ['picked_up', 'at_hub', 'damaged', 'left_hub', 'out', 'handed_over'],
  ['announced', 'picked_up', 'left_hub', 'out', 'nobody_in', 'sent_back', 'back'],
  ['announced'],
]
const towns = ['Lisboa', 'Porto', 'Recife', 'Köln', 'Memphis', 'Leipzig'] as const

/** More than the 12 h that a time of unknown zone may be off, so that what happened in order is told in order. */
const apartMs = 13 * 3_600_000

/** The whole journey of a parcel, by seed and number. It ends before `now`. */
export function journeyOf(seed: number, number: string, now: number): CarrierFact[] {
  const journey = journeys[Math.floor(drawOf(seed, `journey ${number}`) * journeys.length)] ?? ['announced']
  const first = now - (journey.length + 1) * apartMs - Math.floor(drawOf(seed, `start ${number}`) * apartMs)
  return journey.map((happening, step) => ({
    number,
    happening,
    // Whole seconds: no carrier tells more.
    at: Math.floor((first + step * apartMs) / 1000) * 1000,
    town: towns[Math.floor(drawOf(seed, `town ${number} ${step}`) * towns.length)] ?? 'Lisboa',
  }))
}
