import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '#kernel/time.ts'
import { playRound, seeded, type StaffDesk } from '#partners/made-city/index.ts'
import { type SandboxPgs, sandboxProfiles, startSandboxPgs } from '#partners/sandbox-pg/index.ts'
import { madeCity, type MadeCity } from '#routing'
import { openServerFolder, type ServerFolder } from '#test/server-folder.ts'
import { callMany, citySeed } from '../../src/cli/city.ts'
import { dayBooks, openRequests } from './day-books.ts'
import { claimGoods } from './day-claims.ts'
import { type DayTold, emptyTold, followOrder, type People, placeOrder } from './day-customer.ts'
import { dayMixes, dayOrder, dayStores, type PayKind } from './day-plan.ts'
import { drain, type House, killAndRecover, settle, startReady, stopAndCheck, type Victim, victimsOf } from './fault-house.ts'
import { deskOf, openPatientClient } from './patient-client.ts'

export interface DayOptions {
  readonly orders: number
  readonly seed: number
  readonly kills?: number
  readonly say?: (line: string) => void
}

export interface DayReport {
  readonly seed: number
  readonly orders: number
  readonly kills: number
  readonly killed: Readonly<Record<Victim, number>>
  readonly acknowledged: number
  readonly lost: number
  readonly doubled: number
  /** Orders placed and acknowledged in a second, with everything else of the day going on beside them. */
  readonly ordersPerSecond: number
  readonly placedSeconds: number
  readonly delivered: number
  /** How orders ended: paid, cancelled, waiting for their customer. */
  readonly ends: Readonly<Record<string, number>>
  readonly movements: Readonly<Record<string, number>>
  readonly paidAgain: Readonly<Record<string, number>>
  readonly counts: Readonly<Record<string, number>>
  readonly retries: number
  readonly slowestRecoveryMs: number
  readonly seconds: number
  readonly breaks: readonly string[]
}

const webhookSecret = 'secret of the sandbox gateways in the run of a day'
const clients = 64
/** Orders whose people still have something to do while others are placed. */
const followedMost = 512
const drainWithinMs = 300_000
const leaps = new Map([
  ['released', 'staged'],
  ['out_for_delivery', 'arrived'],
])

const serverEnv = (gateways: string) => ({
  GATEWAYS: gateways,
  SANDBOX_PG_SECRET: webhookSecret,
  // Uncertain payments are settled six times as long after they were sent: six seconds here, a minute in production.
  GATEWAY_TIMEOUT_MS: '1000',
  LIMIT_PER_SECOND: '100000',
  LIMIT_BURST: '100000',
  LOG_LEVEL: 'warn',
  STOP_WITHIN_MS: '5000',
})

