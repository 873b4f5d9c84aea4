import { largestAmountMinor } from '#kernel/money.ts'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { type PaymentsCovered, paymentsCovered } from './events.ts'
import type { RequestState } from './lifecycle.ts'
import type { ChargeToMake, PaymentParts } from './parts.ts'
import { findPayments, type PaymentView } from './payment-store.ts'
import { later } from './settlement.ts'

/** A means of payment as the storefront gives it: a token of the gateway, never a card number. */
export interface Instrument {
  readonly means: 'card'
  readonly token: string
}

export interface RequestPayment {
  readonly orderId: number
  readonly storeId: string
  readonly currency: string
  /** 0 is allowed: nothing is due and the request is covered at once. */
  readonly amountMinor: number
  /** null: the request stays open until `payPayments` brings a means. */
  readonly instrument: Instrument | null
  readonly actor: string
  readonly commandId: string
}

export interface PaymentRequested {
  readonly requestId: number
  readonly orderId: number
  readonly state: RequestState
}

/**
 * Request, leg, attempt and change row of a whole batch in one statement. The attempt is born as sent: the commit is the
 * claim to call, which saves an update per payment. A process that dies between commit and call leaves an attempt that the
 * sweep resolves by asking the gateway.
 */
const insertPayments = statement<{ id: number }>(
  'payments.insert_payments',
  `with input as materialized (
     select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[])
       as input (id, order_id, store_id, currency, amount, token, gateway, actor, command_id)
   ), requests as (
     insert into payments.request (id, order_id, store_id, currency, amount_minor, state, created_at)
     select id, order_id, store_id, currency, amount,
       case when amount = 0 then 'covered' when token is null then 'open' else 'processing' end, $10
     from input
     on conflict (order_id, closed) do nothing
     returning id
   ), asked as materialized (
     select input.* from input join requests using (id)
   ), legs as (
     insert into payments.leg (id, request_id, position, means, token, amount_minor, attempts, state)
     select id + 1, id, 1, 'card', token, amount, 1, 'created' from asked where amount > 0 and token is not null
   ), attempts as (
     insert into payments.attempt (id, leg_id, request_id, sequence, gateway, amount_minor, state, sent_at, look_at)
     select id + 2, id + 1, id, 1, gateway, amount, 'sent', $10, $11 from asked where amount > 0 and token is not null
   ), changes as (
     insert into payments.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select id,
       case when amount = 0 then '{request,request}' when token is null then '{request}'
         else '{request,leg,attempt,attempt,request}' end::text[],
       case when amount = 0 then array[id, id] when token is null then array[id]
         else array[id, id + 1, id + 2, id + 2, id] end::text[],
       case when amount = 0 then '{"",open}' when token is null then '{""}' else '{"","","",created,open}' end::text[],
       case when amount = 0 then '{open,covered}' when token is null then '{open}'
         else '{open,created,created,sent,processing}' end::text[],
       'payment requested', command_id, actor, $12, $13, $10
     from asked
   )
   select id from requests`,
)

/** Ids a payment takes: request, leg, attempt, in this order. */
const idsPerPayment = 3

export function problemOf(command: { currency: string; amountMinor: number; instrument: Instrument | null }): Outcome<never> | undefined {
  if (!Number.isSafeInteger(command.amountMinor) || command.amountMinor < 0 || command.amountMinor > largestAmountMinor) {
    return refused('payments.bad_amount', `An amount is a whole number of minor units from 0 to ${largestAmountMinor}.`, '/amountMinor')
  }
  if (!/^[A-Z]{3}$/.test(command.currency)) return refused('payments.bad_currency', 'A currency is an ISO 4217 code.', '/currency')
  const token = command.instrument?.token
  if (token !== undefined && !/^[\x21-\x7e]{1,200}$/.test(token)) {
    return refused('payments.bad_token', 'A token is 1 to 200 visible ASCII characters.', '/instrument/token')
  }
  return undefined
}

/**
 * Asks for the payment of orders, in the caller's transaction; the gateway is called after its commit. An order has one
 * living request: asking again for the same amount is accepted without effect, for another it is refused.
 */
export async function requestPayments(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly RequestPayment[],
): Promise<Outcome<PaymentRequested>[]> {
  const problems = commands.map(problemOf)
  const good = commands.filter((_, index) => problems[index] === undefined)
  if (good.length === 0) return problems.map((problem) => problem ?? unasked())
  const ids = await parts.ids.take(context, good.length * idsPerPayment)
  const requestIdOf = (index: number): number => ids[index * idsPerPayment] ?? 0
  const gateways = good.map((command) => parts.gatewayFor(command.storeId))
  const inserted = await context.query(insertPayments, [
    good.map((_, index) => requestIdOf(index)),
    good.map((command) => command.orderId),
    good.map((command) => command.storeId),
    good.map((command) => command.currency),
    good.map((command) => command.amountMinor),
    good.map((command) => command.instrument?.token ?? null),
    gateways,
    good.map((command) => command.actor),
    good.map((command) => command.commandId),
    context.now,
    later(context.now, parts.times.safeDelayMs),
    context.traffic,
    context.rehearsalId,
  ])
  const born = new Set(inserted.map((row) => row.id))
  const known =
    born.size === good.length
      ? new Map<number, PaymentView>()
      : await findPayments(
          context,
          good.map((command) => command.orderId),
        )
  const calls: ChargeToMake[] = []
  const covered: PaymentsCovered[] = []
  const outcomes = good.map((command, index): Outcome<PaymentRequested> => {
    const { orderId, amountMinor, currency, instrument } = command
    const requestId = requestIdOf(index)
    if (!born.has(requestId)) return repeated(command, known.get(orderId))
    if (amountMinor === 0) {
      covered.push({ requestId, orderId, amountMinor, currency, attemptId: null })
      return accepted({ requestId, orderId, state: 'covered' })
    }
    if (instrument === null) return accepted({ requestId, orderId, state: 'open' })
    calls.push({ attemptId: requestId + 2, gateway: gateways[index] ?? '', token: instrument.token, amountMinor, currency, orderId })
    return accepted({ requestId, orderId, state: 'processing' })
  })
  await context.announce(covered.map((payload) => ({ key: String(payload.orderId), type: paymentsCovered, payload })))
  if (calls.length > 0) context.afterCommit(() => parts.handOff.charges(context, calls))
  let next = 0
  return problems.map((problem) => problem ?? outcomes[next++] ?? unasked())
}

function repeated(command: RequestPayment, found: PaymentView | undefined): Outcome<PaymentRequested> {
  if (found?.amountMinor === command.amountMinor && found.currency === command.currency) {
    return accepted({ requestId: found.requestId, orderId: command.orderId, state: found.state })
  }
  return refused('payments.already_requested', 'The order has a living payment request for another amount.', '/amountMinor', {
    requestId: found?.requestId ?? null,
  })
}

const unasked = (): Outcome<never> => refused('payments.bad_amount', 'The command was not asked.')
