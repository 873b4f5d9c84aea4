import type { Traffic } from '#platform/request-context.ts'

/** An event to announce, appended to the outbox of the context whose transaction made it true. */
export interface NewEvent {
  /** Events of one key are delivered in the order they were written; usually the order id or the waybill id. */
  readonly key: string
  /** Past tense with its context, such as `orders.placed`. */
  readonly type: string
  /** Version of the payload's shape, 1 unless told. */
  readonly schemaVersion?: number
  readonly payload: unknown
}

/** An event as a consumer gets it. */
export interface DeliveredEvent<Payload = unknown> {
  /** Position in the outbox it came from; rises, may have gaps. */
  readonly id: number
  readonly key: string
  readonly type: string
  readonly schemaVersion: number
  readonly payload: Payload
  readonly traceId: string
  readonly traffic: Traffic
  readonly rehearsalId: string | null
  readonly occurredAt: Date
}
