import { type Statement, statement, type WriteContext } from '#platform/database.ts'
import type { AttemptState, LegState } from './lifecycle.ts'
import { type AttemptRow, type BookRules, type FollowUpRow, type LegRow, PaymentBook, type RequestRow } from './payment-book.ts'

/**
 * The lock of this context is the request's row: whoever changes anything below a request holds it, taken in ascending id
 * order in a statement of its own. What is read after that is read inside the lock, in a newer snapshot; a lock and a read
 * in one statement would read the legs as they were before the wait.
 */
interface StoredRequest
  extends Omit<RequestRow, 'storedState' | 'settle' | 'capture' | 'releaseMinor' | 'expiresAt' | 'goodwillHeldMinor' | 'goodwillMinor'> {
  /** What a request has beyond the usual; null for nearly all. One column costs less to carry than six. */
  plan:
    | [
        settle: RequestRow['settle'],
        capture: RequestRow['capture'],
        releaseMinor: number | null,
        expiresAt: string | null,
        goodwillHeldMinor: number,
        goodwillMinor: number,
      ]
    | null
}

const requestColumns = `request.id, request.order_id as "orderId", request.part, request.store_id as "storeId",
  request.customer_id as "customerId", request.currency, request.amount_minor as "amountMinor", request.reduced_minor as "reducedMinor",
  request.closed, request.state, request.version,
  case when request.settle <> 'together' or request.capture <> 'now' or request.expires_at is not null or request.goodwill_held_minor > 0
    then json_build_array(request.settle, request.capture, request.release_minor, request.expires_at, request.goodwill_held_minor,
      request.goodwill_minor) end as plan`

/** The requests that ids of each kind belong to, as SQL. */
const requestIdsBy = {
  attempts: 'select request_id from payments.attempt where id = any($1::bigint[])',
  legs: 'select request_id from payments.leg where id = any($1::bigint[])',
  follow_ups: 'select request_id from payments.follow_up where id = any($1::bigint[])',
  requests: 'select unnest($1::bigint[]) as request_id',
  // Living requests only: those that an order's commands are about.
  orders: 'select id as request_id from payments.request where order_id = any($1::bigint[]) and closed = 0',
}
type Kind = keyof typeof requestIdsBy

const lockBy = (kind: Kind): Statement<StoredRequest> =>
  statement(
    `payments.lock_by_${kind}`,
    kind === 'orders'
      ? // Not by id: a request that is closed while we wait must drop out, so its condition belongs to the locked row.
        `select ${requestColumns} from payments.request
         where request.order_id = any($1::bigint[]) and request.closed = 0 order by request.id for no key update`
      : `select ${requestColumns} from payments.request
         where request.id in (${requestIdsBy[kind]}) order by request.id for no key update`,
  )

/** Locks the requests of attempts, in ascending id, without reading anything of them. */
export const holdRequests = statement(
  'payments.hold_by_attempts',
  `select request.id from payments.request where request.id in (${requestIdsBy.attempts}) order by request.id for no key update`,
)

interface StoredLeg {
  id: number
  requestId: number
  position: number
  round: number
  means: LegRow['means']
  mode: LegRow['mode']
  amountMinor: number
  capturedMinor: number
  refundHeldMinor: number
  refundedMinor: number
  /** What is set aside, disputed and so on; null for a plain charge. */
  promise: [authorized: number, captureHeld: number, voidHeld: number, unneeded: number, disputed: number] | null
  attempts: number
  retryAt: Date | null
  state: LegState
  version: number
  attemptId: number | null
  sequence: number
  gateway: string
  attemptMinor: number
  gatewayRef: string | null
  reason: string | null
  lookAt: Date | null
  attemptState: AttemptState
  attemptVersion: number
}

// `offset 0` keeps each look-up a look-up. Left to itself the planner, before the first analyse of a growing table, merges
// two whole indexes here: measured 6,700 payments/s at first and 4,000/s 80,000 payments later, falling further.
const readLegsBy = (kind: Kind): Statement<StoredLeg> =>
  statement(
    `payments.read_legs_by_${kind}`,
    `select leg.id, leg.request_id as "requestId", leg.position, leg.round, leg.means, leg.mode, leg.amount_minor as "amountMinor",
       leg.captured_minor as "capturedMinor", leg.refund_held_minor as "refundHeldMinor", leg.refunded_minor as "refundedMinor",
       case when leg.mode = 'authorize' or leg.disputed_minor > 0 then json_build_array(leg.authorized_minor, leg.capture_held_minor,
         leg.void_held_minor, leg.unneeded_minor, leg.disputed_minor) end as promise,
       leg.attempts, leg.retry_at as "retryAt", leg.state, leg.version,
       attempt.id as "attemptId", attempt.sequence, attempt.gateway, attempt.amount_minor as "attemptMinor",
       attempt.gateway_ref as "gatewayRef", attempt.reason, attempt.look_at as "lookAt",
       attempt.state as "attemptState", attempt.version as "attemptVersion"
     from (select distinct request_id from (${requestIdsBy[kind]}) as found) as asked
     cross join lateral (select * from payments.leg where leg.request_id = asked.request_id order by leg.position offset 0) as leg
     left join lateral (
       select * from payments.attempt where attempt.leg_id = leg.id and attempt.retired = 0 offset 0
     ) as attempt on true`,
  )

