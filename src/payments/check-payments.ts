import { type ReadContext, type Statement, statement } from '#platform/database.ts'

/** One invariant and each place where it does not hold, as a sentence. No break: it holds. */
export interface Check {
  readonly check: string
  readonly breaks: readonly string[]
}

/** Breaks told per check; a check that breaks everywhere should not fill the memory. */
const breaksMost = 100

const check = (name: string, text: string): { name: string; sql: Statement<{ told: string }> } => ({
  name,
  sql: statement(`payments.check_${name.replaceAll(/\W+/g, '_')}`.slice(0, 60), `${text} limit ${breaksMost}`),
})

const lastStates = `
  with steps as (
    select level, entity, from_state, to_state, sequence, position,
      lag(to_state) over (partition by level, entity order by sequence, position) as before,
      row_number() over (partition by level, entity order by sequence desc, position desc) as from_end
    from payments.change_log
  ), stored as (
    select 'request' as level, id::text as entity, state from payments.request
    union all select 'leg', id::text, state from payments.leg
    union all select 'attempt', id::text, state from payments.attempt
    union all select kind, id::text, state from payments.follow_up
    union all select 'binding', id::text, state from payments.binding
  )`

/** Every request with the sums of its legs; `secured`: what is set aside where that is enough. */
const sums = `
  select request.*, request.amount_minor - request.reduced_minor as due,
    coalesce(legs.here, 0) as here, coalesce(legs.kept, 0) as kept, coalesce(legs.free, 0) as free, coalesce(legs.promised, 0) as promised,
    coalesce(legs.secured, 0) as secured
  from payments.request left join lateral (
    select sum(greatest(0, captured_minor - refunded_minor - disputed_minor)) as here, sum(greatest(0, captured_minor - refund_held_minor - disputed_minor)) as kept,
      sum(authorized_minor - unneeded_minor - capture_held_minor) as free,
      sum(authorized_minor - unneeded_minor) as promised,
      sum(authorized_minor - unneeded_minor) filter (where request.capture = 'on_shipment' or leg.means = 'cash_on_delivery') as secured
    from payments.leg where leg.request_id = request.id
  ) as legs on true`

