import { type PaymentsExpired, paymentsExpired } from './events.ts'
import { callOffAction, dueMinor, isSecured, refundLeg, settleUp, sharesOf, sumsOf } from './fold-request.ts'
import type { Cause, PaymentBook, RequestRow } from './payment-book.ts'
import { shrinkToDue } from './settlement.ts'

/** Lowers what is due; what is in hand beyond it goes back, what is set aside is let go. Ends the request when nothing is due any more. */
export function reduceDue(book: PaymentBook, request: RequestRow, byMinor: number, reason: string, by: Cause): void {
  const was = isSecured(book, request)
  request.reducedMinor += byMinor
  book.changeRequest(request)
  const ends = dueMinor(request) === 0
  if (ends) close(book, request, 'cancelled', by)
  shrinkToDue(book, request, by)
  settleUp(book, request, { was: was || ends, by, reason, tellDue: true })
}

/** More is due: the customer pays the difference by another means. */
export function raiseDueOf(book: PaymentBook, request: RequestRow, byMinor: number, by: Cause): void {
  const was = isSecured(book, request)
  request.amountMinor += byMinor
  book.changeRequest(request)
  settleUp(book, request, { was, by, reason: 'raised', tellDue: true })
}

/** Nobody paid in time: what is taken goes back, what is set aside is let go, a call that is out is waited for and given back. */
export function expire(book: PaymentBook, request: RequestRow, by: Cause): void {
  close(book, request, 'expired', by)
  shrinkToDue(book, request, by)
  settleUp(book, request, { was: true, by, reason: 'expired' })
  const { id: requestId, orderId, part } = request
  const payload: PaymentsExpired = { requestId, orderId, part, sums: sumsOf(book, request) }
  book.announce(paymentsExpired, orderId, payload)
}

function close(book: PaymentBook, request: RequestRow, to: 'cancelled' | 'expired', by: Cause): void {
  book.moveRequest(request, to, by)
  request.closed = request.id
  request.expiresAt = null
  book.changeRequest(request)
  for (const leg of book.legsOf(request)) if (leg.state === 'requires_action') callOffAction(book, leg, to, by)
}

/** A gift: what is due stays as it is. */
export function giveGoodwill(
  book: PaymentBook,
  request: RequestRow,
  { amountMinor, reason, toWallet }: { readonly amountMinor: number; readonly reason: string; readonly toWallet: boolean },
  by: Cause,
): void {
  request.goodwillHeldMinor += amountMinor
  book.changeRequest(request)
  for (const share of sharesOf(book, request, amountMinor)) {
    const leg = book.legs.get(share.legId)
    if (leg !== undefined) refundLeg(book, leg, share.amountMinor, { reason, goodwill: true, toWallet }, by)
  }
}
