import { setTimeout as delay } from 'node:timers/promises'
import { type Backlog, backlogOf } from '#platform/backlog.ts'
import type { Consumer } from '#platform/consumer.ts'
import type { ContextName, Databases, Scope } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'
import { GapWatch } from '#platform/gap-watch.ts'
import { bothTraffics, runInContext, systemContext, type Traffic } from '#platform/request-context.ts'
import { OutboxReader, type OutboxRow } from '#platform/outbox-reader.ts'
import { pruneOutboxes, relayScope } from '#platform/relay-prune.ts'
import { relayStatementsOf } from '#platform/relay-sql.ts'
import { isOperational } from '#platform/sql-retry.ts'
import type { Traces } from '#platform/traces.ts'

/**
 * The relay carries events from outboxes to consumers: in order per key, in batches, each batch and its cursor in one
 * transaction of the consumer's context. Any number of processes may run it; the cursor's compare-and-set lets one win.
 */
export interface Relay {
  start(): void
  /** New events may be there: called after each commit that announced some, so that in one process nothing waits for a poll. */
  kick(from: ContextName, traffic: Traffic): void
  /** Events that consumers still have to take, by consumer. */
  backlog(traffic: Traffic): Promise<Backlog[]>
  /** Runs parked events of a consumer again, in order; those that succeed leave the parking place. */
  replayParked(consumer: string, scope: Traffic): Promise<{ replayed: number; stillParked: number }>
  /** Deletes events that every consumer has taken, at most `most` an outbox, a little at a time, and not during a rush. */
  prune(traffic: Traffic, most?: number): Promise<number>
  /** Finishes the batches under way. */
  close(): Promise<void>
}

export interface RelayOptions {
  readonly databases: Databases
  readonly consumers: readonly Consumer[]
  /** Longest wait between looks when nobody kicks, ms: what other processes announce is seen by then. */
  readonly pollMs: number
  readonly traffics?: readonly Traffic[]
  readonly observe?: (consumer: string, traffic: Traffic, events: number, seconds: number) => void
  /** Whether a rush of callers is on; unhurried consumers make room for it. */
  readonly pressing?: () => boolean
  /** A span for each batch, in the trace of its first event. */
  readonly traces?: Pick<Traces, 'span'>
  readonly log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
}

const largestBatch = { prompt: 256, unhurried: 1_000 } as const
/** Under load, batches start at least this far apart: fewer and larger ones carry the same events for less work. */
const batchesApartMs = { prompt: 10, unhurried: 250 } as const
/** The same behind a batch that was full or cut, for what a consumer would wait for to gather is there already, and behind one that took nothing. */
const shortRestMs = { prompt: 10, unhurried: 100 } as const
/** How long a position may be ahead of the one that is written, ms, where nothing was taken on the way. */
const passedUnwrittenMs = 5_000
/** An unhurried consumer makes room for a rush no longer than this, counted from its oldest event. */
const longestRoomMs = 60_000
/** A batch that fails this often for reasons that should pass is taken apart. */
const operationalFailuresMost = 5
/** An event that throws for an unforeseen reason is tried this often alone before it is parked. */
const attemptsBeforeParking = 3

class CursorMoved extends Error {
  override readonly name = 'CursorMoved'
}

export function openRelay(options: RelayOptions): Relay {
  const readers = new Map<string, OutboxReader>()
  const readerOf = (from: ContextName, traffic: Traffic): OutboxReader => {
    const key = `${from} ${traffic}`
    const reader = readers.get(key) ?? new OutboxReader(options.databases, from, relayScope(traffic))
    readers.set(key, reader)
    return reader
  }
  const loops = options.consumers.flatMap((consumer) =>
    (options.traffics ?? bothTraffics).map((traffic) => new ConsumerLoop(consumer, traffic, readerOf(consumer.from, traffic), options)),
  )
  const loopOf = (name: string, traffic: Traffic) => loops.find((loop) => loop.consumer.name === name && loop.traffic === traffic)
  return {
    start() {
      for (const loop of loops) loop.start()
    },
    kick(from, traffic) {
      for (const loop of loops) if (loop.consumer.from === from && loop.traffic === traffic) loop.kick()
    },
    backlog: (traffic) =>
      backlogOf(
        options.databases,
        loops.filter((loop) => loop.traffic === traffic).map(({ consumer }) => consumer),
        relayScope(traffic),
      ),
    async replayParked(name, traffic) {
      const loop = loopOf(name, traffic)
      if (loop === undefined) return { replayed: 0, stillParked: 0 }
      return loop.replayParked()
    },
    prune: (traffic, most = 20_000) => pruneOutboxes(options, traffic, most),
    async close() {
      await Promise.all(loops.map((loop) => loop.close()))
    },
  }
}

