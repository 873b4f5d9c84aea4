import { type ContextDatabase, type Scope, statement, type WriteContext } from '#platform/database.ts'
import { writeBatchOrAlone } from './batch-or-alone.ts'
import type { CallMaker } from './call-maker.ts'
import type { PaymentExecutor } from './executor.ts'
import { type GatewayNotice, keyOf, type QueryCall, type WebhookRequest } from './gateway.ts'
import type { FollowUpToMake, PaymentParts, WebhookToApply } from './parts.ts'
import { expireRequests } from './raise-due.ts'
import {
  type AttemptResult,
  type FollowUpRecord,
  type NoticeRecord,
  recordAttemptResults,
  recordFollowUpResults,
  recordNotices,
} from './record-results.ts'
import { retryLegs } from './retry-legs.ts'
import type { Verdict } from './settlement.ts'

export interface Swept {
  /** Attempts and follow-ups about which a gateway was asked. */
  readonly asked: number
  /** Of those, how many have an end now. */
  readonly resolved: number
  readonly retried: number
  readonly followUpsSentAgain: number
  readonly noticesApplied: number
  readonly expired: number
}

export interface SweepOptions {
  readonly database: ContextDatabase
  readonly parts: PaymentParts
  readonly executor: PaymentExecutor
  readonly calls: CallMaker
  /** Questions out at once. */
  readonly concurrency: number
  /** Most rows of a kind looked at in one sweep. */
  readonly most: number
  readonly log: (problem: { message: string; error: unknown }) => void
}

interface OpenAttempt {
  id: number
  state: string
  gateway: string
  gatewayRef: string | null
  amountMinor: number
  currency: string
  sentAt: Date
  /** The clock when it was claimed, before the gateway was asked. */
  askedAt: Date
}

/**
 * Claims attempts that are due for a question by moving their next look, so that two processes sweeping at once ask about
 * different ones. It locks attempts only, skips locked ones, and waits for nothing, so it cannot deadlock with a writer.
 */
const claimAttempts = statement<OpenAttempt>(
  'payments.claim_attempts',
  `with due as materialized (
     select id from payments.attempt where look_at <= $1 order by look_at limit $2 for update skip locked
   ), claimed as (
     update payments.attempt set looks = least(looks + 1, 32767), version = version + 1,
       look_at = $1::timestamptz + ($3::integer[])[least(looks + 2, cardinality($3::integer[]))] * interval '1 millisecond'
     where id in (select id from due)
     returning id, request_id, state, gateway, gateway_ref, amount_minor, sent_at
   )
   select claimed.id, claimed.state, claimed.gateway, claimed.gateway_ref as "gatewayRef", claimed.amount_minor as "amountMinor",
     request.currency, claimed.sent_at as "sentAt", $1::timestamptz as "askedAt"
   from claimed join payments.request on request.id = claimed.request_id`,
)

const claimFollowUps = statement<FollowUpToMake & { createdAt: Date }>(
  'payments.claim_follow_ups',
  `with due as materialized (
     select id from payments.follow_up where look_at <= $1 order by look_at limit $2 for update skip locked
   ), claimed as (
     update payments.follow_up set looks = least(looks + 1, 32767), version = version + 1,
       look_at = $1::timestamptz + ($3::integer[])[least(looks + 2, cardinality($3::integer[]))] * interval '1 millisecond'
     where id in (select id from due)
     returning id, request_id, kind, gateway, charge_ref, amount_minor, last, stray, created_at
   )
   select claimed.id as "followUpId", request.order_id as "orderId", claimed.kind, claimed.gateway, claimed.charge_ref as "chargeRef",
     claimed.amount_minor as "amountMinor", request.currency, claimed.last, claimed.stray, claimed.created_at as "createdAt"
   from claimed join payments.request on request.id = claimed.request_id`,
)

const findRetries = statement<{ id: number }>(
  'payments.find_retries',
  'select id from payments.leg where retry_at <= $1 order by retry_at limit $2',
)

const findExpired = statement<{ id: number }>(
  'payments.find_expired',
  'select id from payments.request where expires_at <= $1 and closed = 0 order by expires_at limit $2',
)

const findWebhooks = statement<{
  gateway: string
  eventId: string
  subjectId: number | null
  notice: GatewayNotice | null
  payload: WebhookRequest
}>(
  'payments.find_webhooks',
  `select gateway, event_id as "eventId", subject_id as "subjectId", notice, payload
   from payments.webhook where processed_at is null and received_at <= $1 order by received_at limit $2`,
)

