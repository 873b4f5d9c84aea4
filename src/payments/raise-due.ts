import { largestAmountMinor } from '#kernel/money.ts'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { expire, raiseDueOf } from './change-due.ts'
import { isSecured } from './fold-request.ts'
import { finishBook, type PaymentParts } from './parts.ts'
import { requestNotFound, requestOf } from './pay-payments.ts'
import { openBook } from './read-book.ts'
import type { PaymentRequested } from './request-payments.ts'

/** A part owes so much more than before: it was amended upwards. */
export interface RaiseDue {
  readonly orderId: number
  readonly part: number
  readonly amountMinor: number
  readonly actor: string
  readonly commandId: string
}

/** Raises what parts owe. What was covered is so only in part then, and the customer pays the rest with `payPayments`. */
export async function raiseDue(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly RaiseDue[],
): Promise<Outcome<PaymentRequested>[]> {
  const orderIds = commands.map((command) => command.orderId)
  const book = await openBook(context, parts.mixes.rules(context.traffic), 'orders', orderIds)
  const outcomes = commands.map((command): Outcome<PaymentRequested> => {
    const request = requestOf(book, command)
    if (request === undefined) return requestNotFound()
    const { amountMinor } = command
    if (!Number.isSafeInteger(amountMinor) || amountMinor <= 0 || request.amountMinor + amountMinor > largestAmountMinor) {
      return refused('payments.bad_amount', `What is due is a whole number of minor units up to ${largestAmountMinor}.`, '/amountMinor')
    }
    raiseDueOf(book, request, amountMinor, { cause: 'raised', commandId: command.commandId, actor: command.actor })
    const { id: requestId, orderId, part, state } = request
    return accepted({ requestId, orderId, part, state })
  })
  await finishBook(parts, context, book)
  return outcomes
}

/**
 * Ends requests whose time is over and that nobody has paid. Whoever paid in the meantime was first; while a capture is out nobody
 * knows, and the next sweep looks again.
 */
export async function expireRequests(parts: PaymentParts, context: WriteContext, requestIds: readonly number[]): Promise<number> {
  const book = await openBook(context, parts.mixes.rules(context.traffic), 'requests', requestIds)
  let expired = 0
  for (const request of book.requests.values()) {
    const isDue = request.closed === 0 && request.expiresAt !== null && request.expiresAt <= context.now
    const isTaking = book.legsOf(request).some((leg) => leg.captureHeldMinor > 0)
    if (!isDue || isTaking || isSecured(book, request)) continue
    expire(book, request, { cause: 'nobody paid in time', commandId: `expire ${request.id}`, actor: 'system:payments' })
    expired += 1
  }
  await finishBook(parts, context, book)
  return expired
}
