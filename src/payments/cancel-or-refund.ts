import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { RequestState } from './lifecycle.ts'
import { finishBook, type PaymentParts } from './parts.ts'
import type { RequestRow } from './payment-book.ts'
import { findPayments, openBook } from './payment-store.ts'
import { dueMinor, reduceDue } from './settlement.ts'

/** Take an amount, or all, off what an order owes. What is in hand beyond that goes back. */
export interface CancelOrRefund {
  readonly orderId: number
  /** Absent: all that is still due, which ends the request. */
  readonly amountMinor?: number
  readonly reason: string
  readonly actor: string
  readonly commandId: string
  /** True for a refund that somebody asked for: it is refused when so much is not in hand. A cancelled order has no such limit. */
  readonly mustBeInHand?: boolean
}

export interface CancelledOrRefunded {
  /** null: the order had no payment request, so there is nothing to give back. */
  readonly requestId: number | null
  readonly orderId: number
  readonly state: RequestState | null
  /** What this command sent on its way back. A payment still under way adds to it when it succeeds. */
  readonly refundingMinor: number
}

/**
 * Cancels what is not taken and refunds what is, under the request's lock with refunds under way counted: of two full
 * refunds at once exactly one finds something to give back. A payment that succeeds after this is refunded when it does.
 */
export async function cancelOrRefund(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly CancelOrRefund[],
): Promise<Outcome<CancelledOrRefunded>[]> {
  const book = await openBook(
    context,
    'orders',
    commands.map((command) => command.orderId),
  )
  const requestOf = new Map([...book.requests.values()].map((request) => [request.orderId, request]))
  const missing = commands.filter((command) => !requestOf.has(command.orderId)).map((command) => command.orderId)
  const ended = missing.length === 0 ? undefined : await findPayments(context, missing)
  const outcomes = commands.map((command): Outcome<CancelledOrRefunded> => {
    const request = requestOf.get(command.orderId)
    const { orderId } = command
    if (request === undefined || request.closed !== 0) {
      const known = ended?.get(orderId)
      if (command.mustBeInHand) return nothingToRefund(known?.state ?? request?.state ?? null)
      const state = request?.state ?? known?.state ?? null
      return accepted({ requestId: request?.id ?? known?.requestId ?? null, orderId, state, refundingMinor: 0 })
    }
    const due = dueMinor(request)
    // A cancel takes off what it can: part of its amount may have been given back as goodwill before.
    const byMinor = command.mustBeInHand ? (command.amountMinor ?? due) : Math.min(command.amountMinor ?? due, due)
    if (byMinor === 0 && !command.mustBeInHand) return accepted({ requestId: request.id, orderId, state: request.state, refundingMinor: 0 })
    const problem = refusalOf(command, request, byMinor, inHandMinor(book.legsOf(request)))
    if (problem !== undefined) return problem
    const refundsBefore = book.newRefunds.length
    reduceDue(book, request, byMinor, command.reason, { cause: command.reason, commandId: command.commandId, actor: command.actor })
    let refundingMinor = 0
    for (const refund of book.newRefunds.slice(refundsBefore)) refundingMinor += refund.amountMinor
    return accepted({ requestId: request.id, orderId, state: request.state, refundingMinor })
  })
  await finishBook(parts, context, book)
  return outcomes
}

function inHandMinor(legs: readonly { capturedMinor: number; refundHeldMinor: number }[]): number {
  let sum = 0
  for (const leg of legs) sum += leg.capturedMinor - leg.refundHeldMinor
  return sum
}

const nothingToRefund = (state: RequestState | null): Outcome<never> =>
  refused('payments.nothing_to_refund', 'The order has no money in hand to give back.', '/orderId', { state })

function refusalOf(command: CancelOrRefund, request: RequestRow, byMinor: number, inHand: number): Outcome<never> | undefined {
  if (command.amountMinor !== undefined && (!Number.isSafeInteger(command.amountMinor) || command.amountMinor <= 0)) {
    return refused('payments.bad_amount', 'An amount to take off is a whole number of minor units above 0.', '/amountMinor')
  }
  if (command.mustBeInHand && inHand === 0) return nothingToRefund(request.state)
  const most = command.mustBeInHand ? Math.min(inHand, dueMinor(request)) : dueMinor(request)
  if (byMinor > most) {
    return refused('payments.refund_too_large', `At most ${most} minor units can be taken off.`, '/amountMinor', { mostMinor: most })
  }
  return undefined
}
