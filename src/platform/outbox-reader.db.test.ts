import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { openDatabases } from '#platform/database.ts'
import { OutboxReader } from '#platform/outbox-reader.ts'

let t: TestDatabases

beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

test('who asks in one turn is answered by one statement, with the rows behind its own place and no more than it wants', async () => {
  const reads: string[] = []
  const databases = openDatabases({
    login: t.login,
    clock: t.clock,
    maxConnections: 4,
    statementTimeoutMs: 30_000,
    observe: (_context, _traffic, name) => void reads.push(name),
  })
  const types = Array.from({ length: 500 }, (_, n) => (n % 2 === 0 ? 'test.even' : 'test.odd'))
  await t.databases
    .of('orders')
    .write(t.live, (context) => context.announce(types.map((type, n) => ({ key: `k${n}`, type, payload: { n } }))))
  const reader = new OutboxReader(databases, 'orders', t.live)
  const [first] = await reader.after(0, [], 1)
  const start = (first?.id ?? 0) - 1
  reads.length = 0
  const [all, two, behind, far] = await Promise.all([
    reader.after(start, ['test.even'], 300),
    reader.after(start, ['test.even'], 2),
    reader.after(start + 10, ['test.odd'], 256),
    reader.after(start + 450, ['test.odd'], 256),
  ])
  // The last one stands too far away to be read for by the same statement.
  expect(reads).toEqual(['orders.read_outbox', 'orders.read_outbox'])
  expect(all?.map(({ id }) => id - start)).toEqual(Array.from({ length: 300 }, (_, n) => n + 1))
  expect(two?.map(({ payload }) => payload)).toEqual([{ n: 0 }, { n: 1 }])
  expect([behind?.length, behind?.[0]?.id, behind?.[1]?.payload]).toEqual([256, start + 11, { n: 11 }])
  expect([far?.length, far?.[0]?.id, far?.[0]?.payload, far?.[1]?.payload]).toEqual([50, start + 451, null, { n: 451 }])
  // Whoever stands behind the lowest gets as much as it wants all the same: a batch that is not full would pass for the end of a backlog.
  const [, later] = await Promise.all([reader.after(start, [], 100), reader.after(start + 50, [], 100)])
  expect([later?.length, later?.at(-1)?.id]).toEqual([100, start + 150])
  await databases.close()
})

test('a question that fails fails for all that asked together, and the next one is answered', async () => {
  const databases = openDatabases({ login: t.login, clock: t.clock, maxConnections: 4, statementTimeoutMs: 30_000 })
  const reader = new OutboxReader(databases, 'orders', t.live)
  const answers = await Promise.allSettled([reader.after(0, [], -1), reader.after(0, [], -2)])
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await reader.after(0, [], 1)).toHaveLength(1)
  await databases.close()
})
