import type { ChargeResult, RefundResult } from './gateway.ts'
import { paymentsCovered, paymentsFailed, paymentsRefunded } from './events.ts'
import type { RequestState } from './lifecycle.ts'
import { attemptCycle, refundCycle } from './lifecycle.ts'
import type { AttemptRow, Cause, LegRow, PaymentBook, RefundRow, RequestRow } from './payment-book.ts'

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
  /** Waits before the second, third … attempt of a leg; as many retries as waits. */
  readonly retryAfterMs: readonly number[]
  /** Waits between questions about one unknown attempt or open refund; the last one repeats. */
  readonly lookAfterMs: readonly number[]
}

export const defaultTimes: PaymentTimes = {
  callWithinMs: 20_000,
  safeDelayMs: 60_000,
  retryAfterMs: [1_000, 5_000, 30_000],
  lookAfterMs: [2_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000],
}

export const later = (from: Date, ms: number): Date => new Date(from.getTime() + ms)

/** Applies what a gateway said of an attempt, by answer, webhook or query. All three may say it; it counts once. */
export function settleAttempt(book: PaymentBook, attempt: AttemptRow, result: ChargeResult, by: Cause, times: PaymentTimes): Verdict {
  if (attempt.state === result.outcome) return 'repeated'
  if (!attemptCycle.canMove(attempt.state, result.outcome)) {
    // "I do not know" after the answer is known is only late; any other disagreement is for people, and the books stay.
    return result.outcome === 'unknown' || attempt.state === 'unreachable' ? 'repeated' : 'contradicted'
  }
  book.moveAttempt(attempt, result.outcome, by)
  if (result.outcome === 'unknown') {
    attempt.reason = result.reason
    attempt.lookAt = later(book.now, times.lookAfterMs[0] ?? 0)
    return 'applied'
  }
  attempt.lookAt = null
  const leg = book.legOf(attempt)
  const request = book.requestOf(attempt)
  if (result.outcome === 'succeeded') {
    attempt.gatewayRef = result.gatewayRef
    if (attempt.retired !== 0) {
      giveBack(book, attempt, attempt.amountMinor, { stray: true, reason: 'charge found after the attempt was given up' }, by)
      return 'applied'
    }
    leg.capturedMinor += attempt.amountMinor
    book.moveLeg(leg, 'captured', by)
    foldRequest(book, request, by, attempt.id)
    return 'applied'
  }
  attempt.reason = result.reason
  attempt.retired = attempt.sequence
  afterFailure(book, leg, request, result, by, times)
  return 'applied'
}

/** The failover rule: another attempt only after a soft decline or when it is certain that the gateway did not act. */
function afterFailure(
  book: PaymentBook,
  leg: LegRow,
  request: RequestRow,
  result: { readonly outcome: string; readonly reason: string },
  by: Cause,
  times: PaymentTimes,
): void {
  if (request.closed !== 0) {
    book.moveLeg(leg, 'voided', by)
    return
  }
  const wait = result.outcome === 'declined_hard' ? undefined : times.retryAfterMs[leg.attempts - 1]
  if (wait !== undefined) {
    leg.retryAt = later(book.now, wait)
    shrinkToDue(book, leg, request)
    book.changedLegs.add(leg)
    return
  }
  book.moveLeg(leg, 'failed', by)
  leg.retryAt = null
  foldRequest(book, request, by, null)
  const payload = { requestId: request.id, orderId: request.orderId, reason: result.reason }
  book.announce(paymentsFailed, request.orderId, payload)
}

/** Applies what a gateway said of a refund. */
export function settleRefund(book: PaymentBook, refund: RefundRow, result: RefundResult, by: Cause, times: PaymentTimes): Verdict {
  if (refund.state === result.outcome) return 'repeated'
  if (!refundCycle.canMove(refund.state, result.outcome)) {
    const known = result.outcome === 'unknown' || result.outcome === 'pending'
    return known || (refund.state === 'manual' && result.outcome === 'failed') ? 'repeated' : 'contradicted'
  }
  book.moveRefund(refund, result.outcome, by)
  switch (result.outcome) {
    case 'unknown':
      refund.failure = result.reason
      refund.lookAt = later(book.now, times.lookAfterMs[0] ?? 0)
      return 'applied'
    case 'pending':
      refund.gatewayRef = result.gatewayRef
      refund.lookAt = later(book.now, times.safeDelayMs)
      return 'applied'
    case 'failed':
      // The amount stays held on the leg: a person pays it out by another way, and nothing may pay it twice meanwhile.
      refund.failure = result.reason
      refund.lookAt = null
      book.moveRefund(refund, 'manual', by)
      return 'applied'
    case 'succeeded': {
      refund.gatewayRef = result.gatewayRef
      refund.lookAt = null
      const request = book.requestOf(refund)
      if (!refund.stray) {
        const leg = book.legOf(refund)
        leg.refundedMinor += refund.amountMinor
        book.changedLegs.add(leg)
        const to = leg.refundedMinor === leg.capturedMinor ? 'refunded' : 'partially_refunded'
        if (leg.state !== to) book.moveLeg(leg, to, by)
        foldRequest(book, request, by, null)
      }
      let heldMinor = 0
      for (const leg of book.legsOf(request)) heldMinor += leg.capturedMinor - leg.refundedMinor
      book.announce(paymentsRefunded, request.orderId, {
        requestId: request.id,
        orderId: request.orderId,
        amountMinor: refund.amountMinor,
        heldMinor,
      })
      return 'applied'
    }
  }
}

