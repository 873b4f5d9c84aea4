import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OrdersRig, openOrdersRig } from '#test/orders-rig.ts'
import { findDrift } from './drift.ts'
import type { OrderPaid, OrderPlaced } from './events.ts'
import type { Placed } from './schemas.ts'

let rig: OrdersRig
beforeAll(async () => {
  rig = await openOrdersRig()
})
afterAll(() => rig.t.close())

describe('placing', () => {
  test('one batch stores the good orders and names what is wrong with each bad one', async () => {
    const count = async () => Number((await rig.sql<{ count: string }>('select count(*) from orders.orders'))[0]?.count)
    const before = await count()
    const [section] = rig.order()['sections'] as [object]
    const plan = (amountMinor: number) => ({ legs: [{ means: 'card', token: 'tok_ok', amountMinor }] })
    const outcomes = await rig.run<Placed>('orders.place', [
      rig.order(),
      rig.order({ totalMinor: 1 }),
      rig.order({ storeId: 'nowhere' }),
      rig.order({ currency: 'USD' }),
      rig.order({ payment: plan(1) }),
      rig.order({ sections: [{ ...section, items: [{ sku: 'unheard', quantity: 1, unitPriceMinor: 1 }] }] }),
      rig.order({ sections: [{ ...section, payment: plan(1) }] }),
      rig.order({ payment: { legs: [{ means: 'card', token: 'tok_ok' }] } }),
    ])
    expect(outcomes.map((outcome) => (outcome.ok ? 'placed' : `${outcome.error.code} ${outcome.error.field}`))).toEqual([
      'placed',
      'orders.total_mismatch /totalMinor',
      'orders.unknown_store /storeId',
      'orders.two_currencies /currency',
      'orders.payment_mismatch /payment/legs',
      'orders.unknown_sku /sections/0/items/0/sku',
      'orders.payment_mismatch /sections/0/payment/legs',
      'placed',
    ])
    expect((await count()) - before).toBe(2)
  })

  test('the detail shows what was placed, by number and by id', async () => {
    const placed = await rig.place()
    const views = await rig.run<{ number: string }>('orders.get', [
      { order: placed.number },
      { order: String(placed.orderId) },
      { order: 'TL-NONE' },
    ])
    expect(views.map((view) => (view.ok ? view.value.number : view.error.code))).toEqual([placed.number, placed.number, 'orders.not_found'])
    const view = await rig.see(placed.orderId)
    expect(view.sections[0]?.items.map((item) => [item.sku, item.state])).toEqual([
      ['tea', 'pending_payment'],
      ['ice', 'pending_payment'],
    ])
  })

  test('shadow numbers carry a mark that no live number has, and live sees nothing of them', async () => {
    const [outcome] = await rig.run<Placed>('orders.place', [rig.order()], rig.t.shadow)
    if (!outcome?.ok) throw new Error('refused')
    expect(outcome.value.number).toMatch(/^ZTL-/)
    expect(await rig.refusal('orders.get', { order: outcome.value.number })).toBe('orders.not_found')
  })

  test('a section that pays for itself is a payment of its own, and each part releases its own goods', async () => {
    const [section] = rig.order()['sections'] as [object]
    const own = {
      ...section,
      shippingMinor: 50,
      items: [{ sku: 'ice', quantity: 2, unitPriceMinor: 300, discountMinor: 10 }],
      payment: { legs: [{ means: 'card', token: 'tok_b' }] },
    }
    const { orderId } = await rig.place({ sections: [section, own], totalMinor: 1399 + 640 })
    const [placed] = await rig.events<OrderPlaced>(orderId, 'orders.placed')
    expect(placed?.payments.map(({ part, amountMinor, plan }) => [part, amountMinor, plan?.legs[0]?.token])).toEqual([
      [0, 1399, undefined],
      [2, 640, 'tok_b'],
    ])
    await rig.cover([orderId], 2)
    const half = await rig.see(orderId)
    expect([half.state, half.moneyState, half.sections.map(({ state }) => state)]).toEqual([
      'pending_payment',
      'partial',
      ['pending_payment', 'paid'],
    ])
    const sections = await rig.sql(`select section_no, money_state from orders.section where order_id = ${orderId} order by section_no`)
    expect(sections).toEqual([
      { section_no: 1, money_state: 'none' },
      { section_no: 2, money_state: 'captured' },
    ])
    await rig.cover([orderId], 0)
    const paid = await rig.events<OrderPaid>(orderId, 'orders.paid')
    expect(
      paid.map((event) => [event.part, event.sections.map(({ sectionNo, items }) => [sectionNo, items.map(({ itemNo }) => itemNo)])]),
    ).toEqual([
      [2, [[2, [3]]]],
      [0, [[1, [1, 2]]]],
    ])
    expect((await rig.see(orderId)).moneyState).toBe('captured')
  })
})

