import { createHmac, randomBytes } from 'node:crypto'
import { openFlows } from '#flows'
import { type Fulfilment, type LawReport, openFulfilment } from '#fulfilment'
import type { CheckResult } from '#kernel/check.ts'
import type { Clock } from '#kernel/time.ts'
import { openOrders, type Orders } from '#orders'
import { openSandboxAdapter, openSandboxTwin, SandboxEngine } from '#partners/sandbox-pg/index.ts'
import { guardTraffic, openPayments, type PaymentGateway, type Payments } from '#payments'
import { type Authentication, openAuthentication } from '#platform/authentication.ts'
import type { Config } from '#platform/config.ts'
import { type ContextName, type Databases, openDatabases, type ReadContext, type Scope, statement } from '#platform/database.ts'
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
import type { Engines } from './engines.ts'

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
  readonly metrics: Metrics
  readonly authentication: Authentication
  readonly shadowKeys: ShadowKeys
  readonly orders: Orders
  readonly payments: Payments
  readonly fulfilment: Fulfilment
  readonly routing: Routing
  readonly tracking: Tracking
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
}

export async function openCore({ config, engines, clock, log, traces }: CoreOptions): Promise<Core> {
  const metrics = openMetrics()
  const observed = platformMetrics(metrics)
  // The databases announce to the relay, and the relay makes room for the runner; each is set as soon as it exists.
  const later: { relay?: Relay; runner?: Runner } = {}
  const databases = openDatabases({
    login: engines.server.loginFor,
    clock,
    maxConnections: config.databasePoolSize,
    statementTimeoutMs: config.databaseStatementTimeoutMs,
    observe: observed.statement,
    announced: (context, traffic) => later.relay?.kick(context, traffic),
    log: ({ error, ...at }) => log.warn({ err: error, ...at }, 'a database connection broke'),
  })
  const orders = openOrders({ database: databases.of('orders'), random: unpredictable() })
  const payments = openPayments({
    database: databases.of('payments'),
    gateways: [guardTraffic(openSandboxPg(config, engines, clock), 'sandbox')],
    installation: await installationOf(databases),
    // Both follow from the time-out, so that no setting can make the safe delay shorter than a call that is still on its way.
    times: { callWithinMs: 2 * config.gatewayTimeoutMs, safeDelayMs: 6 * config.gatewayTimeoutMs },
    log: ({ message, error }) => log.warn({ err: error }, message),
  })
  const fulfilment = openFulfilment()
  const routing = openRouting()
  const tracking = openTracking()
  const relay = openRelay({
    databases,
    consumers: openFlows({ orders, payments, fulfilment, routing, tracking, log }),
    pollMs: 250,
    observe: observed.relayed,
    pressing: () => later.runner?.pressing() ?? false,
    ...(traces === undefined ? {} : { traces }),
    log,
  })
  later.relay = relay
  const runner = openRunner({
    operations: operationsOf({ orders, payments, fulfilment, routing, tracking }),
    databases,
    standardLimit: { perSecond: config.limitPerSecond, burst: config.limitBurst },
    nowMs: () => clock.now().getTime(),
    log,
    observe: observed.operation,
    observeBatch: observed.batch,
    ...(traces === undefined ? {} : { traces }),
  })
  later.runner = runner
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
  metrics.gauge('outbox_waiting', 'Events that a consumer has still to take.', ['consumer'], async () => {
    const backlogs = await Promise.all(
      bothTraffics.map(async (traffic) =>
        (await relay.backlog(traffic)).map((entry) => ({ traffic, labels: { consumer: entry.consumer }, value: entry.waiting })),
      ),
    )
    return backlogs.flat()
  })
  defineJobs(jobs, { relay, payments, databases })

  return {
    databases,
    runner,
    relay,
    jobs,
    metrics,
    authentication: openAuthentication(databases.of('platform'), () => clock.now().getTime()),
    shadowKeys: new Map(engines.secrets.shadowSigningKeys.map(({ id, secret }) => [id, secret])),
    orders,
    payments,
    fulfilment,
    routing,
    tracking,
    check: (traffic) => checkAll(traffic, databases, relay, { orders, payments, fulfilment, routing, tracking }),
    async close() {
      await runner.drain()
      await jobs.close(config.stopWithinMs)
      await relay.close()
      await payments.executor.close()
      await databases.close()
    },
  }
}

interface Contexts {
  readonly orders: Orders
  readonly payments: Payments
  readonly fulfilment: Fulfilment
  readonly routing: Routing
  readonly tracking: Tracking
}

/** The operation table of the whole. */
export function operationsOf({ orders, payments, fulfilment, routing, tracking }: Contexts): Operation[] {
  return [...orders.operations, ...payments.operations, ...fulfilment.operations, ...routing.operations, ...tracking.operations]
}

/** Work of the house itself, in both traffics' scopes: shadow rounds run under a rehearsal of their own. */
const houseScope = (traffic: Traffic): Scope => ({ traffic, rehearsalId: traffic === 'shadow' ? 'housekeeping' : null })