/** A webhook's process applies it at once after the commit; one older than this has lost its process. */
const noticeAgeMs = 10_000

/**
 * Finds what was left behind (a process died, an answer never came, a webhook was lost) and brings it to its end by asking
 * the gateway; sends what is due and ends what has expired. Safe to run at any time, in any number of processes.
 */
export async function sweepPayments(options: SweepOptions, scope: Scope): Promise<Swept> {
  const attempts = await resolveAttempts(options, scope)
  const followUps = await resolveFollowUps(options, scope)
  const noticesApplied = await applyWebhooks(options, scope)
  const retried = await sendRetries(options, scope)
  const expired = await expireDue(options, scope)
  return {
    asked: attempts.asked + followUps.asked,
    resolved: attempts.resolved + followUps.resolved,
    retried,
    followUpsSentAgain: followUps.sentAgain,
    noticesApplied,
    expired,
  }
}

async function resolveAttempts(options: SweepOptions, scope: Scope): Promise<{ asked: number; resolved: number }> {
  const { database, parts, executor, most } = options
  const claimed = await database.write(scope, (context) => context.query(claimAttempts, [context.now, most, parts.times.lookAfterMs]))
  const lost = claimed.filter((attempt) => !executor.holds(scope, 'charge', attempt.id))
  if (lost.length === 0) return { asked: 0, resolved: 0 }
  const answers = await eachAtMost(options.concurrency, lost, async (attempt) => {
    const call = queryOf(parts, scope, { ...attempt, kind: 'charge' })
    return (await parts.gateways.get(attempt.gateway)?.queryCharge(call).catch(notAnswered)) ?? notAnswered('no such gateway')
  })
  const results: AttemptResult[] = []
  lost.forEach((attempt, index) => {
    const answer = answers[index]
    if (answer === undefined || answer.outcome === 'not_answered' || answer.outcome === 'unknown') return
    if (answer.outcome !== 'not_found') {
      results.push({ attemptId: attempt.id, result: answer, cause: 'query' })
    } else if (attempt.state === 'requires_action') {
      // It was there and waited for the customer; a gateway that has forgotten it will not charge it any more.
      results.push({ attemptId: attempt.id, result: { outcome: 'declined_hard', reason: 'forgotten_by_gateway' }, cause: 'query' })
    } else if (attempt.askedAt.getTime() - attempt.sentAt.getTime() >= parts.times.safeDelayMs) {
      results.push({ attemptId: attempt.id, result: { outcome: 'unreachable', reason: 'not_found_at_gateway' }, cause: 'query' })
    }
  })
  let resolved = 0
  const record = async (batch: readonly AttemptResult[]): Promise<void> => {
    const verdicts = await database.write(scope, (context) => recordAttemptResults(parts, context, batch))
    resolved += verdicts.filter((verdict) => verdict === 'applied').length
  }
  await writeBatchOrAlone(results, record, options.log)
  return { asked: lost.length, resolved }
}

async function resolveFollowUps(options: SweepOptions, scope: Scope): Promise<{ asked: number; resolved: number; sentAgain: number }> {
  const { database, parts, executor, most } = options
  const claimed = await database.write(scope, (context) => context.query(claimFollowUps, [context.now, most, parts.times.lookAfterMs]))
  const lost = claimed.filter((row) => !executor.holds(scope, 'follow_up', row.followUpId))
  if (lost.length === 0) return { asked: 0, resolved: 0, sentAgain: 0 }
  const answers = await eachAtMost(options.concurrency, lost, async (row) => {
    const call = queryOf(parts, scope, { ...row, id: row.followUpId, gatewayRef: row.chargeRef, sentAt: row.createdAt })
    return (await parts.gateways.get(row.gateway)?.queryFollowUp(row.kind, call).catch(notAnswered)) ?? notAnswered('no such gateway')
  })
  const results: FollowUpRecord[] = []
  const again: FollowUpToMake[] = []
  lost.forEach((row, index) => {
    const answer = answers[index]
    if (answer === undefined || answer.outcome === 'not_answered' || answer.outcome === 'unknown') return
    // Unlike a charge, a follow-up that the gateway does not have is simply sent again: the key is the same, so it acts once.
    if (answer.outcome === 'not_found') again.push(row)
    else results.push({ followUpId: row.followUpId, result: answer, cause: 'query' })
  })
  let resolved = 0
  const record = async (batch: readonly FollowUpRecord[]): Promise<void> => {
    const verdicts = await database.write(scope, (context) => recordFollowUpResults(parts, context, batch))
    resolved += verdicts.filter((verdict) => verdict === 'applied').length
  }
  await writeBatchOrAlone(results, record, options.log)
  executor.followUps(scope, again)
  return { asked: lost.length, resolved, sentAgain: again.length }
}

