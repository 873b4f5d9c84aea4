import type { ClaimFact, OrderFacts } from '#orders'
import type { ReadContext, WriteContext } from '#platform/database.ts'
import { compareClaims, dropStrayClaims, findStrayClaims, recordClaims } from './record-claims.ts'
import { compareOrders, dropStrays, type FactDifference, findStrays, recordOrders, type Stretch } from './record-orders.ts'

/** What orders say of some orders at one time. */
export interface Projection extends OrderFacts {
  readonly claims: readonly ClaimFact[]
}

/** Rows written, by table. */
export interface Recorded {
  readonly items: number
  readonly orders: number
  readonly claims: number
}

/** Writes a projection. Rows that say it already, and rows of a newer one, stay as they are. */
export async function recordProjection(context: WriteContext, projection: Projection): Promise<Recorded> {
  const written = await recordOrders(context, projection)
  return { ...written, claims: await recordClaims(context, projection.claims) }
}

/** Where facts of a stretch of orders are not a projection of all of them; at most a hundred of each table. */
export async function compareProjection(context: ReadContext, projection: Projection, stretch: Stretch): Promise<FactDifference[]> {
  return [...(await compareOrders(context, projection, stretch)), ...(await compareClaims(context, projection.claims, stretch))]
}

/**
 * Orders of a stretch that have facts which the projection has not. One may have been placed since the projection was made: only a
 * fresh one tells whether they are to be dropped.
 */
export async function straysOf(context: ReadContext, projection: Projection, stretch: Stretch): Promise<number[]> {
  const found = [...(await findStrays(context, projection, stretch)), ...(await findStrayClaims(context, projection.claims, stretch))]
  return [...new Set(found)]
}

/** Deletes facts of these orders that a projection of all of them has not. Returns how many. */
export async function dropStraysOf(context: WriteContext, orderIds: readonly number[], projection: Projection): Promise<number> {
  const dropped = await dropStrays(context, orderIds, projection)
  return dropped + (await dropStrayClaims(context, orderIds, projection.claims))
}