export const dueMinor = (request: RequestRow): number => request.amountMinor - request.reducedMinor

/** Lowers what is due; what is in hand beyond it goes back. Ends the request when nothing is due any more. */
export function reduceDue(book: PaymentBook, request: RequestRow, byMinor: number, reason: string, by: Cause): void {
  request.reducedMinor += byMinor
  book.changedRequests.add(request)
  const ends = dueMinor(request) === 0
  for (const leg of book.legsOf(request)) {
    // A call that is out cannot be called back: its leg waits for the answer, and what it brings goes back then.
    if (leg.state !== 'created' || book.liveAttemptOf(leg) !== undefined) continue
    shrinkToDue(book, leg, request)
    book.changedLegs.add(leg)
    if (ends) {
      leg.retryAt = null
      book.moveLeg(leg, 'voided', by)
    }
  }
  if (ends) {
    book.moveRequest(request, 'cancelled', by)
    request.closed = request.id
  }
  foldRequest(book, request, by, null, reason)
}

/** A retry must not ask for more than is still due. A leg that nothing is due of keeps its amount: it is about to end. */
function shrinkToDue(book: PaymentBook, leg: LegRow, request: RequestRow): void {
  let others = 0
  for (const other of book.legsOf(request)) {
    if (other !== leg) others += book.isUnderWay(other) ? other.amountMinor : other.capturedMinor - other.refundHeldMinor
  }
  const rest = dueMinor(request) - others
  if (rest > 0 && rest < leg.amountMinor) leg.amountMinor = rest
}

/** Folds the legs into the request: sends back what is in excess, then sets the state that the sums say. */
function foldRequest(book: PaymentBook, request: RequestRow, by: Cause, attemptId: number | null, reason = 'more than is due'): void {
  let captured = 0
  let held = 0
  let refunded = 0
  let underWay = false
  for (const leg of book.legsOf(request)) {
    captured += leg.capturedMinor
    held += leg.refundHeldMinor
    refunded += leg.refundedMinor
    underWay ||= book.isUnderWay(leg)
  }
  const due = dueMinor(request)
  if (captured - held > due) refundExcess(book, request, captured - held - due, reason, by)
  if (request.closed !== 0) return
  const to = stateOf(captured - refunded, due, underWay)
  if (to === request.state) return
  const wasCovered = request.state === 'covered' || request.state === 'overcovered'
  book.moveRequest(request, to, by)
  if (!wasCovered && (to === 'covered' || to === 'overcovered')) {
    const payload = { requestId: request.id, orderId: request.orderId, amountMinor: due, currency: request.currency, attemptId }
    book.announce(paymentsCovered, request.orderId, payload)
  }
}

export function stateOf(inHandMinor: number, due: number, underWay: boolean): RequestState {
  if (inHandMinor > due) return 'overcovered'
  if (inHandMinor === due) return 'covered'
  if (inHandMinor > 0) return 'partially_covered'
  return underWay ? 'processing' : 'open'
}

function refundExcess(book: PaymentBook, request: RequestRow, excessMinor: number, reason: string, by: Cause): void {
  let left = excessMinor
  for (const leg of book.legsOf(request)) {
    const share = Math.min(left, leg.capturedMinor - leg.refundHeldMinor)
    const attempt = book.liveAttemptOf(leg)
    if (share <= 0 || attempt === undefined) continue
    leg.refundHeldMinor += share
    book.changedLegs.add(leg)
    giveBack(book, attempt, share, { stray: false, reason }, by)
    left -= share
  }
}

/** Refunds that follow from a cancellation or a stray charge are approved by policy, so they are born as sent. */
function giveBack(book: PaymentBook, attempt: AttemptRow, amountMinor: number, why: { stray: boolean; reason: string }, by: Cause): void {
  book.newRefunds.push({
    requestId: attempt.requestId,
    legId: attempt.legId,
    attemptId: attempt.id,
    gateway: attempt.gateway,
    chargeRef: attempt.gatewayRef ?? '',
    amountMinor,
    stray: why.stray,
    reason: why.reason,
    state: 'sent',
    // A process that dies before the call leaves it to the sweep, soon: the same key may be sent again without harm.
    lookAt: later(book.now, 15_000),
    ...by,
  })
}
