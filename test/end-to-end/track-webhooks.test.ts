import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWebhookReceiver, type WebhookReceiver } from '#partners/webhook-receiver-rig.ts'
import { openWhole, type Whole } from '#test/whole.ts'

let whole: Whole
let receiver: WebhookReceiver
beforeAll(async () => {
  whole = await openWhole()
  receiver = await openWebhookReceiver()
}, 120_000)
afterAll(async () => {
  await receiver.close()
  await whole.close()
})

interface Body {
  readonly type: string
  readonly data: { readonly shipmentId: number; readonly orderRef: string | null; readonly milestone: string; readonly state?: string }
}
let status = 200
const live = { traffic: 'live', rehearsalId: null } as const
const bodies = (): Body[] => receiver.received.map(({ body }) => JSON.parse(body) as Body)
const said = (): string[] => bodies().map(({ type, data }) => `${type.split('_')[1]} ${data.orderRef} ${data.milestone}`)
/** Sends what is due until nothing is. */
const sendAll = async () => {
  await whole.drained()
  for (;;) if (!(await whole.core.messaging.sendDue(live)).more) return
}
const subscribe = async (endpointId: string, more: object = {}): Promise<string> => {
  receiver.answerWith(() => status)
  const eventTypes = ['tracking.milestone_reached', 'tracking.milestone_withdrawn']
  const { status: answered, body } = await whole.call('PUT', `/v1/webhook-endpoints/${endpointId}`, {
    url: receiver.url,
    eventTypes,
    ...more,
  })
  expect(answered).toBe(200)
  return (body as { secret: string }).secret
}
const register = async (orderRef: string, number: string): Promise<number> => {
  const { body } = await whole.call('POST', '/v1/track/shipments', { numbers: [{ carrier: 'fedex', number }], orderRef })
  return (body as { shipmentId: number }).shipmentId
}
const tell = async (number: string, code: string, hoursAgo: number, more: object = {}) => {
  const occurredAt = new Date(Date.now() - hoursAgo * 3_600_000).toISOString()
  const { status: answered } = await whole.call('POST', '/v1/track/events', {
    carrier: 'fedex',
    number,
    source: 'fedex',
    code,
    occurredAt,
    ...more,
  })
  expect(answered).toBe(200)
}
const key = () => ({ 'idempotency-key': `k${Math.random()}` })

test('subscribers hear of milestones of all, of one order, of one shipment, or of one kind; signed, once, and again when they want', async () => {
  const one = await register('SHOP-1', 'HOOK1')
  await register('SHOP-2', 'HOOK2')
  const secret = await subscribe('all')
  await subscribe('one-order', { only: { orderRef: ['SHOP-2'] } })
  await subscribe('one-shipment', { only: { shipmentId: [one] } })
  await subscribe('arrivals', { only: { milestone: ['delivered'] } })
  for (const number of ['HOOK1', 'HOOK2']) {
    await tell(number, 'PU', 30)
    await tell(number, 'OD', 20)
    // The same by a second feed of the same source is no second milestone.
    await tell(number, 'OD', 20)
    await tell(number, 'DL', 10, { sourceId: `door-${number}` })
  }
  await sendAll()
  const three = (order: string) => ['accepted', 'out_for_delivery', 'delivered'].map((milestone) => `reached ${order} ${milestone}`)
  const expected = [
    ...three('SHOP-1'),
    ...three('SHOP-2'),
    ...three('SHOP-2'),
    ...three('SHOP-1'),
    'reached SHOP-1 delivered',
    'reached SHOP-2 delivered',
  ]
  expect(said().toSorted()).toEqual(expected.toSorted())

  const signedForAll = receiver.received.filter(({ headers, body }) => {
    const signed = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
      .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
      .digest('base64')
    return headers['webhook-signature'] === `v1,${signed}`
  })
  expect(signedForAll).toHaveLength(6)
})

test('a milestone that a later fact undoes is taken back to the same subscribers', async () => {
  receiver.received.length = 0
  await tell('HOOK1', 'void', 9, { voidsSourceId: 'door-HOOK1' })
  await sendAll()
  expect(said().toSorted()).toEqual(['withdrawn SHOP-1 delivered', 'withdrawn SHOP-1 delivered', 'withdrawn SHOP-1 delivered'])
  expect(bodies()[0]?.data.state).toBe('out_for_delivery')
})

test('a subscriber that was down is tried again, and has its past replayed from a position or an instant, under the same names', async () => {
  const since = new Date().toISOString()
  await subscribe('archive', { only: { orderRef: ['SHOP-3'] } })
  await register('SHOP-3', 'HOOK3')
  status = 500
  receiver.received.length = 0
  for (const [index, code] of ['PU', 'AR', 'OD', 'DL'].entries()) await tell('HOOK3', code, 40 - 5 * index)
  const deliveriesOf = async () => {
    const { body } = await whole.call('GET', '/v1/webhook-endpoints/archive/deliveries')
    return (body as { deliveries: { deliveryId: number; state: string; attempts: number; lastStatus: number | null }[] }).deliveries
  }
  await sendAll()
  expect((await deliveriesOf()).map(({ state, attempts, lastStatus }) => `${state} ${attempts} ${lastStatus}`)).toEqual(
    Array.from({ length: 4 }, () => 'pending 1 500'),
  )
  status = 200
  // The second try of the schedule is due after five seconds; the clock of this test is the real one, so what waits is moved.
  const admin = await whole.t.admin('live')
  await admin.query(`update messaging.delivery set due_at = now() - interval '1 second' where due_at is not null`)
  receiver.received.length = 0
  await sendAll()
  const names = receiver.received.filter(({ body }) => body.includes('SHOP-3')).map(({ headers }) => String(headers['webhook-id']))
  const ended = await deliveriesOf()
  expect(ended.map(({ state }) => state)).toEqual(['delivered', 'delivered', 'delivered', 'delivered'])

  // Newest first: the second of the list is the third of four.
  const position = ended[1]?.deliveryId
  receiver.received.length = 0
  const fromPosition = await whole.call('POST', '/v1/webhook-endpoints/archive/replay', { fromDelivery: position }, key())
  expect(fromPosition).toMatchObject({ status: 200, body: { endpointId: 'archive', replayed: 2, next: null } })
  await sendAll()
  expect(said()).toHaveLength(2)
  const fromTime = await whole.call('POST', '/v1/webhook-endpoints/archive/replay', { since }, key())
  expect(fromTime.body).toMatchObject({ replayed: 4, next: null })
  receiver.received.length = 0
  await sendAll()
  const again = receiver.received.map(({ headers }) => String(headers['webhook-id']))
  expect(again.toSorted()).toEqual([...new Set(names)].toSorted())
})

test('a filter that names nothing or a field that no event has is refused with its place', async () => {
  const put = (only: object) => whole.call('PUT', '/v1/webhook-endpoints/bad', { url: receiver.url, eventTypes: ['*'], only })
  for (const only of [{}, { colour: ['red'] }, { orderId: [] }, { milestone: 'delivered' }]) {
    const { status: answered, body } = await put(only)
    expect([answered, (body as { code: string }).code]).toEqual([400, 'platform.invalid_input'])
    expect((body as { field: string }).field).toContain('/only')
  }
})