/** A day of orders against a server of its own and four gateways, then everything that must be true afterwards. */
export async function runDay({ orders, seed, kills = 0, say = () => undefined }: DayOptions): Promise<DayReport> {
  const started = performance.now()
  const now = systemClock.now()
  // The quick one has faults of webhooks here as the others do.
  const profiles = [
    { ...sandboxProfiles.sandbox, webhookFaults: { lost: 0.1, repeated: 0.1, reorderMs: 200 } },
    sandboxProfiles.borealis,
    sandboxProfiles.meridian,
    sandboxProfiles.cobalt,
  ]
  const pgs = await startSandboxPgs({ seed, clock: systemClock, profiles, webhookSecret })
  const folder = await openServerFolder(serverEnv([...pgs.servers].map(([name, { url }]) => `${name}=${url}`).join(',')))
  try {
    // Room for every waybill of the day: what does not fit into trucks would only wait, and this run is about orders and money.
    const city = madeCity({
      seed: citySeed,
      firstDate: now.toISOString().slice(0, 10),
      days: 7,
      quotaCapacity: 5_000 + orders,
      vehicles: 400 + Math.ceil(orders / 50),
    })
    const apiKey = await settle(folder, city, async (core) => {
      await callMany(core, 'orders.put_store', dayStores)
      for (const outcome of await callMany(core, 'payments.put_gateway_mix', dayMixes))
        if (!outcome.ok) throw new Error(`a mix of the day is refused: ${JSON.stringify(outcome)}`)
    })
    for (const [name, server] of pgs.servers) server.sendWebhooksTo('live', { url: `${folder.url}/v1/payments/webhooks/${name}` })
    const house: House = { folder, server: await startReady(folder) }
    say(`ready after ${secondsSince(started)} s`)
    const day = playDay({ house, pgs, city, apiKey, orders, seed, now, say })
    const killing = killAlong({ house, told: day.told, orders, kills, seed, say })
    // Together: a kill from which nothing comes back must end the run, and with it the processes that it started.
    const [placedSeconds, { killed, slowestRecoveryMs }] = await Promise.all([day.placed.then(() => secondsSince(day.began)), killing])
    await day.lived
    say(`${day.told.numbers.size} orders placed in ${placedSeconds} s; ${day.delivered()} waybills delivered so far`)
    await day.end()
    say(`everything is delivered after ${secondsSince(day.began)} s; checking`)
    const breaks = await stopAndCheck(house)
    say(`throughline check has ended after ${secondsSince(day.began)} s with ${breaks.length} breaks; comparing the books`)
    const books = await dayBooks(folder, pgs, day.told)
    const { told } = day
    return {
      seed,
      orders,
      kills,
      killed,
      acknowledged: told.numbers.size,
      lost: books.lost,
      doubled: books.doubled,
      ordersPerSecond: Math.round(told.numbers.size / placedSeconds),
      placedSeconds,
      delivered: day.delivered(),
      ends: books.ends,
      movements: books.movements,
      paidAgain: Object.fromEntries(told.paidAgain),
      counts: Object.fromEntries([...told.counts].toSorted(([a], [b]) => a.localeCompare(b))),
      retries: told.retries,
      slowestRecoveryMs,
      seconds: secondsSince(started),
      breaks: [...breaks, ...books.breaks, ...told.strange],
    }
  } finally {
    await folder.close()
    await pgs.close()
  }
}

const secondsSince = (began: number): number => Math.round((performance.now() - began) / 100) / 10

interface DaySetting {
  readonly house: House
  readonly pgs: SandboxPgs
  readonly city: MadeCity
  readonly apiKey: string
  readonly orders: number
  readonly seed: number
  readonly now: Date
  readonly say: (line: string) => void
}

function playDay({ house, pgs, city, apiKey, orders, seed, now, say }: DaySetting) {
  const { folder } = house
  const began = performance.now()
  const told = emptyTold()
  const { call, untilAnswered } = openPatientClient({ url: folder.url, apiKey, retried: () => void (told.retries += 1) })
  const slot = { date: new Date(now.getTime() + 2 * 86_400_000).toISOString().slice(0, 10), code: city.slots[2]?.code ?? '' }
  const people: People = { told, city, call, untilAnswered, slot, gatewayUrl: (name) => pgs.servers.get(name)?.url ?? '' }
  let next = 0
  const client = async (): Promise<void> => {
    while (next < orders) {
      next += 1
      if (next % 5_000 === 0) say(`${next} orders under way after ${secondsSince(began)} s`)
      const order = dayOrder(next - 1, seed, city, now)
      const number = await placeOrder(people, order)
      if (number === undefined) continue
      const followed = followOrder(people, order, number).finally(() => following.delete(followed))
      following.add(followed)
      while (following.size > followedMost) await Promise.race(following)
    }
  }
  // Who waits for a payment or a page holds up nobody who wants to buy.
  const following = new Set<Promise<void>>()
  const placed = Promise.all(Array.from({ length: clients }, client))
  const lived = placed.then(async () => {
    while (following.size > 0) await Promise.all(following)
  })

  const claiming = new Map<string, number>()
  const claimed = new Set<string>()
  let delivered = 0
  const all = deskOf(call, 1_000)
  // Three waybills of four are told of in leaps, as by a warehouse that reports only what is done: a further state includes those before it.
  const desk: StaffDesk = {
    waiting: all.waiting,
    report: (moves) => all.report(moves.map((move) => (move.waybillId % 4 === 0 ? move : { ...move, to: leaps.get(move.to) ?? move.to }))),
  }
  const round = async (): Promise<number> => {
    const moves = await playRound(desk).catch(() => [])
    for (const { orderNumber, to } of moves) {
      if (to !== 'delivered') continue
      delivered += 1
      // An order has several waybills: it is claimed once.
      if (told.byNumber.get(orderNumber)?.after.kind !== 'claim' || claimed.has(orderNumber)) continue
      claimed.add(orderNumber)
      claiming.set(orderNumber, 0)
    }
    return moves.length
  }
  const claimSome = async (): Promise<number> => {
    const waiting = [...claiming].slice(0, clients)
    const done = await Promise.all(
      waiting.map(async ([number, times]) => {
        const order = told.byNumber.get(number)
        const isDone = order === undefined || (await claimGoods(people, order, number))
        // To the end of the line: the event of its delivery is still on its way.
        claiming.delete(number)
        if (!isDone && times < 200) claiming.set(number, times + 1)
        return isDone
      }),
    )
    return done.filter(Boolean).length
  }
  const ending = new AbortController()
  const staff = (async () => {
    while (!ending.signal.aborted) {
      await round()
      await claimSome()
      await delay(50)
    }
  })()
  return {
    told,
    began,
    placed,
    lived,
    delivered: () => delivered,
    /** Plays on until nothing is left to deliver, to claim, or to pay for. */
    async end(): Promise<void> {
      ending.abort()
      await staff
      const webhooksWaiting = (): number => [...pgs.servers.values()].reduce((sum, server) => sum + server.webhooksWaiting(), 0)
      for (let turn = 0; turn < 200; turn += 1) {
        const moved = await round()
        const settled = await claimSome()
        if (moved + settled > 0) continue
        await drain(folder, { webhooksWaiting, acted: told.acted, withinMs: drainWithinMs })
        const paid = turn < 190 ? await payAgain(people, folder) : 0
        if ((await round()) + (await claimSome()) + paid === 0) return
      }
      throw new Error('after two hundred rounds there is still something to do')
    },
  }
}

