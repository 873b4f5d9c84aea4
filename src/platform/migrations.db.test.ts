import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { type DatabaseServer, describeDatabaseServer } from '#platform/database-server.ts'
import { migrate, pendingMigrations } from '#platform/migrations.ts'
import { contextNames } from '#platform/database.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'

let folder: string
let server: DatabaseServer
let made = 0
const everything: DatabaseServer[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'throughline-migrations-'))
  made += 1
  const name = `migrated_${process.pid}_${made}`
  server = describeDatabaseServer({
    adminUrl: inject('postgresUrl'),
    databases: { live: name, shadow: `${name}_shadow` },
    roleSecret: 'a secret of this test that nobody else has',
  })
  everything.push(server)
})
afterEach(() => rm(folder, { recursive: true }))
afterAll(async () => {
  const client = new pg.Client({ connectionString: inject('postgresUrl') })
  await client.connect()
  for (const { databaseOf, roleOf } of everything) {
    for (const traffic of bothTraffics) {
      await client.query(`drop database if exists ${databaseOf(traffic)} with (force)`)
      for (const context of contextNames) await client.query(`drop role if exists ${roleOf(traffic, context)}`)
    }
  }
  await client.end()
})

async function put(file: string, sql: string): Promise<void> {
  await mkdir(join(folder, file, '..'), { recursive: true })
  await writeFile(join(folder, file), sql)
}

