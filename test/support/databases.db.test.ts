import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contextNames, statement } from '#platform/database.ts'
import { bothTraffics } from '#platform/request-context.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'

describe('databases of a test file', () => {
  let t: TestDatabases
  beforeAll(async () => {
    t = await openTestDatabases()
  })
  afterAll(() => t.close())

  test('every context reads and writes its own tables in both databases', async () => {
    for (const context of contextNames.filter((name) => name !== 'platform')) {
      const insert = statement(`${context}.test_insert`, `insert into ${context}.id_block (name) values ('made by a test')`)
      const count = statement<{ found: number }>(`${context}.test_count`, `select count(*) as found from ${context}.id_block`)
      for (const scope of [t.live, t.shadow]) {
        await t.databases.of(context).write(scope, (write) => write.query(insert))
        const rows = await t.databases.of(context).read(scope, (read) => read.query(count))
        expect(rows).toEqual([{ found: 1 }])
      }
    }
  })

  test('a role has no way into the database of the other traffic', async () => {
    for (const traffic of bothTraffics) {
      const other = traffic === 'live' ? 'shadow' : 'live'
      const client = new pg.Client({ ...t.login(traffic, 'orders'), database: t.server.databaseOf(other) })
      await expect(client.connect()).rejects.toMatchObject({ code: '42501' })
    }
  })

  test('a role reads no other schema and changes no table', async () => {
    const client = new pg.Client(t.login('live', 'orders'))
    await client.connect()
    try {
      await expect(client.query('select * from payments.outbox')).rejects.toMatchObject({ code: '42501' })
      await expect(client.query('create table orders.mine (id int)')).rejects.toMatchObject({ code: '42501' })
      await expect(client.query('create table public.mine (id int)')).rejects.toMatchObject({ code: '42501' })
      await expect(client.query('create temporary table mine (id int)')).rejects.toMatchObject({ code: '42501' })
      await expect(client.query('drop table orders.outbox')).rejects.toMatchObject({ code: '42501' })
      await expect(client.query('truncate orders.outbox')).rejects.toMatchObject({ code: '42501' })
    } finally {
      await client.end()
    }
  })

  test('a survey sees one instant, changes nothing, and leaves its connection as it was', async () => {
    const orders = t.databases.of('orders')
    const count = statement<{ found: number }>(
      'orders.test_survey',
      `select count(*) as found from orders.id_block where name like 'seen%'`,
    )
    const insert = statement('orders.test_survey_insert', `insert into orders.id_block (name) values ('seen by a survey')`)
    const setting = statement<{ at: string }>('orders.test_setting', `select current_setting('enable_seqscan') as at`)
    const add = () => orders.write(t.live, (write) => write.query(insert))
    const seen = await orders.survey(t.live, async (read) => {
      const before = await read.query(count)
      await add()
      return [before, await read.query(count), await read.query(setting)]
    })
    expect(seen).toEqual([[{ found: 0 }], [{ found: 0 }], [{ at: 'on' }]])
    expect(await orders.read(t.live, (read) => read.query(count))).toEqual([{ found: 1 }])
    await expect(orders.survey(t.live, (read) => read.query(insert))).rejects.toMatchObject({ code: '25006' })
    expect(await orders.read(t.live, (read) => read.query(setting))).toEqual([{ at: 'off' }])
  })

  test('two sets of databases do not see each other', async () => {
    const second = await openTestDatabases()
    try {
      const rows = await (await second.admin('live')).query('select * from orders.id_block')
      expect(rows.rows).toEqual([])
    } finally {
      await second.close()
    }
  })
})
