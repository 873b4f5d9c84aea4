import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OrdersRig, openOrdersRig } from '#test/orders-rig.ts'
import type { OrderCancelled, OrderEdited, OrderPaid, OrderPaymentAsked, OrderRefundDue } from './events.ts'

let rig: OrdersRig
beforeAll(async () => {
  rig = await openOrdersRig()
})
afterAll(() => rig.t.close())

const paid = async (changes = {}) => {
  const placed = await rig.place(changes)
  await rig.cover([placed.orderId])
  return placed
}
const rowsOf = (orderId: number) =>
  rig.sql<{ item_no: number; quantity: number; state: string; origin_item_no: number | null }>(
    `select item_no, quantity, state, origin_item_no from orders.item where order_id = ${orderId} order by item_no`,
  )
const part = async (orderId: number, no = 0) =>
  (
    await rig.sql<{ asked_minor: string; covered: boolean }>(
      `select asked_minor, covered from orders.part where order_id = ${orderId} and part = ${no}`,
    )
  )[0]

describe('cancelling', () => {
  test('pieces of a row are split off and cancelled, and their share is told to the minor unit', async () => {
    const [section] = rig.order()['sections'] as [object]
    const { orderId, number } = await paid({
      sections: [
        { ...section, shippingMinor: 0, items: [{ sku: 'tea', quantity: 3, unitPriceMinor: 100, discountMinor: 100, taxMinor: 7 }] },
      ],
      totalMinor: 207,
    })
    const outcome = await rig.must<{ cancelled: number[]; state: string }>('orders.cancel', {
      order: number,
      items: [{ itemNo: 1, quantity: 1 }],
      reason: 'one too many',
    })
    expect(outcome).toMatchObject({ cancelled: [2], state: 'paid' })
    expect(await rowsOf(orderId)).toEqual([
      { item_no: 1, quantity: 2, state: 'paid', origin_item_no: null },
      { item_no: 2, quantity: 1, state: 'cancelled', origin_item_no: 1 },
    ])
    expect(await rig.events<OrderCancelled>(orderId, 'orders.cancelled')).toEqual([
      { orderId, itemNos: [2], reduced: [{ itemNo: 1, quantity: 2 }], whole: false, parts: [{ part: 0, amountMinor: 100 - 33 + 2 }] },
    ])
    expect(await part(orderId)).toEqual({ asked_minor: '138', covered: true })
  })

  test('the last of a section takes its shipping with it, and a repeated cancel changes nothing', async () => {
    const { orderId, number } = await paid()
    await rig.must('orders.cancel', { order: number, itemNos: [1], reason: 'x' })
    await rig.must('orders.cancel', { order: number, sectionNo: 1, reason: 'x' })
    await rig.must('orders.cancel', { order: number, reason: 'x' })
    const events = await rig.events<OrderCancelled>(orderId, 'orders.cancelled')
    expect(events.map(({ itemNos, whole, parts }) => [itemNos, whole, parts])).toEqual([
      [[1], false, [{ part: 0, amountMinor: 1000 }]],
      [[2], true, [{ part: 0, amountMinor: 399 }]],
    ])
  })

  test('goods in preparation wait for the warehouse: its consent cancels them, its refusal lets them go on', async () => {
    const { orderId, number } = await paid()
    await rig.move(orderId, 'preparing', [1, 2])
    const asked = await rig.must<{ requested: number[]; cancelled: number[] }>('orders.cancel', {
      order: number,
      items: [{ itemNo: 1, quantity: 1 }],
      reason: 'x',
    })
    expect([asked.requested, asked.cancelled]).toEqual([[3], []])
    await rig.must('orders.cancel', { order: number, itemNos: [2], reason: 'x' })
    expect((await rig.see(orderId)).attention).toEqual(['cancel_requested'])
    expect(await rig.events(orderId, 'orders.cancel_requested')).toMatchObject([{ itemNos: [3] }, { itemNos: [2] }])
    expect(await rig.events<OrderEdited>(orderId, 'orders.edited')).toMatchObject([{ splits: [{ itemNo: 3, fromItemNo: 1, quantity: 1 }] }])
    await rig.must('orders.answer_cancel', { order: number, itemNos: [3], consent: true, reason: 'on the shelf' })
    await rig.must('orders.answer_cancel', { order: number, consent: false, reason: 'packed' })
    await rig.must('orders.answer_cancel', { order: number, consent: false, reason: 'packed' })
    expect((await rowsOf(orderId)).map(({ state }) => state)).toEqual(['preparing', 'preparing', 'cancelled'])
    expect((await rig.see(orderId)).attention).toEqual([])
    expect(await rig.refusal('orders.answer_cancel', { order: number, itemNos: [1], consent: true, reason: '' })).toBe(
      'orders.not_requested',
    )
  })

  test('bad targets are refused with a code of their own, and the good one beside them goes through', async () => {
    const { number } = await paid()
    const outcomes = await rig.run('orders.cancel', [
      { order: 'TL-NONE', reason: 'x' },
      { order: number, itemNos: [9], reason: 'x' },
      { order: number, sectionNo: 9, reason: 'x' },
      { order: number, items: [{ itemNo: 1, quantity: 9 }], reason: 'x' },
      { order: number, itemNos: [1, 1], reason: 'x' },
      { order: number, sectionNo: 1, itemNos: [1], reason: 'x' },
      { order: number, itemNos: [2], reason: 'x' },
    ])
    expect(outcomes.map((outcome) => (outcome.ok ? 'done' : `${outcome.error.code} ${outcome.error.field}`))).toEqual([
      'orders.not_found /order',
      'orders.unknown_item /itemNos/0',
      'orders.unknown_section /sectionNo',
      'orders.quantity_too_large /items/0/quantity',
      'orders.named_twice /itemNos/1',
      'orders.two_targets /items',
      'done',
    ])
  })

  test('what has not left is cancelled at once, and a return is asked for what has', async () => {
    const { orderId, number } = await paid()
    await rig.move(orderId, 'shipped', [1])
    expect(await rig.must('orders.cancel', { order: number, itemNos: [2], reason: 'only the ice' })).toMatchObject({
      state: 'shipped',
      claimIds: [],
    })
    expect(await rig.must('orders.cancel', { order: number, reason: 'late' })).toMatchObject({
      cancelled: [],
      claimIds: [orderId * 1000 + 1],
    })
  })

  test('twenty callers cancel one piece each of a row of ten at once: ten go through', async () => {
    const [section] = rig.order()['sections'] as [object]
    const { orderId, number } = await paid({
      sections: [{ ...section, items: [{ sku: 'tea', quantity: 10, unitPriceMinor: 99, taxMinor: 3 }] }],
      totalMinor: 990 + 3 + 99,
    })
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => rig.run('orders.cancel', [{ order: number, items: [{ itemNo: 1, quantity: 1 }], reason: 'x' }])),
    )
    // The tenth takes the row itself; from then on it is cancelled, and cancelling it again changes nothing.
    expect(outcomes.flat().every(({ ok }) => ok)).toBe(true)
    const rows = await rowsOf(orderId)
    expect([rows.length, rows.every(({ quantity, state }) => quantity === 1 && state === 'cancelled')]).toEqual([10, true])
    const told = await rig.events<OrderCancelled>(orderId, 'orders.cancelled')
    expect(told.flatMap(({ parts }) => parts).reduce((sum, { amountMinor }) => sum + amountMinor, 0)).toBe(1092)
  })
})

