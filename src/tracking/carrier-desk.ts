import { hash } from 'node:crypto'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { ContextDatabase, Scope, WriteContext } from '#platform/database.ts'
import { isOperational } from '#platform/sql-retry.ts'
import type { BrokenEvent, CarrierAdapter, CarrierEvent, CarrierMessage } from './carrier-adapter.ts'
import {
  keepMessages,
  lockUnread,
  markMessages,
  pruneMessages,
  type ReadMessage,
  type UnreadMessage,
  waitingRehearsals,
} from './carrier-store.ts'
import { noArchive, type ReadArchive } from './archive.ts'
import { recordFacts } from './record-facts.ts'

export interface CarrierDeskOptions {
  readonly carriers: readonly CarrierAdapter[]
  /** By carrier, what it and we agreed on. A carrier without one is not taken from. */
  readonly secrets: ReadonlyMap<string, string>
  readonly database: ContextDatabase
  readonly archive?: ReadArchive
  readonly log: (problem: { message: string; error: unknown }) => void
}

export interface ReceivedMessage extends CarrierMessage {
  readonly carrier: string
}

/** Messages read in one transaction; one has some tens of events. */
const mostMessages = 50
const keptMs = 30 * 86_400_000

/**
 * Takes carriers' webhooks: what is genuine goes into the inbox and is answered, and is read after the commit, by this process at once or by a round. A
 * message that came before is known by its body; its events would find themselves as well.
 */
export class CarrierDesk {
  readonly #options: CarrierDeskOptions
  readonly #reading = new Map<string, Promise<void>>()
  readonly #again = new Set<string>()

  constructor(options: CarrierDeskOptions) {
    this.#options = options
  }

  async receive(context: WriteContext, messages: readonly ReceivedMessage[]): Promise<Outcome<{ first: boolean }>[]> {
    const read = messages.map((message) => this.#judge(message) ?? accepted({ ...message, digest: hash('sha256', message.body, 'hex') }))
    const good = new Map(read.flatMap((one) => (one.ok ? [[`${one.value.carrier} ${one.value.digest}`, one.value] as const] : [])))
    const fresh = await keepMessages(context, [...good.values()])
    if (fresh.size > 0) {
      const { traffic, rehearsalId } = context
      context.afterCommit(() => void this.readDue({ traffic, rehearsalId }))
    }
    // Of two copies in one batch the first one was first.
    return read.map((one) => (one.ok ? accepted({ first: fresh.delete(`${one.value.carrier} ${one.value.digest}`) }) : one))
  }

  #judge(message: ReceivedMessage): Outcome<never> | undefined {
    const adapter = this.#adapterOf(message.carrier)
    const secret = this.#options.secrets.get(message.carrier)
    if (adapter === undefined || secret === undefined)
      return refused('tracking.unknown_carrier', 'no carrier of this name sends here; see the setting CARRIER_SECRETS', '/carrier')
    if (!adapter.isGenuine(message, secret))
      return refused('tracking.message_refused', 'the message is not proven to come from the carrier', '/headers')
    return undefined
  }

