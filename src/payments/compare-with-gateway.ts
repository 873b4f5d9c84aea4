import { type ContextDatabase, type ReadContext, type Scope, statement } from '#platform/database.ts'
import type { Check } from './check-payments.ts'
import { type GatewayMovement, type PaymentGateway, readKey } from './gateway.ts'

/** Breaks told per comparison. */
const breaksMost = 100

const compareCharges = statement<{ told: string }>(
  'payments.compare_charges',
  `with log as (
     select id, sum(amount) as amount, count(*) as times, min(currency) as currency
     from unnest($2::bigint[], $3::bigint[], $4::text[]) as input (id, amount, currency) group by id
   ), ours as (
     select attempt.id, attempt.amount_minor, request.currency from payments.attempt
     join payments.leg on leg.id = attempt.leg_id join payments.request on request.id = attempt.request_id
     where attempt.gateway = $1 and attempt.state = 'succeeded' and leg.mode = 'charge'
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

const compareFollowUps = statement<{ told: string }>(
  'payments.compare_follow_ups',
  `with log as (
     select id, sum(amount) as amount, count(*) as times from unnest($2::bigint[], $3::bigint[]) as input (id, amount) group by id
   ), ours as (select id, amount_minor from payments.follow_up where gateway = $1 and kind = $4 and state = 'succeeded')
   select format('%s %s: %s here, %s at the gateway in %s movements', $4, coalesce(ours.id, log.id), coalesce(ours.amount_minor::text, 'not done'),
     coalesce(log.amount::text, 'nothing'), coalesce(log.times, 0)) as told
   from log full join ours on ours.id = log.id
   where log.times is distinct from 1 or ours.amount_minor is distinct from log.amount
   limit ${breaksMost}`,
)

const compareDisputes = statement<{ told: string }>(
  'payments.compare_disputes',
  `with log as (
     select id, sum(amount) as amount from unnest($2::bigint[], $3::bigint[]) as input (id, amount) group by id
   ), ours as (
     select attempt_id as id, sum(case when won then -amount_minor else amount_minor end) as amount from payments.dispute
     where gateway = $1 group by attempt_id
   )
   select format('attempt %s: %s disputed here, %s at the gateway', coalesce(ours.id, log.id), coalesce(ours.amount, 0), coalesce(log.amount, 0)) as told
   from log full join ours on ours.id = log.id
   where coalesce(log.amount, 0) <> coalesce(ours.amount, 0)
   limit ${breaksMost}`,
)

/** Money of one leg came in by more than one of its attempts, and not all but one went back. */
const chargedTwice = statement<{ told: string }>(
  'payments.charged_twice',
  `with attempts as (
     select attempt.id, attempt.leg_id, attempt.request_id, attempt.amount_minor, count(*) over (partition by attempt.leg_id) as times
     from unnest($1::bigint[]) as charged (id) join payments.attempt on attempt.id = charged.id
   ), repeated as materialized (select * from attempts where times > 1)
   select format('leg %s of order %s was charged %s times at the gateway and holds more than one of them', leg_id, min(request.order_id), count(*)) as told
   from repeated join payments.request on request.id = repeated.request_id
   where not exists (
     select from payments.follow_up
     where follow_up.request_id = repeated.request_id and follow_up.attempt_id = repeated.id and kind in ('refund', 'credit') and follow_up.state <> 'wallet'
     having sum(follow_up.amount_minor) = repeated.amount_minor)
   group by leg_id having count(*) > 1
   limit ${breaksMost}`,
)

/**
 * Compares with a gateway's own log: every charge, capture and refund there is a success here and the other way round, once
 * each and to the minor unit. What is still open is a break too, if money moved: run the sweep first.
 */
export async function comparePayments(
  read: ReadContext,
  gateway: string,
  movements: readonly GatewayMovement[],
  installation: string,
): Promise<Check[]> {
  const mine = movements.flatMap((movement) => {
    const key = readKey(movement.key)
    return key?.traffic === read.traffic && key.installation === installation ? [{ ...movement, id: key.id }] : []
  })
  const of = (kind: GatewayMovement['kind']) => mine.filter((movement) => movement.kind === kind)
  const charges = of('charge')
  const chargeIds = charges.map(({ id }) => id)
  const disputed = [...of('chargeback'), ...of('chargeback_reversed')]
  const compared: Check[] = []
  const compare = async (check: string, rows: Promise<{ told: string }[]>): Promise<void> => {
    compared.push({ check, breaks: (await rows).map((row) => row.told) })
  }
  await compare(
    `charges equal the log of ${gateway}`,
    read.query(compareCharges, [
      gateway,
      chargeIds,
      charges.map(({ amountMinor }) => amountMinor),
      charges.map(({ currency }) => currency),
    ]),
  )
  for (const kind of ['capture', 'refund'] as const) {
    const told = of(kind)
    const parameters = [gateway, told.map(({ id }) => id), told.map(({ amountMinor }) => amountMinor), kind]
    await compare(`${kind}s equal the log of ${gateway}`, read.query(compareFollowUps, parameters))
  }
  await compare(
    `disputes equal the log of ${gateway}`,
    read.query(compareDisputes, [
      gateway,
      disputed.map(({ id }) => id),
      disputed.map(({ kind, amountMinor }) => (kind === 'chargeback' ? amountMinor : -amountMinor)),
    ]),
  )
  await compare(`no leg is charged twice at ${gateway}`, read.query(chargedTwice, [chargeIds]))
  return compared
}

/** Compares with the logs of all gateways that show theirs. One that can not be read is a break; one that has forgotten proves nothing. */
export async function compareWithLogs(
  database: ContextDatabase,
  scope: Scope,
  gateways: Iterable<PaymentGateway>,
  installation: string,
): Promise<Check[]> {
  const checks: Check[] = []
  for (const { name, readLog } of gateways) {
    if (readLog === undefined) continue
    try {
      const { movements, complete } = await readLog()
      if (complete) checks.push(...(await database.survey(scope, (read) => comparePayments(read, name, movements, installation))))
      else checks.push({ check: `the log of ${name} begins too late to be compared`, breaks: [] })
    } catch (error) {
      checks.push({ check: `the log of ${name} can be read`, breaks: [error instanceof Error ? error.message : String(error)] })
    }
  }
  return checks
}