describe('holding', () => {
  test('what is paid while a section is held is not announced until its last hold is released, and then once', async () => {
    const [section] = rig.order()['sections'] as [object]
    const { orderId, number } = await rig.place({ sections: [section, { ...section, shippingMinor: 0 }], totalMinor: 1399 + 1300 })
    await rig.must('orders.hold', { order: number, sectionNo: 2, reason: 'fraud?', owner: 'risk' })
    await rig.must('orders.hold', { order: number, sectionNo: 2, reason: 'fraud?', owner: 'risk' })
    await rig.must('orders.hold', { order: number, sectionNo: 2, reason: 'address', owner: 'cs' })
    expect((await rig.see(orderId)).attention).toEqual(['hold'])
    await rig.cover([orderId])
    const told = async () =>
      (await rig.events<OrderPaid>(orderId, 'orders.paid')).map(({ sections }) =>
        sections.map(({ sectionNo, items }) => [sectionNo, items.length]),
      )
    expect(await told()).toEqual([[[1, 2]]])
    await rig.must('orders.release', { order: number, sectionNo: 2, owner: 'risk', reason: 'fine' })
    expect(await told()).toEqual([[[1, 2]]])
    await Promise.all([1, 2, 3].map(() => rig.must('orders.release', { order: number, sectionNo: 2, reason: 'fine' })))
    expect(await told()).toEqual([[[1, 2]], [[2, 2]]])
    expect((await rig.see(orderId)).attention).toEqual([])
    const holds = await rig.sql(`select owner, released_by from orders.hold where order_id = ${orderId} order by id`)
    expect(holds).toEqual([
      { owner: 'risk', released_by: 'key:test' },
      { owner: 'cs', released_by: 'key:test' },
    ])
    expect(await rig.events(orderId, 'orders.hold_changed')).toMatchObject([{ held: true }, { held: true }, { held: false }])
  })

  test('a hold of the whole order keeps all of it back; one put on after the announcement announces nothing again', async () => {
    const [held, late] = [await rig.place(), await paid()]
    for (const { number } of [held, late]) await rig.must('orders.hold', { order: number, reason: 'x' })
    await rig.cover([held.orderId])
    expect(await rig.events(held.orderId, 'orders.paid')).toHaveLength(0)
    for (const { number } of [held, late]) await rig.must('orders.release', { order: number, reason: 'x' })
    expect(await rig.events(held.orderId, 'orders.paid')).toHaveLength(1)
    expect(await rig.events(late.orderId, 'orders.paid')).toHaveLength(1)
  })
})

