import { randomBytes } from 'node:crypto'
import { openTrackFlows } from '#flows'
import type { CheckResult } from '#kernel/check.ts'
import { openMessaging } from '#messaging'
import { openAuthentication } from '#platform/authentication.ts'
import { commandOperations } from '#platform/command-operations.ts'
import { openCommandQueues } from '#platform/command-queue.ts'
import { type ContextName, openDatabases } from '#platform/database.ts'
import { openJobs } from '#platform/jobs.ts'
import { openMetrics } from '#platform/metrics.ts'
import { openRunner } from '#platform/operation-runner.ts'
import { platformMetrics } from '#platform/platform-metrics.ts'
import { openRelay } from '#platform/relay.ts'
import type { Traffic } from '#platform/request-context.ts'
import { openTracking } from '#tracking'
import { houseScope, lawsOf } from './check.ts'
import { type Core, type CoreOptions, limitsOf } from './core.ts'
import { openPartnerExchange } from './partner-exchange.ts'
import { defineHouseJobs } from './rounds.ts'
import { archiveFolder, openArchive } from './track-archive.ts'
import { carriersOf } from './track-carriers.ts'
import { openTrackFeeds } from './track-feeds.ts'
import { defineTrackJobs } from './track-rounds.ts'
import { openTrackWatch } from './track-watch.ts'

/** Whose schemas tracking needs when it runs by itself. */
export const trackContexts: readonly ContextName[] = ['platform', 'tracking', 'messaging']

/** Tracking by itself, for any system that fulfils: the parts of the whole that it needs, under the same names. */
export type TrackCore = Pick<
  Core,
  | 'databases'
  | 'runner'
  | 'relay'
  | 'jobs'
  | 'queues'
  | 'metrics'
  | 'authentication'
  | 'shadowKeys'
  | 'messaging'
  | 'tracking'
  | 'feeds'
  | 'partners'
  | 'check'
  | 'close'
>

export async function openTrackCore({ config, engines, clock, log, traces }: CoreOptions): Promise<TrackCore> {
  const metrics = openMetrics()
  const observed = platformMetrics(metrics)
  const later: { relay?: TrackCore['relay']; runner?: TrackCore['runner'] } = {}
  const databases = openDatabases({
    login: engines.server.loginFor,
    clock,
    maxConnections: config.databasePoolSize,
    statementTimeoutMs: config.databaseStatementTimeoutMs,
    observe: observed.statement,
    announced: (context, traffic) => later.relay?.kick(context, traffic),
    log: ({ error, ...at }) => log.warn({ err: error, ...at }, 'a database connection broke'),
  })
  const tracking = openTracking({
    archive: openArchive(archiveFolder(config), log),
    carriers: carriersOf(config, databases, log),
  })
  const messaging = openMessaging({
    database: databases.of('messaging'),
    randomBytes,
    timeoutMs: config.webhookTimeoutMs,
    log: ({ message, error }) => log.warn({ err: error }, message),
  })
  const authentication = openAuthentication(databases.of('platform'), () => clock.now().getTime())
  const relay = openRelay({
    databases,
    consumers: openTrackFlows({ tracking, messaging }),
    pollMs: 250,
    observe: observed.relayed,
    pressing: () => later.runner?.pressing() ?? false,
    ...(traces === undefined ? {} : { traces }),
    log,
  })
  later.relay = relay
  const operations = [...tracking.operations, ...messaging.operations, ...commandOperations]
  const runner = openRunner({
    operations,
    databases,
    standardLimit: { perSecond: config.limitPerSecond, burst: config.limitBurst },
    limits: limitsOf(config, operations),
    nowMs: () => clock.now().getTime(),
    log,
    observe: observed.operation,
    observeBatch: observed.batch,
    ...(traces === undefined ? {} : { traces }),
  })
  later.runner = runner
  const queues = openCommandQueues({
    database: databases.of('platform'),
    runner,
    queueOf: () => undefined,
    mostWaiting: config.commandQueueMost,
    log,
  })
  const jobs = openJobs({
    engine:
      config.redisUrl === undefined
        ? { kind: 'postgres', login: (traffic) => engines.server.loginFor(traffic, 'platform') }
        : { kind: 'redis', url: config.redisUrl },
    log,
    observe: observed.job,
  })
  // Of all partners it hears only those who know where parcels are.
  const heard = (config.partners ?? '').split(',').find((partner) => partner === 'track')
  const { partners: _all, ...withoutPartners } = config
  const partners = openPartnerExchange({
    config: heard === undefined ? withoutPartners : { ...withoutPartners, partners: heard },
    databases,
    clock,
    log,
  })
  const feeds = openTrackFeeds({ config, databases, tracking, metrics, log })
  observed.watchPools(databases)
  observed.watchJobs(jobs)
  const looks = observed.watchBacklog(relay)
  defineHouseJobs(jobs, { relay, messaging, databases, contexts: ['tracking', 'messaging'] })
  const watch = openTrackWatch({ databases, tracking, relay: looks, metrics, nowMs: () => clock.now().getTime(), log })
  defineTrackJobs(jobs, { config, tracking, databases, clock, watch, log })
  return {
    databases,
    runner,
    relay,
    jobs,
    queues,
    metrics,
    authentication,
    shadowKeys: new Map(engines.secrets.shadowSigningKeys.map(({ id, secret }) => [id, secret])),
    messaging,
    tracking,
    feeds,
    partners,
    check: async (traffic: Traffic): Promise<CheckResult[]> =>
      lawsOf('tracking', await databases.of('tracking').survey(houseScope(traffic), (context) => tracking.check(context))),
    async close() {
      await Promise.all([partners.stop(), feeds.stop()])
      await queues.close()
      await runner.drain()
      await tracking.desk?.idle()
      await jobs.close(config.stopWithinMs)
      await relay.close()
      await Promise.all([partners.close(), feeds.close()])
      await databases.close()
    },
  }
}
