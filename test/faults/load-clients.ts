import { setTimeout as delay } from 'node:timers/promises'
import { orderOf, playRound, seeded } from '#partners/made-city/index.ts'
import { answerWithinMs, deskOf, openPatientClient } from './patient-client.ts'

/** What clients were told, and what contradicted it. */
export interface Told {
  /** Acknowledged orders by idempotency key. */
  readonly numbers: Map<string, string>
  /** Keys that were sent, acknowledged or not. */
  readonly sent: Set<string>
  /** One key answered with two numbers, or an acknowledged order that was not found: each is a loss. */
  readonly contradictions: string[]
  /** Answers that no client should get for these commands. */
  readonly strange: string[]
  cancels: number
  moves: number
  retries: number
}

export interface LoadOptions {
  readonly url: string
  readonly apiKey: string
  readonly seed: number
  readonly clients: number
  readonly addressOf: Parameters<typeof orderOf>[2]
}

/** Shares of tokens in 100: mostly good cards, some of every fault that a gateway has. */
const tokens: readonly (readonly [share: number, token: string])[] = [
  [84, 'tok_ok'],
  [3, 'tok_soft_once'],
  [2, 'tok_declined_hard'],
  [4, 'tok_timeout_after_charge'],
  [1, 'tok_timeout_before_once'],
  [2, 'tok_unreachable_once'],
  [2, 'tok_slow'],
  [1, 'tok_refund_pending'],
  [1, 'tok_refund_timeout'],
]

interface Answered {
  readonly number?: string
  readonly outcomes?: { status: number; value?: { number: string }; error?: { code: string } }[]
}

/**
 * Clients as storefronts should be: every command under an idempotency key, sent again under the same key until there is
 * an answer, whatever happened to the connection.
 */
export function startClients(options: LoadOptions) {
  const told: Told = { numbers: new Map(), sent: new Set(), contradictions: [], strange: [], cancels: 0, moves: 0, retries: 0 }
  const ending = new AbortController()
  const acknowledged: { key: string; number: string; input: object }[] = []
  let next = 0

  const { call, untilAnswered } = openPatientClient({
    url: options.url,
    apiKey: options.apiKey,
    retried: () => void (told.retries += 1),
  })

  const note = (key: string, input: object, number: string | undefined): void => {
    if (number === undefined) return void told.strange.push(`${key} was accepted without a number`)
    const before = told.numbers.get(key)
    if (before === undefined) {
      told.numbers.set(key, number)
      acknowledged.push({ key, number, input })
    } else if (before !== number) told.contradictions.push(`key ${key} was answered with ${before} and with ${number}`)
  }

  const newOrder = (random: () => number) => {
    const n = next
    next += 1
    let left = random() * 100
    const token = tokens.find(([share]) => (left -= share) < 0)?.[1] ?? 'tok_ok'
    const key = `kill-${options.seed}-${n}`
    told.sent.add(key)
    // The key is the customer as well, so that the database can be asked which orders a key has.
    return {
      key,
      input: { ...orderOf(n, options.seed, options.addressOf), customerId: key, payment: { legs: [{ means: 'card', token }] } },
    }
  }

  const placeOne = async (random: () => number, again?: { key: string; input: object }): Promise<void> => {
    const { key, input } = again ?? newOrder(random)
    const answer = await untilAnswered(random, () => call<Answered>('POST', '/v1/orders', input, key))
    if (answer.status === 201) note(key, input, answer.body.number)
    else told.strange.push(`order ${key}: ${answer.status} ${answer.body.code}`)
  }

  const placeMany = async (random: () => number): Promise<void> => {
    let open = Array.from({ length: 2 + Math.floor(random() * 30) }, () => newOrder(random))
    const deadline = performance.now() + answerWithinMs
    while (open.length > 0 && performance.now() < deadline) {
      const commands = open.map(({ key, input }) => ({ idempotencyKey: key, input }))
      const answer = await untilAnswered(random, () => call<Answered>('POST', '/v1/orders/batch', { commands }))
      if (answer.status !== 200) return void told.strange.push(`batch of ${open[0]?.key}: ${answer.status} ${answer.body.code}`)
      // Each command has an answer of its own; those that failed for the world's reasons go again, under their keys.
      open = open.filter(({ key, input }, index) => {
        const outcome = answer.body.outcomes?.[index]
        if (outcome?.status === 201) note(key, input, outcome.value?.number)
        else if (outcome?.status !== 503 && outcome?.status !== 429)
          told.strange.push(`order ${key}: ${outcome?.status} ${outcome?.error?.code}`)
        else {
          told.retries += 1
          return true
        }
        return false
      })
      if (open.length > 0) await delay(50 + random() * 100)
    }
    for (const { key } of open) told.strange.push(`order ${key}: never answered`)
  }

  const cancelOne = async (random: () => number, { key, number }: { key: string; number: string }): Promise<void> => {
    const answer = await untilAnswered(random, () =>
      call('POST', `/v1/orders/${number}/cancel`, { reason: 'changed my mind' }, `cancel-${key}`),
    )
    if (answer.status === 200) told.cancels += 1
    // 409: it is in the truck already, which is a fair answer. 404 would be a lost order.
    else if (answer.status === 404) told.contradictions.push(`acknowledged order ${number} is not found for its cancellation`)
    else if (answer.status !== 409) told.strange.push(`cancel ${number}: ${answer.status} ${answer.body.code}`)
  }

  const lookAt = async (random: () => number, number: string): Promise<void> => {
    const answer = await untilAnswered(random, () => call('GET', `/v1/orders/${number}`))
    if (answer.status === 404) told.contradictions.push(`acknowledged order ${number} is not found`)
    else if (answer.status !== 200) told.strange.push(`get ${number}: ${answer.status} ${answer.body.code}`)
  }

  const client = async (index: number): Promise<void> => {
    const random = seeded(Math.imul(options.seed * 1_000 + index + 1, 0x9e3779b1))
    while (!ending.signal.aborted) {
      const what = random()
      const known = acknowledged[Math.floor(random() * acknowledged.length)]
      if (known !== undefined && what < 0.08) await cancelOne(random, known)
      else if (known !== undefined && what < 0.16) await placeOne(random, known)
      else if (known !== undefined && what < 0.26) await lookAt(random, known.number)
      else if (what < 0.34) await placeMany(random)
      else await placeOne(random)
      await delay(20 + random() * 60)
    }
  }

  const desk = deskOf(call, 200)
  const staff = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      told.moves += (await playRound(desk).catch(() => [])).length
      await delay(150)
    }
  }

  const working = [...Array.from({ length: options.clients }, (_, index) => client(index)), staff()]
  return {
    told,
    /** A round of the staff after the load: on a busy machine a rush may have kept all waybills back until its end. */
    async round(): Promise<void> {
      told.moves += (await playRound(desk)).length
    },
    /** Takes no new command; each client goes on until its last one is answered. */
    async stop(): Promise<void> {
      ending.abort()
      await Promise.all(working)
    },
  }
}
