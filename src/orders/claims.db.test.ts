import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OrdersRig, openOrdersRig } from '#test/orders-rig.ts'
import type { OrderClaimMoved, OrderMoved, OrderPaymentAsked, OrderRefundDue } from './events.ts'

let rig: OrdersRig
beforeAll(async () => {
  rig = await openOrdersRig()
})
afterAll(() => rig.t.close())

interface Done {
  claimId: number
  claimState: string
  itemNos: number[]
  newItemNos: number[]
  refundedMinor: number
  state: string
}

/** A delivered order: three teas at 100 with 100 off and 7 tax in one row, an ice at 300, shipping 99. */
const delivered = async (discountMinor = 100) => {
  const [section] = rig.order()['sections'] as [object]
  const placed = await rig.place({
    sections: [
      {
        ...section,
        items: [
          { sku: 'tea', quantity: 3, unitPriceMinor: 100, discountMinor, taxMinor: 7 },
          { sku: 'ice', quantity: 1, unitPriceMinor: 300 },
        ],
      },
    ],
    totalMinor: 307 - discountMinor + 300 + 99,
  })
  await rig.cover([placed.orderId])
  await rig.move(placed.orderId, 'delivered', [1, 2])
  return placed
}
const request = (order: string, kind: string, items: object[]) =>
  rig.must<Done>('orders.request_claim', { order, kind, items, reason: 'as it is' })
const approve = (claimId: number, more = {}) => rig.must<Done>('orders.answer_claim', { claimId, approve: true, reason: 'ok', ...more })
const receive = (claimId: number) => rig.must<Done>('orders.move_claim', { claimId, to: 'received' })
const inspect = (claimId: number, items?: object[]) => rig.must<Done>('orders.inspect_claim', { claimId, ...(items ? { items } : {}) })
const rowsOf = (orderId: number) =>
  rig.sql<{ item_no: number; quantity: number; state: string; part: number; origin_kind: string | null }>(
    `select item_no, quantity, state, part, origin_kind from orders.item where order_id = ${orderId} order by item_no`,
  )
const asks = async (orderId: number) =>
  (await rig.sql<{ part: number; asked_minor: string }>(`select part, asked_minor from orders.part where order_id = ${orderId}`)).map(
    (row) => [row.part, Number(row.asked_minor)],
  )
const refunds = async (orderId: number) =>
  (await rig.events<OrderRefundDue>(orderId, 'orders.refund_due')).map(({ kind, parts }) => [
    kind,
    ...parts.map((each) => each.amountMinor),
  ])

