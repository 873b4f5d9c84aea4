import type { Outcome } from '#kernel/outcome.ts'
import type { DeliveredEvent } from '#platform/events.ts'

export type Events<Payload> = readonly DeliveredEvent<Payload>[]

export interface FlowLog {
  warn(facts: object, message: string): void
}

/** Who acts in a flow, and the event as the command that a change log names. */
export function actorOf(consumer: string, event: DeliveredEvent): { actor: string; commandId: string } {
  return { actor: `flow:${consumer}`, commandId: `${event.type}/${event.id}` }
}

/** Events of one type, with its payload. */
export function eventsOf<Payload>(events: Events<unknown>, type: string): DeliveredEvent<Payload>[] {
  return events.filter((event): event is DeliveredEvent<Payload> => event.type === type)
}

/** A refusal in a flow is a race that was lost fairly (cancelled meanwhile), not a fault: it is logged, and the event is done. */
export function noteRefusals(log: FlowLog, consumer: string, events: Events<unknown>, outcomes: readonly Outcome<unknown>[]): void {
  outcomes.forEach((outcome, index) => {
    if (!outcome.ok)
      log.warn({ consumer, key: events[index]?.key, code: outcome.error.code, detail: outcome.error.detail }, 'a step was refused')
  })
}
