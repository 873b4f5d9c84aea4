import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { seeded } from '#partners/made-city/index.ts'
import { type SandboxServer, startSandboxServer } from '#partners/sandbox-pg/server.ts'
import { openServerFolder, type ServerFolder } from '#test/server-folder.ts'
import { cityOf } from '../../src/cli/city.ts'
import { withCore } from '../../src/cli/session.ts'
import { configOf, drain, killAndRecover, settle, startReady, stopAndCheck, tally, type Victim, victimsOf } from './fault-house.ts'
import { startClients, type Told } from './load-clients.ts'

export interface KillReport {
  readonly seed: number
  readonly kills: number
  readonly killed: Readonly<Record<Victim, number>>
  /** Of the kills of a server, how many were followed by another one while it was starting again. */
  readonly startsKilled: number
  readonly acknowledged: number
  /** Acknowledged orders that are not there. */
  readonly lost: number
  /** Orders that are there twice, or that no client was ever told of. */
  readonly doubled: number
  readonly cancels: number
  readonly moves: number
  readonly retries: number
  /** Charges and refunds in the payment gateway's own log, each of which ours agrees with. */
  readonly movements: number
  /** Longest time from a kill until the server said that it is ready again. */
  readonly slowestRecoveryMs: number
  readonly drainMs: number
  readonly seconds: number
  /** Whatever is not as it must be, a sentence each. */
  readonly breaks: readonly string[]
}

export interface KillOptions {
  readonly kills: number
  readonly seed: number
  readonly say?: (line: string) => void
}

const webhookSecret = 'secret of the sandbox gateway in the fault run'
const serverEnv = {
  SANDBOX_PG_SECRET: webhookSecret,
  // Uncertain payments are settled six times as long after they were sent: six seconds here, a minute in production.
  GATEWAY_TIMEOUT_MS: '1000',
  LIMIT_PER_SECOND: '100000',
  LIMIT_BURST: '100000',
  LOG_LEVEL: 'warn',
  STOP_WITHIN_MS: '5000',
}
/** Kills server and database at seeded moments under load, then proves that every acknowledged order is there, once. */
export async function runKillNine({ kills, seed, say = () => undefined }: KillOptions): Promise<KillReport> {
  const started = performance.now()
  const gateway = await startSandboxServer({
    seed,
    clock: systemClock,
    webhookSecret,
    latencyMs: [0, 10],
    slowMs: 400,
    faults: { lost: 0.2, repeated: 0.2, reorderMs: 200 },
  })
  const folder = await openServerFolder({ ...serverEnv, GATEWAYS: `sandbox=${gateway.url}` })
  try {
    const city = cityOf(systemClock.now())
    const apiKey = await settle(folder, city)
    gateway.sendWebhooksTo('live', { url: `${folder.url}/v1/payments/webhooks/sandbox` })
    const house = { folder, server: await startReady(folder) }
    const clients = startClients({ url: folder.url, apiKey, seed, clients: 12, addressOf: (n) => city.address(n) })
    const killed: Record<Victim, number> = { server: 0, postgres: 0, both: 0 }
    let startsKilled = 0
    let slowestRecoveryMs = 0
    try {
      // Neighbouring small seeds begin alike in this generator: multiplied, they do not.
      const random = seeded(Math.imul(seed + 1, 0x9e3779b1))
      for (const victim of victimsOf(kills, random)) {
        await delay(200 + random() * 1_000)
        killed[victim] += 1
        const killStartAfterMs = victim !== 'postgres' && random() < 0.25 ? random() * 1_500 : undefined
        if (killStartAfterMs !== undefined) startsKilled += 1
        const tookMs = await killAndRecover(house, victim, killStartAfterMs)
        slowestRecoveryMs = Math.max(slowestRecoveryMs, tookMs)
        const again = killStartAfterMs === undefined ? '' : `, again ${killStartAfterMs.toFixed(0)} ms into its start`
        say(`${victim} killed${again}; ready after ${tookMs.toFixed(0)} ms; ${clients.told.numbers.size} orders acknowledged so far`)
      }
      await delay(500)
    } finally {
      await clients.stop()
    }
    const drainMs = await drain(folder, gateway)
    await clients.round()
    await drain(folder, gateway)
    say(`drained after ${drainMs.toFixed(0)} ms`)
    const breaks = await stopAndCheck(house)
    const books = await compare(folder, gateway, clients.told)
    const { told } = clients
    return {
      seed,
      kills,
      killed,
      startsKilled,
      acknowledged: told.numbers.size,
      lost: books.lost,
      doubled: books.doubled,
      cancels: told.cancels,
      moves: told.moves,
      retries: told.retries,
      movements: books.movements,
      slowestRecoveryMs: Math.round(slowestRecoveryMs),
      drainMs: Math.round(drainMs),
      seconds: Math.round((performance.now() - started) / 100) / 10,
      breaks: [...breaks, ...books.breaks, ...told.contradictions, ...told.strange],
    }
  } finally {
    await folder.close()
    await gateway.close()
  }
}

/** What clients and the gateway know, against what the database holds. */
async function compare(folder: ServerFolder, gateway: SandboxServer, told: Told) {
  return withCore({ config: configOf(folder), clock: systemClock, say: () => undefined }, async (core) => {
    const log = gateway.engine.log()
    const live = { traffic: 'live', rehearsalId: null } as const
    const checks = await core.databases
      .of('payments')
      .read(live, (read) => core.payments.compareWithGateway(read, 'sandbox', log.movements))
    const admin = new pg.Client({ connectionString: await folder.adminUrl() })
    await admin.connect()
    try {
      const { rows } = await admin.query<{ key: string; number: string }>('select customer_id as key, number from orders.orders')
      const { rows: repeated } = await admin.query<{ number: string }>(
        'select number from orders.orders group by number having count(*) > 1',
      )
      const { rows: forgotten } = await admin.query<{ number: string }>(
        `select number from orders.orders where money_state = 'captured' and not exists (
           select from fulfilment.waybill where waybill.order_id = orders.id)`,
      )
      return {
        ...tally(rows, told),
        movements: log.movements.length,
        breaks: [
          ...checks.flatMap(({ check, breaks }) => breaks.map((each) => `${check}: ${each}`)),
          ...repeated.map(({ number }) => `order number ${number} is used more than once`),
          ...forgotten.map(({ number }) => `order ${number} is paid and has no waybill`),
          ...(log.movements.length === 0 ? ['the gateway has charged nothing at all'] : []),
        ],
      }
    } finally {
      await admin.end()
    }
  })
}
