import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import type { Asked } from '#platform/operation.ts'
import type { Outcome } from '#kernel/outcome.ts'
import { openOrders, type Orders } from './index.ts'
import type { Placed, PlaceInput } from './schemas.ts'

let t: TestDatabases
let orders: Orders
const actor = { id: 'key:test', scopes: ['*'] }
let commands = 0
const asked = <T>(input: T): Asked<T> => ({ input, actor, commandId: `c-${++commands}`, traceId: '' })

async function run<O>(id: string, inputs: unknown[], scope = t.live): Promise<Outcome<O>[]> {
  const operation = orders.operations.find((candidate) => candidate.id === id)
  if (operation === undefined) throw new Error(`no operation ${id}`)
  const all = inputs.map(asked)
  const database = t.databases.of('orders')
  const outcomes =
    operation.kind === 'command'
      ? await database.write(scope, (context) => operation.body(context, all))
      : await database.read(scope, (context) => operation.body(context, all))
  return [...outcomes] as Outcome<O>[]
}

const order = (changes: Partial<PlaceInput> = {}): PlaceInput => ({
  storeId: 'main',
  customerId: 'c1',
  currency: 'CAD',
  totalMinor: 2 * 500 + 300 + 99,
  sections: [
    {
      destination: { name: 'Ada', line1: '1 King St', city: 'Toronto', postcode: 'M5V', country: 'CA', lat: 43.64, lng: -79.39 },
      slot: { date: '2026-03-03', code: 'AM' },
      shippingMinor: 99,
      items: [
        { sku: 'tea', quantity: 2, unitPriceMinor: 500 },
        { sku: 'ice', quantity: 1, unitPriceMinor: 300 },
      ],
    },
  ],
  ...changes,
})

const cover = (ids: number[]) =>
  t.databases.of('orders').write(t.live, (context) =>
    orders.noteMoney(
      context,
      ids.map((orderId) => ({ orderId, what: 'covered' as const, commandId: `pay-${orderId}`, actor: 'system:test' })),
    ),
  )

const sqlOf = async <Row>(text: string): Promise<Row[]> => {
  const admin = await t.admin('live')
  return (await admin.query(text)).rows as Row[]
}

beforeAll(async () => {
  t = await openTestDatabases()
  orders = openOrders({ database: t.databases.of('orders'), random: Math.random })
  for (const scope of [t.live, t.shadow]) {
    await run('orders.put_store', [{ storeId: 'main', name: 'Main', prefix: 'TL', currency: 'CAD' }], scope)
    await run(
      'orders.put_sku',
      [
        { sku: 'tea', name: 'Tea', skuType: 'dry', weightGrams: 100, volumeMl: 300 },
        { sku: 'ice', name: 'Ice', skuType: 'frozen', weightGrams: 500, volumeMl: 500 },
      ],
      scope,
    )
  }
})
afterAll(() => t.close())

const placeOne = async (changes: Partial<PlaceInput> = {}): Promise<Placed> => {
  const [outcome] = await run<Placed>('orders.place', [order(changes)])
  if (!outcome?.ok) throw new Error(JSON.stringify(outcome))
  return outcome.value
}

describe('placing', () => {
  test('one batch stores the good orders and names what is wrong with each bad one', async () => {
    const before = await sqlOf<{ count: string }>('select count(*) from orders.orders')
    const outcomes = await run<Placed>('orders.place', [
      order(),
      order({ totalMinor: 1 }),
      order({ storeId: 'nowhere' }),
      order({ currency: 'USD' }),
      order({ payment: { means: 'card', token: 'tok_ok', currency: 'EUR' } }),
      order({ sections: [{ ...order().sections[0]!, items: [{ sku: 'unheard', quantity: 1, unitPriceMinor: 1 }] }] }),
      order({ payment: { means: 'card', token: 'tok_ok' } }),
    ])
    expect(outcomes.map((outcome) => (outcome.ok ? 'placed' : `${outcome.error.code} ${outcome.error.field}`))).toEqual([
      'placed',
      'orders.total_mismatch /totalMinor',
      'orders.unknown_store /storeId',
      'orders.two_currencies /currency',
      'orders.two_currencies /payment/currency',
      'orders.unknown_sku /sections/0/items/0/sku',
      'placed',
    ])
    const after = await sqlOf<{ count: string }>('select count(*) from orders.orders')
    expect(Number(after[0]?.count) - Number(before[0]?.count)).toBe(2)
  })

  test('the detail shows what was placed, by number and by id', async () => {
    const placed = await placeOne()
    const views = await run<{ number: string; sections: { items: { sku: string; state: string }[] }[] }>('orders.get', [
      { order: placed.number },
      { order: String(placed.orderId) },
      { order: 'TL-NONE' },
    ])
    expect(views.map((view) => view.ok)).toEqual([true, true, false])
    const view = views[0]
    expect(view?.ok && view.value.number).toBe(placed.number)
    expect(view?.ok && view.value.sections[0]?.items.map((item) => [item.sku, item.state])).toEqual([
      ['tea', 'pending_payment'],
      ['ice', 'pending_payment'],
    ])
  })

  test('shadow numbers carry a mark that no live number has, and live sees nothing of them', async () => {
    const [outcome] = await run<Placed>('orders.place', [order()], t.shadow)
    if (!outcome?.ok) throw new Error('refused')
    expect(outcome.value.number).toMatch(/^ZTL-/)
    const [live] = await run('orders.get', [{ order: outcome.value.number }])
    expect(live?.ok).toBe(false)
  })
})

