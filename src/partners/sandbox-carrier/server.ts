import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { drawOf } from '#partners/sandbox-pg/draws.ts'
import type { Dialect } from './dialects.ts'
import { type CarrierFact, journeyOf } from './journeys.ts'

/** How badly it behaves, each in parts of 1; drawn by seed, so that a run can be repeated. */
export interface CarrierFaults {
  readonly latencyMs?: number
  /** A message is sent again although it was answered. */
  readonly repeats?: number
  /** It hangs up before it has read the answer, and sends again. */
  readonly hangsUp?: number
  /** A message has events in it that can not be read. */
  readonly spoils?: number
  /** Somebody else sends a message in its name. */
  readonly forges?: number
}

export interface SandboxCarrierOptions {
  readonly dialect: Dialect
  readonly secret: string
  /** Where its webhooks go. */
  readonly target: string
  readonly seed: number
  readonly now: Date
  readonly faults?: CarrierFaults
}

export interface CarrierRun {
  readonly messages: number
  readonly repeated: number
  readonly spoiled: number
  readonly forged: number
  /** Messages that were forged and answered as if they were not. */
  readonly believed: number
  /** Calls that got no 2xx although they were genuine; they are sent again. */
  readonly refused: number
  readonly slowestMs: number
}

export interface SandboxCarrier {
  /** `GET /log` gives every event that it knows, one line of JSON each; `GET /log/NUMBER` those of one parcel. */
  readonly url: string
  /** Tells of parcels: event by event and all so far, in an order of its own, several calls at once. */
  run(numbers: readonly string[]): Promise<CarrierRun>
  close(): Promise<void>
}

const callsAtOnce = 8
const triesMost = 10

/** A carrier played by us: a real server with a log of its own, which sends webhooks as badly as it is told to. */
export async function openSandboxCarrier(options: SandboxCarrierOptions): Promise<SandboxCarrier> {
  const { dialect, secret, target, seed, now, faults = {} } = options
  const log: CarrierFact[] = []
  const server = createServer((request, response) => {
    const number = /^\/log\/(.+)$/.exec(request.url ?? '')?.[1]
    const asked = number === undefined ? log : log.filter((fact) => fact.number === decodeURIComponent(number))
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.end(asked.map((fact) => `${JSON.stringify({ ...fact, code: dialect.codes[fact.happening] })}\n`).join(''))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const strikes = (share: number | undefined, what: string): boolean => drawOf(seed, what) < (share ?? 0)

  const post = async (body: string, headers: Readonly<Record<string, string>>, hangUp = false): Promise<number> => {
    const stop = new AbortController()
    if (hangUp) setTimeout(() => stop.abort(), 1)
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)])
    try {
      const answer = await fetch(target, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body, signal })
      await answer.body?.cancel()
      return answer.status
    } catch {
      return 0
    }
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async run(numbers) {
      const counts = { messages: 0, repeated: 0, spoiled: 0, forged: 0, believed: 0, refused: 0, slowestMs: 0 }
      const known = numbers.map((number) => journeyOf(seed, number, now.getTime()))
      log.push(...known.flat())
      // Each message has what is known of a parcel so far, as carriers do it; so most of what comes is repetition.
      const messages = known.flatMap((journey) =>
        journey.map((_, step) => ({ facts: journey.slice(0, step + 1), at: drawOf(seed, `order ${journey[0]?.number} ${step}`) })),
      )
      const queue = messages.toSorted((a, b) => a.at - b.at)
      const send = async ({ facts }: (typeof queue)[number]): Promise<void> => {
        const name = `${facts[0]?.number} ${facts.length}`
        if (faults.latencyMs !== undefined) await delay(faults.latencyMs * 2 * drawOf(seed, `latency ${name}`))
        const spoil = strikes(faults.spoils, `spoil ${name}`)
        const body = dialect.write(facts, spoil)
        counts.messages += 1
        if (spoil) counts.spoiled += 1
        if (strikes(faults.forges, `forge ${name}`)) {
          counts.forged += 1
          const lie = dialect.write([{ number: 'FORGED', happening: 'handed_over', at: facts[0]?.at ?? 0, town: 'Nowhere' }], false)
          if ((await post(lie, dialect.sign(lie, `not ${secret}`))) < 300) counts.believed += 1
        }
        if (strikes(faults.hangsUp, `hang up ${name}`)) {
          counts.repeated += 1
          await post(body, dialect.sign(body, secret), true)
        }
        for (let tried = 1; tried <= triesMost; tried += 1) {
          const started = performance.now()
          const status = await post(body, dialect.sign(body, secret))
          counts.slowestMs = Math.max(counts.slowestMs, performance.now() - started)
          if (status >= 200 && status < 300) break
          counts.refused += 1
          await delay(20 * tried)
        }
        if (strikes(faults.repeats, `repeat ${name}`)) {
          counts.repeated += 1
          await post(body, dialect.sign(body, secret))
        }
      }
      let next = 0
      const worker = async (): Promise<void> => {
        for (let message = queue[next++]; message !== undefined; message = queue[next++]) await send(message)
      }
      await Promise.all(Array.from({ length: callsAtOnce }, worker))
      return counts
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
