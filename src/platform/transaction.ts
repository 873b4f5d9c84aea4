import type pg from 'pg'
import { type ContextName, type Statement, uncached, type WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { appendOf } from '#platform/outbox.ts'
import { ask, type PreparedStatement } from '#platform/prepared-query.ts'
import type { Traffic } from '#platform/request-context.ts'
import { parametersOf } from '#platform/sql-arrays.ts'

/**
 * One connection during one transaction. Statements sent in the same turn of the event loop leave in one write and are not
 * waited for one by one (pg's pipeline mode): on the machines we measured, a round trip costs more than most statements.
 */
export class Session {
  readonly #client: pg.PoolClient
  readonly #observe: (name: string, seconds: number) => void
  #corked = false
  /** The failure that came first; statements behind it only say that the transaction is aborted. */
  firstFailure: unknown

  constructor(client: pg.PoolClient, observe: (name: string, seconds: number) => void) {
    this.#client = client
    this.#observe = observe
  }

  async send<Row extends pg.QueryResultRow>(query: string | PreparedStatement): Promise<pg.QueryResult<Row>> {
    this.#cork()
    const started = performance.now()
    try {
      const result = await ask<Row>(this.#client, query)
      if (typeof query !== 'string') this.#observe(query.name, (performance.now() - started) / 1000)
      return result
    } catch (error) {
      this.firstFailure ??= error
      throw error
    }
  }

  /** Ends the transaction without effect. The error, where even that fails, says that the connection is of no more use. */
  async rollBack(): Promise<Error | undefined> {
    try {
      await this.#client.query('ROLLBACK')
      return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  #cork(): void {
    if (this.#corked) return
    // Not in pg's types, but its documented way to the socket (`client.connection.stream`).
    const { stream } = (this.#client as unknown as { connection: { stream: { cork(): void; uncork(): void } } }).connection
    this.#corked = true
    stream.cork()
    // After the microtasks of this turn, so that a statement sent by a resumed `await` still joins.
    setImmediate(() => {
      this.#corked = false
      stream.uncork()
    })
  }
}

interface Finished<T> {
  readonly value: T
  readonly whenCommitted: readonly (() => void)[]
  /** For the cache. */
  readonly written: readonly Parameters<WriteContext['writeThrough']>[]
  readonly announcedAny: boolean
}

/** BEGIN leaves with the first statement, COMMIT with the deferred ones and the events: two round trips where there were six. */
export async function runTransaction<T>(
  session: Session,
  at: { readonly traffic: Traffic; readonly context: ContextName; readonly rehearsalId: string | null },
  now: Date,
  work: (context: WriteContext) => Promise<T>,
): Promise<Finished<T>> {
  const whenCommitted: (() => void)[] = []
  const written: Parameters<WriteContext['writeThrough']>[] = []
  const deferred: [Statement<unknown>, readonly unknown[]][] = []
  const events: NewEvent[] = []
  let announcedAny = false
  const sent: Promise<unknown>[] = [session.send('BEGIN')]
  // It is looked at after the work; a connection that breaks now would end the process by a rejection that nobody handles yet.
  for (const begun of sent) begun.catch(() => undefined)
  const value = await work({
    traffic: at.traffic,
    rehearsalId: at.rehearsalId,
    now,
    async query<Row>({ name, text }: Statement<Row>, parameters: readonly unknown[] = []): Promise<Row[]> {
      const result = await session.send({ name, text, values: parametersOf(parameters) })
      return result.rows as Row[]
    },
    cached: uncached,
    writeThrough: (what, entries) => void written.push([what, entries]),
    async announce(more) {
      events.push(...more)
    },
    defer: (statement, parameters) => void deferred.push([statement, parameters]),
    deferEvents(statement, parameters) {
      announcedAny = true
      deferred.push([statement, parameters])
    },
    afterCommit: (then) => void whenCommitted.push(then),
  }).catch(async (error: unknown) => {
    await Promise.allSettled(sent)
    throw error
  })
  if (events.length > 0) deferred.push(appendOf(at.context, events, { rehearsalId: at.rehearsalId, now }))
  for (const [{ name, text }, values] of deferred) sent.push(session.send({ name, text, values: parametersOf(values) }))
  const committed = session.send('COMMIT')
  const ends = await Promise.allSettled([...sent, committed])
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  // A commit after a failed statement answers ROLLBACK; that failure was thrown above, so this is a second net.
  if ((await committed).command !== 'COMMIT') throw new Error('the transaction was rolled back instead of committed')
  return { value, whenCommitted, written, announcedAny: announcedAny || events.length > 0 }
}