describe('changing', () => {
  test('a covered order is paid in all its parts, told once, and covering it again changes nothing', async () => {
    const { orderId } = await placeOne()
    await cover([orderId])
    await cover([orderId])
    const [view] = await run<{ state: string; moneyState: string }>('orders.get', [{ order: String(orderId) }])
    expect(view?.ok && [view.value.state, view.value.moneyState]).toEqual(['paid', 'captured'])
    const events = await sqlOf<{ payload: { sections: { items: unknown[] }[] } }>(
      `select payload from orders.outbox where key = '${orderId}' and type = 'orders.paid'`,
    )
    expect(events).toHaveLength(1)
    expect(events[0]?.payload.sections[0]?.items).toHaveLength(2)
  })

  test('covered and refunded in one batch: the second sees what the first decided, and what is left of the money is told', async () => {
    const { orderId } = await placeOne()
    const note = (what: 'covered' | 'refunded', heldMinor: number) => ({
      orderId,
      what,
      heldMinor,
      commandId: `${what}-${orderId}`,
      actor: 'system:test',
    })
    await t.databases.of('orders').write(t.live, (context) => orders.noteMoney(context, [note('covered', 0), note('refunded', 300)]))
    const [view] = await run<{ state: string; moneyState: string }>('orders.get', [{ order: String(orderId) }])
    expect(view?.ok && [view.value.state, view.value.moneyState]).toEqual(['paid', 'partially_refunded'])
    await t.databases.of('orders').write(t.live, (context) => orders.noteMoney(context, [note('refunded', 0)]))
    const [after] = await run<{ moneyState: string }>('orders.get', [{ order: String(orderId) }])
    expect(after?.ok && after.value.moneyState).toBe('refunded')
  })

  test('two callers who cancel and cover one order at once leave one history without a fork', async () => {
    const placed = await Promise.all(Array.from({ length: 20 }, () => placeOne()))
    await Promise.all([
      cover(placed.map(({ orderId }) => orderId)),
      run(
        'orders.cancel',
        placed.map(({ number }) => ({ order: number, reason: 'changed my mind' })),
      ),
    ])
    const checks = await t.databases.of('orders').read(t.live, (context) => orders.check(context))
    expect(checks.flatMap(({ breaks }) => breaks)).toEqual([])
    const states = await sqlOf<{ state: string; money_state: string }>(
      `select state, money_state from orders.orders where id in (${placed.map(({ orderId }) => orderId).join(',')})`,
    )
    expect(new Set(states.map(({ state, money_state }) => `${state} ${money_state}`))).toEqual(new Set(['cancelled captured']))
  })

  test('an item that has left is not cancelled and the refusal says what to do', async () => {
    const { orderId, number } = await placeOne()
    await cover([orderId])
    const move = (to: 'shipped' | 'preparing') =>
      t.databases
        .of('orders')
        .write(t.live, (context) =>
          orders.moveItems(context, [{ orderId, moves: [{ itemNo: 1, to }], cause: 'waybill', commandId: 'w', actor: 'system:test' }]),
        )
    await move('shipped')
    await move('preparing')
    const [outcome] = await run('orders.cancel', [{ order: number, reason: 'late' }])
    expect(outcome?.ok === false && outcome.error.code).toBe('orders.not_cancellable')
    const [view] = await run<{ state: string }>('orders.get', [{ order: number }])
    expect(view?.ok && view.value.state).toBe('partially_shipped')
    const [half] = await run<{ state: string }>('orders.cancel', [{ order: number, itemNos: [2], reason: 'only the ice' }])
    expect(half?.ok && half.value.state).toBe('shipped')
  })

  test('a change made by hand is written to the log, and the fold that it breaks is named by check', async () => {
    const { orderId } = await placeOne()
    await sqlOf(`update orders.item set state = 'paid' where order_id = ${orderId} and item_no = 1`)
    const log = await sqlOf<{ cause: string; actor: string; to_state: string; traffic: string }>(
      `select cause, actor, to_state, traffic from orders.change_log where root = ${orderId} and cause = 'by hand'`,
    )
    expect(log).toEqual([{ cause: 'by hand', actor: 'throughline_admin', to_state: 'paid', traffic: 'unknown' }])
    await sqlOf(`update orders.orders set state = 'lost' where id = ${orderId}`)
    const checks = await t.databases.of('orders').read(t.live, (context) => orders.check(context))
    expect(checks.flatMap(({ breaks }) => breaks)).toEqual([`order ${orderId} is lost, its items fold to pending_payment`])
    await sqlOf(`update orders.orders set state = 'pending_payment' where id = ${orderId}`)
  })
})
