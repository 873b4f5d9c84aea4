import { type PaymentsChecking, type PaymentsFailed, paymentsChecking, paymentsFailed } from './events.ts'
import { addFollowUp, callOffAction, isSecured, keptMinor, later, moveLegToFold, refundLeg, settleUp, tellMoved } from './fold-request.ts'
import type { ChargeResult } from './gateway.ts'
import { attemptCycle } from './lifecycle.ts'
import type { AttemptRow, Cause, LegRow, PaymentBook, RequestRow } from './payment-book.ts'

/** What became of one thing that a gateway told us. */
export type Verdict = 'applied' | 'repeated' | 'contradicted' | 'unmatched'

export interface PaymentTimes {
  /** A queued call older than this is not made any more; the sweep takes it over. */
  readonly callWithinMs: number
  /**
   * Only after this long does "not found" at the gateway mean that it will never be found. Must exceed callWithinMs plus
   * the call's own time-out, or a call still on its way could charge after its successor.
   */
  readonly safeDelayMs: number
  /** Waits before the second, third … attempt of a leg at the same gateway; as many retries as waits. Another gateway is asked at once. */
  readonly retryAfterMs: readonly number[]
  /** Waits between questions about one unknown attempt or open follow-up; the last one repeats. */
  readonly lookAfterMs: readonly number[]
}

export const defaultTimes: PaymentTimes = {
  callWithinMs: 20_000,
  safeDelayMs: 60_000,
  retryAfterMs: [1_000, 5_000, 30_000],
  lookAfterMs: [2_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000],
}

/** Applies what a gateway said of an attempt, by answer, webhook or query. All three may say it; it counts once. */
export function settleAttempt(book: PaymentBook, attempt: AttemptRow, result: ChargeResult, by: Cause, times: PaymentTimes): Verdict {
  if (attempt.state === result.outcome) return 'repeated'
  if (!attemptCycle.canMove(attempt.state, result.outcome)) {
    // "I do not know" or "it waits" after the end is known is only late; any other disagreement is for people, and the books stay.
    const late = result.outcome === 'unknown' || result.outcome === 'requires_action'
    return late || attempt.state === 'unreachable' ? 'repeated' : 'contradicted'
  }
  const leg = book.legOf(attempt)
  const request = book.requestOf(attempt)
  const wasUnknown = attempt.state === 'unknown'
  book.moveAttempt(attempt, result.outcome, by)
  if (wasUnknown || result.outcome === 'unknown') tellChecking(book, request, attempt, result.outcome === 'unknown')
  switch (result.outcome) {
    case 'unknown':
      attempt.reason = result.reason
      attempt.lookAt = later(book.now, times.lookAfterMs[0] ?? 0)
      return 'applied'
    case 'requires_action':
      attempt.gatewayRef = result.gatewayRef
      attempt.action = result.action
      attempt.lookAt = later(book.now, times.lookAfterMs[2] ?? 15_000)
      book.wide = true
      book.moveLeg(leg, 'requires_action', by)
      if (request.closed !== 0 || hasRoundFailed(book, leg)) callOffAction(book, leg, 'not needed any more', by)
      settleUp(book, request, { was: isSecured(book, request), by })
      return 'applied'
    case 'succeeded':
      attempt.gatewayRef = result.gatewayRef
      attempt.lookAt = null
      if (attempt.retired === 0) takeMoney(book, attempt, by)
      else giveBackStray(book, attempt, by)
      return 'applied'
    default:
      attempt.reason = result.reason
      attempt.lookAt = null
      attempt.retired = attempt.sequence
      afterFailure(book, leg, result, by, times)
      return 'applied'
  }
}

function takeMoney(book: PaymentBook, attempt: AttemptRow, by: Cause): void {
  const leg = book.legOf(attempt)
  const request = book.requestOf(attempt)
  const was = isSecured(book, request)
  const { amountMinor } = attempt
  if (leg.mode === 'charge') leg.capturedMinor += amountMinor
  else {
    leg.authorizedMinor += amountMinor
    if (hasRoundFailed(book, leg)) leg.unneededMinor = leg.authorizedMinor
  }
  moveLegToFold(book, leg, by)
  settleUp(book, request, { was, by, movement: movementOf(leg, attempt, leg.mode === 'charge' ? 'captured' : 'authorized') })
}

const movementOf = (leg: LegRow, attempt: AttemptRow, kind: 'captured' | 'authorized', stray = false) => ({
  kind,
  subjectId: attempt.id,
  legId: leg.id,
  amountMinor: attempt.amountMinor,
  means: leg.means,
  gateway: attempt.gateway,
  gatewayRef: attempt.gatewayRef ?? '',
  stray,
})

/** A charge that was found after its attempt had been given up never counts; it goes straight back. */
function giveBackStray(book: PaymentBook, attempt: AttemptRow, by: Cause): void {
  const leg = book.legOf(attempt)
  const reason = 'charge found after the attempt was given up'
  const charged = leg.mode === 'charge'
  addFollowUp(book, attempt, { kind: charged ? 'refund' : 'void', amountMinor: attempt.amountMinor, reason, stray: true }, by)
  if (!charged) return
  tellMoved(book, book.requestOf(attempt), { movement: movementOf(leg, attempt, 'captured', true), reason, covered: false })
}

