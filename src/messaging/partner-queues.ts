import { setTimeout as delay } from 'node:timers/promises'
import type { ContextDatabase, ReadContext, Scope, WriteContext } from '#platform/database.ts'
import {
  type Consumption,
  directions,
  EngineAway,
  type Exchange,
  type ExchangeMessage,
  type Handle,
  queueOf,
  queueOfTopic,
} from '#platform/exchange.ts'
import { openLanes, type Settled } from '#platform/exchange-lanes.ts'
import type { Traffic } from '#platform/request-context.ts'
import {
  buryMessages,
  countMessages,
  deadMessages,
  finishMessages,
  fullQueues,
  holdQueue,
  insertMessages,
  letGoQueue,
  oldestMessages,
  reviveMessages,
  type StoredMessage,
} from './partner-queue-store.ts'

export interface PartnerQueuesOptions {
  readonly database: ContextDatabase
  readonly partners: readonly string[]
  /** Names this process among those that take from one queue. */
  readonly holder: string
  /** Messages that may wait in one queue before no more are taken on; 10,000 unless told. */
  readonly queueMost?: number
  /** Longest wait between looks, ms; 1,000 unless told. What this process itself puts in is seen at once. */
  readonly pollMs?: number
  readonly log: { warn(facts: object, message: string): void }
}

/** Messages in hand at once. */
const inHand = 200
/** How long a process that is killed keeps its place; it is renewed with every look. */
const holdMs = 10_000

/** Partners without a broker: their queues are a table of ours, and a message enters it in the transaction that moves the consumer's cursor. */
export function openPartnerQueues(options: PartnerQueuesOptions): Exchange {
  const { database, partners, holder, queueMost = 10_000, pollMs = 1_000, log } = options
  const queues = directions.flatMap((direction) => partners.map((partner) => queueOf(direction, partner)))
  const open = new Set<Taker>()
  let opened = 0

  const put = async (context: WriteContext, direction: 'outbound' | 'inbound', messages: readonly ExchangeMessage[]): Promise<void> => {
    if (messages.length === 0) return
    const addressed = messages.map((message) => ({ ...message, queue: queueOfTopic(direction, message.topic) }))
    const stray = addressed.find(({ queue }) => !queues.includes(queue))
    if (stray !== undefined) throw new EngineAway(`no queue takes ${stray.topic}`)
    const [first] = await fullQueues(context, [...new Set(addressed.map(({ queue }) => queue))], queueMost)
    if (first !== undefined) throw new EngineAway(`the queue ${first.queue} is full`)
    insertMessages(context, addressed)
    context.afterCommit(() => {
      for (const taker of open) taker.wake()
    })
  }
  const read = <T>(traffic: Traffic, work: (context: ReadContext) => Promise<T>): Promise<T> => database.read(houseScope(traffic), work)
  const write = <T>(traffic: Traffic, work: (context: WriteContext) => Promise<T>): Promise<T> =>
    database.write(houseScope(traffic), work, { repeatable: true })

  return {
    publish: (context, messages) => put(context, 'outbound', messages),
    submit: (scope, messages) => database.write(scope, (context) => put(context, 'inbound', messages), { repeatable: true }),
    consume(queue, traffic, handle) {
      opened += 1
      const taker = new Taker({
        queue,
        traffic,
        handle,
        holder: `${holder}/${opened}`,
        pollMs,
        read: (work) => read(traffic, work),
        write: (work) => write(traffic, work),
        log,
      })
      open.add(taker)
      return {
        async close() {
          open.delete(taker)
          await taker.close()
        },
      }
    },
    states: (traffic) => read(traffic, (context) => countMessages(context, queues)),
    deadLetters: (queue, traffic, most) => read(traffic, (context) => deadMessages(context, queue, most)),
    async replay(queue, traffic, most) {
      const revived = await write(traffic, (context) => reviveMessages(context, queue, most))
      for (const taker of open) taker.wake()
      return revived.length
    },
    close: async () => void (await Promise.all([...open].map((taker) => taker.close()))),
  }
}

const houseScope = (traffic: Traffic): Scope => ({ traffic, rehearsalId: traffic === 'shadow' ? 'housekeeping' : null })

interface TakerOptions {
  readonly queue: string
  readonly traffic: Traffic
  readonly handle: Handle
  readonly holder: string
  readonly pollMs: number
  readonly read: <T>(work: (context: ReadContext) => Promise<T>) => Promise<T>
  readonly write: <T>(work: (context: WriteContext) => Promise<T>) => Promise<T>
  readonly log: PartnerQueuesOptions['log']
}

/** Takes from one queue of one traffic, a batch after the other. */
class Taker implements Consumption {
  readonly #options: TakerOptions
  readonly #lanes: ReturnType<typeof openLanes>
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #wake: (() => void) | undefined
  #isWoken = false

  constructor(options: TakerOptions) {
    this.#options = options
    this.#lanes = openLanes(options.traffic, options.handle)
    this.#running = this.#run()
  }

  wake(): void {
    this.#isWoken = true
    this.#wake?.()
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    this.#lanes.close()
    this.wake()
    await this.#running
  }

  async #run(): Promise<void> {
    const { queue, holder, traffic, pollMs, write, log } = this.#options
    while (!this.#stopping.signal.aborted) {
      this.#isWoken = false
      const taken = await this.#takeSome().catch((error: unknown) => {
        log.warn({ err: error, queue, traffic }, 'a queue of a partner could not be read; it is tried again')
        return 0
      })
      if (taken === 0) await this.#pause(pollMs)
    }
    await write((context) => letGoQueue(context, queue, holder)).catch(() => undefined)
  }

  async #takeSome(): Promise<number> {
    const { queue, holder, read, write } = this.#options
    // A look at an empty queue is a read: a hold is a commit, and most queues are empty most of the time.
    if ((await read((context) => oldestMessages(context, queue, 1))).length === 0) return 0
    if (!(await write((context) => holdQueue(context, queue, holder, holdMs)))) return 0
    const messages = await read((context) => oldestMessages(context, queue, inHand))
    if (messages.length === 0) return 0
    const ends = await Promise.all(messages.map((message) => this.#lanes.settle(message)))
    await write((context) => this.#record(context, messages, ends))
    return messages.length
  }

  async #record(context: WriteContext, messages: readonly StoredMessage[], ends: readonly Settled[]): Promise<void> {
    const done = messages.filter((_, index) => ends[index]?.end === 'done')
    const dead = messages.flatMap(({ rowId }, index) => {
      const end = ends[index]
      return end?.end === 'dead' ? [{ rowId, reason: end.reason }] : []
    })
    if (done.length > 0)
      finishMessages(
        context,
        done.map(({ rowId }) => rowId),
      )
    if (dead.length > 0) buryMessages(context, dead)
  }

  async #pause(ms: number): Promise<void> {
    if (this.#isWoken || this.#stopping.signal.aborted) return
    const timer = new AbortController()
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    await Promise.race([woken, delay(ms, undefined, { signal: timer.signal }).catch(() => undefined)])
    timer.abort()
    this.#wake = undefined
  }
}
