import { statement, type WriteContext } from '#platform/database.ts'
import { type PaymentsMoved, paymentsMoved } from './events.ts'
import type { AttemptResult } from './record-results.ts'
import type { Means } from './payment-plan.ts'
import { holdRequests } from './read-book.ts'

/**
 * Most charges succeed, and nothing has happened to their payment since it was asked for: one leg for all that is due, one
 * attempt, each row as it was born (version 1). What follows for those is the same for each, so it needs no reading and no
 * deciding: one statement finds them by compare-and-set and takes the money. The rest goes the way that reads first.
 *
 * Requests of the whole batch are locked before, in ascending id, as everywhere: those that go the other way, too, or the two ways
 * would take their locks in different order. What was changed while we waited for a lock this later statement sees; should fewer rows
 * change than were found after all, it fails as a serialization failure.
 */
const take = statement<Taken>(
  'payments.take_fresh',
  `with asked as materialized (
     select * from unnest($1::bigint[], $2::text[], $3::text[]) as asked (id, gateway_ref, cause)
   ), found as materialized (
     select asked.id, asked.gateway_ref, asked.cause, attempt.leg_id, attempt.request_id, attempt.gateway, leg.means, leg.amount_minor
     from asked
     cross join lateral (
       select leg_id, request_id, gateway, amount_minor from payments.attempt
       where attempt.id = asked.id and state = 'sent' and retired = 0 and attempt.version = 1 offset 0
     ) as attempt
     cross join lateral (
       select means, amount_minor from payments.leg
       where leg.id = attempt.leg_id and state = 'created' and leg.version = 1 and mode = 'charge' and leg.amount_minor = attempt.amount_minor offset 0
     ) as leg
   ), requests as (
     update payments.request set state = 'covered', version = request.version + 1
     from found where request.id = found.request_id and request.state = 'processing' and request.version = 1 and request.closed = 0
       and request.amount_minor = found.amount_minor and request.reduced_minor = 0 and request.expires_at is null and request.release_minor is null
     returning request.id, request.order_id, request.part, request.store_id, request.customer_id, request.currency, found.id as attempt_id,
       found.leg_id, found.gateway, found.means, found.amount_minor, found.gateway_ref, found.cause
   ), legs as (
     update payments.leg set state = 'captured', captured_minor = leg.amount_minor, version = leg.version + 1
     from requests where leg.id = requests.leg_id and leg.state = 'created' and leg.version = 1
     returning 1
   ), attempts as (
     update payments.attempt set state = 'succeeded', gateway_ref = requests.gateway_ref, look_at = null, version = attempt.version + 1
     from requests where attempt.id = requests.attempt_id and attempt.state = 'sent' and attempt.version = 1
     returning 1
   ), changes as (
     insert into payments.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select id, '{attempt,leg,request}', array[attempt_id, leg_id, id], '{sent,created,processing}', '{succeeded,captured,covered}', cause,
       'attempt ' || attempt_id, $4, $5, $6, $7
     from requests
   )
   select requests.id as "requestId", order_id as "orderId", part, store_id as "storeId", customer_id as "customerId", currency,
     attempt_id as "attemptId", leg_id as "legId", gateway, means, amount_minor as "amountMinor", gateway_ref as "gatewayRef",
     payments.expect_changed(2 * (select count(*) from requests), (select count(*) from legs) + (select count(*) from attempts))
   from requests order by requests.id`,
)

interface Taken {
  readonly requestId: number
  readonly orderId: number
  readonly part: number
  readonly storeId: string
  readonly customerId: string
  readonly currency: string
  readonly attemptId: number
  readonly legId: number
  readonly gateway: string
  readonly means: Means
  readonly amountMinor: number
  readonly gatewayRef: string
}

/** Takes the money of plain payments and announces it; returns the attempts done. Those of which a batch tells twice are left alone. */
export async function takeFresh(context: WriteContext, results: readonly AttemptResult[], actor: string): Promise<ReadonlySet<number>> {
  const times = new Map<number, number>()
  for (const { attemptId } of results) times.set(attemptId, (times.get(attemptId) ?? 0) + 1)
  const ids: number[] = []
  const refs: string[] = []
  const causes: string[] = []
  for (const { attemptId, result, cause, inbox } of results) {
    if (result.outcome !== 'succeeded' || inbox !== undefined || times.get(attemptId) !== 1) continue
    ids.push(attemptId)
    refs.push(result.gatewayRef)
    causes.push(cause)
  }
  if (ids.length === 0) return new Set()
  // Sent together; the server runs the second when the first has its locks.
  const [, taken] = await Promise.all([
    context.query(holdRequests, [results.map(({ attemptId }) => attemptId)]),
    context.query(take, [ids, refs, causes, actor, context.traffic, context.rehearsalId, context.now]),
  ])
  await context.announce(taken.map((row) => ({ key: String(row.orderId), type: paymentsMoved, payload: movedOf(row) })))
  return new Set(taken.map(({ attemptId }) => attemptId))
}

function movedOf({ requestId, orderId, part, storeId, customerId, currency, ...row }: Taken): PaymentsMoved {
  const { attemptId, legId, gateway, means, amountMinor, gatewayRef } = row
  return {
    requestId,
    orderId,
    part,
    storeId,
    customerId,
    currency,
    movement: { kind: 'captured', subjectId: attemptId, legId, amountMinor, means, gateway, gatewayRef, stray: false },
    reason: '',
    covered: true,
    sums: { dueMinor: amountMinor, authorizedMinor: 0, capturedMinor: amountMinor, refundedMinor: 0, goodwillMinor: 0 },
  }
}
