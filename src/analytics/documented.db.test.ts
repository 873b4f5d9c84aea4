import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { factTables } from '#analytics'
import { itemFactColumns, orderFactColumns } from '#orders'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'

let t: TestDatabases
let rows: <Row>(text: string, values?: unknown[]) => Promise<Row[]>
beforeAll(async () => {
  t = await openTestDatabases()
  const admin = await t.admin('live')
  rows = async <Row>(text: string, values: unknown[] = []) => (await admin.query(text, values)).rows as Row[]
})
afterAll(() => t.close())

test('every table of facts and each of its columns says what it is', async () => {
  const described = await rows<{ name: string; about: string | null }>(
    `select c.relname || coalesce('.' || a.attname, '') as name, col_description(c.oid, a.attnum) as about
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = 'analytics'::regnamespace and (c.relname like '%\\_fact' or c.relname = 'order_money') and c.relkind in ('r', 'v')
     union all
     select relname, obj_description(oid) from pg_class
     where relnamespace = 'analytics'::regnamespace and (relname like '%\\_fact' or relname = 'order_money') and relkind in ('r', 'v')`,
  )
  expect(described.length).toBeGreaterThan(130)
  expect(described.filter(({ about }) => about === null || about.length < 5)).toEqual([])
  expect(factTables.map(({ name }) => name).filter((name) => !described.some((each) => each.name === name))).toEqual([])
})

test('what orders project is what the tables keep, column by column and type by type', async () => {
  const typesOf = async (table: string) => {
    const columns = await rows<{ name: string; type: string }>(
      `select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = $1::regclass and attnum > 0`,
      [`analytics.${table}`],
    )
    return Object.fromEntries(columns.filter(({ name }) => name !== 'projected_at').map(({ name, type }) => [name, type]))
  }
  const long = (columns: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, type === 'timestamptz' ? 'timestamp with time zone' : type]))
  expect(await typesOf('item_fact')).toEqual(long(itemFactColumns))
  expect(await typesOf('order_fact')).toEqual(long(orderFactColumns))
})

test('every statement of the page for analysts runs, the grants as well, and whoever has them sees facts and no more', async () => {
  const page = await readFile(join(import.meta.dirname, '../../docs/operating/facts.md'), 'utf8')
  const statements = [...page.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, sql = '']) => sql)
  expect(statements).toHaveLength(4)
  // Roles belong to the server: this one is of this test run alone, and goes with its transaction.
  await rows('begin')
  const own = (sql: string) => sql.replaceAll('analyst', `analyst_${process.pid}`)
  const item = `insert into analytics.item_fact (order_id, item_no, order_number, store_id, customer_id, channel, currency, section_no, part, sku, sku_type,
    quantity, unit_price_minor, discount_minor, tax_minor, line_total_minor, state, placed_at, shipped_at, delivered_at, order_version, projected_at)
    select 1, no, 'TL-1', 'main', 'c', 'web', 'CAD', 1, 0, 'tea', 'dry', 2, 100, 0, 0, 200, 'delivered', '2026-03-02Z', '2026-03-03Z',
    timestamptz '2026-03-04Z' + no * interval '1 hour', 3, now() from generate_series(1, 10) as no`
  const payment = `insert into analytics.payment_fact select kind, 1, 1, 1, 0, 1, 'main', 'c', 'pg1', 'ch_1', 'card', amount, 'CAD', reason, false, '2026-03-02Z'
    from (values ('captured', 1000, ''), ('refunded', 300, 'goodwill: late')) as of (kind, amount, reason)`
  const claim = `insert into analytics.claim_fact (claim_id, order_id, order_number, store_id, customer_id, currency, kind, reason, state, asked_quantity,
    accepted_quantity, damaged_quantity, refused_quantity, refunded_minor, requested_at, steps, projected_at)
    values (1001, 1, 'TL-1', 'main', 'c', 'CAD', 'return', 'too small', 'sent_back', 3, 2, 0, 1, 200, '2026-03-05Z', 6, now())`
  for (const sql of [item, payment, claim, statements[0] ?? '']) await rows(own(sql))
  const [payments, claims, times] = await Promise.all(statements.slice(1).map((sql) => rows(sql)))
  expect(payments).toMatchObject([{ gateway: 'pg1', means: 'card', payments: '1', taken_minor: '1000', given_back_minor: '300' }])
  expect(claims).toMatchObject([
    { what: 'refund', reason: 'goodwill', times: '1', given_back_minor: '300' },
    { what: 'claim: return', reason: 'too small', pieces: '3', refused: '1', given_back_minor: '200' },
  ])
  expect(times).toMatchObject([
    { sku_type: 'dry', rows: '10', pieces: '20', half_within: { days: 2, hours: 5 }, nine_of_ten_within: { days: 2, hours: 9 } },
  ])
  await rows(`set local role analyst_${process.pid}`)
  for (const { name } of factTables) expect((await rows(`select * from analytics.${name} limit 1`)).length).toBeLessThan(2)
  await expect(rows('select * from analytics.outbox')).rejects.toThrow('permission denied')
  await rows('rollback')
})