test('releasing the whole order leaves a section held that has a hold of its own', async () => {
  const [section] = rig.order()['sections'] as [object]
  const { orderId, number } = await rig.place({ sections: [section, { ...section, shippingMinor: 0 }], totalMinor: 1399 + 1300 })
  await rig.must('orders.hold', { order: number, reason: 'x' })
  await rig.must('orders.hold', { order: number, sectionNo: 2, reason: 'x' })
  await rig.cover([orderId])
  await rig.must('orders.release', { order: number, reason: 'x' })
  const told = async () =>
    (await rig.events<OrderPaid>(orderId, 'orders.paid')).map(({ sections }) => sections.map(({ sectionNo }) => sectionNo))
  expect(await told()).toEqual([[1]])
  await rig.must('orders.cancel', { order: number, itemNos: [3], reason: 'x' })
  await rig.must('orders.release', { order: number, sectionNo: 2, reason: 'x' })
  expect(await told()).toEqual([[1], [2]])
})

describe('amending and adding', () => {
  test('before payment quantities go up and down, items come and go, and only the difference is told', async () => {
    const { orderId, number } = await rig.place()
    await rig.must('orders.amend', {
      order: number,
      items: [
        { itemNo: 1, quantity: 5 },
        { itemNo: 2, quantity: 0 },
      ],
      add: [{ sectionNo: 1, sku: 'ice', quantity: 1, unitPriceMinor: 250 }],
      totalMinor: 2500 + 250 + 99,
    })
    expect(await part(orderId)).toEqual({ asked_minor: '2849', covered: false })
    expect(await rig.events(orderId, 'orders.amount_raised')).toEqual([{ orderId, parts: [{ part: 0, amountMinor: 1450 }] }])
    expect(await rig.events<OrderCancelled>(orderId, 'orders.cancelled')).toMatchObject([{ itemNos: [2], parts: [] }])
    await rig.must('orders.amend', {
      order: number,
      items: [{ itemNo: 1, quantity: 4 }],
      payment: { legs: [{ means: 'card', token: 'tok_b' }] },
    })
    expect(await rig.events<OrderPaymentAsked>(orderId, 'orders.payment_asked')).toMatchObject([
      { payments: [{ part: 0, amountMinor: 2349, plan: { legs: [{ token: 'tok_b' }] } }] },
    ])
    await rig.cover([orderId])
    expect(await rig.refusal('orders.amend', { order: number, items: [{ itemNo: 1, quantity: 1 }] })).toBe('orders.already_paid')
    expect(await rig.refusal('orders.amend', { order: number, items: [{ itemNo: 77, quantity: 1 }] })).toBe('orders.unknown_item')
  })

  test('an amendment and a payment at once end with all paid or with the rest owed, never with goods unpaid', async () => {
    const placed = await Promise.all(Array.from({ length: 12 }, () => rig.place()))
    await Promise.all(
      placed.flatMap(({ orderId, number }) => [
        rig.cover([orderId], 0, 1399),
        rig.run('orders.amend', [{ order: number, items: [{ itemNo: 1, quantity: 3 }] }]),
      ]),
    )
    for (const { orderId } of placed) {
      const asked = Number((await part(orderId))?.asked_minor)
      expect((await rig.see(orderId)).state).toBe(asked === 1399 ? 'paid' : 'pending_payment')
    }
  })

  test('items added after payment are a payment of their own; its covering releases just them', async () => {
    const { orderId, number } = await rig.place()
    expect(
      await rig.refusal('orders.add_items', { order: number, sectionNo: 1, items: [{ sku: 'ice', quantity: 1, unitPriceMinor: 10 }] }),
    ).toBe('orders.not_paid_yet')
    await rig.cover([orderId])
    const add = {
      order: number,
      sectionNo: 1,
      items: [{ sku: 'ice', quantity: 2, unitPriceMinor: 300 }],
      payment: { legs: [{ means: 'card', token: 'tok_c' }] },
    }
    expect(await rig.must('orders.add_items', add)).toMatchObject({
      part: 1000,
      itemNos: [3],
      state: 'pending_payment',
      moneyState: 'partial',
    })
    expect(await rig.events<OrderPaymentAsked>(orderId, 'orders.payment_asked')).toMatchObject([
      { customerId: 'c1', payments: [{ part: 1000, amountMinor: 600, plan: { legs: [{ token: 'tok_c' }] } }] },
    ])
    expect(await rig.must('orders.add_items', add)).toMatchObject({ part: 1001, itemNos: [4] })
    await rig.cover([orderId], 1000)
    const events = await rig.events<OrderPaid>(orderId, 'orders.paid')
    expect(events.map((event) => [event.part, event.sections[0]?.items.map(({ itemNo }) => itemNo)])).toEqual([
      [0, [1, 2]],
      [1000, [3]],
    ])
    expect((await rig.see(orderId)).totalMinor).toBe(1399 + 1200)
  })
})

