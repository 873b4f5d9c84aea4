import type { Movement, PaymentsFailed, PaymentsMoved } from '#payments'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'

/** A movement of money as payments announced it. */
export interface NotedMovement {
  readonly moved: Pick<PaymentsMoved, 'orderId' | 'requestId' | 'part' | 'storeId' | 'customerId' | 'currency' | 'reason'>
  readonly movement: Movement
  readonly movedAt: Date
}

/** A failed means of payment as payments announced it, by the position of the event. */
export interface NotedFailure {
  readonly eventId: number
  readonly failed: Pick<PaymentsFailed, 'orderId' | 'requestId' | 'part' | 'means' | 'reason'>
  readonly failedAt: Date
}

// `position` keeps the first of two deliveries of one movement in a batch.
const insertMovements = statement<{ added: number }>(
  'analytics.insert_movements',
  `with added as (
     insert into analytics.payment_fact (kind, subject_id, order_id, request_id, part, leg_id, store_id, customer_id, gateway, gateway_ref,
       means, amount_minor, currency, reason, stray, moved_at)
     select kind, subject_id, order_id, request_id, part, leg_id, store_id, customer_id, gateway, gateway_ref, means, amount_minor, currency,
       reason, stray, moved_at
     from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::bigint[], $7::text[], $8::text[], $9::text[],
       $10::text[], $11::text[], $12::bigint[], $13::text[], $14::text[], $15::boolean[], $16::timestamptz[]) with ordinality
       as input (kind, subject_id, order_id, request_id, part, leg_id, store_id, customer_id, gateway, gateway_ref, means, amount_minor,
         currency, reason, stray, moved_at, position)
     order by position on conflict (kind, subject_id) do nothing returning 1
   ) select count(*)::int as added from added`,
)

/** Adds movements; one that is known already adds nothing. Returns how many were new. */
export async function recordMovements(context: WriteContext, asked: readonly NotedMovement[]): Promise<number> {
  if (asked.length === 0) return 0
  const column = (of: (entry: NotedMovement) => unknown) => asked.map(of)
  const [row] = await context.query(insertMovements, [
    column(({ movement }) => movement.kind),
    column(({ movement }) => movement.subjectId),
    column(({ moved }) => moved.orderId),
    column(({ moved }) => moved.requestId),
    column(({ moved }) => moved.part),
    column(({ movement }) => movement.legId),
    column(({ moved }) => moved.storeId),
    column(({ moved }) => moved.customerId),
    column(({ movement }) => movement.gateway),
    column(({ movement }) => movement.gatewayRef),
    column(({ movement }) => movement.means),
    column(({ movement }) => movement.amountMinor),
    column(({ moved }) => moved.currency),
    column(({ moved }) => moved.reason),
    column(({ movement }) => movement.stray),
    column(({ movedAt }) => movedAt),
  ])
  return row?.added ?? 0
}

const insertFailures = statement<{ added: number }>(
  'analytics.insert_failures',
  `with added as (
     insert into analytics.payment_failure_fact (event_id, order_id, request_id, part, means, reason, failed_at)
     select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::text[], $6::text[], $7::timestamptz[])
     on conflict (event_id) do nothing returning 1
   ) select count(*)::int as added from added`,
)

/** Adds failures; one that is known already adds nothing. Returns how many were new. */
export async function recordFailures(context: WriteContext, asked: readonly NotedFailure[]): Promise<number> {
  if (asked.length === 0) return 0
  const [row] = await context.query(insertFailures, [
    asked.map(({ eventId }) => eventId),
    asked.map(({ failed }) => failed.orderId),
    asked.map(({ failed }) => failed.requestId),
    asked.map(({ failed }) => failed.part),
    asked.map(({ failed }) => failed.means),
    asked.map(({ failed }) => failed.reason),
    asked.map(({ failedAt }) => failedAt),
  ])
  return row?.added ?? 0
}

// The sum is a lateral of each id, so that the index of orders is used however many ids there are.
const orderTotals = statement<{ order_id: number; kept_minor: number }>(
  'analytics.order_totals',
  `select asked.id as order_id, sums.kept_minor from unnest($1::bigint[]) as asked (id)
   cross join lateral (
     select sum(case kind when 'captured' then amount_minor when 'dispute_won' then amount_minor
       when 'refunded' then -amount_minor when 'charged_back' then -amount_minor else 0 end)::bigint as kept_minor
     from analytics.payment_fact where order_id = asked.id and not stray offset 0
   ) as sums where sums.kept_minor is not null`,
)

/** By order id: what was taken for it, given back neither by us nor by a bank, minor units; orders without a movement are absent. */
export async function findOrderTotals(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, number>> {
  const rows = await context.query(orderTotals, [orderIds])
  return new Map(rows.map((row) => [row.order_id, row.kept_minor]))
}
