import { type IQueueBackend, Queue } from 'bullmq'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '#kernel/time.ts'
import { guardTraffic, openPayments } from '#payments'
import { orderOf } from '#partners/made-city/index.ts'
import { openSandboxAdapter, startSandboxServer } from '#partners/sandbox-pg/index.ts'
import { signWebhook } from '#partners/sandbox-pg/webhook-signature.ts'
import { type ContextName, contextNames, type Scope, statement } from '#platform/database.ts'
import type { JobEnvelope } from '#platform/jobs.ts'
import { jobsBackend } from '#platform/jobs-engine.ts'
import { bothTraffics, runInContext, systemContext, type Traffic } from '#platform/request-context.ts'
import { untilTrue } from '#test/until.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { fingerprintOf } from './fingerprint.ts'

const webhookSecret = 'secret of the sandbox gateway of leaks'
const other = (traffic: Traffic): Traffic => (traffic === 'live' ? 'shadow' : 'live')
const scopeOf = (traffic: Traffic): Scope => ({ traffic, rehearsalId: traffic === 'shadow' ? 'r1' : null })
/** Work under way that belongs to a traffic, as an HTTP request or an event makes it. */
const within = <T>(traffic: Traffic, work: () => Promise<T>): Promise<T> =>
  runInContext(systemContext('leak', traffic, scopeOf(traffic).rehearsalId), work)

