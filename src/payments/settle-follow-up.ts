import type { Movement } from './events.ts'
import { isSecured, keptMinor, later, moveLegToFold, refundLeg, settleUp, tellMoved } from './fold-request.ts'
import type { FollowUpResult } from './gateway.ts'
import { followUpCycle } from './lifecycle.ts'
import type { AttemptRow, Cause, FollowUpRow, LegRow, NewFollowUp, PaymentBook, RequestRow } from './payment-book.ts'
import { failLeg, hasRoundFailed, type PaymentTimes, tellFailed, type Verdict } from './settlement.ts'

/** Applies what a gateway said of a capture, void, refund or credit. */
export function settleFollowUp(book: PaymentBook, row: FollowUpRow, result: FollowUpResult, by: Cause, times: PaymentTimes): Verdict {
  if (row.state === result.outcome) return 'repeated'
  if (!followUpCycle.canMove(row.state, result.outcome)) {
    const late = result.outcome === 'unknown' || result.outcome === 'pending'
    const given = (row.state === 'manual' || row.state === 'wallet') && result.outcome === 'failed'
    return late || given ? 'repeated' : 'contradicted'
  }
  book.moveFollowUp(row, result.outcome, by)
  switch (result.outcome) {
    case 'unknown':
      row.failure = result.reason
      row.lookAt = later(book.now, times.lookAfterMs[0] ?? 0)
      return 'applied'
    case 'pending':
      row.gatewayRef = result.gatewayRef
      row.lookAt = later(book.now, times.safeDelayMs)
      return 'applied'
    case 'failed':
      row.failure = result.reason
      row.lookAt = null
      failed(book, row, result.reason, by)
      return 'applied'
    case 'succeeded':
      row.gatewayRef = result.gatewayRef
      row.lookAt = null
      succeeded(book, row, by)
      return 'applied'
  }
}

function succeeded(book: PaymentBook, row: FollowUpRow, by: Cause): void {
  switch (row.kind) {
    case 'capture':
      captured(book, row, by)
      return
    case 'void':
      voided(book, row, by)
      return
    default:
      refunded(book, row, by)
  }
}

const movementOf = (leg: LegRow, row: FollowUpRow, kind: Movement['kind'], amountMinor = row.amountMinor): Movement => ({
  kind,
  subjectId: row.id,
  legId: leg.id,
  amountMinor,
  means: row.kind === 'credit' ? 'wallet' : leg.means,
  gateway: row.gateway,
  gatewayRef: row.gatewayRef ?? '',
  stray: row.stray,
})

function refunded(book: PaymentBook, row: FollowUpRow, by: Cause): void {
  const leg = book.legOf(row)
  const request = book.requestOf(row)
  const movement = movementOf(leg, row, 'refunded')
  if (row.stray) {
    tellMoved(book, request, { movement, reason: row.reason, covered: false })
    return
  }
  const was = isSecured(book, request)
  leg.refundedMinor += row.amountMinor
  if (row.goodwill) {
    request.goodwillMinor += row.amountMinor
    book.changeRequest(request)
  }
  moveLegToFold(book, leg, by)
  settleUp(book, request, { was, by, movement, reason: row.reason })
}

function captured(book: PaymentBook, row: FollowUpRow, by: Cause): void {
  const leg = book.legOf(row)
  const request = book.requestOf(row)
  const was = isSecured(book, request)
  leg.captureHeldMinor -= row.amountMinor
  leg.authorizedMinor -= row.amountMinor
  leg.capturedMinor += row.amountMinor
  // The gateway let go of the rest with the last capture.
  const released = row.last ? leg.authorizedMinor - leg.captureHeldMinor : 0
  if (released > 0) {
    leg.authorizedMinor -= released
    leg.unneededMinor = 0
    leg.voidHeldMinor = 0
  }
  moveLegToFold(book, leg, by)
  if (hasRoundFailed(book, leg)) refundLeg(book, leg, keptMinor(leg), { reason: 'another means failed' }, by)
  settleUp(book, request, { was, by, movement: movementOf(leg, row, 'captured'), reason: row.reason })
  if (released > 0) tellMoved(book, request, { movement: movementOf(leg, row, 'voided', released), reason: row.reason, covered: false })
}

function voided(book: PaymentBook, row: FollowUpRow, by: Cause): void {
  if (row.stray) return
  const leg = book.legOf(row)
  const request = book.requestOf(row)
  const was = isSecured(book, request)
  const attempt = book.liveAttemptOf(leg)
  if (leg.authorizedMinor === 0) {
    if (attempt?.state === 'requires_action') callOff(book, leg, attempt, by)
    settleUp(book, request, { was, by })
    return
  }
  letGo(leg, row.amountMinor)
  if (leg.authorizedMinor === 0 && leg.capturedMinor === 0 && leg.state === 'authorized') book.moveLeg(leg, 'voided', by)
  else moveLegToFold(book, leg, by)
  settleUp(book, request, { was, by, movement: movementOf(leg, row, 'voided'), reason: row.reason })
}

