import type pg from 'pg'
import { Type } from 'typebox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type CommandQueues, openCommandQueues } from '#platform/command-queue.ts'
import { commandOperations } from '#platform/command-operations.ts'
import type { QueuedCommand } from '#platform/command-store.ts'
import { statement } from '#platform/database.ts'
import { command } from '#platform/operation.ts'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { untilTrue as until } from '#test/until.ts'

let t: TestDatabases
let runner: Runner
let queues: CommandQueues
let broken = false
let brokenRuns = 0
let admin: pg.Client
const put = statement('orders.test_put_later', 'insert into orders.id_block (name, next_block) select unnest($1::text[]), 1')
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

const operation = command({
  id: 'things.put',
  context: 'orders',
  summary: '',
  input: Type.Object({ name: Type.String() }, { additionalProperties: false }),
  output: Type.Object({ name: Type.String() }),
  scopes: ['things:write'],
  http: { method: 'POST', path: '/things' },
  batch: { largest: 50, longestWaitMs: 1 },
  idempotency: 'required',
  priority: 'normal',
  errors: { 'things.silly': 422 },
  async body(write, asked) {
    if (broken) {
      brokenRuns += 1
      throw Object.assign(new Error('the database went away'), { code: '57P01' })
    }
    const good = asked.filter(({ input }) => input.name !== 'silly')
    await write.query(put, [good.map(({ input }) => input.name)])
    return asked.map(({ input }) => (input.name === 'silly' ? refused('things.silly', 'Not that name.', '/name') : accepted(input)))
  },
})

const callOf = (name: string, idempotencyKey: string, client = 'key:a') => ({
  context: { traffic: 'live', rehearsalId: null, actor: { id: client, scopes: ['*'] }, traceId: 't' } as const,
  input: { name },
  idempotencyKey,
})
const openQueues = (mostWaiting = 100) =>
  openCommandQueues({ database: t.databases.of('platform'), runner, queueOf: () => 'order', mostWaiting, pollMs: 20, log: quiet })
const accept = (name: string, key: string, client?: string) => queues.accept('order', operation, callOf(name, key, client))
const watch = async (outcome: Outcome<QueuedCommand>): Promise<QueuedCommand> => {
  if (!outcome.ok) throw new Error(outcome.error.code)
  const { context } = callOf('', '')
  const found = await runner.run('platform.get_command', { context, input: { commandId: outcome.value.commandId } })
  if (!found.ok) throw new Error(found.error.code)
  return found.value as QueuedCommand
}
const names = async (like: string): Promise<number> => {
  const { rowCount } = await admin.query('select from orders.id_block where name like $1', [like])
  return rowCount ?? 0
}

beforeAll(async () => {
  t = await openTestDatabases()
  admin = await t.admin('live')
  runner = openRunner({
    operations: [operation, ...commandOperations],
    databases: t.databases,
    standardLimit: { perSecond: 1e6, burst: 1e6 },
    nowMs: () => performance.now(),
    log: quiet,
  })
  queues = openQueues()
})
afterAll(async () => {
  await queues.close()
  await t.close()
})

describe('commands that are run later', () => {
  it('are written down before they are answered, and run once a worker comes', async () => {
    const outcome = await accept('later', 'k1')
    expect(outcome).toMatchObject({ ok: true, value: { state: 'queued', queue: 'order', operation: 'things.put' } })
    expect(await names('later')).toBe(0)
    queues.start()
    await until(async () => (await watch(outcome)).state === 'done')
    expect(await watch(outcome)).toMatchObject({ value: { name: 'later' }, error: null })
    expect(await names('later')).toBe(1)
  })

  it('keep what refused them', async () => {
    const outcome = await accept('silly', 'k2')
    await until(async () => (await watch(outcome)).state === 'refused')
    expect(await watch(outcome)).toMatchObject({ value: null, error: { code: 'things.silly', field: '/name' } })
  })

  it('are one command however often a key is sent, and a key with another body is refused', async () => {
    const outcomes = await Promise.all([accept('twice', 'k3'), accept('twice', 'k3'), accept('twice', 'k3')])
    const ids = outcomes.map((outcome) => (outcome.ok ? outcome.value.commandId : outcome.error.code))
    expect(new Set(ids).size).toBe(1)
    expect(await accept('other', 'k3')).toMatchObject({ ok: false, error: { code: 'platform.idempotency_key_reused' } })
    const [first] = outcomes
    await until(async () => first !== undefined && (await watch(first)).state === 'done')
    expect(await names('twice')).toBe(1)
  })

  it('answer what was run at once under the same key before', async () => {
    await runner.run('things.put', callOf('before', 'k4'))
    const outcome = await accept('before', 'k4')
    await until(async () => (await watch(outcome)).state === 'done')
    expect(await names('before')).toBe(1)
  })

  it('wait out what should pass, and are run by another worker when theirs has died', async () => {
    broken = true
    const outcome = await accept('patient', 'k5')
    // Six tries of the transaction itself, then the command is put off.
    await until(() => brokenRuns >= 6)
    broken = false
    // Whoever claimed it is as good as dead once its lease and its wait are over.
    await until(async () => {
      t.clock.set(new Date(t.clock.now().getTime() + 300_000))
      return (await watch(outcome)).state === 'done'
    })
    const { rows } = await admin.query(`select attempts from platform.command where idempotency_key = 'k5'`)
    expect(rows[0]?.attempts).toBeGreaterThan(1)
    expect(await names('patient')).toBe(1)
  })

  it('are not shown to somebody else', async () => {
    const outcome = await accept('mine', 'k6')
    if (!outcome.ok) throw new Error(outcome.error.code)
    const other = { ...callOf('', '').context, actor: { id: 'key:b', scopes: ['orders:read'] } }
    const seen = await runner.run('platform.get_command', { context: other, input: { commandId: outcome.value.commandId } })
    expect(seen).toMatchObject({ ok: false, error: { code: 'platform.no_such_command' } })
  })

  it('end as refused when their operation is no more, and hold up nobody', async () => {
    await queues.close()
    queues = openQueues()
    const gone = await accept('gone', 'k7')
    const next = await accept('after the gone one', 'k8')
    await admin.query(`update platform.command set operation = 'things.of_the_past' where idempotency_key = 'k7'`)
    queues.start()
    await until(async () => (await watch(next)).state === 'done')
    await until(async () => (await watch(gone)).state === 'refused')
    expect(await names('gone')).toBe(0)
  })

  it('push back: one client has half of a queue, and a full queue says when to come again', async () => {
    await queues.close()
    queues = openQueues(10)
    const codes = async (client: string, from: number, count: number) => {
      const outcomes: string[] = []
      for (let index = from; index < from + count; index += 1) {
        const outcome = await accept(`full ${index}`, `full-${index}`, client)
        outcomes.push(outcome.ok ? 'ok' : `${outcome.error.code} ${Number(outcome.error.facts?.['retryAfterSeconds']) >= 1}`)
      }
      return outcomes
    }
    expect(await codes('key:a', 0, 6)).toEqual([...Array<string>(5).fill('ok'), 'platform.limited true'])
    expect(await codes('key:b', 10, 5)).toEqual(Array<string>(5).fill('ok'))
    expect(await codes('key:c', 20, 1)).toEqual(['platform.queue_full true'])
    queues.start()
    await until(async () => (await names('full%')) === 10)
    // Once their ends are written down there is room again.
    await until(async () => (await accept('full last', 'full-last', 'key:c')).ok)
  })
})
