import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { signShadow } from '#platform/shadow-header.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { orderOf } from '#partners/made-city/index.ts'

let whole: Whole
let keys = 0
const key = () => ({ 'idempotency-key': `bad-${(keys += 1)}` })
const order = (changes: Record<string, unknown> = {}) => ({ ...orderOf(1, 1, (n) => whole.city.address(n)), ...changes })
const withItem = (changes: Record<string, unknown>) => {
  const base = order()
  const [section] = base.sections
  return { ...base, sections: [{ ...section, items: [{ ...section?.items[0], ...changes }] }] }
}

const rowsOf = async (): Promise<string> => {
  const admin = await whole.t.admin('live')
  const { rows } = await admin.query(
    'select (select count(*) from orders.orders) as orders, (select count(*) from orders.outbox where type = $1) as events, (select count(*) from orders.idempotency) as keys',
    ['orders.placed'],
  )
  return JSON.stringify(rows)
}

beforeAll(async () => {
  whole = await openWhole()
})
afterAll(() => whole.close())

describe('what is wrong with an order is said by field, and nothing is stored', () => {
  const cases: [about: string, body: () => unknown, status: number, code: string, field: string][] = [
    ['unknown field', () => order({ colour: 'red' }), 400, 'platform.invalid_input', '/colour'],
    ['unknown field deep inside', () => withItem({ colour: 'red' }), 400, 'platform.invalid_input', '/sections/0/items/0/colour'],
    ['missing field', () => ({ ...order(), customerId: undefined }), 400, 'platform.invalid_input', '/customerId'],
    ['wrong type', () => order({ totalMinor: '12.50' }), 400, 'platform.invalid_input', '/totalMinor'],
    ['a fraction of a cent', () => order({ totalMinor: 12.5 }), 400, 'platform.invalid_input', '/totalMinor'],
    ['a list where an object belongs', () => [order()], 400, 'platform.invalid_input', '/'],
    ['nothing at all', () => 'null', 400, 'platform.invalid_input', '/'],
    ['unknown SKU', () => withItem({ sku: 'UNHEARD-OF' }), 422, 'orders.unknown_sku', '/sections/0/items/0/sku'],
    ['zero quantity', () => withItem({ quantity: 0 }), 400, 'platform.invalid_input', '/sections/0/items/0/quantity'],
    ['negative quantity', () => withItem({ quantity: -1 }), 400, 'platform.invalid_input', '/sections/0/items/0/quantity'],
    ['two currencies', () => order({ currency: 'USD' }), 422, 'orders.two_currencies', '/currency'],
    ['a line in another currency', () => withItem({ currency: 'EUR' }), 422, 'orders.two_currencies', '/sections/0/items/0/currency'],
    [
      'a plan that pays too little',
      () => order({ payment: { legs: [{ means: 'card', token: 'tok_ok', amountMinor: 1 }] } }),
      422,
      'orders.payment_mismatch',
      '/payment/legs',
    ],
    ['a total that does not add up', () => order({ totalMinor: 1 }), 422, 'orders.total_mismatch', '/totalMinor'],
    ['unknown store', () => order({ storeId: 'nowhere' }), 422, 'orders.unknown_store', '/storeId'],
    ['no items', () => order({ sections: [] }), 400, 'platform.invalid_input', '/sections'],
    ['half a body', () => '{"storeId": "falls"', 400, 'platform.malformed_body', 'body'],
    ['broken UTF-8', () => Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 400, 'platform.malformed_body', 'body'],
    ['U+0000 by escape', () => JSON.stringify(order({ customerId: 'a\u0000' })), 400, 'platform.malformed_body', '/customerId'],
    ['half a surrogate pair', () => JSON.stringify(order()).replace('resident', '\\ud800'), 400, 'platform.malformed_body', '/customerId'],
    [
      'a token with a space',
      () => order({ payment: { legs: [{ means: 'card', token: 'tok ok' }] } }),
      400,
      'platform.invalid_input',
      '/payment/legs/0/token',
    ],
    ['a prototype for a field', () => `{"__proto__": {"storeId": "falls"}}`, 400, 'platform.invalid_input', ''],
    ['10 MB', () => JSON.stringify(order({ customerId: 'x'.repeat(10 << 20) })), 413, 'platform.body_too_large', 'body'],
  ]
  test.each(cases)('%s', async (_about, body, status, code, field) => {
    const before = await rowsOf()
    const answer = await whole.call('POST', '/v1/orders', body(), key())
    expect([answer.status, answer.body.code]).toEqual([status, code])
    if (field !== '') expect(answer.body.field).toBe(field)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(await rowsOf()).toBe(before)
  })

  test('no idempotency key', async () => {
    const answer = await whole.call('POST', '/v1/orders', order())
    expect([answer.status, answer.body.code, answer.body.field]).toEqual([400, 'platform.idempotency_key_required', 'Idempotency-Key'])
  })

  test('another media type', async () => {
    const answer = await whole.call('POST', '/v1/orders', 'a=1', { ...key(), 'content-type': 'text/plain' })
    expect([answer.status, answer.body.code]).toEqual([415, 'platform.unsupported_media_type'])
  })

  test('no key, a made-up key, and a key without the scope', async () => {
    const anonymous = await fetch(`${whole.server.url}/v1/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(order()),
    })
    expect(anonymous.status).toBe(401)
    const madeUp = await whole.call('POST', '/v1/orders', order(), { ...key(), authorization: `Bearer tl_${'x'.repeat(43)}` })
    expect([madeUp.status, madeUp.body.field]).toEqual([401, 'Authorization'])
    const reader = await whole.core.authentication.issue({ id: 'reader', client: 'reader', scopes: ['orders:read'] })
    const forbidden = await whole.call('POST', '/v1/orders', order(), { ...key(), authorization: `Bearer ${reader}` })
    expect([forbidden.status, forbidden.body.code]).toEqual([403, 'platform.not_authorised'])
  })
})

describe('idempotency keys', () => {
  test('the same key and body give the first answer again; another body is refused', async () => {
    const mine = key()
    const first = await whole.call('POST', '/v1/orders', order(), mine)
    const again = await whole.call('POST', '/v1/orders', order(), mine)
    expect([first.status, again.status]).toEqual([201, 201])
    expect(again.body).toEqual(first.body)
    const other = await whole.call('POST', '/v1/orders', order({ customerId: 'someone-else' }), mine)
    expect([other.status, other.body.code]).toEqual([422, 'platform.idempotency_key_reused'])
  })

  test('fifty submits of one order at once make one order', async () => {
    const mine = key()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        whole.call('POST', '/v1/orders', order({ customerId: 'double-submit' }), mine).catch(() => undefined),
      ),
    )
    const numbers = new Set(answers.map((answer) => answer?.body.number))
    expect(numbers.size).toBe(1)
    const list = await whole.call('GET', '/v1/orders?customerId=double-submit')
    expect(list.body.orders).toHaveLength(1)
  })
})

describe('batches', () => {
  test('5,001 commands are refused as a whole', async () => {
    const answer = await whole.call('POST', '/v1/orders/batch', { commands: Array.from({ length: 5_001 }, () => ({ input: {} })) })
    expect([answer.status, answer.body.code, answer.body.field]).toEqual([413, 'platform.batch_too_large', '/commands'])
  })

  test('each bad command fails alone and is named in its place', async () => {
    const answer = await whole.call('POST', '/v1/orders/batch', {
      commands: [
        { idempotencyKey: 'batch-1', input: order() },
        { idempotencyKey: 'batch-2', input: order({ totalMinor: 1 }) },
        { idempotencyKey: 'batch-3', input: withItem({ quantity: 0 }) },
        { idempotencyKey: 'batch-1', input: order() },
        { idempotencyKey: 'batch-1', input: order({ customerId: 'other' }) },
        { input: order() },
      ],
    })
    expect(answer.status).toBe(200)
    expect(
      answer.body.outcomes.map((outcome: { status: number; error?: { code: string } }) => [outcome.status, outcome.error?.code]),
    ).toEqual([
      [201, undefined],
      [422, 'orders.total_mismatch'],
      [400, 'platform.invalid_input'],
      [201, undefined],
      [422, 'platform.idempotency_key_reused'],
      [400, 'platform.idempotency_key_required'],
    ])
    expect(answer.body.outcomes[3].value).toEqual(answer.body.outcomes[0].value)
  })

  test('an envelope that is no batch says so', async () => {
    const extra = await whole.call('POST', '/v1/orders/batch', { commands: [{ input: {}, colour: 1 }] })
    expect([extra.status, extra.body.field]).toEqual([400, '/commands/0/colour'])
    const empty = await whole.call('POST', '/v1/orders/batch', { commands: [] })
    expect([empty.status, empty.body.field]).toEqual([400, '/commands'])
  })
})

describe('the shadow header', () => {
  const shadow = (header: string) => whole.call('POST', '/v1/orders', order(), { ...key(), 'x-throughline-shadow': header })
  const soon = () => new Date(Date.now() + 60_000)

  test.each([
    ['a bare flag', () => 'true'],
    ['a forged signature', () => signShadow(new Map([['k1', 'not the key']]), 'r1', soon())],
    ['an unknown key id', () => signShadow(new Map([['k9', 'a shadow key that only tests use']]), 'r1', soon())],
    ['an expired one', () => signShadow(whole.core.shadowKeys, 'r1', new Date(Date.now() - 1_000))],
    ['another rehearsal under the same signature', () => signShadow(whole.core.shadowKeys, 'r1', soon()).replace('r1', 'r2')],
  ])('%s is refused and stored nowhere', async (_about, header) => {
    const before = await rowsOf()
    const answer = await shadow(header())
    expect([answer.status, answer.body.code, answer.body.field]).toEqual([401, 'platform.shadow_refused', 'x-throughline-shadow'])
    expect(await rowsOf()).toBe(before)
  })
})

describe('an address outside every zone', () => {
  test('is accepted, waits with a reason, and goes on when it is tried again in a zone', async () => {
    const placed = await whole.call(
      'POST',
      '/v1/orders',
      order({
        sections: [
          {
            ...order().sections[0],
            destination: { name: 'Far', line1: '1 Ice Rd', city: 'Alert', postcode: 'X0A0A0', country: 'CA', lat: 82.5, lng: -62.3 },
          },
        ],
      }),
      key(),
    )
    expect(placed.status).toBe(201)
    await whole.drained()
    const { body } = await whole.call('GET', `/v1/orders/${placed.body.orderId}/assignments`)
    expect(body.assignments.length).toBeGreaterThan(0)
    expect(body.assignments[0]).toMatchObject({ state: 'waiting', reasonCode: 'no_zone' })
    expect(body.assignments[0].reason).toContain('82.5')
    const view = await whole.call('GET', `/v1/orders/${placed.body.number}`)
    expect(view.body.state).toBe('paid')
  })
})

test('an unknown route and a malformed path are told, not crashed on', async () => {
  expect((await whole.call('GET', '/v1/nothing')).body.code).toBe('platform.no_such_route')
  expect((await whole.call('GET', '/v1/orders/%E0%A4%A')).status).toBe(400)
  expect((await whole.call('GET', '/v1/orders?limit=many')).body.field).toBe('/limit')
  expect(whole.logged.filter(({ level }) => level === 'error')).toEqual([])
})
