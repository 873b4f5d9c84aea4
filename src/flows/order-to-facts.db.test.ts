import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Analytics, openAnalytics } from '#analytics'
import type { PaymentsMoved } from '#payments'
import type { ReadContext, Statement } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'
import { openRelay } from '#platform/relay.ts'
import { type Explained, rowsLookedAt } from '#test/explained.ts'
import { type OrdersRig, openOrdersRig } from '#test/orders-rig.ts'
import { untilTrue } from '#test/until.ts'
import { orderToFacts } from './order-to-facts.ts'

let rig: OrdersRig
let analytics: Analytics
beforeAll(async () => {
  rig = await openOrdersRig()
  const of = (context: 'orders' | 'analytics') => rig.t.databases.of(context)
  analytics = openAnalytics({ database: of('analytics'), source: { database: of('orders'), orders: rig.orders } })
})
afterAll(() => rig.t.close())

type Row = Record<string, string | number | Date | null>
const sql = <R = Row>(text: string) => rig.sql<R>(text)
const lawBreaks = async () => (await analytics.check(rig.t.live)).flatMap((law) => law.breaks)
/** Of the one law that compares facts with orders. */
const breaks = async () => (await analytics.check(rig.t.live)).at(-1)?.breaks ?? []

function consumer(name: string) {
  const found = orderToFacts({ analytics }).find((each) => each.name === name)
  if (found === undefined) throw new Error(`no consumer ${name}`)
  return found
}
const handle = (name: string, events: readonly DeliveredEvent[]) =>
  rig.t.databases.of('analytics').write(rig.t.live, (context) => consumer(name).handle(context, events))

/** Events of orders that the projection wants, as the relay would hand them over. */
async function eventsOfOrders(after = 0): Promise<DeliveredEvent[]> {
  const types = consumer('analytics.project_orders').types
  const rows = await sql<{ id: string; key: string; type: string; payload: unknown }>(
    `select id, key, type, payload from orders.outbox where id > ${after} and type in ('${types.join("','")}') order by id`,
  )
  return rows.map((row) => delivered(Number(row.id), row.key, row.type, row.payload))
}
const delivered = (id: number, key: string, type: string, payload: unknown): DeliveredEvent => ({
  id,
  key,
  type,
  schemaVersion: 1,
  payload,
  traceId: '',
  traffic: 'live',
  rehearsalId: null,
  occurredAt: new Date('2026-03-02T10:00:00Z'),
})

const factsOf = (orderId: number) => sql(`select * from analytics.item_fact where order_id = ${orderId} order by item_no`)
const minutes = (count: number) => rig.t.clock.set(new Date(rig.t.clock.now().getTime() + count * 60_000))
const at = (value: unknown) => (value as Date | null)?.toISOString().slice(11, 16) ?? null
const start = async () => handle('analytics.project_orders', await eventsOfOrders())

