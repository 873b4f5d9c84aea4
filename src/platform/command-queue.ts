import { randomBytes } from 'node:crypto'
import { type Failure, type Outcome, refused } from '#kernel/outcome.ts'
import { hashBody } from '#platform/aspects/idempotency.ts'
import { Batcher } from '#platform/batcher.ts'
import {
  claimCommands,
  countWaiting,
  enqueueCommands,
  finishCommands,
  postponeCommands,
  type ClaimedCommand,
  type NewCommand,
  type QueuedCommand,
} from '#platform/command-store.ts'
import type { ContextDatabase, Scope } from '#platform/database.ts'
import type { Operation } from '#platform/operation.ts'
import type { Call, Runner } from '#platform/operation-runner.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'

export const queueNames = ['order', 'payment', 'update'] as const
export type QueueName = (typeof queueNames)[number]

/**
 * The side of commands that may be done later: what a caller sends with `Prefer: respond-async` is checked, written down and
 * answered with a resource to watch; workers run it through the same operation with the same idempotency key. A worker that
 * dies leaves a lease behind that runs out, and the key makes the second run find the first one's answer.
 */
export interface CommandQueues {
  /** The queue of an operation's commands; undefined: it is always run at once. */
  queueOf(operation: Operation): QueueName | undefined
  /** Accepts a checked call. Refuses with 429 who fills more than a share of a queue, with 503 when it is full. */
  accept(queue: QueueName, operation: Operation, call: Call): Promise<Outcome<QueuedCommand>>
  start(): void
  /** Commands waiting, by queue. */
  depths(traffic: Traffic): Promise<{ queue: QueueName; waiting: number }[]>
  /** Finishes what is under way. */
  close(): Promise<void>
}

export interface CommandQueuesOptions {
  readonly database: ContextDatabase
  readonly runner: Pick<Runner, 'runMany'>
  readonly queueOf: (operation: Operation) => QueueName | undefined
  /** Most commands that may wait in one queue of one traffic; 10,000 unless told. */
  readonly mostWaiting?: number
  readonly pollMs?: number
  readonly log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
}

/** One client may fill this share of a queue; the rest is left for others. */
const shareOfOne = 0.5
/** Taken at once by a worker: a few batches of an operation. */
const claimMost = 512
/** A worker that has not told the end of a command by then has died, as far as others can tell. */
const leaseMs = 60_000
/** Tries of a command that fails for reasons that should pass: with the waits below, about an hour. */
const attemptsMost = 30
const postponeMs = (attempt: number): number => Math.min(120_000, 500 * 2 ** Math.min(attempt, 8))
/** Between looks for what other processes have queued; what this one queues wakes its worker at once. */
const standardPollMs = 1_000
/** Failures that say nothing of the command itself. */
const passing = new Set(['platform.unavailable', 'platform.overloaded', 'platform.deadline', 'platform.internal'])

