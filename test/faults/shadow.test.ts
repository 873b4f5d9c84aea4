import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '#kernel/time.ts'
import { orderOf, playRound } from '#partners/made-city/index.ts'
import { type SandboxServer, startSandboxServer } from '#partners/sandbox-pg/server.ts'
import { shadowHeader, signShadow } from '#platform/shadow-header.ts'
import { untilTrue } from '#test/until.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { startRounds } from '../../src/rounds.ts'
import { fingerprintOf } from './fingerprint.ts'

const seed = 7
const rehearsal = 'black-friday-7'
const webhookSecret = 'secret of the sandbox gateway of shadow'

/** Orders of one customer by state, and what of them went wrong. */
interface Listed {
  readonly number: string
  readonly state: string
  readonly moneyState: string
}

describe('the whole way under a signed shadow header', { timeout: 180_000 }, () => {
  let whole: Whole
  let gateway: SandboxServer
  let admin: Record<'live' | 'shadow', pg.Client>
  let mark: Record<string, string>
  let before: Map<string, string>
  let metricsBefore: Map<string, number>
  let shadowOrders: Listed[]
  let next = 0

  beforeAll(async () => {
    gateway = await startSandboxServer({ seed, clock: systemClock, webhookSecret })
    whole = await openWhole(
      { GATEWAYS: `sandbox=${gateway.url}`, SANDBOX_PG_SECRET: webhookSecret, GATEWAY_TIMEOUT_MS: '500' },
      { shadowCity: true },
    )
    mark = { [shadowHeader]: signShadow(whole.core.shadowKeys, rehearsal, new Date(Date.now() + 600_000)) }
    gateway.sendWebhooksTo('live', { url: `${whole.server.url}/v1/payments/webhooks/sandbox` })
    gateway.sendWebhooksTo('shadow', { url: `${whole.server.url}/v1/payments/webhooks/sandbox`, headers: mark })
    admin = { live: await whole.t.admin('live'), shadow: await whole.t.admin('shadow') }
    // Sweeps of both traffics run as they do in production.
    await startRounds(whole.core.jobs)
    // The first of each opens days and prunes; later ones find nothing to do in live.
    await untilTrue(async () => (await whole.core.jobs.counts()).every(({ waiting, active }) => waiting + active === 0))
  })
  afterAll(async () => {
    await whole.close()
    await gateway.close()
  })

  const order = (token: string) => ({
    ...orderOf((next += 1), seed, (n) => whole.city.address(n)),
    customerId: 'rehearsed',
    payment: { legs: [{ means: 'card', token }] },
  })
  const key = () => ({ 'idempotency-key': crypto.randomUUID() })
  const shadow = (method: string, path: string, body?: unknown) => whole.call(method, path, body, { ...mark, ...key() })
  const listed = async (headers: Record<string, string>): Promise<Listed[]> => {
    const { body } = await whole.call('GET', '/v1/orders?customerId=rehearsed&limit=200', undefined, headers)
    return body.orders
  }
  /** Counters of a scrape by their whole label set. */
  const metrics = async (): Promise<Map<string, number>> => {
    const { body } = await whole.call('GET', '/metrics')
    const lines = (body as string)
      .split('\n')
      .filter((line) => /^throughline_(operation_seconds|batch_size)_count|^throughline_relayed/.test(line))
    return new Map(
      lines.map((line): [string, number] => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
    )
  }
  /** Counts of one traffic only. */
  const ofTraffic = (all: Map<string, number>, traffic: string) =>
    Object.fromEntries([...all].filter(([name]) => name.includes(`traffic="${traffic}"`)))
  const desk = {
    async waiting(state: string, after: number) {
      return (await shadow('GET', `/v1/waybills?state=${state}&after=${after}&limit=1000`)).body.waybills
    },
    async report(moves: readonly { waybillId: number; to: string; reason?: string }[]) {
      const answer = await shadow('POST', '/v1/waybills/updates', { commands: moves.map((input) => ({ input })) })
      return answer.body.outcomes.map(({ status }: { status: number }) => status === 200)
    },
  }

  test('live has orders of its own, which stand still from here on', async () => {
    for (const token of ['tok_ok', 'tok_ok', 'tok_declined_hard']) {
      expect((await whole.call('POST', '/v1/orders', { ...order(token), customerId: 'real' }, key())).status).toBe(201)
    }
    await whole.drained()
    await untilTrue(() => gateway.webhooksWaiting() === 0)
    await whole.drained()
    // Live's own round would do it in the midst of what follows.
    await whole.core.relay.prune('live')
    // Positions of consumers that only passed over events of others are written some seconds later.
    let still = { since: Date.now(), print: '' }
    await untilTrue(
      async () => {
        const print = JSON.stringify([...(await fingerprintOf(admin.live))])
        if (print !== still.print) still = { since: Date.now(), print }
        return Date.now() - still.since > 6_000
      },
      30_000,
      'live standing still',
    )
    metricsBefore = await metrics()
    before = await fingerprintOf(admin.live)
    expect(before.get('orders.orders')).toMatch(/^3 rows/)
    expect(before.get('fulfilment.waybill')).not.toMatch(/^0 rows/)
  })

  test('shadow orders are placed, paid, cancelled, paid again, routed and delivered, each where shadow belongs', async () => {
    const tokens = ['tok_ok', 'tok_soft_once', 'tok_timeout_after_charge', 'tok_unreachable_once', 'tok_ok']
    const placed = await Promise.all(Array.from({ length: 20 }, (_, index) => shadow('POST', '/v1/orders', order(tokens[index % 5] ?? ''))))
    const commands = Array.from({ length: 60 }, (_, index) => ({ idempotencyKey: `shadow-${index}`, input: order('tok_ok') }))
    const batch = await shadow('POST', '/v1/orders/batch', { commands })
    const declined = await shadow('POST', '/v1/orders', order('tok_declined_hard'))
    const numbers: string[] = [...placed, declined].map(({ body }) => body.number)
    numbers.push(...batch.body.outcomes.map((outcome: { value: { number: string } }) => outcome.value.number))
    expect(numbers.filter((number) => !number.startsWith('ZTL-'))).toEqual([])
    expect(new Set(numbers).size).toBe(81)

    await whole.drained('shadow')
    const pay = { orderId: declined.body.orderId, legs: [{ means: 'card', token: 'tok_ok' }] }
    expect((await shadow('POST', '/v1/payments', pay)).status).toBe(202)
    const cancelled = batch.body.outcomes[0].value.number
    expect((await shadow('POST', `/v1/orders/${cancelled}/cancel`, { reason: 'rehearsed' })).status).toBe(200)

    await untilTrue(
      async () => {
        await playRound(desk)
        shadowOrders = await listed(mark)
        return shadowOrders.every(({ state }) => state === 'delivered' || state === 'cancelled')
      },
      40_000,
      'shadow orders at their doors',
    )
    const states = Map.groupBy(shadowOrders, ({ state, moneyState }) => `${state} ${moneyState}`)
    expect([...states].map(([state, orders]) => [state, orders.length]).toSorted()).toEqual([
      ['cancelled refunded', 1],
      ['delivered captured', 80],
    ])
    await whole.drained('shadow')
  })

  test('every live table and sequence is as it was, to the row and to the transaction that wrote it', async () => {
    const after = await fingerprintOf(admin.live)
    expect(after.size).toBeGreaterThan(40)
    expect(Object.fromEntries(after)).toEqual(Object.fromEntries(before))
    // The same measure sees what was done in shadow, so it would have seen it in live.
    expect((await fingerprintOf(admin.shadow)).get('orders.orders')).toMatch(/^81 rows/)
    expect(await listed({})).toEqual([])
    const { body } = await whole.call('GET', `/v1/orders/${shadowOrders[0]?.number}`)
    expect(body.code).toBe('orders.not_found')
  })

  test('the gateway was asked for shadow as shadow, and no live money moved', async () => {
    const { movements } = gateway.engine.log()
    const live = movements.filter(({ traffic }) => traffic === 'live')
    expect(live).toHaveLength(2)
    const shadowed = movements.filter(({ traffic }) => traffic === 'shadow')
    expect(shadowed.filter(({ key: named }) => !named.includes('-shadow-'))).toEqual([])
    expect(shadowed.filter(({ kind }) => kind === 'charge')).toHaveLength(81)
    const scope = { traffic: 'shadow', rehearsalId: rehearsal } as const
    const { payments, databases } = whole.core
    const compared = await databases.of('payments').read(scope, (read) => payments.compareWithGateway(read, 'sandbox', movements))
    expect(compared.filter(({ breaks }) => breaks.length > 0)).toEqual([])
  })

  test('metrics count it under shadow and leave the counts of live where they were', async () => {
    const after = await metrics()
    const counted = ofTraffic(after, 'shadow')
    const placed = Object.entries(counted).find(([name]) => /^throughline_operation_seconds_count.*orders\.place"/.test(name))
    expect(placed?.[1]).toBe(81)
    expect(Object.keys(counted).filter((name) => name.startsWith('throughline_relayed')).length).toBeGreaterThan(5)
    const [was, is] = [ofTraffic(metricsBefore, 'live'), ofTraffic(after, 'live')]
    // Two questions were asked as live above, on purpose.
    for (const all of [was, is]) for (const name of Object.keys(all)) if (/orders\.(list|get)"/.test(name)) delete all[name]
    expect(is).toEqual(was)
  })

  test('history, events and log lines of it name shadow and the rehearsal', async () => {
    // Tracking writes none: its facts are its history.
    for (const context of ['orders', 'payments', 'fulfilment', 'routing']) {
      const { rows } = await admin.shadow.query<{ traffic: string; rehearsal: string | null }>(
        `select distinct traffic, rehearsal_id as rehearsal from ${context}.change`,
      )
      expect(rows.length, context).toBeGreaterThan(0)
      for (const row of rows) {
        expect(row.traffic, context).toBe('shadow')
        // Rounds that find what was left behind, and the city's own settling, run under a rehearsal of their own.
        expect([rehearsal, 'housekeeping', 'made-city', 'relay'], context).toContain(row.rehearsal)
      }
      expect(
        rows.map((row) => row.rehearsal),
        context,
      ).toContain(rehearsal)
    }
    const { rows: unnamed } = await admin.shadow.query('select count(*)::int as events from orders.outbox where rehearsal_id is null')
    expect(unnamed).toEqual([{ events: 0 }])
  })

  test('both traffics are whole', async () => {
    for (const traffic of ['live', 'shadow'] as const) {
      const results = await whole.core.check(traffic)
      expect(results.length).toBeGreaterThan(20)
      expect(results.filter(({ breaks }) => breaks.length > 0)).toEqual([])
    }
    expect(whole.logged.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('what breaks under shadow is logged as shadow’s, with its rehearsal, by the operation and by the relay', async () => {
    const since = whole.lines.length
    // A body that breaks: its table is gone. In shadow only, and a table that no round reads: one that starts meanwhile would break too.
    await admin.shadow.query('alter table merchants.merchant rename to merchant_hidden')
    const broken = await shadow('GET', '/v1/merchants?limit=1')
    expect([broken.status, broken.body.code]).toEqual([500, 'platform.internal'])
    expect((await whole.call('GET', '/v1/merchants?limit=1')).status).toBe(200)
    await admin.shadow.query('alter table merchants.merchant_hidden rename to merchant')
    // An event that no consumer can take.
    await admin.shadow.query(
      `insert into orders.outbox (tx, key, type, schema_version, payload, trace_id, rehearsal_id, occurred_at)
       values (pg_current_xact_id(), 'poison', 'orders.paid', 1, '{"sections": 5}', '', $1, now())`,
      [rehearsal],
    )
    const about = () => whole.lines.slice(since).filter(({ level }) => level !== 'info')
    await untilTrue(() => about().some(({ msg }) => msg === 'event parked'), 15_000, 'a parked event')
    expect(new Set(about().map(({ msg }) => msg))).toEqual(
      new Set(['operation broke', 'batch failed; its events run one by one', 'event parked']),
    )
    for (const line of about()) expect(line).toMatchObject({ traffic: 'shadow', rehearsalId: rehearsal })
    // Under the trace id that the caller was told, the line is found.
    expect(about().find(({ msg }) => msg === 'operation broke')).toMatchObject({ traceId: broken.body.traceId })
    await whole.drained()
    expect((await whole.core.check('live')).filter(({ breaks }) => breaks.length > 0)).toEqual([])
    // Whoever could make nothing of it has parked it, and nothing else is broken.
    const red = (await whole.core.check('shadow')).flatMap(({ breaks }) => breaks)
    expect(red).toContainEqual(expect.stringMatching(/^fulfilment\.prepare has \d events waiting and 1 parked$/))
    expect(red.filter((each) => !/ [01] parked$/.test(each))).toEqual([])
  })
})
