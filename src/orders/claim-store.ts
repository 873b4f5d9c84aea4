import { statement, type WriteContext } from '#platform/database.ts'
import type { Claim } from './claim-lifecycle.ts'

export interface ClaimWrite {
  readonly orderId: number
  readonly was: Claim | undefined
  readonly is: Claim
}

// Rows of a claim are written with it each time; there are few, and only their results and row numbers change.
const write = statement(
  'orders.write_claims',
  `with born as (
     insert into orders.claim (id, order_id, kind, state, reason, refund_shipping, shipping_sections, refunded_minor, passed, passed_at)
     select id, order_id, kind, state, reason, refund_shipping, shipping_sections::smallint[], refunded_minor, passed::text[],
       array_fill($20::timestamptz, array[cardinality(passed::text[])])
     from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::bigint[], $9::text[], $10::text[])
       as c (id, order_id, kind, state, reason, refund_shipping, shipping_sections, refunded_minor, passed, from_state) where from_state is null
   ), moved as (
     update orders.claim c set state = m.to_state, refund_shipping = m.refund_shipping, shipping_sections = m.shipping_sections::smallint[],
       refunded_minor = m.refunded_minor, passed = m.passed::text[],
       passed_at = c.passed_at || array_fill($20::timestamptz, array[cardinality(m.passed::text[]) - cardinality(c.passed)]), version = c.version + 1
     from unnest($1::bigint[], $4::text[], $6::boolean[], $7::text[], $8::bigint[], $9::text[], $10::text[])
       as m (id, to_state, refund_shipping, shipping_sections, refunded_minor, passed, from_state)
     where c.id = m.id and c.state = m.from_state
     returning 1
   ), items as (
     insert into orders.claim_item (claim_id, position, item_no, quantity, accepted, damaged, refused, refused_item_no, new_item_no, replacement)
     select * from unnest($11::bigint[], $12::smallint[], $13::smallint[], $14::integer[], $15::integer[], $16::integer[], $17::integer[],
       $18::smallint[], $19::smallint[], $22::json[])
     on conflict (claim_id, position) do update set item_no = excluded.item_no, accepted = excluded.accepted, damaged = excluded.damaged,
       refused = excluded.refused, refused_item_no = excluded.refused_item_no, new_item_no = excluded.new_item_no
   )
   select orders.expect_changed($21, (select count(*) from moved))`,
)

/** Writes claims with their rows at the end of the transaction, under the lock of their orders. */
export function deferClaims(context: WriteContext, claims: readonly ClaimWrite[]): void {
  if (claims.length === 0) return
  const items = claims.flatMap(({ is }) => is.items.map((item, position) => ({ id: is.id, position, item })))
  context.defer(write, [
    claims.map(({ is }) => is.id),
    claims.map(({ orderId }) => orderId),
    claims.map(({ is }) => is.kind),
    claims.map(({ is }) => is.state),
    claims.map(({ is }) => is.reason),
    claims.map(({ is }) => is.refundShipping),
    claims.map(({ is }) => `{${is.shippingSections.join(',')}}`),
    claims.map(({ is }) => is.refundedMinor),
    claims.map(({ is }) => `{${is.passed.join(',')}}`),
    claims.map(({ was }) => was?.state ?? null),
    items.map(({ id }) => id),
    items.map(({ position }) => position),
    items.map(({ item }) => item.itemNo),
    items.map(({ item }) => item.quantity),
    items.map(({ item }) => item.accepted),
    items.map(({ item }) => item.damaged),
    items.map(({ item }) => item.refused),
    items.map(({ item }) => item.refusedItemNo),
    items.map(({ item }) => item.newItemNo),
    context.now,
    claims.filter(({ was }) => was !== undefined).length,
    items.map(({ item }) => (item.replacement === null ? null : JSON.stringify(item.replacement))),
  ])
}
