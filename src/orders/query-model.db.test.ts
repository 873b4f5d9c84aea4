import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OrdersRig, openOrdersRig } from '#test/orders-rig.ts'
import { idsOfPrefix, orderNumberOf } from './order-number.ts'
import { searchQuery, wordsOf } from './search-words.ts'

let rig: OrdersRig
beforeAll(async () => {
  rig = await openOrdersRig()
})
afterAll(() => rig.t.close())

interface Page {
  orders: { orderId: number; number: string; state: string; attention: string[]; channel: string }[]
  next: string | null
}
const list = (input: object) => rig.must<Page>('orders.list', input)
const search = (text: string, more = {}) => rig.must<Page>('orders.search', { text, ...more })
const ids = ({ orders }: Page) => orders.map(({ orderId }) => orderId)

describe('lists', () => {
  test('show newest first by every filter, state as it is now, and cursors go on without gap or repetition', async () => {
    const placed: { orderId: number; number: string }[] = []
    for (let at = 0; at < 7; at += 1) placed.push(await rig.place({ customerId: 'lister', channel: at % 2 === 0 ? 'web' : 'shop' }))
    const newest = placed.map(({ orderId }) => orderId).toReversed()
    const [last] = placed
    expect(ids(await list({ customerId: 'lister' }))).toEqual(newest)
    const seen: number[] = []
    for (let before: string | null | undefined; before !== null; ) {
      const page: Page = await list({ customerId: 'lister', limit: 3, ...(before === undefined ? {} : { before }) })
      seen.push(...ids(page))
      before = page.next
    }
    expect(seen).toEqual(newest)
    await rig.cover([newest[0] as number])
    await rig.must('orders.hold', { order: String(newest[1]), reason: 'fraud' })
    expect(ids(await list({ customerId: 'lister', state: 'paid' }))).toEqual([newest[0]])
    expect(ids(await list({ storeId: 'main', moneyState: 'captured', customerId: 'lister' }))).toEqual([newest[0]])
    expect(ids(await list({ attention: 'hold' }))).toEqual([newest[1]])
    expect(ids(await list({ attention: 'any', state: 'paid' }))).toEqual([])
    expect(ids(await list({ customerId: 'lister', channel: 'shop' }))).toEqual([newest[1], newest[3], newest[5]])
    expect(ids(await list({ storeId: 'main', limit: 2 }))).toEqual(newest.slice(0, 2))
    expect(ids(await list({ numberPrefix: last?.number.toLowerCase() }))).toEqual([last?.orderId])
    expect(ids(await list({ numberPrefix: last?.number.slice(0, 9), customerId: 'lister' }))).toEqual(newest)
    expect(ids(await list({ numberPrefix: 'TL-E' }))).toEqual([])
    expect(ids(await list({ storeId: 'other' }))).toEqual([])
  })

  test('between two instants take the first and leave the second', async () => {
    const { orderId, number } = await rig.place({ customerId: 'timed' })
    await rig.sql(`update orders.orders set placed_at = '2026-01-05T10:00:00Z' where id = ${orderId}`)
    for (const by of [{ customerId: 'timed' }, { storeId: 'main' }, {}, { numberPrefix: number }]) {
      expect(ids(await list({ ...by, placedFrom: '2026-01-05T10:00:00Z', placedUntil: '2026-01-05T10:00:01Z' }))).toEqual([orderId])
      expect(ids(await list({ ...by, placedFrom: '2026-01-05T09:00:00Z', placedUntil: '2026-01-05T10:00:00Z' }))).toEqual([])
    }
    expect(await rig.refusal('orders.list', { before: 'bm9uZQ' })).toBe('orders.bad_cursor')
  })

  test('of a rare state go on where their look ended, and find it in the end', async () => {
    await rig.sql(`insert into orders.orders (id, number, store_id, customer_id, channel, currency, total_minor, state, money_state, placed_at, changed_at)
      select 50000000 + n, 'XX-' || n, 'bulk', 'bulk', 'web', 'CAD', 0, case n when 1 then 'lost' else 'confirmed' end, 'none',
        '2020-01-01T00:00:00Z'::timestamptz + n * interval '1 second', now() from generate_series(1, 12001) as n`)
    const found: number[] = []
    let pages = 0
    for (let before: string | null | undefined; before !== null; pages += 1) {
      const page: Page = await list({ storeId: 'bulk', state: 'lost', ...(before === undefined ? {} : { before }) })
      found.push(...ids(page))
      before = page.next
    }
    expect([found, pages]).toEqual([[50000001], 3])
    await rig.sql(`delete from orders.orders where store_id = 'bulk'`)
  })

  test('a batch of questions answers each its own, bad ones beside good ones', async () => {
    const { orderId } = await rig.place({ customerId: 'batch-a' })
    const outcomes = await rig.run<Page>('orders.list', [
      { customerId: 'batch-a' },
      { before: 'AAAA' },
      { customerId: 'nobody' },
      { storeId: 'main', limit: 1 },
      { customerId: 'batch-a', placedFrom: '2026-02-30T00:00:61Z' },
    ])
    expect(outcomes.map((outcome) => (outcome.ok ? ids(outcome.value) : outcome.error.code))).toEqual([
      [orderId],
      'orders.bad_cursor',
      [],
      [orderId],
      'orders.bad_time',
    ])
  })
})

