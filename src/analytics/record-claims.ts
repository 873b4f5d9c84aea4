import type { ClaimFact } from '#orders'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { FactDifference, Stretch } from './record-orders.ts'

/** States with a column that says when each was first entered. */
const states = [
  'requested',
  'approved',
  'rejected',
  'withdrawn',
  'pickup_booked',
  'in_transit',
  'received',
  'inspected',
  'completed',
  'sent_back',
] as const satisfies readonly ClaimFact['state'][]

const told = [
  ['kind', 'text'],
  ['reason', 'text'],
  ['state', 'text'],
  ['asked_quantity', 'integer'],
  ['accepted_quantity', 'integer'],
  ['damaged_quantity', 'integer'],
  ['refused_quantity', 'integer'],
  ['refunded_minor', 'bigint'],
  ...states.map((state) => [`${state}_at`, 'timestamptz'] as const),
  ['steps', 'smallint'],
] as const
const names = told.map(([name]) => name)
const input = `unnest($1::bigint[], $2::bigint[], ${told.map(([, type], index) => `$${index + 3}::${type}[]`).join(', ')})
  as input (claim_id, order_id, ${names.join(', ')})`
const next = told.length + 3
const head = ['order_number', 'store_id', 'customer_id', 'currency']
const of = (alias: string): string => names.map((name) => `${alias}.${name}`).join(', ')

// The head of a claim's order is known by its own fact, which the same transaction has written before.
const upsert = statement<{ changed: number }>(
  'analytics.upsert_claim_fact',
  `with written as (
     insert into analytics.claim_fact as known (claim_id, order_id, ${head.join(', ')}, ${names.join(', ')}, projected_at)
     select input.claim_id, input.order_id, ${head.map((name) => `o.${name}`).join(', ')}, ${of('input')}, $${next}
     from ${input}
       cross join lateral (select ${head.join(', ')} from analytics.order_fact where order_id = input.order_id offset 0) as o
     order by input.claim_id
     on conflict (claim_id) do update set (${names.join(', ')}, projected_at) = row(${of('excluded')}, excluded.projected_at)
     where known.steps <= excluded.steps and (${of('known')}) is distinct from (${of('excluded')})
     returning 1
   ) select count(*)::int as changed from written`,
)

function valuesOf(claims: readonly ClaimFact[]): unknown[] {
  const firstIn = ({ passed }: ClaimFact, state: string): string | null => passed.find((each) => each.state === state)?.at ?? null
  return [
    claims.map(({ claimId }) => claimId),
    claims.map(({ orderId }) => orderId),
    claims.map(({ kind }) => kind),
    claims.map(({ reason }) => reason),
    claims.map(({ state }) => state),
    claims.map(({ askedQuantity }) => askedQuantity),
    claims.map(({ acceptedQuantity }) => acceptedQuantity),
    claims.map(({ damagedQuantity }) => damagedQuantity),
    claims.map(({ refusedQuantity }) => refusedQuantity),
    claims.map(({ refundedMinor }) => refundedMinor),
    ...states.map((state) => claims.map((claim) => firstIn(claim, state))),
    claims.map(({ passed }) => passed.length),
  ]
}

/** Writes what orders say of some claims now; facts of their orders must be there. Returns how many rows were written. */
export async function recordClaims(context: WriteContext, claims: readonly ClaimFact[]): Promise<number> {
  if (claims.length === 0) return 0
  const [row] = await context.query(upsert, [...valuesOf(claims), context.now])
  return row?.changed ?? 0
}

const differences = statement<{ order_id: number; claim_id: number; fresh: boolean; kept: boolean }>(
  'analytics.compare_claim_fact',
  `select coalesce(fresh.order_id, kept.order_id) as order_id, coalesce(fresh.claim_id, kept.claim_id) as claim_id,
     fresh.claim_id is not null as fresh, kept.claim_id is not null as kept
   from (select * from ${input}) as fresh
   full join (select * from analytics.claim_fact where order_id > $${next} and order_id <= $${next + 1}) as kept on kept.claim_id = fresh.claim_id
   where (fresh.claim_id, ${of('fresh')}) is distinct from (kept.claim_id, ${of('kept')}) limit 100`,
)

/** Where kept facts of claims of a stretch of orders differ from fresh ones; at most a hundred. */
export async function compareClaims(
  context: ReadContext,
  claims: readonly ClaimFact[],
  { after, until }: Stretch,
): Promise<FactDifference[]> {
  const rows = await context.query(differences, [...valuesOf(claims), after, until])
  return rows.map((row) => {
    const what = row.fresh ? (row.kept ? 'is not what orders say' : 'is missing') : 'is of no claim'
    return { orderId: row.order_id, about: `claim_fact ${row.claim_id} ${what}` }
  })
}

const drop = statement<{ gone: number }>(
  'analytics.drop_strays_of_claim_fact',
  `with gone as (
     delete from analytics.claim_fact where order_id = any($1::bigint[]) and claim_id <> all($2::bigint[]) returning 1
   ) select count(*)::int as gone from gone`,
)

/** Deletes facts of claims of these orders that a projection of all of them does not have. */
export async function dropStrayClaims(context: WriteContext, orderIds: readonly number[], claims: readonly ClaimFact[]): Promise<number> {
  const [row] = await context.query(drop, [orderIds, claims.map(({ claimId }) => claimId)])
  return row?.gone ?? 0
}

const strays = statement<{ order_id: number }>(
  'analytics.strays_of_claim_fact',
  `select distinct order_id from analytics.claim_fact where order_id > $1 and order_id <= $2 and claim_id <> all($3::bigint[])`,
)

/** Orders of a stretch with facts of claims that the projection has not. */
export async function findStrayClaims(context: ReadContext, claims: readonly ClaimFact[], { after, until }: Stretch): Promise<number[]> {
  return (await context.query(strays, [after, until, claims.map(({ claimId }) => claimId)])).map((row) => row.order_id)
}
