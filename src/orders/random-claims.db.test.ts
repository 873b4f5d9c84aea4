import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OrdersRig, openOrdersRig } from '#test/orders-rig.ts'
import { findDrift } from './drift.ts'

let rig: OrdersRig
beforeAll(async () => {
  rig = await openOrdersRig()
})
afterAll(() => rig.t.close())

const rowNo = fc.constantFrom(1, 1, 2, 2, 3, 4, 5, 6)
const claimNo = fc.constantFrom(1, 1, 1, 2, 2, 3, 4)
const few = fc.integer({ min: 1, max: 4 })

interface Step {
  readonly id: string
  readonly claimNo?: number
  readonly input: Readonly<Record<string, unknown>>
}

/** What may become of goods that were delivered. Most of these find something to go on with; refusals are as good a test. */
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({
        kind: fc.constantFrom('return', 'exchange', 'exchange', 'reship', 'refund_only'),
        itemNo: rowNo,
        quantity: few,
        price: fc.nat(200),
      })
      .map(({ kind, itemNo, quantity, price }) => ({
        id: 'orders.request_claim',
        input: {
          kind,
          reason: 'x',
          items: [
            {
              itemNo,
              quantity,
              ...(kind === 'exchange' && price > 50 ? { replacement: { sku: 'tea', unitPriceMinor: price, taxMinor: 1 } } : {}),
            },
          ],
        },
      })),
  },
  // Steps of a claim come as a bundle too, so that many lives get to the end of some.
  {
    weight: 5,
    arbitrary: fc
      .record({ claimNo, refused: fc.constantFrom(0, 0, 1) })
      .map(({ claimNo: no, refused }) => ({ id: 'settle', claimNo: no, input: { refused } })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ claimNo, approve: fc.constantFrom(true, true, false), refundShipping: fc.boolean() })
      .map(({ claimNo: no, ...rest }) => ({ id: 'orders.answer_claim', claimNo: no, input: { ...rest, reason: 'x' } })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ claimNo, to: fc.constantFrom('pickup_booked', 'in_transit', 'received', 'sent_back') })
      .map(({ claimNo: no, to }) => ({ id: 'orders.move_claim', claimNo: no, input: { to } })),
  },
  { weight: 1, arbitrary: claimNo.map((no) => ({ id: 'orders.withdraw_claim', claimNo: no, input: { reason: 'x' } })) },
  {
    weight: 2,
    arbitrary: fc.record({ itemNo: rowNo, quantity: few }).map((row) => ({ id: 'orders.cancel', input: { items: [row], reason: 'x' } })),
  },
  { weight: 3, arbitrary: fc.constantFrom(1000, 1000, 1001, 1002).map((part) => ({ id: 'cover', input: { part } })) },
  { weight: 2, arbitrary: fc.constantFrom(1000, 1001).map((part) => ({ id: 'expire', input: { part } })) },
  {
    weight: 3,
    arbitrary: fc
      .record({ itemNo: rowNo, to: fc.constantFrom('shipped', 'delivered', 'delivered', 'lost', 'returned') })
      .map((input) => ({ id: 'move', input })),
  },
)

async function play(orderId: number, { id, claimNo: no, input }: Step): Promise<void> {
  const claimId = orderId * 1000 + (no ?? 0)
  if (id === 'cover') return rig.cover([orderId], input['part'] as number)
  if (id === 'move') {
    const moves = [{ itemNo: input['itemNo'] as number, to: input['to'] as 'lost' }]
    await rig.write((context) => rig.orders.moveItems(context, [{ orderId, moves, cause: 'waybill', commandId: 'w', actor: 'flow:test' }]))
    return
  }
  if (id === 'expire') {
    const sums = { dueMinor: 0, authorizedMinor: 0, capturedMinor: 0, refundedMinor: 0, goodwillMinor: 0 }
    const event = { requestId: 1, orderId, part: input['part'] as number, sums }
    await rig.note([{ type: 'payments.expired', event }])
    return
  }
  if (id === 'settle') {
    await rig.run('orders.answer_claim', [{ claimId, approve: true, refundShipping: true, reason: 'x' }])
    await rig.run('orders.move_claim', [{ claimId, to: 'received' }])
    const items = await rig.sql<{ item_no: number; quantity: number }>(
      `select item_no, quantity from orders.claim_item where claim_id = ${claimId}`,
    )
    if (items.length === 0) return
    const found = items.map(({ item_no: itemNo, quantity }) => ({
      itemNo,
      accepted: quantity - (input['refused'] as number),
      refused: input['refused'],
    }))
    await rig.run('orders.inspect_claim', [{ claimId, items: found }])
    return
  }
  await rig.run(id, [no === undefined ? { order: String(orderId), ...input } : { claimId, ...input }])
}

