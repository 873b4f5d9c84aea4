import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { statement } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { untilTrue } from '#test/until.ts'

const pidOf = statement<{ pid: number }>('orders.test_pid', 'select pg_backend_pid() as pid')
const lease = statement(
  'orders.test_lease',
  `insert into orders.id_block (name) values ('broken') on conflict (name) do update set next_block = id_block.next_block + 1`,
)

describe('a connection that breaks', () => {
  let t: TestDatabases
  let admin: pg.Client
  beforeAll(async () => {
    t = await openTestDatabases()
    admin = await t.admin('live')
  })
  afterAll(() => t.close())

  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  /** Ends a backend, and returns when its end has been read here, while nothing was being asked. */
  const end = async (pid: number): Promise<void> => {
    const before = sockets()
    await admin.query('select pg_terminate_backend($1)', [pid])
    await untilTrue(() => sockets() < before, 5_000, 'the closed socket')
  }
  const rows = async () => (await admin.query(`select next_block from orders.id_block where name = 'broken'`)).rows

  test('between two statements of a transaction fails that transaction, not the process, and the next one has another connection', async () => {
    const orders = t.databases.of('orders')
    const broken = orders.write(t.live, async (write) => {
      await write.query(lease)
      const [backend] = await write.query(pidOf)
      await end(backend?.pid ?? 0)
      await write.query(lease)
    })
    await expect(broken).rejects.toThrow('not queryable')
    expect(await rows()).toEqual([])
    await orders.write(t.live, (write) => write.query(lease))
    expect(await rows()).toEqual([{ next_block: '1' }])
  })

  test('is replaced within the call where the work may be run again', async () => {
    let runs = 0
    await t.databases.of('orders').write(
      t.live,
      async (write) => {
        runs += 1
        await write.query(lease)
        const [backend] = await write.query(pidOf)
        if (runs === 1) await end(backend?.pid ?? 0)
        await write.query(lease)
      },
      { repeatable: true },
    )
    expect(runs).toBe(2)
    // Once before, and the two of the second run: nothing of the first is left.
    expect(await rows()).toEqual([{ next_block: '3' }])
  })

  test('before its BEGIN was read fails the transaction once, and is replaced where the work may be run again', async () => {
    const orders = t.databases.of('orders')
    const before = (await rows()) as { next_block: string }[]
    for (const repeatable of [false, true]) {
      const [backend] = await orders.write(t.live, (write) => write.query(pidOf))
      const pid = backend?.pid ?? 0
      // Held still, so that the transaction's first statements wait in the socket and meet the word of the end.
      process.kill(pid, 'SIGSTOP')
      const written = orders
        .write(t.live, (write) => write.query(lease), { repeatable })
        .then(
          () => 'written',
          () => 'refused',
        )
      await admin.query('select pg_terminate_backend($1)', [pid])
      process.kill(pid, 'SIGCONT')
      expect(await written).toBe(repeatable ? 'written' : 'refused')
    }
    expect(await rows()).toEqual([{ next_block: String(Number(before[0]?.next_block) + 1) }])
  })
})