describe('money', () => {
  test('a covered order is paid in all its parts, told once, and covering it again changes nothing', async () => {
    const { orderId } = await rig.place()
    await rig.cover([orderId])
    const version = async () => (await rig.sql(`select version from orders.orders where id = ${orderId}`))[0]
    const before = await version()
    await rig.cover([orderId])
    expect(await version()).toEqual(before)
    const view = await rig.see(orderId)
    expect([view.state, view.moneyState]).toEqual(['paid', 'captured'])
    const events = await rig.events<OrderPaid>(orderId, 'orders.paid')
    expect(events).toHaveLength(1)
    expect(events[0]?.part).toBe(0)
    expect(events[0]?.sections[0]?.items).toHaveLength(2)
  })

  test('covered and refunded in one batch: the second sees what the first decided, each with its cause in the log', async () => {
    const { orderId } = await rig.place()
    await rig.tell([
      { orderId, covered: true, sums: { dueMinor: 1399, capturedMinor: 1399 } },
      { orderId, sums: { dueMinor: 300, capturedMinor: 1399, refundedMinor: 1099 } },
    ])
    expect((await rig.see(orderId)).moneyState).toBe('partially_refunded')
    await rig.tell([{ orderId, sums: { dueMinor: 0, capturedMinor: 1399, refundedMinor: 1399 } }])
    expect((await rig.see(orderId)).moneyState).toBe('refunded')
    const log = await rig.sql(
      `select to_state from orders.change_log where root = ${orderId} and level = 'money' and entity = '' order by sequence`,
    )
    expect(log).toEqual(['none', 'captured', 'partially_refunded', 'refunded'].map((to_state) => ({ to_state })))
  })

  test('money that covers less than the order asks by now releases nothing until the rest is there', async () => {
    const { orderId, number } = await rig.place()
    await rig.must('orders.amend', { order: number, items: [{ itemNo: 1, quantity: 3 }] })
    await rig.cover([orderId], 0, 1399)
    expect((await rig.see(orderId)).state).toBe('pending_payment')
    expect((await rig.see(orderId)).moneyState).toBe('partial')
    await rig.cover([orderId], 0, 1899)
    expect((await rig.see(orderId)).state).toBe('paid')
  })

  test('what nobody paid for in time is cancelled, and what was paid meanwhile is not', async () => {
    const [late, paid] = [await rig.place(), await rig.place()]
    await rig.cover([paid.orderId])
    const sums = { dueMinor: 1399, authorizedMinor: 0, capturedMinor: 0, refundedMinor: 0, goodwillMinor: 0 }
    const expired = (orderId: number, capturedMinor: number) =>
      ({ type: 'payments.expired', event: { requestId: 1, orderId, part: 0, sums: { ...sums, capturedMinor } } }) as const
    await rig.note([expired(late.orderId, 0), expired(paid.orderId, 1399)])
    expect((await rig.see(late.orderId)).state).toBe('cancelled')
    expect((await rig.see(paid.orderId)).state).toBe('paid')
  })

  test('a charge without an answer calls for attention until it has one', async () => {
    const { orderId } = await rig.place()
    const checking = (unknown: boolean) => rig.note([{ type: 'payments.checking', event: { requestId: 1, orderId, part: 0, unknown } }])
    await checking(true)
    expect((await rig.see(orderId)).attention).toEqual(['unknown_payment'])
    await checking(false)
    expect((await rig.see(orderId)).attention).toEqual([])
  })

  test('a charge that becomes known and the money that it took are noted in one batch, at the first try', async () => {
    const { orderId } = await rig.place()
    const other = await rig.place()
    const at = (id: number) => ({ orderId: id, commandId: 'x', actor: 'flow:test' })
    const checking = (unknown: boolean) =>
      ({ ...at(orderId), type: 'payments.checking', event: { requestId: 1, orderId, part: 0, unknown } }) as const
    const moved = (id: number) => {
      const sums = { dueMinor: 1399, authorizedMinor: 0, capturedMinor: 1399, refundedMinor: 0, goodwillMinor: 0 }
      const of = { requestId: 1, storeId: 'main', customerId: 'c1', currency: 'CAD', movement: null, reason: '' }
      return { ...at(id), type: 'payments.moved', event: { ...of, orderId: id, covered: true, part: 0, sums } } as const
    }
    await rig.write((context) => rig.orders.notePaymentFacts(context, [checking(true)]))
    let tries = 0
    await rig.write((context) => {
      tries += 1
      return rig.orders.notePaymentFacts(context, [checking(false), moved(other.orderId), moved(orderId)])
    })
    expect(tries).toBe(1)
    expect(await rig.see(orderId)).toMatchObject({ state: 'paid', attention: [] })
    expect((await rig.see(other.orderId)).state).toBe('paid')
  })
})