describe('a return', () => {
  test('splits its pieces off at approval, and what is accepted or damaged is given back to the minor unit', async () => {
    const { orderId, number } = await delivered()
    const { claimId } = await request(number, 'return', [{ itemNo: 1, quantity: 2 }])
    expect(await approve(claimId)).toMatchObject({ claimState: 'approved', itemNos: [3] })
    await rig.must('orders.move_claim', { claimId, to: 'pickup_booked' })
    await receive(claimId)
    const done = await inspect(claimId, [{ itemNo: 3, accepted: 1, damaged: 1 }])
    expect(done).toMatchObject({ claimState: 'completed', refundedMinor: 200 - 67 + 5, state: 'partially_returned' })
    expect((await rowsOf(orderId)).map(({ quantity, state }) => [quantity, state])).toEqual([
      [1, 'delivered'],
      [1, 'delivered'],
      [2, 'returned'],
    ])
    expect(await refunds(orderId)).toEqual([['claim', 138]])
    expect(await asks(orderId)).toEqual([[0, 606 - 138]])
    const steps = await rig.events<OrderClaimMoved>(orderId, 'orders.claim_moved')
    expect(steps.map(({ from, to }) => `${from}>${to}`)).toEqual([
      '>requested',
      'requested>approved',
      'approved>pickup_booked',
      'pickup_booked>received',
      'received>inspected',
      'inspected>completed',
    ])
    const moved = (await rig.events<OrderMoved>(orderId, 'orders.moved')).at(-1)
    expect(moved?.items).toEqual([{ itemNo: 3, from: 'delivered', to: 'returned', part: 0, amountMinor: 138 }])
  })

  test('lets refused pieces keep their state in a row of their own until they are sent back', async () => {
    const { orderId, number } = await delivered()
    const { claimId } = await request(number, 'return', [{ itemNo: 1 }])
    await approve(claimId)
    await receive(claimId)
    expect(await inspect(claimId, [{ itemNo: 1, accepted: 2, refused: 1 }])).toMatchObject({ claimState: 'inspected', refundedMinor: 138 })
    expect(await rowsOf(orderId)).toMatchObject([{ quantity: 2, state: 'returned' }, { quantity: 1 }, { quantity: 1, state: 'delivered' }])
    const again = { order: number, kind: 'return', items: [{ itemNo: 3 }], reason: 'again' }
    expect(await rig.refusal('orders.request_claim', again)).toBe('orders.already_claimed')
    expect(await rig.must<Done>('orders.move_claim', { claimId, to: 'sent_back' })).toMatchObject({ claimState: 'sent_back' })
    expect(await rig.refusal('orders.request_claim', again)).toBe('accepted')
  })

  test('gives shipping back once, with the last of a section, where it was granted', async () => {
    const { orderId, number } = await delivered()
    const first = await request(number, 'return', [{ itemNo: 1 }])
    const second = await request(number, 'return', [{ itemNo: 2 }])
    for (const { claimId } of [first, second]) {
      await approve(claimId, { refundShipping: true })
      await receive(claimId)
      await inspect(claimId)
    }
    expect(await refunds(orderId)).toEqual([
      ['claim', 207],
      ['claim', 399],
    ])
    expect(await asks(orderId)).toEqual([[0, 0]])
  })

  test('repeated steps have no effect, and impossible ones are refused with the state', async () => {
    const { orderId, number } = await delivered()
    const { claimId } = await request(number, 'return', [{ itemNo: 2 }])
    expect(await rig.refusal('orders.move_claim', { claimId, to: 'received' })).toBe('orders.not_possible')
    expect(await rig.refusal('orders.inspect_claim', { claimId })).toBe('orders.not_possible')
    await approve(claimId)
    await approve(claimId)
    await receive(claimId)
    await receive(claimId)
    await rig.must('orders.move_claim', { claimId, to: 'in_transit' })
    expect(await rig.refusal('orders.withdraw_claim', { claimId, reason: 'x' })).toBe('orders.not_possible')
    expect(await rig.refusal('orders.answer_claim', { claimId, approve: false, reason: 'x' })).toBe('orders.not_possible')
    expect(await rig.refusal('orders.inspect_claim', { claimId, items: [{ itemNo: 2, accepted: 2 }] })).toBe('orders.inspection_mismatch')
    await inspect(claimId)
    await inspect(claimId)
    expect(await refunds(orderId)).toEqual([['claim', 300]])
    expect(await rig.refusal('orders.move_claim', { claimId: 77, to: 'received' })).toBe('orders.unknown_claim')
    expect(await rig.refusal('orders.move_claim', { claimId: Number.MAX_SAFE_INTEGER, to: 'received' })).toBe('orders.unknown_claim')
  })

  test('that is withdrawn or rejected lets go of its pieces', async () => {
    const { number } = await delivered()
    const first = await request(number, 'return', [{ itemNo: 1 }])
    await rig.must('orders.withdraw_claim', { claimId: first.claimId, reason: 'kept' })
    const second = await request(number, 'return', [{ itemNo: 1, quantity: 2 }])
    expect(
      await rig.refusal('orders.request_claim', { order: number, kind: 'refund_only', items: [{ itemNo: 1, quantity: 2 }], reason: 'x' }),
    ).toBe('orders.already_claimed')
    await rig.must('orders.answer_claim', { claimId: second.claimId, approve: false, reason: 'worn' })
    await request(number, 'return', [{ itemNo: 1 }])
  })
})

