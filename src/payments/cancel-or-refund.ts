import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { giveGoodwill, reduceDue } from './change-due.ts'
import { dueMinor, keptMinor } from './fold-request.ts'
import type { RequestState } from './lifecycle.ts'
import { finishBook, type PaymentParts } from './parts.ts'
import { requestOf } from './pay-payments.ts'
import type { Cause, PaymentBook, RequestRow } from './payment-book.ts'
import { openBook } from './read-book.ts'

/** Why money goes back. Goodwill is a gift: what is due stays as it is; all others lower it. */
export type RefundKind = 'cancel' | 'claim' | 'price_difference' | 'goodwill'

export interface CancelOrRefund {
  readonly orderId: number
  /** How much of which part; of a part without an amount all that is due (of goodwill: all that is in hand). */
  readonly parts: readonly { readonly part: number; readonly amountMinor?: number | undefined }[]
  /** All of the order, whatever its parts say: every living request ends. */
  readonly whole?: boolean
  /** cancel unless told. */
  readonly kind?: RefundKind
  /** goodwill: to the means that paid (unless told), or to the customer's wallet. */
  readonly to?: 'means' | 'wallet'
  readonly reason: string
  readonly actor: string
  readonly commandId: string
  /** True for a refund that somebody asked for: it is refused when so much is not in hand. A cancelled order has no such limit. */
  readonly mustBeInHand?: boolean
}

export interface CancelledOrRefunded {
  readonly orderId: number
  /** What this command sent on its way back. A payment still under way adds to it when it succeeds. */
  readonly refundingMinor: number
  readonly parts: { readonly part: number; readonly requestId: number; readonly state: RequestState; readonly refundingMinor: number }[]
}

interface Share {
  readonly request: RequestRow
  readonly byMinor: number
}

/**
 * Cancels what is not taken and refunds what is, under the requests' locks with refunds under way counted: of two full
 * refunds at once exactly one finds something to give back. A payment that succeeds after this is refunded when it does.
 */
export async function cancelOrRefund(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly CancelOrRefund[],
): Promise<Outcome<CancelledOrRefunded>[]> {
  const orderIds = commands.map((command) => command.orderId)
  const rules = parts.mixes.rules(context.traffic)
  const [, book] = await Promise.all([parts.mixes.refresh(context), openBook(context, rules, 'orders', orderIds)])
  const outcomes = commands.map((command) => decide(book, command))
  await finishBook(parts, context, book)
  return outcomes
}

function decide(book: PaymentBook, command: CancelOrRefund): Outcome<CancelledOrRefunded> {
  const { orderId, kind = 'cancel', reason, commandId, actor } = command
  if (command.to === 'wallet' && !book.rules.hasWallet) return refused('payments.no_gateway', 'There is no wallet here.', '/to')
  const shares = sharesOf(book, command)
  if ('ok' in shares) return shares
  const by: Cause = { cause: kind === 'goodwill' ? `goodwill: ${reason}` : reason, commandId, actor }
  const told = kind === 'goodwill' ? `goodwill: ${reason}` : reason
  const done = shares.map(({ request, byMinor }) => {
    const before = book.newFollowUps.length
    if (byMinor > 0 && kind === 'goodwill') {
      giveGoodwill(book, request, { amountMinor: byMinor, reason: told, toWallet: command.to === 'wallet' }, by)
    } else if (byMinor > 0) reduceDue(book, request, byMinor, told, by)
    let refundingMinor = 0
    for (const { kind: what, amountMinor } of book.newFollowUps.slice(before))
      if (what === 'refund' || what === 'credit') refundingMinor += amountMinor
    return { part: request.part, requestId: request.id, state: request.state, refundingMinor }
  })
  return accepted({ orderId, refundingMinor: done.reduce((sum, part) => sum + part.refundingMinor, 0), parts: done })
}

/** How much of which request; one part that can not be met refuses the whole command, before anything is changed. */
function sharesOf(book: PaymentBook, command: CancelOrRefund): Share[] | Outcome<never> {
  if (command.whole) {
    const living = [...book.requests.values()].filter((request) => request.orderId === command.orderId && request.closed === 0)
    const most = (request: RequestRow): number => (command.kind === 'goodwill' ? inHandMinor(book, request) : dueMinor(request))
    const shares = living.map((request) => ({ request, byMinor: most(request) }))
    const inHand = living.reduce((sum, request) => sum + inHandMinor(book, request), 0)
    return command.mustBeInHand && inHand === 0 ? nothingToRefund('/orderId') : shares
  }
  const shares: Share[] = []
  for (const [at, { part, amountMinor }] of command.parts.entries()) {
    const field = `/parts/${at}`
    const problem = amountProblem(amountMinor, field)
    if (problem !== undefined) return problem
    const request = requestOf(book, { orderId: command.orderId, part })
    if (request === undefined) {
      // What was cancelled whole, or has expired, asks for nothing any more: a cancel finds nothing to do.
      if (command.mustBeInHand) return nothingToRefund(field)
      continue
    }
    const share = shareOf(book, { command, request, amountMinor, field })
    if ('ok' in share) return share
    shares.push(share)
  }
  return shares
}

function shareOf(
  book: PaymentBook,
  asked: {
    readonly command: CancelOrRefund
    readonly request: RequestRow
    readonly amountMinor: number | undefined
    readonly field: string
  },
): Share | Outcome<never> {
  const { command, request, amountMinor, field } = asked
  const inHand = inHandMinor(book, request)
  const due = dueMinor(request)
  const goodwill = command.kind === 'goodwill'
  if (!command.mustBeInHand) {
    // Takes off what it can: part of its amount may have been given back before.
    const most = goodwill ? inHand : due
    return { request, byMinor: Math.min(amountMinor ?? most, most) }
  }
  if (inHand === 0) return nothingToRefund(field)
  const most = goodwill ? inHand : Math.min(inHand, due)
  const byMinor = amountMinor ?? (goodwill ? inHand : due)
  if (byMinor > most) {
    return refused('payments.refund_too_large', `At most ${most} minor units can go back.`, `${field}/amountMinor`, { mostMinor: most })
  }
  return { request, byMinor }
}

function inHandMinor(book: PaymentBook, request: RequestRow): number {
  let sum = 0
  for (const leg of book.legsOf(request)) sum += keptMinor(leg)
  return sum
}

const nothingToRefund = (field: string): Outcome<never> =>
  refused('payments.nothing_to_refund', 'There is no money in hand to give back.', field)

function amountProblem(amountMinor: number | undefined, field: string): Outcome<never> | undefined {
  if (amountMinor === undefined || (Number.isSafeInteger(amountMinor) && amountMinor >= 0)) return undefined
  return refused('payments.bad_amount', 'An amount to give back is a whole number of minor units.', `${field}/amountMinor`)
}