test('the page of money says what each order asks and what payments were last told to hold for it', async () => {
  const [open, paid] = [await rig.place(), await rig.place()]
  await rig.cover([paid.orderId])
  const page = await rig.t.databases.of('orders').read(rig.t.live, (context) => rig.orders.moneyPage(context, open.orderId - 1))
  expect(page.slice(0, 2)).toEqual([
    { orderId: open.orderId, moneyState: 'none', totalMinor: 1399, askedMinor: 1399, heldMinor: 0 },
    { orderId: paid.orderId, moneyState: 'captured', totalMinor: 1399, askedMinor: 1399, heldMinor: 1399 },
  ])
})

describe('changing', () => {
  test('two callers who cancel and cover one order at once leave one history without a fork', async () => {
    const placed = await Promise.all(Array.from({ length: 20 }, () => rig.place()))
    const ids = placed.map(({ orderId }) => orderId)
    await Promise.all([
      rig.cover(ids, 0, 1399),
      rig.run(
        'orders.cancel',
        placed.map(({ number }) => ({ order: number, reason: 'changed my mind' })),
      ),
    ])
    expect(await rig.breaks()).toEqual([])
    const states = await rig.sql<{ state: string; money_state: string }>(
      `select state, money_state from orders.orders where id in (${ids.join(',')})`,
    )
    expect(new Set(states.map(({ state, money_state }) => `${state} ${money_state}`))).toEqual(new Set(['cancelled captured']))
  })

  test('moves after payment are told as one event for each order and batch, and a failed delivery calls for attention', async () => {
    const { orderId } = await rig.place()
    await rig.cover([orderId])
    await rig.write((context) =>
      rig.orders.moveItems(context, [
        { orderId, moves: [{ itemNo: 1, to: 'shipped' }], cause: 'waybill', commandId: 'a', actor: 'flow:test' },
        {
          orderId,
          moves: [
            { itemNo: 1, to: 'delivery_failed' },
            { itemNo: 2, to: 'allocated' },
          ],
          cause: 'waybill',
          commandId: 'b',
          actor: 'flow:test',
        },
      ]),
    )
    expect(await rig.events(orderId, 'orders.moved')).toMatchObject([
      {
        state: 'partially_shipped',
        items: [
          { itemNo: 1, from: 'paid', to: 'delivery_failed' },
          { itemNo: 2, from: 'paid', to: 'allocated' },
        ],
      },
    ])
    expect((await rig.see(orderId)).attention).toEqual(['failed_delivery'])
    await rig.move(orderId, 'delivered', [1, 2])
    expect((await rig.see(orderId)).attention).toEqual([])
  })

  test('a change made by hand is written to the log, found as drift, and repaired with its cause', async () => {
    const { orderId } = await rig.place()
    await rig.sql(`update orders.item set state = 'cancelled' where order_id = ${orderId} and item_no in (1, 2)`)
    const log = await rig.sql(
      `select cause, actor, to_state, traffic from orders.change_log where root = ${orderId} and cause = 'by hand' and entity = '1'`,
    )
    expect(log).toEqual([{ cause: 'by hand', actor: 'throughline_admin', to_state: 'cancelled', traffic: 'unknown' }])
    expect(await rig.breaks()).toContain(`order ${orderId} is pending_payment, its items fold to cancelled`)
    await rig.sql(`update orders.item set state = 'pending_payment' where order_id = ${orderId}`)
    await rig.sql(`update orders.orders set state = 'lost', money_state = 'over', version = version + 1 where id = ${orderId}`)
    const drift = () => rig.t.databases.of('orders').read(rig.t.live, (context) => findDrift(context, [orderId]))
    expect((await drift()).map(({ level, stored, expected, against }) => `${level} ${stored} ${expected} ${against}`).toSorted()).toEqual([
      'money over none fold',
      'money over none log',
      'order lost pending_payment fold',
      'order lost pending_payment log',
    ])
    const all = await rig.t.databases.of('orders').read(rig.t.live, (context) => rig.orders.driftPage(context, 0))
    expect([all.drifts.length, all.next, new Set(all.drifts.map((each) => each.orderId))]).toEqual([4, null, new Set([orderId])])
    await rig.write((context) => rig.orders.repairDrift(context, [orderId], { commandId: 'r', actor: 'user:me' }))
    expect(await drift()).toEqual([])
    expect((await rig.see(orderId)).state).toBe('pending_payment')
    const repaired = await rig.sql(`select distinct actor from orders.change_log where root = ${orderId} and cause = 'repair'`)
    expect(repaired).toEqual([{ actor: 'user:me' }])
    expect(await rig.breaks()).toEqual([])
  })

  test('a row that changes underneath without the lock makes the whole batch read and decide again', async () => {
    const [one, two] = [await rig.place(), await rig.place()]
    const admin = await rig.t.admin('live')
    let tries = 0
    const sums = { dueMinor: 1399, authorizedMinor: 0, capturedMinor: 1399, refundedMinor: 0, goodwillMinor: 0 }
    await rig.write(async (context) => {
      tries += 1
      const event = {
        requestId: 1,
        storeId: 'main',
        customerId: 'c1',
        currency: 'CAD',
        movement: null,
        reason: '',
        covered: true,
        part: 0,
        sums,
      }
      const noted = await rig.orders.notePaymentFacts(
        context,
        // Told twice, so that it goes the way that reads first.
        [one, two, one, two].map(({ orderId }) => ({
          type: 'payments.moved',
          orderId,
          event: { ...event, orderId },
          commandId: 'x',
          actor: 'flow:test',
        })),
      )
      expect(noted.every(({ ok }) => ok)).toBe(true)
      // By hand and without the order's lock, between the reading and the writing.
      if (tries === 1)
        await admin.query(
          `update orders.item set state = 'cancelled', version = version + 1 where order_id = ${two.orderId} and item_no = 2`,
        )
    })
    expect(tries).toBe(2)
    expect((await rig.see(one.orderId)).state).toBe('paid')
    expect((await rig.see(two.orderId)).sections[0]?.items.map(({ state }) => state)).toEqual(['paid', 'cancelled'])
    // The hand left the amount and the log as they were; put right, so that the laws below hold.
    await admin.query(`update orders.item set state = 'paid', version = version + 1 where order_id = ${two.orderId} and item_no = 2`)
    await rig.write((context) => rig.orders.repairDrift(context, [two.orderId], { commandId: 'r', actor: 'user:me' }))
  })

  test('explain names the items that make an order what it is, and the causes that led there', async () => {
    const { orderId, number } = await rig.place()
    await rig.cover([orderId])
    await rig.move(orderId, 'shipped', [1])
    const told = await rig.must<{
      entities: { level: string; entity: string; because: string; changes: { cause: string }[] }[]
      drift: string[]
    }>('orders.explain', {
      order: number,
    })
    const of = (level: string, entity: string) => told.entities.find((each) => each.level === level && each.entity === entity)
    expect(of('order', '')?.because).toBe('some items have left, others have not: item 2 is paid')
    expect(of('order', '')?.changes.map(({ cause }) => cause)).toEqual(['place', 'cover', 'waybill'])
    expect(of('money', '')?.because).toBe('payments 0 (covered): due 1399, authorised 0, captured 1399, given back 0')
    expect(told.drift).toEqual([])
  })
})

test('after all of this every law of orders holds', async () => {
  expect(await rig.breaks()).toEqual([])
})
