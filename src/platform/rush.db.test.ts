import { Type } from 'typebox'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { accepted } from '#kernel/outcome.ts'
import { type Operation, query } from '#platform/operation.ts'
import { openRunner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'

let t: TestDatabases
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

test('while high-priority callers queue, all of the lowest priority together have a small rate, and have their own again afterwards', async () => {
  const gate = Promise.withResolvers<void>()
  const shape = { context: 'platform', summary: '', input: Type.Object({}), output: Type.Object({}), scopes: [], errors: {} } as const
  const operation = (id: string, priority: Operation['priority'], wait: Promise<void>): Operation =>
    query({
      ...shape,
      id,
      priority,
      http: { method: 'GET', path: `/${id}` },
      batch: { largest: 1_000, longestWaitMs: 0 },
      body: async (_context, asked) => {
        await wait
        return asked.map(() => accepted({}))
      },
    })
  const runner = openRunner({
    operations: [
      operation('things.urgent', 'high', gate.promise),
      operation('things.usual', 'low', Promise.resolve()),
      operation('things.slow', 'lowest', Promise.resolve()),
    ],
    databases: t.databases,
    standardLimit: { perSecond: 10_000, burst: 10_000 },
    // It stands still, so that no token comes back meanwhile.
    nowMs: () => 0,
    log: { error() {}, warn() {}, info() {} },
  })
  const call = (n: number) => ({
    context: { traffic: 'live', rehearsalId: null, actor: { id: `key:${n}`, scopes: [] }, traceId: 'f'.repeat(32) } as const,
    input: {},
  })
  const answersOf = async (id: string, count: number) => {
    const outcomes = await Promise.all(Array.from({ length: count }, (_, n) => runner.run(id, call(n))))
    return Map.groupBy(outcomes, (outcome) => (outcome.ok ? 'ok' : outcome.error.code))
  }
  expect((await answersOf('things.slow', 300)).get('ok')).toHaveLength(300)
  const urgent = Array.from({ length: 16 }, (_, n) => runner.run('things.urgent', call(n)))
  const slow = await answersOf('things.slow', 300)
  expect(slow.get('ok')).toHaveLength(50)
  expect(slow.get('platform.limited')).toHaveLength(250)
  expect(slow.get('platform.limited')?.[0]).toMatchObject({ error: { facts: { retryAfterSeconds: 1 } } })
  expect((await answersOf('things.usual', 300)).get('ok')).toHaveLength(300)
  gate.resolve()
  expect((await Promise.all(urgent)).every(({ ok }) => ok)).toBe(true)
  const deadline = performance.now() + 5_000
  while (runner.pressing() && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve))
  expect((await answersOf('things.slow', 300)).get('ok')).toHaveLength(300)
})
