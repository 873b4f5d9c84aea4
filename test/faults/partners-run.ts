import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { orderOf } from '#partners/made-city/index.ts'
import { openLogFile, openSandboxPartner, readLog, type SandboxPartner, sandboxPartners } from '#partners/sandbox-partners/index.ts'
import type { Exchange } from '#platform/exchange.ts'
import { openAmqpExchange } from '#platform/exchange-amqp.ts'
import { type RabbitMqServer, startRabbitMq } from '#test/rabbitmq-server.ts'
import { openServerFolder, type ServerFolder } from '#test/server-folder.ts'
import { untilTrue } from '#test/until.ts'
import { cityOf } from '../../src/cli/city.ts'
import { drain, settle, startReady, stopAndCheck } from './fault-house.ts'

export interface PartnersReport {
  readonly seed: number
  readonly acknowledged: number
  readonly waybills: number
  /** Messages in the data store's log. */
  readonly messages: number
  /** Deliveries beyond the first, which the partners have told by their ids. */
  readonly repeated: number
  /** Acknowledged orders that are not stored, and messages that never came. */
  readonly lost: number
  /** Orders beyond the acknowledged ones, and messages in a log twice. */
  readonly doubled: number
  readonly placedWhileAway: number
  /** 99th percentile of the answers to batches of orders: with everybody there, and with somebody away. */
  readonly calmP99Ms: number
  readonly awayP99Ms: number
  readonly catchUpMs: number
  readonly breaks: readonly string[]
}

const names = sandboxPartners.map(({ name }) => name)
/** Every state of a waybill that goes from its route to its truck without an accident. */
const wayToTheTruck = ['routed', 'released', 'acknowledged', 'picked', 'packed', 'staged', 'loaded']
/** With everybody there, before and in between: long enough to see what is usual. */
const together = (awayMs: number): Promise<void> => delay(Math.min(awayMs, 60_000))
const quiet = { warn: () => undefined }

/**
 * A server under load whose partners and broker fall away one after the other, each for `awayMs`: the warehouse, the broker by kill -9,
 * the broker by a hang; the data store is slow all the time. At the end nothing is lost and nothing done twice. Undefined without RabbitMQ.
 */
export async function runPartners(options: {
  readonly awayMs: number
  readonly seed: number
  readonly say?: (line: string) => void
}): Promise<PartnersReport | undefined> {
  const { awayMs, seed, say = () => undefined } = options
  const broker = await startRabbitMq()
  if (broker === undefined) return undefined
  const folder = await openServerFolder({
    PARTNERS: names.join(','),
    AMQP_URL: broker.url,
    LIMIT_PER_SECOND: '100000',
    LIMIT_BURST: '100000',
    LOG_LEVEL: 'error',
  })
  const outside = openAmqpExchange({ url: broker.url, partners: names, log: quiet })
  const players = new Players(outside, join(folder.dataDir, 'partners'), seed)
  try {
    const city = cityOf(systemClock.now())
    const key = await settle(folder, city)
    const house = { folder, server: await startReady(folder) }
    for (const name of names) await players.open(name)
    const load = startLoad(folder, key, (n) => orderOf(n, seed, (at) => city.address(at)))
    await together(awayMs)
    const placedBefore = load.numbers.size
    load.isCalm = false
    await awayOneAfterTheOther(players, broker, { awayMs, say })
    load.isCalm = true
    const placedWhileAway = load.numbers.size - placedBefore
    await load.stopPlacing()
    const began = performance.now()
    await untilTrue(() => load.allLoaded(), 60_000 + 20 * awayMs, 'waybills that are all on their trucks')
    await drain(folder, { webhooksWaiting: () => 0 })
    await untilTrue(async () => (await outside.states('live')).every(({ waiting }) => waiting === 0), 60_000, 'empty queues')
    const catchUpMs = Math.round(performance.now() - began)
    await load.stop()
    const dead = (await outside.states('live'))
      .filter((state) => state.dead > 0)
      .map((state) => `${state.dead} dead letters in ${state.queue}`)
    const repeated = players.repeated()
    // A queue counts what waits in it, not what a partner has taken and not yet done: the slow one is given time for that.
    await untilTrue(async () => (await compare(folder, load.numbers)).lost === 0, 20_000).catch(() => undefined)
    await players.close()
    const found = await compare(folder, load.numbers)
    const breaks = [...(await stopAndCheck(house)), ...dead, ...load.failures]
    const { numbers, calm, away } = load
    return {
      seed,
      acknowledged: numbers.size,
      ...found,
      repeated,
      placedWhileAway,
      calmP99Ms: p99(calm),
      awayP99Ms: p99(away),
      catchUpMs,
      breaks,
    }
  } finally {
    await players.close()
    await outside.close()
    await folder.close()
    await broker.stop()
  }
}

async function awayOneAfterTheOther(
  players: Players,
  broker: RabbitMqServer,
  { awayMs, say }: { awayMs: number; say: (line: string) => void },
): Promise<void> {
  say('the warehouse goes away')
  await players.leave('wms')
  await delay(awayMs)
  await players.open('wms')
  say('the broker is killed')
  await broker.kill()
  await delay(awayMs)
  await broker.start()
  say('the broker is back')
  await together(awayMs)
  say('the broker hangs')
  broker.signal('SIGSTOP')
  await delay(awayMs)
  broker.signal('SIGCONT')
  say('the broker goes on')
  await together(awayMs)
}

/** The partners, each of which may leave and come back; its log goes on. */
class Players {
  readonly #exchange: Exchange
  readonly #folder: string
  readonly #seed: number
  readonly #present = new Map<string, { partner: SandboxPartner; close(): Promise<void> }>()
  #repeated = 0

