import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { openTracking } from './index.ts'

let t: TestDatabases
let runner: Runner
const tracking = openTracking()
const quiet = { error() {}, warn() {}, info() {} }
beforeAll(async () => {
  t = await openTestDatabases()
  runner = openRunner({
    operations: tracking.operations,
    databases: t.databases,
    standardLimit: { perSecond: 100_000, burst: 100_000 },
    nowMs: () => performance.now(),
    log: quiet,
  })
  await t.databases
    .of('tracking')
    .write(t.live, (context) =>
      tracking.recordMovements(context, [
        { waybillId: 5, orderId: 50, state: 'created', attempt: 1, occurredAt: new Date('2026-03-01T08:00:00Z') },
      ]),
    )
})
afterAll(async () => {
  await runner.drain()
  await t.close()
})

const context = (scopes: string[]) =>
  ({ traffic: 'live', rehearsalId: null, actor: { id: 'test', scopes }, traceId: 'f'.repeat(32) }) as const
const run = (id: string, input: unknown, scopes: string[] = ['tracking:read', 'tracking:write']) =>
  runner.run(id, { context: context(scopes), input })

it('takes events through the runner, each with its own outcome, and refuses our own name as a source', async () => {
  const event = { waybillId: 5, code: 'in_transit', occurredAt: '2026-03-01T09:00:00+01:00', source: 'post' }
  const outcomes = await runner.runMany(
    'tracking.ingest',
    [
      event,
      { ...event, source: 'fulfilment' },
      { ...event, occurredAt: '2026-13-01T09:00:00Z' },
      { ...event, occurredAt: 'yesterday' },
      { ...event, waybillId: 6 },
    ].map((input) => ({ context: context(['tracking:write']), input })),
  )
  expect(outcomes.map((outcome) => (outcome.ok ? 'ok' : `${outcome.error.code} ${outcome.error.field}`))).toEqual([
    'ok',
    'tracking.own_source /source',
    'tracking.not_an_instant /occurredAt',
    'platform.invalid_input /occurredAt',
    'tracking.unknown_shipment /waybillId',
  ])
})

it('shows the same shipment by its id, its waybill, its order and its public link', async () => {
  const byOrder = await run('tracking.list_by_order', { orderId: 50 })
  expect(byOrder).toMatchObject({
    ok: true,
    value: { shipments: [{ waybillId: 5, timeline: [{ code: 'created' }, { code: 'in_transit' }] }] },
  })
  const [shipment] = byOrder.ok ? (byOrder.value as { shipments: { shipmentId: number; publicPath: string }[] }).shipments : []
  expect(await run('tracking.get', { shipmentId: shipment?.shipmentId })).toEqual({ ok: true, value: shipment })
  expect(await run('tracking.get_by_waybill', { waybillId: 5 })).toEqual({ ok: true, value: shipment })
  const open = await run('tracking.public', { token: shipment?.publicPath.slice(3) }, [])
  expect(open).toMatchObject({ ok: true, value: { state: 'in_transit', attempt: 1 } })
  expect(JSON.stringify(open)).not.toMatch(/shipmentId|orderId|source/)
  // Ordered by time for the index, and still nothing to guess: 90 bits, beside version and variant, are random.
  const seconds = Number.parseInt(shipment?.publicPath.slice(3, 11) ?? '', 16)
  expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(600)
  expect(await run('tracking.public', { token: 'nobody' }, [])).toMatchObject({ ok: false, error: { code: 'tracking.unknown_token' } })
  expect(await run('tracking.get', { shipmentId: 1 }, [])).toMatchObject({ ok: false })
})

it('takes the good facts of a message that has text in it which can not be stored, and names the others', async () => {
  const fact = { carrier: 'posta', number: 'ODD1', code: 'accepted', occurredAt: '2026-03-01T09:00:00Z', source: 'post' }
  const events = [fact, { ...fact, detail: 'a\u0000b' }, { ...fact, code: 'at_hub', place: '\ud83d' }]
  expect(await run('tracking.ingest_many', { events })).toMatchObject({
    ok: true,
    value: {
      added: 1,
      refused: [
        { index: 1, field: '/detail', code: 'tracking.unstorable_text' },
        { index: 2, field: '/place', code: 'tracking.unstorable_text' },
      ],
    },
  })
})
