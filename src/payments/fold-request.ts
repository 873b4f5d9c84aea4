import { type Movement, type PaymentSums, type PaymentsMoved, paymentsMoved } from './events.ts'
import type { FollowUpKind } from './gateway.ts'
import { type LegState, legCycle, type RequestState } from './lifecycle.ts'
import type { AttemptRow, Cause, LegRow, PaymentBook, RequestRow } from './payment-book.ts'
import { planRefund, type RefundShare } from './refund-plan.ts'

export const later = (from: Date, ms: number): Date => new Date(from.getTime() + ms)

export const dueMinor = (request: RequestRow): number => request.amountMinor - request.reducedMinor

/** Taken and neither on its way back nor taken back by the bank. What went both ways is a loss of ours, not a debt of another means. */
export const keptMinor = (leg: LegRow): number => Math.max(0, leg.capturedMinor - leg.refundHeldMinor - leg.disputedMinor)
/** Set aside and still wanted. */
export const promisedMinor = (leg: LegRow): number => leg.authorizedMinor - leg.unneededMinor
/** Set aside, wanted, and not being captured yet. */
export const freeMinor = (leg: LegRow): number => leg.authorizedMinor - leg.unneededMinor - leg.captureHeldMinor

/** Whether money that is set aside counts as good as taken: it is captured on shipment, or the courier brings it. */
const securesByPromise = (request: RequestRow, leg: LegRow): boolean =>
  request.capture === 'on_shipment' || leg.means === 'cash_on_delivery'

export function keptOf(book: PaymentBook, request: RequestRow): number {
  let sum = 0
  for (const leg of book.legsOf(request)) sum += keptMinor(leg)
  return sum
}

/** What has to stay in hand of `wantedMinor`: goodwill was a gift, so it is not asked for again. */
const needMinor = (wantedMinor: number, giftMinor: number): number => Math.max(0, wantedMinor - giftMinor)
const wantedMinor = (request: RequestRow): number => (request.closed === 0 ? dueMinor(request) : 0)

/** True when as much is taken, or set aside where that is enough, as the goods wait for. Refunds under way do not count any more. */
export function isSecured(book: PaymentBook, request: RequestRow): boolean {
  if (request.closed !== 0) return false
  const due = dueMinor(request)
  const release = request.settle === 'apart' && request.releaseMinor !== null ? Math.min(request.releaseMinor, due) : due
  let secured = 0
  for (const leg of book.legsOf(request)) secured += keptMinor(leg) + (securesByPromise(request, leg) ? promisedMinor(leg) : 0)
  return secured >= needMinor(release, request.goodwillHeldMinor)
}

export function sumsOf(book: PaymentBook, request: RequestRow): PaymentSums {
  let authorizedMinor = 0
  let capturedMinor = 0
  let refundedMinor = 0
  for (const leg of book.legsOf(request)) {
    authorizedMinor += promisedMinor(leg)
    capturedMinor += leg.capturedMinor
    refundedMinor += leg.refundedMinor
  }
  return { dueMinor: dueMinor(request), authorizedMinor, capturedMinor, refundedMinor, goodwillMinor: request.goodwillMinor }
}

/** What changed of a request, for what follows from it. */
export interface Moved {
  /** `isSecured` before the change. */
  readonly was: boolean
  readonly by: Cause
  readonly movement?: Movement
  readonly reason?: string
  /** Announce it though nothing moved: what is due is another amount now. */
  readonly tellDue?: boolean
}

/**
 * After every change of money: sends back what is in excess, gives up what is not needed, captures when all is promised, voids
 * what nobody will take, sets the state that the sums say, and tells of it with one event.
 */
export function settleUp(book: PaymentBook, request: RequestRow, moved: Moved): void {
  const { by, reason = '' } = moved
  refundExcess(book, request, reason === '' ? 'more than is due' : reason, by)
  giveUpUnneeded(book, request)
  captureWhenAllIsPromised(book, request, by)
  voidUnneeded(book, request, by)
  moveToFold(book, request, by)
  const secured = isSecured(book, request)
  if (secured && request.expiresAt !== null) {
    request.expiresAt = null
    book.changeRequest(request)
  }
  const covered = !moved.was && secured
  if (moved.movement !== undefined || covered || moved.tellDue)
    tellMoved(book, request, { movement: moved.movement ?? null, reason, covered })
}