  constructor(exchange: Exchange, folder: string, seed: number) {
    this.#exchange = exchange
    this.#folder = folder
    this.#seed = seed
  }

  async open(name: string): Promise<void> {
    const profile = sandboxPartners.find((each) => each.name === name)
    if (profile === undefined) throw new Error(`there is no partner ${name}`)
    const log = await openLogFile(this.#folder, name)
    const faults = { latencyMs: name === 'ods' ? 40 : 2, repeats: 0.05, fails: 0.05 }
    const partner = openSandboxPartner({ profile, exchange: this.#exchange, clock: systemClock, seed: this.#seed, faults, keep: log.keep })
    this.#present.set(name, { partner, close: () => partner.close().finally(log.close) })
  }

  async leave(name: string): Promise<void> {
    const present = this.#present.get(name)
    this.#present.delete(name)
    this.#repeated += present?.partner.repeated ?? 0
    await present?.close()
  }

  repeated(): number {
    return this.#repeated + [...this.#present.values()].reduce((sum, { partner }) => sum + partner.repeated, 0)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#present.keys()].map((name) => this.leave(name)))
  }
}

/** Places batches of orders one after the other, and sends every waybill that has a route to be prepared. */
function startLoad(folder: ServerFolder, apiKey: string, bodyOf: (n: number) => object) {
  const calm: number[] = []
  const away: number[] = []
  const failures: string[] = []
  const numbers = new Set<string>()
  let placing = true
  let dispatching = true
  const call = async (path: string, body?: object): Promise<unknown> => {
    const response = await fetch(folder.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${apiKey}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text.slice(0, 300)}`)
    return JSON.parse(text)
  }
  const load = { calm, away, failures, numbers, isCalm: true, stopPlacing, stop, allLoaded }
  const noting = (work: Promise<void>): Promise<void> => work.catch((error: unknown) => void failures.push(String(error)))

  const place = async (): Promise<void> => {
    for (let n = 0; placing; n += 4) {
      const commands = Array.from({ length: 4 }, (_, index) => ({ idempotencyKey: `partners-${n + index}`, input: bodyOf(n + index) }))
      const began = performance.now()
      const { outcomes } = (await call('/v1/orders/batch', { commands })) as { outcomes: { ok?: boolean; value?: { number: string } }[] }
      ;(load.isCalm ? calm : away).push(performance.now() - began)
      for (const outcome of outcomes) {
        if (outcome.value === undefined) failures.push(`an order was refused: ${JSON.stringify(outcome)}`)
        else numbers.add(outcome.value.number)
      }
      // About sixteen orders a second: each becomes some seventy messages, and the proof is not their number.
      await delay(250)
    }
  }
  const waybillsIn = async (state: string, limit: number) =>
    ((await call(`/v1/waybills?state=${state}&limit=${limit}`)) as { waybills: { waybillId: number }[] }).waybills
  const dispatch = async (): Promise<void> => {
    while (dispatching) {
      const commands = (await waybillsIn('routed', 500)).map(({ waybillId }) => ({ input: { waybillId, to: 'released' } }))
      if (commands.length > 0) await call('/v1/waybills/updates', { commands })
      await delay(150)
    }
  }
  const [placer, dispatcher] = [noting(place()), noting(dispatch())]

  async function stopPlacing(): Promise<void> {
    placing = false
    await placer
  }
  async function stop(): Promise<void> {
    dispatching = false
    await dispatcher
  }
  async function allLoaded(): Promise<boolean> {
    for (const state of ['created', ...wayToTheTruck.slice(0, -1)]) if ((await waybillsIn(state, 1)).length > 0) return false
    return (await waybillsIn('loaded', 1)).length > 0
  }
  return load
}

/** The data store's log, message by message, against what the database holds. */
async function compare(folder: ServerFolder, numbers: ReadonlySet<string>) {
  const seen = new Set<string>()
  const placed = new Set<string>()
  const states = new Map<string, string[]>()
  let doubled = 0
  for await (const { id, topic, key, body } of readLog(join(folder.dataDir, 'partners'), 'ods')) {
    if (seen.has(id)) doubled += 1
    seen.add(id)
    if (topic === 'ods.order.placed') placed.add((body as { number: string }).number)
    if (topic === 'ods.waybill.moved') states.set(key, [...(states.get(key) ?? []), (body as { to: string }).to])
  }
  const admin = new pg.Client({ connectionString: await folder.adminUrl() })
  await admin.connect()
  const stored = (await admin.query<{ number: string }>('select number from orders.orders')).rows.map(({ number }) => number)
  const waybills = (await admin.query<{ id: string }>('select id from fulfilment.waybill')).rows
  await admin.end()
  const known = new Set(stored)
  const lost = [
    ...[...numbers].filter((number) => !known.has(number)).map((number) => `order ${number} is not stored`),
    ...stored.filter((number) => !placed.has(number)).map((number) => `the data store was not told of order ${number}`),
    ...waybills.flatMap(({ id }) => {
      const told = (states.get(`fulfilment:${id}`) ?? []).join()
      return told === wayToTheTruck.join() ? [] : [`waybill ${id}: the data store was told ${told || 'nothing'}`]
    }),
  ]
  return {
    waybills: waybills.length,
    messages: seen.size,
    lost: lost.length,
    losses: lost.slice(0, 20),
    doubled: doubled + stored.length - numbers.size,
  }
}

const p99 = (times: readonly number[]): number => Math.round(times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0)
