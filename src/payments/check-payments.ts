import { type ReadContext, type Statement, statement } from '#platform/database.ts'
import type { Traffic } from '#platform/request-context.ts'
import { readKey } from './gateway.ts'

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
    union all select 'refund', id::text, state from payments.refund
  )`

const checks = [
  check(
    'request holds what its state says',
    `select format('request %s is %s: due %s, in hand %s', id, state, due, in_hand) as told from (
       select request.id, request.state, request.amount_minor - request.reduced_minor as due,
         coalesce(sum(leg.captured_minor - leg.refunded_minor), 0) as in_hand
       from payments.request left join payments.leg on leg.request_id = request.id
       group by request.id
     ) as sums
     where (state = 'covered' and in_hand <> due) or (state = 'overcovered' and in_hand <= due)
       or (state = 'partially_covered' and not (in_hand > 0 and in_hand < due))
       or (state in ('open', 'requires_action', 'processing', 'expired') and in_hand <> 0)
       or (state = 'cancelled' and due <> 0)`,
  ),
  check(
    'leg holds what its attempts and refunds took and gave',
    `select format('leg %s is %s: captured %s, attempts %s; held %s, refunds %s', leg.id, leg.state, leg.captured_minor,
       coalesce(taken.amount, 0), leg.refund_held_minor, coalesce(given.held, 0)) as told
     from payments.leg
     left join (
       select leg_id, sum(amount_minor) as amount from payments.attempt where state = 'succeeded' and retired = 0 group by leg_id
     ) as taken on taken.leg_id = leg.id
     left join (
       select leg_id, sum(amount_minor) as held, sum(amount_minor) filter (where state = 'succeeded') as done
       from payments.refund where not stray group by leg_id
     ) as given on given.leg_id = leg.id
     where leg.captured_minor <> coalesce(taken.amount, 0) or leg.refund_held_minor <> coalesce(given.held, 0)
       or leg.refunded_minor <> coalesce(given.done, 0)`,
  ),
  check(
    'excess is on its way back',
    `select format('request %s (%s) holds %s more than is due with no refund under way', id, state, excess) as told from (
       select request.id, request.state,
         coalesce(sum(leg.captured_minor - leg.refund_held_minor), 0) - (request.amount_minor - request.reduced_minor) as excess
       from payments.request join payments.leg on leg.request_id = request.id
       group by request.id
     ) as sums where excess > 0`,
  ),
  check(
    'a charge found late goes back whole',
    `select format('attempt %s took %s after it was given up and has no refund for it', attempt.id, attempt.amount_minor) as told
     from payments.attempt
     where state = 'succeeded' and retired <> 0 and not exists (
       select from payments.refund where refund.attempt_id = attempt.id and refund.stray and refund.amount_minor = attempt.amount_minor)`,
  ),
  check(
    'no order is paid twice',
    `select format('order %s has %s requests with money in hand', order_id, count(*)) as told from payments.request
     where exists (select from payments.leg where leg.request_id = request.id and leg.captured_minor > leg.refund_held_minor)
     group by order_id having count(*) > 1`,
  ),
  check(
    'no final attempt without result',
    `select format('attempt %s is %s without %s', id, state, case state when 'succeeded' then 'a reference' else 'a reason' end) as told
     from payments.attempt
     where (state = 'succeeded' and gateway_ref is null)
       or (state in ('declined_soft', 'declined_hard', 'unreachable') and reason is null)`,
  ),
  check(
    'something is under way where a request says so',
    `select format('request %s is processing, yet no attempt is out and no retry is due', id) as told from payments.request
     where state = 'processing' and not exists (
       select from payments.leg left join payments.attempt on attempt.leg_id = leg.id and attempt.retired = 0
       where leg.request_id = request.id and leg.state = 'created' and (leg.retry_at is not null or attempt.id is not null))`,
  ),
  check(
    'no orphans',
    `select told from (
       select format('leg %s has no request', id) as told from payments.leg
         where not exists (select from payments.request where request.id = leg.request_id)
       union all select format('attempt %s has no leg', id) from payments.attempt
         where not exists (select from payments.leg where leg.id = attempt.leg_id and leg.request_id = attempt.request_id)
       union all select format('refund %s has no attempt', id) from payments.refund
         where not exists (select from payments.attempt where attempt.id = refund.attempt_id and attempt.leg_id = refund.leg_id)
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

/** One movement of money as a gateway's own log tells it. */
export interface GatewayMovement {
  readonly key: string
  readonly kind: 'charge' | 'refund'
  readonly amountMinor: number
  readonly currency: string
}

const compareCharges = statement<{ told: string }>(
  'payments.compare_charges',
  `with log as (
     select id, sum(amount) as amount, count(*) as times, min(currency) as currency
     from unnest($2::bigint[], $3::bigint[], $4::text[]) as input (id, amount, currency) group by id
   ), ours as (
     select attempt.id, attempt.amount_minor, request.currency from payments.attempt join payments.request on request.id = attempt.request_id
     where attempt.gateway = $1 and attempt.state = 'succeeded'
   )
   select case
       when log.times > 1 then format('charge of attempt %s is %s times in the gateway''s log', log.id, log.times)
       when ours.id is null then format('the gateway charged attempt %s, which we hold as %s', log.id, coalesce(attempt.state, 'unheard of'))
       when log.id is null then format('attempt %s has succeeded, but the gateway has no charge for it', ours.id)
       else format('attempt %s: %s %s here, %s %s at the gateway', ours.id, ours.amount_minor, ours.currency, log.amount, log.currency)
     end as told
   from log full join ours on ours.id = log.id left join payments.attempt on attempt.id = log.id
   where log.times > 1 or ours.id is null or log.id is null or ours.amount_minor <> log.amount or ours.currency <> log.currency
   limit ${breaksMost}`,
)

const compareRefunds = statement<{ told: string }>(
  'payments.compare_refunds',
  `with log as (
     select id, sum(amount) as amount, count(*) as times from unnest($2::bigint[], $3::bigint[]) as input (id, amount) group by id
   ), ours as (select id, amount_minor from payments.refund where gateway = $1 and state = 'succeeded')
   select format('refund %s: %s here, %s at the gateway in %s movements', coalesce(ours.id, log.id), coalesce(ours.amount_minor::text, 'not done'),
     coalesce(log.amount::text, 'nothing'), coalesce(log.times, 0)) as told
   from log full join ours on ours.id = log.id
   where log.times is distinct from 1 or ours.amount_minor is distinct from log.amount
   limit ${breaksMost}`,
)

const chargedTwice = statement<{ told: string }>(
  'payments.charged_twice',
  `select format('order %s was charged %s times at the gateway and holds more than one of them', request.order_id, count(*)) as told
   from unnest($1::bigint[]) as charged (id)
   join payments.attempt on attempt.id = charged.id join payments.request on request.id = attempt.request_id
   where not exists (
     select from payments.refund where refund.attempt_id = attempt.id having sum(refund.amount_minor) = attempt.amount_minor)
   group by request.order_id having count(*) > 1
   limit ${breaksMost}`,
)

/**
 * Compares with a gateway's own log: every charge there is a success here and the other way round, once each and to the
 * minor unit. Attempts and refunds still open are breaks too, if money moved: run the sweep first.
 */
export async function comparePayments(
  read: ReadContext,
  gateway: string,
  movements: readonly GatewayMovement[],
  installation: string,
): Promise<Check[]> {
  const traffic: Traffic = read.traffic
  const mine = movements.flatMap((movement) => {
    const key = readKey(movement.key)
    return key?.traffic === traffic && key.installation === installation ? [{ ...movement, id: key.id }] : []
  })
  const charges = mine.filter((movement) => movement.kind === 'charge')
  const refunds = mine.filter((movement) => movement.kind === 'refund')
  const ids = charges.map((charge) => charge.id)
  const [charged, refunded, twice] = [
    await read.query(compareCharges, [gateway, ids, charges.map((charge) => charge.amountMinor), charges.map((charge) => charge.currency)]),
    await read.query(compareRefunds, [gateway, refunds.map((refund) => refund.id), refunds.map((refund) => refund.amountMinor)]),
    await read.query(chargedTwice, [ids]),
  ]
  return [
    { check: `charges equal the log of ${gateway}`, breaks: charged.map((row) => row.told) },
    { check: `refunds equal the log of ${gateway}`, breaks: refunded.map((row) => row.told) },
    { check: `no order is charged twice at ${gateway}`, breaks: twice.map((row) => row.told) },
  ]
}
