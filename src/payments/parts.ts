import type { IdBlocks } from '#platform/id-blocks.ts'
import type { Scope, WriteContext } from '#platform/database.ts'
import type { FollowUpKind, GatewayNotice, GuardedGateway, WebhookRequest } from './gateway.ts'
import type { Mixes } from './mixes.ts'
import type { PaymentBook } from './payment-book.ts'
import type { Means } from './payment-plan.ts'
import type { PaymentTimes } from './settlement.ts'
import { writeBook } from './write-book.ts'

/** A charge whose attempt is committed as sent and whose call is still to be made. */
export interface ChargeToMake {
  readonly attemptId: number
  readonly mode: 'charge' | 'authorize'
  readonly gateway: string
  readonly means: Means
  readonly token: string
  readonly amountMinor: number
  readonly currency: string
  readonly orderId: number
  readonly part: number
  readonly customerId: string
  readonly instalments: number
}

/** A capture, void, refund or credit whose row is committed as sent and whose call is still to be made. */
export interface FollowUpToMake {
  readonly followUpId: number
  readonly orderId: number
  readonly kind: FollowUpKind
  readonly gateway: string
  readonly chargeRef: string
  readonly amountMinor: number
  readonly currency: string
  readonly last: boolean
  readonly stray: boolean
}

/** A webhook that is in the inbox and still to be applied. Without a notice its gateway has to be asked what it is about. */
export interface WebhookToApply {
  readonly gateway: string
  readonly eventId: string
  readonly subjectId: number
  readonly notice: GatewayNotice | null
  readonly request: WebhookRequest | null
}

/** Where committed work goes. Losing what is handed over is harmless: the rows say it all and the sweep reads them. */
export interface HandOff {
  charges(scope: Scope, calls: readonly ChargeToMake[]): void
  followUps(scope: Scope, calls: readonly FollowUpToMake[]): void
  webhooks(scope: Scope, webhooks: readonly WebhookToApply[]): void
  /** Legs whose next attempt goes out at once, at another gateway. */
  retries(scope: Scope, legIds: readonly number[]): void
  bindings(scope: Scope, bindingIds: readonly number[]): void
}

/** What the use cases of this context share. */
export interface PaymentParts {
  readonly ids: IdBlocks
  readonly times: PaymentTimes
  readonly handOff: HandOff
  readonly mixes: Mixes
  readonly gateways: ReadonlyMap<string, GuardedGateway>
  /** Ours, as keys at gateways name it. */
  readonly installation: string
}

/** Writes what was decided and, after the commit, hands over the calls that it made necessary. */
export async function finishBook(parts: PaymentParts, context: WriteContext, book: PaymentBook): Promise<void> {
  const fresh = book.newFollowUps
  const ids = fresh.length === 0 ? [] : await parts.ids.take(context, fresh.length)
  await writeBook(context, book, ids)
  if (fresh.length > 0) {
    const calls = fresh.map((row, index): FollowUpToMake => {
      const { kind, gateway, chargeRef, amountMinor, last, stray } = row
      const { orderId, currency } = book.requestOf(row)
      return { followUpId: ids[index] ?? 0, orderId, kind, gateway, chargeRef, amountMinor, last, stray, currency }
    })
    context.afterCommit(() => parts.handOff.followUps(context, calls))
  }
  const again = book.askAtOnce.map((leg) => leg.id)
  if (again.length > 0) context.afterCommit(() => parts.handOff.retries(context, again))
}
