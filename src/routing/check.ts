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
    law: 'the used places of a quota are the sum of its ledger',
    sql: `select quota.id from routing.quota
          left join (select quota_id, sum(delta) as used from routing.quota_ledger group by quota_id) as booked on booked.quota_id = quota.id
          where quota.used <> coalesce(booked.used, 0)`,
  },
  {
    law: 'the used places of a quota are the waybills that hold one, those that burnt it, and what checkouts hold',
    sql: `select quota.id from routing.quota
          left join (select quota_id, sum(places) as kept from routing.place_hold group by quota_id) as keeping on keeping.quota_id = quota.id
          left join (select quota_id, count(*) as held from routing.assignment where state = 'assigned' group by quota_id) as holding on holding.quota_id = quota.id
          left join (select quota_id, sum(cardinality(waybill_ids)) as burnt from routing.quota_ledger where kind = 'burn' group by quota_id) as burning
            on burning.quota_id = quota.id
          where quota.used <> coalesce(holding.held, 0) + coalesce(burning.burnt, 0) + coalesce(keeping.kept, 0)`,
  },
  {
    law: 'the committed places of a quota are those that its ledger has as committed',
    sql: `select quota.id from routing.quota
          left join (select quota_id, count(*) as held from routing.assignment where committed group by quota_id) as holding on holding.quota_id = quota.id
          left join (select quota_id, sum(cardinality(waybill_ids)) as noted from routing.quota_ledger where kind = 'commit' group by quota_id) as noting
            on noting.quota_id = quota.id
          where coalesce(holding.held, 0) <> coalesce(noting.noted, 0)`,
  },
  {
    law: 'no quota is sold twice',
    sql: 'select id from routing.quota where used > capacity or used < 0',
  },
  {
    law: 'the load of a route is the sum of its waybills',
    sql: `select route.id from routing.route
          left join (
            select route_id, sum(weight_grams) as weight, sum(volume_ml) as volume, sum(pieces) as pieces, count(*) as stops
            from routing.assignment where state = 'assigned' group by route_id) as held on held.route_id = route.id
          where (route.weight_grams, route.volume_ml, route.pieces, route.stops)
            is distinct from (coalesce(held.weight, 0), coalesce(held.volume, 0), coalesce(held.pieces, 0), coalesce(held.stops, 0))`,
  },
  {
    law: 'no route carries more than its truck can',
    sql: `select id from routing.route
          where weight_grams > weight_capacity_grams or volume_ml > volume_capacity_ml or pieces > pieces_capacity`,
  },
  {
    law: 'frozen and mixed goods ride only in trucks that can carry them',
    sql: `select waybill_id as id from routing.assignment join routing.route on route.id = route_id join routing.vehicle on vehicle.id = route.vehicle_id
          where assignment.state = 'assigned' and vehicle.type not in (sku_type, 'mixed')`,
  },
  {
    law: 'a truck is in one place at a time',
    sql: `select one.id from routing.route as one join routing.route as other
          on other.vehicle_id = one.vehicle_id and other.id > one.id and one.leaves_at < other.returns_at and other.leaves_at < one.returns_at`,
  },
  {
    law: 'the doors of a route that is planned are those of its waybills, each once, and it serves them within its slot and its time',
    sql: `select route.id from routing.route
          left join (select route_id, array_agg(waybill_id order by waybill_id) as waybills from routing.assignment where state = 'assigned' group by route_id)
            as held on held.route_id = route.id
          cross join lateral (
            select array_agg(waybill::bigint order by waybill::bigint) as waybills,
              coalesce(bool_and((door ->> 'arrives')::bigint between extract(epoch from starts_at) and extract(epoch from ends_at)), true) as in_time
            from json_array_elements(route.path) as door cross join json_array_elements_text(door -> 'waybills') as waybill
          ) as planned
          where route.state in ('open', 'locked', 'departed') and (planned.waybills is distinct from held.waybills or not planned.in_time)`,
  },
  {
    law: 'no truck is on its way before all goods that it carries are at the depot',
    sql: `select route.id from routing.route join routing.assignment on assignment.route_id = route.id and assignment.state = 'assigned'
          where route.state in ('open', 'locked', 'departed') and (route.path -> 0 ->> 'arrives')::bigint < extract(epoch from assignment.ready_at)`,
  },
  {
    law: 'no slot has more trucks of a type than its resources',
    sql: `select quota.id from routing.quota
          join routing.route on route.zone_id = quota.zone_id and route.date = quota.date and route.slot_code = quota.slot_code and route.leaves_at is not null
          join routing.vehicle on vehicle.id = route.vehicle_id and vehicle.type = quota.sku_type
          where quota.trucks is not null group by quota.id, quota.trucks having count(*) > quota.trucks`,
  },
  {
    law: 'the state of an assignment is the last one in its history',
    sql: `select assignment.waybill_id as id from routing.assignment
          left join (
            select distinct on (root, entity) root, entity, to_state from routing.change_log where level = 'assignment' order by root, entity, sequence desc, position desc
          ) as last on last.root = assignment.waybill_id and last.entity = assignment.attempt::text
          where last.to_state is distinct from assignment.state`,
  },
]

/** Reads all quotas, routes and assignments and proves the laws of this context; for `check` commands and tests, not for the hot path. */
export async function checkRouting(context: ReadContext): Promise<LawReport[]> {
  const reports: LawReport[] = []
  for (const [index, { law, sql }] of laws.entries()) {
    const counted = statement<{ broken: number; examples: number[] }>(
      `routing.check_${index + 1}`,
      `select count(*)::int as broken, coalesce((array_agg(id))[1:10], '{}') as examples from (${sql}) as breach`,
    )
    const [row] = await context.query(counted)
    reports.push({ law, broken: row?.broken ?? 0, examples: (row?.examples ?? []).map(Number) })
  }
  return reports
}