const contextsWithMessages = ['orders', 'payments', 'fulfilment', 'routing', 'tracking'] as const satisfies readonly ContextName[]
const pruneIdempotency = new Map(
  contextsWithMessages.map((context) => [
    context,
    statement(
      `${context}.prune_idempotency`,
      `delete from ${context}.idempotency where ctid = any(array(select ctid from ${context}.idempotency where created_at < $1 limit 2000)) returning 1 as gone`,
    ),
  ]),
)
/** Keys are promised for a day; a second one covers clocks and late retries. */
const idempotencyKeptMs = 48 * 3600 * 1000

function defineJobs(jobs: Jobs, { relay, payments, databases }: { relay: Relay; payments: Payments; databases: Databases }): void {
  jobs.define('payments.sweep', async ({ scope }) => {
    await payments.sweep(scope)
  })
  jobs.define('outbox.prune', async ({ scope }) => {
    await relay.prune(scope.traffic)
  })
  jobs.define('idempotency.prune', async ({ scope }) => {
    for (const [context, prune] of pruneIdempotency) {
      // In slices: after a day of rushes millions of keys fall due in one hour, and one delete of them would meet its time-out.
      for (let gone = 1; gone > 0; ) {
        const rows = await databases
          .of(context)
          .write(scope, (write) => write.query(prune, [new Date(write.now.getTime() - idempotencyKeptMs)]))
        gone = rows.length
      }
    }
  })
}

/** Starts the rounds; only in processes with the role `jobs`. */
export async function startRounds(jobs: Jobs): Promise<void> {
  await jobs.start()
  await jobs.every('payments.sweep', 2_000)
  await jobs.every('outbox.prune', 10_000)
  await jobs.every('idempotency.prune', 3_600_000)
}

/** A law of a context in the shape that `check` prints. */
const resultOf = ({ law, broken, examples }: LawReport): CheckResult => ({
  check: law,
  breaks: broken === 0 ? [] : [`${broken} rows break it, such as ${examples.join(', ')}`],
})

async function checkAll(traffic: Traffic, databases: Databases, relay: Relay, contexts: Contexts): Promise<CheckResult[]> {
  const read = <T>(context: ContextName, work: (read: ReadContext) => Promise<T>): Promise<T> =>
    databases.of(context).read(houseScope(traffic), work)
  const results = await Promise.all([
    read('orders', contexts.orders.check),
    read('payments', contexts.payments.check),
    read('fulfilment', contexts.fulfilment.check),
    read('routing', contexts.routing.check),
    read('tracking', contexts.tracking.check),
    relay.backlog(traffic),
    checkMoney(traffic, databases, contexts),
  ])
  const [orders, payments, fulfilment, routing, tracking, backlog, money] = results
  const named = (context: string, result: CheckResult): CheckResult => ({ ...result, check: `${context}: ${result.check}` })
  return [
    ...orders.map((result) => named('orders', result)),
    ...payments.map((result) => named('payments', result)),
    ...fulfilment.map((report) => named('fulfilment', resultOf(report))),
    ...routing.map((report) => named('routing', resultOf(report))),
    ...tracking.map((report) => named('tracking', resultOf(report))),
    money,
    {
      check: 'outbox: every event has been taken by every consumer, none is parked',
      breaks: backlog
        .filter(({ waiting, parked }) => waiting > 0 || parked > 0)
        .map(({ consumer, waiting, parked }) => `${consumer} has ${waiting} events waiting and ${parked} parked`),
    },
  ]
}

/** What orders say of their money and what payments hold must agree, order by order. */
async function checkMoney(traffic: Traffic, databases: Databases, { orders, payments }: Contexts): Promise<CheckResult> {
  const breaks: string[] = []
  for (let after = 0; ; ) {
    const page = await databases.of('orders').read(houseScope(traffic), (context) => orders.moneyPage(context, after))
    const last = page.at(-1)
    if (last === undefined) break
    after = last.orderId
    const ids = page.map(({ orderId }) => orderId)
    const found = await databases.of('payments').read(houseScope(traffic), (context) => payments.findPayments(context, ids))
    for (const { orderId, moneyState, totalMinor } of page) {
      const view = found.get(orderId)
      const held = (view?.capturedMinor ?? 0) - (view?.refundedMinor ?? 0)
      const agrees =
        (moneyState === 'none' && held === 0) ||
        (moneyState === 'captured' && held === (view?.dueMinor ?? totalMinor)) ||
        (moneyState === 'refunded' && held === 0) ||
        (moneyState === 'partially_refunded' && held > 0)
      if (!agrees) breaks.push(`order ${orderId} (${totalMinor}) says ${moneyState}, payments hold ${held} for it`)
    }
  }
  return { check: 'money: what orders say is what payments hold', breaks: breaks.slice(0, 100) }
}

/** The one gateway of this first form: the sandbox PG, over HTTP where its address is given, else its twin in this process. */
function openSandboxPg(config: Config, engines: Engines, clock: Clock): PaymentGateway {
  const name = 'sandbox'
  const webhookSecret = config.sandboxPgSecret ?? createHmac('sha256', engines.secrets.roleSecret).update('sandbox pg').digest('hex')
  if (config.sandboxPgUrl !== undefined)
    return openSandboxAdapter({ name, baseUrl: config.sandboxPgUrl, timeoutMs: config.gatewayTimeoutMs, webhookSecret })
  // 100,000 charges to remember, about 25 MB: enough to answer every query that a sweep may ask.
  return openSandboxTwin({ name, engine: new SandboxEngine({ seed: 1, clock, rememberMost: 100_000 }), webhookSecret })
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