describe('item facts', () => {
  test('a row says what was ordered and when it came into each state; a stage that was skipped has no time', async () => {
    rig.t.clock.set(new Date('2026-03-02T09:00:00Z'))
    const { orderId, number } = await rig.place()
    minutes(5)
    await rig.cover([orderId])
    minutes(5)
    await rig.move(orderId, 'shipped', [1])
    minutes(5)
    await rig.move(orderId, 'delivered', [1])
    await start()
    const [tea, ice] = await factsOf(orderId)
    expect(tea).toMatchObject({
      order_number: number,
      sku: 'tea',
      sku_type: 'dry',
      quantity: 2,
      line_total_minor: '1000',
      state: 'delivered',
    })
    expect([tea?.['placed_at'], tea?.['paid_at'], tea?.['allocated_at'], tea?.['shipped_at'], tea?.['delivered_at']].map(at)).toEqual([
      '09:00',
      '09:05',
      null,
      '09:10',
      '09:15',
    ])
    expect(ice).toMatchObject({ sku: 'ice', state: 'paid', shipped_at: null })
    const [head] = await sql(`select * from analytics.order_fact where order_id = ${orderId}`)
    expect(head).toMatchObject({
      sections: 1,
      items: 2,
      pieces: 3,
      total_minor: '1399',
      shipping_minor: '99',
      state: 'partially_delivered',
    })
  })

  test('a row that was split off has the past of the row it was cut from, also when that one was cut from another', async () => {
    rig.t.clock.set(new Date('2026-03-02T09:00:00Z'))
    const [section] = rig.order()['sections'] as [object]
    const { orderId, number } = await rig.place({
      sections: [{ ...section, shippingMinor: 0, items: [{ sku: 'tea', quantity: 4, unitPriceMinor: 100 }] }],
      totalMinor: 400,
    })
    minutes(1)
    await rig.cover([orderId])
    minutes(1)
    // Two pieces go into a section of their own as row 2, and are allocated; row 1 stays paid. Then one piece of row 2 is cancelled as row 3.
    const destination = { name: 'Bo', line1: '3 Elm St', city: 'Toronto', postcode: 'M5A', country: 'CA' }
    await rig.must('orders.split_section', { order: number, sectionNo: 1, items: [{ itemNo: 1, quantity: 2 }], destination })
    minutes(1)
    await rig.move(orderId, 'allocated', [2])
    minutes(1)
    await rig.must('orders.cancel', { order: number, items: [{ itemNo: 2, quantity: 1 }], reason: 'x' })
    await start()
    const rows = await factsOf(orderId)
    expect(
      rows.map((row) => [
        row['quantity'],
        row['state'],
        ...['placed_at', 'paid_at', 'allocated_at', 'cancelled_at'].map((name) => at(row[name])),
      ]),
    ).toEqual([
      [2, 'paid', '09:00', '09:01', null, null],
      [1, 'allocated', '09:00', '09:01', '09:03', null],
      [1, 'cancelled', '09:00', '09:01', '09:03', '09:04'],
    ])
  })

  test('three times as many orders are three times the work, also under a plan that was made for few', async () => {
    const placed = []
    for (let n = 0; n < 60; n += 1) placed.push((await rig.place()).orderId)
    let asked: Statement<unknown> = { name: '', text: '' }
    const listening = { query: async (each: Statement<unknown>) => ((asked = each), []) } as unknown as ReadContext
    await rig.orders.readFacts(listening, placed)
    // What a planner takes that expects one row: it compares each row with each.
    await sql('set enable_hashjoin = off')
    await sql('set enable_mergejoin = off')
    const lookedAt = async (orderIds: readonly number[]): Promise<number> => {
      const text = asked.text.replaceAll('$1', `'{${orderIds.join(',')}}'`)
      const [explained] = await sql<Explained>(`explain (analyze, format json) ${text}`)
      return rowsLookedAt(explained)
    }
    const few = await lookedAt(placed.slice(0, 20))
    const many = await lookedAt(placed)
    await sql('reset enable_hashjoin')
    await sql('reset enable_mergejoin')
    expect(few).toBeGreaterThan(200)
    expect(many / few).toBeLessThan(3.5)
  })

  test('what is paid while it is on hold is known before it is released', async () => {
    const { orderId, number } = await rig.place()
    await rig.must('orders.hold', { order: number, reason: 'x' })
    const before = await eventsOfOrders()
    await handle('analytics.project_orders', before)
    await rig.cover([orderId])
    expect(await rig.events(orderId, 'orders.paid')).toEqual([])
    await handle('analytics.project_orders', await eventsOfOrders(before.at(-1)?.id))
    expect((await factsOf(orderId)).map((row) => row['state'])).toEqual(['paid', 'paid'])
    await rig.must('orders.release', { order: number, reason: 'x' })
    expect(await rig.events(orderId, 'orders.paid')).toHaveLength(1)
  })

  test('a projection of an older order changes nothing', async () => {
    const { orderId } = await rig.place()
    const orders = rig.t.databases.of('orders')
    const old = await orders.read(rig.t.live, (context) => rig.orders.readFacts(context, [orderId]))
    await rig.cover([orderId])
    const late = openAnalytics({
      database: rig.t.databases.of('analytics'),
      source: { database: orders, orders: { ...rig.orders, readFacts: () => Promise.resolve(old) } },
    })
    const project = (from: Analytics) =>
      rig.t.databases.of('analytics').write(rig.t.live, (context) => from.projectOrders(context, [orderId], []))
    expect(await project(analytics)).toMatchObject({ items: 2, orders: 1 })
    expect(await project(late)).toMatchObject({ items: 0, orders: 0 })
    expect(await project(analytics)).toMatchObject({ items: 0, orders: 0 })
    expect((await factsOf(orderId)).map((row) => row['state'])).toEqual(['paid', 'paid'])
  })

  test('a fact that was changed by hand is found, named, and put right by a rebuild, and one without an order goes', async () => {
    const { orderId } = await rig.place()
    await start()
    await sql(`update analytics.item_fact set quantity = 77 where order_id = ${orderId} and item_no = 1`)
    await sql(`delete from analytics.item_fact where order_id = ${orderId} and item_no = 2`)
    await sql(
      `insert into analytics.order_fact select (jsonb_populate_record(f, '{"order_id": 999999999}')).* from analytics.order_fact f where order_id = ${orderId}`,
    )
    expect(await breaks()).toEqual([
      `item_fact ${orderId}/1: quantity is 77, orders say 2`,
      `item_fact ${orderId}/2: there is no such row`,
      'order_fact 999999999: orders have no such row',
    ])
    expect(await analytics.rebuild(rig.t.live)).toMatchObject({ written: 2, dropped: 1 })
    expect(await lawBreaks()).toEqual([])
  })

  test('claims are projected with the head of their order, and again when they move', async () => {
    const { orderId } = await rig.place()
    await start()
    const id = orderId * 1000 + 1
    await sql(`insert into orders.claim (id, order_id, kind, state, reason, passed, passed_at)
      values (${id}, ${orderId}, 'return', 'requested', 'too small', '{requested}', '{2026-03-05 09:00Z}')`)
    await sql(`insert into orders.claim_item (claim_id, position, item_no, quantity) values (${id}, 1, 1, 2)`)
    const moved = delivered(1, String(orderId), 'orders.claim_moved', {})
    await handle('analytics.project_orders', [moved])
    await sql(`update orders.claim set state = 'approved', passed = passed || '{approved}', passed_at = passed_at || '{2026-03-06 09:00Z}',
      refunded_minor = 1000, version = version + 1 where id = ${id}`)
    expect(await breaks()).toEqual([`claim_fact ${id} is not what orders say`])
    await handle('analytics.project_orders', [moved, moved])
    expect(
      await sql(
        `select kind, reason, state, asked_quantity, refunded_minor, currency, steps, approved_at::text from analytics.claim_fact where claim_id = ${id}`,
      ),
    ).toEqual([
      {
        kind: 'return',
        reason: 'too small',
        state: 'approved',
        asked_quantity: 2,
        refunded_minor: '1000',
        currency: 'CAD',
        steps: 2,
        approved_at: '2026-03-06 09:00:00+00',
      },
    ])
    expect(await breaks()).toEqual([])
  })
})