describe('sections', () => {
  const home = { name: 'Ada', line1: '2 Queen St', city: 'Toronto', postcode: 'M5H', country: 'CA' }

  test('destination and slot change until the goods are packed, and a repeated change has no effect', async () => {
    const { orderId, number } = await paid()
    for (const _ of [1, 2]) await rig.must('orders.change_destination', { order: number, sectionNo: 1, destination: home })
    await rig.must('orders.change_slot', { order: number, sectionNo: 1, slot: { date: '2026-03-04', code: 'P M' } })
    await rig.must('orders.change_slot', { order: number, sectionNo: 1, slot: null })
    expect((await rig.events<OrderEdited>(orderId, 'orders.edited')).map(({ fields }) => fields)).toEqual([
      ['destination'],
      ['slot'],
      ['slot'],
    ])
    await rig.move(orderId, 'ready', [1])
    expect(await rig.refusal('orders.change_slot', { order: number, sectionNo: 1, slot: { date: '2026-03-05', code: 'AM' } })).toBe(
      'orders.too_late',
    )
    const log = await rig.sql(
      `select from_state, to_state from orders.change_log where root = ${orderId} and level = 'slot' order by sequence`,
    )
    expect(log).toEqual([
      { from_state: '2026-03-03 AM', to_state: '2026-03-04 P M' },
      { from_state: '2026-03-04 P M', to_state: 'none' },
    ])
  })

  test('pieces go to a new section and come back by a merge; nothing is lost on the way', async () => {
    const { orderId, number } = await paid()
    const split = await rig.must<{ sectionNo: number }>('orders.split_section', {
      order: number,
      sectionNo: 1,
      items: [{ itemNo: 1, quantity: 1 }, { itemNo: 2 }],
      destination: home,
    })
    expect(split.sectionNo).toBe(2)
    expect(await rig.events<OrderEdited>(orderId, 'orders.edited')).toEqual([
      {
        orderId,
        fields: ['sections'],
        splits: [{ itemNo: 3, fromItemNo: 1, quantity: 1 }],
        sections: [
          expect.objectContaining({ sectionNo: 1, itemNos: [1] }),
          { sectionNo: 2, destination: home, slot: { date: '2026-03-03', code: 'AM' }, merchantId: null, itemNos: [2, 3] },
        ],
      },
    ])
    expect((await rig.see(orderId)).sections.map(({ items }) => items.map(({ itemNo }) => itemNo))).toEqual([[1], [2, 3]])
    expect(await rig.refusal('orders.merge_sections', { order: number, sectionNo: 2, into: 1 })).toBe('orders.two_destinations')
    for (const _ of [1, 2]) await rig.must('orders.merge_sections', { order: number, sectionNo: 1, into: 2, takeOver: true })
    const [only, ...more] = (await rig.see(orderId)).sections
    expect([only?.sectionNo, only?.shippingMinor, only?.items.length, more]).toEqual([2, 99, 3, []])
    expect(await rig.refusal('orders.split_section', { order: number, sectionNo: 1, items: [{ itemNo: 1 }] })).toBe(
      'orders.unknown_section',
    )
    await rig.move(orderId, 'preparing', [2])
    expect(await rig.refusal('orders.split_section', { order: number, sectionNo: 2, items: [{ itemNo: 2 }] })).toBe('orders.too_late')
    expect(
      await rig.refusal('orders.split_section', { order: number, sectionNo: 2, items: [{ itemNo: 1 }, { itemNo: 2 }, { itemNo: 3 }] }),
    ).toBe('orders.too_late')
  })
})

