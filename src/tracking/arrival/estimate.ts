import { type ArrivalModel, keysOf, type Setting, weekdayKeyOf } from './model.ts'
import { daysAt, shareAt } from './quantiles.ts'

/** When a shipment arrives, as history has it. Instants in ms. */
export interface Arrival {
  /** As likely earlier as later. */
  readonly at: number
  /** Four of five arrive between these two. */
  readonly from: number
  readonly to: number
  /** How many cases like this one stand behind it; weighted, so it may be less than were counted. */
  readonly cases: number
  /** The cell it came from, for people who ask why. */
  readonly basis: string
}

const dayMs = 86_400_000
const windowFrom = 0.1
const windowTo = 0.9

/**
 * Tells when a shipment arrives from what is known at `now`. The time that has passed since its stage counts: those that took less are ruled out, so an
 * estimate never lies in the past and widens when a parcel is overdue. Undefined where the model has never seen such a stage.
 */
export function estimateArrival(model: ArrivalModel, setting: Setting, now: number): Arrival | undefined {
  const basis = keysOf(setting).findLast((key) => key in model.cells)
  const cell = basis === undefined ? undefined : model.cells[basis]
  if (basis === undefined || cell === undefined) return undefined
  const { quantiles, worth } = cell
  const waited = Math.max(0, (now - setting.at) / dayMs)
  const shift = model.weekdayShifts[weekdayKeyOf(setting, model.utcOffsetMinutes)] ?? 0
  const gone = shareAt(quantiles, waited - shift)
  const left = (share: number): number => setting.at + Math.max(waited, daysAt(quantiles, gone + (1 - gone) * share) + shift) * dayMs
  return { at: left(0.5), from: left(windowFrom), to: left(windowTo), cases: Math.round(worth), basis }
}
