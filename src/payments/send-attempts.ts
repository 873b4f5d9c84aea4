import { statement, type WriteContext } from '#platform/database.ts'
import { later } from './fold-request.ts'
import type { Choice } from './mixes.ts'
import type { ChargeToMake, PaymentParts } from './parts.ts'
import type { Cause, LegRow, PaymentBook } from './payment-book.ts'

/** An attempt of a leg that is in the book, and all that its call needs to know. */
export interface NewAttempt {
  readonly id: number
  readonly leg: LegRow
  readonly choice: Choice
  readonly token: string
  readonly instalments: number
  readonly by: Cause
}

const insertAttempts = statement(
  'payments.insert_attempts',
  `insert into payments.attempt (id, leg_id, request_id, sequence, gateway, amount_minor, mix_version, state, sent_at, look_at)
   select id, leg_id, request_id, sequence, gateway, amount, mix_version, 'sent', $8, $9
   from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::text[], $6::bigint[], $7::integer[])
     as input (id, leg_id, request_id, sequence, gateway, amount, mix_version)`,
)

/** Notes an attempt as sent in the book, so that what is decided after it counts it. It is written by `sendAttempts`, once a batch. */
export function noteAttempt(parts: PaymentParts, book: PaymentBook, { id, leg, choice, by }: NewAttempt): void {
  book.noteBirth('attempt', leg.requestId, id, ['created', 'sent'], by)
  book.addAttempt({
    id,
    legId: leg.id,
    requestId: leg.requestId,
    sequence: leg.attempts,
    retired: 0,
    gateway: choice.gateway,
    amountMinor: leg.amountMinor,
    gatewayRef: null,
    reason: null,
    lookAt: later(book.now, parts.times.safeDelayMs),
    action: null,
    state: 'sent',
    storedState: 'sent',
    version: 1,
  })
}

/** Writes attempts as sent, with the commit; their calls are made after it. */
export function sendAttempts(parts: PaymentParts, context: WriteContext, book: PaymentBook, attempts: readonly NewAttempt[]): void {
  if (attempts.length === 0) return
  context.defer(insertAttempts, [
    attempts.map(({ id }) => id),
    attempts.map(({ leg }) => leg.id),
    attempts.map(({ leg }) => leg.requestId),
    attempts.map(({ leg }) => leg.attempts),
    attempts.map(({ choice }) => choice.gateway),
    attempts.map(({ leg }) => leg.amountMinor),
    attempts.map(({ choice }) => choice.mixVersion),
    context.now,
    later(context.now, parts.times.safeDelayMs),
  ])
  for (const { id, choice } of attempts) parts.mixes.sent(context.traffic, id, choice)
  const calls = attempts.map(({ id, leg, choice, token, instalments }): ChargeToMake => {
    const { currency, orderId, part, customerId } = book.requestOf(leg)
    const { mode, means, amountMinor } = leg
    return { attemptId: id, mode, gateway: choice.gateway, means, token, amountMinor, currency, orderId, part, customerId, instalments }
  })
  context.afterCommit(() => parts.handOff.charges(context, calls))
}