describe('an exchange', () => {
  const exchange = async (order: string, replacement: object) => {
    const { claimId } = await request(order, 'exchange', [{ itemNo: 2, replacement }])
    await approve(claimId)
    await receive(claimId)
    return inspect(claimId)
  }

  test('asks the difference as a part of its own, and its goods are released when that is covered', async () => {
    const { orderId, number } = await delivered()
    const done = await exchange(number, { sku: 'tea', unitPriceMinor: 450, taxMinor: 5 })
    expect(done).toMatchObject({ claimState: 'completed', newItemNos: [3], refundedMinor: 0 })
    const [asked] = await rig.events<OrderPaymentAsked>(orderId, 'orders.payment_asked')
    expect(asked?.payments).toEqual([{ part: 1000, amountMinor: 155, plan: null }])
    await rig.cover([orderId], 1000)
    expect(await rowsOf(orderId)).toMatchObject([{}, { state: 'exchanged' }, { state: 'paid', part: 1000, origin_kind: 'exchange' }])
    const paid = await rig.events<{ part: number; sections: { sectionNo: number; slot: null }[] }>(orderId, 'orders.paid')
    expect(paid.at(-1)).toMatchObject({ part: 1000, sections: [{ sectionNo: 2, slot: null }] })
  })

  test('for less gives the difference back, and asks nothing for the goods', async () => {
    const { orderId, number } = await delivered()
    expect(await exchange(number, { sku: 'tea', unitPriceMinor: 120 })).toMatchObject({ refundedMinor: 180 })
    expect(await refunds(orderId)).toEqual([['price_difference', 180]])
    expect(await asks(orderId)).toEqual([
      [0, 606 - 180],
      [1000, 0],
    ])
    await rig.cover([orderId], 1000)
    expect((await rowsOf(orderId))[2]).toMatchObject({ state: 'paid' })
  })

  test('whose goods are cancelled gives back what came in for them, from the part that paid', async () => {
    const { orderId, number } = await delivered()
    await exchange(number, { sku: 'tea', unitPriceMinor: 450 })
    await rig.cover([orderId], 1000)
    await rig.must('orders.cancel', { order: number, itemNos: [3], reason: 'x' })
    const cancelled = await rig.events<{ parts: object[] }>(orderId, 'orders.cancelled')
    expect(cancelled.map(({ parts }) => parts)).toEqual([[{ part: 1000, amountMinor: 150 }]])
    expect(await rig.events<OrderRefundDue>(orderId, 'orders.refund_due')).toMatchObject([{ parts: [{ part: 0, amountMinor: 300 }] }])
    expect(await asks(orderId)).toEqual([
      [0, 306],
      [1000, 0],
    ])
  })

  test('whose goods come back too gives back all that was paid for them, by part', async () => {
    const { orderId, number } = await delivered()
    await exchange(number, { sku: 'tea', unitPriceMinor: 450 })
    await rig.cover([orderId], 1000)
    await rig.move(orderId, 'delivered', [3])
    const { claimId } = await request(number, 'return', [{ itemNo: 3 }])
    await approve(claimId)
    await receive(claimId)
    expect(await inspect(claimId)).toMatchObject({ refundedMinor: 450 })
    const last = (await rig.events<OrderRefundDue>(orderId, 'orders.refund_due')).at(-1)
    expect(last?.parts).toEqual([
      { part: 1000, amountMinor: 150 },
      { part: 0, amountMinor: 300 },
    ])
  })
})

describe('goods sent again', () => {
  test('cost nothing, and when they come back what was paid for the first is given back to the minor unit', async () => {
    const { orderId, number } = await delivered(101)
    const { claimId } = await request(number, 'reship', [{ itemNo: 1 }])
    expect(await approve(claimId)).toMatchObject({ claimState: 'completed', newItemNos: [3], refundedMinor: 0 })
    expect(await asks(orderId)).toEqual([
      [0, 605],
      [1000, 0],
    ])
    await rig.cover([orderId], 1000)
    await rig.move(orderId, 'delivered', [3])
    const given: number[] = []
    for (const itemNo of [3, 3, 3]) {
      const claim = await request(number, 'return', [{ itemNo, quantity: 1 }])
      await approve(claim.claimId)
      await receive(claim.claimId)
      given.push((await inspect(claim.claimId)).refundedMinor)
    }
    expect(given).toEqual([69, 68, 69])
    expect(await asks(orderId)).toEqual([
      [0, 605 - 206],
      [1000, 0],
    ])
    expect(await rig.refusal('orders.request_claim', { order: number, kind: 'refund_only', items: [{ itemNo: 1 }], reason: 'x' })).toBe(
      'orders.already_claimed',
    )
  })
})

describe('money without goods', () => {
  test('is given once at approval, for lost goods too, and their row goes on', async () => {
    const { orderId, number } = await delivered()
    const { claimId } = await request(number, 'refund_only', [{ itemNo: 1, quantity: 1 }])
    expect(await approve(claimId)).toMatchObject({ claimState: 'completed', refundedMinor: 100 - 33 + 2 })
    expect((await rowsOf(orderId)).map(({ state }) => state)).toEqual(['delivered', 'delivered', 'delivered'])
    expect(await rig.refusal('orders.request_claim', { order: number, kind: 'return', items: [{ itemNo: 3 }], reason: 'x' })).toBe(
      'orders.already_claimed',
    )
  })
})

describe('a cancel of what has left', () => {
  test('opens a return and says so; repeated it has no effect, and what has not left is cancelled', async () => {
    const placed = await rig.place()
    await rig.cover([placed.orderId])
    await rig.move(placed.orderId, 'shipped', [1])
    const outcome = await rig.must<{ claimIds: number[]; cancelled: number[] }>('orders.cancel', { order: placed.number, reason: 'late' })
    expect(outcome).toMatchObject({ cancelled: [2], claimIds: [placed.orderId * 1000 + 1] })
    expect(await rig.must('orders.cancel', { order: placed.number, reason: 'late' })).toMatchObject({ claimIds: [], cancelled: [] })
    expect(await rig.events<OrderClaimMoved>(placed.orderId, 'orders.claim_moved')).toMatchObject([
      { kind: 'return', to: 'requested', reason: 'late', items: [{ itemNo: 1, quantity: 2 }] },
    ])
  })

  test('the same when the warehouse agrees too late', async () => {
    const placed = await rig.place()
    await rig.cover([placed.orderId])
    await rig.move(placed.orderId, 'ready', [1, 2])
    await rig.must('orders.cancel', { order: placed.number, itemNos: [1], reason: 'x' })
    await rig.move(placed.orderId, 'shipped', [1])
    const answer = { order: placed.number, consent: true, reason: 'x' }
    expect(await rig.must('orders.answer_cancel', answer)).toMatchObject({ claimIds: [placed.orderId * 1000 + 1] })
    expect((await rig.see(placed.orderId)).attention).toEqual([])
  })
})