/** One consumer in one traffic. Runs its batches one after the other. */
class ConsumerLoop {
  readonly consumer: Consumer
  readonly traffic: Traffic
  readonly #options: RelayOptions
  readonly #gaps = new GapWatch()
  readonly #sql: ReturnType<typeof relayStatementsOf>
  readonly #reader: OutboxReader
  /** Up to where it has looked, and up to where the database says so: between the two there is nothing that it wants. */
  #position: { cursor: number; written: number; writtenAt: number } | undefined
  #parkedKeys: Set<string> | undefined
  #stopping = false
  #running: Promise<void> | undefined
  #wake: (() => void) | undefined
  #kicked = false
  #operationalFailures = 0
  /** Nothing is to be gathered: there was more than the last batch, or that had nothing for this consumer. */
  #restsShort = false
  readonly #closing = new AbortController()
  /** When it last had nothing to do: no event that it has not seen is older. */
  #behindSince = performance.now()

  constructor(consumer: Consumer, traffic: Traffic, reader: OutboxReader, options: RelayOptions) {
    this.consumer = consumer
    this.traffic = traffic
    this.#reader = reader
    this.#options = options
    this.#sql = relayStatementsOf(consumer)
  }

  start(): void {
    this.#running ??= this.#run()
  }

  kick(): void {
    this.#kicked = true
    this.#wake?.()
  }

  async close(): Promise<void> {
    this.#stopping = true
    this.#closing.abort()
    this.#wake?.()
    await this.#running
  }

