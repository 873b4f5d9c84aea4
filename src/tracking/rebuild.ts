import { isDeepStrictEqual } from 'node:util'
import type { ReadContext, WriteContext } from '#platform/database.ts'
import { foldShipments } from './fold-shipments.ts'
import { foldAgain } from './record-facts.ts'
import { lockShipments, shipmentPage } from './shipment-store.ts'

/** A page of shipments, compared with the fold of their facts. */
export interface ComparedPage {
  readonly checked: number
  /** Shipments that stand elsewhere than their facts say. */
  readonly unequal: readonly number[]
  /** Shipments whose state column is not that of their projection: changed by hand. */
  readonly otherState: readonly number[]
  /** Where the next page begins; null: this was the last one. */
  readonly next: number | null
}

/** Small enough that folding a page is no stall for whoever asks meanwhile. */
const pageSize = 250

/** Folds a page of shipments from all their facts. It must see one instant, as in a survey. */
export async function comparePage(context: ReadContext, after: number, most = pageSize): Promise<ComparedPage> {
  const page = await shipmentPage(context, after, most)
  const folded = await foldShipments(
    context,
    page.map((shipment) => shipment.shipmentId),
  )
  const unequal = page.filter(({ shipmentId, standing }) => !isDeepStrictEqual(folded.get(shipmentId), standing))
  return {
    checked: page.length,
    unequal: unequal.map(({ shipmentId }) => shipmentId),
    otherState: page.filter(({ state, standing }) => state !== standing.state).map(({ shipmentId }) => shipmentId),
    next: page.length < most ? null : (page.at(-1)?.shipmentId ?? null),
  }
}

/**
 * Makes the projections of a page anew where they differ from their facts, under their locks, and tells what that changes as any other
 * fact would. Whoever changed the state by hand finds it set back.
 */
export async function rebuildPage(
  context: WriteContext,
  after: number,
): Promise<{ checked: number; repaired: number; next: number | null }> {
  const { checked, unequal, otherState, next } = await comparePage(context, after)
  const suspects = [...new Set([...unequal, ...otherState])]
  if (suspects.length === 0) return { checked, repaired: 0, next }
  // Looked at again once nobody else can change them: what a fact has changed meanwhile is no drift.
  const { shipments } = await lockShipments(context, { shipmentIds: suspects })
  const folded = await foldShipments(context, suspects)
  const wrong = new Set<number>()
  for (const [shipmentId, { standing }] of shipments)
    if (otherState.includes(shipmentId) || !isDeepStrictEqual(folded.get(shipmentId), standing)) wrong.add(shipmentId)
  // A projection that is broken as a whole has told nothing that could be taken back.
  const readable = new Map(
    [...shipments].map(([id, each]) => [id, { ...each, standing: { ...each.standing, reached: each.standing.reached ?? {} } }]),
  )
  await foldAgain(context, readable, [], wrong)
  return { checked, repaired: wrong.size, next }
}
