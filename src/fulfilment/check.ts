import { type ReadContext, statement } from '#platform/database.ts'

/** One law of the context and how many rows break it. */
export interface LawReport {
  readonly law: string
  readonly broken: number
  /** Up to ten ids of rows that break it. */
  readonly examples: readonly number[]
}

const laws: readonly { law: string; sql: string }[] = [
  {
    law: 'the state of a waybill is the last one in its history',
    sql: `select waybill.id from fulfilment.waybill
          left join (
            select distinct on (root) root, coalesce(states[cardinality(states)], to_states[cardinality(to_states)]) as state from fulfilment.change
            where coalesce(level, levels[1]) = 'waybill' order by root, id desc
          ) as last on last.root = waybill.id
          where last.state is distinct from waybill.state`,
  },
  {
    law: 'the history of a waybill has no gap: each change starts where the one before ended',
    sql: `select root as id from (
            select root, from_state, coalesce(lag(to_state) over (partition by root order by sequence, position), '') as before
            from fulfilment.change_log where level = 'waybill') as step
          where from_state <> before`,
  },
  {
    law: 'an item of an order is in one waybill that brings it, those that were called off aside',
    sql: `select min(waybill.id) as id from fulfilment.waybill
          cross join lateral json_array_elements(waybill.items) as item
          where purpose <> 'return' and state <> 'cancelled' group by order_id, item ->> 'itemNo' having count(*) > 1`,
  },
  {
    law: 'a waybill on its way to the door has a route',
    sql: `select id from fulfilment.waybill where route_id is null
          and state in ('routed', 'released', 'acknowledged', 'picked', 'packed', 'staged', 'loaded', 'out_for_delivery', 'arrived')`,
  },
  {
    law: 'the load of a waybill is the sum of its items',
    sql: `select waybill.id from fulfilment.waybill
          cross join lateral (
            select sum((item ->> 'weightGrams')::bigint) as weight, sum((item ->> 'volumeMl')::bigint) as volume, sum((item ->> 'quantity')::bigint) as pieces
            from json_array_elements(waybill.items) as item) as total
          where (waybill.weight_grams, waybill.volume_ml, waybill.pieces) is distinct from (total.weight, total.volume, total.pieces)`,
  },
  {
    law: 'a waybill that brings goods back or replaces others points at the one of its order that it goes back to',
    sql: `select waybill.id from fulfilment.waybill left join fulfilment.waybill as origin on origin.id = waybill.origin_id
          where (waybill.purpose = 'return' and waybill.origin_id is null)
             or (waybill.origin_id is not null and (origin.id is null or origin.order_id <> waybill.order_id))`,
  },
  {
    law: 'the holds that a waybill shows are those that are open',
    sql: `select waybill.id from fulfilment.waybill
          left join (select waybill_id, array_agg(distinct kind order by kind) as kinds from fulfilment.hold where released_at is null group by waybill_id) as held
            on held.waybill_id = waybill.id
          where waybill.holds <> coalesce(held.kinds, '{}')`,
  },
]

/** Reads every waybill and proves the laws of this context; for `check` commands and tests, not for the hot path. */
export async function checkFulfilment(context: ReadContext): Promise<LawReport[]> {
  const reports: LawReport[] = []
  for (const [index, { law, sql }] of laws.entries()) {
    const counted = statement<{ broken: number; examples: number[] }>(
      `fulfilment.check_${index + 1}`,
      `select count(*)::int as broken, coalesce((array_agg(id))[1:10], '{}') as examples from (${sql}) as breach`,
    )
    const [row] = await context.query(counted)
    reports.push({ law, broken: row?.broken ?? 0, examples: (row?.examples ?? []).map(Number) })
  }
  return reports
}
