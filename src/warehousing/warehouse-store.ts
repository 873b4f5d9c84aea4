import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { type PickFlow, type ShortPolicy, type SkuType, skuTypes } from './sales-order.ts'

export interface Warehouse {
  readonly warehouse: string
  readonly name: string
  readonly pickFlow: PickFlow
  readonly shortPolicy: ShortPolicy
  /** Kinds of goods that it prepares. */
  readonly skuTypes: readonly SkuType[]
}

const lockAll = statement('warehousing.lock_warehouses', `select pg_advisory_xact_lock(7003, 0)`)

// Kinds come as texts, for arrays of arrays must be of one length.
const upsert = statement(
  'warehousing.put_warehouses',
  `insert into warehousing.warehouse (code, name, pick_flow, short_policy, sku_types, changed_at)
   select code, name, pick_flow, short_policy, sku_types::text[], $6
   from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) as asked (code, name, pick_flow, short_policy, sku_types) order by code
   on conflict (code) do update set name = excluded.name, pick_flow = excluded.pick_flow, short_policy = excluded.short_policy,
     sku_types = excluded.sku_types, changed_at = excluded.changed_at`,
)

const selectAll = statement<Warehouse>(
  'warehousing.warehouses',
  `select code as warehouse, name, pick_flow as "pickFlow", short_policy as "shortPolicy", sku_types as "skuTypes"
   from warehousing.warehouse order by code limit 1000`,
)

/** All warehouses, by code; there are few. */
export const allWarehouses = (context: ReadContext): Promise<Warehouse[]> => context.query(selectAll)

/**
 * Writes warehouses. Every kind of goods is prepared somewhere, always: a command that would leave one without a warehouse is refused. One
 * transaction at a time, which the lock sees to, so that two can not each take one kind away.
 */
export async function putWarehouses(context: WriteContext, commands: readonly Warehouse[]): Promise<Outcome<{ warehouse: string }>[]> {
  await context.query(lockAll)
  const now = new Map((await allWarehouses(context)).map((row) => [row.warehouse, row]))
  const rows = new Map<string, Warehouse>()
  const outcomes = commands.map((command): Outcome<{ warehouse: string }> => {
    const after = new Map(now).set(command.warehouse, command)
    const missing = skuTypes.find((type) => ![...after.values()].some((each) => each.skuTypes.includes(type)))
    if (missing !== undefined)
      return refused(
        'warehousing.nobody_prepares',
        `then no warehouse would prepare ${missing} goods; give them to another one first`,
        '/skuTypes',
      )
    now.set(command.warehouse, command)
    rows.set(command.warehouse, command)
    return accepted({ warehouse: command.warehouse })
  })
  const written = [...rows.values()]
  await context.query(upsert, [
    written.map(({ warehouse }) => warehouse),
    written.map(({ name }) => name),
    written.map(({ pickFlow }) => pickFlow),
    written.map(({ shortPolicy }) => shortPolicy),
    written.map((row) => `{${[...new Set(row.skuTypes)].join(',')}}`),
    context.now,
  ])
  return outcomes
}
