import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { ask } from '#platform/prepared-query.ts'
import { parametersOf } from '#platform/sql-arrays.ts'

let t: TestDatabases
let pool: pg.Pool
let admin: pg.Client
beforeAll(async () => {
  t = await openTestDatabases()
  admin = await t.admin('live')
  await admin.query('create table public.shaped (id int primary key, note text)')
  await admin.query(`insert into public.shaped values (1, 'a'), (2, null)`)
  pool = new pg.Pool({ ...t.server.admin('live'), max: 1, pipeline: true })
  // It is cut off when its database is dropped.
  pool.on('connect', (client) => client.on('error', () => undefined))
})
afterAll(async () => {
  await pool.end()
  await t.close()
})

const run = (name: string, text: string, values: readonly unknown[] = []) => ask(pool, { name, text, values: parametersOf(values) })

test('later runs of a statement read the same rows as the first, whichever statements run between', async () => {
  const text = 'select id, note, id = 1 as first, now() - now() as none from public.shaped where id = any($1::int[]) order by id'
  const rows = [
    { id: 1, note: 'a', first: true, none: {} },
    { id: 2, note: null, first: false, none: {} },
  ]
  for (let time = 0; time < 3; time += 1) {
    expect((await run('shaped.read', text, [[1, 2]])).rows).toEqual(rows)
    expect((await run('shaped.read', text, [[]])).rows).toEqual([])
    expect((await run('shaped.count', 'select count(*)::int as n from public.shaped')).rows).toEqual([{ n: 2 }])
  }
})

test('statements without rows, many at once, and one that fails among them', async () => {
  const put = (id: number) => run('shaped.put', 'insert into public.shaped (id, note) values ($1, $2)', [id, 'put'])
  const [first, second, again, last] = await Promise.allSettled([put(10), put(11), put(10), put(12)])
  expect([first?.status, second?.status, again?.status, last?.status]).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  const gone = await run('shaped.drop', 'delete from public.shaped where id >= $1 returning id', [10])
  expect([gone.rowCount, gone.rows.map(({ id }) => id as number)]).toEqual([3, [10, 11, 12]])
})

test('every kind of value goes in as PostgreSQL reads it', async () => {
  const at = new Date('2026-03-02T09:00:00.123Z')
  const text =
    'select $1::text as a, $2::int as b, $3::boolean as c, $4::timestamptz as d, $5::json as e, $6::bytea as f, $7::text as g, $8::text as h'
  for (let time = 0; time < 2; time += 1) {
    const { rows } = await run('shaped.kinds', text, ['x', 7, true, at, { k: [1] }, Buffer.from([0, 255]), null, undefined])
    expect(rows).toEqual([{ a: 'x', b: 7, c: true, d: at, e: { k: [1] }, f: Buffer.from([0, 255]), g: null, h: null }])
  }
})

test('a table whose rows come to look otherwise under a prepared statement is an error, never rows read wrong', async () => {
  const read = () => run('shaped.all', 'select * from public.shaped order by id')
  await read()
  await read()
  await admin.query('alter table public.shaped add column more int default 5')
  await expect(read()).rejects.toMatchObject({ code: '0A000' })
})
