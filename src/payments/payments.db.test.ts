import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { statement } from '#platform/database.ts'
import { card, openPaymentsRig, orderOf, type PaymentsRig } from './payments-rig.ts'

const steps = statement<{ step: string; cause: string }>(
  'test.steps',
  `select format('%s:%s>%s', level, from_state, to_state) as step, cause from payments.change_log
   where root = (select id from payments.request where order_id = $1 order by id desc limit 1) order by sequence, position`,
)
const attempts = statement<{ state: string; retired: number }>(
  'test.attempts',
  `select attempt.state, attempt.retired from payments.attempt join payments.request on request.id = attempt.request_id
   where order_id = $1 order by attempt.id`,
)
const legs = statement<{ state: string; captured: number; refunded: number; held: number }>(
  'test.legs',
  `select leg.state, captured_minor as captured, refunded_minor as refunded, refund_held_minor as held
   from payments.leg join payments.request on request.id = leg.request_id where order_id = $1 order by leg.id`,
)
const refunds = statement<{ state: string; amount: number; stray: boolean }>(
  'test.refunds',
  `select follow_up.state, follow_up.amount_minor as amount, stray from payments.follow_up join payments.request on request.id = follow_up.request_id
   where order_id = $1 order by follow_up.id`,
)

const wireCharge = (key: string) => ({
  key,
  means: 'card' as const,
  token: 'tok_ok',
  amountMinor: 1_999,
  currency: 'EUR',
  reference: 'late',
  traffic: 'live' as const,
  instalments: 1,
  returnUrl: '',
})

