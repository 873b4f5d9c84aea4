import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { readConfig } from '#platform/config.ts'
import type { MadeCity } from '#routing'
import { outboxPositions } from '#test/outbox-positions.ts'
import { isAlive, type ServerFolder, type Spawned } from '#test/server-folder.ts'
import { untilTrue } from '#test/until.ts'
import type { Core } from '../../src/core.ts'
import { settleCity } from '../../src/cli/city.ts'
import { withCore } from '../../src/cli/session.ts'

/** `postgres`: the database dies and comes back beneath a server that goes on running. */
export type Victim = 'server' | 'postgres' | 'both'

const readyWithinMs = 60_000

export const configOf = (folder: ServerFolder) => readConfig({ ...folder.env })

/** The made city and a client's key, written before the first start; `more` puts what else a run needs. Returns the key. */
export async function settle(
  folder: ServerFolder,
  city: MadeCity,
  more: (core: Core) => Promise<void> = async () => undefined,
): Promise<string> {
  return withCore({ config: configOf(folder), clock: systemClock, say: () => undefined }, async (core) => {
    await settleCity(core, city)
    await more(core)
    const scopes = [...new Set(core.runner.operations.flatMap((operation) => operation.scopes))]
    return core.authentication.issue({ id: 'faults', client: 'faults', scopes })
  })
}

/** A folder and the server that runs on it now. */
export interface House {
  readonly folder: ServerFolder
  server: Spawned
}

export async function startReady(folder: ServerFolder): Promise<Spawned> {
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
  ).catch(async (error: unknown) => {
    const answer = await fetch(`${folder.url}/health/ready`, { signal: AbortSignal.timeout(10_000) }).then(
      async (response) => `${response.status} ${await response.text()}`,
      String,
    )
    throw new Error(
      `the server says ${answer}; PostgreSQL is ${folder.postmaster() ?? 'away'}; it said:\n${server.output().slice(-2_000)}`,
      { cause: error },
    )
  })
}

/** Each three kills meet each victim once, in an order of the seed's. */
export function victimsOf(kills: number, random: () => number): Victim[] {
  const victims: Victim[] = []
  while (victims.length < kills) {
    const left: Victim[] = ['server', 'postgres', 'both']
    while (left.length > 0) victims.push(...left.splice(Math.floor(random() * left.length), 1))
  }
  return victims.slice(0, kills)
}

/** Kills, brings back what does not come back by itself, and tells how long nobody was served. */
export async function killAndRecover(house: House, victim: Victim, killStartAfterMs: number | undefined): Promise<number> {
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

// A customer has acted and the gateway's word of it may be lost: the sweep asks after 15 s, and after a minute again where the process that asked was killed.
const openWork = `
  select (select count(*) from payments.attempt where state in ('created', 'sent', 'unknown')) as attempts,
    (select count(*) from payments.attempt join payments.request on request.id = attempt.request_id
      where attempt.state = 'requires_action' and request.order_id = any($1::bigint[])) as acted,
    (select count(*) from payments.leg where retry_at is not null) as retries,
    (select count(*) from payments.follow_up where state not in ('succeeded', 'failed', 'manual', 'wallet')) as refunds,
    (select count(*) from payments.webhook where processed_at is null) as webhooks`

interface Draining {
  /** Webhooks that gateways have still to deliver. */
  readonly webhooksWaiting: () => number
  /** Orders whose customers have answered their gateway's page. */
  readonly acted?: ReadonlySet<number>
  readonly withinMs?: number
}

/** Waits until no event waits and no payment or refund is without its end; tells how long it took. */
export async function drain(folder: ServerFolder, { webhooksWaiting, acted = new Set(), withinMs = 150_000 }: Draining): Promise<number> {
  const began = performance.now()
  const admin = new pg.Client({ connectionString: await folder.adminUrl() })
  await admin.connect()
  let left = ''
  const isSettled = async (): Promise<boolean> => {
    const { rows } = await admin.query<Record<string, string>>(openWork, [[...acted]])
    left = JSON.stringify(rows[0])
    return Object.values(rows[0] ?? {}).every((count) => Number(count) === 0)
  }
  try {
    await untilTrue(
      // Payments on both sides of the outbox: an event on its way may open one, and its end announces another.
      async () => {
        const before = await outboxPositions(admin)
        const isQuiet = (await isSettled()) && webhooksWaiting() === 0 && (await eventsWaiting(folder)) === 0
        return isQuiet && (await isSettled()) && (await outboxPositions(admin)) === before
      },
      withinMs,
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
export async function stopAndCheck({ folder, server }: House): Promise<string[]> {
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

/** How many acknowledged orders are not there, and how many are there that no client was told of. */
export function tally(
  rows: readonly { key: string; number: string }[],
  told: { readonly numbers: ReadonlyMap<string, string> },
): { lost: number; doubled: number } {
  const stored = Map.groupBy(rows, ({ key }) => key)
  let lost = 0
  for (const [key, number] of told.numbers) if (!stored.get(key)?.some((row) => row.number === number)) lost += 1
  // Clients send each key until it is acknowledged, so an order beyond the acknowledged ones came from a command that ran twice.
  let doubled = 0
  for (const [key, orders] of stored) doubled += orders.filter(({ number }) => number !== told.numbers.get(key)).length
  return { lost, doubled }
}