/** The failover rule: another attempt only after a soft decline or when it is certain that the gateway did not act. */
function afterFailure(
  book: PaymentBook,
  leg: LegRow,
  result: { readonly outcome: string; readonly reason: string },
  by: Cause,
  times: PaymentTimes,
): void {
  const request = book.requestOf(leg)
  const was = isSecured(book, request)
  if (request.closed !== 0 || hasRoundFailed(book, leg)) {
    book.moveLeg(leg, 'voided', by)
    settleUp(book, request, { was, by })
    return
  }
  const wait = result.outcome === 'declined_hard' ? undefined : times.retryAfterMs[leg.attempts - 1]
  if (wait === undefined) {
    failLeg(book, leg, result.reason, by)
    return
  }
  if (leg.state === 'requires_action') book.moveLeg(leg, 'created', by)
  const another = book.rules.hasAnotherGateway(request.storeId, leg.means, leg.attempts)
  leg.retryAt = later(book.now, another ? 0 : wait)
  if (another) book.askAtOnce.push(leg)
  shrinkToDue(book, request, by)
  book.changeLeg(leg)
  settleUp(book, request, { was, by })
}

/** Where legs settle together and one has failed for good, nothing of its round is taken any more. */
export function hasRoundFailed(book: PaymentBook, leg: LegRow): boolean {
  const request = book.requestOf(leg)
  if (request.settle !== 'together') return false
  for (const other of book.legsOf(request)) if (other !== leg && other.round === leg.round && other.state === 'failed') return true
  return false
}

/** Ends a leg without money, and with it, where legs settle together, the others of its round. */
export function failLeg(book: PaymentBook, leg: LegRow, reason: string, by: Cause): void {
  const request = book.requestOf(leg)
  const was = isSecured(book, request)
  book.moveLeg(leg, 'failed', by)
  leg.retryAt = null
  if (request.settle === 'together') {
    for (const other of book.legsOf(request)) {
      if (other !== leg && other.round === leg.round) giveUpLeg(book, other, by)
    }
  }
  tellFailed(book, leg, reason)
  settleUp(book, request, { was, by, reason: 'another means failed' })
}

export function tellFailed(book: PaymentBook, leg: LegRow, reason: string): void {
  const { id: requestId, orderId, part } = book.requestOf(leg)
  const payload: PaymentsFailed = { requestId, orderId, part, means: leg.means, reason }
  book.announce(paymentsFailed, orderId, payload)
}

/** What is not asked yet is not asked any more, what is promised is given up, what is taken goes back; a call that is out is waited for. */
export function giveUpLeg(book: PaymentBook, leg: LegRow, by: Cause): void {
  const reason = 'another means failed'
  if (leg.state === 'created' && book.liveAttemptOf(leg) === undefined) {
    leg.retryAt = null
    book.moveLeg(leg, 'voided', by)
    return
  }
  callOffAction(book, leg, reason, by)
  if (leg.authorizedMinor > leg.captureHeldMinor) {
    leg.unneededMinor = leg.authorizedMinor - leg.captureHeldMinor
    book.changeLeg(leg)
  }
  refundLeg(book, leg, keptMinor(leg), { reason }, by)
}

/** What has not been asked yet must not ask for more than is still due: the last legs shrink first, down to nothing. */
export function shrinkToDue(book: PaymentBook, request: RequestRow, by: Cause): void {
  const legs = book.legsOf(request)
  const unsent = (leg: LegRow): boolean => leg.state === 'created' && leg.retryAt !== null && book.liveAttemptOf(leg) === undefined
  let excess = -(request.closed === 0 ? request.amountMinor - request.reducedMinor : 0)
  for (const leg of legs) excess += keptMinor(leg) + leg.authorizedMinor - leg.unneededMinor + (book.mayBring(leg) ? leg.amountMinor : 0)
  for (const leg of legs.toReversed()) {
    if (excess <= 0) return
    if (!unsent(leg)) continue
    const take = Math.min(excess, leg.amountMinor)
    excess -= take
    if (take === leg.amountMinor) {
      leg.retryAt = null
      book.moveLeg(leg, 'voided', by)
    } else {
      leg.amountMinor -= take
      // Amounts of legs are among the columns that a plain batch does not write.
      book.wide = true
      book.changeLeg(leg)
    }
  }
}

/** Tells when the first attempt of a request became unknown, and when the last one is known again. */
function tellChecking(book: PaymentBook, request: RequestRow, attempt: AttemptRow, unknown: boolean): void {
  for (const leg of book.legsOf(request)) {
    const other = book.liveAttemptOf(leg)
    if (other !== undefined && other !== attempt && other.state === 'unknown') return
  }
  const payload: PaymentsChecking = { requestId: request.id, orderId: request.orderId, part: request.part, unknown }
  book.announce(paymentsChecking, request.orderId, payload)
}