  get #priority(): 'prompt' | 'unhurried' {
    return this.consumer.priority ?? 'prompt'
  }

  #scope(rehearsalId: string | null = relayScope(this.traffic).rehearsalId): Scope {
    return { traffic: this.traffic, rehearsalId }
  }

  /** Whose work a log line is about. The loop itself runs outside of any event's context. */
  #about(event: DeliveredEvent | undefined) {
    return { consumer: this.consumer.name, traffic: this.traffic, rehearsalId: event?.rehearsalId ?? null, traceId: event?.traceId ?? null }
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#stopping) {
      this.#kicked = false
      try {
        await this.#makeRoom()
        const started = performance.now()
        const progress = await this.#deliverNext()
        if (progress === 'idle') this.#behindSince = performance.now()
        failures = 0
        if (progress === 'delivered') await this.#rest(started)
        if (progress === 'idle') await this.#pause(this.#options.pollMs)
        // A gap is a transaction about to commit: look again soon, but leave it the processor.
        else if (progress === 'gap') await this.#pause(2)
      } catch (error) {
        if (error instanceof CursorMoved) {
          this.#forget()
          await this.#pause(this.#options.pollMs)
          continue
        }
        failures += 1
        this.#options.log.warn({ err: error, consumer: this.consumer.name, traffic: this.traffic, failures }, 'relay waits and tries again')
        this.#forget()
        await this.#pause(Math.min(5_000, 50 * 2 ** failures))
      }
    }
  }

  async #rest(started: number): Promise<void> {
    const apartMs = this.#restsShort ? shortRestMs[this.#priority] : (this.consumer.batchesApartMs ?? batchesApartMs[this.#priority])
    const leftMs = started + apartMs - performance.now()
    if (leftMs >= 1 && !this.#stopping) await delay(leftMs, undefined, { signal: this.#closing.signal }).catch(() => undefined)
  }

  async #makeRoom(): Promise<void> {
    const { pressing } = this.#options
    if (this.#priority === 'prompt' || pressing === undefined) return
    while (!this.#stopping && pressing()) {
      if (performance.now() - this.#behindSince > longestRoomMs) return
      await delay(shortRestMs.unhurried)
    }
  }

  #forget(): void {
    this.#position = undefined
    this.#parkedKeys = undefined
  }

  async #pause(ms: number): Promise<void> {
    if (this.#kicked || this.#stopping) return
    const timer = new AbortController()
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    await Promise.race([woken, delay(ms, undefined, { signal: timer.signal }).catch(() => undefined)])
    timer.abort()
    this.#wake = undefined
  }

  async #deliverNext(): Promise<'delivered' | 'idle' | 'gap'> {
    const { consumer } = this
    const from = this.#options.databases.of(consumer.from)
    const position = (this.#position ??= this.#at(await this.#storedCursor()))
    const { cursor, written } = position
    const watching = this.#gaps.watching
    // The horizon is read before the rows: whatever is older than it has ended by the time the rows are read.
    const horizon = watching ? await from.read(this.#scope(), (context) => context.query(this.#sql.oldestRunning)) : []
    const most = consumer.largestBatch ?? largestBatch[this.#priority]
    const rows = await this.#reader.after(cursor, consumer.types, most)
    if (rows.length === 0) {
      await this.#pass(cursor)
      return 'idle'
    }
    const ready = this.#gaps.contiguous(
      cursor,
      rows.map((row) => row.id),
      horizon[0]?.oldest,
    )
    if (ready.length < rows.length && this.#gaps.needsHorizon) {
      const [seen] = await from.read(this.#scope(), (context) => context.query(this.#sql.newestBegun))
      if (seen) this.#gaps.watch(seen.newest)
    }
    const batch = this.#oneRehearsal(rows.slice(0, ready.length))
    const last = batch.at(-1)
    if (last === undefined) return 'gap'
    const wanted = batch.filter((row) => consumer.types.includes(row.type))
    this.#restsShort = rows.length === most || batch.length < rows.length || wanted.length === 0
    const tooNew = wanted.findIndex((row) => row.schema_version > (consumer.schemaVersion ?? 1))
    if (tooNew === 0) {
      this.#options.log.warn(
        { consumer: consumer.name, traffic: this.traffic, event: wanted[0]?.id },
        'event of a newer schema version waits for a newer worker',
      )
      return 'idle'
    }
    if (tooNew > 0) {
      const until = wanted[tooNew]?.id ?? 0
      await this.#take(written, until - 1, wanted.slice(0, tooNew))
    } else if (wanted.length === 0) await this.#pass(last.id)
    else await this.#take(written, last.id, wanted)
    return 'delivered'
  }

  #at(cursor: number): { cursor: number; written: number; writtenAt: number } {
    return { cursor, written: cursor, writtenAt: performance.now() }
  }

  /**
   * Events of others need no transaction to be passed over: who comes after a crash passes over them again. The position is written with the
   * next batch, or some seconds later, for pruning waits for it.
   */
  async #pass(until: number): Promise<void> {
    const position = this.#position
    if (position === undefined) return
    position.cursor = until
    if (position.written === until || performance.now() - position.writtenAt < passedUnwrittenMs) return
    await this.#commit(position.written, until, [], [])
    this.#position = this.#at(until)
  }

  /** A batch runs under one rehearsal id; the next one follows in the next batch. */
  #oneRehearsal(rows: readonly OutboxRow[]): readonly OutboxRow[] {
    const first = rows[0]
    const other = rows.findIndex((row) => row.rehearsal_id !== first?.rehearsal_id)
    return other === -1 ? rows : rows.slice(0, other)
  }

  async #take(written: number, until: number, rows: readonly OutboxRow[]): Promise<void> {
    const started = performance.now()
    const parked = await this.#loadParkedKeys()
    const events = rows.map((row) => this.#eventOf(row))
    const clear = parked.size === 0 ? events : events.filter((event) => !parked.has(event.key))
    const held = parked.size === 0 ? [] : events.filter((event) => parked.has(event.key))
    try {
      await this.#commit(
        written,
        until,
        clear,
        held.map((event) => ({ event, error: 'an earlier event of this key is parked' })),
      )
      this.#position = this.#at(until)
      this.#operationalFailures = 0
    } catch (error) {
      // What fails again and again for a passing reason does not pass: one by one, what is sound goes on and the rest is found.
      this.#operationalFailures = isOperational(error) ? this.#operationalFailures + 1 : 0
      if (error instanceof CursorMoved || (isOperational(error) && this.#operationalFailures < operationalFailuresMost)) throw error
      this.#options.log.warn({ err: error, ...this.#about(events[0]), events: clear.length }, 'batch failed; its events run one by one')
      await this.#oneByOne(written, until, events)
    }
    this.#options.observe?.(this.consumer.name, this.traffic, rows.length, (performance.now() - started) / 1000)
  }

  async #oneByOne(written: number, until: number, events: readonly DeliveredEvent[]): Promise<void> {
    let at = written
    for (const event of events) {
      const parked = await this.#loadParkedKeys()
      if (parked.has(event.key)) await this.#commit(at, event.id, [], [{ event, error: 'an earlier event of this key is parked' }])
      else await this.#alone(at, event)
      at = event.id
      this.#position = this.#at(at)
    }
    if (at < until) await this.#commit(at, until, [], [])
    this.#position = this.#at(until)
  }

  async #alone(at: number, event: DeliveredEvent): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#commit(at, event.id, [event], [])
        return
      } catch (error) {
        if (error instanceof CursorMoved || isOperational(error)) throw error
        if (attempt < attemptsBeforeParking) continue
        this.#options.log.error({ err: error, ...this.#about(event), event: event.id, key: event.key }, 'event parked')
        await this.#commit(at, event.id, [], [{ event, error: error instanceof Error ? error.message : String(error) }])
        this.#parkedKeys?.add(event.key)
        return
      }
    }
  }

  async #commit(
    cursor: number,
    until: number,
    events: readonly DeliveredEvent[],
    park: readonly { event: DeliveredEvent; error: string }[],
  ): Promise<void> {
    // A rehearsal's event that leaked into live is refused as work, yet parking it must not be: it would hold up all behind it.
    const rehearsalId = events[0]?.rehearsalId ?? (this.traffic === 'shadow' ? park[0]?.event.rehearsalId : null)
    const scope = this.#scope(rehearsalId ?? undefined)
    const context = { ...systemContext(this.consumer.name, scope.traffic, scope.rehearsalId), traceId: events[0]?.traceId ?? '' }
    const deliver = () =>
      this.#options.databases.of(this.consumer.into).write(
        scope,
        async (write) => {
          // Sent ahead of the consumer's first statement, not waited for: it holds the cursor's row before any effect, and
          // when it moved nothing all of it is rolled back.
          const moved = write.query(this.#sql.move, [this.consumer.name, cursor, until, write.now])
          moved.catch(() => undefined)
          if (events.length > 0) await this.consumer.handle(write, events)
          if ((await moved).length === 0) throw new CursorMoved(this.consumer.name)
          if (park.length > 0) {
            await write.query(this.#sql.park, [
              this.consumer.name,
              park.map(({ event }) => event.id),
              park.map(({ event }) => event.key),
              park.map(({ event }) => JSON.stringify(event)),
              park.map(({ error }) => error),
            ])
          }
        },
        { repeatable: true },
      )
    const { traces } = this.#options
    await runInContext(context, () =>
      traces === undefined ? deliver() : traces.span(this.consumer.name, { 'throughline.events': events.length }, deliver),
    )
  }

  async #loadParkedKeys(): Promise<Set<string>> {
    // Read again while anything is parked: a replay from another process may have cleared it.
    if (this.#parkedKeys === undefined || this.#parkedKeys.size > 0) {
      const into = this.#options.databases.of(this.consumer.into)
      const rows = await into.read(this.#scope(), (context) => context.query(this.#sql.parkedKeys, [this.consumer.name]))
      this.#parkedKeys = new Set(rows.map((row) => row.key))
    }
    return this.#parkedKeys
  }

  #eventOf(row: OutboxRow): DeliveredEvent {
    return {
      id: row.id,
      key: row.key,
      type: row.type,
      schemaVersion: row.schema_version,
      payload: row.payload,
      traceId: row.trace_id,
      traffic: this.traffic,
      rehearsalId: row.rehearsal_id,
      occurredAt: row.occurred_at,
    }
  }

  async #storedCursor(): Promise<number> {
    const into = this.#options.databases.of(this.consumer.into)
    const [row] = await into.write(this.#scope(), (context) => context.query(this.#sql.cursor, [this.consumer.name]), { repeatable: true })
    return row?.last_id ?? 0
  }

  async replayParked(): Promise<{ replayed: number; stillParked: number }> {
    const into = this.#options.databases.of(this.consumer.into)
    const rows = await into.read(this.#scope(), (context) => context.query(this.#sql.parked, [this.consumer.name]))
    const stuck = new Set<string>()
    for (const row of rows) {
      if (stuck.has(row.key)) continue
      const event: DeliveredEvent = { ...row.event, occurredAt: new Date(row.event.occurredAt) }
      const scope = this.#scope(event.rehearsalId ?? undefined)
      try {
        await runInContext(systemContext(this.consumer.name, scope.traffic, scope.rehearsalId), () =>
          into.write(scope, async (write) => {
            const [taken] = await write.query(this.#sql.unpark, [this.consumer.name, event.id])
            if (taken !== undefined) await this.consumer.handle(write, [event])
          }),
        )
      } catch (error) {
        stuck.add(row.key)
        this.#options.log.warn({ err: error, ...this.#about(event), event: event.id }, 'parked event still fails')
      }
    }
    this.#parkedKeys = undefined
    const [left] = await into.read(this.#scope(), (context) => context.query(this.#sql.parkedCount, [this.consumer.name]))
    return { replayed: rows.length - (left?.parked ?? 0), stillParked: left?.parked ?? 0 }
  }
}