/** Every test plants one leak, as a bug of ours would, and sees a guard or a database role refuse it. */
describe('a shadow leak is refused', { timeout: 180_000 }, () => {
  let whole: Whole
  let admin: Record<Traffic, pg.Client>
  beforeAll(async () => {
    whole = await openWhole({ SANDBOX_PG_SECRET: webhookSecret }, { shadowCity: true })
    admin = { live: await whole.t.admin('live'), shadow: await whole.t.admin('shadow') }
    // Workers without rounds: those of live would prune and open days between two looks at what live holds.
    await whole.core.jobs.start()
  })
  afterAll(() => whole.close())

  describe('at the databases', () => {
    const touch = (context: ContextName) =>
      statement(`${context}.leak`, `insert into ${context}.id_block (name) values ('leaked') on conflict (name) do nothing`)

    test.each(bothTraffics)('when work of %s asks for the other database, to read or to write', async (traffic) => {
      const wrong = scopeOf(other(traffic))
      const refusal = `work of ${traffic} traffic asked for the ${wrong.traffic} database`
      for (const context of contextNames.filter((name) => name !== 'platform')) {
        const database = whole.core.databases.of(context)
        await expect(within(traffic, () => database.read(wrong, (read) => read.query(touch(context))))).rejects.toThrow(refusal)
        await expect(within(traffic, () => database.write(wrong, (write) => write.query(touch(context))))).rejects.toThrow(refusal)
        const { rows } = await admin[wrong.traffic].query(`select 1 from ${context}.id_block where name = 'leaked'`)
        expect(rows).toEqual([])
      }
    })

    test('when work has lost its mark: live with a rehearsal, or shadow without one', async () => {
      const orders = whole.core.databases.of('orders')
      const refusal = 'shadow work carries a rehearsal id, live work none'
      await expect(orders.write({ traffic: 'live', rehearsalId: 'r1' }, (write) => write.query(touch('orders')))).rejects.toThrow(refusal)
      await expect(orders.write({ traffic: 'shadow', rehearsalId: null }, (write) => write.query(touch('orders')))).rejects.toThrow(refusal)
    })

    test('and around our guards: no role of one traffic may connect to the database of the other, and none has the other’s password', async () => {
      for (const traffic of bothTraffics) {
        for (const context of contextNames) {
          const login = whole.t.login(traffic, context)
          const across = new pg.Client({ ...login, database: whole.t.server.databaseOf(other(traffic)) })
          await expect(across.connect(), `${traffic} ${context}`).rejects.toMatchObject({ code: '42501' })
          const disguised = new pg.Client({ ...whole.t.login(other(traffic), context), password: String(login.password) })
          await expect(disguised.connect(), `${traffic} ${context}`).rejects.toMatchObject({ code: '28P01' })
        }
      }
    })

    test('and between contexts: a role reads and writes its own schema only', async () => {
      for (const traffic of bothTraffics) {
        for (const context of contextNames) {
          const client = new pg.Client(whole.t.login(traffic, context))
          await client.connect()
          try {
            for (const foreign of contextNames.filter((name) => name !== context)) {
              const { rows } = await admin[traffic].query<{ name: string }>(
                'select tablename as name from pg_tables where schemaname = $1',
                [foreign],
              )
              expect(rows.length).toBeGreaterThan(0)
              for (const { name } of rows) {
                const table = `${foreign}.${pg.escapeIdentifier(name)}`
                await expect(client.query(`select 1 from ${table} limit 1`), `${context} reads ${table}`).rejects.toMatchObject({
                  code: '42501',
                })
                await expect(client.query(`insert into ${table} default values`), `${context} writes ${table}`).rejects.toMatchObject({
                  code: '42501',
                })
              }
            }
          } finally {
            await client.end()
          }
        }
      }
    })
  })

  describe('at the outbox', () => {
    const plant = (traffic: Traffic, rehearsalId: string | null, key: string) =>
      admin[traffic].query(
        `insert into orders.outbox (tx, key, type, schema_version, payload, trace_id, rehearsal_id, occurred_at)
         values (pg_current_xact_id(), $1, 'orders.placed', 1, $2, '', $3, now())`,
        [
          key,
          {
            orderId: 990_001,
            number: 'TL-LEAK',
            storeId: 'falls',
            customerId: 'c',
            currency: 'CAD',
            totalMinor: 100,
            payment: { legs: [{ means: 'card', token: 'tok_ok' }] },
          },
          rehearsalId,
        ],
      )

    test('a shadow event in the outbox of live is parked with its reason, charges nobody, and live goes on behind it', async () => {
      await whole.drained()
      await plant('live', 'r1', '990001')
      const { body: placed } = await whole.call(
        'POST',
        '/v1/orders',
        orderOf(1, 5, (n) => whole.city.address(n)),
        { 'idempotency-key': 'behind' },
      )
      await untilTrue(
        async () => (await whole.call('GET', `/v1/orders/${placed.number}`)).body.moneyState === 'captured',
        15_000,
        'a paid order',
      )
      await whole.drained()
      const { rows } = await admin.live.query(`select consumer, error from payments.parked_event where key = '990001'`)
      expect(rows).toEqual([{ consumer: 'payments.take_payment', error: expect.stringContaining('carries a rehearsal id') }])
      expect((await admin.live.query('select 1 from payments.request where order_id = 990001')).rows).toEqual([])
      // It stays until a person has looked: the check is red, and a replay is refused as the first delivery was.
      const red = async () => (await whole.core.check('live')).flatMap(({ breaks }) => breaks)
      const told = await red()
      expect(told).toContainEqual(expect.stringContaining('payments.take_payment has 0 events waiting and 1 parked'))
      // Whoever else reads these events has parked it as well, and nobody did anything with it.
      expect(told.filter((each) => !/^\S+ has 0 events waiting and 1 parked$/.test(each))).toEqual([])
      expect(await whole.core.relay.replayParked('payments.take_payment', 'live')).toEqual({ replayed: 0, stillParked: 1 })
      for (const context of contextNames.filter((name) => name !== 'platform'))
        await admin.live.query(`delete from ${context}.parked_event`)
      expect(await red()).toEqual([])
    })
  })

  describe('at the jobs', () => {
    test('a shadow job on the queue of live is refused, and work of one traffic adds no job of the other', async () => {
      const { connection, prefix, factory } = jobsBackend(
        { kind: 'postgres', login: (traffic) => whole.t.login(traffic, 'platform') },
        'live',
      )
      const queue = new Queue<JobEnvelope, void, string, JobEnvelope, void, string, IQueueBackend>(
        'jobs',
        { connection, ...prefix },
        factory,
      )
      try {
        const envelope: JobEnvelope = { schemaVersion: 1, traffic: 'shadow', rehearsalId: 'r1', traceId: null, data: null }
        await queue.add('payments.sweep', envelope, { jobId: 'planted' })
        await untilTrue(async () => (await (await queue.getJob('planted'))?.getState()) === 'failed', 15_000, 'a refused job')
        expect((await queue.getJob('planted'))?.failedReason).toBe('a shadow job lay on the live queue')
      } finally {
        await queue.close()
      }
      const add = () => whole.core.jobs.add('payments.sweep', null, { scope: scopeOf('live') })
      await expect(within('shadow', add)).rejects.toThrow('work of shadow traffic adds a live job')
    })
  })

  describe('at the gateway', () => {
    test('a real gateway is not asked under shadow: nothing reaches its socket, the guard counts it, the payment fails', async () => {
      const gateway = await startSandboxServer({ seed: 1, clock: systemClock, webhookSecret: 'secret of a gateway that is real here' })
      const real = guardTraffic(
        openSandboxAdapter({
          name: 'real',
          baseUrl: gateway.url,
          timeoutMs: 2_000,
          webhookSecret: 'secret of a gateway that is real here',
        }),
        'real',
      )
      const database = whole.core.databases.of('payments')
      const payments = openPayments({ database, gateways: [real], installation: 'leak' })
      try {
        const request = (orderId: number) => ({
          orderId,
          part: 0,
          storeId: 'falls',
          customerId: 'leak',
          currency: 'CAD',
          amountMinor: 500,
          plan: { legs: [{ means: 'card' as const, token: 'tok_ok' }] },
          actor: 'test',
          commandId: `leak-${orderId}`,
        })
        await database.write(scopeOf('shadow'), (write) => payments.requestPayments(write, [request(880_001)]))
        await payments.executor.idle()
        expect(real.calls).toEqual({ live: 0, shadow: 0, refused: 1 })
        expect(gateway.engine.log().movements).toEqual([])
        const states = await admin.shadow.query(
          `select attempt.state, attempt.reason from payments.attempt join payments.request on request.id = attempt.request_id where order_id = 880001`,
        )
        expect(states.rows).toEqual([{ state: 'declined_hard', reason: 'shadow_refused' }])
        // The same call as live goes through: it was the traffic that was refused.
        await database.write(scopeOf('live'), (write) => payments.requestPayments(write, [request(880_002)]))
        await payments.executor.idle()
        expect(real.calls).toEqual({ live: 1, shadow: 0, refused: 1 })
        expect(gateway.engine.log().movements).toHaveLength(1)
      } finally {
        await payments.executor.close()
        await gateway.close()
      }
    })

    test('a webhook about a shadow charge that comes without the mark is refused, and live keeps nothing of it', async () => {
      await whole.drained()
      const before = await fingerprintOf(admin.live)
      const body = { status: 'captured', ref: 'ch_1', amountMinor: 500, currency: 'CAD' }
      const payload = JSON.stringify({ kind: 'charge', key: 'any-shadow-charge-1', httpStatus: 200, body })
      const signed = signWebhook(webhookSecret, { id: 'evt_leak', sentAt: new Date(), body: payload })
      const answer = await whole.call('POST', '/v1/payments/webhooks/sandbox', signed.body, signed.headers)
      expect([answer.status, answer.body.code]).toEqual([409, 'payments.webhook_of_other_traffic'])
      expect(Object.fromEntries(await fingerprintOf(admin.live))).toEqual(Object.fromEntries(before))
    })
  })
})