export function tellMoved(
  book: PaymentBook,
  request: RequestRow,
  { movement, reason, covered }: Pick<PaymentsMoved, 'movement' | 'reason' | 'covered'>,
): void {
  const payload: PaymentsMoved = {
    requestId: request.id,
    orderId: request.orderId,
    part: request.part,
    storeId: request.storeId,
    customerId: request.customerId,
    currency: request.currency,
    movement,
    reason,
    covered,
    sums: sumsOf(book, request),
  }
  book.announce(paymentsMoved, request.orderId, payload)
}

/** Which leg gives back how much, by the store's policy; at most what they have left. */
export function sharesOf(book: PaymentBook, request: RequestRow, amountMinor: number): RefundShare[] {
  const legs = book.legsOf(request).map((leg) => ({ id: leg.id, position: leg.position, means: leg.means, leftMinor: keptMinor(leg) }))
  const most = legs.reduce((sum, leg) => sum + leg.leftMinor, 0)
  return planRefund(legs, Math.min(amountMinor, most), book.rules.rulesOf(request.storeId).refundPolicy)
}

function refundExcess(book: PaymentBook, request: RequestRow, reason: string, by: Cause): void {
  const excess = keptOf(book, request) - needMinor(wantedMinor(request), request.goodwillHeldMinor)
  if (excess <= 0) return
  for (const { legId, amountMinor } of sharesOf(book, request, excess)) refundLeg(book, book.legOf({ legId }), amountMinor, { reason }, by)
}

export interface RefundHow {
  readonly reason: string
  readonly goodwill?: boolean
  /** To the customer's wallet instead of the means that paid. */
  readonly toWallet?: boolean
}

export function refundLeg(book: PaymentBook, leg: LegRow, amountMinor: number, how: RefundHow, by: Cause): void {
  const attempt = book.liveAttemptOf(leg)
  if (amountMinor <= 0 || attempt === undefined) return
  leg.refundHeldMinor += amountMinor
  book.changeLeg(leg)
  addFollowUp(
    book,
    attempt,
    { kind: how.toWallet ? 'credit' : 'refund', amountMinor, reason: how.reason, goodwill: how.goodwill ?? false },
    by,
  )
}

interface FollowUpWanted {
  readonly kind: FollowUpKind
  readonly amountMinor: number
  readonly reason: string
  readonly last?: boolean
  readonly stray?: boolean
  readonly goodwill?: boolean
}

/** A process that dies before the call leaves a follow-up to the sweep this soon: the same key may be sent again without harm. */
const lookAfterMs = 15_000

/** Follow-ups are approved by policy, so they are born as sent. */
export function addFollowUp(book: PaymentBook, attempt: AttemptRow, wanted: FollowUpWanted, by: Cause): void {
  const { kind, amountMinor, reason } = wanted
  const credit = kind === 'credit'
  book.newFollowUps.push({
    kind,
    requestId: attempt.requestId,
    legId: attempt.legId,
    attemptId: attempt.id,
    gateway: credit ? 'wallet' : attempt.gateway,
    chargeRef: credit ? book.requestOf(attempt).customerId : (attempt.gatewayRef ?? ''),
    amountMinor,
    last: wanted.last ?? false,
    stray: wanted.stray ?? false,
    goodwill: wanted.goodwill ?? false,
    reason,
    state: 'sent',
    lookAt: later(book.now, lookAfterMs),
    ...by,
  })
}

/** What is set aside beyond what is wanted is marked as not needed, from the last leg on. */
function giveUpUnneeded(book: PaymentBook, request: RequestRow): void {
  const legs = book.legsOf(request)
  let excess = 0
  for (const leg of legs) excess += promisedMinor(leg)
  if (excess === 0) return
  excess -= Math.max(0, needMinor(wantedMinor(request), request.goodwillHeldMinor) - keptOf(book, request))
  for (const leg of legs.toReversed()) {
    const take = Math.min(excess, freeMinor(leg))
    if (take <= 0) continue
    leg.unneededMinor += take
    excess -= take
    book.changeLeg(leg)
  }
}

