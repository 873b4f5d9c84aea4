import type { IdBlocks } from '#platform/id-blocks.ts'
import type { Scope, WriteContext } from '#platform/database.ts'
import type { GatewayNotice } from './gateway.ts'
import type { PaymentBook } from './payment-book.ts'
import { writeBook } from './payment-store.ts'
import type { PaymentTimes } from './settlement.ts'

/** A charge whose attempt is committed as sent and whose call is still to be made. */
export interface ChargeToMake {
  readonly attemptId: number
  readonly gateway: string
  readonly token: string
  readonly amountMinor: number
  readonly currency: string
  readonly orderId: number
}

/** A refund whose row is committed as sent and whose call is still to be made. */
export interface RefundToMake {
  readonly refundId: number
  readonly gateway: string
  readonly chargeRef: string
  readonly amountMinor: number
  readonly currency: string
}

/** A webhook that is in the inbox and still to be applied. */
export interface NoticeToApply {
  readonly gateway: string
  readonly subjectId: number
  readonly notice: GatewayNotice
}

/** Where committed work goes. Losing what is handed over is harmless: the rows say it all and the sweep reads them. */
export interface HandOff {
  charges(scope: Scope, calls: readonly ChargeToMake[]): void
  refunds(scope: Scope, calls: readonly RefundToMake[]): void
  notices(scope: Scope, notices: readonly NoticeToApply[]): void
}

/** What the use cases of this context share. */
export interface PaymentParts {
  readonly ids: IdBlocks
  readonly times: PaymentTimes
  readonly handOff: HandOff
  /** Gateway for a store's next attempt. One PG for now; the selector takes this place. */
  gatewayFor(storeId: string): string
}

/** Writes what was decided and, after the commit, hands over the refunds that it made. */
export async function finishBook(parts: PaymentParts, context: WriteContext, book: PaymentBook): Promise<void> {
  const refunds = book.newRefunds
  const ids = refunds.length === 0 ? [] : await parts.ids.take(context, refunds.length)
  await writeBook(context, book, ids)
  if (refunds.length === 0) return
  const calls = refunds.map((refund, index) => ({
    refundId: ids[index] ?? 0,
    gateway: refund.gateway,
    chargeRef: refund.chargeRef,
    amountMinor: refund.amountMinor,
    currency: book.requestOf(refund).currency,
  }))
  context.afterCommit(() => parts.handOff.refunds(context, calls))
}
