import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openOrdersRig, type OrdersRig } from '#test/orders-rig.ts'

let rig: OrdersRig
beforeAll(async () => {
  rig = await openOrdersRig()
})
afterAll(() => rig.t.close())

/** Everything that is stored of an order, without what tells two alike orders apart. */
async function stored(orderId: number): Promise<unknown> {
  const [row] = await rig.sql<{ all: unknown }>(`
    select json_build_object(
      'head', (select row_to_json(h) from (select state, money_state, parts, attention, held, version, total_minor from orders.orders where id = ${orderId}) h),
      'sections', (select json_agg(row_to_json(s) order by section_no) from
        (select section_no, state, money_state, attention, version from orders.section where order_id = ${orderId}) s),
      'items', (select json_agg(row_to_json(i) order by item_no) from (select item_no, state, flags, version from orders.item where order_id = ${orderId}) i),
      'log', (select json_agg(row_to_json(l)) from (
        select level, entity, from_state, to_state from orders.change_log where root = ${orderId} order by level, entity, from_state) l),
      'told', (select json_agg(json_build_array(type, payload -> 'part', payload -> 'sections') order by id) from orders.outbox
        where key = '${orderId}' and type = 'orders.paid')) as all`)
  return row?.all
}
const moved = (orderId: number, dueMinor: number) => ({
  orderId,
  covered: true,
  sums: { dueMinor, authorizedMinor: 0, capturedMinor: dueMinor, refundedMinor: 0, goodwillMinor: 0 },
})

describe('covering an order that nobody has touched', () => {
  it('stores and tells the same as the way that reads and decides', async () => {
    const [quick, slow] = [await rig.place(), await rig.place()]
    await rig.tell([moved(quick.orderId, quick.totalMinor)])
    // Told twice in one batch, it is not as plain any more and goes the other way.
    await rig.tell([moved(slow.orderId, slow.totalMinor), moved(slow.orderId, slow.totalMinor)])
    expect(await stored(quick.orderId)).toEqual(await stored(slow.orderId))
    expect(await rig.see(quick.orderId)).toMatchObject({ state: 'paid', moneyState: 'captured' })
    expect(await rig.breaks()).toEqual([])
  })

  it('leaves alone what has changed since it was placed', async () => {
    const held = await rig.place()
    await rig.must('orders.hold', { order: held.number, reason: 'fraud check' })
    const short = await rig.place()
    await rig.tell([moved(held.orderId, held.totalMinor), moved(short.orderId, short.totalMinor - 1)])
    expect(await rig.events(held.orderId, 'orders.paid')).toEqual([])
    expect(await rig.see(short.orderId)).toMatchObject({ state: 'pending_payment' })
    expect(await rig.breaks()).toEqual([])
  })

  it('is one covering when it is told by two at once, and gives way to a cancel', async () => {
    const orders = await Promise.all(Array.from({ length: 12 }, () => rig.place()))
    await Promise.all([
      ...orders.map(({ orderId, totalMinor }) => rig.tell([moved(orderId, totalMinor)])),
      ...orders.map(({ orderId, totalMinor }) => rig.tell([moved(orderId, totalMinor)])),
      ...orders.slice(0, 6).map(({ number }) => rig.run('orders.cancel', [{ order: number, reason: 'changed my mind' }])),
    ])
    for (const { orderId } of orders.slice(6)) expect(await rig.events(orderId, 'orders.paid')).toHaveLength(1)
    expect(await rig.breaks()).toEqual([])
  })
})
