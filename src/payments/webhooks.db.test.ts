import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import { signWebhook } from '#partners/sandbox-pg/webhook-signature.ts'
import type { WireBody } from '#partners/sandbox-pg/wire.ts'
import { statement } from '#platform/database.ts'
import { type ChargeCall, type ChargeResult, guardTraffic } from './gateway.ts'
import { openPaymentsRig, orderOf, type PaymentsRig, rigSecret } from './payments-rig.ts'
import type { ReceiveWebhook } from './receive-webhooks.ts'

const attemptOf = statement<{ id: number }>(
  'test.attempt_of',
  'select attempt.id from payments.attempt join payments.request on request.id = request_id where order_id = $1 order by attempt.id limit 1',
)
const inbox = statement<{ eventId: string; verdict: string | null }>(
  'test.inbox',
  'select event_id as "eventId", verdict from payments.webhook where event_id like $1 order by event_id',
)
const changesOf = statement<{ changes: number }>(
  'test.changes_of',
  `select count(*)::integer as changes from payments.change_log where level = 'attempt' and entity = $1::text and to_state = 'succeeded'`,
)

describe('webhooks', () => {
  let rig: PaymentsRig
  let nextEvent = 1
  beforeAll(async () => {
    rig = await openPaymentsRig(11)
  })
  afterAll(() => rig.close())

  const webhook = (key: string, body: WireBody, { id = `evt_${nextEvent++}` }: { id?: string } = {}): ReceiveWebhook => {
    const sent = JSON.stringify({ kind: 'charge', key, httpStatus: body.status.startsWith('declined') ? 402 : 200, body })
    return { gateway: 'sandbox', ...signWebhook(rigSecret, { id, sentAt: rig.t.clock.now(), body: sent }) }
  }
  const captured = (ref: string): WireBody => ({ status: 'captured', ref, amountMinor: 1_999, currency: 'EUR' })
  const receive = (webhooks: ReceiveWebhook[], payments = rig.payments) =>
    rig.write((context) => payments.receiveWebhooks(context, webhooks))
  const firstAttempt = async (order: number) => (await rig.read((read) => read.query(attemptOf, [order])))[0]?.id ?? 0

  test('the same webhook three times at once with the answer of the call: one capture, one change, three good answers', async () => {
    for (let round = 0; round < 20; round += 1) {
      const order = 40_000 + round
      const held: { call: ChargeCall; answer: (result: ChargeResult) => void }[] = []
      // A gateway whose answer is given by hand, so that it can come at the same moment as its webhooks.
      const twin = openSandboxTwin({ name: 'sandbox', engine: rig.engine, webhookSecret: rigSecret })
      const { chargeAtOnce: _, ...oneByOne } = twin
      const slow = { ...oneByOne, charge: (call: ChargeCall) => new Promise<ChargeResult>((answer) => held.push({ call, answer })) }
      const payments = rig.another(guardTraffic(slow, 'sandbox'))
      await rig.write((context) => payments.requestPayments(context, [orderOf(order, 'tok_ok')]))
      await expect.poll(() => held.length).toBe(1)
      const [asked] = held
      if (asked === undefined) throw new Error('no call was made')
      const result = await twin.charge(asked.call)
      const same = webhook(asked.call.key, captured(result.outcome === 'succeeded' ? result.gatewayRef : ''))
      const others = [rig.another(), rig.another(), payments]
      const received = others.map((each) => receive([same], each))
      asked.answer(result)
      const outcomes = (await Promise.all(received)).flat()
      for (const each of [...others, payments]) await each.executor.idle()
      expect(outcomes.every((outcome) => outcome.ok)).toBe(true)
      expect(outcomes.filter((outcome) => outcome.ok && outcome.value.first)).toHaveLength(1)
      expect(await rig.told(order)).toEqual(['captured 1999 covered'])
      const attempt = String(await firstAttempt(order))
      expect(await rig.read((read) => read.query(changesOf, [attempt]))).toEqual([{ changes: 1 }])
    }
    await rig.expectGreen()
  })

  test('an attempt whose call this process is still making is left alone by its sweep', async () => {
    let answer: ((result: ChargeResult) => void) | undefined
    const { chargeAtOnce: _, ...twin } = openSandboxTwin({ name: 'sandbox', engine: rig.engine, webhookSecret: rigSecret })
    const slow = { ...twin, charge: () => new Promise<ChargeResult>((resolve) => (answer = resolve)) }
    const payments = rig.another(guardTraffic(slow, 'sandbox'))
    await rig.write((context) => payments.requestPayments(context, [orderOf(41_000, 'tok_ok')]))
    await expect.poll(() => answer).toBeDefined()
    rig.t.clock.set(new Date(rig.t.clock.now().getTime() + 3_600_000))
    expect(await payments.sweep(rig.t.live)).toMatchObject({ asked: 0, retried: 0 })
    answer?.({ outcome: 'declined_hard', reason: 'at last' })
    await payments.executor.idle()
    expect((await rig.events(41_000)).map((event) => event.type)).toEqual(['payments.failed'])
  })

  test('a webhook resolves an unknown attempt before any query', async () => {
    const order = await rig.pay('tok_timeout_after_charge')
    const key = `rig-live-charge-${await firstAttempt(order)}`
    const ref = rig.engine.findCharge(key).body?.ref ?? ''
    await receive([webhook(key, captured(ref))])
    await rig.payments.executor.idle()
    expect(await rig.stateOf(order)).toBe('covered')
    await rig.expectGreen()
  })

  test('a webhook whose process died before applying it is applied by the sweep', async () => {
    const order = await rig.pay('tok_timeout_after_charge')
    const key = `rig-live-charge-${await firstAttempt(order)}`
    const dying = rig.another()
    await dying.executor.close()
    await receive([webhook(key, captured(rig.engine.findCharge(key).body?.ref ?? ''), { id: 'evt_left' })], dying)
    expect(await rig.stateOf(order)).toBe('processing')
    await rig.sweepAfter(10_100)
    expect(await rig.stateOf(order)).toBe('covered')
    expect(['applied', 'repeated']).toContain((await rig.read((read) => read.query(inbox, ['evt_left'])))[0]?.verdict)
  })

  test('a webhook about nothing that we know is kept and marked, and one that contradicts us changes nothing', async () => {
    const order = await rig.pay('tok_ok')
    const key = `rig-live-charge-${await firstAttempt(order)}`
    const outcomes = await receive([
      webhook('rig-live-charge-999999999', captured('ch_x'), { id: 'evt_k1' }),
      webhook('of-somebody-else', captured('ch_y'), { id: 'evt_k2' }),
      webhook(key, { status: 'declined_hard', reason: 'late' }, { id: 'evt_k3' }),
    ])
    expect(outcomes.every((outcome) => outcome.ok)).toBe(true)
    await rig.payments.executor.idle()
    expect(await rig.read((read) => read.query(inbox, ['evt_k%']))).toEqual([
      { eventId: 'evt_k1', verdict: 'unmatched' },
      { eventId: 'evt_k2', verdict: 'unmatched' },
      { eventId: 'evt_k3', verdict: 'contradicted' },
    ])
    expect(await rig.stateOf(order)).toBe('covered')
    await rig.expectGreen()
  })

  test('what is forged, old, unreadable, of another gateway or of other traffic is refused alone and not stored', async () => {
    const key = 'rig-live-charge-1'
    const good = webhook(key, captured('ch_1'), { id: 'evt_r0' })
    const old = signWebhook(rigSecret, { id: 'evt_r4', sentAt: new Date('2026-03-01T00:00:00Z'), body: good.body })
    const unreadable = signWebhook(rigSecret, { id: 'evt_r5', sentAt: rig.t.clock.now(), body: '{"kind":"charge"' })
    const outcomes = await receive([
      good,
      { ...good, headers: { ...good.headers, 'webhook-id': 'evt_r1' } },
      { ...good, headers: { ...good.headers, 'webhook-signature': '' } },
      { ...webhook(key, captured('ch_1'), { id: 'evt_r3' }), gateway: 'other' },
      { gateway: 'sandbox', ...old },
      { gateway: 'sandbox', ...unreadable },
      webhook('rig-shadow-charge-1', captured('ch_1'), { id: 'evt_r6' }),
    ])
    expect(outcomes.map((outcome) => outcome.ok || outcome.error.code)).toEqual([
      true,
      'payments.webhook_refused',
      'payments.webhook_refused',
      'payments.unknown_gateway',
      'payments.webhook_refused',
      'payments.webhook_refused',
      'payments.webhook_of_other_traffic',
    ])
    await rig.payments.executor.idle()
    expect((await rig.read((read) => read.query(inbox, ['evt_r%']))).map((row) => row.eventId)).toEqual(['evt_r0'])
  })

  test('a gateway that only names a thing is asked what became of it after the answer, and again by the sweep when it can not tell', async () => {
    const order = await rig.pay('tok_timeout_after_charge')
    const key = `rig-live-charge-${await firstAttempt(order)}`
    const ref = rig.engine.findCharge(key).body?.ref ?? ''
    let asked = 0
    const telling = guardTraffic(
      {
        ...openSandboxTwin({ name: 'sandbox', engine: rig.engine, webhookSecret: rigSecret }),
        verifyWebhook: ({ headers }) => ({ eventId: headers['event-id'] ?? '', notice: null }),
        async readNotice({ body }) {
          asked += 1
          if (asked === 1) throw new Error('not now')
          if (body === 'nothing of ours') return null
          return { eventId: body, kind: 'charge', key: body, result: { outcome: 'succeeded', gatewayRef: ref } }
        },
      },
      'sandbox',
    )
    const payments = rig.another(telling)
    const named = (eventId: string, body: string): ReceiveWebhook => ({ gateway: 'sandbox', headers: { 'event-id': eventId }, body })
    expect(await receive([named('evt_n1', key)], payments)).toMatchObject([{ ok: true, value: { first: true } }])
    await payments.executor.idle()
    expect([asked, await rig.stateOf(order)]).toEqual([1, 'processing'])
    rig.t.clock.set(new Date(rig.t.clock.now().getTime() + 10_100))
    // The sweep asks the gateway about the attempt as well; the webhook must be resolved all the same.
    await payments.sweep(rig.t.live)
    await receive([named('evt_n2', 'nothing of ours')], payments)
    await payments.executor.idle()
    expect(asked).toBe(3)
    const verdicts = await rig.read((read) => read.query(inbox, ['evt_n%']))
    expect(verdicts.map(({ eventId, verdict }) => [eventId, verdict])).toEqual([
      ['evt_n1', 'repeated'],
      ['evt_n2', 'unmatched'],
    ])
    expect(await rig.stateOf(order)).toBe('covered')
    await rig.expectGreen()
  })
})
