import type { PaymentsMoved } from '#payments'
import { statement, type WriteContext } from '#platform/database.ts'
import { lock } from './lock-orders.ts'
import type { Noted } from './note-money.ts'
import type { Changed } from './schemas.ts'
import { deferPaidEvents } from './write-orders.ts'

/**
 * Most orders are covered before anything else happens to them: one part, captured to the cent, nothing on hold, the head as it
 * was born (version 1). What follows for those is the same for each row, so it needs no reading and no deciding: compare-and-set
 * on the head says that it is such an order, and rows and log follow in the same statement. The rest is left to the slow way.
 * Measured: half of what reading, deciding and writing cost.
 *
 * Heads of the whole batch are locked before, in ascending id, as everywhere: those that go the slow way, too, or the two ways would
 * take their locks in different order.
 */
const cover = statement<{ id: number; number: string }>(
  'orders.cover_fresh',
  `with asked as materialized (
     select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[]) as a (id, due, cause, command_id, actor)
   ), heads as (
     update orders.orders o set state = 'paid', money_state = 'captured', version = o.version + 1, changed_at = $6,
       parts = json_build_array(json_build_array(0, o.total_minor, 1, 0, 0, 0, a.due, 0, a.due, 0, 0))
     from asked a where o.id = a.id and o.version = 1 and o.state = 'pending_payment' and o.parts is null and not o.held and o.total_minor = a.due
     returning o.id, o.number, a.cause, a.command_id, a.actor
   ), items as (
     update orders.item i set state = 'paid', version = i.version + 1
     from heads where i.order_id = heads.id and i.state = 'pending_payment' returning i.order_id, i.item_no
   ), sections as (
     update orders.section s set state = 'paid', money_state = 'captured', version = s.version + 1
     from heads where s.order_id = heads.id and s.state = 'pending_payment' returning s.order_id, s.section_no
   ), lines as (
     select order_id, array_agg(item_no::text order by item_no) as nos, count(*)::integer as n from items group by order_id
   ), parts as (
     select order_id, array_agg(section_no::text order by section_no) as nos, count(*)::integer as n from sections group by order_id
   ), log as (
     insert into orders.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select heads.id,
       array_fill('item'::text, array[lines.n]) || array_fill('section'::text, array[parts.n]) || array_fill('money'::text, array[parts.n])
         || '{order,money}'::text[],
       lines.nos || parts.nos || parts.nos || '{"",""}'::text[],
       array_fill('pending_payment'::text, array[lines.n + parts.n]) || array_fill('none'::text, array[parts.n]) || '{pending_payment,none}'::text[],
       array_fill('paid'::text, array[lines.n + parts.n]) || array_fill('captured'::text, array[parts.n]) || '{paid,captured}'::text[],
       heads.cause, heads.command_id, heads.actor, $7, $8, $6
     from heads join lines on lines.order_id = heads.id join parts on parts.order_id = heads.id
   )
   select id, number from heads`,
)

/** Whether an event alone says all that there is to know of an order nobody has touched. */
function isPlain({ covered, part, reason, sums }: PaymentsMoved): boolean {
  const { dueMinor, authorizedMinor, capturedMinor, refundedMinor, goodwillMinor } = sums
  return (
    covered &&
    part === 0 &&
    reason === '' &&
    dueMinor > 0 &&
    capturedMinor === dueMinor &&
    authorizedMinor === 0 &&
    refundedMinor === 0 &&
    goodwillMinor === 0
  )
}

/**
 * Covers what is as it was born; returns the orders done, by id. Those of which a batch tells more than once are left alone. `batch`
 * are the orders of all that the transaction is going to change.
 */
export async function coverFresh(
  context: WriteContext,
  batch: readonly number[],
  commands: readonly Noted<PaymentsMoved>[],
  causeOf: (event: PaymentsMoved) => string,
): Promise<Map<number, Changed>> {
  const times = new Map<number, number>()
  for (const orderId of batch) times.set(orderId, (times.get(orderId) ?? 0) + 1)
  const plain = commands.filter(({ orderId, event }) => times.get(orderId) === 1 && isPlain(event))
  if (plain.length === 0) return new Map()
  // Sent together; the server runs the second when the first has its locks.
  const [, rows] = await Promise.all([
    context.query(lock, [batch]),
    context.query(cover, [
      plain.map(({ orderId }) => orderId),
      plain.map(({ event }) => event.sums.dueMinor),
      plain.map(({ event }) => causeOf(event)),
      plain.map(({ commandId }) => commandId),
      plain.map(({ actor }) => actor),
      context.now,
      context.traffic,
      context.rehearsalId,
    ]),
  ])
  deferPaidEvents(
    context,
    rows.map(({ id }) => ({ orderId: id, part: 0 })),
  )
  return new Map(rows.map(({ id, number }) => [id, { orderId: id, number, state: 'paid', moneyState: 'captured' }]))
}
