import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { seeded } from '#partners/made-city/index.ts'
import { type SandboxServer, startSandboxServer } from '#partners/sandbox-pg/server.ts'
import { readConfig } from '#platform/config.ts'
import { outboxPositions } from '#test/outbox-positions.ts'
import { isAlive, openServerFolder, type ServerFolder, type Spawned } from '#test/server-folder.ts'
import { untilTrue } from '#test/until.ts'
import { cityOf, settleCity } from '../../src/cli/city.ts'
import { withCore } from '../../src/cli/session.ts'
import { startClients, type Told } from './load-clients.ts'

/** `postgres`: the database dies and comes back beneath a server that goes on running. */
export type Victim = 'server' | 'postgres' | 'both'

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
const readyWithinMs = 60_000
const drainedWithinMs = 150_000

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
  const folder = await openServerFolder({ ...serverEnv, SANDBOX_PG_URL: gateway.url })
  try {
    const { apiKey, city } = await settle(folder)
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

const configOf = (folder: ServerFolder) => readConfig({ ...folder.env })

/** The made city and a client's key, written before the first start. */
async function settle(folder: ServerFolder) {
  const city = cityOf(systemClock.now())
  return withCore({ config: configOf(folder), clock: systemClock, say: () => undefined }, async (core) => {
    await settleCity(core, city)
    const scopes = [...new Set(core.runner.operations.flatMap((operation) => operation.scopes))]
    return { city, apiKey: await core.authentication.issue({ id: 'faults', client: 'faults', scopes }) }
  })
}

interface House {
  readonly folder: ServerFolder
  server: Spawned
}

async function startReady(folder: ServerFolder): Promise<Spawned> {
  const server = folder.run(['start'])
  await untilReady(folder, server)
  return server
}

async function untilReady(folder: ServerFolder, server: Spawned): Promise<void> {
  await untilTrue(
    () => {
      if (!server.isRunning) throw new Error(`the server ended; it said:\n${server.output()}`)
      return folder.isReady()
    },
    readyWithinMs,
    'a ready server',
  )
}

/** Each three kills meet each victim once, in an order of the seed's. */
function victimsOf(kills: number, random: () => number): Victim[] {
  const victims: Victim[] = []
  while (victims.length < kills) {
    const left: Victim[] = ['server', 'postgres', 'both']
    while (left.length > 0) victims.push(...left.splice(Math.floor(random() * left.length), 1))
  }
  return victims.slice(0, kills)
}

/** Kills, brings back what does not come back by itself, and tells how long nobody was served. */
async function killAndRecover(house: House, victim: Victim, killStartAfterMs: number | undefined): Promise<number> {
  const { folder } = house
  const began = performance.now()
  if (victim !== 'server') {
    const postmaster = folder.postmaster()
    if (postmaster === undefined) throw new Error('there is no PostgreSQL to kill')
    process.kill(postmaster, 'SIGKILL')
    if (victim === 'postgres') {
      await untilTrue(() => !isAlive(postmaster), 10_000, 'the end of the postmaster')
      // As an operator's service manager would: the database is started again on its own, and the server must find it.
      const holder = folder.runFile('test/support/hold-postgres.ts', [folder.dataDir])
      await holder.said(/"adminUrl"/, readyWithinMs)
      holder.write('stop')
      const { code } = await holder.ended
      if (code !== 0) throw new Error(`who started PostgreSQL again ended with ${code}:\n${holder.output()}`)
    }
  }
  if (victim !== 'postgres') {
    house.server.signal('SIGKILL')
    await house.server.ended
    house.server = folder.run(['start'])
    if (killStartAfterMs !== undefined) {
      await delay(killStartAfterMs)
      house.server.signal('SIGKILL')
      await house.server.ended
      house.server = folder.run(['start'])
    }
  }
  await untilReady(folder, house.server)
  return performance.now() - began
}

const openWork = `
  select (select count(*) from payments.attempt where state in ('created', 'sent', 'unknown')) as attempts,
    (select count(*) from payments.leg where retry_at is not null) as retries,
    (select count(*) from payments.refund where state not in ('succeeded', 'failed', 'manual')) as refunds,
    (select count(*) from payments.webhook where processed_at is null) as webhooks`

/** Waits until no event waits and no payment or refund is without its end. */
async function drain(folder: ServerFolder, gateway: SandboxServer): Promise<number> {
  const began = performance.now()
  const admin = new pg.Client({ connectionString: await folder.adminUrl() })
  await admin.connect()
  let left = ''
  const isSettled = async (): Promise<boolean> => {
    const { rows } = await admin.query<Record<string, string>>(openWork)
    left = JSON.stringify(rows[0])
    return Object.values(rows[0] ?? {}).every((count) => Number(count) === 0)
  }
  try {
    await untilTrue(
      // Payments on both sides of the outbox: an event on its way may open one, and its end announces another.
      async () => {
        const before = await outboxPositions(admin)
        const isQuiet = (await isSettled()) && gateway.webhooksWaiting() === 0 && (await eventsWaiting(folder)) === 0
        return isQuiet && (await isSettled()) && (await outboxPositions(admin)) === before
      },
      drainedWithinMs,
      'the end of all work under way',
    ).catch((error: unknown) => {
      throw new Error(`work is left over: ${left}`, { cause: error })
    })
  } finally {
    await admin.end()
  }
  return performance.now() - began
}

async function eventsWaiting(folder: ServerFolder): Promise<number> {
  const text = await (await fetch(`${folder.url}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.startsWith('throughline_outbox_waiting{'))
  if (lines.length === 0) throw new Error('the metrics do not tell what waits in the outbox')
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** A clean stop, then `throughline check` in a process of its own. */
async function stopAndCheck({ folder, server }: House): Promise<string[]> {
  const breaks: string[] = []
  server.signal('SIGTERM')
  const { code } = await server.ended
  if (code !== 0) breaks.push(`the server ended with ${code} when it was asked to stop: ${server.output().slice(-2_000)}`)
  const running = folder.postmaster()
  if (running !== undefined) breaks.push(`PostgreSQL (${running}) still runs after the last server has stopped`)
  const check = folder.run(['check', '--json'])
  const ended = await check.ended
  const last = check.stdout().trim().split('\n').at(-1) ?? ''
  const told = JSON.parse(last === '' ? '{}' : last) as { checks?: number; breaks?: { traffic: string; check: string; detail: string }[] }
  if (told.breaks === undefined || (told.checks ?? 0) < 20)
    breaks.push(`throughline check ended with ${ended.code} and said: ${check.output().slice(-2_000)}`)
  for (const each of told.breaks ?? []) breaks.push(`${each.traffic} ${each.check}: ${each.detail}`)
  if (ended.code !== 0 && (told.breaks ?? []).length === 0) breaks.push(`throughline check ended with ${ended.code}`)
  return breaks
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

export function tally(rows: readonly { key: string; number: string }[], told: Pick<Told, 'numbers'>): { lost: number; doubled: number } {
  const stored = Map.groupBy(rows, ({ key }) => key)
  let lost = 0
  for (const [key, number] of told.numbers) if (!stored.get(key)?.some((row) => row.number === number)) lost += 1
  // Clients send each key until it is acknowledged, so an order beyond the acknowledged ones came from a command that ran twice.
  let doubled = 0
  for (const [key, orders] of stored) doubled += orders.filter(({ number }) => number !== told.numbers.get(key)).length
  return { lost, doubled }
}
