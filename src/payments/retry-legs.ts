import { statement, type WriteContext } from '#platform/database.ts'
import { isSecured, settleUp } from './fold-request.ts'
import { finishBook, type PaymentParts } from './parts.ts'
import type { Cause } from './payment-book.ts'
import { openBook } from './read-book.ts'
import { type NewAttempt, noteAttempt, sendAttempts } from './send-attempts.ts'
import { failLeg } from './settlement.ts'

/** What of a leg only its next attempt needs to know. */
const readAsking = statement<{
  id: number
  token: string
  gateway: string | null
  instalments: number
  country: string
  tried: string[]
}>(
  'payments.read_asking',
  `select leg.id, leg.token, leg.gateway, leg.instalments, coalesce(leg.country, '') as country,
     array(select attempt.gateway from payments.attempt where attempt.leg_id = leg.id order by attempt.sequence) as tried
   from payments.leg where leg.id = any($1::bigint[])`,
)

/** Sends the next attempt of legs whose wait after a soft decline or an unreachable gateway is over, and instalments that are due. */
export async function retryLegs(parts: PaymentParts, context: WriteContext, legIds: readonly number[]): Promise<number> {
  const [, book, askings] = await Promise.all([
    parts.mixes.refresh(context),
    openBook(context, parts.mixes.rules(context.traffic), 'legs', legIds),
    context.query(readAsking, [legIds]),
  ])
  const due = askings.flatMap((asking) => {
    const leg = book.legs.get(asking.id)
    const ready = leg?.state === 'created' && leg.retryAt !== null && leg.retryAt <= context.now && book.liveAttemptOf(leg) === undefined
    return ready ? [{ leg, asking }] : []
  })
  if (due.length === 0) return 0
  const ids = await parts.ids.take(context, due.length)
  const attempts: NewAttempt[] = []
  for (const [index, { leg, asking }] of due.entries()) {
    const id = ids[index] ?? 0
    const request = book.requestOf(leg)
    const was = isSecured(book, request)
    const cause = leg.attempts === 0 ? 'instalment is due' : `retry after attempt ${leg.attempts}`
    const by: Cause = { cause, commandId: `attempt ${id}`, actor: 'system:payments' }
    const { means, amountMinor } = leg
    const { country, gateway: bound, tried, token, instalments } = asking
    const { storeId, currency } = request
    const choice = parts.mixes.choose(context, { storeId, means, amountMinor, currency, country, bound, tried })
    if (choice === undefined) {
      failLeg(book, leg, `no gateway takes ${means}`, by)
      continue
    }
    leg.attempts += 1
    leg.retryAt = null
    book.changeLeg(leg)
    const attempt: NewAttempt = { id, leg, choice, token, instalments, by }
    attempts.push(attempt)
    noteAttempt(parts, book, attempt)
    settleUp(book, request, { was, by })
  }
  sendAttempts(parts, context, book, attempts)
  await finishBook(parts, context, book)
  return due.length
}
