import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { orderOf } from '#partners/made-city/index.ts'
import { untilTrue } from '#test/until.ts'
import { openWhole, type Whole } from '#test/whole.ts'

let whole: Whole
beforeAll(async () => {
  whole = await openWhole()
})
afterAll(async () => {
  await whole.close()
})

let orders = 0
const order = () => orderOf((orders += 1), 11, (n) => whole.city.address(n))
const later = (key: string) => ({ 'idempotency-key': key, prefer: 'respond-async' })
const watched = async (path: string) => (await whole.call('GET', path)).body

describe('commands whose caller does not wait', () => {
  test('are answered with 202 and a resource, done by a worker, and told with what the operation answers', async () => {
    const accepted = await whole.call('POST', '/v1/orders', order(), later('a1'))
    expect(accepted.status).toBe(202)
    expect(accepted.headers.get('preference-applied')).toBe('respond-async')
    expect(accepted.body).toMatchObject({ state: 'queued', queue: 'order', operation: 'orders.place', value: null })
    const location = accepted.headers.get('location') ?? ''
    expect(await watched(location)).toMatchObject({ state: 'queued' })
    whole.core.queues.start()
    await untilTrue(async () => (await watched(location)).state === 'done')
    const { value } = await watched(location)
    await whole.drained()
    expect((await whole.call('GET', `/v1/orders/${value.number}`)).body).toMatchObject({ moneyState: 'captured' })

    const cancel = await whole.call('POST', `/v1/orders/${value.number}/cancel`, { reason: 'not in a hurry' }, later('a2'))
    expect(cancel.body).toMatchObject({ queue: 'update' })
    await untilTrue(async () => (await watched(cancel.headers.get('location') ?? '')).state === 'done')
    await whole.drained()
    expect((await whole.call('GET', `/v1/orders/${value.number}`)).body).toMatchObject({ state: 'cancelled', moneyState: 'refunded' })
  })

  test('are refused at once where anything can be said at once, and say what refused them where it can not', async () => {
    const malformed = await whole.call('POST', '/v1/orders', { ...order(), currency: 'cad' }, later('b1'))
    expect([malformed.status, malformed.body.field]).toEqual([400, '/currency'])
    const keyless = await whole.call('POST', '/v1/orders', order(), { prefer: 'respond-async' })
    expect([keyless.status, keyless.body.code]).toEqual([400, 'platform.idempotency_key_required'])
    const unknown = await whole.call('POST', '/v1/orders', { ...order(), storeId: 'nowhere' }, later('b2'))
    expect(unknown.status).toBe(202)
    await untilTrue(async () => (await watched(unknown.headers.get('location') ?? '')).state === 'refused')
    expect((await watched(unknown.headers.get('location') ?? '')).error).toMatchObject({ code: 'orders.unknown_store' })
  })

  test('come in batches, each entry with its own outcome and its own resource', async () => {
    const commands = [
      { idempotencyKey: 'c1', input: order() },
      { idempotencyKey: 'c2', input: { ...order(), currency: 'cad' } },
      { idempotencyKey: 'c1', input: { ...order(), customerId: 'other' } },
    ]
    const answer = await whole.call('POST', '/v1/orders/batch', { commands }, { prefer: 'respond-async' })
    const outcomes = answer.body.outcomes.map((each: { status: number; value?: { state: string }; error?: { code: string } }) => [
      each.status,
      each.value?.state ?? each.error?.code,
    ])
    expect(outcomes).toEqual([
      [202, 'queued'],
      [400, 'platform.invalid_input'],
      [422, 'platform.idempotency_key_reused'],
    ])
  })

  test('ask and answer as before where nothing is preferred, or nothing can wait', async () => {
    const now = await whole.call('POST', '/v1/orders', order(), { 'idempotency-key': 'd1', prefer: 'return=minimal' })
    expect(now.status).toBe(201)
    const read = await whole.call('GET', `/v1/orders/${now.body.number}`, undefined, { prefer: 'respond-async' })
    expect(read.status).toBe(200)
  })
})
