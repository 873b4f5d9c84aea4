import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { invariant } from '#kernel/outcome.ts'
import type { Clock } from '#kernel/time.ts'
import type { Cache, Versioned } from '#platform/cache.ts'
import type { NewEvent } from '#platform/events.ts'
import { ask } from '#platform/prepared-query.ts'
import { currentContext, type Traffic } from '#platform/request-context.ts'
import { retryRuleOf } from '#platform/sql-retry.ts'
import { parametersOf, parseInstant } from '#platform/sql-arrays.ts'
import { runTransaction, Session } from '#platform/transaction.ts'

/** Contexts that own a PostgreSQL schema and a role of the same name. */
export const contextNames = [
  'platform',
  'orders',
  'payments',
  'ledger',
  'fulfilment',
  'routing',
  'tracking',
  'messaging',
  'analytics',
  'containers',
  'merchants',
  'warehousing',
] as const
export type ContextName = (typeof contextNames)[number]

/**
 * A SQL statement with the shape of its rows. It is named, so that PostgreSQL parses and plans it once a connection:
 * planning a ten-part CTE costs more than running it for a small batch.
 */
export interface Statement<Row> {
  readonly name: string
  readonly text: string
  readonly row?: Row
}

export function statement<Row = Record<string, never>>(name: string, text: string): Statement<Row> {
  return { name, text }
}

/** What a read may use. All of it belongs to one context and one traffic. */
export interface ReadContext {
  readonly traffic: Traffic
  readonly rehearsalId: string | null
  /** The instant of this batch, from the injected clock. */
  readonly now: Date
  query<Row>(statement: Statement<Row>, parameters?: readonly unknown[]): Promise<Row[]>
  /**
   * Values that may be some minutes old where several processes write, by key; what is not kept is loaded. For looks, never for decisions: inside of a
   * transaction and in checks it always loads.
   */
  cached<T>(
    what: string,
    keys: readonly string[],
    load: (missing: readonly string[]) => Promise<ReadonlyMap<string, Versioned<T>>>,
  ): Promise<Map<string, T>>
}

/** What a write may use: one transaction on the tables of one context. */
export interface WriteContext extends ReadContext {
  /** Appends events to this context's outbox at the end of this transaction, all with one statement. */
  announce(events: readonly NewEvent[]): Promise<void>
  /** Sends a statement together with the commit, when nothing waits for its rows: it costs no round trip. Its failure rolls back. */
  defer(statement: Statement<unknown>, parameters: readonly unknown[]): void
  /** The same for a statement that itself writes to the outbox, so that the relay is told after the commit. */
  deferEvents(statement: Statement<unknown>, parameters: readonly unknown[]): void
  /** Tells the cache what was written, once it is committed. */
  writeThrough(what: string, entries: readonly (readonly [key: string, entry: Versioned])[]): void
  /** Runs after a successful commit only; for hand-offs that a sweep would also find. Must not throw. */
  afterCommit(work: () => void): void
}

export interface Scope {
  readonly traffic: Traffic
  readonly rehearsalId: string | null
}

/** The tables of one context, live and shadow, each reached by its own role. */
export interface ContextDatabase {
  readonly context: ContextName
  read<T>(scope: Scope, work: (context: ReadContext) => Promise<T>): Promise<T>
  /** Reads whole tables, for checks: one snapshot for all of `work`, plans made for it, ten minutes a statement. */
  survey<T>(scope: Scope, work: (context: ReadContext) => Promise<T>): Promise<T>
  /**
   * Runs `work` in one transaction; retried by the table in sql-retry.ts. `repeatable` says that `work` may be run again
   * even when the first run may have been committed (idempotency keys or a cursor protect it).
   */
  write<T>(scope: Scope, work: (context: WriteContext) => Promise<T>, options?: { repeatable?: boolean }): Promise<T>
}

export interface Databases {
  of(context: ContextName): ContextDatabase
  /** Pool sizes and waiting callers, for metrics. */
  usage(): { context: ContextName; traffic: Traffic; total: number; idle: number; waiting: number }[]
  close(): Promise<void>
}

export interface DatabasesOptions {
  /** Connection settings of the role that owns this context's tables in this traffic's database. */
  readonly login: (traffic: Traffic, context: ContextName) => pg.ClientConfig
  readonly clock: Clock
  readonly maxConnections: number
  readonly statementTimeoutMs: number
  /** None: everything is asked of the database. */
  readonly cache?: Cache
  /** Told after each commit that announced something, so that relays need not wait for their next poll. */
  readonly announced?: (context: ContextName, traffic: Traffic) => void
  readonly observe?: (context: ContextName, traffic: Traffic, statementName: string, seconds: number) => void
  readonly log?: (problem: { context: ContextName; traffic: Traffic; error: unknown }) => void
}

const attemptsMost = 6

/** Where the truth of this moment is wanted, the cache is passed by. */
export const uncached: ReadContext['cached'] = async (_what, keys, load) =>
  new Map([...(await load([...new Set(keys)]))].map(([key, { value }]) => [key, value]))

// The settings of a pool are for statements that touch few rows by index; over whole tables they would choose the worst plans.
const surveyBegin = [
  'begin isolation level repeatable read read only',
  'set local enable_seqscan = on',
  'set local plan_cache_mode = force_custom_plan',
  `set local statement_timeout = '10min'`,
  `set local work_mem = '64MB'`,
  'set local jit = off',
].join('; ')