describe('payments on a real database', () => {
  let rig: PaymentsRig
  beforeAll(async () => {
    rig = await openPaymentsRig(7)
  })
  afterAll(() => rig.close())
  const chargesOf = (orderId: number) =>
    rig.read(async (read) => {
      const own = await read.query(
        statement<{ id: number }>(
          'test.ids',
          'select attempt.id from payments.attempt join payments.request on request.id = request_id where order_id = $1',
        ),
        [orderId],
      )
      const keys = new Set(own.map((row) => `rig-live-charge-${row.id}`))
      return rig.engine.log().movements.filter((movement) => keys.has(movement.key)).length
    })

  test('an order that is paid is covered, told once, and its history says each step', async () => {
    const order = await rig.pay('tok_ok')
    expect(await rig.stateOf(order)).toBe('covered')
    expect(await rig.events(order)).toEqual([
      {
        type: 'payments.moved',
        payload: {
          requestId: expect.any(Number),
          orderId: order,
          part: 0,
          storeId: 'store-1',
          customerId: 'c1',
          currency: 'EUR',
          movement: {
            kind: 'captured',
            subjectId: expect.any(Number),
            legId: expect.any(Number),
            amountMinor: 1_999,
            means: 'card',
            gateway: 'sandbox',
            gatewayRef: expect.stringContaining('ch_'),
            stray: false,
          },
          reason: '',
          covered: true,
          sums: { dueMinor: 1_999, authorizedMinor: 0, capturedMinor: 1_999, refundedMinor: 0, goodwillMinor: 0 },
        },
      },
    ])
    const history = await rig.read((read) => read.query(steps, [order]))
    expect(history.map((row) => row.step)).toEqual([
      'request:>open',
      'leg:>created',
      'attempt:>created',
      'attempt:created>sent',
      'request:open>processing',
      'attempt:sent>succeeded',
      'leg:created>captured',
      'request:processing>covered',
    ])
    expect(await chargesOf(order)).toBe(1)
    await rig.expectGreen()
  })

  test('a batch of 200 takes as many statements as a batch of one', async () => {
    const statementsFor = (first: number, count: number) =>
      rig.write(async (context) => {
        let statements = 0
        const counting = { ...context, query: (...asked: Parameters<typeof context.query>) => ((statements += 1), context.query(...asked)) }
        const commands = Array.from({ length: count }, (_, index) => orderOf(first + index, 'tok_ok'))
        await rig.payments.requestPayments(counting as typeof context, commands)
        return statements
      })
    expect([await statementsFor(10_000, 1), await statementsFor(10_001, 200)]).toEqual([1, 1])
    await rig.payments.executor.idle()
    expect(await rig.stateOf(10_150)).toBe('covered')
    await rig.expectGreen()
  })

  test('nothing due is covered at once, and a bad command fails alone', async () => {
    const outcomes = await rig.write((context) =>
      rig.payments.requestPayments(context, [
        orderOf(20_000, 'tok_ok', { amountMinor: -1 }),
        orderOf(20_001, null, { amountMinor: 0 }),
        orderOf(20_002, 'tok_ok', { currency: 'euro' }),
        orderOf(20_003, 'tok_ok'),
      ]),
    )
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.value.state : outcome.error.code))).toEqual([
      'payments.bad_amount',
      'covered',
      'payments.bad_currency',
      'processing',
    ])
    expect(await rig.told(20_001)).toEqual(['due 0 covered'])
    await rig.payments.executor.idle()
    await rig.expectGreen()
  })

  test('asking twice, also by two callers at once, asks once', async () => {
    const ask = (amountMinor = 500) =>
      rig.write((context) => rig.payments.requestPayments(context, [orderOf(21_000, 'tok_ok', { amountMinor })]))
    const both = (await Promise.all([ask(), ask()])).flat()
    await rig.payments.executor.idle()
    const requestIds = both.map((outcome) => (outcome.ok ? outcome.value.requestId : outcome.error.code))
    expect(requestIds[0]).toBe(requestIds[1])
    expect(await ask(501)).toMatchObject([{ ok: false, error: { code: 'payments.already_requested' } }])
    expect(await chargesOf(21_000)).toBe(1)
  })

  test('a hard decline fails the means, not the order: another means pays it', async () => {
    const order = await rig.pay('tok_declined_hard')
    expect(await rig.stateOf(order)).toBe('open')
    expect(await rig.events(order)).toMatchObject([{ type: 'payments.failed', payload: { orderId: order, reason: 'stolen_card' } }])
    const pay = () =>
      rig.write((context) =>
        rig.payments.payPayments(context, [{ orderId: order, part: 0, legs: [card('tok_ok')], actor: 'test', commandId: 'again' }]),
      )
    const both = (await Promise.all([pay(), pay()])).flat()
    // Whether the other finds it under way or paid already is a matter of microseconds; that it does not pay is not.
    const codes = both.flatMap((outcome) => (outcome.ok ? [] : [outcome.error.code]))
    expect(codes).toHaveLength(1)
    expect(['payments.in_progress', 'payments.already_covered']).toContain(codes[0])
    await rig.payments.executor.idle()
    expect(await rig.stateOf(order)).toBe('covered')
    expect(await chargesOf(order)).toBe(1)
    expect(await pay()).toMatchObject([{ ok: false, error: { code: 'payments.already_covered' } }])
    expect(await rig.read((read) => read.query(legs, [order]))).toMatchObject([{ state: 'failed' }, { state: 'captured', captured: 1_999 }])
    await rig.expectGreen()
  })

  test('a request without a means waits open until one comes', async () => {
    const order = await rig.pay(null)
    expect(await rig.stateOf(order)).toBe('open')
    await rig.write((context) =>
      rig.payments.payPayments(context, [{ orderId: order, part: 0, legs: [card('tok_ok')], actor: 'test', commandId: 'first' }]),
    )
    await rig.payments.executor.idle()
    expect(await rig.stateOf(order)).toBe('covered')
  })

  test('a soft decline is tried again after its wait, and only then', async () => {
    const order = await rig.pay('tok_soft_once')
    expect(await rig.stateOf(order)).toBe('processing')
    await rig.sweepAfter(900)
    expect(await rig.read((read) => read.query(attempts, [order]))).toEqual([{ state: 'declined_soft', retired: 1 }])
    await rig.sweepAfter(200)
    expect(await rig.stateOf(order)).toBe('covered')
    expect(await rig.read((read) => read.query(attempts, [order]))).toEqual([
      { state: 'declined_soft', retired: 1 },
      { state: 'succeeded', retired: 0 },
    ])
    await rig.expectGreen()
  })

  test('tries end: after three retries a soft decline is a failure, told once', async () => {
    const order = await rig.pay('tok_declined_soft')
    for (const wait of [1_100, 5_100, 30_100, 60_000]) await rig.sweepAfter(wait)
    expect(await rig.read((read) => read.query(attempts, [order]))).toHaveLength(4)
    expect(await rig.stateOf(order)).toBe('open')
    expect(await rig.told(order)).toEqual(['failed'])
    await rig.expectGreen()
  })

  test('a time-out after charging is unknown, is resolved by query, and is never charged twice', async () => {
    const order = await rig.pay('tok_timeout_after_charge')
    expect(await rig.request(order)).toMatchObject({ state: 'processing', unknown: true })
    await rig.sweepAfter(1_000)
    expect(await rig.stateOf(order)).toBe('processing')
    await rig.sweepAfter(1_100)
    expect(await rig.stateOf(order)).toBe('covered')
    expect(await rig.read((read) => read.query(attempts, [order]))).toEqual([{ state: 'succeeded', retired: 0 }])
    expect(await chargesOf(order)).toBe(1)
    await rig.expectGreen()
  })

  test('a time-out before charging stays unknown until "not found" can be believed, then is tried again', async () => {
    const order = await rig.pay('tok_timeout_before_once')
    await rig.sweepAfter(3_000)
    await rig.sweepAfter(20_000)
    expect(await rig.read((read) => read.query(attempts, [order]))).toEqual([{ state: 'unknown', retired: 0 }])
    await rig.sweepAfter(120_000)
    await rig.sweepAfter(1_100)
    expect(await rig.read((read) => read.query(attempts, [order]))).toEqual([
      { state: 'unreachable', retired: 1 },
      { state: 'succeeded', retired: 0 },
    ])
    expect(await rig.stateOf(order)).toBe('covered')
    expect(await chargesOf(order)).toBe(1)
    await rig.expectGreen()
  })

  test('a process that dies between commit and call leaves nothing behind that the sweep does not end', async () => {
    const dying = rig.another()
    // A closed executor takes no call: the same as a process that ends right after its commit.
    await dying.executor.close()
    await rig.write((context) => dying.requestPayments(context, [orderOf(22_000, 'tok_ok')]))
    expect(await chargesOf(22_000)).toBe(0)
    await rig.sweepAfter(59_000)
    expect(await rig.stateOf(22_000)).toBe('processing')
    await rig.sweepAfter(1_100)
    await rig.sweepAfter(1_100)
    expect(await rig.stateOf(22_000)).toBe('covered')
    expect(await chargesOf(22_000)).toBe(1)
    await rig.expectGreen()
  })

  test('a process that dies after the call and before writing its result is resolved by query, not by a second charge', async () => {
    const dying = rig.another()
    await dying.executor.close()
    await rig.write((context) => dying.requestPayments(context, [orderOf(22_001, 'tok_ok')]))
    const [attempt] = await rig.read((read) =>
      read.query(
        statement<{ id: number }>(
          'test.ids_of',
          'select attempt.id from payments.attempt join payments.request on request.id = request_id where order_id = $1',
        ),
        [22_001],
      ),
    )
    const key = `rig-live-charge-${attempt?.id}`
    rig.engine.charge(wireCharge(key), true)
    await rig.sweepAfter(60_100)
    expect(await rig.stateOf(22_001)).toBe('covered')
    expect(await rig.read((read) => read.query(attempts, [22_001]))).toHaveLength(1)
    await rig.expectGreen()
  })

  test('two processes sweeping at once do not send an attempt twice', async () => {
    const orders = await Promise.all(Array.from({ length: 20 }, (_, index) => rig.pay('tok_soft_once', { orderId: 23_000 + index })))
    const other = rig.another()
    rig.t.clock.set(new Date(rig.t.clock.now().getTime() + 1_100))
    await Promise.all([rig.payments.sweep(rig.t.live), other.sweep(rig.t.live), other.sweep(rig.t.live)])
    await rig.payments.executor.idle()
    await other.executor.idle()
    for (const order of orders) {
      expect(await chargesOf(order)).toBe(1)
      expect(await rig.stateOf(order)).toBe('covered')
    }
    await rig.expectGreen()
  })

  test('a cancelled order gets back what it paid', async () => {
    const order = await rig.pay('tok_ok')
    const cancel = () => rig.giveBack(order)
    expect(await cancel()).toMatchObject([{ ok: true, value: { refundingMinor: 1_999, parts: [{ part: 0, state: 'cancelled' }] } }])
    await rig.payments.executor.idle()
    expect(await cancel()).toMatchObject([{ ok: true, value: { refundingMinor: 0 } }])
    expect(await rig.read((read) => read.query(legs, [order]))).toEqual([
      { state: 'refunded', captured: 1_999, refunded: 1_999, held: 1_999 },
    ])
    expect(await rig.told(order)).toEqual(['captured 1999 covered', 'due 0', 'refunded 1999'])
    await rig.expectGreen()
  })

  test('a payment that succeeds after its order was cancelled is given back', async () => {
    const order = await rig.pay('tok_timeout_after_charge')
    await rig.giveBack(order)
    expect(await rig.read((read) => read.query(refunds, [order]))).toEqual([])
    await rig.sweepAfter(2_100)
    expect(await rig.read((read) => read.query(refunds, [order]))).toEqual([{ state: 'succeeded', amount: 1_999, stray: false }])
    expect(await rig.read((read) => read.query(legs, [order]))).toMatchObject([{ state: 'refunded' }])
    expect(await rig.told(order)).toEqual(['checking true', 'due 0', 'checking false', 'captured 1999', 'refunded 1999'])
    await rig.expectGreen()
  })

  test('cancelling while a retry is due ends the payment without a further call', async () => {
    const order = await rig.pay('tok_soft_once')
    await rig.giveBack(order)
    await rig.sweepAfter(5_000)
    expect(await rig.read((read) => read.query(legs, [order]))).toMatchObject([{ state: 'voided' }])
    expect(await chargesOf(order)).toBe(0)
    await rig.expectGreen()
  })

  test('part of an order cancelled before its payment ends is given back when it ends', async () => {
    const order = await rig.pay('tok_timeout_after_charge')
    await rig.giveBack(order, { parts: [{ part: 0, amountMinor: 999 }] })
    await rig.sweepAfter(2_100)
    expect(await rig.stateOf(order)).toBe('covered')
    expect(await rig.read((read) => read.query(legs, [order]))).toEqual([
      { state: 'partially_refunded', captured: 1_999, refunded: 999, held: 999 },
    ])
    expect(await rig.told(order)).toEqual(['checking true', 'due 1000', 'checking false', 'captured 1999 covered', 'refunded 999'])
    await rig.expectGreen()
  })

  test('two full refunds at once: exactly one', async () => {
    for (let round = 0; round < 10; round += 1) {
      const order = await rig.pay('tok_ok')
      const refund = (commandId: string) => rig.giveBack(order, { parts: [{ part: 0, amountMinor: 1_999 }], commandId, mustBeInHand: true })
      const both = (await Promise.all([refund('one'), refund('two')])).flat()
      expect(both.filter((outcome) => outcome.ok)).toHaveLength(1)
      await rig.payments.executor.idle()
      expect(await rig.read((read) => read.query(refunds, [order]))).toEqual([{ state: 'succeeded', amount: 1_999, stray: false }])
    }
    await rig.expectGreen()
  })

  test('a refund larger than what is in hand is refused, one in one batch with a good one', async () => {
    const order = await rig.pay('tok_ok')
    const by = { orderId: order, reason: 'scratched', actor: 'test', mustBeInHand: true }
    const part = (amountMinor: number) => ({ parts: [{ part: 0, amountMinor }] })
    const outcomes = await rig.write((context) =>
      rig.payments.cancelOrRefund(context, [
        { ...by, ...part(1_000), commandId: '1' },
        { ...by, ...part(1_000), commandId: '2' },
        { ...by, ...part(999), commandId: '3' },
      ]),
    )
    expect(outcomes.map((outcome) => outcome.ok || outcome.error.code)).toEqual([true, 'payments.refund_too_large', true])
    await rig.payments.executor.idle()
    await rig.expectGreen()
  })

  test('a refund that times out, hangs or is refused ends once, or with a person', async () => {
    const end = async (token: string) => {
      const order = await rig.pay(token)
      await rig.giveBack(order)
      await rig.payments.executor.idle()
      const before = await rig.read((read) => read.query(refunds, [order]))
      await rig.sweepAfter(60_100)
      const after = await rig.read((read) => read.query(refunds, [order]))
      return [...before, ...after].map((row) => row.state)
    }
    expect(await end('tok_refund_timeout')).toEqual(['unknown', 'succeeded'])
    expect(await end('tok_refund_pending')).toEqual(['pending', 'succeeded'])
    expect(await end('tok_refund_failed')).toEqual(['manual', 'manual'])
    await rig.expectGreen()
  })

  test('a charge that turns up after its attempt was given up goes straight back', async () => {
    const order = await rig.pay('tok_timeout_before_once')
    await rig.sweepAfter(120_000)
    const [attempt] = await rig.read((read) =>
      read.query(
        statement<{ id: number }>(
          'test.first_attempt',
          'select attempt.id from payments.attempt join payments.request on request.id = request_id where order_id = $1 order by id limit 1',
        ),
        [order],
      ),
    )
    const key = `rig-live-charge-${attempt?.id}`
    const late = rig.engine.charge(wireCharge(key), true)
    await rig.sweepAfter(1_100)
    const say = () =>
      rig.write((context) =>
        rig.payments.recordAttemptResults(context, [
          { attemptId: attempt?.id ?? 0, result: { outcome: 'succeeded', gatewayRef: late.body?.ref ?? '' }, cause: 'webhook' },
        ]),
      )
    const verdicts = (await Promise.all([say(), say(), say()])).flat()
    expect(verdicts.toSorted()).toEqual(['applied', 'repeated', 'repeated'])
    await rig.payments.executor.idle()
    expect(await rig.read((read) => read.query(refunds, [order]))).toEqual([{ state: 'succeeded', amount: 1_999, stray: true }])
    expect(await rig.stateOf(order)).toBe('covered')
    await rig.expectGreen()
  })
})
