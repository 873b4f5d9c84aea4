import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OrdersRig, openOrdersRig } from '#test/orders-rig.ts'
import type { OrderMoved } from './events.ts'

let rig: OrdersRig
beforeAll(async () => {
  rig = await openOrdersRig()
})
afterAll(() => rig.t.close())

const collected = async (orderId: number) =>
  (await rig.events<OrderMoved>(orderId, 'orders.moved')).flatMap(({ toCollect }) => toCollect ?? [])
const captures = async (orderId: number) => (await rig.events<OrderMoved>(orderId, 'orders.moved')).map(({ toCapture }) => toCapture)
/** Two teas at 500, an ice at 300, shipping 99, all of it set aside and nothing taken. */
const setAside = async () => {
  const placed = await rig.place()
  await rig.tell([{ orderId: placed.orderId, covered: true, sums: { dueMinor: 1399, authorizedMinor: 1399 } }])
  return placed
}

test('what leaves is taken by its rows, shipping with the first of its section, and the last is said to be the last', async () => {
  const { orderId } = await setAside()
  await rig.move(orderId, 'ready', [1, 2])
  await rig.move(orderId, 'shipped', [2])
  await rig.move(orderId, 'delivered', [2])
  await rig.move(orderId, 'delivered', [1])
  expect(await captures(orderId)).toEqual([
    undefined,
    [{ part: 0, amountMinor: 399, last: false }],
    undefined,
    [{ part: 0, amountMinor: 1000, last: true }],
  ])
  expect((await rig.events<OrderMoved>(orderId, 'orders.moved'))[1]?.items).toEqual([
    { itemNo: 2, from: 'ready', to: 'shipped', part: 0, amountMinor: 300 },
  ])
})

test('when the rest is cancelled nothing more is taken, and that is said', async () => {
  const { orderId, number } = await setAside()
  await rig.move(orderId, 'shipped', [2])
  await rig.must('orders.cancel', { order: number, itemNos: [1], reason: 'x' })
  expect(await captures(orderId)).toEqual([[{ part: 0, amountMinor: 399, last: false }], [{ part: 0, amountMinor: 0, last: true }]])
})

test('money that was taken at once asks for nothing', async () => {
  const { orderId } = await rig.place()
  await rig.cover([orderId])
  await rig.move(orderId, 'shipped', [1, 2])
  expect(await captures(orderId)).toEqual([undefined])
})

test('shipping that goods of another part earn by leaving first is taken all the same', async () => {
  const { orderId, number, totalMinor } = await setAside()
  const added = await rig.must<{ part: number; itemNos: number[] }>('orders.add_items', {
    order: number,
    sectionNo: 1,
    items: [{ sku: 'tea', quantity: 1, unitPriceMinor: 500 }],
  })
  await rig.cover([orderId], added.part, 500)
  await rig.move(orderId, 'shipped', added.itemNos)
  await rig.move(orderId, 'shipped', [1, 2])
  const taken = (await captures(orderId)).flatMap((each) => each ?? []).filter(({ part }) => part === 0)
  expect(taken.reduce((sum, { amountMinor }) => sum + amountMinor, 0)).toBe(totalMinor)
  expect(taken.map(({ last }) => last)).toEqual([false, true])
})

test('cash is earned at the door, not in the truck, and what comes back is not earned at all', async () => {
  const { orderId } = await setAside()
  await rig.move(orderId, 'shipped', [1, 2])
  expect(await collected(orderId)).toEqual([])
  await rig.move(orderId, 'delivered', [1])
  await rig.move(orderId, 'returned', [2])
  expect(await collected(orderId)).toEqual([
    { part: 0, amountMinor: 1099, last: false },
    { part: 0, amountMinor: 0, last: true },
  ])
})

test('an amendment that only lowers the price tells payments of it', async () => {
  const { orderId, number, totalMinor } = await rig.place()
  await rig.must('orders.amend', { order: number, items: [{ itemNo: 1, quantity: 2, discountMinor: 100 }], totalMinor: totalMinor - 100 })
  expect(await rig.events(orderId, 'orders.refund_due')).toMatchObject([
    { kind: 'price_difference', parts: [{ part: 0, amountMinor: 100 }] },
  ])
  expect(await rig.refusal('orders.amend', { order: number, items: [{ itemNo: 1, quantity: 1, discountMinor: 50 }] })).toBe(
    'orders.not_possible',
  )
})
