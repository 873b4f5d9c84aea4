import type { ContextName, WriteContext } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'

/**
 * A consumer reads one context's outbox in order and works in another context's transaction. Its inbox is a cursor in
 * that other context (`<into>.consumer`), moved by compare-and-set in the transaction of the effect: a second delivery,
 * from a crash or from a second relay, fails the compare and does nothing. Events that fail alone are parked with all
 * later events of the same key (`<into>.parked_event`), so that order per key holds.
 */
export interface Consumer {
  /** Stable name, `into.verb`; the key of its cursor. */
  readonly name: string
  readonly from: ContextName
  readonly into: ContextName
  /** Types it wants; others are passed over. */
  readonly types: readonly string[]
  /** Highest schema version it understands, 1 unless told; a newer event waits for a newer worker. */
  readonly schemaVersion?: number
  readonly largestBatch?: number
  /**
   * Rest between the starts of two batches, ms, where the first was not full; by priority unless told. A longer one gathers events
   * that share their work, such as several of one order. A full batch shows a backlog, and that is not made to wait.
   */
  readonly batchesApartMs?: number
  /**
   * `prompt` unless told. An `unhurried` consumer makes room while callers press: it rests until they have their answers, at
   * most until its oldest event is a minute old, and then takes larger batches. So a rush is paid first and prepared after.
   */
  readonly priority?: 'prompt' | 'unhurried'
  /** Set-based effect. Throwing rolls back and runs the batch again one by one. */
  // biome-ignore lint/suspicious/noExplicitAny: payload types are asserted by the flow that names the event types
  readonly handle: (context: WriteContext, events: readonly DeliveredEvent<any>[]) => Promise<void>
}