async function applyWebhooks(options: SweepOptions, scope: Scope): Promise<number> {
  const { database, parts, calls, most } = options
  const left = await database.read(scope, (context) => context.query(findWebhooks, [new Date(context.now.getTime() - noticeAgeMs), most]))
  if (left.length === 0) return 0
  const read = await eachAtMost(options.concurrency, left, async (row): Promise<WebhookToApply | undefined> => {
    const { gateway, eventId, subjectId, notice, payload } = row
    if (notice !== null) return { gateway, eventId, subjectId: subjectId ?? 0, notice, request: null }
    return calls.readNotice(scope, { gateway, eventId, subjectId: 0, notice, request: payload })
  })
  const attempts: AttemptResult[] = []
  const followUps: FollowUpRecord[] = []
  const notices: NoticeRecord[] = []
  for (const webhook of read) {
    if (webhook === undefined) continue
    const { gateway, eventId, notice, subjectId } = webhook
    const inbox = { gateway, eventId }
    const cause = `webhook ${eventId}`
    if (notice === null) notices.push({ attemptId: null, amountMinor: 0, won: false, inbox })
    else if (notice.kind === 'dispute') notices.push({ attemptId: subjectId, amountMinor: notice.amountMinor, won: notice.won, inbox })
    else if (notice.kind === 'charge') attempts.push({ attemptId: subjectId, result: notice.result, cause, inbox })
    else followUps.push({ followUpId: subjectId, result: notice.result, cause, inbox })
  }
  let applied = 0
  const writing =
    <Item>(record: (parts: PaymentParts, context: WriteContext, items: readonly Item[]) => Promise<Verdict[]>) =>
    async (items: readonly Item[]): Promise<void> => {
      const verdicts = await database.write(scope, (context) => record(parts, context, items), { repeatable: true })
      applied += verdicts.length
    }
  await writeBatchOrAlone(attempts, writing(recordAttemptResults), options.log)
  await writeBatchOrAlone(followUps, writing(recordFollowUpResults), options.log)
  await writeBatchOrAlone(notices, writing(recordNotices), options.log)
  return applied
}

async function sendRetries({ database, parts, most }: SweepOptions, scope: Scope): Promise<number> {
  return database.write(scope, async (context) => {
    const due = await context.query(findRetries, [context.now, most])
    if (due.length === 0) return 0
    return retryLegs(
      parts,
      context,
      due.map((leg) => leg.id),
    )
  })
}

async function expireDue({ database, parts, most, log }: SweepOptions, scope: Scope): Promise<number> {
  const due = await database.read(scope, (context) => context.query(findExpired, [context.now, most]))
  let expired = 0
  const end = async (requests: readonly { id: number }[]): Promise<void> => {
    const ids = requests.map(({ id }) => id)
    expired += await database.write(scope, (context) => expireRequests(parts, context, ids))
  }
  await writeBatchOrAlone(due, end, log)
  return expired
}

interface Questioned {
  readonly kind: 'charge' | FollowUpToMake['kind']
  readonly id: number
  readonly amountMinor: number
  readonly currency: string
  readonly gatewayRef: string | null
  readonly sentAt: Date
}

function queryOf({ installation }: PaymentParts, { traffic, rehearsalId }: Scope, of: Questioned): QueryCall {
  const { amountMinor, currency, gatewayRef, sentAt } = of
  return { key: keyOf(installation, traffic, of.kind, of.id), traffic, rehearsalId, amountMinor, currency, gatewayRef, sentAt }
}

const notAnswered = (error: unknown) => ({ outcome: 'not_answered' as const, reason: String(error) })

async function eachAtMost<Item, Answer>(most: number, items: readonly Item[], ask: (item: Item) => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next
      next += 1
      const item = items[index]
      if (item !== undefined) answers[index] = await ask(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker))
  return answers
}
