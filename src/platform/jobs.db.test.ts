import { Queue, type QueueOptions } from 'bullmq'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type JobEnvelope, type Jobs, type JobsOptions, openJobs } from '#platform/jobs.ts'
import { type JobsEngine, jobsBackend } from '#platform/jobs-engine.ts'
import { currentContext, runInContext, systemContext, type Traffic } from '#platform/request-context.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { startRedisServer } from '#test/redis-server.ts'

const live = { traffic: 'live', rehearsalId: null } as const
const shadow = { traffic: 'shadow', rehearsalId: 'r1' } as const
const soon = { timeout: 15_000, interval: 20 }

const redis = await startRedisServer()
let t: TestDatabases
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(async () => {
  await t.close()
  await redis?.stop()
})

const engines: readonly [string, (() => JobsEngine) | undefined][] = [
  ['PostgreSQL', () => ({ kind: 'postgres', login: (traffic) => t.login(traffic, 'platform') })],
  ['Redis (skipped where redis-server is missing)', redis === undefined ? undefined : () => ({ kind: 'redis', url: redis.url })],
]

// The contract: whatever carries the jobs, this holds.
for (const [engineName, engine] of engines) {
  describe.skipIf(engine === undefined)(`jobs on ${engineName}`, () => {
    const opened: Jobs[] = []
    const open = (options: Partial<JobsOptions> = {}) => {
      if (engine === undefined) throw new Error('not reached: the suite is left out')
      const jobs = openJobs({ engine: engine(), ...options })
      opened.push(jobs)
      return jobs
    }
    const plant = async (traffic: Traffic, name: string, envelope: unknown) => {
      if (engine === undefined) return
      const { connection, prefix, factory } = jobsBackend(engine(), traffic)
      const options: QueueOptions = { connection, ...prefix }
      const queue = new Queue('jobs', options, factory)
      await queue.add(name, envelope, { jobId: `planted-${crypto.randomUUID()}` })
      await queue.close()
    }
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((jobs) => jobs.close()))
    })

    test('a job runs once, in the context of who added it', async () => {
      const jobs = open()
      const seen: unknown[] = []
      jobs.define<{ day: string }>('settle', async (job) => {
        seen.push({ data: job.data, scope: job.scope, context: currentContext() })
      })
      await jobs.start()
      const caller = { ...systemContext('test', 'shadow', 'r7') }
      await runInContext(caller, () => jobs.add('settle', { day: '2026-03-02' }))
      await expect.poll(() => seen.length, soon).toBe(1)
      expect(seen[0]).toMatchObject({
        data: { day: '2026-03-02' },
        scope: { traffic: 'shadow', rehearsalId: 'r7' },
        context: { traffic: 'shadow', rehearsalId: 'r7', traceId: caller.traceId, actor: { id: 'system:job settle' } },
      })
    })

    test('a delayed job waits for its time', async () => {
      const jobs = open()
      let ranAt = 0
      jobs.define('later', async () => void (ranAt = performance.now()))
      await jobs.start()
      const addedAt = performance.now()
      await jobs.add('later', null, { scope: live, delayMs: 400 })
      await expect.poll(() => ranAt, soon).toBeGreaterThan(0)
      expect(ranAt - addedAt).toBeGreaterThanOrEqual(390)
    })

    test('a failing job is tried as often as its definition says, then counts as failed', async () => {
      const jobs = open()
      const attempts: number[] = []
      jobs.define(
        'flaky',
        async (job) => {
          attempts.push(job.attempt)
          throw new Error('the warehouse does not answer')
        },
        { attempts: 3, backoffMs: 10 },
      )
      const failedBefore = (await jobs.counts()).find((row) => row.traffic === 'live')?.failed ?? 0
      await jobs.start()
      await jobs.add('flaky', null, { scope: live })
      await expect.poll(async () => (await jobs.counts()).find((row) => row.traffic === 'live')?.failed, soon).toBe(failedBefore + 1)
      expect(attempts).toEqual([1, 2, 3])
    })

    test('a second job with the same id is not added', async () => {
      const jobs = open()
      const seen: unknown[] = []
      jobs.define('once', async (job) => void seen.push(job.data))
      await jobs.add('once', 'first', { scope: live, id: '2026-03-02' })
      await jobs.add('once', 'second', { scope: live, id: '2026-03-02' })
      await jobs.add('once', 'other', { scope: live, id: '2026-03-03' })
      await jobs.start()
      await expect.poll(() => seen.length, soon).toBe(2)
      expect(seen.toSorted()).toEqual(['first', 'other'])
    })

    test('a schedule runs for live and for shadow, round after round, each with a trace of its own', async () => {
      const jobs = open()
      const rounds: { traffic: Traffic; trace: string | undefined }[] = []
      jobs.define('sweep', async (job) => void rounds.push({ traffic: job.scope.traffic, trace: currentContext()?.traceId }))
      await jobs.start()
      await jobs.every('sweep', 100)
      await jobs.every('sweep', 100)
      const count = (traffic: Traffic) => rounds.filter((round) => round.traffic === traffic).length
      await expect.poll(() => Math.min(count('live'), count('shadow')), soon).toBeGreaterThanOrEqual(3)
      expect(new Set(rounds.map((round) => round.trace)).size).toBe(rounds.length)
    })

    test('live jobs never reach a shadow handler and shadow jobs never a live one', async () => {
      const jobs = open()
      const seen: { asked: unknown; got: Traffic }[] = []
      jobs.define('mark', async (job) => void seen.push({ asked: job.data, got: job.scope.traffic }))
      await jobs.start()
      for (let index = 0; index < 10; index += 1) {
        await jobs.add('mark', 'live', { scope: live })
        await jobs.add('mark', 'shadow', { scope: shadow })
      }
      await expect.poll(() => seen.length, soon).toBe(20)
      expect(seen.filter((row) => row.asked !== row.got)).toEqual([])
    })

    test('a job planted on the queue of the other traffic is refused and not run', async () => {
      const refused: string[] = []
      const jobs = open({ observe: (name, traffic, result) => void refused.push(`${traffic} ${name} ${result}`) })
      let ran = 0
      jobs.define('charge', async () => void (ran += 1))
      const envelope: JobEnvelope = { schemaVersion: 1, traffic: 'shadow', rehearsalId: 'r1', traceId: null, data: null }
      await plant('live', 'charge', envelope)
      await plant('shadow', 'charge', { ...envelope, traffic: 'live', rehearsalId: null })
      await plant('live', 'charge', { amount: 5 })
      await jobs.start()
      const ours = () => refused.filter((line) => line.includes('charge')).toSorted()
      await expect.poll(ours, soon).toEqual(['live charge refused', 'live charge refused', 'shadow charge refused'])
      expect(ran).toBe(0)
    })

    test('work of one traffic cannot add a job of the other', async () => {
      const jobs = open()
      jobs.define('charge', async () => {})
      await runInContext(systemContext('test', 'shadow', 'r1'), () =>
        expect(jobs.add('charge', null, { scope: live })).rejects.toThrow('work of shadow traffic adds a live job'),
      )
    })

    test('an old worker leaves a newer job to a newer worker', async () => {
      let taken: string | undefined
      const parked = Promise.withResolvers<void>()
      const old = open({ parkMs: 50, observe: (name, _, result) => void (name === 'import' && result === 'parked' && parked.resolve()) })
      old.define('import', async () => void (taken = 'old'), { schemaVersion: 1 })
      await old.start()
      await plant('live', 'import', { schemaVersion: 2, traffic: 'live', rehearsalId: null, traceId: null, data: null })
      await parked.promise
      expect(taken).toBeUndefined()
      const newer = open()
      newer.define('import', async () => void (taken = 'newer'), { schemaVersion: 2 })
      await newer.start()
      await expect.poll(() => taken, soon).toBe('newer')
    })

    test('close waits for the job that runs', async () => {
      const jobs = open()
      const begun = Promise.withResolvers<void>()
      const mayEnd = Promise.withResolvers<void>()
      let ended = false
      jobs.define('long', async () => {
        begun.resolve()
        await mayEnd.promise
        ended = true
      })
      await jobs.start()
      await jobs.add('long', null, { scope: live })
      await begun.promise
      const closing = jobs.close()
      mayEnd.resolve()
      await closing
      expect(ended).toBe(true)
    })
  })
}