// Ids and amounts stay below 2^53 by construction, so bigint columns may be plain numbers; a larger one is a bug, not a rounding.
const parseInt8 = (text: string): number => {
  const value = Number(text)
  invariant(Number.isSafeInteger(value), `bigint ${text} does not fit a number`)
  return value
}
const parsers: Readonly<Record<number, (text: string) => unknown>> = { 20: parseInt8, 1184: parseInstant }
const types: pg.CustomTypesConfig = { getTypeParser: (oid) => parsers[oid as number] ?? pg.types.getTypeParser(oid) }

export function openDatabases(options: DatabasesOptions): Databases {
  const pools = new Map<string, pg.Pool>()

  const poolOf = (traffic: Traffic, context: ContextName): pg.Pool => {
    const key = `${traffic}.${context}`
    let pool = pools.get(key)
    if (pool === undefined) {
      pool = new pg.Pool({
        ...options.login(traffic, context),
        max: options.maxConnections,
        idleTimeoutMillis: 60_000,
        connectionTimeoutMillis: 10_000,
        application_name: `throughline ${context} ${traffic}`,
        statement_timeout: options.statementTimeoutMs,
        // The session itself knows its traffic: triggers write it into history.
        // Generic plans: our statements take arrays of any size, and planning them anew for each would cost more than running
        // them. Without sequential scans: a plan made while a table was empty would scan it whole until the next analyse.
        options: `-c timezone=UTC -c throughline.traffic=${traffic} -c plan_cache_mode=force_generic_plan -c enable_seqscan=off`,
        types,
        pipeline: true,
      })
      // An idle connection that breaks (server restarted) is replaced at its next use; without a listener it would end the process.
      // One that is cut off while it says goodbye is no news.
      pool.on('error', (error) => pool?.ending || options.log?.({ context, traffic, error }))
      // The same for one that breaks between two statements of a transaction: the pool does not listen to what it has handed
      // out. The next statement fails and tells of it.
      pool.on('connect', (client) => client.on('error', () => undefined))
      pools.set(key, pool)
    }
    return pool
  }

  const refuseLeak = (scope: Scope): void => {
    const around = currentContext()
    invariant(
      around === undefined || around.traffic === scope.traffic,
      `work of ${around?.traffic} traffic asked for the ${scope.traffic} database`,
    )
    invariant((scope.traffic === 'shadow') === (scope.rehearsalId !== null), 'shadow work carries a rehearsal id, live work none')
  }

  const queryOn = async <Row>(
    target: pg.Pool | pg.PoolClient,
    at: { traffic: Traffic; context: ContextName },
    { name, text }: Statement<Row>,
    parameters: readonly unknown[],
  ): Promise<Row[]> => {
    const started = performance.now()
    const result = await ask(target, { name, text, values: parametersOf(parameters) })
    options.observe?.(at.context, at.traffic, name, (performance.now() - started) / 1000)
    return result.rows as Row[]
  }

  const withRetry = async <T>(repeatable: boolean, work: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work()
      } catch (error) {
        const rule = retryRuleOf(error)
        if (rule === 'never' || attempt >= attemptsMost || (rule === 'if_repeatable' && !repeatable)) throw error
        // Full jitter from 5 ms doubling: deadlocked batches must not meet again in step.
        await delay(Math.random() * 5 * 2 ** attempt)
      }
    }
  }

  const open = (context: ContextName): ContextDatabase => ({
    context,
    async read(scope, work) {
      refuseLeak(scope)
      const pool = poolOf(scope.traffic, context)
      const at = { traffic: scope.traffic, context }
      return withRetry(true, () =>
        work({
          traffic: scope.traffic,
          rehearsalId: scope.rehearsalId,
          now: options.clock.now(),
          query: (asked, parameters = []) => queryOn(pool, at, asked, parameters),
          cached: (what, keys, load) =>
            options.cache?.readThrough({ traffic: scope.traffic, what, keys, load }) ?? uncached(what, keys, load),
        }),
      )
    },
    async survey(scope, work) {
      refuseLeak(scope)
      const { traffic, rehearsalId } = scope
      return withRetry(true, async () => {
        const client = await poolOf(traffic, context).connect()
        let broken: Error | undefined
        try {
          await client.query(surveyBegin)
          return await work({
            traffic,
            rehearsalId,
            now: options.clock.now(),
            query: (asked, parameters = []) => queryOn(client, { traffic, context }, asked, parameters),
            cached: uncached,
          })
        } finally {
          await client.query('rollback').catch((error: Error) => (broken = error))
          client.release(broken)
        }
      })
    },
    async write(scope, work, { repeatable = false } = {}) {
      refuseLeak(scope)
      const at = { traffic: scope.traffic, context }
      return withRetry(repeatable, async () => {
        const client = await poolOf(scope.traffic, context).connect()
        const session = new Session(client, (name, seconds) => options.observe?.(context, scope.traffic, name, seconds))
        try {
          const { value, whenCommitted, written, announcedAny } = await runTransaction(
            session,
            { ...at, rehearsalId: scope.rehearsalId },
            options.clock.now(),
            work,
          )
          client.release()
          for (const then of whenCommitted) then()
          for (const [what, entries] of written) options.cache?.writeThrough(scope.traffic, what, entries)
          if (announcedAny) options.announced?.(context, scope.traffic)
          return value
        } catch (error) {
          const broken = await session.rollBack()
          client.release(broken)
          throw session.firstFailure ?? error
        }
      })
    },
  })

  const opened = new Map(contextNames.map((name) => [name, open(name)]))
  return {
    of(context) {
      const database = opened.get(context)
      invariant(database, `no database for context ${context}`)
      return database
    },
    usage: () =>
      [...pools].map(([key, pool]) => {
        const [traffic, context] = key.split('.') as [Traffic, ContextName]
        return { context, traffic, total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }
      }),
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.end()))
      pools.clear()
    },
  }
}
