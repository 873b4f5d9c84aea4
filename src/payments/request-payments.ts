import { largestAmountMinor } from '#kernel/money.ts'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { type PaymentsMoved, paymentsMoved } from './events.ts'
import { findPayments, type PaymentView, requestOfPart } from './find-payments.ts'
import { later } from './fold-request.ts'
import type { RequestState } from './lifecycle.ts'
import type { Choice } from './mixes.ts'
import type { ChargeToMake, PaymentParts } from './parts.ts'
import type { PaymentPlan } from './payment-plan.ts'
import { isPlain } from './plan-legs.ts'
import { requestPlanned } from './request-planned.ts'

export interface RequestPayment {
  readonly orderId: number
  /** 0: the order as a whole. */
  readonly part: number
  readonly storeId: string
  readonly customerId: string
  readonly currency: string
  /** 0 is allowed: nothing is due and the request is covered at once. */
  readonly amountMinor: number
  /** null: the request stays open until `payPayments` brings a means. */
  readonly plan: PaymentPlan | null
  readonly actor: string
  readonly commandId: string
}

export interface PaymentRequested {
  readonly requestId: number
  readonly orderId: number
  readonly part: number
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
     select * from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
         $9::text[], $10::text[], $11::integer[], $12::text[], $13::text[])
       as input (id, order_id, part, store_id, customer_id, currency, amount, means, token, gateway, mix_version, actor, command_id)
   ), requests as (
     insert into payments.request (id, order_id, part, store_id, customer_id, currency, amount_minor, state, created_at)
     select id, order_id, part, store_id, customer_id, currency, amount,
       case when amount = 0 then 'covered' when token is null then 'open' else 'processing' end, $14
     from input
     on conflict (order_id, part, closed) do nothing
     returning id
   ), asked as materialized (
     select input.* from input join requests using (id)
   ), legs as (
     insert into payments.leg (id, request_id, position, means, token, amount_minor, attempts, state)
     select id + 1, id, 1, means, token, amount, 1, 'created' from asked where amount > 0 and token is not null
   ), attempts as (
     insert into payments.attempt (id, leg_id, request_id, sequence, gateway, amount_minor, mix_version, state, sent_at, look_at)
     select id + 2, id + 1, id, 1, gateway, amount, mix_version, 'sent', $14, $15 from asked where amount > 0 and token is not null
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
       'payment requested', command_id, actor, $16, $17, $14
     from asked
   )
   select id from requests`,
)

/** Ids a plain payment takes: request, leg, attempt, in this order. */
const idsPerPayment = 3

function problemOf(command: RequestPayment): Outcome<never> | undefined {
  if (!Number.isSafeInteger(command.amountMinor) || command.amountMinor < 0 || command.amountMinor > largestAmountMinor) {
    return refused('payments.bad_amount', `An amount is a whole number of minor units from 0 to ${largestAmountMinor}.`, '/amountMinor')
  }
  if (!/^[A-Z]{3}$/.test(command.currency)) return refused('payments.bad_currency', 'A currency is an ISO 4217 code.', '/currency')
  if (!Number.isInteger(command.part) || command.part < 0 || command.part > 32_767) {
    return refused('payments.bad_part', 'A part is 0 for the order, 1 to 999 for a section, from 1000 for a later difference.', '/part')
  }
  return undefined
}

/**
 * Asks for the payment of parts of orders, in the caller's transaction; gateways are called after its commit. A part has one
 * living request: asking again for the same amount is accepted without effect, for another it is refused. A plan that can not
 * be followed leaves the request open and announces `payments.failed`, so that the customer may bring another means.
 */
export async function requestPayments(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly RequestPayment[],
): Promise<Outcome<PaymentRequested>[]> {
  await parts.mixes.refresh(context)
  const outcomes: (Outcome<PaymentRequested> | undefined)[] = []
  const plain: Plain[] = []
  const planned: { at: number; command: RequestPayment }[] = []
  commands.forEach((command, at) => {
    const problem = problemOf(command)
    if (problem !== undefined) outcomes[at] = problem
    else {
      const choice = choiceOf(parts, context, command)
      if (choice === undefined) planned.push({ at, command })
      else plain.push({ at, command, choice })
    }
  })
  // The keys of both statements differ by order and part only where the caller does not repeat himself; a repeated one finds the first.
  if (plain.length > 0) await requestPlain(parts, context, plain, outcomes)
  if (planned.length > 0) {
    const asked = await requestPlanned(
      parts,
      context,
      planned.map(({ command }) => command),
    )
    planned.forEach(({ at }, index) => (outcomes[at] = asked[index]))
  }
  const unborn = commands.filter((_, at) => outcomes[at] === undefined).map((command) => command.orderId)
  const known = unborn.length === 0 ? new Map<number, PaymentView>() : await findPayments(context, unborn)
  return commands.map((command, at) => outcomes[at] ?? repeated(command, known.get(command.orderId)))
}

interface Plain {
  readonly at: number
  readonly command: RequestPayment
  /** null: nothing is asked of a gateway yet. */
  readonly choice: Choice | null
}

/** undefined: this one needs the long way. */
function choiceOf(parts: PaymentParts, context: WriteContext, command: RequestPayment): Choice | null | undefined {
  const { plan, amountMinor, currency, storeId } = command
  if (plan === null) return null
  if (!isPlain(plan)) return undefined
  if (amountMinor === 0) return null
  const [leg] = plan.legs
  if (leg === undefined || (leg.amountMinor !== undefined && leg.amountMinor !== amountMinor)) return undefined
  return parts.mixes.choose(context, { storeId, means: leg.means, amountMinor, currency, country: '' })
}

async function requestPlain(
  parts: PaymentParts,
  context: WriteContext,
  plain: readonly Plain[],
  outcomes: (Outcome<PaymentRequested> | undefined)[],
): Promise<void> {
  const ids = await parts.ids.take(context, plain.length * idsPerPayment)
  const requestIdOf = (index: number): number => ids[index * idsPerPayment] ?? 0
  const legs = plain.map(({ command, choice }) => (choice === null ? undefined : command.plan?.legs[0]))
  const inserted = await context.query(insertPayments, [
    plain.map((_, index) => requestIdOf(index)),
    plain.map(({ command }) => command.orderId),
    plain.map(({ command }) => command.part),
    plain.map(({ command }) => command.storeId),
    plain.map(({ command }) => command.customerId),
    plain.map(({ command }) => command.currency),
    plain.map(({ command }) => command.amountMinor),
    legs.map((leg) => leg?.means ?? null),
    legs.map((leg) => (leg === undefined ? null : (leg.token ?? ''))),
    plain.map(({ choice }) => choice?.gateway ?? null),
    plain.map(({ choice }) => choice?.mixVersion ?? null),
    plain.map(({ command }) => command.actor),
    plain.map(({ command }) => command.commandId),
    context.now,
    later(context.now, parts.times.safeDelayMs),
    context.traffic,
    context.rehearsalId,
  ])
  const born = new Set(inserted.map((row) => row.id))
  const calls: ChargeToMake[] = []
  const free: PaymentsMoved[] = []
  plain.forEach(({ at, command, choice }, index) => {
    const { orderId, part, amountMinor, currency, customerId } = command
    const requestId = requestIdOf(index)
    if (!born.has(requestId)) {
      parts.mixes.release(choice)
      return
    }
    const leg = legs[index]
    outcomes[at] = accepted({ requestId, orderId, part, state: amountMinor === 0 ? 'covered' : leg === undefined ? 'open' : 'processing' })
    if (amountMinor === 0) free.push(nothingDue(command, requestId))
    if (leg === undefined || choice === null) return
    const attemptId = requestId + 2
    parts.mixes.sent(context.traffic, attemptId, choice)
    const { gateway } = choice
    const { means, token = '' } = leg
    calls.push({ attemptId, mode: 'charge', gateway, means, token, amountMinor, currency, orderId, part, customerId, instalments: 1 })
  })
  await context.announce(free.map((payload) => ({ key: String(payload.orderId), type: paymentsMoved, payload })))
  if (calls.length > 0) context.afterCommit(() => parts.handOff.charges(context, calls))
}

/** Goods may be prepared though nothing has moved: nothing is due, or nothing has to be in hand first. */
export function nothingDue(
  { orderId, part, storeId, customerId, currency, amountMinor }: RequestPayment,
  requestId: number,
): PaymentsMoved {
  const sums = { dueMinor: amountMinor, authorizedMinor: 0, capturedMinor: 0, refundedMinor: 0, goodwillMinor: 0 }
  return { requestId, orderId, part, storeId, customerId, currency, movement: null, reason: '', covered: true, sums }
}

function repeated(command: RequestPayment, view: PaymentView | undefined): Outcome<PaymentRequested> {
  const { orderId, part, amountMinor, currency } = command
  const found = requestOfPart(view, part)
  if (found?.amountMinor === amountMinor && view?.currency === currency) {
    return accepted({ requestId: found.requestId, orderId, part, state: found.state })
  }
  return refused('payments.already_requested', 'This part of the order has a living payment request for another amount.', '/amountMinor', {
    requestId: found?.requestId ?? null,
  })
}
