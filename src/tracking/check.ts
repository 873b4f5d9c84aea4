import { isDeepStrictEqual } from 'node:util'
import type { ReadContext } from '#platform/database.ts'
import { fold } from './fold.ts'
import { shipmentPage } from './shipment-store.ts'
import { factsOf } from './tracking-store.ts'

/** One law of the context and how many rows break it. */
export interface LawReport {
  readonly law: string
  readonly broken: number
  /** Up to ten ids of rows that break it. */
  readonly examples: readonly number[]
}

const pageSize = 1000

/** Folds every shipment again from its facts and compares; for `check` commands and tests, not for the hot path. */
export async function checkTracking(context: ReadContext): Promise<LawReport[]> {
  const unequal: number[] = []
  const otherState: number[] = []
  let after = 0
  for (;;) {
    const page = await shipmentPage(context, after, pageSize)
    const facts = await factsOf(
      context,
      page.map((shipment) => shipment.shipmentId),
    )
    for (const { shipmentId, standing, state } of page) {
      if (!isDeepStrictEqual(fold(facts.get(shipmentId) ?? []), standing)) unequal.push(shipmentId)
      if (state !== standing.state) otherState.push(shipmentId)
    }
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) break
    after = last.shipmentId
  }
  const report = (law: string, ids: readonly number[]): LawReport => ({ law, broken: ids.length, examples: ids.slice(0, 10) })
  return [
    report('the projection of a shipment is the fold of its facts', unequal),
    report('the state of a shipment is that of its projection', otherState),
  ]
}
