import { Type } from 'typebox'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { accepted, refused } from '#kernel/outcome.ts'
import { statement } from '#platform/database.ts'
import { command, type CommandOperation } from '#platform/operation.ts'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'

let t: TestDatabases
let runner: Runner
let bodies: number[]
let gate: Promise<void> = Promise.resolve()
const put = statement('orders.test_put', 'insert into orders.id_block (name, next_block) select unnest($1::text[]), 1')
const context = { traffic: 'live', rehearsalId: null, actor: { id: 'key:a', scopes: ['*'] }, traceId: '' } as const

const operation: CommandOperation = command({
  id: 'things.put',
  context: 'orders',
  summary: '',
  input: Type.Object({ name: Type.String() }, { additionalProperties: false }),
  output: Type.Object({ name: Type.String() }),
  scopes: ['things:write'],
  http: { method: 'POST', path: '/things' },
  batch: { largest: 50, longestWaitMs: 2, concurrent: 2 },
  idempotency: 'optional',
  priority: 'high',
  errors: { 'things.silly': 422 },
  async body(write, asked) {
    bodies.push(asked.length)
    if (asked.some(({ input }) => input.name.startsWith('gate'))) await gate
    if (asked.some(({ input }) => input.name === 'poison')) throw new Error('a bug that only this name meets')
    const good = asked.filter(({ input }) => !input.name.startsWith('silly'))
    await write.query(put, [good.map(({ input }) => input.name)])
    return asked.map(({ input }) =>
      input.name.startsWith('silly') ? refused('things.silly', 'Not that name.', '/name') : accepted({ name: input.name }),
    )
  },
})

beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

const open = (nowMs: () => number = () => performance.now()): Runner => {
  bodies = []
  return openRunner({
    operations: [operation],
    databases: t.databases,
    standardLimit: { perSecond: 1e6, burst: 1e6 },
    nowMs,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  })
}
const run = (name: string, idempotencyKey?: string) => runner.run('things.put', { context, input: { name }, idempotencyKey })
const codes = (outcomes: readonly Awaited<ReturnType<typeof run>>[]) => outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.error.code))

test('one poisonous command fails alone: its batch is run again one by one', async () => {
  runner = open()
  const outcomes = await Promise.all([run('p1'), run('poison'), run('p2')])
  expect(codes(outcomes)).toEqual(['ok', 'platform.internal', 'ok'])
  expect(bodies).toEqual([3, 1, 1, 1])
})

test('commands of many callers share a transaction, and a refused one changes nothing for the others', async () => {
  runner = open()
  const outcomes = await Promise.all([run('s1'), run('silly'), run('s2')])
  expect(codes(outcomes)).toEqual(['ok', 'things.silly', 'ok'])
  expect(bodies).toEqual([3])
})

test('one key in two runners at once runs once, and both callers hear the first answer', async () => {
  const runners = [open(), open()]
  const rounds = Array.from({ length: 20 }, (_, round) =>
    Promise.all(runners.map((each) => each.run('things.put', { context, input: { name: `r${round}` }, idempotencyKey: `race-${round}` }))),
  )
  for (const [first, second] of await Promise.all(rounds)) {
    expect(first).toEqual(second)
    expect(first?.ok).toBe(true)
  }
})

test('a refusal keeps no key; an accepted command keeps it and repeats its answer even where it would now be refused', async () => {
  runner = open()
  expect(codes([await run('silly-key', 'k1'), await run('k1-good', 'k1')])).toEqual(['things.silly', 'ok'])
  expect(codes([await run('silly-now', 'k1')])).toEqual(['platform.idempotency_key_reused'])
  expect(await run('k1-good', 'k1')).toEqual(accepted({ name: 'k1-good' }))
})

test('a call that waited past its deadline is not run', async () => {
  let now = 0
  runner = open(() => {
    now += 20_000
    return now
  })
  expect(codes([await run('late')])).toEqual(['platform.deadline'])
  expect(bodies).toEqual([])
})

test('a rush lasts as long as many callers wait, however long one batch takes, and a moment longer', async () => {
  runner = open()
  let openGate = (): void => undefined
  gate = new Promise((resolve) => {
    openGate = resolve
  })
  expect(runner.pressing()).toBe(false)
  const started = performance.now()
  const calls = Array.from({ length: 20 }, (_, n) => run(`gate-${n}`))
  await expect.poll(() => performance.now() - started, { timeout: 5_000 }).toBeGreaterThan(600)
  expect(runner.pressing()).toBe(true)
  openGate()
  expect(new Set(codes(await Promise.all(calls)))).toEqual(new Set(['ok']))
  await expect.poll(() => runner.pressing(), { timeout: 5_000 }).toBe(false)
})

test('one caller with twenty commands is no rush, and one with a thousand is', async () => {
  runner = open()
  let openGate = (): void => undefined
  gate = new Promise((resolve) => {
    openGate = resolve
  })
  const commandsOf = (count: number) => Array.from({ length: count }, (_, n) => ({ context, input: { name: `gate-of-${count}-${n}` } }))
  const twenty = runner.runMany('things.put', commandsOf(20))
  expect(runner.pressing()).toBe(false)
  const thousand = runner.runMany('things.put', commandsOf(1_000))
  expect(runner.pressing()).toBe(true)
  openGate()
  expect((await Promise.all([twenty, thousand])).flat().every(({ ok }) => ok)).toBe(true)
})
