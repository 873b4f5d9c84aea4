import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OrdersRig, openOrdersRig } from '#test/orders-rig.ts'
import { findDrift } from './drift.ts'

let rig: OrdersRig
beforeAll(async () => {
  rig = await openOrdersRig()
})
afterAll(() => rig.t.close())

const small = fc.integer({ min: 1, max: 5 })
const plan = { legs: [{ means: 'card', token: 'tok_ok' }] }
const somewhere = { name: 'Bo', line1: '3 Elm St', city: 'Toronto', postcode: 'M5A', country: 'CA' }
const slot = { date: '2026-03-05', code: 'PM' }

/** What may be asked of an order; what it refuses is as good a test as what it does. */
const step = fc.oneof(
  fc
    .record({ id: fc.constant('orders.cancel'), itemNo: small, quantity: small })
    .map(({ id, itemNo, quantity }) => ({ id, input: { items: [{ itemNo, quantity }], reason: 'x' } })),
  fc
    .record({ itemNo: small, quantity: fc.nat(6) })
    .map(({ itemNo, quantity }) => ({ id: 'orders.amend', input: { items: [{ itemNo, quantity }] } })),
  fc.record({ sectionNo: small, quantity: small }).map(({ sectionNo, quantity }) => ({
    id: 'orders.amend',
    input: { add: [{ sectionNo, sku: 'tea', quantity, unitPriceMinor: 33, taxMinor: 5 }] },
  })),
  fc.record({ sectionNo: small, quantity: small }).map(({ sectionNo, quantity }) => ({
    id: 'orders.add_items',
    input: { sectionNo, items: [{ sku: 'ice', quantity, unitPriceMinor: 77, discountMinor: 7 }], payment: plan },
  })),
  fc.record({ sectionNo: small, itemNo: small, quantity: small }).map(({ sectionNo, itemNo, quantity }) => ({
    id: 'orders.split_section',
    input: { sectionNo, items: [{ itemNo, quantity }], destination: somewhere },
  })),
  fc.record({ sectionNo: small, into: small }).map((input) => ({ id: 'orders.merge_sections', input: { ...input, takeOver: true } })),
  fc.record({ sectionNo: small }).map((input) => ({ id: 'orders.hold', input: { ...input, reason: 'x' } })),
  fc.constant({ id: 'orders.hold', input: { reason: 'x' } }),
  fc.record({ sectionNo: small }).map((input) => ({ id: 'orders.release', input: { ...input, reason: 'x' } })),
  fc.constant({ id: 'orders.release', input: { reason: 'x' } }),
  fc.record({ sectionNo: small }).map((input) => ({ id: 'orders.change_slot', input: { ...input, slot } })),
  fc.record({ consent: fc.boolean() }).map((input) => ({ id: 'orders.answer_cancel', input: { ...input, reason: 'x' } })),
  fc.constant({ id: 'orders.confirm', input: {} }),
  fc.constantFrom(0, 0, 2, 1000, 1001).map((part) => ({ id: 'cover', input: { part } })),
  fc
    .record({ itemNo: small, to: fc.constantFrom('allocated', 'preparing', 'ready', 'shipped', 'delivery_failed', 'delivered') })
    .map((input) => ({ id: 'move', input })),
  fc.constant({ id: 'expire', input: {} }),
)

async function play(orderId: number, { id, input }: { id: string; input: object }): Promise<void> {
  if (id === 'cover') return rig.cover([orderId], (input as { part: number }).part)
  if (id === 'move') {
    const { itemNo, to } = input as { itemNo: number; to: string }
    await rig.write((context) =>
      rig.orders.moveItems(context, [
        { orderId, moves: [{ itemNo, to: to as 'paid' }], cause: 'waybill', commandId: 'w', actor: 'flow:test' },
      ]),
    )
    return
  }
  if (id === 'expire') {
    const sums = { dueMinor: 0, authorizedMinor: 0, capturedMinor: 0, refundedMinor: 0, goodwillMinor: 0 }
    const event = { requestId: 1, orderId, part: 1000, sums }
    await rig.note([{ type: 'payments.expired', event }])
    return
  }
  await rig.run(id, [{ order: String(orderId), ...input }])
}

test('whatever is asked of orders, in whatever order, every law holds, the log replays to the state, and events add up to what is asked', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), fc.boolean(), async (steps, apart) => {
      const [section] = rig.order()['sections'] as [object]
      const own = {
        ...section,
        shippingMinor: 31,
        items: [{ sku: 'ice', quantity: 3, unitPriceMinor: 101, discountMinor: 20, taxMinor: 11 }],
        ...(apart ? { payment: plan } : {}),
      }
      const { orderId } = await rig.place({ sections: [section, own], totalMinor: 1399 + 31 + 294 })
      for (const each of steps) await play(orderId, each)
      expect(await rig.t.databases.of('orders').read(rig.t.live, (context) => findDrift(context, [orderId]))).toEqual([])
      await expectEventsAddUp(orderId)
      await expectRowsAddUp(orderId)
    }),
    { numRuns: 120 },
  )
  expect(await rig.breaks()).toEqual([])
}, 120_000)

/** Payments know only what they are told: asked, raised and cancelled amounts must come to what the order asks. */
async function expectEventsAddUp(orderId: number): Promise<void> {
  const told = new Map<number, number>()
  const add = (parts: { part: number; amountMinor: number }[], sign: number) => {
    for (const { part, amountMinor } of parts) told.set(part, (told.get(part) ?? 0) + sign * amountMinor)
  }
  type Told = { payments: { part: number; amountMinor: number }[]; parts: { part: number; amountMinor: number }[] }
  for (const { payments } of await rig.events<Told>(orderId, 'orders.placed')) add(payments, 1)
  for (const { payments } of await rig.events<Told>(orderId, 'orders.payment_asked')) add(payments, 1)
  for (const { parts } of await rig.events<Told>(orderId, 'orders.amount_raised')) add(parts, 1)
  for (const { parts } of await rig.events<Told>(orderId, 'orders.cancelled')) add(parts, -1)
  const asked = await rig.sql<{ part: number; asked_minor: string }>(
    `select part, asked_minor from orders.part where order_id = ${orderId}`,
  )
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(asked.map((row) => [row.part, Number(row.asked_minor)])))
}

/** Paid goods are announced once each, unless they are withheld or were cancelled before anybody was told. */
async function expectRowsAddUp(orderId: number): Promise<void> {
  const announced = (await rig.events<{ sections: { items: { itemNo: number }[] }[] }>(orderId, 'orders.paid')).flatMap(({ sections }) =>
    sections.flatMap(({ items }) => items.map(({ itemNo }) => itemNo)),
  )
  expect(new Set(announced).size).toBe(announced.length)
  const rows = await rig.sql<{ item_no: number; origin_item_no: number | null }>(
    `select item_no, origin_item_no from orders.item where order_id = ${orderId} and state not in ('pending_payment', 'cancelled') and not 'withheld' = any(flags)`,
  )
  for (const row of rows) expect(announced.includes(row.item_no) || announced.includes(row.origin_item_no ?? 0)).toBe(true)
}