/** The charge waited for the customer and was called off before he acted: it took nothing and never will. */
function callOff(book: PaymentBook, leg: LegRow, attempt: AttemptRow, by: Cause): void {
  book.moveAttempt(attempt, 'declined_hard', by)
  attempt.reason = 'called off before the customer acted'
  attempt.lookAt = null
  attempt.retired = attempt.sequence
  book.moveLeg(leg, 'voided', by)
}

function letGo(leg: LegRow, amountMinor: number): void {
  leg.authorizedMinor -= amountMinor
  leg.unneededMinor = Math.max(0, leg.unneededMinor - amountMinor)
  leg.voidHeldMinor = Math.max(0, leg.voidHeldMinor - amountMinor)
}

function failed(book: PaymentBook, row: FollowUpRow, reason: string, by: Cause): void {
  const leg = book.legOf(row)
  const request = book.requestOf(row)
  switch (row.kind) {
    case 'refund':
    case 'credit':
      replaceOrHandOver(book, row, request, by)
      return
    case 'void':
      voidFailed(book, row, leg, by)
      return
    case 'capture': {
      const was = isSecured(book, request)
      leg.captureHeldMinor -= row.amountMinor
      // What can not be captured is let go, so that it does not stay set aside at the customer's bank.
      leg.unneededMinor = leg.authorizedMinor - leg.captureHeldMinor
      book.changeLeg(leg)
      if (leg.capturedMinor === 0 && leg.captureHeldMinor === 0 && leg.state === 'authorized') {
        failLeg(book, leg, reason, by)
        return
      }
      tellFailed(book, leg, reason)
      settleUp(book, request, { was, by })
    }
  }
}

/** The amount stays held on the leg either way: nothing may pay it twice meanwhile. */
function replaceOrHandOver(book: PaymentBook, row: FollowUpRow, request: RequestRow, by: Cause): void {
  const toWallet = book.rules.hasWallet && request.customerId !== '' && book.rules.rulesOf(request.storeId).failedRefund === 'wallet'
  if (row.kind === 'credit' || !toWallet) {
    book.moveFollowUp(row, 'manual', by)
    return
  }
  const { requestId, legId, attemptId, amountMinor, stray, goodwill, reason } = row
  const replacement: NewFollowUp = {
    kind: 'credit',
    requestId,
    legId,
    attemptId,
    gateway: 'wallet',
    chargeRef: request.customerId,
    amountMinor,
    last: false,
    stray,
    goodwill,
    reason,
    state: 'sent',
    lookAt: later(book.now, 15_000),
    ...by,
  }
  book.newFollowUps.push(replacement)
  row.replacement = replacement
  book.moveFollowUp(row, 'wallet', by)
}

function voidFailed(book: PaymentBook, row: FollowUpRow, leg: LegRow, by: Cause): void {
  const request = book.requestOf(row)
  // The customer may have acted meanwhile: then the attempt has an end soon, and what it brings is given up by itself.
  if (leg.authorizedMinor === 0 && !row.stray) return
  book.moveFollowUp(row, 'manual', by)
  if (row.stray) return
  const was = isSecured(book, request)
  letGo(leg, row.amountMinor)
  if (leg.state === 'authorized') book.moveLeg(leg, 'conflict', by)
  else book.changeLeg(leg)
  settleUp(book, request, { was, by })
}

/** Applies what a bank said of a charge: it took the money back, or gave it back to us. */
export function settleDispute(
  book: PaymentBook,
  attempt: AttemptRow,
  { id, amountMinor, won }: { readonly id: number; readonly amountMinor: number; readonly won: boolean },
  by: Cause,
): Verdict {
  const leg = book.legOf(attempt)
  const request = book.requestOf(attempt)
  const after = leg.disputedMinor + (won ? -amountMinor : amountMinor)
  if (attempt.retired !== 0 || amountMinor <= 0 || after < 0 || after > leg.capturedMinor) return 'contradicted'
  const was = isSecured(book, request)
  book.wide = true
  leg.disputedMinor = after
  moveLegToFold(book, leg, by)
  const movement: Movement = {
    kind: won ? 'dispute_won' : 'charged_back',
    subjectId: id,
    legId: leg.id,
    amountMinor,
    means: leg.means,
    gateway: attempt.gateway,
    gatewayRef: attempt.gatewayRef ?? '',
    stray: false,
  }
  settleUp(book, request, { was, by, movement, reason: won ? 'dispute won' : 'charged back' })
  return 'applied'
}
