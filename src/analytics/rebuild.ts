import type { CheckResult } from '#kernel/check.ts'
import type { Orders } from '#orders'
import type { ContextDatabase, Scope, WriteContext } from '#platform/database.ts'
import { compareProjection, dropStraysOf, type Projection, type Recorded, recordProjection, straysOf } from './projection.ts'
import type { FactDifference } from './record-orders.ts'

/** Where facts of orders come from: the face of orders, in a reading context of its own. */
export interface FactsSource {
  readonly database: ContextDatabase
  readonly orders: Pick<Orders, 'readFacts' | 'readClaimFacts' | 'idsAfter'>
}

/** Where facts come from and where they are kept. */
export interface FactsDeps {
  readonly database: ContextDatabase
  readonly source: FactsSource
}

/** Orders in one projection when all of them are walked over: memory stays the same however many there are. */
const pageSize = 2_000
const mostBreaks = 100

async function project(
  { database, orders }: FactsSource,
  { traffic, rehearsalId }: Scope,
  ids: readonly number[],
  claimed: readonly number[] = ids,
): Promise<Projection> {
  return database.read({ traffic, rehearsalId }, async (read) => ({
    // Claims first: they are written with the head of their order, so an order that they are found with must be found, too.
    claims: claimed.length === 0 ? [] : await orders.readClaimFacts(read, claimed),
    ...(await orders.readFacts(read, ids)),
  }))
}

/** Reads orders anew and writes what they say. `claimed`: those whose claims are to be read, too. */
export async function projectOrders(
  source: FactsSource,
  context: WriteContext,
  { ids, claimed }: { readonly ids: readonly number[]; readonly claimed: readonly number[] },
): Promise<Recorded> {
  return recordProjection(context, await project(source, context, ids, claimed))
}

interface Page {
  readonly facts: Projection
  readonly after: number
  readonly until: number
}

/** Walks over all orders by rising id; the last page reaches past the end, where facts without an order would lie. */
async function* allFacts(source: FactsSource, scope: Scope): AsyncGenerator<Page> {
  for (let after = 0; ; ) {
    const from = after
    const ids = await source.database.read(scope, (read) => source.orders.idsAfter(read, from, pageSize))
    const isLast = ids.length < pageSize
    const until = isLast ? Number.MAX_SAFE_INTEGER : (ids.at(-1) as number)
    yield { facts: await project(source, scope, ids), after, until }
    if (isLast) return
    after = until
  }
}

export interface Rebuilt {
  readonly orders: number
  /** Rows that were missing or other than they should be. */
  readonly written: number
  readonly dropped: number
}

/**
 * Projects all orders again and drops facts of orders that are no more. May run beside the consumers: what they wrote from a newer
 * order stays. Facts of payments are what was told and have no second source. Returns rows written and dropped.
 */
export async function rebuildFacts({ database, source }: FactsDeps, scope: Scope, progress?: (orders: number) => void): Promise<Rebuilt> {
  let [orders, written, dropped] = [0, 0, 0]
  for await (const { facts, ...stretch } of allFacts(source, scope)) {
    const rows = await database.write(scope, (write) => recordProjection(write, facts), { repeatable: true })
    orders += facts.orders.rows
    written += rows.items + rows.orders + rows.claims
    const strays = await database.read(scope, (read) => straysOf(read, facts, stretch))
    if (strays.length > 0) {
      // Facts are written after their order's commit, so an order that is only new is found now.
      const fresh = await project(source, scope, strays)
      dropped += await database.write(scope, (write) => dropStraysOf(write, strays, fresh), { repeatable: true })
    }
    progress?.(orders)
  }
  return { orders, written, dropped }
}

/** The law over both contexts: every fact is what orders say. What differs is looked at a second time, as an order may change meanwhile. */
export async function checkFacts({ database, source }: FactsDeps, scope: Scope): Promise<CheckResult> {
  const breaks: string[] = []
  const differencesOf = (facts: Projection, stretch: Omit<Page, 'facts'>): Promise<FactDifference[]> =>
    database.read(scope, (read) => compareProjection(read, facts, stretch))
  for await (const { facts, ...stretch } of allFacts(source, scope)) {
    const suspects = new Set((await differencesOf(facts, stretch)).map(({ orderId }) => orderId))
    for (const orderId of suspects) {
      const again = await differencesOf(await project(source, scope, [orderId]), { after: orderId - 1, until: orderId })
      breaks.push(...again.map(({ about }) => about))
    }
    if (breaks.length >= mostBreaks) break
  }
  return { check: 'every fact of an order is what orders say of it now', breaks: breaks.slice(0, mostBreaks) }
}
