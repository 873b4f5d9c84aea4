import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import type { Cause, LegRow, PaymentBook, RequestRow } from './payment-book.ts'
import { type ChargeToMake, finishBook, type PaymentParts } from './parts.ts'
import { openBook } from './payment-store.ts'
import { type Instrument, type PaymentRequested, problemOf } from './request-payments.ts'
import { dueMinor, later } from './settlement.ts'

/** Pay an order whose request is open: it had no means yet, or its last one failed. */
export interface PayOrder {
  readonly orderId: number
  readonly instrument: Instrument
  readonly actor: string
  readonly commandId: string
}

interface NewAttempt {
  readonly id: number
  readonly leg: LegRow
  readonly gateway: string
}

const insertLegs = statement(
  'payments.insert_legs',
  `insert into payments.leg (id, request_id, position, means, token, amount_minor, attempts, state)
   select id, request_id, position, 'card', token, amount, 1, 'created'
   from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bigint[]) as input (id, request_id, position, token, amount)`,
)

const insertAttempts = statement(
  'payments.insert_attempts',
  `insert into payments.attempt (id, leg_id, request_id, sequence, gateway, amount_minor, state, sent_at, look_at)
   select id, leg_id, request_id, sequence, gateway, amount, 'sent', $7, $8
   from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::text[], $6::bigint[])
     as input (id, leg_id, request_id, sequence, gateway, amount)`,
)

function send(parts: PaymentParts, context: WriteContext, book: PaymentBook, attempts: readonly NewAttempt[]): void {
  context.defer(insertAttempts, [
    attempts.map((attempt) => attempt.id),
    attempts.map((attempt) => attempt.leg.id),
    attempts.map((attempt) => attempt.leg.requestId),
    attempts.map((attempt) => attempt.leg.attempts),
    attempts.map((attempt) => attempt.gateway),
    attempts.map((attempt) => attempt.leg.amountMinor),
    context.now,
    later(context.now, parts.times.safeDelayMs),
  ])
  const calls = attempts.map(({ id, leg, gateway }): ChargeToMake => {
    const request = book.requestOf(leg)
    return {
      attemptId: id,
      gateway,
      token: leg.token,
      amountMinor: leg.amountMinor,
      currency: request.currency,
      orderId: request.orderId,
    }
  })
  context.afterCommit(() => parts.handOff.charges(context, calls))
}

/** Adds a leg to the open request of each order and asks for all that is due. */
export async function payOrders(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly PayOrder[],
): Promise<Outcome<PaymentRequested>[]> {
  const book = await openBook(
    context,
    'orders',
    commands.map((command) => command.orderId),
  )
  const requestOf = new Map([...book.requests.values()].map((request) => [request.orderId, request]))
  const ids = await parts.ids.take(context, commands.length * 2)
  const legs: LegRow[] = []
  const attempts: NewAttempt[] = []
  const outcomes = commands.map((command, index): Outcome<PaymentRequested> => {
    const request = requestOf.get(command.orderId)
    const problem = refusalOf(command, request)
    if (problem !== undefined || request === undefined) return problem ?? notFound
    const [legId = 0, attemptId = 0] = ids.slice(index * 2)
    const by: Cause = { cause: 'payment requested', commandId: command.commandId, actor: command.actor }
    const leg = newLeg(legId, request, book.legsOf(request).length + 1, command.instrument.token)
    book.addLeg(leg)
    book.noteBirth('leg', request.id, legId, ['created'], by)
    book.noteBirth('attempt', request.id, attemptId, ['created', 'sent'], by)
    book.moveRequest(request, 'processing', by)
    legs.push(leg)
    attempts.push({ id: attemptId, leg, gateway: parts.gatewayFor(request.storeId) })
    return accepted({ requestId: request.id, orderId: request.orderId, state: request.state })
  })
  if (legs.length === 0) return outcomes
  context.defer(insertLegs, [
    legs.map((leg) => leg.id),
    legs.map((leg) => leg.requestId),
    legs.map((leg) => leg.position),
    legs.map((leg) => leg.token),
    legs.map((leg) => leg.amountMinor),
  ])
  send(parts, context, book, attempts)
  await finishBook(parts, context, book)
  return outcomes
}

const notFound = refused(
  'payments.request_not_found',
  'No payment is asked for this order: it does not exist, was cancelled, or was placed this very moment; then ask again.',
  '/orderId',
)

function refusalOf(command: PayOrder, request: RequestRow | undefined): Outcome<never> | undefined {
  if (request === undefined) return notFound
  const problem = problemOf({ currency: request.currency, amountMinor: request.amountMinor, instrument: command.instrument })
  if (problem !== undefined) return problem
  switch (request.state) {
    case 'open':
      return undefined
    case 'covered':
    case 'overcovered':
      return refused('payments.already_covered', 'The order is paid.', '/orderId', { state: request.state })
    default:
      // Also when a retry is due: a second means beside it could take the money twice.
      return refused('payments.in_progress', 'A payment of this order is under way; wait for its end.', '/orderId', {
        state: request.state,
      })
  }
}

function newLeg(id: number, request: RequestRow, position: number, token: string): LegRow {
  return {
    id,
    requestId: request.id,
    position,
    token,
    // An open request has nothing in hand and nothing under way, so all that is due is asked of the new leg.
    amountMinor: dueMinor(request),
    capturedMinor: 0,
    refundHeldMinor: 0,
    refundedMinor: 0,
    attempts: 1,
    retryAt: null,
    state: 'created',
    storedState: 'created',
    version: 1,
  }
}

/** Sends the next attempt of legs whose wait after a soft decline or an unreachable gateway is over. */
export async function retryLegs(parts: PaymentParts, context: WriteContext, legIds: readonly number[]): Promise<number> {
  const book = await openBook(context, 'legs', legIds)
  const due = legIds.flatMap((id) => {
    const leg = book.legs.get(id)
    const ready = leg?.state === 'created' && leg.retryAt !== null && leg.retryAt <= context.now && book.liveAttemptOf(leg) === undefined
    return ready ? [leg] : []
  })
  if (due.length === 0) return 0
  const ids = await parts.ids.take(context, due.length)
  const attempts = due.map((leg, index): NewAttempt => {
    const id = ids[index] ?? 0
    leg.attempts += 1
    leg.retryAt = null
    book.changedLegs.add(leg)
    const by = { cause: `retry after attempt ${leg.attempts - 1}`, commandId: `attempt ${id}`, actor: 'system:payments' }
    book.noteBirth('attempt', leg.requestId, id, ['created', 'sent'], by)
    return { id, leg, gateway: parts.gatewayFor(book.requestOf(leg).storeId) }
  })
  send(parts, context, book, attempts)
  await finishBook(parts, context, book)
  return due.length
}
