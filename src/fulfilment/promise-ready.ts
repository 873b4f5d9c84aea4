import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { changeWaybills, type Decide, type MovedWaybill } from './change-waybills.ts'

/** Who prepares a waybill says when its goods will be ready for the truck; null: no later than was thought at first. */
export interface PromiseReady {
  readonly waybillId: number
  readonly readyAt: Date | null
  /** Request for a route that it was said about; absent: the one that stands. */
  readonly ask?: number
  readonly actor: string
  readonly commandId: string
}

const farthestAheadMs = 30 * 24 * 3600 * 1000
export const isTooFar = (at: Date, now: Date): boolean => at.getTime() > now.getTime() + farthestAheadMs
export const tooFar = (at: Date): Outcome<never> =>
  refused('fulfilment.in_the_future', `${at.toISOString()} is more than 30 days ahead`, '/readyAt')
const unpacked: ReadonlySet<string> = new Set(['released', 'acknowledged', 'picked'])

/** The last word holds. What was said of an earlier request, or comes when the goods are packed or nobody prepares them any more, has no effect. */
const decideReady: Decide<PromiseReady> = (waybill, { readyAt, ask = waybill.ask }, now) => {
  if (readyAt !== null && isTooFar(readyAt, now)) return tooFar(readyAt)
  const over = waybill.purpose === 'return' || !unpacked.has(waybill.state) || ask !== waybill.ask
  if (over || waybill.readyAt?.getTime() === readyAt?.getTime()) return accepted(null)
  return accepted({ steps: [], reason: null, after: { ...waybill, readyAt, version: waybill.version + 1 } })
}

/** Notes and tells when goods will be ready, for 1 to 1,000 waybills. Errors: unknown_waybill, in_the_future. */
export const promiseReady = (context: WriteContext, commands: readonly PromiseReady[]): Promise<Outcome<MovedWaybill>[]> =>
  changeWaybills(context, commands, { decide: decideReady, cause: 'waybills.ready' })
