import type { Outcome } from '#kernel/outcome.ts'
import type { Operation } from '#platform/operation.ts'
import type { Call } from '#platform/operation-runner.ts'

export interface AuditLog {
  info(facts: object, message: string): void
}

/**
 * Says who did what, for operations that people must answer for (money given back, zones and quotas changed). First form: a
 * log line. What each command changed, and by whom, is in the change log of its context, in the same transaction.
 */
export function audit(log: AuditLog, operation: Operation, call: Call, outcome: Outcome<unknown>): void {
  if (operation.kind !== 'command' || operation.audited !== true) return
  log.info(
    {
      audit: operation.id,
      actor: call.context.actor.id,
      idempotencyKey: call.idempotencyKey ?? null,
      outcome: outcome.ok ? 'ok' : outcome.error.code,
      traffic: call.context.traffic,
      rehearsalId: call.context.rehearsalId,
      traceId: call.context.traceId,
    },
    'audit',
  )
}