test('a beginning of a number names the ids of all numbers that begin so', () => {
  for (const id of [4096, 5000, 70_001, 123_456_789]) {
    const number = orderNumberOf('TL', id, 'live', () => 0.999)
    for (let length = 4; length <= number.length; length += 1) {
      const [from, until] = idsOfPrefix(number.slice(0, length)) ?? [0, 0]
      expect(from <= id && id < until).toBe(true)
    }
    expect(idsOfPrefix(number)).toEqual([id, id + 1])
  }
})

describe('search', () => {
  const someone = (name: string, city: string, postcode: string) => {
    const [section] = rig.order()['sections'] as [{ destination: object }]
    return { sections: [{ ...section, destination: { ...section.destination, name, city, postcode } }] }
  }
  const index = (...orderIds: number[]) => rig.write((context) => rig.orders.indexOrders(context, orderIds))

  test('finds by number, customer, receiver, city, postcode and SKU, words and their beginnings, accents or not', async () => {
    const { orderId, number } = await rig.place({ customerId: 'cust-77', ...someone('Zoë Ångström', 'Trois-Rivières', 'G9A 1B2') })
    const { orderId: other } = await rig.place({ customerId: 'cust-78', ...someone('Zoe Miller', 'Laval', 'H7A') })
    await index(orderId, other)
    await index(orderId)
    for (const text of [
      number,
      number.replaceAll('-', ''),
      `${number.slice(0, -2).toLowerCase()}*`,
      'angstrom',
      'zoe ang*',
      'ANGS* zoe',
      'trois rivieres',
    ]) {
      expect([text, ids(await search(text))]).toEqual([text, [orderId]])
    }
    for (const text of ['g9a1b2', 'G9A 1B2', 'cust-77', 'cust77', 'tea ångström'])
      expect([text, ids(await search(text))]).toEqual([text, [orderId]])
    expect(ids(await search('zoe'))).toEqual([other, orderId])
    expect(ids(await search('angstro* miller'))).toEqual([])
    expect(ids(await search('zoe', { storeId: 'main' }))).toEqual([other, orderId])
    expect(ids(await search('zoe', { storeId: "o'ther\\" }))).toEqual([])
    const first = await search('zoe', { limit: 1 })
    expect([ids(first), ids(await search('zoe', { limit: 1, before: first.next }))]).toEqual([[other], [orderId]])
    expect(await rig.refusal('orders.search', { text: '-- * !' })).toBe('orders.nothing_to_find')
    expect(await rig.refusal('orders.search', { text: 'zoe', before: 'AAAA' })).toBe('orders.bad_cursor')
    await rig.must('orders.change_destination', {
      order: number,
      sectionNo: 1,
      destination: { name: 'Ada', line1: '1', city: 'York', postcode: 'M1', country: 'CA' },
    })
    await index(orderId)
    expect([ids(await search('angstrom')), ids(await search('york cust-77'))]).toEqual([[], [orderId]])
  })

  test('finds what few, many and most orders have, newest first, by pages to the end', async () => {
    await rig.sql(`insert into orders.orders (id, number, store_id, customer_id, channel, currency, total_minor, state, money_state, placed_at, changed_at)
      select 60000000 + n * 7, 'YY-' || n, 'bulk', 'bulk', 'web', 'CAD', 0, 'confirmed', 'none', now(), now() from generate_series(1, 30000) as n`)
    await rig.sql(`insert into orders.order_search select 60000000 + n * 7, array_to_tsvector(array['most', '@bulk', '#' || ((60000000 + n * 7) >> 14)]
        || case when n % 20 = 0 then array['many'] else '{}' end || case when n % 10000 = 0 then array['few'] else '{}' end)
      from generate_series(1, 30000) as n`)
    const count = async (text: string, limit: number) => {
      const seen: number[] = []
      for (let before: string | null | undefined; before !== null; ) {
        const page: Page = await search(text, { limit, ...(before === undefined ? {} : { before }) })
        seen.push(...ids(page))
        before = page.next
      }
      expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => b - a))
      return seen.length
    }
    expect(await count('few', 2)).toBe(3)
    expect(await count('many', 200)).toBe(1500)
    expect(ids(await search('most', { limit: 2 }))).toEqual([60210000, 60209993])
    expect(await count('many most', 200)).toBe(1500)
    await rig.sql(`delete from orders.orders where store_id = 'bulk'`)
    await rig.sql(`delete from orders.order_search where words @@ '''@bulk'''::tsquery`)
  })

  test('whatever is typed is a query or nothing', () => {
    expect(searchQuery("O'Neil", undefined)).toBe("('oneil' | ('o' & 'neil'))")
    expect(searchQuery('sku-12/a* x*', undefined)).toBe("('sku12a':* | ('sku' & '12' & 'a')) & 'x'")
    expect(searchQuery('anna* G9A-1B*', undefined)).toBe("'anna':* & ('g9a1b':* | ('g9a' & '1b':*))")
    expect(searchQuery("'); drop & | ! :*", undefined)).toBe("'drop'")
    expect(wordsOf('M5V 2T6-x')).toEqual(['m5v', '2t6', 'x', '2t6x'])
  })
})

