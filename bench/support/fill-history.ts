import pg from 'pg'
import { idsPerBlock } from '#platform/id-blocks.ts'
import { orderNumberOf } from '#orders'
import { seeded } from '#partners/made-city/index.ts'
import type { BenchHouse } from './server-process.ts'
import { columnsOf, copiedTables, copyStatement, type Strides, templateOf } from './copy-tables.ts'
import { liveOneDay, ordersWithWaybills } from './template-day.ts'

export interface Fill {
  readonly days: number
  readonly ordersPerDay: number
  /** Orders that are really placed and delivered; each day is so many copies of them. */
  readonly template: number
  readonly waybillsAnOrder: number
  readonly say: (line: string) => void
}

/** Copies written by one statement. */
const copiesAtOnce = 20
/** As many as the cores that the figures of this project are measured on. */
const tablesAtOnce = 2

/**
 * With this level PostgreSQL writes no log for rows of a table that was emptied in the same transaction: it syncs the table when that
 * ends. The log of the copies would be as large as what it is about. It takes effect at the next start of the server.
 */
export const loadSettings = { wal_level: 'minimal', max_wal_senders: '0', max_wal_size: '6GB', autovacuum: 'off' } as const

/** The day that all others are made from, lived through every operation. */
export async function liveTemplate(house: BenchHouse, { template, waybillsAnOrder, say }: Fill): Promise<void> {
  const core = await house.core()
  try {
    await liveOneDay(core, ordersWithWaybills(house, template, waybillsAnOrder), say)
  } finally {
    await core.close()
  }
  say('the day that the others are made from has been lived')
}

/**
 * Fills a database with days of history: the rows of the day that was lived are copied with other ids, numbers, customers and days
 * by statements over whole tables, so that what the laws of `check` say of one copy they say of all.
 */
export async function fillHistory(house: BenchHouse, { days, ordersPerDay, template, say }: Fill): Promise<void> {
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  try {
    const copiesPerDay = Math.max(1, Math.round(ordersPerDay / template))
    const strides = await keepTemplate(admin)
    await admin.query(`create table history.copy as select k::int, ((k - 1) / $1)::int + 1 as back from generate_series(1, $2::int) as k`, [
      copiesPerDay,
      copiesPerDay * days,
    ])
    await admin.query('create unique index on history.copy (k)')
    await makeNumbers(admin, strides, copiesPerDay * days)
    await foldBack(admin, days)
    await copyCapacity(admin, { days, copiesPerDay, strides })
    // Largest tables take turns with the others; each worker has a connection, and so a process of PostgreSQL, of its own.
    const left = [...copiedTables]
    const work = async (): Promise<void> => {
      const client = new pg.Client(house.engines.server.admin('live'))
      await client.connect()
      try {
        await settle(client)
        for (let table = left.shift(); table !== undefined; table = left.shift())
          await copyTable(client, { table, strides, copies: copiesPerDay * days, say })
      } finally {
        await client.end()
      }
    }
    await Promise.all(Array.from({ length: tablesAtOnce }, work))
    await moveOn(admin, strides, copiesPerDay * days)
    await admin.query('drop schema history cascade')
    await admin.query(`vacuum (analyze) ${await unseenTables(admin)}`)
    say('vacuumed and analysed')
  } finally {
    await admin.end()
  }
}

interface TableCopy {
  readonly table: (typeof copiedTables)[number]
  readonly strides: Strides
  readonly copies: number
  readonly say: (line: string) => void
}

/** One table: emptied, the lived day, all copies of it, and then its indexes, in one transaction. */
async function copyTable(client: pg.Client, { table, strides, copies, say }: TableCopy): Promise<void> {
  const began = performance.now()
  const columns = await columnsOf(client, table.name)
  const insert = copyStatement(table, columns, strides)
  await client.query('begin')
  const indexes = await dropIndexes(client, table.name)
  await client.query(`truncate ${table.name}`)
  const names = columns.map(({ column }) => column).join(', ')
  await client.query(`insert into ${table.name} (${names}) overriding system value select ${names} from ${templateOf(table.name)}`)
  let rows = 0
  for (let from = 1; from <= copies; from += copiesAtOnce)
    rows += (await client.query(insert, [from, Math.min(from + copiesAtOnce, copies + 1)])).rowCount ?? 0
  const written = performance.now()
  for (const index of indexes) await client.query(index)
  await client.query('commit')
  const indexed = performance.now()
  // At once, while its pages are still in memory. It marks which pages all can see, for reads that an index alone answers; not where the other
  // worker's transaction is older.
  await client.query(`vacuum (analyze) ${table.name}`)
  const seconds = (from: number, until: number): string => ((until - from) / 1000).toFixed(0)
  say(
    `${table.name}: ${rows} rows in ${seconds(began, written)} s, indexes in ${seconds(written, indexed)} s, vacuumed in ${seconds(indexed, performance.now())} s`,
  )
}

