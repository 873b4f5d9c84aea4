import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { type Analytics, openAnalytics } from '#analytics'
import { type Containers, openContainers } from '#containers'
import { openFlows } from '#flows'
import {
  type Fulfilment,
  isBeingPrepared,
  merchantOperations,
  openFulfilment,
  previewOperations,
  stepsBetween,
  waybillLifeCycle,
  type WaybillState,
} from '#fulfilment'
import type { CheckResult } from '#kernel/check.ts'
import type { Clock } from '#kernel/time.ts'
import { type Ledger, openLedger } from '#ledger'
import { type Merchants, openMerchants } from '#merchants'
import { type Messaging, openMessaging } from '#messaging'
import { openOrders, type Orders } from '#orders'
import { guardTraffic, openPayments, type Payments } from '#payments'
import type { Rate } from '#platform/aspects/limits.ts'
import { type Authentication, openAuthentication } from '#platform/authentication.ts'
import { openCache, openMemoryStore } from '#platform/cache.ts'
import { openRedisStore } from '#platform/cache-redis.ts'
import { commandOperations } from '#platform/command-operations.ts'
import { type CommandQueues, openCommandQueues, type QueueName } from '#platform/command-queue.ts'
import { type Config, ConfigError } from '#platform/config.ts'
import { type Databases, openDatabases, statement } from '#platform/database.ts'
import { type Jobs, openJobs } from '#platform/jobs.ts'
import { type Metrics, openMetrics } from '#platform/metrics.ts'
import type { Operation } from '#platform/operation.ts'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { platformMetrics } from '#platform/platform-metrics.ts'
import { openRelay, type Relay } from '#platform/relay.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import type { ShadowKeys } from '#platform/shadow-header.ts'
import type { Traces } from '#platform/traces.ts'
import { openRouting, type Routing } from '#routing'
import { openTracking, type Tracking } from '#tracking'
import { openWarehousing, type Warehousing } from '#warehousing'
import { type Contexts, checkAll, houseScope } from './check.ts'
import type { Engines } from './engines.ts'
import type { SandboxEngine } from '#partners/sandbox-pg/index.ts'
import { openGateways } from './gateways.ts'
import { roadsOf } from './road-service.ts'
import { openPartnerExchange, type PartnerExchange } from './partner-exchange.ts'
import { defineJobs } from './rounds.ts'
import { archiveFolder, openArchive } from './track-archive.ts'
import { carriersOf } from './track-carriers.ts'
import { openTrackFeeds, type TrackFeeds } from './track-feeds.ts'
import { defineTrackJobs } from './track-rounds.ts'
import { openTrackWatch } from './track-watch.ts'

