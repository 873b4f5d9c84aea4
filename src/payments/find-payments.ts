import { type ReadContext, statement } from '#platform/database.ts'
import type { CustomerAction } from './gateway.ts'
import type { AttemptState, LegState, RequestState } from './lifecycle.ts'
import type { Means } from './payment-plan.ts'

/** One means of payment of a request, as an order page shows it. Money in minor units. */
export interface LegView {
  readonly legId: number
  readonly means: Means
  readonly payer: string | null
  readonly state: LegState
  readonly amountMinor: number
  readonly authorizedMinor: number
  readonly capturedMinor: number
  readonly refundedMinor: number
  readonly instalments: number
  /** Not asked for before this instant; ISO 8601. */
  readonly dueAt: string | null
  /** Of the attempt that counts; null while none is out. */
  readonly gateway: string | null
  readonly attempt: AttemptState | null
  /** What the customer has to do now. */
  readonly action: CustomerAction | null
}

export interface RequestView {
  readonly requestId: number
  readonly part: number
  readonly state: RequestState
  readonly amountMinor: number
  readonly dueMinor: number
  readonly authorizedMinor: number
  readonly capturedMinor: number
  readonly refundedMinor: number
  readonly goodwillMinor: number
  readonly disputedMinor: number
  readonly expiresAt: string | null
  /** True while an attempt's end is not known: the customer sees "checking". */
  readonly unknown: boolean
  readonly legs: LegView[]
}

/** All money of an order: sums over its parts, and each part. */
export interface PaymentView {
  readonly orderId: number
  readonly currency: string
  readonly dueMinor: number
  readonly authorizedMinor: number
  readonly capturedMinor: number
  readonly refundedMinor: number
  readonly goodwillMinor: number
  readonly disputedMinor: number
  readonly unknown: boolean
  /** By part; where a part was asked again, its ended requests come first. */
  readonly requests: RequestView[]
}

interface Row extends Omit<RequestView, 'legs' | 'authorizedMinor' | 'capturedMinor' | 'refundedMinor' | 'disputedMinor' | 'unknown'> {
  readonly orderId: number
  readonly currency: string
  readonly closed: number
  readonly legs: (LegView & { readonly disputedMinor: number })[] | null
}

const readPayments = statement<Row>(
  'payments.read_payments',
  `select request.order_id as "orderId", request.id as "requestId", request.part, request.closed, request.state, request.currency,
     request.amount_minor as "amountMinor", request.amount_minor - request.reduced_minor as "dueMinor",
     request.goodwill_minor as "goodwillMinor", to_json(request.expires_at) #>> '{}' as "expiresAt", legs.legs
   from payments.request
   left join lateral (
     select json_agg(json_build_object(
       'legId', leg.id, 'means', leg.means, 'payer', leg.payer, 'state', leg.state, 'amountMinor', leg.amount_minor,
       'authorizedMinor', leg.authorized_minor - leg.unneeded_minor, 'capturedMinor', leg.captured_minor,
       'refundedMinor', leg.refunded_minor, 'disputedMinor', leg.disputed_minor, 'instalments', leg.instalments, 'dueAt', leg.due_at,
       'gateway', attempt.gateway, 'attempt', attempt.state,
       'action', case when attempt.state = 'requires_action' then attempt.action end) order by leg.position) as legs
     from payments.leg
     left join lateral (select * from payments.attempt where attempt.leg_id = leg.id and attempt.retired = 0 offset 0) as attempt on true
     where leg.request_id = request.id
   ) as legs on true
   where request.order_id = any($1::bigint[])
   order by request.order_id, request.part, (request.closed = 0), request.id`,
)

/** All requests of each order with their legs, in one query. Orders that nothing was ever asked of are absent. */
export async function findPayments(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, PaymentView>> {
  const views = new Map<number, PaymentView>()
  for (const row of await context.query(readPayments, [orderIds])) {
    const request = requestOf(row)
    const before = views.get(row.orderId)
    views.set(row.orderId, {
      orderId: row.orderId,
      currency: row.currency,
      // What an expired request asked is not owed any more; its money counts until it is back.
      dueMinor: (before?.dueMinor ?? 0) + (row.closed === 0 ? request.dueMinor : 0),
      authorizedMinor: (before?.authorizedMinor ?? 0) + request.authorizedMinor,
      capturedMinor: (before?.capturedMinor ?? 0) + request.capturedMinor,
      refundedMinor: (before?.refundedMinor ?? 0) + request.refundedMinor,
      goodwillMinor: (before?.goodwillMinor ?? 0) + request.goodwillMinor,
      disputedMinor: (before?.disputedMinor ?? 0) + request.disputedMinor,
      unknown: (before?.unknown ?? false) || request.unknown,
      requests: [...(before?.requests ?? []), request],
    })
  }
  return views
}

function requestOf({ orderId: _order, currency: _currency, closed: _closed, legs: found, ...request }: Row): RequestView {
  const legs = found ?? []
  const sum = (of: (leg: LegView & { disputedMinor: number }) => number): number => legs.reduce((total, leg) => total + of(leg), 0)
  return {
    ...request,
    authorizedMinor: sum((leg) => leg.authorizedMinor),
    capturedMinor: sum((leg) => leg.capturedMinor),
    refundedMinor: sum((leg) => leg.refundedMinor),
    disputedMinor: sum((leg) => leg.disputedMinor),
    unknown: legs.some((leg) => leg.attempt === 'unknown'),
    legs: legs.map(({ disputedMinor: _disputed, ...leg }) => leg),
  }
}

/** The living request of a part, or else its last one. */
export const requestOfPart = (view: PaymentView | undefined, part: number): RequestView | undefined =>
  view?.requests.findLast((request) => request.part === part)