/** Tables that no copy was made of, and those that were vacuumed while an older copy was under way, when no page could be marked; as VACUUM takes them. */
async function unseenTables(admin: pg.Client): Promise<string> {
  const { rows } = await admin.query<{ tables: string }>(
    `select string_agg(format('%I.%I', schemaname, s.relname), ', ') as tables from pg_stat_user_tables s join pg_class c on c.oid = s.relid
     where c.relallvisible < c.relpages * 0.9 or c.reltuples = -1`,
  )
  return rows[0]?.tables ?? ''
}

/** Triggers note what is changed by hand, and keys between tables hold by construction. */
async function settle(client: pg.Client): Promise<void> {
  for (const setting of [
    'session_replication_role = replica',
    'synchronous_commit = off',
    `work_mem = '256MB'`,
    `maintenance_work_mem = '1GB'`,
  ])
    await client.query(`set ${setting}`)
}

/** Sets the template's rows aside, so that copies are not copied, and finds how far apart ids must be. */
async function keepTemplate(admin: pg.Client): Promise<Strides> {
  await settle(admin)
  await admin.query('create schema history')
  for (const { name } of copiedTables) await admin.query(`create table ${templateOf(name)} as table ${name}`)
  const after = async (text: string): Promise<number> =>
    Number((await admin.query<{ n: string }>(`select coalesce(max(id), 0) + 1 as n from ${text}`)).rows[0]?.n)
  const blocks = (ids: number): number => Math.ceil(ids / idsPerBlock) * idsPerBlock
  const serial = new Map<string, number>()
  for (const { name, columns } of copiedTables) if (columns['id'] === 'serial') serial.set(name, await after(name))
  return {
    order: blocks(await after('orders.orders')),
    payment: blocks(
      await after(
        '(select id from payments.request union all select id from payments.leg union all select id from payments.attempt) as ids',
      ),
    ),
    waybill: await after('fulfilment.waybill'),
    shipment: await after('tracking.shipment'),
    sales_order: await after('warehousing.sales_order'),
    quota: await after('routing.quota'),
    route: await after('routing.route'),
    serial,
  }
}

/** Order numbers are made from ids by a rule of our code, so they are made here and read by the statements. */
async function makeNumbers(admin: pg.Client, strides: Strides, copies: number): Promise<void> {
  await admin.query('create table history.number (order_id bigint, number text)')
  const { rows } = await admin.query<{ id: string; prefix: string }>(
    `select o.id, s.prefix from ${templateOf('orders.orders')} o join orders.store s on s.id = o.store_id order by o.id`,
  )
  const random = seeded(4711)
  for (let k = 1; k <= copies; k += 10) {
    const ids: number[] = []
    const numbers: string[] = []
    for (let copy = k; copy < Math.min(k + 10, copies + 1); copy += 1) {
      for (const { id, prefix } of rows) {
        const at = Number(id) + copy * strides.order
        ids.push(at)
        numbers.push(orderNumberOf(prefix, at, 'live', random))
      }
    }
    await admin.query('insert into history.number select * from unnest($1::bigint[], $2::text[])', [ids, numbers])
  }
  await admin.query('create unique index on history.number (order_id) include (number)')
  await admin.query('analyze history.number')
}

/** Where shipments stand, with every instant in it so many days earlier. */
async function foldBack(admin: pg.Client, days: number): Promise<void> {
  await admin.query('create table history.projection (shipment_id bigint, back int, projection json)')
  const { rows } = await admin.query<{ id: string; projection: string }>(
    `select id, projection::text as projection from ${templateOf('tracking.shipment')}`,
  )
  for (let back = 1; back <= days; back += 1) {
    const earlier = rows.map(({ projection }) =>
      projection.replaceAll(/(?<=[:[,])\d{13}(?=[,}\]])/g, (instant) => String(Number(instant) - back * 86_400_000)),
    )
    await admin.query(
      'insert into history.projection select id, $3, projection from unnest($1::bigint[], $2::json[]) as p (id, projection)',
      [rows.map(({ id }) => id), earlier, back],
    )
  }
  await admin.query('create unique index on history.projection (back, shipment_id)')
  await admin.query('analyze history.projection')
}