export interface Log {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

/** Everything in one process, put together but not yet started: contexts, flows, the operation table, relay and jobs. */
export interface Core {
  readonly databases: Databases
  readonly runner: Runner
  readonly relay: Relay
  readonly jobs: Jobs
  /** Commands that callers do not wait for. */
  readonly queues: CommandQueues
  /** Messages with partners; taking what they send is started by itself. */
  readonly partners: PartnerExchange
  readonly metrics: Metrics
  readonly authentication: Authentication
  readonly shadowKeys: ShadowKeys
  readonly orders: Orders
  readonly payments: Payments
  readonly ledger: Ledger
  readonly messaging: Messaging
  readonly analytics: Analytics
  readonly fulfilment: Fulfilment
  readonly routing: Routing
  readonly tracking: Tracking
  /** Facts of shipments by stream. */
  readonly feeds: TrackFeeds
  readonly containers: Containers
  readonly warehousing: Warehousing
  /** All invariants of one traffic's database, each with its breaks. */
  check(traffic: Traffic): Promise<CheckResult[]>
  /** Finishes what is under way and lets go of everything; the engines stay open. */
  close(): Promise<void>
}

export interface CoreOptions {
  readonly config: Config
  readonly engines: Engines
  readonly clock: Clock
  readonly log: Log
  readonly traces?: Traces
  /** Engines of sandbox PGs inside the process, by name, where the caller plays the customer at them. */
  readonly twins?: ReadonlyMap<string, SandboxEngine>
}

export async function openCore({ config, engines, clock, log, traces, twins }: CoreOptions): Promise<Core> {
  const metrics = openMetrics()
  const observed = platformMetrics(metrics)
  // The databases announce to the relay, and the relay makes room for the runner; each is set as soon as it exists.
  const later: { relay?: Relay; runner?: Runner } = {}
  const cache = openCache({
    store:
      config.redisUrl === undefined ? openMemoryStore({ nowMs: () => performance.now() }) : openRedisStore({ url: config.redisUrl, log }),
    observe: observed.cache,
  })
  const databases = openDatabases({
    cache,
    login: engines.server.loginFor,
    clock,
    maxConnections: config.databasePoolSize,
    statementTimeoutMs: config.databaseStatementTimeoutMs,
    observe: observed.statement,
    announced: (context, traffic) => later.relay?.kick(context, traffic),
    log: ({ error, ...at }) => log.warn({ err: error, ...at }, 'a database connection broke'),
  })
  const orders = openOrders({ database: databases.of('orders'), random: unpredictable() })
  const analytics = openAnalytics({ database: databases.of('analytics'), source: { database: databases.of('orders'), orders } })
  const ledger = openLedger({ database: databases.of('ledger') })
  const payments = openPayments({
    database: databases.of('payments'),
    // Accounts of the ledger are no outside world: shadow traffic has its own, in its own database.
    gateways: [...openGateways(config, engines, clock, twins), ...ledger.gateways.map((gateway) => guardTraffic(gateway, 'sandbox'))],
    installation: await installationOf(databases),
    ...(config.paymentReturnUrl === undefined ? {} : { returnUrl: returnTo(config.paymentReturnUrl) }),
    // Both follow from the time-out, so that no setting can make the safe delay shorter than a call that is still on its way.
    times: { callWithinMs: 2 * config.gatewayTimeoutMs, safeDelayMs: 6 * config.gatewayTimeoutMs },
    log: ({ message, error }) => log.warn({ err: error }, message),
  })
  const messaging = openMessaging({
    database: databases.of('messaging'),
    randomBytes,
    timeoutMs: config.webhookTimeoutMs,
    log: ({ message, error }) => log.warn({ err: error }, message),
  })
  const fulfilment = openFulfilment()
  const routing = openRouting({
    database: databases.of('routing'),
    workers: Math.min(4, Math.max(1, availableParallelism() - 1)),
    ...roadsOf(config, metrics, log),
  })
  const containers = openContainers({
    async findWaybills(scope, waybillIds) {
      const found = await databases.of('fulfilment').read(scope, (context) => fulfilment.waybillsById(context, waybillIds))
      const endedOf = (state: WaybillState): boolean => waybillLifeCycle.states[state].end ?? false
      return new Map([...found].map(([id, waybill]) => [id, { ...waybill, ended: endedOf(waybill.state) }]))
    },
  })
  const tracking = openTracking({
    archive: openArchive(archiveFolder(config), log),
    carriers: carriersOf(config, databases, log),
    inherited: (scope, waybillIds) => databases.of('containers').read(scope, (context) => containers.passagesOf(context, waybillIds)),
  })
  const warehousing = openWarehousing({
    async findPreparable({ traffic, rehearsalId }, waybillIds) {
      const scope = { traffic, rehearsalId }
      const found = await databases.of('fulfilment').read(scope, (context) => fulfilment.waybillsById(context, waybillIds))
      // What is packed needs no second instruction.
      const ours = [...found.values()].filter(
        (each) => each.merchant === '' && isBeingPrepared(each) && stepsBetween(each, 'packed') !== undefined,
      )
      return new Map(ours.map((waybill) => [waybill.waybillId, { ...waybill, destination: { ...waybill.destination } }]))
    },
  })
  const authentication = openAuthentication(databases.of('platform'), () => clock.now().getTime())
  const merchants = openMerchants({ keys: authentication })
  // Waybills are fulfilment's, what is in containers is not: the composition lets one ask the other.
  const portal = {
    operations: [
      ...merchantOperations((scope, scanned) =>
        databases.of('containers').read(scope, (context) => containers.waybillsIn(context, scanned)),
      ),
      ...previewOperations((scope, doors) => databases.of('routing').read(scope, (context) => routing.freeSlotsAt(context, doors))),
    ],
  }
  const contexts = { orders, payments, ledger, analytics, fulfilment, routing, tracking, containers, warehousing }
  const partners = openPartnerExchange({ config, databases, clock, log })
  const relay = openRelay({
    databases,
    consumers: openFlows({ ...contexts, messaging, exchange: partners.exchange, partners: partners.partners, databases, log }),
    pollMs: 250,
    observe: observed.relayed,
    pressing: () => later.runner?.pressing() ?? false,
    ...(traces === undefined ? {} : { traces }),
    log,
  })
  later.relay = relay
  const operations = operationsOf({ ...contexts, messaging, merchants, portal })
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
    queueOf,
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
  observed.watchPools(databases)
  observed.watchJobs(jobs)
  const looks = observed.watchBacklog(relay)
  metrics.gauge('command_queue_waiting', 'Commands that wait after Prefer: respond-async.', ['queue'], async () => {
    const depths = await Promise.all(
      bothTraffics.map(async (traffic) =>
        (await queues.depths(traffic)).map(({ queue, waiting }) => ({ traffic, labels: { queue }, value: waiting })),
      ),
    )
    return depths.flat()
  })
  partners.watch(metrics)
  const feeds = openTrackFeeds({ config, databases, tracking, metrics, log })
  const watch = openTrackWatch({
    databases,
    tracking,
    relay: looks,
    metrics,
    nowMs: () => clock.now().getTime(),
    log,
    goods: { orders, fulfilment, tracking },
  })
  defineTrackJobs(jobs, { config, tracking, databases, clock, watch, log })
  defineJobs(jobs, {
    relay,
    orders,
    payments,
    fulfilment,
    routing,
    messaging,
    databases,
    confirmAfterMs: config.confirmAfterDays * 86_400_000,
    promises: config,
  })

  return {
    databases,
    runner,
    relay,
    jobs,
    queues,
    partners,
    metrics,
    authentication,
    shadowKeys: new Map(engines.secrets.shadowSigningKeys.map(({ id, secret }) => [id, secret])),
    ...contexts,
    messaging,
    feeds,
    check: async (traffic) => [
      ...(await checkAll(traffic, databases, relay, contexts)),
      ...(await partners.check(traffic, { orders, fulfilment, warehousing })),
    ],
    async close() {
      await Promise.all([partners.stop(), feeds.stop()])
      await queues.close()
      await runner.drain()
      await tracking.desk?.idle()
      await jobs.close(config.stopWithinMs)
      await relay.close()
      await routing.runs.close()
      await Promise.all([partners.close(), feeds.close()])
      await payments.executor.close()
      await databases.close()
      await cache.close()
    },
  }
}

/** The setting LIMITS, such as `merchants=2/4`, by limit key. A name that limits nothing is a mistake that would otherwise go unseen. */
export function limitsOf({ limits = '' }: Pick<Config, 'limits'>, operations: readonly Operation[]): Map<string, Rate> {
  const pairs = limits === '' ? [] : limits.split(',').map((pair) => pair.split('='))
  const known = new Set(operations.map(({ id, limit }) => limit?.key ?? id))
  for (const [key = ''] of pairs)
    if (!known.has(key)) throw new ConfigError(`LIMITS names ${key}, which is neither an operation nor a limit that operations share`)
  return new Map(
    pairs.map(([key = '', rate = '']) => {
      const [perSecond, burst] = rate.split('/').map(Number)
      return [key, { perSecond: perSecond ?? 1, burst: burst ?? 1 }]
    }),
  )
}

/** Where a command waits when its caller does not. Goods and partners' commands are always run at once. */
function queueOf({ id, kind, context }: Operation): QueueName | undefined {
  if (kind === 'query') return undefined
  if (id === 'orders.place' || id === 'orders.reorder') return 'order'
  if (context === 'orders') return 'update'
  return id.startsWith('payments.') && id !== 'payments.webhook' ? 'payment' : undefined
}

/** The operation table of the whole. */
export function operationsOf({
  orders,
  payments,
  ledger,
  messaging,
  fulfilment,
  routing,
  tracking,
  containers,
  merchants,
  warehousing,
  portal,
}: Omit<Contexts, 'analytics'> & {
  readonly messaging: Messaging
  readonly merchants: Merchants
  /** What merchants ask of their waybills. */
  readonly portal: { readonly operations: readonly Operation[] }
}): Operation[] {
  const contexts = [orders, payments, ledger, fulfilment, routing, tracking, containers, merchants, warehousing, portal, messaging]
  return [...contexts.flatMap(({ operations }) => operations), ...commandOperations]
}

const firstMigration = statement<{ at: number }>(
  'platform.first_migration',
  `select (extract(epoch from min(applied_at)) * 1000)::bigint as at from platform.migration`,
)

/** Names this pair of databases to the outside world: keys at gateways carry it, so a new database never meets an old one's charges. */
async function installationOf(databases: Databases): Promise<string> {
  const [row] = await databases.of('platform').read(houseScope('live'), (context) => context.query(firstMigration))
  return `i${(row?.at ?? 0).toString(36)}`
}

/** The storefront's page with the order and the part in its query. */
function returnTo(page: string): (of: { readonly orderId: number; readonly part: number }) => string {
  return ({ orderId, part }) => {
    const url = new URL(page)
    url.searchParams.set('order', String(orderId))
    url.searchParams.set('part', String(part))
    return url.href
  }
}

/** Numbers in [0, 1) that can not be foretold, drawn 1,024 at a time: order numbers must not be guessable. */
function unpredictable(): () => number {
  let pool = new Uint32Array(0)
  let next = 0
  return () => {
    if (next >= pool.length) {
      const bytes = randomBytes(4096)
      pool = new Uint32Array(bytes.buffer, bytes.byteOffset, 1024)
      next = 0
    }
    const drawn = pool[next] ?? 0
    next += 1
    return drawn / 2 ** 32
  }
}