describe('payment facts', () => {
  const moved = (
    subjectId: number,
    changes: Partial<PaymentsMoved['movement'] & object> = {},
    of: Partial<PaymentsMoved> = {},
  ): PaymentsMoved => ({
    requestId: 5,
    orderId: 7_000_000,
    part: 0,
    storeId: 'main',
    customerId: 'c1',
    currency: 'CAD',
    reason: '',
    covered: false,
    sums: { dueMinor: 0, authorizedMinor: 0, capturedMinor: 0, refundedMinor: 0, goodwillMinor: 0 },
    movement: {
      kind: 'captured',
      subjectId,
      legId: 9,
      amountMinor: 1399,
      means: 'card',
      gateway: 'pg1',
      gatewayRef: `ch_${subjectId}`,
      stray: false,
      ...changes,
    },
    ...of,
  })

  test('each movement is one row however often and in whatever order it is told', async () => {
    const events = [
      delivered(11, '7000000', 'payments.moved', moved(1)),
      delivered(12, '7000000', 'payments.moved', moved(2, { kind: 'refunded', amountMinor: 399 }, { reason: 'claim 12' })),
      delivered(13, '7000000', 'payments.moved', moved(1, { kind: 'charged_back', amountMinor: 100 })),
      delivered(14, '7000000', 'payments.moved', { ...moved(3), movement: null }),
      delivered(15, '7000000', 'payments.moved', moved(4, { stray: true })),
      delivered(16, '7000000', 'payments.failed', { requestId: 5, orderId: 7_000_000, part: 0, means: 'card', reason: 'stolen_card' }),
    ]
    await handle('analytics.note_payments', events.toReversed())
    await handle('analytics.note_payments', [...events, ...events])
    expect(await sql('select kind, subject_id, amount_minor, reason, stray from analytics.payment_fact order by kind, subject_id')).toEqual(
      [
        { kind: 'captured', subject_id: '1', amount_minor: '1399', reason: '', stray: false },
        { kind: 'captured', subject_id: '4', amount_minor: '1399', reason: '', stray: true },
        { kind: 'charged_back', subject_id: '1', amount_minor: '100', reason: '', stray: false },
        { kind: 'refunded', subject_id: '2', amount_minor: '399', reason: 'claim 12', stray: false },
      ],
    )
    expect(
      await sql(
        'select captured_minor, refunded_minor, charged_back_minor, kept_minor from analytics.order_money where order_id = 7000000',
      ),
    ).toEqual([{ captured_minor: '1399', refunded_minor: '399', charged_back_minor: '100', kept_minor: '900' }])
    const totals = await rig.t.databases
      .of('analytics')
      .read(rig.t.live, (context) => analytics.findOrderTotals(context, [7_000_000, 7_000_001]))
    expect([...totals]).toEqual([[7_000_000, 900]])
    expect(await sql('select event_id, reason from analytics.payment_failure_fact')).toEqual([{ event_id: '16', reason: 'stolen_card' }])
  })
})

