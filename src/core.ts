import { createHmac, randomBytes } from 'node:crypto'
import { orderToDoorstep } from '#flows'
import { type Fulfilment, openFulfilment } from '#fulfilment'
import type { Clock } from '#kernel/time.ts'
import { openSandboxAdapter, openSandboxTwin, SandboxEngine } from '#partners/sandbox-pg/index.ts'
import { guardTraffic, openPayments, type PaymentGateway, type Payments } from '#payments'
import { openOrders, type Orders } from '#orders'
import { type Authentication, openAuthentication } from '#platform/authentication.ts'
import type { Config } from '#platform/config.ts'
import { type Databases, type DatabasesOptions, openDatabases, statement } from '#platform/database.ts'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openRelay, type Relay } from '#platform/relay.ts'
import type { Engines } from './engines.ts'

export interface Log {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

/** Everything in one process, put together but not yet started: contexts, flows, the operation table and the relay. */
export interface Core {
  readonly databases: Databases
  readonly runner: Runner
  readonly relay: Relay
  readonly authentication: Authentication
  readonly orders: Orders
  readonly payments: Payments
  readonly fulfilment: Fulfilment
  close(): Promise<void>
}

export interface CoreOptions {
  readonly config: Config
  readonly engines: Engines
  readonly clock: Clock
  readonly log: Log
  /** Told of every statement: context, traffic, name, seconds. */
  readonly observeStatement?: DatabasesOptions['observe']
}

export async function openCore({ config, engines, clock, log, observeStatement }: CoreOptions): Promise<Core> {
  let relay: Relay | undefined
  const databases = openDatabases({
    login: engines.server.loginFor,
    clock,
    maxConnections: config.databasePoolSize,
    statementTimeoutMs: config.databaseStatementTimeoutMs,
    ...(observeStatement === undefined ? {} : { observe: observeStatement }),
    announced: (context, traffic) => relay?.kick(context, traffic),
    log: ({ error, ...at }) => log.warn({ err: error, ...at }, 'a database connection broke'),
  })
  const orders = openOrders({ database: databases.of('orders'), random: unpredictable() })
  const payments = openPayments({
    database: databases.of('payments'),
    gateways: [guardTraffic(openSandboxPg(config, engines, clock), 'sandbox')],
    installation: await installationOf(databases),
    log: ({ message, error }) => log.warn({ err: error }, message),
  })
  const fulfilment = openFulfilment()
  const consumers = orderToDoorstep({ orders, payments, fulfilment, log })
  relay = openRelay({ databases, consumers, pollMs: 250, log })
  const runner = openRunner({
    operations: [...orders.operations, ...payments.operations, ...fulfilment.operations],
    databases,
    standardLimit: { perSecond: config.limitPerSecond, burst: config.limitBurst },
    nowMs: () => clock.now().getTime(),
    log,
  })
  const authentication = openAuthentication(databases.of('platform'), () => clock.now().getTime())
  const opened = relay
  return {
    databases,
    runner,
    relay: opened,
    authentication,
    orders,
    payments,
    fulfilment,
    async close() {
      await runner.drain()
      await opened.close()
      await payments.executor.close()
      await databases.close()
    },
  }
}

/** The one gateway of this first form: the sandbox PG, over HTTP where its address is given, else its twin in this process. */
function openSandboxPg(config: Config, engines: Engines, clock: Clock): PaymentGateway {
  const name = 'sandbox'
  const webhookSecret = config.sandboxPgSecret ?? createHmac('sha256', engines.secrets.roleSecret).update('sandbox pg').digest('hex')
  if (config.sandboxPgUrl !== undefined) return openSandboxAdapter({ name, baseUrl: config.sandboxPgUrl, timeoutMs: 10_000, webhookSecret })
  // 100,000 charges to remember, about 25 MB: enough to answer every query that a sweep may ask.
  return openSandboxTwin({ name, engine: new SandboxEngine({ seed: 1, clock, rememberMost: 100_000 }), webhookSecret })
}

const firstMigration = statement<{ at: number }>(
  'platform.first_migration',
  `select (extract(epoch from min(applied_at)) * 1000)::bigint as at from platform.migration`,
)

/** Names this pair of databases to the outside world: keys at gateways carry it, so a new database never meets an old one's charges. */
async function installationOf(databases: Databases): Promise<string> {
  const [row] = await databases.of('platform').read({ traffic: 'live', rehearsalId: null }, (context) => context.query(firstMigration))
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
