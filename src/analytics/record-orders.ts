import { type FactColumns, itemFactColumns, orderFactColumns, type OrderFacts } from '#orders'
import { type ReadContext, type Statement, statement, type WriteContext } from '#platform/database.ts'

interface Projected {
  readonly table: string
  readonly key: readonly string[]
  readonly columns: Readonly<Record<string, string>>
  readonly upsert: Statement<{ changed: number }>
  readonly strays: Statement<{ order_id: number }>
  readonly drop: Statement<{ gone: number }>
  readonly differences: Statement<{ fresh: Row | null; kept: Row | null }>
}
type Row = Readonly<Record<string, unknown>>

function projectedInto(table: string, key: readonly string[], columns: Readonly<Record<string, string>>): Projected {
  const names = Object.keys(columns)
  const told = names.filter((name) => !key.includes(name))
  // A version says that money of the order changed, too, of which facts of goods know nothing.
  const compared = told.filter((name) => name !== 'order_version')
  const arrays = Object.values(columns).map((type, index) => `$${index + 1}::${type}[]`)
  const input = `unnest(${arrays.join(', ')}) as input (${names.join(', ')})`
  const of = (alias: string, list: readonly string[]): string => list.map((name) => `${alias}.${name}`).join(', ')
  const next = names.length + 1
  return {
    table,
    key,
    columns,
    // What was projected from an older order than the one known is passed over: rebuilding and following may run side by side.
    // An equal version with other contents is an order that was changed by hand.
    upsert: statement(
      `analytics.upsert_${table}`,
      `with written as (
         insert into analytics.${table} as known (${names.join(', ')}, projected_at)
         select ${names.join(', ')}, $${next} from ${input} order by ${key.join(', ')}
         on conflict (${key.join(', ')}) do update set (${told.join(', ')}, projected_at) = row(${of('excluded', told)}, excluded.projected_at)
         where known.order_version < excluded.order_version
           or known.order_version = excluded.order_version and (${of('known', compared)}) is distinct from (${of('excluded', compared)})
         returning 1
       ) select count(*)::int as changed from written`,
    ),
    strays: statement(
      `analytics.strays_of_${table}`,
      `select distinct order_id from analytics.${table} where order_id > $${next} and order_id <= $${next + 1}
         and (${key.join(', ')}) not in (select ${key.join(', ')} from ${input})`,
    ),
    drop: statement(
      `analytics.drop_strays_of_${table}`,
      `with gone as (
         delete from analytics.${table} where order_id = any($${next}::bigint[])
           and (${key.join(', ')}) not in (select ${key.join(', ')} from ${input}) returning 1
       ) select count(*)::int as gone from gone`,
    ),
    differences: statement(
      `analytics.compare_${table}`,
      `select to_jsonb(fresh) as fresh, to_jsonb(kept) - 'projected_at' as kept
       from (select * from ${input}) as fresh
       full join (select * from analytics.${table} where order_id > $${next} and order_id <= $${next + 1}) as kept
         on ${key.map((name) => `kept.${name} = fresh.${name}`).join(' and ')}
       where (${of('fresh', ['order_id', ...compared])}) is distinct from (${of('kept', ['order_id', ...compared])}) limit 100`,
    ),
  }
}

const items = projectedInto('item_fact', ['order_id', 'item_no'], itemFactColumns)
const orders = projectedInto('order_fact', ['order_id'], orderFactColumns)

const valuesOf = ({ columns }: Projected, facts: FactColumns): unknown[] => Object.keys(columns).map((name) => facts.columns[name] ?? '{}')

/** Writes what orders say of some orders now; rows that say it already stay untouched. Returns how many were written. */
export async function recordOrders(context: WriteContext, facts: OrderFacts): Promise<{ items: number; orders: number }> {
  // Always items before orders, by rising key: two writers meet in one order of rows and none waits in a ring.
  const [[itemRows], [orderRows]] = await Promise.all([
    context.query(items.upsert, [...valuesOf(items, facts.items), context.now]),
    context.query(orders.upsert, [...valuesOf(orders, facts.orders), context.now]),
  ])
  return { items: itemRows?.changed ?? 0, orders: orderRows?.changed ?? 0 }
}

/** A stretch of order ids, the first one excluded. */
export interface Stretch {
  readonly after: number
  readonly until: number
}

/** Orders of a stretch that have rows which the projection has not. */
export async function findStrays(context: ReadContext, facts: OrderFacts, { after, until }: Stretch): Promise<number[]> {
  const [itemRows, orderRows] = await Promise.all([
    context.query(items.strays, [...valuesOf(items, facts.items), after, until]),
    context.query(orders.strays, [...valuesOf(orders, facts.orders), after, until]),
  ])
  return [...new Set([...itemRows, ...orderRows].map((row) => row.order_id))]
}

/** Deletes facts of these orders that a projection of all of them does not have. */
export async function dropStrays(context: WriteContext, orderIds: readonly number[], facts: OrderFacts): Promise<number> {
  const [[itemRows], [orderRows]] = await Promise.all([
    context.query(items.drop, [...valuesOf(items, facts.items), orderIds]),
    context.query(orders.drop, [...valuesOf(orders, facts.orders), orderIds]),
  ])
  return (itemRows?.gone ?? 0) + (orderRows?.gone ?? 0)
}

/** A row of facts that is not what orders say, and in what. */
export interface FactDifference {
  readonly orderId: number
  /** Such as `item_fact 12/1: state is paid, orders say shipped`. */
  readonly about: string
}

/** Where kept facts of a stretch differ from fresh ones; at most a hundred of each table. */
export async function compareOrders(context: ReadContext, facts: OrderFacts, { after, until }: Stretch): Promise<FactDifference[]> {
  const found: FactDifference[] = []
  for (const [projected, fresh] of [
    [items, facts.items],
    [orders, facts.orders],
  ] as const) {
    const rows = await context.query(projected.differences, [...valuesOf(projected, fresh), after, until])
    found.push(...rows.map((row) => differenceOf(projected, row)))
  }
  return found
}

function differenceOf({ table, key, columns }: Projected, { fresh, kept }: { fresh: Row | null; kept: Row | null }): FactDifference {
  const known = fresh ?? kept ?? {}
  const name = `${table} ${key.map((column) => String(known[column])).join('/')}`
  const say = (value: unknown): string => (value === null ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value))
  const ways = Object.keys(columns)
    .filter((column) => column !== 'order_version' && fresh?.[column] !== kept?.[column])
    .map((column) => `${column} is ${say(kept?.[column])}, orders say ${say(fresh?.[column])}`)
  const about = fresh === null ? 'orders have no such row' : kept === null ? 'there is no such row' : ways.join('; ')
  return { orderId: Number(known['order_id']), about: `${name}: ${about}` }
}