const small = fc.integer({ min: 1, max: 4 })
const steps = fc.array(
  fc.oneof(
    fc.record({ itemNo: small, quantity: small }).map((each) => ({ id: 'orders.cancel', input: { items: [each], reason: 'x' } })),
    fc.record({ itemNo: small, quantity: fc.nat(5) }).map((each) => ({ id: 'orders.amend', input: { items: [each] } })),
    fc.record({ quantity: small }).map(({ quantity }) => ({
      id: 'orders.add_items',
      input: {
        sectionNo: 1,
        items: [{ sku: 'ice', quantity, unitPriceMinor: 77 }],
        payment: { legs: [{ means: 'card', token: 'tok_ok' }] },
      },
    })),
    fc.constantFrom('orders.hold', 'orders.release').map((id) => ({ id, input: { reason: 'x' } })),
    fc.record({ itemNo: small, quantity: small }).map((each) => ({
      id: 'orders.split_section',
      input: {
        sectionNo: 1,
        items: [each],
        destination: { name: 'Bo', line1: '3 Elm St', city: 'Toronto', postcode: 'M5A', country: 'CA' },
      },
    })),
    fc.record({ sectionNo: small, into: small }).map((each) => ({ id: 'orders.merge_sections', input: { ...each, takeOver: true } })),
    fc.record({ consent: fc.boolean() }).map((each) => ({ id: 'orders.answer_cancel', input: { ...each, reason: 'x' } })),
    fc.constant({ id: 'orders.confirm', input: {} }),
    fc.constantFrom(0, 0, 1000).map((part) => ({ id: 'cover', input: { part } })),
    fc
      .record({ itemNo: small, to: fc.constantFrom('allocated', 'preparing', 'shipped', 'delivery_failed', 'delivered') })
      .map((input) => ({ id: 'move', input })),
    // What the relay may do between: carry on, or deliver again what it delivered before, in another order.
    fc.array(fc.nat(1000), { maxLength: 6 }).map((again) => ({ id: 'deliver', input: { again } })),
  ),
  { minLength: 4, maxLength: 16 },
)

