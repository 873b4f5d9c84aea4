import type { Scope, WriteContext } from '#platform/database.ts'
import type { Traffic } from '#platform/request-context.ts'

/** outbound: from us to partners; inbound: from partners to us. Each is a topic exchange with a queue for each partner. */
export type Direction = 'outbound' | 'inbound'
export const directions: readonly Direction[] = ['outbound', 'inbound']

/** A message as partners see it. */
export interface ExchangeMessage {
  /** Stays the same through every repetition: who has seen it has seen the message. */
  readonly id: string
  /** First the partner, then what it is: `wms.waybill.released`, `wms.waybills.update`. */
  readonly topic: string
  /** Messages of one key arrive in the order in which they were sent. */
  readonly key: string
  readonly schemaVersion: number
  readonly occurredAt: Date
  readonly traceId: string
  readonly rehearsalId: string | null
  readonly body: unknown
}

/**
 * What became of a message: done; again: it failed for an unforeseen reason, and after a few tries it is dead; wait: what it needs
 * is away for a while, which no number of tries will mend; dead: it can never be done.
 */
export type Verdict =
  | { readonly end: 'done' }
  | { readonly end: 'again'; readonly reason: string }
  | { readonly end: 'wait'; readonly reason: string }
  | { readonly end: 'dead'; readonly reason: string }

export type Handle = (message: ExchangeMessage, traffic: Traffic) => Promise<Verdict>

export interface DeadLetter extends Omit<ExchangeMessage, 'rehearsalId'> {
  readonly reason: string
}

export interface QueueState {
  readonly queue: string
  /** Messages that nobody has taken yet. */
  readonly waiting: number
  readonly dead: number
}

/**
 * How messages are carried to and from partners: by RabbitMQ, or by tables of our own where there is none. Both carry at least once and in
 * order per key, keep what nobody takes, refuse what does not fit any more, and put what can not be handled aside as dead letters.
 * `exchange-contract-rig.ts` is the suite that both keep.
 */
export interface Exchange {
  /**
   * To partners, in the transaction of a relay's consumer. Resolved: each message is safe in its queue, or will be with the commit.
   * Throws EngineAway when the broker is away or a queue is full; then all of them are sent again later.
   */
  publish(context: WriteContext, messages: readonly ExchangeMessage[]): Promise<void>
  /** To us, as a partner does. */
  submit(scope: Scope, messages: readonly ExchangeMessage[]): Promise<void>
  /** Takes messages of a queue until it is closed; one consumer is active at a time, however many processes have one. */
  consume(queue: string, traffic: Traffic, handle: Handle): Consumption
  /** Waiting and dead messages of every queue of one traffic. */
  states(traffic: Traffic): Promise<QueueState[]>
  /** Dead letters of a queue, the oldest first; looking takes none away. */
  deadLetters(queue: string, traffic: Traffic, most: number): Promise<DeadLetter[]>
  /** Puts dead letters back at the end of their queue under their own ids; says how many. */
  replay(queue: string, traffic: Traffic, most: number): Promise<number>
  close(): Promise<void>
}

export interface Consumption {
  /** Ends what is under way; what was not finished is delivered again to the next consumer. */
  close(): Promise<void>
}

/** Queues of one partner. */
export const queueOf = (direction: Direction, partner: string): string => (direction === 'outbound' ? `to.${partner}` : `from.${partner}`)
/** The queue that a topic leads to: its first word is the partner. */
export const queueOfTopic = (direction: Direction, topic: string): string => queueOf(direction, topic.split('.')[0] ?? '')

/** Another engine than the database can not be reached or is full: it passes, so who sends waits and tries again. */
export class EngineAway extends Error {
  override readonly name = 'EngineAway'
  /** By which `isOperational` knows it. */
  readonly code = 'ENGINE_AWAY'
}

/** Messages that may be sent at once: the first of each key, then the second of each, and so on, so that order per key holds whatever fails. */
export function wavesByKey<T extends Pick<ExchangeMessage, 'key'>>(messages: readonly T[]): T[][] {
  const counts = new Map<string, number>()
  const waves: T[][] = []
  for (const message of messages) {
    const before = counts.get(message.key) ?? 0
    counts.set(message.key, before + 1)
    ;(waves[before] ??= []).push(message)
  }
  return waves
}
