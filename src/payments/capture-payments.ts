import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { captureLeg, freeMinor, isSecured, settleUp } from './fold-request.ts'
import { finishBook, type PaymentParts } from './parts.ts'
import { requestNotFound, requestOf } from './pay-payments.ts'
import type { Cause, PaymentBook, RequestRow } from './payment-book.ts'
import { openBook } from './read-book.ts'

/** Take what is set aside for a part: a section has shipped, or the courier has been paid. */
export interface CaptureFor {
  readonly orderId: number
  readonly part: number
  /** 0 is allowed with `last`: only the rest is let go. Absent: all that is set aside. */
  readonly amountMinor?: number
  /** Nothing more will be captured: what is left is let go. */
  readonly last: boolean
  readonly actor: string
  readonly commandId: string
  /** `cash` is brought by the courier, the others are set aside at gateways: a shipment takes the one, a delivery the other. All unless told. */
  readonly of?: 'cash' | 'others'
  /** True for a person's command: it is refused where so much is not set aside. What follows from a shipment takes what there is. */
  readonly exact?: boolean
}

export interface Captured {
  readonly requestId: number
  readonly orderId: number
  readonly part: number
  /** What this command sends to be captured, minor units. */
  readonly capturingMinor: number
}

/** Captures an amount over the legs of a part in their order, exactly, never beyond what is set aside and still wanted. */
export async function captureFor(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly CaptureFor[],
): Promise<Outcome<Captured>[]> {
  const orderIds = commands.map((command) => command.orderId)
  const book = await openBook(context, parts.mixes.rules(context.traffic), 'orders', orderIds)
  const outcomes = commands.map((command): Outcome<Captured> => {
    const request = requestOf(book, command)
    if (request === undefined) return requestNotFound()
    const problem = problemOf(book, request, command)
    if (problem !== undefined) return problem
    const capturingMinor = capture(book, request, command)
    const { id: requestId, orderId, part } = request
    return accepted({ requestId, orderId, part, capturingMinor })
  })
  await finishBook(parts, context, book)
  return outcomes
}

function problemOf(book: PaymentBook, request: RequestRow, { amountMinor, exact }: CaptureFor): Outcome<never> | undefined {
  if (amountMinor !== undefined && (!Number.isSafeInteger(amountMinor) || amountMinor < 0)) {
    return refused('payments.bad_amount', 'An amount to capture is a whole number of minor units.', '/amountMinor')
  }
  if (!exact) return undefined
  let mostMinor = 0
  for (const leg of book.legsOf(request)) mostMinor += freeMinor(leg)
  if ((amountMinor ?? mostMinor) > mostMinor || mostMinor === 0) {
    return refused('payments.capture_too_large', `At most ${mostMinor} minor units are set aside.`, '/amountMinor', { mostMinor })
  }
  return undefined
}

function capture(book: PaymentBook, request: RequestRow, command: CaptureFor): number {
  const by: Cause = { cause: 'capture', commandId: command.commandId, actor: command.actor }
  const was = isSecured(book, request)
  let left = command.amountMinor ?? Number.MAX_SAFE_INTEGER
  let capturing = 0
  for (const leg of book.legsOf(request)) {
    if (command.of !== undefined && (leg.means === 'cash_on_delivery') !== (command.of === 'cash')) continue
    const share = Math.min(left, freeMinor(leg))
    const rest = freeMinor(leg) - share
    if (command.last && rest > 0) {
      leg.unneededMinor += rest
      book.changeLeg(leg)
    }
    // Also the last where nothing would be left: the gateway may close the charge.
    captureLeg(book, leg, share, { last: command.last || rest === 0, reason: 'shipped' }, by)
    left -= share
    capturing += share
  }
  settleUp(book, request, { was, by })
  return capturing
}