/**
 * Means that all gateways of a store may refuse, or their customers: the order stays open and is paid for anew. Who pays late and
 * right after an amendment may pay what was due before it, and pays the difference later.
 */
const refusable = new Set<PayKind>(['late', 'soft', 'refused', 'uncertain', 'mixed_fails', 'by_section', 'three_ds'])

/** Customers whose means were refused come back and pay by another one. */
async function payAgain(people: People, folder: ServerFolder): Promise<number> {
  const { told } = people
  let paid = 0
  for (const { key, orderId, part, legs } of await openRequests(folder)) {
    const order = told.byNumber.get(told.numbers.get(key) ?? '')
    if (order === undefined || told.left.has(key)) continue
    if (!refusable.has(order.pay))
      told.strange.push(`${key} (${order.pay}, ${JSON.stringify(order.after)}): part ${part} is left open: ${legs}`)
    const id = `${order.pay} ${order.after.kind} ${legs}`
    told.paidAgain.set(id, (told.paidAgain.get(id) ?? 0) + 1)
    paid += 1
    const answer = await people.untilAnswered(order.random, () =>
      people.call(
        'POST',
        '/v1/payments',
        { orderId, part, legs: [{ means: 'card', token: 'tok_ok' }] },
        `${key}-again-${part}-${order.random()}`,
      ),
    )
    if (answer.status !== 202) told.strange.push(`${key}: paying part ${part} again: ${answer.status} ${answer.body.code}`)
  }
  return paid
}

interface Killing {
  readonly house: House
  readonly told: DayTold
  readonly orders: number
  readonly kills: number
  readonly seed: number
  readonly say: (line: string) => void
}

/** Kills when a drawn number of orders has been acknowledged, so that the seed and not the machine says how far the day is. */
async function killAlong({ house, told, orders, kills, seed, say }: Killing) {
  const random = seeded(Math.imul(seed + 7, 0x9e3779b1))
  const killed: Record<Victim, number> = { server: 0, postgres: 0, both: 0 }
  let slowestRecoveryMs = 0
  for (const [at, victim] of victimsOf(kills, random).entries()) {
    const after = Math.floor(((at + 0.2 + random() * 0.6) / kills) * orders)
    while (told.numbers.size < after) await delay(2)
    await delay(random() * 200)
    killed[victim] += 1
    const acknowledged = told.numbers.size
    const tookMs = Math.round(await killAndRecover(house, victim, victim !== 'postgres' && random() < 0.25 ? random() * 1_500 : undefined))
    slowestRecoveryMs = Math.max(slowestRecoveryMs, tookMs)
    say(`${victim} killed at ${acknowledged} orders; ready after ${tookMs} ms`)
  }
  return { killed, slowestRecoveryMs }
}
