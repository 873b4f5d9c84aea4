import { createHmac, randomBytes } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DeliveredEvent } from '#platform/events.ts'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type Messaging, openMessaging } from './index.ts'

interface Got {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

let t: TestDatabases
let messaging: Messaging
let runner: Runner
let server: Server
let url: string
let got: Got[] = []
let answer = 200

beforeAll(async () => {
  t = await openTestDatabases()
  messaging = openMessaging({
    database: t.databases.of('messaging'),
    randomBytes,
    timeoutMs: 1_000,
    retryAfterMs: [1_000, 10_000],
    log: () => undefined,
  })
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  runner = openRunner({
    operations: messaging.operations,
    databases: t.databases,
    standardLimit: { perSecond: 1e6, burst: 1e6 },
    nowMs: () => performance.now(),
    log: quiet,
  })
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    got.push({ headers: request.headers, body })
    response.writeHead(answer).end()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
})
afterAll(async () => {
  server.close()
  await t.close()
})
beforeEach(() => {
  got = []
  answer = 200
})

const context = { traffic: 'live', rehearsalId: null, actor: { id: 'key:a', scopes: ['*'] }, traceId: '' } as const
let keys = 0
const run = async (id: string, input: object): Promise<Record<string, unknown>> => {
  const outcome = await runner.run(id, { context, input, idempotencyKey: `k${(keys += 1)}` })
  return outcome.ok ? (outcome.value as Record<string, unknown>) : { ...outcome.error }
}
const event = (id: number, type = 'orders.placed', payload: object = { orderId: id }): DeliveredEvent => ({
  id,
  key: String(id),
  type,
  schemaVersion: 1,
  payload,
  traceId: '',
  traffic: 'live',
  rehearsalId: null,
  occurredAt: t.clock.now(),
})
const tell = (events: readonly DeliveredEvent[]) => t.databases.of('messaging').write(t.live, (write) => messaging.fanOut(write, events))
const send = () => messaging.sendDue(t.live)
const later = (ms: number) => t.clock.set(new Date(t.clock.now().getTime() + ms))
const open = (endpointId: string, eventTypes = ['orders.placed']) => run('messaging.put_endpoint', { endpointId, url, eventTypes })
const close = (endpointId: string) => run('messaging.put_endpoint', { endpointId, url, eventTypes: ['*'], active: false })

describe('webhooks out', () => {
  it('are signed so that the receiver can prove who sent them, and tell no token', async () => {
    const { secret } = await open('signed')
    expect(String(secret)).toMatch(/^whsec_/)
    await tell([event(1, 'orders.placed', { orderId: 1, payments: [{ plan: { legs: [{ means: 'card', token: 'tok_ok' }] } }] })])
    expect(await send()).toEqual({ sent: 1, delivered: 1, more: false })
    const [{ headers, body } = { headers: {}, body: '' }] = got
    const signed = createHmac('sha256', Buffer.from(String(secret).slice(6), 'base64'))
      .update(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`)
      .digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${signed}`)
    expect(body).toContain('"orderId":1')
    expect(body).not.toContain('tok_ok')
    await close('signed')
  })

  it('go only to endpoints that want the event, once however often it is handled', async () => {
    await open('wants')
    await open('wants-not', ['payments.moved'])
    await tell([event(10), event(11, 'orders.moved')])
    await tell([event(10)])
    await send()
    expect(got.map(({ headers }) => headers['webhook-id'])).toEqual(['msg_orders_10'])
    await close('wants')
    await close('wants-not')
  })

  it('are tried again after a failure, then dead, and come back by replay under their own name', async () => {
    await open('falters')
    answer = 503
    await tell([event(20)])
    await send()
    expect((await send()).sent).toBe(0)
    later(1_000)
    await send()
    later(10_000)
    await send()
    later(86_400_000)
    expect((await send()).sent).toBe(0)
    const { deliveries } = await run('messaging.list_deliveries', { endpointId: 'falters' })
    expect(deliveries).toMatchObject([{ state: 'dead', attempts: 3, lastStatus: 503 }])
    answer = 200
    expect(await run('messaging.replay', { endpointId: 'falters' })).toMatchObject({ replayed: 1 })
    expect(await send()).toMatchObject({ delivered: 1 })
    expect(new Set(got.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(['msg_orders_20']))
    await close('falters')
  })

  it('come back by replay in portions, and dead ones never with those that were delivered', async () => {
    await open('full')
    const admin = await t.admin('live')
    await admin.query(
      `insert into messaging.delivery (message_id, endpoint_id, event_type, event_key, body, state, created_at)
       select 'msg_full_' || n, 'full', 'orders.placed', '1', '{}', case when n % 2 = 0 then 'dead' else 'delivered' end, now()
       from generate_series(1, 20004) as n`,
    )
    expect(await run('messaging.replay', { endpointId: 'full' })).toMatchObject({ replayed: 10_000, next: null })
    expect(await run('messaging.replay', { endpointId: 'full' })).toMatchObject({ replayed: 2, next: null })
    await admin.query(`update messaging.delivery set state = 'delivered', due_at = null where endpoint_id = 'full'`)
    const since = '2020-01-01T00:00:00Z'
    const first = await run('messaging.replay', { endpointId: 'full', since })
    expect(first).toMatchObject({ replayed: 10_000, next: expect.any(Number) })
    const second = await run('messaging.replay', { endpointId: 'full', fromDelivery: first['next'] })
    expect(second).toMatchObject({ replayed: 10_000, next: expect.any(Number) })
    expect(await run('messaging.replay', { endpointId: 'full', fromDelivery: second['next'] })).toMatchObject({ replayed: 4, next: null })
    await admin.query(`delete from messaging.delivery where endpoint_id = 'full'`)
    await close('full')
  })

  it('stop at an endpoint that is gone', async () => {
    await open('gone')
    answer = 410
    await tell([event(30)])
    await send()
    const { endpoints } = await run('messaging.list_endpoints', {})
    expect(endpoints).toContainEqual(expect.objectContaining({ endpointId: 'gone', active: false, problem: 'it answered 410 Gone' }))
  })

  it('are sent once by two senders at once, and again when a sender died with them', async () => {
    await open('twice')
    await tell(Array.from({ length: 50 }, (_, index) => event(100 + index)))
    const rounds = await Promise.all([send(), send(), send(), send(), send()])
    expect(rounds.reduce((sum, { sent }) => sum + sent, 0)).toBe(50)
    expect(new Set(got.map(({ headers }) => headers['webhook-id'])).size).toBe(50)
    const admin = await t.admin('live')
    await admin.query(
      `update messaging.delivery set state = 'pending', due_at = now() - interval '100 years' where message_id = 'msg_orders_100'`,
    )
    expect((await send()).sent).toBe(1)
    await close('twice')
  })

  it('wait while their endpoint is off, hold up nobody, and go on when it is on again', async () => {
    await open('rests')
    await tell([event(400), event(401)])
    await close('rests')
    await open('works')
    await tell([event(402)])
    expect(await send()).toEqual({ sent: 1, delivered: 1, more: false })
    await close('works')
    await open('rests')
    expect(await send()).toMatchObject({ delivered: 2 })
    expect(got.map(({ headers }) => headers['webhook-id']).toSorted()).toEqual(['msg_orders_400', 'msg_orders_401', 'msg_orders_402'])
    await close('rests')
  })

  it('of one endpoint, however many wait, leave the others their share of a round', async () => {
    await open('flooded')
    await tell(Array.from({ length: 60 }, (_, index) => event(200 + index)))
    await open('modest')
    await tell([event(300)])
    expect(await send()).toEqual({ sent: 17, delivered: 17, more: true })
    expect(got.filter(({ headers }) => headers['webhook-id'] === 'msg_orders_300')).toHaveLength(1)
    let rounds = 1
    while ((await send()).more) rounds += 1
    expect([got.length, rounds]).toEqual([62, 3])
    await close('flooded')
    await close('modest')
  })

  it('are signed by the former secret as well for a day after a change', async () => {
    await open('rotates')
    await run('messaging.rotate_secret', { endpointId: 'rotates' })
    await tell([event(40)])
    await send()
    expect(String(got[0]?.headers['webhook-signature']).split(' ')).toHaveLength(2)
    later(86_400_001)
    await tell([event(41)])
    await send()
    expect(String(got[1]?.headers['webhook-signature']).split(' ')).toHaveLength(1)
    await close('rotates')
  })

  it.each([
    [{ url: 'ftp://example.com', eventTypes: ['*'] }, 'messaging.bad_url', '/url'],
    [{ url: 'http://example.com', eventTypes: ['*'] }, 'messaging.bad_url', '/url'],
    [{ url: 'https://user:pass@example.com', eventTypes: ['*'] }, 'messaging.bad_url', '/url'],
    [{ url: 'https://example.com', eventTypes: ['orders.placed', 'orders.nothing'] }, 'messaging.unknown_event', '/eventTypes/1'],
  ])('are refused for %o', async (input, code, field) => {
    expect(await run('messaging.put_endpoint', { endpointId: 'bad', ...input })).toMatchObject({ code, field })
  })
})