export function openCommandQueues(options: CommandQueuesOptions): CommandQueues {
  const { database } = options
  const mostWaiting = options.mostWaiting ?? 10_000
  const ways = new Map<string, Batcher<NewCommand, QueuedCommand | 'other_body'>>()
  const loops = bothTraffics.flatMap((traffic) => queueNames.map((queue) => new QueueLoop(queue, traffic, options)))
  const loopOf = (queue: QueueName, traffic: Traffic): QueueLoop =>
    loops.find((loop) => loop.queue === queue && loop.traffic === traffic) as QueueLoop

  const wayOf = ({ traffic, rehearsalId }: Scope): Batcher<NewCommand, QueuedCommand | 'other_body'> => {
    const key = `${traffic} ${rehearsalId ?? ''}`
    let way = ways.get(key)
    if (way === undefined) {
      way = new Batcher({
        largest: 256,
        longestWaitMs: 2,
        concurrent: 1,
        mostWaiting: 4_096,
        run: (commands) => database.write({ traffic, rehearsalId }, (context) => enqueueCommands(context, commands), { repeatable: true }),
      })
      ways.set(key, way)
    }
    return way
  }

  /** Depths as of the last look and what this process added since: exact enough for a bound, and free of a count for each call. */
  const refusalOf = (loop: QueueLoop, client: string): Failure | undefined => {
    if (loop.waiting >= mostWaiting) {
      const retryAfterSeconds = loop.secondsToDrain()
      return refused('platform.queue_full', `The queue of ${loop.queue} commands is full; try again later.`, undefined, {
        retryAfterSeconds,
      }).error
    }
    if ((loop.waitingOf.get(client) ?? 0) < mostWaiting * shareOfOne) return undefined
    return refused('platform.limited', `Too many ${loop.queue} commands of yours are waiting; try again when some are done.`, undefined, {
      retryAfterSeconds: loop.secondsToDrain(),
    }).error
  }

  return {
    queueOf: options.queueOf,
    async accept(queue, operation, { context, input, idempotencyKey }) {
      const loop = loopOf(queue, context.traffic)
      const failure = refusalOf(loop, context.actor.id)
      if (failure !== undefined) return { ok: false, error: failure }
      // Every queued command has a key, so that running it twice is harmless: its name, where the caller sent none.
      const name = `cmd_${randomBytes(15).toString('base64url')}`
      const stored = await wayOf(context).add({
        name,
        queue,
        operation: operation.id,
        client: context.actor.id,
        scopes: context.actor.scopes,
        idempotencyKey: idempotencyKey ?? name,
        bodyHash: hashBody(operation.id, input),
        input,
        traceId: context.traceId,
      })
      if (stored === undefined)
        return refused('platform.overloaded', 'Too many calls are waiting; try again with the same key.', undefined, {
          retryAfterSeconds: 1,
        })
      if (stored === 'other_body') {
        return refused(
          'platform.idempotency_key_reused',
          'This idempotency key was used with another body. Use a new key for a new command.',
          'Idempotency-Key',
        )
      }
      if (stored.state === 'queued') loop.added(context.actor.id)
      return { ok: true, value: stored }
    },
    start() {
      for (const loop of loops) loop.start()
    },
    async depths(traffic) {
      const rows = await database.read(scopeOf(traffic), countWaiting)
      return queueNames.map((queue) => ({
        queue,
        waiting: rows.filter((row) => row.queue === queue).reduce((sum, row) => sum + row.waiting, 0),
      }))
    },
    async close() {
      await Promise.all([...ways.values()].map((way) => way.drain()))
      await Promise.all(loops.map((loop) => loop.close()))
    },
  }
}

const scopeOf = (traffic: Traffic): Scope => ({ traffic, rehearsalId: traffic === 'shadow' ? 'housekeeping' : null })

/** One queue in one traffic: takes what waits, runs it, writes down what became of it. */
class QueueLoop {
  readonly queue: QueueName
  readonly traffic: Traffic
  waiting = 0
  readonly waitingOf = new Map<string, number>()
  readonly #options: CommandQueuesOptions
  #finishedPerSecond = 0
  #stopping = false
  #running: Promise<void> | undefined
  #wake: (() => void) | undefined
  #kicked = false

  constructor(queue: QueueName, traffic: Traffic, options: CommandQueuesOptions) {
    this.queue = queue
    this.traffic = traffic
    this.#options = options
  }

  added(client: string): void {
    this.waiting += 1
    this.waitingOf.set(client, (this.waitingOf.get(client) ?? 0) + 1)
    this.#kicked = true
    this.#wake?.()
  }

