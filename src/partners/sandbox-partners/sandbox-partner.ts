import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '#kernel/time.ts'
import { drawOf } from '#partners/sandbox-pg/draws.ts'
import { EngineAway, type Exchange, type ExchangeMessage, queueOf, type Verdict } from '#platform/exchange.ts'
import { newTraceId, type Traffic } from '#platform/request-context.ts'
import type { SandboxProfile } from './profiles.ts'

/** How badly it behaves, each in parts of 1; drawn by seed and the message's id, so that a run can be repeated. */
export interface SandboxFaults {
  readonly latencyMs?: number
  /** It answers twice, as after a crash between answer and acknowledgement. */
  readonly repeats?: number
  /** It fails at the first try. */
  readonly fails?: number
  /** It refuses the message for good. */
  readonly rejects?: number
  /** A piece of what it is to prepare is missing. */
  readonly shorts?: number
}

/** A line of the partner's own log: one message that it has finished. */
export interface SandboxLogLine {
  readonly partner: string
  readonly id: string
  readonly topic: string
  readonly key: string
  readonly body: unknown
  /** States or the like that it asked for in answer, one name each. */
  readonly asked: readonly string[]
  /** Lines that it told to be not whole, with the pieces that it has. */
  readonly short?: readonly { readonly itemNo: number; readonly picked: number }[]
}

export interface SandboxPartnerOptions {
  readonly profile: SandboxProfile
  readonly exchange: Pick<Exchange, 'consume' | 'submit'>
  readonly traffic?: Traffic
  readonly clock: Clock
  readonly seed: number
  readonly faults?: SandboxFaults
  /** Gets each line before the message is acknowledged. */
  readonly keep: (line: SandboxLogLine) => Promise<void>
}

export interface SandboxPartner {
  /** Asks for an operation on its own account, such as placing an order. The id names the message: the same one is the same asking. */
  ask(id: string, operation: string, body: object): Promise<void>
  /** Messages that came more than once; each was finished once. */
  readonly repeated: number
  close(): Promise<void>
}

/** Finished messages that are told from new ones when they come again. */
const rememberMost = 100_000

/**
 * A partner played by us: it takes from its own queue, answers as the profile says and keeps its own log, over whatever carries. Nothing of
 * it looks into our database.
 */
export function openSandboxPartner(options: SandboxPartnerOptions): SandboxPartner {
  const { profile, exchange, traffic = 'live', clock, seed, faults = {}, keep } = options
  const finished = new Set<string>()
  const failed = new Set<string>()
  let repeated = 0

  const submit = (messages: readonly ExchangeMessage[]): Promise<void> =>
    exchange.submit({ traffic, rehearsalId: messages[0]?.rehearsalId ?? null }, messages)
  const strikes = (share: number | undefined, kind: string, { id }: ExchangeMessage): boolean =>
    drawOf(seed, `${kind} ${id}`) < (share ?? 0)

  const finish = async (message: ExchangeMessage): Promise<Verdict> => {
    if (finished.has(message.id)) {
      repeated += 1
      return { end: 'done' }
    }
    if (faults.latencyMs !== undefined) await delay(faults.latencyMs * 2 * drawOf(seed, `latency ${message.id}`))
    if (strikes(faults.rejects, 'reject', message)) return { end: 'dead', reason: `${profile.name} refuses it` }
    if (strikes(faults.fails, 'fail', message) && !failed.has(message.id)) {
      failed.add(message.id)
      return { end: 'again', reason: `${profile.name} stumbled` }
    }
    const answers = profile.answersOf(message, { isShort: strikes(faults.shorts, 'short', message) })
    const asked = answers.map(({ operation, key, body }, index) => ({
      ...messageOf(`${profile.name}-${message.id}-${index + 1}`, operation, body),
      key,
      rehearsalId: message.rehearsalId,
      traceId: message.traceId,
    }))
    try {
      if (asked.length > 0) await submit(asked)
      if (asked.length > 0 && strikes(faults.repeats, 'repeat', message)) await submit(asked)
    } catch (error) {
      if (error instanceof EngineAway) return { end: 'wait', reason: error.message }
      throw error
    }
    const { id, topic, key, body } = message
    const short = answers.flatMap((answer) => (answer.body as { lines?: SandboxLogLine['short'] }).lines ?? [])
    await keep({
      partner: profile.name,
      id,
      topic,
      key,
      body,
      asked: answers.map(({ operation, body: of }) => (of as { to?: string }).to ?? (of as { report?: string }).report ?? operation),
      ...(short.length === 0 ? {} : { short }),
    })
    finished.add(id)
    const [oldest] = finished
    if (finished.size > rememberMost && oldest !== undefined) finished.delete(oldest)
    return { end: 'done' }
  }

  const messageOf = (id: string, operation: string, body: object): ExchangeMessage => ({
    id,
    topic: `${profile.name}.${operation}`,
    key: id,
    schemaVersion: 1,
    occurredAt: clock.now(),
    traceId: newTraceId(),
    rehearsalId: null,
    body,
  })

  const consumption = exchange.consume(queueOf('outbound', profile.name), traffic, finish)
  return {
    ask: (id, operation, body) => submit([messageOf(`${profile.name}-${id}`, operation, body)]),
    get repeated() {
      return repeated
    },
    close: () => consumption.close(),
  }
}
