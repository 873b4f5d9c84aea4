import type { ContextDatabase, Scope, WriteContext } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'
import type { Operation } from '#platform/operation.ts'
import { fanOut, publicEvents } from './fan-out.ts'
import { messagingOperations } from './operations.ts'
import { sendDue, standardRetries } from './webhook-sender.ts'

export { openPartnerQueues } from './partner-queues.ts'

/** The face of messaging: webhooks to partners; their queues, where no broker carries them, are opened apart. */
export interface Messaging {
  readonly operations: readonly Operation[]
  /** Event types that partners may be told of; flows hand over all of them. */
  readonly publicEvents: readonly string[]
  /** Writes a delivery for each endpoint that wants an event. */
  fanOut(context: WriteContext, events: readonly DeliveredEvent[]): Promise<void>
  /** Sends what is due. `more`: there is more due than one round takes. */
  sendDue(scope: Scope): Promise<{ sent: number; delivered: number; more: boolean }>
}

export interface MessagingDeps {
  readonly database: ContextDatabase
  /** For secrets of endpoints: nobody may foretell them. */
  readonly randomBytes: (count: number) => Buffer
  /** Of one call, 10 s unless told. */
  readonly timeoutMs?: number
  readonly retryAfterMs?: readonly number[]
  readonly log: (problem: { message: string; error: unknown }) => void
}

export function openMessaging({
  database,
  randomBytes,
  timeoutMs = 10_000,
  retryAfterMs = standardRetries,
  log,
}: MessagingDeps): Messaging {
  const options = { database, timeoutMs, retryAfterMs, log }
  return {
    operations: messagingOperations({ randomBytes }),
    publicEvents: Object.keys(publicEvents),
    fanOut,
    sendDue: (scope) => sendDue(options, scope),
  }
}