async function as<T>(config: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(config)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const rowsOf = (traffic: Traffic, sql: string) => as(server.admin(traffic), async (client) => (await client.query(sql)).rows as unknown[])

describe('migrations', () => {
  test('go into both databases once, in order, and tell what they applied', async () => {
    await put('orders/0002_more.sql', 'alter table orders.thing add column name text')
    await put('orders/0001_first.sql', 'create table orders.thing (id bigint primary key)')
    const applied = await migrate(server, { folder })
    expect(applied).toEqual([
      { traffic: 'live', file: 'orders/0001_first.sql' },
      { traffic: 'live', file: 'orders/0002_more.sql' },
      { traffic: 'shadow', file: 'orders/0001_first.sql' },
      { traffic: 'shadow', file: 'orders/0002_more.sql' },
    ])
    expect(await migrate(server, { folder })).toEqual([])
  })

  test('by two migrators at once are applied once', async () => {
    await put('orders/0001_first.sql', 'create table orders.thing (id bigint primary key)')
    const both = await Promise.all([migrate(server, { folder }), migrate(server, { folder })])
    expect(both.flat()).toHaveLength(2)
  })

  test('that were changed after they had been applied are refused by name', async () => {
    await put('orders/0001_first.sql', 'create table orders.thing (id bigint primary key)')
    await migrate(server, { folder })
    await put('orders/0001_first.sql', 'create table orders.thing (id bigint primary key, name text)')
    await expect(migrate(server, { folder })).rejects.toThrow('orders/0001_first.sql was changed after it had been applied')
  })

  test('with other line ends are the same migrations', async () => {
    await put('orders/0001_first.sql', '-- Lock: none.\ncreate table orders.thing (id bigint primary key)')
    await migrate(server, { folder })
    await put('orders/0001_first.sql', '-- Lock: none.\r\ncreate table orders.thing (id bigint primary key)')
    expect(await migrate(server, { folder })).toEqual([])
  })

  test('whose file is gone, or that come too late, are refused by name', async () => {
    await put('orders/0002_second.sql', 'create table orders.thing (id bigint primary key)')
    await migrate(server, { folder })
    await put('orders/0001_late.sql', 'select 1')
    await expect(migrate(server, { folder })).rejects.toThrow('orders/0001_late.sql comes before orders/0002_second.sql')
    await rm(join(folder, 'orders/0002_second.sql'))
    await expect(migrate(server, { folder })).rejects.toThrow('orders/0002_second.sql was applied to this database but its file is gone')
  })

  test('with the same number or without one are refused before anything is done', async () => {
    await put('orders/0001_one.sql', 'select 1')
    await put('orders/0001_two.sql', 'select 1')
    await expect(migrate(server, { folder })).rejects.toThrow('orders/0001_two.sql has a number that another file has')
    await rm(join(folder, 'orders/0001_two.sql'))
    await put('orders/fix.sql', 'select 1')
    await expect(migrate(server, { folder })).rejects.toThrow('orders/fix.sql must be named')
  })

  test('that fail leave nothing behind and name their file and line', async () => {
    await put('orders/0001_first.sql', 'create table orders.thing (id bigint primary key)')
    await put('orders/0002_broken.sql', 'create table orders.other (id bigint);\n\ninsert into orders.nowhere values (1);')
    await expect(migrate(server, { folder })).rejects.toThrow('orders/0002_broken.sql (line 3) failed and nothing of it was applied')
    expect(await rowsOf('live', `select to_regclass('orders.other') as found`)).toEqual([{ found: null }])
    expect(await rowsOf('live', 'select file from platform.migration')).toEqual([{ file: 'orders/0001_first.sql' }])
    await put('orders/0002_broken.sql', 'create table orders.other (id bigint)')
    expect(await migrate(server, { folder })).toContainEqual({ traffic: 'live', file: 'orders/0002_broken.sql' })
  })

  test('that are still to come can be asked for', async () => {
    await put('orders/0001_first.sql', 'create table orders.thing (id bigint primary key)')
    await migrate(server, { folder })
    await put('payments/0001_legs.sql', 'create table payments.leg (id bigint primary key)')
    expect(await pendingMigrations(server, 'live', { folder: folder })).toEqual(['payments/0001_legs.sql'])
  })
})

describe('roles', () => {
  beforeEach(async () => {
    await put(
      'orders/0001_first.sql',
      'create table orders.thing (id bigint); create table orders.change (id bigint generated always as identity, cause text)',
    )
    await put('payments/0001_first.sql', 'create table payments.thing (id bigint)')
    await migrate(server, { folder })
  })
  const refusedBy = (traffic: Traffic, sql: string) =>
    as(server.loginFor(traffic, 'orders'), (client) => expect(client.query(sql), sql).rejects.toMatchObject({ code: '42501' }))

  test('write the rows of their own schema and may add to history, never alter it', async () => {
    await as(server.loginFor('live', 'orders'), async (client) => {
      await client.query('insert into orders.thing values (1); update orders.thing set id = 2; delete from orders.thing')
      await client.query(`insert into orders.change (cause) values ('placed')`)
      expect((await client.query('select cause from orders.change')).rows).toEqual([{ cause: 'placed' }])
    })
    await refusedBy('live', `update orders.change set cause = 'by nobody'`)
    await refusedBy('live', 'delete from orders.change')
    await refusedBy('live', 'truncate orders.change')
  })

  test('have no rights on tables of others, on the record of migrations, or to make anything', async () => {
    await refusedBy('shadow', 'select * from payments.thing')
    await refusedBy('shadow', 'select * from platform.migration')
    await refusedBy('shadow', 'create schema mine')
    await refusedBy('shadow', 'alter table orders.thing add column more int')
    await refusedBy('shadow', 'drop table orders.thing')
    const platform = server.loginFor('live', 'platform')
    await as(platform, (client) => expect(client.query('delete from platform.migration')).rejects.toMatchObject({ code: '42501' }))
  })

  test('cannot log in to the database of the other traffic, nor take the name of another role', async () => {
    for (const traffic of bothTraffics) {
      const other = traffic === 'live' ? 'shadow' : 'live'
      const astray = { ...server.loginFor(traffic, 'orders'), database: server.databaseOf(other) }
      await expect(as(astray, async () => {})).rejects.toMatchObject({ code: '42501' })
    }
    await refusedBy('shadow', `set role ${server.roleOf('live', 'orders')}`)
  })

  test('get rights on new tables, and new passwords with a new secret', async () => {
    await put('orders/0002_more.sql', 'create table orders.later (id bigint)')
    const rotated = describeDatabaseServer({
      adminUrl: inject('postgresUrl'),
      databases: { live: server.databaseOf('live'), shadow: server.databaseOf('shadow') },
      roleSecret: 'another secret, taken when the first was seen',
    })
    await migrate(rotated, { folder })
    await as(rotated.loginFor('live', 'orders'), (client) => client.query('insert into orders.later values (1)'))
    await expect(as(server.loginFor('live', 'orders'), async () => {})).rejects.toMatchObject({ code: '28P01' })
  })
})