describe('afterwards', () => {
  test('what was delivered is confirmed by the customer, or by the round some days after the last delivery', async () => {
    const [told, quiet, fresh] = [await paid(), await paid(), await paid()]
    expect(await rig.refusal('orders.confirm', { order: told.number })).toBe('orders.not_delivered')
    await rig.move(told.orderId, 'delivered', [1, 2])
    await rig.move(quiet.orderId, 'delivered', [1, 2])
    for (const _ of [1, 2]) expect(await rig.must('orders.confirm', { order: told.number })).toMatchObject({ state: 'confirmed' })
    const later = new Date(rig.t.clock.now().getTime() + 1)
    rig.t.clock.set(new Date(later.getTime() + 86_400_000))
    await rig.move(fresh.orderId, 'delivered', [1])
    const confirm = () => rig.write((context) => rig.orders.confirmDelivered(context, later))
    const [first, second] = await Promise.all([confirm(), confirm()])
    expect(first + second).toBe(2)
    const states = await Promise.all([told, quiet, fresh].map(async ({ orderId }) => (await rig.see(orderId)).state))
    expect(states).toEqual(['confirmed', 'confirmed', 'partially_delivered'])
  })

  test('a reorder takes what the catalogue still has, at the prices given', async () => {
    const { number } = await paid()
    await rig.must('orders.cancel', { order: number, items: [{ itemNo: 1, quantity: 1 }], reason: 'x' })
    const again = await rig.must<{ orderId: number; totalMinor: number }>('orders.reorder', {
      order: number,
      prices: [{ sku: 'ice', unitPriceMinor: 200, taxMinor: 5 }],
    })
    expect(again.totalMinor).toBe(1000 + 205 + 99)
    expect((await rig.see(again.orderId)).sections[0]?.items.map(({ sku, quantity }) => [sku, quantity])).toEqual([
      ['tea', 2],
      ['ice', 1],
    ])
    expect(await rig.refusal('orders.reorder', { order: 'TL-NONE' })).toBe('orders.not_found')
  })

  test('goodwill is never more than what is in hand, whoever gives it at once; to the wallet it is a credit', async () => {
    const { orderId, number } = await paid()
    const outcomes = await Promise.all(
      Array.from({ length: 5 }, () => rig.run('orders.goodwill', [{ order: number, amountMinor: 500, reason: 'late' }])),
    )
    expect(outcomes.flat().filter(({ ok }) => ok)).toHaveLength(2)
    expect(await rig.events<OrderRefundDue>(orderId, 'orders.refund_due')).toMatchObject([
      { kind: 'goodwill', to: 'means', parts: [{ part: 0, amountMinor: 500 }] },
      { kind: 'goodwill', to: 'means', parts: [{ part: 0, amountMinor: 500 }] },
    ])
    await rig.tell([{ orderId, sums: { dueMinor: 1399, capturedMinor: 1399, refundedMinor: 1000, goodwillMinor: 1000 } }])
    expect(await rig.refusal('orders.goodwill', { order: number, amountMinor: 400, reason: 'late' })).toBe('orders.goodwill_too_large')
    await rig.must('orders.goodwill', { order: number, amountMinor: 399, reason: 'late' })
    // A credit is money of this order as well: what is not in hand any more can not be given to the wallet either.
    expect(await rig.refusal('orders.goodwill', { order: number, amountMinor: 1, to: 'wallet', reason: 'late' })).toBe(
      'orders.goodwill_too_large',
    )
    expect((await rig.see(orderId)).moneyState).toBe('partially_refunded')
  })

  test('of two orders for the same goods the unpaid one is cancelled with a link to the other; two paid ones are left alone', async () => {
    const [kept, double] = [await paid({ customerId: 'c9' }), await rig.place({ customerId: 'c9' })]
    for (const _ of [1, 2]) await rig.must('orders.merge_duplicates', { order: kept.number, duplicate: double.number })
    expect((await rig.see(double.orderId)).state).toBe('cancelled')
    expect(await rig.sql(`select duplicate_of::int from orders.orders where id = ${double.orderId}`)).toEqual([
      { duplicate_of: kept.orderId },
    ])
    expect(await rig.events(double.orderId, 'orders.cancelled')).toMatchObject([{ whole: true }])
    const other = await paid({ customerId: 'c9' })
    expect(await rig.refusal('orders.merge_duplicates', { order: kept.number, duplicate: other.number })).toBe('orders.not_duplicates')
    expect(await rig.refusal('orders.merge_duplicates', { order: kept.number, duplicate: (await rig.place()).number })).toBe(
      'orders.not_duplicates',
    )
    const [missing, absent] = await rig.run('orders.merge_duplicates', [
      { order: kept.number, duplicate: '999999999' },
      { order: '999999999', duplicate: (await rig.place({ customerId: 'c9' })).number },
    ])
    expect([missing, absent].map((outcome) => outcome?.ok === false && `${outcome.error.code} ${outcome.error.field}`)).toEqual([
      'orders.not_found /duplicate',
      'orders.not_duplicates /order',
    ])
    // Each of two callers wants to keep another one: one of them wins, and an order is left.
    const [a, b] = [await rig.place({ customerId: 'c8' }), await rig.place({ customerId: 'c8' })]
    const both = await Promise.all([
      rig.run('orders.merge_duplicates', [{ order: a.number, duplicate: b.number }]),
      rig.run('orders.merge_duplicates', [{ order: b.number, duplicate: a.number }]),
    ])
    expect(both.flat().filter(({ ok }) => ok)).toHaveLength(1)
  })

  test('goods that could not be called off are flagged for a person', async () => {
    const { orderId, number } = await paid()
    await rig.must('orders.cancel', { order: number, itemNos: [1], reason: 'x' })
    await rig.write((context) => rig.orders.noteTooFarGone(context, [{ orderId, itemNos: [1], commandId: 'x', actor: 'flow:test' }]))
    expect((await rig.see(orderId)).attention).toEqual(['too_far_gone'])
    for (const _ of [1, 2]) await rig.must('orders.clear_attention', { order: number, reason: 'the courier brings it back' })
    expect((await rig.see(orderId)).attention).toEqual([])
  })
})

test('an amount that no order may come to is refused by field, and one quantity of a large order can be changed', async () => {
  const { number } = await rig.place()
  const huge = { order: number, add: [{ sectionNo: 1, sku: 'tea', quantity: 10_000, unitPriceMinor: 100_000_000_000 }] }
  expect(await rig.refusal('orders.amend', huge)).toBe('orders.total_too_large')
  const [section] = rig.order()['sections'] as [object]
  const items = Array.from({ length: 200 }, () => ({ sku: 'tea', quantity: 3, unitPriceMinor: 10 }))
  const large = await rig.place({ sections: [{ ...section, shippingMinor: 0, items }], totalMinor: 6_000 })
  // How fast that is, `bench order-edit-200` says: a figure is no law.
  await rig.must('orders.amend', { order: large.number, items: [{ itemNo: 7, quantity: 4 }] })
  const rows = await rig.sql<{ item_no: number }>(`select item_no::int from orders.item where order_id = ${large.orderId} and quantity = 4`)
  expect(rows).toEqual([{ item_no: 7 }])
})

test('after all of this every law of orders holds', async () => {
  expect(await rig.breaks()).toEqual([])
})