  #adapterOf(name: string): CarrierAdapter | undefined {
    return this.#options.carriers.find((adapter) => adapter.name === name)
  }

  /** Reads all that waits, of each rehearsal in its name. For a round: who takes a message in reads what is of its own. */
  async readAllDue(scope: Scope): Promise<void> {
    const waiting = await this.#options.database.read(scope, (context) => waitingRehearsals(context))
    for (const rehearsalId of waiting) {
      // Those of a shadow that nobody labelled go by the name of the round.
      await this.readDue({ traffic: scope.traffic, rehearsalId: rehearsalId ?? scope.rehearsalId }, rehearsalId)
    }
  }

  /** Reads all that waits of one rehearsal, or of none. Called while it reads, it looks once more at the end, so that nothing waits for a round. */
  readDue(scope: Scope, of: string | null = scope.rehearsalId): Promise<void> {
    const key = `${scope.traffic} ${of ?? ''}`
    const under = this.#reading.get(key)
    if (under !== undefined) {
      this.#again.add(key)
      return under
    }
    const reading = this.#readAll(scope, of)
      .catch((error: unknown) => {
        // The round comes by again.
        this.#options.log({ message: 'messages of carriers could not be read', error })
      })
      .finally(() => {
        this.#reading.delete(key)
        if (this.#again.delete(key)) void this.readDue(scope, of)
      })
    this.#reading.set(key, reading)
    return reading
  }

  async #readAll(scope: Scope, of: string | null): Promise<void> {
    let after = 0
    for (;;) {
      const batch = await this.#readBatch(scope, { most: mostMessages, after, of }).catch(async (error: unknown) => {
        if (isOperational(error)) throw error
        // One of them can not be recorded for a reason that nobody foresaw: alone, it holds up no other.
        return this.#readBatch(scope, { most: 1, after, of }).catch((inner: unknown) => this.#setAside(scope, { after, of, error: inner }))
      })
      if (batch === undefined) return
      after = batch
    }
  }

  /** The last id of what was read; undefined when nothing waits after `after`. */
  async #readBatch(scope: Scope, asked: { most: number; after: number; of: string | null }): Promise<number | undefined> {
    return this.#options.database.write(
      scope,
      async (context) => {
        const messages = await lockUnread(context, asked)
        if (messages.length > 0) markMessages(context, await this.#record(context, messages))
        return messages.at(-1)?.id
      },
      { repeatable: true },
    )
  }

  async #setAside(scope: Scope, { after, of, error }: { after: number; of: string | null; error: unknown }): Promise<number | undefined> {
    if (isOperational(error)) throw error
    this.#options.log({ message: 'a message of a carrier could not be recorded', error })
    return this.#options.database.write(scope, async (context) => {
      const [message] = await lockUnread(context, { most: 1, after, of })
      if (message === undefined) return undefined
      const detail = `could not be recorded: ${error instanceof Error ? error.message.slice(0, 200) : 'unknown'}`
      markMessages(context, [{ id: message.id, added: 0, known: 0, broken: [{ at: '', detail }] }])
      return message.id
    })
  }

  async #record(context: WriteContext, messages: readonly UnreadMessage[]): Promise<ReadMessage[]> {
    const read = messages.map(({ id, carrier, body }) => {
      const found = this.#adapterOf(carrier)?.read(body)
      return { id, carrier, events: found?.events ?? [], broken: [...(found?.broken ?? [{ at: '', detail: `no message of ${carrier}` }])] }
    })
    const outcomes = (
      await recordFacts(
        context,
        read.flatMap(({ carrier, events }) =>
          events.map(({ number, code, occurredAt, zoneKnown, place, detail }) => ({
            carrier,
            number,
            source: carrier,
            code,
            occurredAt,
            zoneKnown,
            ...(place === '' ? {} : { place }),
            ...(detail === '' ? {} : { detail }),
          })),
        ),
        { archive: this.#options.archive ?? noArchive },
      )
    ).values()
    return read.map(({ id, events, broken }): ReadMessage => {
      let [added, known] = [0, 0]
      for (const event of events) {
        const outcome = outcomes.next().value as Awaited<ReturnType<typeof recordFacts>>[number]
        if (!outcome.ok) {
          broken.push(brokenOf(event, outcome.error.detail))
          continue
        }
        if (outcome.value.added) added += 1
        else known += 1
      }
      return { id, added, known, broken }
    })
  }

  /** Drops what was read long ago. */
  async prune(scope: Scope): Promise<void> {
    for (let gone = 1; gone > 0; )
      gone = await this.#options.database.write(scope, (context) => pruneMessages(context, new Date(context.now.getTime() - keptMs)))
  }

  /** Waits until nothing is being read. */
  async idle(): Promise<void> {
    while (this.#reading.size > 0) await Promise.all(this.#reading.values())
  }
}

const brokenOf = ({ number, code }: CarrierEvent, detail: string): BrokenEvent => ({ at: `${number} ${code}`, detail })
