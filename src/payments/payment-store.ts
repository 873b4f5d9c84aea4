import { type ReadContext, type Statement, statement, type WriteContext } from '#platform/database.ts'
import { invariant } from '#kernel/outcome.ts'
import type { AttemptState, LegState, RequestState } from './lifecycle.ts'
import { type AttemptRow, PaymentBook, type RefundRow, type RequestRow, type RootChange } from './payment-book.ts'

/**
 * The lock of this context is the request's row: whoever changes anything below a request holds it, taken in ascending id
 * order in a statement of its own. What is read after that is read inside the lock, in a newer snapshot; a lock and a read
 * in one statement would read the legs as they were before the wait.
 */
type StoredRequest = Omit<RequestRow, 'storedState'>

const requestColumns = `request.id, request.order_id as "orderId", request.store_id as "storeId", request.currency,
  request.amount_minor as "amountMinor", request.reduced_minor as "reducedMinor", request.closed, request.state, request.version`

/** The requests that ids of each kind belong to, as SQL. */
const requestIdsBy = {
  attempts: 'select request_id from payments.attempt where id = any($1::bigint[])',
  legs: 'select request_id from payments.leg where id = any($1::bigint[])',
  refunds: 'select request_id from payments.refund where id = any($1::bigint[])',
  // Living requests only: the one that an order's commands are about.
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

interface StoredLeg {
  id: number
  requestId: number
  position: number
  token: string
  amountMinor: number
  capturedMinor: number
  refundHeldMinor: number
  refundedMinor: number
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
  sentAt: Date
  lookAt: Date | null
  attemptState: AttemptState
  attemptVersion: number
}

// `offset 0` keeps each look-up a look-up. Left to itself the planner, before the first analyse of a growing table, merges
// two whole indexes here: measured 6,700 payments/s at first and 4,000/s 80,000 payments later, falling further.
const readLegsBy = (kind: Kind): Statement<StoredLeg> =>
  statement(
    `payments.read_legs_by_${kind}`,
    `select leg.id, leg.request_id as "requestId", leg.position, leg.token, leg.amount_minor as "amountMinor",
       leg.captured_minor as "capturedMinor", leg.refund_held_minor as "refundHeldMinor", leg.refunded_minor as "refundedMinor",
       leg.attempts, leg.retry_at as "retryAt", leg.state, leg.version,
       attempt.id as "attemptId", attempt.sequence, attempt.gateway, attempt.amount_minor as "attemptMinor",
       attempt.gateway_ref as "gatewayRef", attempt.reason, attempt.sent_at as "sentAt", attempt.look_at as "lookAt",
       attempt.state as "attemptState", attempt.version as "attemptVersion"
     from (select distinct request_id from (${requestIdsBy[kind]}) as found) as asked
     cross join lateral (select * from payments.leg where leg.request_id = asked.request_id order by leg.position offset 0) as leg
     left join lateral (
       select * from payments.attempt where attempt.leg_id = leg.id and attempt.retired = 0 offset 0
     ) as attempt on true`,
  )

const kinds: readonly Kind[] = ['attempts', 'legs', 'refunds', 'orders']
const locks = new Map(kinds.map((kind) => [kind, { lock: lockBy(kind), readLegs: readLegsBy(kind) }]))

const readAttempts = statement<Omit<AttemptRow, 'storedState'>>(
  'payments.read_attempts',
  `select id, leg_id as "legId", request_id as "requestId", sequence, retired, gateway, amount_minor as "amountMinor",
     gateway_ref as "gatewayRef", reason, sent_at as "sentAt", look_at as "lookAt", state, version
   from payments.attempt where id = any($1::bigint[])`,
)

const readRefunds = statement<Omit<RefundRow, 'storedState'>>(
  'payments.read_refunds',
  `select id, request_id as "requestId", leg_id as "legId", attempt_id as "attemptId", gateway, charge_ref as "chargeRef",
     amount_minor as "amountMinor", stray, reason, gateway_ref as "gatewayRef", failure, look_at as "lookAt", state, version
   from payments.refund where id = any($1::bigint[])`,
)

/** Locks the requests that the given attempts, legs, refunds or orders belong to and reads them with legs and live attempts. */
export async function openBook(context: WriteContext, by: Kind, ids: readonly number[]): Promise<PaymentBook> {
  const book = new PaymentBook(context.now)
  const statements = locks.get(by)
  if (ids.length === 0 || statements === undefined) return book
  // Sent together, run one after the other: the second has its own, newer snapshot, taken when the locks are held.
  const [requests, legs] = await Promise.all([context.query(statements.lock, [ids]), context.query(statements.readLegs, [ids])])
  for (const row of requests) book.addRequest({ ...row, storedState: row.state })
  for (const row of legs) {
    // A request that was born between the two statements is not locked, so it is not ours.
    if (!book.requests.has(row.requestId)) continue
    book.addLeg({
      id: row.id,
      requestId: row.requestId,
      position: row.position,
      token: row.token,
      amountMinor: row.amountMinor,
      capturedMinor: row.capturedMinor,
      refundHeldMinor: row.refundHeldMinor,
      refundedMinor: row.refundedMinor,
      attempts: row.attempts,
      retryAt: row.retryAt,
      state: row.state,
      storedState: row.state,
      version: row.version,
    })
    if (row.attemptId === null) continue
    book.addAttempt({
      id: row.attemptId,
      legId: row.id,
      requestId: row.requestId,
      sequence: row.sequence,
      retired: 0,
      gateway: row.gateway,
      amountMinor: row.attemptMinor,
      gatewayRef: row.gatewayRef,
      reason: row.reason,
      sentAt: row.sentAt,
      lookAt: row.lookAt,
      state: row.attemptState,
      storedState: row.attemptState,
      version: row.attemptVersion,
    })
  }
  // Attempts that were given up are read only when somebody still speaks of them: a late webhook, a second answer.
  const retired = by === 'attempts' ? ids.filter((id) => !book.attempts.has(id)) : []
  if (retired.length > 0) {
    for (const row of await context.query(readAttempts, [retired])) book.addAttempt({ ...row, storedState: row.state })
  }
  if (by === 'refunds') {
    for (const row of await context.query(readRefunds, [ids])) book.addRefund({ ...row, storedState: row.state })
  }
  return book
}

/**
 * Writes every changed row by compare-and-set on state and version, with the change log, in one statement. The counts say
 * whether all compares held: only an UPDATE by hand can break one, since everyone else waits for the request's lock.
 */
const writeBookStatement = statement<{ attempts: number; legs: number; requests: number }>(
  'payments.write_book',
  `with attempts as (
     update payments.attempt set state = input.to_state, version = attempt.version + 1, retired = input.retired,
       gateway_ref = input.gateway_ref, reason = input.reason, look_at = input.look_at
     from unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::smallint[], $6::text[], $7::text[], $8::timestamptz[])
       as input (id, from_state, to_state, version, retired, gateway_ref, reason, look_at)
     where attempt.id = input.id and attempt.state = input.from_state and attempt.version = input.version
     returning 1
   ), legs as (
     update payments.leg set state = input.to_state, version = leg.version + 1, amount_minor = input.amount, captured_minor = input.captured,
       refund_held_minor = input.held, refunded_minor = input.refunded, attempts = input.attempts, retry_at = input.retry_at
     from unnest($9::bigint[], $10::text[], $11::text[], $12::integer[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
         $17::smallint[], $18::timestamptz[])
       as input (id, from_state, to_state, version, amount, captured, held, refunded, attempts, retry_at)
     where leg.id = input.id and leg.state = input.from_state and leg.version = input.version
     returning 1
   ), requests as (
     update payments.request set state = input.to_state, version = request.version + 1, reduced_minor = input.reduced, closed = input.closed
     from unnest($19::bigint[], $20::text[], $21::text[], $22::integer[], $23::bigint[], $24::bigint[])
       as input (id, from_state, to_state, version, reduced, closed)
     where request.id = input.id and request.state = input.from_state and request.version = input.version
     returning 1
   ), changes as (
     insert into payments.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select root, string_to_array(levels, ','), string_to_array(entities, ','), string_to_array(from_states, ','),
       string_to_array(to_states, ','), cause, command_id, actor, $33, $34, $35
     from unnest($25::bigint[], $26::text[], $27::text[], $28::text[], $29::text[], $30::text[], $31::text[], $32::text[])
       as input (root, levels, entities, from_states, to_states, cause, command_id, actor)
   )
   select (select count(*) from attempts)::integer as attempts, (select count(*) from legs)::integer as legs,
     (select count(*) from requests)::integer as requests`,
)

const insertRefunds = statement(
  'payments.insert_refunds',
  `insert into payments.refund
     (id, request_id, leg_id, attempt_id, gateway, charge_ref, amount_minor, stray, reason, state, look_at, created_at)
   select *, $12::timestamptz from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
     $8::boolean[], $9::text[], $10::text[], $11::timestamptz[])`,
)

const updateRefunds = statement<{ id: number }>(
  'payments.update_refunds',
  `update payments.refund set state = input.to_state, version = refund.version + 1, gateway_ref = input.gateway_ref,
     failure = input.failure, look_at = input.look_at
   from unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::timestamptz[])
     as input (id, from_state, to_state, version, gateway_ref, failure, look_at)
   where refund.id = input.id and refund.state = input.from_state and refund.version = input.version
   returning refund.id`,
)

/** A row moved between our read and our write. Carries the code of a serialisation failure, so that the transaction runs again. */
class ChangedUnderneath extends Error {
  override readonly name = 'ChangedUnderneath'
  readonly code = '40001'
}

const column = <Row, Value>(rows: readonly Row[], value: (row: Row) => Value): Value[] => rows.map(value)

/** `refundIds`: one fresh id for each of the book's new refunds. */
export async function writeBook(context: WriteContext, book: PaymentBook, refundIds: readonly number[]): Promise<void> {
  invariant(refundIds.length === book.newRefunds.length, 'each new refund needs its id')
  book.newRefunds.forEach((refund, index) => {
    book.noteBirth('refund', refund.requestId, refundIds[index] ?? 0, ['requested', 'approved', 'sent'], refund)
  })
  const attempts = [...book.changedAttempts]
  const legs = [...book.changedLegs]
  const requests = [...book.changedRequests]
  const changes: readonly RootChange[] = book.changes
  if (attempts.length + legs.length + requests.length + changes.length > 0) {
    const [written] = await context.query(writeBookStatement, [
      column(attempts, (row) => row.id),
      column(attempts, (row) => row.storedState),
      column(attempts, (row) => row.state),
      column(attempts, (row) => row.version),
      column(attempts, (row) => row.retired),
      column(attempts, (row) => row.gatewayRef),
      column(attempts, (row) => row.reason),
      column(attempts, (row) => row.lookAt),
      column(legs, (row) => row.id),
      column(legs, (row) => row.storedState),
      column(legs, (row) => row.state),
      column(legs, (row) => row.version),
      column(legs, (row) => row.amountMinor),
      column(legs, (row) => row.capturedMinor),
      column(legs, (row) => row.refundHeldMinor),
      column(legs, (row) => row.refundedMinor),
      column(legs, (row) => row.attempts),
      column(legs, (row) => row.retryAt),
      column(requests, (row) => row.id),
      column(requests, (row) => row.storedState),
      column(requests, (row) => row.state),
      column(requests, (row) => row.version),
      column(requests, (row) => row.reducedMinor),
      column(requests, (row) => row.closed),
      column(changes, (change) => change.root),
      column(changes, (change) => change.levels.join()),
      column(changes, (change) => change.entities.join()),
      column(changes, (change) => change.fromStates.join()),
      column(changes, (change) => change.toStates.join()),
      column(changes, (change) => change.cause),
      column(changes, (change) => change.commandId),
      column(changes, (change) => change.actor),
      context.traffic,
      context.rehearsalId,
      context.now,
    ])
    if (written?.attempts !== attempts.length || written.legs !== legs.length || written.requests !== requests.length) {
      throw new ChangedUnderneath('a payment row was changed by hand while a decision about it was being made')
    }
  }
  const refunds = book.newRefunds
  if (refunds.length > 0) {
    context.defer(insertRefunds, [
      refundIds,
      column(refunds, (row) => row.requestId),
      column(refunds, (row) => row.legId),
      column(refunds, (row) => row.attemptId),
      column(refunds, (row) => row.gateway),
      column(refunds, (row) => row.chargeRef),
      column(refunds, (row) => row.amountMinor),
      column(refunds, (row) => row.stray),
      column(refunds, (row) => row.reason),
      column(refunds, (row) => row.state),
      column(refunds, (row) => row.lookAt),
      context.now,
    ])
  }
  const changed = [...book.changedRefunds]
  if (changed.length > 0) {
    const written = await context.query(updateRefunds, [
      column(changed, (row) => row.id),
      column(changed, (row) => row.storedState),
      column(changed, (row) => row.state),
      column(changed, (row) => row.version),
      column(changed, (row) => row.gatewayRef),
      column(changed, (row) => row.failure),
      column(changed, (row) => row.lookAt),
    ])
    if (written.length !== changed.length)
      throw new ChangedUnderneath('a refund was changed by hand while a decision about it was being made')
  }
  await context.announce(book.events)
}

export interface PaymentView {
  readonly orderId: number
  readonly requestId: number
  readonly state: RequestState
  readonly currency: string
  readonly amountMinor: number
  readonly dueMinor: number
  readonly capturedMinor: number
  readonly refundedMinor: number
  /** True while an attempt's end is not known: the customer sees "checking". */
  readonly unknown: boolean
}

/** The living or else the latest request of each order, with its sums, in one query. */
const readPayments = statement<PaymentView>(
  'payments.read_payments',
  `select distinct on (request.order_id) request.order_id as "orderId", request.id as "requestId", request.state, request.currency,
     request.amount_minor as "amountMinor", request.amount_minor - request.reduced_minor as "dueMinor",
     coalesce(sums.captured, 0)::bigint as "capturedMinor", coalesce(sums.refunded, 0)::bigint as "refundedMinor",
     coalesce(sums.unknown, false) as unknown
   from payments.request
   left join lateral (
     select sum(leg.captured_minor) as captured, sum(leg.refunded_minor) as refunded, bool_or(attempt.state = 'unknown') as unknown
     from payments.leg left join payments.attempt on attempt.leg_id = leg.id and attempt.retired = 0
     where leg.request_id = request.id
   ) as sums on true
   where request.order_id = any($1::bigint[])
   order by request.order_id, (request.closed = 0) desc, request.id desc`,
)

export async function findPayments(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, PaymentView>> {
  const rows = await context.query(readPayments, [orderIds])
  return new Map(rows.map((row) => [row.orderId, row]))
}