/** Legs that settle together are captured once all that is due is taken or set aside; cash comes with the courier. */
function captureWhenAllIsPromised(book: PaymentBook, request: RequestRow, by: Cause): void {
  if (request.capture !== 'now' || request.closed !== 0) return
  let together = 0
  let toCapture = false
  for (const leg of book.legsOf(request)) {
    together += keptMinor(leg) + promisedMinor(leg)
    toCapture ||= leg.means !== 'cash_on_delivery' && freeMinor(leg) > 0
  }
  if (!toCapture || together < needMinor(dueMinor(request), request.goodwillHeldMinor)) return
  for (const leg of book.legsOf(request)) {
    if (leg.means !== 'cash_on_delivery') captureLeg(book, leg, freeMinor(leg), { last: true, reason: 'all legs are authorised' }, by)
  }
}

export function captureLeg(
  book: PaymentBook,
  leg: LegRow,
  amountMinor: number,
  { last, reason }: { readonly last: boolean; readonly reason: string },
  by: Cause,
): void {
  const attempt = book.liveAttemptOf(leg)
  if (amountMinor <= 0 || attempt === undefined) return
  // Beside a capture that is still on its way this one must not close the charge: it may arrive first. A void lets go of the rest then.
  const closes = last && leg.captureHeldMinor === 0
  leg.captureHeldMinor += amountMinor
  book.changeLeg(leg)
  addFollowUp(book, attempt, { kind: 'capture', amountMinor, reason, last: closes }, by)
}

function voidUnneeded(book: PaymentBook, request: RequestRow, by: Cause): void {
  for (const leg of book.legsOf(request)) {
    const attempt = book.liveAttemptOf(leg)
    const whole = leg.authorizedMinor > 0 && leg.unneededMinor === leg.authorizedMinor && leg.voidHeldMinor === 0
    if (!whole || attempt === undefined) continue
    leg.voidHeldMinor = leg.authorizedMinor
    book.changeLeg(leg)
    addFollowUp(book, attempt, { kind: 'void', amountMinor: leg.authorizedMinor, reason: 'not needed any more' }, by)
  }
}

/** Calls off a charge that waits for the customer; whether it worked, its attempt tells. */
export function callOffAction(book: PaymentBook, leg: LegRow, reason: string, by: Cause): void {
  const attempt = book.liveAttemptOf(leg)
  if (attempt?.state === 'requires_action') addFollowUp(book, attempt, { kind: 'void', amountMinor: attempt.amountMinor, reason }, by)
}

function moveToFold(book: PaymentBook, request: RequestRow, by: Cause): void {
  if (request.closed !== 0) return
  let inHand = 0
  let acting = false
  let asking = false
  for (const leg of book.legsOf(request)) {
    const promised = promisedMinor(leg)
    const secures = securesByPromise(request, leg)
    inHand += Math.max(0, leg.capturedMinor - leg.refundedMinor - leg.disputedMinor) + (secures ? promised : 0)
    acting ||= leg.state === 'requires_action'
    asking ||= (promised > 0 && !secures) || isAsking(book, leg)
  }
  const to = stateOf(inHand, needMinor(dueMinor(request), request.goodwillMinor), { acting, asking })
  if (to !== request.state) book.moveRequest(request, to, by)
}

/** A call is out or will be repeated; an instalment of a later day is not being asked for. */
function isAsking(book: PaymentBook, leg: LegRow): boolean {
  return leg.state === 'created' && (book.liveAttemptOf(leg) !== undefined || (leg.retryAt !== null && leg.attempts > 0))
}

export function stateOf(inHandMinor: number, due: number, under: { readonly acting: boolean; readonly asking: boolean }): RequestState {
  if (inHandMinor > due) return 'overcovered'
  if (inHandMinor === due) return 'covered'
  if (inHandMinor > 0) return 'partially_covered'
  return under.acting ? 'requires_action' : under.asking ? 'processing' : 'open'
}

/** Sets the state that a leg's money says. Where a leg has ended or is with a person, it stays there. */
export function moveLegToFold(book: PaymentBook, leg: LegRow, by: Cause): void {
  const to = legStateOf(leg)
  if (to !== undefined && to !== leg.state && legCycle.canMove(leg.state, to)) book.moveLeg(leg, to, by)
  else book.changeLeg(leg)
}

function legStateOf(leg: LegRow): LegState | undefined {
  if (leg.disputedMinor > 0) return 'charged_back'
  if (leg.refundedMinor > 0) return leg.refundedMinor === leg.capturedMinor && leg.authorizedMinor === 0 ? 'refunded' : 'partially_refunded'
  if (leg.capturedMinor > 0) return leg.authorizedMinor > 0 ? 'partially_captured' : 'captured'
  return leg.authorizedMinor > 0 ? 'authorized' : undefined
}