  secondsToDrain(): number {
    return Math.min(60, Math.max(1, Math.ceil(this.waiting / Math.max(100, this.#finishedPerSecond) / 4)))
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async close(): Promise<void> {
    this.#stopping = true
    this.#wake?.()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const started = performance.now()
      const done = await this.#round().catch((error: unknown) => {
        this.#options.log.warn({ err: error, queue: this.queue, traffic: this.traffic }, 'a round of queued commands broke off')
        return 0
      })
      if (done > 0) this.#finishedPerSecond = (done * 1000) / Math.max(1, performance.now() - started)
      if (done < claimMost) await this.#rest()
    }
  }

  #rest(): Promise<void> {
    if (this.#kicked || this.#stopping) {
      this.#kicked = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#wake = undefined
        this.#kicked = false
        resolve()
      }
      const timer = setTimeout(wake, this.#options.pollMs ?? standardPollMs)
      this.#wake = wake
    })
  }

  async #round(): Promise<number> {
    const { database } = this.#options
    const scope = scopeOf(this.traffic)
    this.#recount(await database.read(scope, countWaiting))
    // Most looks find nothing, and need no transaction for it.
    if (this.waiting === 0) return 0
    const claimed = await database.write(scope, (context) => claimCommands(context, this.queue, { most: claimMost, leaseMs }))
    // Neighbours of one operation and rehearsal run together; the order of arrival holds between such groups.
    for (const group of groupsOf(claimed)) {
      const outcomes = await this.#runGroup(group)
      await this.#record(scope, group, outcomes)
      this.#left(group)
    }
    return claimed.length
  }

  /** An operation that a newer version no longer has must not hold up what waits behind it. */
  async #runGroup(group: readonly ClaimedCommand[]): Promise<Outcome<unknown>[]> {
    try {
      return await this.#options.runner.runMany(group[0]?.operation ?? '', group.map(callOf), { admitted: true })
    } catch (error) {
      this.#options.log.error({ err: error, operation: group[0]?.operation }, 'queued commands could not be run')
      return group.map(() => refused('platform.no_such_operation', 'There is no such operation any more; nothing was done.'))
    }
  }

  async #record(scope: Scope, group: readonly ClaimedCommand[], outcomes: readonly Outcome<unknown>[]): Promise<void> {
    const ended: { id: number; outcome: Outcome<unknown> }[] = []
    const postponed: { id: number; ms: number }[] = []
    group.forEach(({ id, attempts }, index) => {
      const outcome = outcomes[index] ?? refused('platform.internal', 'The command had no outcome.')
      if (!outcome.ok && passing.has(outcome.error.code) && attempts < attemptsMost) postponed.push({ id, ms: postponeMs(attempts) })
      else ended.push({ id, outcome })
    })
    await this.#options.database.write(
      scope,
      async (context) => {
        finishCommands(context, ended)
        postponeCommands(context, postponed)
      },
      { repeatable: true },
    )
  }

  /** What was just run waits no longer; what was put off is counted again at the next look. */
  #left(group: readonly ClaimedCommand[]): void {
    this.waiting = Math.max(0, this.waiting - group.length)
    for (const { client } of group) this.waitingOf.set(client, Math.max(0, (this.waitingOf.get(client) ?? 0) - 1))
  }

  #recount(depths: readonly { queue: string; client: string; waiting: number }[]): void {
    this.waiting = 0
    this.waitingOf.clear()
    for (const { queue, client, waiting } of depths) {
      if (queue !== this.queue) continue
      this.waiting += waiting
      this.waitingOf.set(client, waiting)
    }
  }
}

function groupsOf(claimed: readonly ClaimedCommand[]): ClaimedCommand[][] {
  const groups: ClaimedCommand[][] = []
  for (const command of claimed) {
    const group = groups.at(-1)
    if (group?.[0]?.operation === command.operation && group[0].rehearsalId === command.rehearsalId) group.push(command)
    else groups.push([command])
  }
  return groups
}

function callOf({ traffic, rehearsalId, client, scopes, traceId, input, idempotencyKey }: ClaimedCommand): Call {
  return { context: { traffic, rehearsalId, actor: { id: client, scopes }, traceId }, input, idempotencyKey }
}