const count = async (text: string) => Number((await rig.sql<{ n: string }>(text))[0]?.n)

async function expectLaws(orderId: number): Promise<void> {
  const siblings = await rig.sql<{ root: number; quantity: string; minor: string }>(
    `select case when origin_kind = 'split' then origin_item_no else item_no end as root, sum(quantity) as quantity,
       sum(quantity * unit_price_minor - discount_minor + tax_minor) as minor
     from orders.item where order_id = ${orderId} group by 1 order by 1`,
  )
  expect(siblings.slice(0, 2).map(({ root, quantity, minor }) => [root, Number(quantity), Number(minor)])).toEqual([
    [1, 4, 400 - 101 + 7],
    [2, 3, 303],
  ])
  // Claims never give more than what their rows were paid with; what is told to payments is what the order asks less.
  const asked = await rig.sql<{ part: number; asked_minor: string }>(
    `select part, asked_minor from orders.part where order_id = ${orderId}`,
  )
  const told = new Map<number, number>()
  const add = (parts: { part: number; amountMinor: number }[], sign: number) => {
    for (const { part, amountMinor } of parts) told.set(part, (told.get(part) ?? 0) + sign * amountMinor)
  }
  type Told = { payments: { part: number; amountMinor: number }[]; parts: { part: number; amountMinor: number }[] }
  for (const { payments } of await rig.events<Told>(orderId, 'orders.placed')) add(payments, 1)
  for (const { payments } of await rig.events<Told>(orderId, 'orders.payment_asked')) add(payments, 1)
  for (const { parts } of await rig.events<Told>(orderId, 'orders.cancelled')) add(parts, -1)
  for (const { parts } of await rig.events<Told>(orderId, 'orders.refund_due')) add(parts, -1)
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(asked.map((row) => [row.part, Number(row.asked_minor)])))
  expect([...told.values()].every((amountMinor) => amountMinor >= 0)).toBe(true)
  // All that is asked is the worth of goods that nobody gave back, with shipping where it was not given back.
  const refundedMinor = await count(`select coalesce(sum(refunded_minor), 0) as n from orders.claim where order_id = ${orderId}`)
  const paidMinor = await count(`select coalesce(sum(asked_minor + given_back_minor), 0) as n from orders.part where order_id = ${orderId}`)
  expect(refundedMinor).toBeLessThanOrEqual(paidMinor)
}

test('whatever is claimed, in whatever order, pieces and money add up, no piece is in two claims, and the log replays', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 24 }), async (steps) => {
      const [section] = rig.order()['sections'] as [object]
      const items = [
        { sku: 'tea', quantity: 4, unitPriceMinor: 100, discountMinor: 101, taxMinor: 7 },
        { sku: 'ice', quantity: 3, unitPriceMinor: 101 },
      ]
      const { orderId } = await rig.place({ sections: [{ ...section, items }], totalMinor: 306 + 303 + 99 })
      await rig.cover([orderId])
      await rig.move(orderId, 'delivered', [1, 2])
      for (const each of steps) await play(orderId, each)
      await expectLaws(orderId)
      expect(await rig.t.databases.of('orders').read(rig.t.live, (context) => findDrift(context, [orderId]))).toEqual([])
    }),
    { numRuns: 150 },
  )
  expect(await rig.breaks()).toEqual([])
  // A test of claims that never came to an end would say nothing.
  for (const kind of ['return', 'exchange', 'reship', 'refund_only']) {
    expect(await count(`select count(*) as n from orders.claim where kind = '${kind}' and state = 'completed'`)).toBeGreaterThan(0)
  }
}, 120_000)
