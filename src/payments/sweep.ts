import { type ContextDatabase, type Scope, statement } from '#platform/database.ts'
import { retryLegs } from './ask-again.ts'
import { writeBatchOrAlone } from './batch-or-alone.ts'
import type { PaymentExecutor } from './executor.ts'
import { type ChargeResult, type GatewayNotice, type GuardedGateway, keyOf, type RefundResult } from './gateway.ts'
import type { PaymentParts, RefundToMake } from './parts.ts'
import { type AttemptResult, type RefundRecord, recordAttemptResults, recordRefundResults } from './record-results.ts'

export interface Swept {
  /** Attempts and refunds about which a gateway was asked. */
  readonly asked: number
  /** Of those, how many have an end now. */
  readonly resolved: number
  readonly retried: number
  readonly refundsSentAgain: number
  readonly noticesApplied: number
}

export interface SweepOptions {
  readonly database: ContextDatabase
  readonly parts: PaymentParts
  readonly executor: PaymentExecutor
  readonly gateways: ReadonlyMap<string, GuardedGateway>
  readonly installation: string
  /** Questions out at once. */
  readonly concurrency: number
  /** Most rows of a kind looked at in one sweep. */
  readonly most: number
  readonly log: (problem: { message: string; error: unknown }) => void
}

interface OpenAttempt {
  id: number
  gateway: string
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
     returning id, request_id, gateway, amount_minor, sent_at
   )
   select claimed.id, claimed.gateway, claimed.amount_minor as "amountMinor", request.currency, claimed.sent_at as "sentAt",
     $1::timestamptz as "askedAt"
   from claimed join payments.request on request.id = claimed.request_id`,
)

const claimRefunds = statement<RefundToMake & { state: string }>(
  'payments.claim_refunds',
  `with due as materialized (
     select id from payments.refund where look_at <= $1 order by look_at limit $2 for update skip locked
   ), claimed as (
     update payments.refund set looks = least(looks + 1, 32767), version = version + 1,
       look_at = $1::timestamptz + ($3::integer[])[least(looks + 2, cardinality($3::integer[]))] * interval '1 millisecond'
     where id in (select id from due)
     returning id, request_id, gateway, charge_ref, amount_minor, state
   )
   select claimed.id as "refundId", claimed.gateway, claimed.charge_ref as "chargeRef", claimed.amount_minor as "amountMinor",
     request.currency, claimed.state
   from claimed join payments.request on request.id = claimed.request_id`,
)

const findRetries = statement<{ id: number }>(
  'payments.find_retries',
  'select id from payments.leg where retry_at <= $1 order by retry_at limit $2',
)

const findNotices = statement<{
  gateway: string
  eventId: string
  kind: 'charge' | 'refund'
  subjectId: number
  outcome: string
  gatewayRef: string | null
  reason: string | null
}>(
  'payments.find_notices',
  `select gateway, event_id as "eventId", kind, subject_id as "subjectId", outcome, gateway_ref as "gatewayRef", reason
   from payments.webhook where processed_at is null and received_at <= $1 order by received_at limit $2`,
)

/** A webhook's process applies it at once after the commit; one older than this has lost its process. */
const noticeAgeMs = 10_000

/**
 * Finds what was left behind (a process died, an answer never came, a webhook was lost) and brings it to its end by asking
 * the gateway. Safe to run at any time, in any number of processes.
 */
export async function sweepPayments(options: SweepOptions, scope: Scope): Promise<Swept> {
  const attempts = await resolveAttempts(options, scope)
  const refunds = await resolveRefunds(options, scope)
  const noticesApplied = await applyNotices(options, scope)
  const retried = await sendRetries(options, scope)
  return {
    asked: attempts.asked + refunds.asked,
    resolved: attempts.resolved + refunds.resolved,
    retried,
    refundsSentAgain: refunds.sentAgain,
    noticesApplied,
  }
}

async function resolveAttempts(options: SweepOptions, scope: Scope): Promise<{ asked: number; resolved: number }> {
  const { database, parts, executor, installation, most } = options
  const claimed = await database.write(scope, (context) => context.query(claimAttempts, [context.now, most, parts.times.lookAfterMs]))
  const lost = claimed.filter((attempt) => !executor.holds(scope, 'charge', attempt.id))
  if (lost.length === 0) return { asked: 0, resolved: 0 }
  const answers = await eachAtMost(options.concurrency, lost, async (attempt) => {
    const call = { ...scopeOf(scope), key: keyOf(installation, scope.traffic, 'charge', attempt.id), ...moneyOf(attempt) }
    return (await options.gateways.get(attempt.gateway)?.queryCharge(call).catch(notAnswered)) ?? notAnswered('no such gateway')
  })
  const results: AttemptResult[] = []
  lost.forEach((attempt, index) => {
    const answer = answers[index]
    if (answer === undefined || answer.outcome === 'not_answered' || answer.outcome === 'unknown') return
    if (answer.outcome !== 'not_found') {
      results.push({ attemptId: attempt.id, result: answer, cause: 'query' })
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

async function resolveRefunds(options: SweepOptions, scope: Scope): Promise<{ asked: number; resolved: number; sentAgain: number }> {
  const { database, parts, executor, installation, most } = options
  const claimed = await database.write(scope, (context) => context.query(claimRefunds, [context.now, most, parts.times.lookAfterMs]))
  const lost = claimed.filter((refund) => !executor.holds(scope, 'refund', refund.refundId))
  if (lost.length === 0) return { asked: 0, resolved: 0, sentAgain: 0 }
  const answers = await eachAtMost(options.concurrency, lost, async (refund) => {
    const call = { ...scopeOf(scope), key: keyOf(installation, scope.traffic, 'refund', refund.refundId), ...moneyOf(refund) }
    return (await options.gateways.get(refund.gateway)?.queryRefund(call).catch(notAnswered)) ?? notAnswered('no such gateway')
  })
  const results: RefundRecord[] = []
  const again: RefundToMake[] = []
  lost.forEach((refund, index) => {
    const answer = answers[index]
    if (answer === undefined || answer.outcome === 'not_answered' || answer.outcome === 'unknown') return
    // Unlike a charge, a refund that the gateway does not have is simply sent again: the key is the same, so it acts once.
    if (answer.outcome === 'not_found') again.push(refund)
    else results.push({ refundId: refund.refundId, result: answer, cause: 'query' })
  })
  let resolved = 0
  const record = async (batch: readonly RefundRecord[]): Promise<void> => {
    const verdicts = await database.write(scope, (context) => recordRefundResults(parts, context, batch))
    resolved += verdicts.filter((verdict) => verdict === 'applied').length
  }
  await writeBatchOrAlone(results, record, options.log)
  executor.refunds(scope, again)
  return { asked: lost.length, resolved, sentAgain: again.length }
}

async function applyNotices({ database, parts, most }: SweepOptions, scope: Scope): Promise<number> {
  return database.write(scope, async (context) => {
    const left = await context.query(findNotices, [new Date(context.now.getTime() - noticeAgeMs), most])
    if (left.length === 0) return 0
    const rows = left.map((row) => ({ ...row, notice: resultOf(row), inbox: { gateway: row.gateway, eventId: row.eventId } }))
    const cause = (eventId: string) => `webhook ${eventId}`
    await recordAttemptResults(
      parts,
      context,
      rows.flatMap(({ kind, subjectId, notice, inbox, eventId }) =>
        kind === 'charge' ? [{ attemptId: subjectId, result: notice as ChargeResult, cause: cause(eventId), inbox }] : [],
      ),
    )
    await recordRefundResults(
      parts,
      context,
      rows.flatMap(({ kind, subjectId, notice, inbox, eventId }) =>
        kind === 'refund' ? [{ refundId: subjectId, result: notice as RefundResult, cause: cause(eventId), inbox }] : [],
      ),
    )
    return left.length
  })
}

/** The inbox holds the parts of a result that its adapter made, so putting them together gives that result again. */
function resultOf(row: { outcome: string; gatewayRef: string | null; reason: string | null }): GatewayNotice['result'] {
  const { outcome, gatewayRef, reason } = row
  return { outcome, ...(gatewayRef === null ? {} : { gatewayRef }), ...(reason === null ? {} : { reason }) } as GatewayNotice['result']
}

async function sendRetries({ database, parts, most }: SweepOptions, scope: Scope): Promise<number> {
  return database.write(scope, async (context) => {
    const due = await context.query(findRetries, [context.now, most])
    return due.length === 0
      ? 0
      : retryLegs(
          parts,
          context,
          due.map((leg) => leg.id),
        )
  })
}

const scopeOf = ({ traffic, rehearsalId }: Scope): Scope => ({ traffic, rehearsalId })
const moneyOf = ({ amountMinor, currency }: { amountMinor: number; currency: string }) => ({ amountMinor, currency })
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
