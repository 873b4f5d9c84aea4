import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import { guardTraffic } from './gateway.ts'
import { card, openPaymentsRig, type PaymentsRig, rigSecret } from './payments-rig.ts'

describe('payments by plan, on a real database', () => {
  let rig: PaymentsRig
  beforeAll(async () => {
    rig = await openPaymentsRig(13, { gateways: ['sandbox', 'meridian'] })
    rig.wallet.balances.set('c1', 1_000_000)
  })
  afterAll(() => rig.close())
  const states = async (orderId: number, part = 0) => (await rig.legs(orderId, part)).map(({ state }) => state)
  const inMinutes = (minutes: number) => new Date(rig.t.clock.now().getTime() + minutes * 60_000).toISOString()
  const pay = (orderId: number, legs: object[], part = 0) =>
    rig.write((context) => rig.payments.payPayments(context, [{ orderId, part, legs: legs as never, actor: 'test', commandId: 'pay' }]))
  const capture = (orderId: number, amountMinor: number | undefined, last: boolean, exact = false) =>
    rig.write((context) =>
      rig.payments.captureFor(context, [
        { orderId, part: 0, ...(amountMinor === undefined ? {} : { amountMinor }), last, exact, actor: 'test', commandId: 'capture' },
      ]),
    )

  test('card and wallet together: both are set aside, then both are taken, and covered comes with the last', async () => {
    const before = rig.wallet.balances.get('c1') ?? 0
    const order = await rig.plan({ legs: [card('tok_ok'), { means: 'wallet', amountMinor: 499 }] })
    expect(await rig.request(order)).toMatchObject({ state: 'covered', capturedMinor: 1_999, authorizedMinor: 0 })
    const told = await rig.told(order)
    expect(told.slice(0, 2).toSorted()).toEqual(['authorized 1500', 'authorized 499'])
    expect(told.slice(2).map((each) => each.split(' ')[0])).toEqual(['captured', 'captured'])
    expect(told.map((each) => each.endsWith('covered'))).toEqual([false, false, false, true])
    expect(rig.wallet.balances.get('c1')).toBe(before - 499)
    await rig.expectGreen()
  })

  test('all or none: when the card is declined for good the wallet gets its money back', async () => {
    const before = rig.wallet.balances.get('c1')
    const order = await rig.plan({ legs: [{ means: 'wallet', amountMinor: 999 }, card('tok_declined_hard')] })
    expect(await states(order)).toEqual(['voided', 'failed'])
    expect(await rig.stateOf(order)).toBe('open')
    expect(await rig.told(order)).toContain('failed')
    expect(rig.wallet.balances.get('c1')).toBe(before)
    await rig.expectGreen()
    expect(await pay(order, [card('tok_ok')])).toMatchObject([{ ok: true, value: { state: 'processing' } }])
    await rig.payments.executor.idle()
    expect(await rig.stateOf(order)).toBe('covered')
    await rig.expectGreen()
  })

  test('a void that is not answered is resolved by query, a capture that is not answered as well', async () => {
    const lost = await rig.plan({ legs: [card('tok_void_timeout', { amountMinor: 999 }), card('tok_declined_hard')] })
    expect(await states(lost)).toEqual(['authorized', 'failed'])
    await rig.sweepAfter(3_000)
    expect(await states(lost)).toEqual(['voided', 'failed'])
    const taken = await rig.plan({ legs: [card('tok_capture_timeout', { amountMinor: 999 }), card('tok_ok')] })
    expect(await rig.request(taken)).toMatchObject({ state: 'partially_covered', capturedMinor: 1_000, authorizedMinor: 999 })
    await rig.sweepAfter(3_000)
    expect(await rig.request(taken)).toMatchObject({ state: 'covered', capturedMinor: 1_999 })
    await rig.expectGreen()
  })

  test('a capture that is refused undoes what the others took', async () => {
    const order = await rig.plan({ legs: [card('tok_capture_refused', { amountMinor: 999 }), card('tok_ok')] })
    expect(await states(order)).toEqual(['failed', 'refunded'])
    expect(await rig.request(order)).toMatchObject({ state: 'open', capturedMinor: 1_000, refundedMinor: 1_000 })
    await rig.expectGreen()
  })

  test('on shipment: set aside is covered, each section takes its amount, the last lets go of the rest', async () => {
    const order = await rig.plan({ legs: [card('tok_ok', { amountMinor: 1_000 }), card('tok_ok')], capture: 'on_shipment' })
    expect(await rig.request(order)).toMatchObject({ state: 'covered', authorizedMinor: 1_999, capturedMinor: 0 })
    expect((await rig.told(order)).filter((each) => each.endsWith('covered'))).toHaveLength(1)
    await capture(order, 1_200, false)
    await rig.payments.executor.idle()
    expect(await rig.legs(order)).toMatchObject([{ capturedMinor: 1_000 }, { capturedMinor: 200, state: 'partially_captured' }])
    expect(await capture(order, 800, false, true)).toMatchObject([{ ok: false, error: { code: 'payments.capture_too_large' } }])
    await rig.giveBack(order, { parts: [{ part: 0, amountMinor: 299 }], reason: 'item cancelled' })
    expect(await rig.request(order)).toMatchObject({ dueMinor: 1_700, authorizedMinor: 500, state: 'covered' })
    await capture(order, 800, true)
    await rig.payments.executor.idle()
    expect(await rig.request(order)).toMatchObject({ state: 'covered', capturedMinor: 1_700, authorizedMinor: 0 })
    expect((await rig.told(order)).slice(-2)).toEqual(['captured 500', 'voided 299'])
    await rig.expectGreen()
  })

  test('on shipment: what is cancelled whole is let go and never taken', async () => {
    const order = await rig.plan({ legs: [card('tok_ok')], capture: 'on_shipment' })
    await rig.giveBack(order)
    await rig.payments.executor.idle()
    expect(await states(order)).toEqual(['voided'])
    expect((await rig.told(order)).slice(-2)).toEqual(['due 0', 'voided 1999'])
    expect(await capture(order, undefined, true)).toMatchObject([{ ok: false, error: { code: 'payments.request_not_found' } }])
    await rig.expectGreen()
  })

  test('cash on delivery: covered by the promise, taken when the courier was paid, given back by hand', async () => {
    const order = await rig.plan({ legs: [{ means: 'cash_on_delivery' }] })
    expect(await rig.request(order)).toMatchObject({ state: 'covered', authorizedMinor: 1_999, capturedMinor: 0 })
    await capture(order, undefined, true)
    await rig.payments.executor.idle()
    expect(await rig.told(order)).toEqual(['authorized 1999 covered', 'captured 1999'])
    await rig.giveBack(order)
    await rig.payments.executor.idle()
    expect(
      await rig.sql(
        `select kind, state from payments.follow_up where request_id = (select id from payments.request where order_id = ${order}) order by id`,
      ),
    ).toEqual([
      { kind: 'capture', state: 'succeeded' },
      { kind: 'refund', state: 'manual' },
    ])
    await rig.expectGreen()
  })

  test('a deposit releases the goods, the instalment of a later day is asked for on that day', async () => {
    const order = await rig.plan({
      legs: [card('tok_ok', { amountMinor: 600 }), card('tok_ok', { dueAt: inMinutes(60) })],
      releaseMinor: 600,
    })
    expect(await rig.request(order)).toMatchObject({ state: 'partially_covered', capturedMinor: 600 })
    expect(await rig.told(order)).toEqual(['captured 600 covered'])
    expect(await pay(order, [card('tok_ok')])).toMatchObject([{ ok: false, error: { code: 'payments.in_progress' } }])
    await rig.sweepAfter(30 * 60_000)
    expect((await rig.request(order))?.capturedMinor).toBe(600)
    await rig.sweepAfter(31 * 60_000)
    expect(await rig.request(order)).toMatchObject({ state: 'covered', capturedMinor: 1_999 })
    expect(await rig.told(order)).toEqual(['captured 600 covered', 'captured 1399'])
    await rig.expectGreen()
  })

  test('two payers share an order: nothing is taken before both have paid; too much is refused', async () => {
    const order = await rig.plan(null)
    await pay(order, [card('tok_ok', { amountMinor: 1_000, payer: 'Ada' })])
    await rig.payments.executor.idle()
    expect(await rig.request(order)).toMatchObject({ state: 'processing', capturedMinor: 0, authorizedMinor: 1_000 })
    expect(await pay(order, [card('tok_ok', { amountMinor: 1_000 })])).toMatchObject([
      { ok: false, error: { code: 'payments.bad_plan', field: '/legs', facts: { openMinor: 999 } } },
    ])
    await pay(order, [card('tok_declined_hard', { payer: 'Bob' })])
    await rig.payments.executor.idle()
    expect(await states(order)).toEqual(['authorized', 'failed'])
    await pay(order, [card('tok_ok', { payer: 'Bob' })])
    await rig.payments.executor.idle()
    expect(await rig.request(order)).toMatchObject({ state: 'covered', capturedMinor: 1_999 })
    await rig.expectGreen()
  })

  test('what nobody pays in time expires: what was set aside is let go, and the part may be asked anew', async () => {
    const order = await rig.plan({ legs: [card('tok_ok', { amountMinor: 500 }), card('tok_3ds')], expiresAt: inMinutes(10) })
    expect(await rig.stateOf(order)).toBe('requires_action')
    const [, second] = await rig.legs(order)
    expect(second).toMatchObject({ state: 'requires_action', action: { kind: 'redirect', url: expect.stringContaining('3ds') } })
    await rig.sweepAfter(9 * 60_000)
    expect(await rig.stateOf(order)).toBe('requires_action')
    await rig.sweepAfter(2 * 60_000)
    expect(await rig.stateOf(order)).toBe('expired')
    expect(await states(order)).toEqual(['voided', 'voided'])
    expect((await rig.told(order)).filter((each) => each === 'expired')).toHaveLength(1)
    await rig.plan({ legs: [card('tok_ok')] }, { orderId: order })
    expect(await rig.stateOf(order)).toBe('covered')
    await rig.expectGreen()
  })

  test('what is being captured when its time is over does not expire before the end of the capture is known', async () => {
    const legs = [card('tok_capture_timeout', { amountMinor: 500 }), card('tok_ok')]
    const order = await rig.plan({ legs, expiresAt: inMinutes(10) })
    expect(await rig.request(order)).toMatchObject({ state: 'partially_covered', capturedMinor: 1_499 })
    const twin = openSandboxTwin({ name: 'sandbox', engine: rig.engine, webhookSecret: rigSecret })
    const silent = rig.another(guardTraffic({ ...twin, queryFollowUp: () => Promise.reject(new Error('no answer')) }, 'sandbox'))
    rig.t.clock.set(new Date(inMinutes(11)))
    await silent.sweep(rig.t.live)
    expect(await rig.stateOf(order)).toBe('partially_covered')
    await rig.sweepAfter(60 * 60_000)
    expect(await rig.request(order)).toMatchObject({ state: 'covered', capturedMinor: 1_999 })
    await rig.expectGreen()
  })

  test('the customer acts on the page of the gateway and the sweep finds it', async () => {
    const order = await rig.pay('tok_3ds')
    const [leg] = await rig.legs(order)
    const action = leg?.action
    expect([await rig.stateOf(order), action?.kind]).toEqual(['requires_action', 'redirect'])
    const ref = decodeURIComponent(action?.kind === 'redirect' ? (action.url.split('/').at(-1) ?? '') : '')
    expect(rig.engine.customerActs(ref, 'approve')).toBe(true)
    await rig.sweepAfter(16_000)
    expect(await rig.told(order)).toEqual(['captured 1999 covered'])
    expect((await rig.legs(order))[0]?.action).toBeNull()
    await rig.expectGreen()
  })

  test('a transfer waits for the customer with a reference, at the gateway that takes transfers', async () => {
    const order = await rig.plan({ legs: [{ means: 'transfer', token: 'tok_ok' }] })
    expect(await rig.legs(order)).toMatchObject([{ gateway: 'meridian', state: 'requires_action', action: { kind: 'transfer' } }])
    await rig.giveBack(order)
    await rig.payments.executor.idle()
    expect(await states(order)).toEqual(['voided'])
    await rig.expectGreen()
  })

  test('sections and later differences pay for themselves; a cancel of one leaves the others', async () => {
    const order = await rig.plan({ legs: [card('tok_ok')] }, { part: 1 })
    for (const part of [2, 1_000]) await rig.plan({ legs: [card('tok_ok')] }, { orderId: order, part, amountMinor: part })
    const found = await rig.read((read) => rig.payments.findPayments(read, [order]))
    expect(found.get(order)?.requests.map(({ part, state }) => [part, state])).toEqual([
      [1, 'covered'],
      [2, 'covered'],
      [1_000, 'covered'],
    ])
    await rig.giveBack(order, { parts: [{ part: 1 }] })
    await rig.giveBack(order, { parts: [], whole: true })
    await rig.payments.executor.idle()
    expect(await rig.read((read) => rig.payments.findPayments(read, [order]))).toMatchObject(
      new Map([[order, { capturedMinor: 3_001, refundedMinor: 3_001, dueMinor: 0 }]]),
    )
    await rig.expectGreen()
  })

  test('an amount raised after it was covered is covered again by another means', async () => {
    const order = await rig.pay('tok_ok')
    const raise = () =>
      rig.write((context) => rig.payments.raiseDue(context, [{ orderId: order, part: 0, amountMinor: 201, actor: 'test', commandId: 'r' }]))
    expect(await raise()).toMatchObject([{ ok: true, value: { state: 'partially_covered' } }])
    await pay(order, [card('tok_ok')])
    await rig.payments.executor.idle()
    expect(await rig.told(order)).toEqual(['captured 1999 covered', 'due 2200', 'captured 201 covered'])
    await rig.giveBack(order)
    expect(await raise()).toMatchObject([{ ok: false, error: { code: 'payments.request_not_found' } }])
    await rig.payments.executor.idle()
    await rig.expectGreen()
  })

  test('goodwill is counted apart: what is due stays, to the means or to the wallet, never more than is in hand', async () => {
    const order = await rig.pay('tok_ok')
    const before = rig.wallet.balances.get('c1') ?? 0
    const gift = (amountMinor: number, to: 'means' | 'wallet') =>
      rig.giveBack(order, { kind: 'goodwill', to, parts: [{ part: 0, amountMinor }], reason: 'late', mustBeInHand: true })
    expect(await gift(300, 'means')).toMatchObject([{ ok: true, value: { refundingMinor: 300 } }])
    expect(await gift(200, 'wallet')).toMatchObject([{ ok: true, value: { refundingMinor: 200 } }])
    expect(await gift(1_500, 'means')).toMatchObject([
      { ok: false, error: { code: 'payments.refund_too_large', facts: { mostMinor: 1_499 } } },
    ])
    await rig.payments.executor.idle()
    expect(await rig.request(order)).toMatchObject({ state: 'covered', dueMinor: 1_999, refundedMinor: 500, goodwillMinor: 500 })
    expect(rig.wallet.balances.get('c1')).toBe(before + 200)
    await rig.giveBack(order)
    await rig.payments.executor.idle()
    expect(await rig.request(order)).toMatchObject({ state: 'cancelled', refundedMinor: 1_999, goodwillMinor: 500 })
    await rig.expectGreen()
  })

  test('the money of a disputed charge is missing until the dispute is won', async () => {
    const order = await rig.pay('tok_ok')
    const attempts = await rig.sql<{ id: string }>(
      `select a.id from payments.attempt a join payments.request r on r.id = a.request_id where r.order_id = ${order}`,
    )
    const attemptId = Number(attempts[0]?.id)
    const notice = (eventId: string, won: boolean) => ({
      gateway: 'sandbox',
      eventId,
      subjectId: attemptId,
      notice: { eventId, kind: 'dispute' as const, key: `rig-live-charge-${attemptId}`, amountMinor: 1_999, won },
      request: null,
    })
    const receive = async (eventId: string, won: boolean) => {
      await rig.sql(
        `insert into payments.webhook (gateway, event_id, kind, subject_id, outcome, notice, payload, received_at)
         values ('sandbox', $1, 'dispute', $2, 'lost', $3, '{}', $4)`,
        [eventId, attemptId, JSON.stringify(notice(eventId, won).notice), rig.t.clock.now()],
      )
      // Twice: the process that took it and the sweep of another.
      rig.payments.executor.webhooks(rig.t.live, [notice(eventId, won), notice(eventId, won)])
      await rig.payments.executor.idle()
    }
    rig.engine.dispute(`ch_rig-live-charge-${attemptId}`, { won: false })
    await receive('d1', false)
    expect([await rig.stateOf(order), ...(await states(order))]).toEqual(['open', 'charged_back'])
    rig.engine.dispute(`ch_rig-live-charge-${attemptId}`, { won: true })
    await receive('d2', true)
    expect([await rig.stateOf(order), ...(await states(order))]).toEqual(['covered', 'captured'])
    expect(await rig.told(order)).toEqual(['captured 1999 covered', 'charged_back 1999', 'dispute_won 1999 covered'])
    await rig.expectGreen()
  })

  test('a plan that can not be followed leaves the request open and tells why', async () => {
    for (const legs of [
      [card('tok_ok', { amountMinor: 5 })],
      [card('card:77')],
      [card('tok_ok', { gateway: 'elsewhere' })],
      [{ means: 'points' as const }],
    ]) {
      const order = await rig.plan({ legs })
      expect([await rig.stateOf(order), await rig.told(order)]).toEqual(['open', ['failed']])
    }
    await rig.expectGreen()
  })

  test('a batch of plans takes as many statements as one plan', async () => {
    const statementsFor = (first: number, count: number) =>
      rig.write(async (context) => {
        let statements = 0
        let ofMixes = 0
        const counting = {
          ...context,
          query(...asked: Parameters<typeof context.query>) {
            // Mixes are read anew when some time has passed, on a slow machine between the two.
            if (asked[0].name === 'payments.read_mixes') ofMixes += 1
            else statements += 1
            return context.query(...asked)
          },
        }
        const commands = Array.from({ length: count }, (_, at) => ({
          orderId: first + at,
          part: 0,
          storeId: 'store-1',
          customerId: 'c1',
          currency: 'EUR',
          amountMinor: 1_999,
          plan: { legs: [card('tok_ok', { amountMinor: 500 }), { means: 'wallet' as const }] },
          actor: 'test',
          commandId: `p${first + at}`,
        }))
        await rig.payments.requestPayments(counting as typeof context, commands)
        expect(ofMixes).toBeLessThanOrEqual(1)
        return statements
      })
    const [one, many] = [await statementsFor(60_000, 1), await statementsFor(60_001, 80)]
    expect(many).toBe(one)
    await rig.payments.executor.idle()
    expect(await rig.stateOf(60_080)).toBe('covered')
    await rig.expectGreen()
  })
})