interface Capacity {
  readonly days: number
  readonly copiesPerDay: number
  readonly strides: Strides
}

/** Slots and quotas of the days before, large enough for all copies of a day, and the routes of each copy: as long as a truck can be. */
async function copyCapacity(admin: pg.Client, { days, copiesPerDay, strides }: Capacity): Promise<void> {
  const day = (column: string): string => `to_char(${column}::date - back, 'YYYY-MM-DD')`
  const used = `(select min(date)::date as first, max(date)::date - min(date)::date + 1 as span from routing.quota where used > 0)`
  const { rows } = await admin.query<{ span: number }>(`select coalesce(max(span), 0)::int as span from ${used} as of`)
  // Copied days must not fall onto each other nor onto the days that are still to come.
  if ((rows[0]?.span ?? 0) < 1) throw new Error('the template has no assigned waybill')
  for (const statement of [
    'create table history.quota as select * from routing.quota where used > 0',
    'create table history.route as select * from routing.route where stops > 0',
    'create table history.slot as select distinct s.* from routing.slot s join history.quota q on (q.zone_id, q.date, q.slot_code) = (s.zone_id, s.date, s.code)',
    `insert into routing.zone_day (zone_id, date) select distinct zone_id, ${day('date')} from history.slot, generate_series(1, ${days}) as back on conflict do nothing`,
    `insert into routing.slot (zone_id, date, code, starts_at, ends_at, cut_off_at)
     select zone_id, ${day('date')}, code, starts_at - back * interval '1 day', ends_at - back * interval '1 day', cut_off_at - back * interval '1 day'
     from history.slot, generate_series(1, ${days}) as back on conflict do nothing`,
    `insert into routing.quota (id, zone_id, date, slot_code, sku_type, capacity, used) overriding system value
     select id + back * ${strides.quota}, zone_id, ${day('date')}, slot_code, sku_type, capacity * ${copiesPerDay}, used * ${copiesPerDay}
     from history.quota, generate_series(1, ${days}) as back`,
    `insert into routing.route (id, zone_id, date, slot_code, vehicle_id, starts_at, ends_at, weight_capacity_grams, volume_capacity_ml, pieces_capacity,
       weight_grams, volume_ml, pieces, stops, state) overriding system value
     select id + k::bigint * ${strides.route}, zone_id, ${day('date')}, slot_code, vehicle_id, starts_at - back * interval '1 day', ends_at - back * interval '1 day',
       weight_capacity_grams, volume_capacity_ml, pieces_capacity, weight_grams, volume_ml, pieces, stops, 'ended'
     from history.route, history.copy`,
  ])
    await admin.query(statement)
}

/**
 * Indexes are built anew when all rows are there: one sort instead of a look-up a row. Returns how to build them: what refers to a key
 * goes before it and comes after it.
 */
async function dropIndexes(admin: pg.Client, table: string): Promise<string[]> {
  const { rows } = await admin.query<{ drop: string; build: string }>(
    `select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop,
       format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as build, contype = 'f' as refers
     from pg_constraint
     where (conrelid = $1::regclass and contype in ('p', 'u')) or (confrelid = $1::regclass and contype = 'f')
     union all
     select format('drop index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid), false from pg_index i
     where i.indrelid = $1::regclass and not exists (select from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u'))
     order by refers desc`,
    [table],
  )
  for (const { drop } of rows) await admin.query(drop)
  return rows.map(({ build }) => build).toReversed()
}

/** What gives out ids goes on after the last copy. */
async function moveOn(admin: pg.Client, strides: Strides, copies: number): Promise<void> {
  const block = (stride: number): number => ((copies + 1) * stride) / idsPerBlock + 1
  await admin.query(`update orders.id_block set next_block = greatest(next_block, $1)`, [block(strides.order)])
  await admin.query(`update payments.id_block set next_block = greatest(next_block, $1)`, [block(strides.payment)])
  const identities = [...copiedTables.map(({ name }) => name), 'routing.quota', 'routing.route']
  for (const name of identities) {
    const { rows } = await admin.query<{ sequence: string | null }>(
      `select case when exists (select from information_schema.columns where table_schema = split_part($1, '.', 1)
         and table_name = split_part($1, '.', 2) and column_name = 'id' and is_identity = 'YES') then pg_get_serial_sequence($1, 'id') end as sequence`,
      [name],
    )
    const sequence = rows[0]?.sequence
    if (sequence) await admin.query(`select setval($1, (select max(id) from ${name}))`, [sequence])
  }
}
