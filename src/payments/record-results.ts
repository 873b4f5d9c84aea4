import { statement, type WriteContext } from '#platform/database.ts'
import type { ChargeResult, FollowUpResult } from './gateway.ts'
import { finishBook, type PaymentParts } from './parts.ts'
import { openBook } from './read-book.ts'
import { settleDispute, settleFollowUp } from './settle-follow-up.ts'
import { settleAttempt, type Verdict } from './settlement.ts'
import { takeFresh } from './take-fresh.ts'

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

export interface FollowUpRecord {
  readonly followUpId: number
  readonly result: FollowUpResult
  readonly cause: string
  readonly inbox?: InboxKey
}

/** What only webhooks bring: a dispute about an attempt's charge, or, with no attempt, nothing that concerns us. */
export interface NoticeRecord {
  readonly attemptId: number | null
  readonly amountMinor: number
  readonly won: boolean
  readonly inbox: InboxKey
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
  const taken = await takeFresh(context, results, actor)
  const rest = taken.size === 0 ? results : results.filter(({ attemptId }) => !taken.has(attemptId))
  if (taken.size > 0) {
    context.afterCommit(() => {
      for (const attemptId of taken) parts.mixes.ended(context.traffic, attemptId, true)
    })
  }
  const verdicts = rest.length === 0 ? [] : await settleAttempts(parts, context, rest)
  let next = 0
  return results.map(({ attemptId }) => (taken.has(attemptId) ? 'applied' : (verdicts[next++] ?? 'unmatched')))
}

async function settleAttempts(parts: PaymentParts, context: WriteContext, results: readonly AttemptResult[]): Promise<Verdict[]> {
  const book = await openBook(
    context,
    parts.mixes.rules(context.traffic),
    'attempts',
    results.map((result) => result.attemptId),
  )
  const ended: { readonly attemptId: number; readonly took: boolean }[] = []
  const verdicts = results.map(({ attemptId, result, cause }): Verdict => {
    const attempt = book.attempts.get(attemptId)
    if (attempt === undefined) return 'unmatched'
    const verdict = settleAttempt(book, attempt, result, { cause, commandId: `attempt ${attemptId}`, actor }, parts.times)
    const { outcome } = result
    if (verdict === 'applied' && outcome !== 'unknown' && outcome !== 'requires_action')
      ended.push({ attemptId, took: outcome === 'succeeded' })
    return verdict
  })
  await finishBook(parts, context, book)
  context.afterCommit(() => {
    for (const { attemptId, took } of ended) parts.mixes.ended(context.traffic, attemptId, took)
  })
  mark(context, results, verdicts)
  return verdicts
}

export async function recordFollowUpResults(
  parts: PaymentParts,
  context: WriteContext,
  results: readonly FollowUpRecord[],
): Promise<Verdict[]> {
  const ids = results.map((result) => result.followUpId)
  const rules = parts.mixes.rules(context.traffic)
  // What a failed refund becomes is the store's decision, so its mix must not be older than that of a choice.
  const [, book] = await Promise.all([parts.mixes.refresh(context), openBook(context, rules, 'follow_ups', ids)])
  const verdicts = results.map(({ followUpId, result, cause }): Verdict => {
    const row = book.followUps.get(followUpId)
    return row === undefined
      ? 'unmatched'
      : settleFollowUp(book, row, result, { cause, commandId: `${row.kind} ${followUpId}`, actor }, parts.times)
  })
  await finishBook(parts, context, book)
  mark(context, results, verdicts)
  return verdicts
}

const insertDisputes = statement(
  'payments.insert_disputes',
  `insert into payments.dispute (id, request_id, leg_id, attempt_id, gateway, event_id, amount_minor, won, created_at)
   select *, $9::timestamptz from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::boolean[])`,
)

/** The inbox rows that still wait, locked: the same dispute may be in two processes, and unlike a result it would count twice. */
const waitingWebhooks = statement<{ gateway: string; eventId: string }>(
  'payments.waiting_webhooks',
  `select webhook.gateway, webhook.event_id as "eventId" from payments.webhook
   where (webhook.gateway, webhook.event_id) in (select * from unnest($1::text[], $2::text[])) and webhook.processed_at is null
   order by webhook.gateway, webhook.event_id for no key update`,
)

/** Applies disputes, and marks notices that concern nothing of ours. */
export async function recordNotices(parts: PaymentParts, context: WriteContext, records: readonly NoticeRecord[]): Promise<Verdict[]> {
  const attemptIds = records.flatMap(({ attemptId }) => (attemptId === null ? [] : [attemptId]))
  const book = await openBook(context, parts.mixes.rules(context.traffic), 'attempts', attemptIds)
  const waiting = await context.query(waitingWebhooks, [
    records.map(({ inbox }) => inbox.gateway),
    records.map(({ inbox }) => inbox.eventId),
  ])
  const fresh = new Set(waiting.map(({ gateway, eventId }) => `${gateway} ${eventId}`))
  const ids = attemptIds.length === 0 ? [] : await parts.ids.take(context, attemptIds.length)
  let next = 0
  const disputes: { id: number; record: NoticeRecord; attemptId: number; legId: number; requestId: number }[] = []
  const verdicts = records.map((record): Verdict => {
    if (!fresh.delete(`${record.inbox.gateway} ${record.inbox.eventId}`)) return 'repeated'
    const attempt = record.attemptId === null ? undefined : book.attempts.get(record.attemptId)
    if (attempt === undefined) return 'unmatched'
    const id = ids[next++] ?? 0
    const by = { cause: `webhook ${record.inbox.eventId}`, commandId: `dispute ${id}`, actor }
    const verdict = settleDispute(book, attempt, { id, amountMinor: record.amountMinor, won: record.won }, by)
    if (verdict === 'applied') disputes.push({ id, record, attemptId: attempt.id, legId: attempt.legId, requestId: attempt.requestId })
    return verdict
  })
  if (disputes.length > 0) {
    context.defer(insertDisputes, [
      disputes.map(({ id }) => id),
      disputes.map(({ requestId }) => requestId),
      disputes.map(({ legId }) => legId),
      disputes.map(({ attemptId }) => attemptId),
      disputes.map(({ record }) => record.inbox.gateway),
      disputes.map(({ record }) => record.inbox.eventId),
      disputes.map(({ record }) => record.amountMinor),
      disputes.map(({ record }) => record.won),
      context.now,
    ])
  }
  await finishBook(parts, context, book)
  mark(context, records, verdicts)
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