test('of twenty callers who claim the same pieces at once exactly one has them', async () => {
  const { number } = await delivered()
  const kinds = ['return', 'exchange', 'reship', 'refund_only']
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      rig.refusal('orders.request_claim', { order: number, kind: kinds[at % 4], items: [{ itemNo: 1, quantity: 2 }], reason: 'x' }),
    ),
  )
  expect(outcomes.filter((code) => code === 'accepted')).toHaveLength(1)
  expect(outcomes.filter((code) => code === 'orders.already_claimed')).toHaveLength(19)
})

test('a flow notes how far goods are, told twice or late without effect', async () => {
  const { orderId, number } = await delivered()
  const { claimId } = await request(number, 'return', [{ itemNo: 2 }])
  await approve(claimId)
  const tell = (to: 'in_transit' | 'received', id = claimId) => ({ claimId: id, to, commandId: 'tracking/7', actor: 'flow:claims' })
  const outcomes = await rig.write((context) =>
    rig.orders.moveClaims(context, [tell('in_transit'), tell('received'), tell('in_transit'), tell('received', 5)]),
  )
  expect(outcomes.map((outcome) => (outcome.ok ? 'done' : outcome.error.code))).toEqual(['done', 'done', 'done', 'orders.unknown_claim'])
  const steps = await rig.events<OrderClaimMoved>(orderId, 'orders.claim_moved')
  expect(steps.map(({ to }) => to)).toEqual(['requested', 'approved', 'in_transit', 'received'])
})

test('two inspections at once settle once, and a batch with a bad command does the good one', async () => {
  const { orderId, number } = await delivered()
  const { claimId } = await request(number, 'return', [{ itemNo: 2 }])
  await approve(claimId)
  await receive(claimId)
  await Promise.all([inspect(claimId), inspect(claimId)])
  expect(await refunds(orderId)).toEqual([['claim', 300]])
  const outcomes = await rig.run('orders.request_claim', [
    { order: 'TL-NONE', kind: 'return', items: [{ itemNo: 1 }], reason: 'x' },
    { order: number, kind: 'return', items: [{ itemNo: 9 }], reason: 'x' },
    { order: number, kind: 'return', items: [{ itemNo: 1, replacement: { sku: 'tea', unitPriceMinor: 1 } }], reason: 'x' },
    { order: number, kind: 'exchange', items: [{ itemNo: 1, replacement: { sku: 'gold', unitPriceMinor: 1 } }], reason: 'x' },
    { order: number, kind: 'return', items: [{ itemNo: 2 }], reason: 'x' },
    { order: number, kind: 'return', items: [{ itemNo: 1 }], reason: 'x' },
  ])
  expect(outcomes.map((outcome) => (outcome.ok ? 'done' : `${outcome.error.code} ${outcome.error.field}`))).toEqual([
    'orders.not_found /order',
    'orders.unknown_item /items/0',
    'orders.no_replacement /items/0/replacement',
    'orders.unknown_sku /items/0/replacement/sku',
    'orders.not_claimable /items/0',
    'done',
  ])
})

test('facts of claims name each state with its time, quantities and money', async () => {
  const { orderId, number } = await delivered()
  const { claimId } = await request(number, 'return', [{ itemNo: 1 }])
  await approve(claimId)
  await receive(claimId)
  await inspect(claimId, [{ itemNo: 1, accepted: 1, damaged: 1, refused: 1 }])
  const [fact, ...more] = await rig.t.databases.of('orders').read(rig.t.live, (context) => rig.orders.readClaimFacts(context, [orderId, 1]))
  expect(more).toEqual([])
  expect(fact).toMatchObject({
    claimId,
    orderId,
    kind: 'return',
    state: 'inspected',
    askedQuantity: 3,
    acceptedQuantity: 1,
    damagedQuantity: 1,
    refusedQuantity: 1,
    refundedMinor: 138,
  })
  expect(fact?.passed.map(({ state }) => state)).toEqual(['requested', 'approved', 'received', 'inspected'])
  expect(fact?.passed.every(({ at }) => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(at))).toBe(true)
})

test('after all of this every law of orders holds', async () => {
  expect(await rig.breaks()).toEqual([])
})
