import { sharedBacklog } from '#platform/backlog.ts'
import type { ContextName, Databases } from '#platform/database.ts'
import type { Jobs } from '#platform/jobs.ts'
import { type Metrics, secondsBuckets, sizeBuckets } from '#platform/metrics.ts'
import type { Relay } from '#platform/relay.ts'
import { bothTraffics, type RequestContext, type Traffic } from '#platform/request-context.ts'

/** The platform's own metrics, as functions that fit the `observe` options of its parts. */
export interface PlatformMetrics {
  operation(operation: { readonly id: string }, context: RequestContext, outcome: string, seconds: number): void
  batch(operation: { readonly id: string }, traffic: Traffic, size: number): void
  statement(context: ContextName, traffic: Traffic, name: string, seconds: number): void
  relayed(consumer: string, traffic: Traffic, events: number, seconds: number): void
  cache(seen: { readonly traffic: Traffic; readonly what: string; readonly hits: number; readonly misses: number }): void
  job(name: string, traffic: Traffic, result: string, seconds: number): void
  watchPools(databases: Databases): void
  watchJobs(jobs: Jobs): void
  /** Gauges of what consumers have still to take. Returns the looks, for other gauges to share. */
  watchBacklog(relay: Pick<Relay, 'backlog'>): Pick<Relay, 'backlog'>
}

export function platformMetrics(metrics: Metrics): PlatformMetrics {
  const seconds = <L extends string>(...labels: L[]) => ({ labels, buckets: secondsBuckets })
  const operation = metrics.histogram(
    'operation_seconds',
    'Time from call to outcome, by outcome (ok or error code).',
    seconds('operation', 'outcome'),
  )
  const batch = metrics.histogram('batch_size', 'Commands that ran in one transaction.', { labels: ['operation'], buckets: sizeBuckets })
  const statement = metrics.histogram('statement_seconds', 'Time of one SQL statement, from our side.', seconds('context', 'statement'))
  const relayed = metrics.counter('relayed_events_total', 'Events handed to a consumer.', ['consumer'])
  const relaySeconds = metrics.histogram('relay_batch_seconds', 'Time to handle one batch of events.', seconds('consumer'))
  const reads = metrics.counter('cache_reads_total', 'Values asked of the cache, by what they are and whether it had them (hit, miss).', [
    'what',
    'result',
  ])
  const job = metrics.histogram('job_seconds', 'Time of one job, by result (done, failed, parked, refused).', seconds('job', 'result'))
  return {
    operation: ({ id }, { traffic }, outcome, time) => operation(traffic, { operation: id, outcome }, time),
    batch: ({ id }, traffic, size) => batch(traffic, { operation: id }, size),
    statement: (context, traffic, name, time) => statement(traffic, { context, statement: name }, time),
    relayed(consumer, traffic, events, time) {
      relayed(traffic, { consumer }, events)
      relaySeconds(traffic, { consumer }, time)
    },
    cache({ traffic, what, hits, misses }) {
      if (hits > 0) reads(traffic, { what, result: 'hit' }, hits)
      if (misses > 0) reads(traffic, { what, result: 'miss' }, misses)
    },
    job: (name, traffic, result, time) => job(traffic, { job: name, result }, time),
    watchPools(databases) {
      metrics.gauge('database_connections', 'Connections of a pool, by use; `waiting` are callers without one.', ['context', 'use'], () =>
        databases.usage().flatMap(({ context, traffic, total, idle, waiting }) => [
          { traffic, labels: { context, use: 'busy' }, value: total - idle },
          { traffic, labels: { context, use: 'idle' }, value: idle },
          { traffic, labels: { context, use: 'waiting' }, value: waiting },
        ]),
      )
    },
    watchBacklog(relay) {
      const looks = sharedBacklog(relay)
      metrics.gauge('outbox_waiting', 'Events that a consumer has still to take.', ['consumer'], async () => {
        const backlogs = await Promise.all(
          bothTraffics.map(async (traffic) =>
            (await looks.backlog(traffic)).map((entry) => ({ traffic, labels: { consumer: entry.consumer }, value: entry.waiting })),
          ),
        )
        return backlogs.flat()
      })
      return looks
    },
    watchJobs(jobs) {
      metrics.gauge('jobs', 'Jobs by state.', ['state'], async () =>
        (await jobs.counts()).flatMap(({ traffic, ...states }) =>
          Object.entries(states).map(([state, value]) => ({ traffic, labels: { state }, value })),
        ),
      )
    },
  }
}