const kinds: readonly Kind[] = ['attempts', 'legs', 'follow_ups', 'requests', 'orders']
const locks = new Map(kinds.map((kind) => [kind, { lock: lockBy(kind), readLegs: readLegsBy(kind) }]))

const readAttempts = statement<Omit<AttemptRow, 'storedState' | 'action'>>(
  'payments.read_attempts',
  `select id, leg_id as "legId", request_id as "requestId", sequence, retired, gateway, amount_minor as "amountMinor",
     gateway_ref as "gatewayRef", reason, look_at as "lookAt", state, version
   from payments.attempt where id = any($1::bigint[])`,
)

const readFollowUps = statement<Omit<FollowUpRow, 'storedState' | 'replacement'>>(
  'payments.read_follow_ups',
  `select id, kind, request_id as "requestId", leg_id as "legId", attempt_id as "attemptId", gateway, charge_ref as "chargeRef",
     amount_minor as "amountMinor", last, stray, goodwill, reason, gateway_ref as "gatewayRef", failure, look_at as "lookAt", state, version
   from payments.follow_up where id = any($1::bigint[])`,
)

/** Locks the requests that the given attempts, legs, follow-ups, requests or orders belong to and reads them with legs and live attempts. */
export async function openBook(context: WriteContext, rules: BookRules, by: Kind, ids: readonly number[]): Promise<PaymentBook> {
  const book = new PaymentBook(context.now, rules)
  const statements = locks.get(by)
  if (ids.length === 0 || statements === undefined) return book
  // Sent together, run one after the other: the second has its own, newer snapshot, taken when the locks are held.
  const [requests, legs] = await Promise.all([context.query(statements.lock, [ids]), context.query(statements.readLegs, [ids])])
  for (const row of requests) book.addRequest(requestOf(row))
  for (const row of legs) {
    // A request that was born between the two statements is not locked, so it is not ours.
    if (!book.requests.has(row.requestId)) continue
    book.addLeg(legOf(row))
    if (row.attemptId !== null) book.addAttempt(attemptOf(row, row.attemptId))
  }
  // Attempts that were given up are read only when somebody still speaks of them: a late webhook, a second answer.
  const retired = by === 'attempts' ? ids.filter((id) => !book.attempts.has(id)) : []
  if (retired.length > 0) {
    for (const row of await context.query(readAttempts, [retired])) book.addAttempt({ ...row, storedState: row.state, action: null })
  }
  if (by === 'follow_ups') {
    for (const row of await context.query(readFollowUps, [ids])) book.addFollowUp({ ...row, storedState: row.state, replacement: null })
  }
  return book
}

function requestOf(row: StoredRequest): RequestRow {
  const { id, orderId, part, storeId, customerId, currency, amountMinor, reducedMinor, closed, state, version, plan } = row
  return {
    id,
    orderId,
    part,
    storeId,
    customerId,
    currency,
    amountMinor,
    reducedMinor,
    closed,
    state,
    storedState: state,
    version,
    settle: plan?.[0] ?? 'together',
    capture: plan?.[1] ?? 'now',
    releaseMinor: plan?.[2] ?? null,
    expiresAt: plan?.[3] == null ? null : new Date(plan[3]),
    goodwillHeldMinor: plan?.[4] ?? 0,
    goodwillMinor: plan?.[5] ?? 0,
  }
}

function legOf(row: StoredLeg): LegRow {
  const { promise } = row
  return {
    id: row.id,
    requestId: row.requestId,
    position: row.position,
    round: row.round,
    means: row.means,
    mode: row.mode,
    amountMinor: row.amountMinor,
    authorizedMinor: promise?.[0] ?? 0,
    captureHeldMinor: promise?.[1] ?? 0,
    voidHeldMinor: promise?.[2] ?? 0,
    unneededMinor: promise?.[3] ?? 0,
    disputedMinor: promise?.[4] ?? 0,
    capturedMinor: row.capturedMinor,
    refundHeldMinor: row.refundHeldMinor,
    refundedMinor: row.refundedMinor,
    attempts: row.attempts,
    retryAt: row.retryAt,
    state: row.state,
    storedState: row.state,
    version: row.version,
  }
}

const attemptOf = (row: StoredLeg, id: number): AttemptRow => ({
  id,
  legId: row.id,
  requestId: row.requestId,
  sequence: row.sequence,
  retired: 0,
  gateway: row.gateway,
  amountMinor: row.attemptMinor,
  gatewayRef: row.gatewayRef,
  reason: row.reason,
  lookAt: row.lookAt,
  action: null,
  state: row.attemptState,
  storedState: row.attemptState,
  version: row.attemptVersion,
})