test('the detail shows parts, holds, claims and where rows came from, in one look', async () => {
  const { orderId, number } = await rig.place()
  await rig.cover([orderId])
  await rig.move(orderId, 'delivered', [1, 2])
  await rig.must('orders.hold', { order: number, sectionNo: 1, reason: 'asked', owner: 'care' })
  const { claimId } = await rig.must<{ claimId: number }>('orders.request_claim', {
    order: number,
    kind: 'reship',
    items: [{ itemNo: 1, quantity: 1 }],
    reason: 'broken',
  })
  await rig.must('orders.answer_claim', { claimId, approve: true, reason: 'ok' })
  expect(await rig.must('orders.get', { order: number })).toMatchObject({
    attention: ['hold'],
    parts: [
      { part: 0, askedMinor: 1399, covered: true, capturedMinor: 1399 },
      { part: 1000, askedMinor: 0, covered: false },
    ],
    holds: [{ sectionNo: 1, owner: 'care', reason: 'asked', heldBy: 'key:test' }],
    claims: [{ claimId, kind: 'reship', state: 'completed', items: [{ itemNo: 3, quantity: 1, newItemNo: 4 }] }],
    sections: [
      { moneyState: 'captured', items: [{ origin: null }, {}, { origin: { itemNo: 1, kind: 'split' } }] },
      { part: 1000, items: [{ itemNo: 4, unitPriceMinor: 0, origin: { itemNo: 3, kind: 'reship' } }] },
    ],
  })
  const { entities } = await rig.must<{ entities: { level: string; entity: string; state: string }[] }>('orders.explain', { order: number })
  expect(entities).toContainEqual(expect.objectContaining({ level: 'claim', entity: String(claimId), state: 'completed' }))
  expect(await rig.breaks()).toEqual([])
})
