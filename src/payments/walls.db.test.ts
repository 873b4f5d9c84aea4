import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import { statement } from '#platform/database.ts'
import { guardTraffic } from './gateway.ts'
import { uncached } from '#platform/database.ts'
import { cancelOf, openPaymentsRig, orderOf, type PaymentsRig, rigSecret } from './payments-rig.ts'

const rowsOf = statement<{ table: string; rows: number }>(
  'test.rows',
  `select 'request' as table, count(*)::integer as rows from payments.request
   union all select 'leg', count(*)::integer from payments.leg union all select 'attempt', count(*)::integer from payments.attempt
   union all select 'change', count(*)::integer from payments.change union all select 'outbox', count(*)::integer from payments.outbox`,
)

describe('walls of the payments tables', () => {
  let rig: PaymentsRig
  beforeAll(async () => {
    rig = await openPaymentsRig(3)
  })
  afterAll(() => rig.close())
  const breaksOf = async () => (await rig.read((read) => rig.payments.check(read))).filter((check) => check.breaks.length > 0)

  test('the database refuses a second living request, a second attempt beside an unknown one, and money that does not add up', async () => {
    const order = await rig.pay('tok_timeout_after_charge')
    const admin = await rig.t.admin('live')
    const rejected = async (sql: string, constraint: string) => expect(admin.query(sql)).rejects.toMatchObject({ constraint })
    await rejected(
      `insert into payments.request (id, order_id, store_id, currency, amount_minor, state, created_at)
       values (900001, ${order}, 's', 'EUR', 1, 'open', now())`,
      'request_one_alive',
    )
    await rejected(
      `insert into payments.attempt (id, leg_id, request_id, sequence, gateway, amount_minor, state, sent_at, look_at)
       select 900002, leg_id, request_id, 2, gateway, amount_minor, 'sent', now(), now() from payments.attempt order by id desc limit 1`,
      'attempt_one_at_a_time',
    )
    await rejected(`update payments.leg set captured_minor = amount_minor + 1`, 'leg_money')
    await rejected(`update payments.leg set refund_held_minor = 1`, 'leg_money')
    await rejected(`update payments.request set state = 'cancelled' where closed = 0`, 'request_closed_with_state')
    await rig.sweepAfter(3_000)
    await rig.expectGreen()
  })

  test('a state changed by hand is in the history, and the check says what no longer adds up', async () => {
    const order = await rig.pay('tok_ok')
    const admin = await rig.t.admin('live')
    const request = `(select id from payments.request where order_id = ${order})`
    await admin.query(`update payments.request set state = 'open' where id = ${request}`)
    const { rows } = await admin.query(
      `select level, from_state, to_state, cause, traffic from payments.change_log where root = ${request} order by sequence desc limit 1`,
    )
    expect(rows).toEqual([{ level: 'request', from_state: 'covered', to_state: 'open', cause: 'by hand', traffic: 'live' }])
    expect((await breaksOf()).map((check) => check.check)).toEqual(['request holds what its state says'])
    await admin.query(`update payments.request set state = 'covered' where id = ${request}`)
    expect(await breaksOf()).toEqual([])
  })

  test('each check finds what it is for', async () => {
    await rig.pay('tok_ok')
    const admin = await rig.t.admin('live')
    const newest = (table: string) => `(select max(id) from payments.${table})`
    const found = async (sql: string) => {
      await admin.query('begin')
      await admin.query("set local session_replication_role = 'replica'")
      await admin.query(sql)
      const breaks: string[] = []
      const read = {
        traffic: 'live' as const,
        rehearsalId: null,
        now: new Date(),
        query: async <Row>({ text }: { text: string }) => (await admin.query(text)).rows as Row[],
        cached: uncached,
      }
      for (const check of await rig.payments.check(read)) if (check.breaks.length > 0) breaks.push(check.check)
      await admin.query('rollback')
      return breaks
    }
    expect(await found(`update payments.leg set captured_minor = captured_minor - 1 where id = ${newest('leg')}`)).toEqual([
      'request holds what its state says',
      'leg holds what its attempts and follow-ups took and gave',
    ])
    expect(
      await found(`update payments.request set reduced_minor = 5, state = 'overcovered', version = 9 where id = ${newest('request')}`),
    ).toEqual(['excess is on its way back', 'the change log replays to the stored states'])
    expect(await found(`delete from payments.attempt where id = ${newest('attempt')}`)).toContain(
      'the change log replays to the stored states',
    )
    expect(await found(`delete from payments.request where id = ${newest('request')}`)).toContain('no orphans')
    expect(await found(`delete from payments.change where id = ${newest('change')}`)).toEqual([
      'the change log replays to the stored states',
    ])
    expect(await found(`update payments.change set from_states[1] = 'unknown' where id = ${newest('change')}`)).toEqual([
      'each step of the change log starts where the last one ended',
    ])
    expect(await found(`update payments.request set state = 'processing' where id = ${newest('request')}`)).toContain(
      'something is under way where a request says so',
    )
    expect(await breaksOf()).toEqual([])
  })

  test('the comparison with the gateway finds a charge of too much, one too many and one too few', async () => {
    const log = rig.engine.log().movements
    const [first] = log
    if (first === undefined) throw new Error('nothing was charged')
    const breaksWith = async (movements: typeof log) =>
      (await rig.read((read) => rig.payments.compareWithGateway(read, 'sandbox', movements))).flatMap((check) => check.breaks).length
    expect(await breaksWith(log)).toBe(0)
    expect(await breaksWith(log.slice(1))).toBe(1)
    expect(await breaksWith([...log, first])).toBeGreaterThan(0)
    expect(await breaksWith([...log, { ...first, key: 'rig-live-charge-777777' }])).toBe(1)
    expect(await breaksWith([{ ...first, amountMinor: first.amountMinor + 1 }, ...log.slice(1)])).toBe(1)
    expect(await breaksWith([...log, { ...first, key: 'rig-shadow-charge-777777' }])).toBe(0)
  })

  test('shadow payments leave every live table as it was, to the row, and the other way round', async () => {
    const before = await rig.read((read) => read.query(rowsOf))
    const order = orderOf(70_000, 'tok_ok')
    await rig.write((context) => rig.payments.requestPayments(context, [order]), rig.t.shadow)
    await rig.payments.executor.idle()
    expect(await rig.stateOf(70_000, rig.t.shadow)).toBe('covered')
    expect(await rig.stateOf(70_000)).toBeUndefined()
    expect(await rig.read((read) => read.query(rowsOf))).toEqual(before)
    expect(rig.engine.log().movements.filter((movement) => movement.traffic === 'shadow')).toHaveLength(1)
    await rig.expectGreen(rig.t.shadow)
    await rig.expectGreen()
  })

  test('shadow payments through a real gateway charge nobody and fail', async () => {
    const real = guardTraffic(openSandboxTwin({ name: 'sandbox', engine: rig.engine, webhookSecret: rigSecret }), 'real')
    const payments = rig.another(real)
    const before = rig.engine.log().movements.length
    await rig.write((context) => payments.requestPayments(context, [orderOf(70_001, 'tok_ok')]), rig.t.shadow)
    await payments.executor.idle()
    expect(rig.engine.log().movements).toHaveLength(before)
    expect(real.calls).toMatchObject({ shadow: 0, refused: 1 })
    expect(await rig.events(70_001, rig.t.shadow)).toMatchObject([{ type: 'payments.failed', payload: { reason: 'shadow_refused' } }])
  })
})

