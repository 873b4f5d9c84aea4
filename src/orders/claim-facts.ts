import { type ReadContext, statement } from '#platform/database.ts'
import type { ClaimKind, ClaimState } from './claim-lifecycle.ts'

/** One claim for analysts. */
export interface ClaimFact {
  readonly claimId: number
  readonly orderId: number
  readonly kind: ClaimKind
  readonly state: ClaimState
  readonly reason: string
  /** Every state that it was in, oldest first, with the instant (ISO 8601, UTC). */
  readonly passed: readonly { readonly state: ClaimState; readonly at: string }[]
  readonly askedQuantity: number
  readonly acceptedQuantity: number
  readonly damagedQuantity: number
  readonly refusedQuantity: number
  /** Money that it gave back, shipping and differences of price too; minor units of the order's currency. */
  readonly refundedMinor: number
}

const facts = statement<ClaimFact>(
  'orders.claim_facts',
  `select c.id as "claimId", c.order_id as "orderId", c.kind, c.state, c.reason, c.refunded_minor as "refundedMinor", p.passed,
     i.asked as "askedQuantity", i.accepted as "acceptedQuantity", i.damaged as "damagedQuantity", i.refused as "refusedQuantity"
   from unnest($1::bigint[]) as asked (order_id)
     cross join lateral (select * from orders.claim where order_id = asked.order_id offset 0) as c
     cross join lateral (select sum(quantity)::integer as asked, sum(accepted)::integer as accepted, sum(damaged)::integer as damaged,
       sum(refused)::integer as refused from orders.claim_item where claim_id = c.id) as i
     cross join lateral (select json_agg(json_build_object('state', state, 'at', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) order by position) as passed
       from unnest(c.passed, c.passed_at) with ordinality as p (state, at, position)) as p
   order by c.id`,
)

/** Claims of these orders, by id, in one statement. */
export const readClaimFacts = (context: ReadContext, orderIds: readonly number[]): Promise<ClaimFact[]> =>
  context.query(facts, [[...new Set(orderIds)]])