async function play(orderId: number, { id, input }: { id: string; input: object }): Promise<void> {
  if (id === 'cover') return rig.cover([orderId], (input as { part: number }).part)
  if (id === 'move') {
    const { itemNo, to } = input as { itemNo: number; to: string }
    const moves = [{ itemNo, to: to as 'paid' }]
    await rig.write((context) => rig.orders.moveItems(context, [{ orderId, moves, cause: 'waybill', commandId: 'w', actor: 'flow:test' }]))
    return
  }
  await rig.run(id, [{ order: String(orderId), ...input }])
}

const allFacts = async () => ({
  items: await sql(
    `select to_jsonb(f) - '{projected_at,order_version}'::text[] as fact from analytics.item_fact f order by order_id, item_no`,
  ),
  orders: await sql(`select to_jsonb(f) - '{projected_at,order_version}'::text[] as fact from analytics.order_fact f order by order_id`),
})

test('whatever happens to orders, and in whatever order and however often their events come, facts end as a rebuild from nothing makes them', async () => {
  await start()
  await fc.assert(
    fc.asyncProperty(steps, async (actions) => {
      const { orderId } = await rig.place()
      const placed = (await eventsOfOrders()).findLast(({ key }) => key === String(orderId))
      const since = (placed?.id ?? 0) - 1
      let cursor = since
      const carryOn = async () => {
        const events = await eventsOfOrders(cursor)
        cursor = events.at(-1)?.id ?? cursor
        if (events.length > 0) await handle('analytics.project_orders', events)
      }
      for (const action of actions) {
        minutes(1)
        if (action.id !== 'deliver') await play(orderId, action)
        else {
          await carryOn()
          const told = await eventsOfOrders(since)
          const again = (action.input as { again: number[] }).again.map((pick) => told[pick % told.length] as DeliveredEvent)
          if (again.length > 0) await handle('analytics.project_orders', again)
        }
      }
      // Only what is new: an order that changed without an event since would be found stale here.
      await carryOn()
      expect(await breaks()).toEqual([])
    }),
    { numRuns: 80 },
  )
  const followed = await allFacts()
  await sql('delete from analytics.item_fact')
  await sql('delete from analytics.order_fact')
  await analytics.rebuild(rig.t.live)
  expect(await allFacts()).toEqual(followed)
  expect(await lawBreaks()).toEqual([])
}, 60_000)

test('the relay carries events to the facts, and a second relay beside it changes nothing', async () => {
  await sql('delete from analytics.item_fact')
  const log = { warn: () => undefined, error: () => undefined }
  const relays = [1, 2].map(() =>
    openRelay({ databases: rig.t.databases, consumers: orderToFacts({ analytics }), pollMs: 10, traffics: ['live'], log }),
  )
  for (const relay of relays) relay.start()
  const placed = await Promise.all([1, 2, 3].map(() => rig.place()))
  await rig.cover(placed.map(({ orderId }) => orderId))
  await untilTrue(async () => (await breaks()).length === 0)
  for (const relay of relays) await relay.close()
  const { orderId } = placed[0] as { orderId: number }
  expect((await factsOf(orderId)).map((row) => [row['state'], at(row['paid_at']) === null])).toEqual([
    ['paid', false],
    ['paid', false],
  ])
})