describe('a day of payments, seeded', () => {
  test('orders with every kind of card, some cancelled at any moment: each ends paid or given back, once', async () => {
    const seed = Number(process.env['SEED'] ?? 20_260_302)
    console.log(`seed ${seed}`)
    const rig = await openPaymentsRig(seed)
    try {
      const processes = [rig.payments, rig.another(), rig.another()]
      const draw = (text: string) => rig.engine.draw(text)
      const cancelled = new Set<number>()
      for (let batch = 0; batch < 20; batch += 1) {
        const payments = processes[batch % processes.length] ?? rig.payments
        const orders = Array.from({ length: 25 }, (_, index) => batch * 25 + index + 1)
        await rig.write((context) =>
          payments.requestPayments(
            context,
            orders.map((order) => orderOf(order, 'tok_mixed', { amountMinor: 100 + order })),
          ),
        )
        const cancel = Array.from({ length: 5 }, (_, index) => 1 + Math.floor(draw(`cancel ${batch} ${index}`) * (batch + 1) * 25))
        for (const order of cancel) cancelled.add(order)
        const commands = [...new Set(cancel)].map((orderId) => ({ ...cancelOf(orderId), commandId: `cancel ${batch} ${orderId}` }))
        // Not awaited before the sweeps: they race, in other processes.
        const racing = rig.write((context) => rig.payments.cancelOrRefund(context, commands))
        rig.t.clock.set(new Date(rig.t.clock.now().getTime() + 1_500))
        await Promise.all([racing, ...processes.map((each) => each.sweep(rig.t.live))])
      }
      for (let round = 0; round < 30; round += 1) {
        rig.t.clock.set(new Date(rig.t.clock.now().getTime() + 120_000))
        for (const each of processes) {
          await each.sweep(rig.t.live)
          await each.executor.idle()
        }
      }
      const states = await rig.read((read) =>
        rig.payments.findPayments(
          read,
          Array.from({ length: 500 }, (_, index) => index + 1),
        ),
      )
      for (const [order, view] of states) {
        const expected = cancelled.has(order) ? ['cancelled'] : ['covered', 'open']
        const state = view.requests[0]?.state
        expect(expected, `order ${order}, seed ${seed}`).toContain(state)
        expect(view.capturedMinor - view.refundedMinor).toBe(state === 'covered' ? 100 + order : 0)
      }
      expect([...states.values()].filter((view) => view.requests[0]?.state === 'covered').length).toBeGreaterThan(350)
      await rig.expectGreen()
    } finally {
      await rig.close()
    }
  }, 60_000)
})
