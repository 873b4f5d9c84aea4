import { statement, type WriteContext } from '#platform/database.ts'
import type { ChargeResult, RefundResult } from './gateway.ts'
import { finishBook, type PaymentParts } from './parts.ts'
import { openBook } from './payment-store.ts'
import { settleAttempt, settleRefund, type Verdict } from './settlement.ts'

/** The inbox row that brought a result, to be marked in the same transaction. */
export interface InboxKey {
  readonly gateway: string
  readonly eventId: string
}

export interface AttemptResult {
  readonly attemptId: number
  readonly result: ChargeResult
  /** How we know: `answer`, `query` or `webhook …`; written to the change log. */
  readonly cause: string
  readonly inbox?: InboxKey
}

export interface RefundRecord {
  readonly refundId: number
  readonly result: RefundResult
  readonly cause: string
  readonly inbox?: InboxKey
}

const markWebhooks = statement(
  'payments.mark_webhooks',
  `update payments.webhook set processed_at = $4, verdict = input.verdict
   from unnest($1::text[], $2::text[], $3::text[]) as input (gateway, event_id, verdict)
   where webhook.gateway = input.gateway and webhook.event_id = input.event_id and webhook.processed_at is null`,
)

const actor = 'system:payments'

/**
 * Applies what gateways said of attempts: attempt, leg, request, change log and events in one transaction, in the same
 * number of statements for one result as for many. The same attempt may be there twice; the first one counts.
 */
export async function recordAttemptResults(
  parts: PaymentParts,
  context: WriteContext,
  results: readonly AttemptResult[],
): Promise<Verdict[]> {
  const book = await openBook(
    context,
    'attempts',
    results.map((result) => result.attemptId),
  )
  const verdicts = results.map(({ attemptId, result, cause }): Verdict => {
    const attempt = book.attempts.get(attemptId)
    return attempt === undefined
      ? 'unmatched'
      : settleAttempt(book, attempt, result, { cause, commandId: `attempt ${attemptId}`, actor }, parts.times)
  })
  await finishBook(parts, context, book)
  mark(context, results, verdicts)
  return verdicts
}

export async function recordRefundResults(
  parts: PaymentParts,
  context: WriteContext,
  results: readonly RefundRecord[],
): Promise<Verdict[]> {
  const book = await openBook(
    context,
    'refunds',
    results.map((result) => result.refundId),
  )
  const verdicts = results.map(({ refundId, result, cause }): Verdict => {
    const refund = book.refunds.get(refundId)
    return refund === undefined
      ? 'unmatched'
      : settleRefund(book, refund, result, { cause, commandId: `refund ${refundId}`, actor }, parts.times)
  })
  await finishBook(parts, context, book)
  mark(context, results, verdicts)
  return verdicts
}

function mark(context: WriteContext, results: readonly { readonly inbox?: InboxKey }[], verdicts: readonly Verdict[]): void {
  const marked = results.flatMap(({ inbox }, index) => (inbox === undefined ? [] : [{ ...inbox, verdict: verdicts[index] ?? 'unmatched' }]))
  if (marked.length === 0) return
  context.defer(markWebhooks, [
    marked.map((row) => row.gateway),
    marked.map((row) => row.eventId),
    marked.map((row) => row.verdict),
    context.now,
  ])
}