const checks = [
  check(
    'request holds what its state says',
    `select format('request %s is %s: due %s, in hand %s, gifts %s', id, state, due, in_hand, goodwill_minor) as told from (
       select *, here + secured as in_hand, greatest(0, due - goodwill_minor) as need from (${sums}) as sums
     ) as requests
     where (state = 'covered' and in_hand <> need) or (state = 'overcovered' and in_hand <= need)
       or (state = 'partially_covered' and not (in_hand > 0 and in_hand < need))
       or (state in ('open', 'requires_action', 'processing') and (in_hand > 0 or need = 0))
       or (state = 'cancelled' and due <> 0)`,
  ),
  check(
    'leg holds what its attempts and follow-ups took and gave',
    `select format('leg %s is %s: captured %s, calls took %s; held %s, refunds %s; set aside %s, calls say %s', leg.id, leg.state,
       leg.captured_minor, taken.amount, leg.refund_held_minor, done.held, leg.authorized_minor, promised.amount) as told
     from payments.leg
     cross join lateral (
       select coalesce(sum(amount_minor), 0) as amount from payments.attempt
       where attempt.leg_id = leg.id and attempt.state = 'succeeded' and attempt.retired = 0
     ) as succeeded
     cross join lateral (
       select coalesce(sum(amount_minor) filter (where kind = 'capture' and state = 'succeeded'), 0) as captured,
         coalesce(sum(amount_minor) filter (where kind = 'capture' and state in ('sent', 'pending', 'unknown')), 0) as capturing,
         coalesce(sum(amount_minor) filter (where kind in ('refund', 'credit') and state <> 'wallet'), 0) as held,
         coalesce(sum(amount_minor) filter (where kind in ('refund', 'credit') and state = 'succeeded'), 0) as refunded,
         bool_or(kind = 'void' and state in ('succeeded', 'manual')) or bool_or(kind = 'capture' and state = 'succeeded' and last) as released
       from payments.follow_up where follow_up.request_id = leg.request_id and follow_up.leg_id = leg.id and not follow_up.stray
     ) as done
     cross join lateral (select case when leg.mode = 'charge' then succeeded.amount else done.captured end as amount) as taken
     cross join lateral (
       select case when leg.mode = 'charge' or done.released then 0 else succeeded.amount - done.captured end as amount
     ) as promised
     where leg.captured_minor <> taken.amount or leg.refund_held_minor <> done.held or leg.refunded_minor <> done.refunded
       or leg.capture_held_minor <> done.capturing or leg.authorized_minor <> promised.amount`,
  ),
  check(
    'gifts of a request are its goodwill refunds',
    `select format('request %s says %s and %s, its refunds %s and %s', request.id, goodwill_held_minor, goodwill_minor, held, done) as told
     from payments.request cross join lateral (
       select coalesce(sum(amount_minor) filter (where state <> 'wallet'), 0) as held,
         coalesce(sum(amount_minor) filter (where state = 'succeeded'), 0) as done
       from payments.follow_up where follow_up.request_id = request.id and goodwill
     ) as given
     where goodwill_held_minor <> held or goodwill_minor <> done`,
  ),
  check(
    'excess is on its way back',
    `select format('request %s (%s) holds %s more than is due with no refund under way', id, state, kept - need) as told from (
       select *, greatest(0, case when closed = 0 then due else 0 end - goodwill_held_minor) as need from (${sums}) as sums
     ) as requests where kept > need`,
  ),
  check(
    'no more is set aside than is due',
    `select format('request %s (%s) has %s set aside and %s taken for %s', id, state, promised, kept, need) as told from (
       select *, greatest(0, case when closed = 0 then due else 0 end - goodwill_held_minor) as need from (${sums}) as sums
     ) as requests where free > 0 and promised + kept > need`,
  ),
  check(
    'what is set aside and not wanted is being let go',
    `select format('leg %s (%s) has %s set aside that nobody wants, and no void under way', leg.id, leg.state, leg.authorized_minor) as told
     from payments.leg where leg.authorized_minor > 0 and leg.unneeded_minor = leg.authorized_minor and not exists (
       select from payments.follow_up where follow_up.request_id = leg.request_id and follow_up.leg_id = leg.id and kind = 'void' and state in ('sent', 'pending', 'unknown'))`,
  ),
  check(
    'all or none: no leg is kept where another of its round has failed',
    `select format('leg %s (%s) keeps %s and %s though leg %s of its round has failed', leg.id, leg.state, leg.captured_minor - leg.refund_held_minor,
       leg.authorized_minor - leg.unneeded_minor, failed.id) as told
     from payments.leg as failed join payments.request on request.id = failed.request_id and request.settle = 'together'
     join payments.leg on leg.request_id = failed.request_id and leg.round = failed.round and leg.id <> failed.id
     where failed.state = 'failed' and (leg.captured_minor - leg.refund_held_minor - leg.disputed_minor > 0
       or leg.authorized_minor - leg.unneeded_minor - leg.capture_held_minor > 0)`,
  ),
  check(
    'disputes of a leg are what the bank took',
    `select format('leg %s says %s, its disputes %s', leg.id, leg.disputed_minor, told.amount) as told
     from payments.leg cross join lateral (
       select coalesce(sum(case when won then -amount_minor else amount_minor end), 0) as amount from payments.dispute where dispute.leg_id = leg.id
     ) as told where leg.disputed_minor <> told.amount`,
  ),
  check(
    'a charge found late goes back whole',
    `select format('attempt %s took %s after it was given up and nothing gives it back', attempt.id, attempt.amount_minor) as told
     from payments.attempt
     where state = 'succeeded' and retired <> 0 and not exists (
       select from payments.follow_up where follow_up.request_id = attempt.request_id and follow_up.attempt_id = attempt.id and stray and follow_up.amount_minor = attempt.amount_minor)`,
  ),
  check(
    'no part of an order is paid twice',
    `select format('order %s part %s has %s requests with money in hand', order_id, part, count(*)) as told from payments.request
     where exists (select from payments.leg where leg.request_id = request.id and leg.captured_minor - leg.disputed_minor > leg.refund_held_minor)
     group by order_id, part having count(*) > 1`,
  ),
  check(
    'no final attempt without result',
    `select format('attempt %s is %s without %s', id, state, case state when 'succeeded' then 'a reference' else 'a reason' end) as told
     from payments.attempt
     where (state = 'succeeded' and gateway_ref is null) or (state = 'requires_action' and action is null)
       or (state in ('declined_soft', 'declined_hard', 'unreachable') and reason is null)`,
  ),
  check(
    'something is under way where a request says so',
    `select format('request %s is %s, yet nothing is out or due', id, state) as told from payments.request
     where state in ('processing', 'requires_action') and not exists (
       select from payments.leg left join payments.attempt on attempt.leg_id = leg.id and attempt.retired = 0
       where leg.request_id = request.id and (leg.authorized_minor > leg.unneeded_minor
         or leg.state in ('created', 'requires_action') and (leg.retry_at is not null or attempt.id is not null)))`,
  ),
  check(
    'no orphans',
    `select told from (
       select format('leg %s has no request', id) as told from payments.leg
         where not exists (select from payments.request where request.id = leg.request_id)
       union all select format('attempt %s has no leg', id) from payments.attempt
         where not exists (select from payments.leg where leg.id = attempt.leg_id and leg.request_id = attempt.request_id)
       union all select format('%s %s has no attempt', kind, id) from payments.follow_up
         where not exists (select from payments.attempt where attempt.id = follow_up.attempt_id and attempt.leg_id = follow_up.leg_id)
       union all select format('refund %s was replaced by %s, which is none', id, replaced_by) from payments.follow_up as refund
         where replaced_by is not null and not exists (
           select from payments.follow_up where follow_up.id = refund.replaced_by and follow_up.kind = 'credit' and follow_up.amount_minor = refund.amount_minor)
     ) as orphans`,
  ),
  check(
    'the change log replays to the stored states',
    `${lastStates}
     select format('%s %s is %s, its log ends in %s', coalesce(stored.level, steps.level), coalesce(stored.entity, steps.entity),
       coalesce(stored.state, 'missing'), coalesce(steps.to_state, 'nothing')) as told
     from (select * from steps where from_end = 1) as steps
     full join stored on stored.level = steps.level and stored.entity = steps.entity
     where stored.state is distinct from steps.to_state`,
  ),
  check(
    'each step of the change log starts where the last one ended',
    `${lastStates}
     select format('%s %s steps from "%s" in change %s, but stood at "%s"', level, entity, from_state, sequence, coalesce(before, '')) as told
     from steps where from_state <> coalesce(before, '')`,
  ),
]

/** Every invariant of this context, read from its tables alone. */
export async function checkPayments(read: ReadContext): Promise<Check[]> {
  const results: Check[] = []
  for (const { name, sql } of checks) {
    const rows = await read.query(sql)
    results.push({ check: name, breaks: rows.map((row) => row.told) })
  }
  return results
}
