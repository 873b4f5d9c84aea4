import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { openFulfilment, previewOperations } from './index.ts'

let t: TestDatabases
let runner: Runner
let waybillId = 0
const fulfilment = openFulfilment()
const who = { actor: 'system:test', commandId: 'c-1' }
const at = (hour: number) => new Date(Date.UTC(2026, 2, 4, hour))
const freeSlot = { date: '2026-03-04', code: 'AM', startsAt: at(8), endsAt: at(12), cutOffAt: at(6), left: 3 }
const quiet = { error() {}, warn() {}, info() {} }
beforeAll(async () => {
  t = await openTestDatabases()
  runner = openRunner({
    operations: [...fulfilment.operations, ...previewOperations(async (_scope, doors) => doors.map(() => [freeSlot]))],
    databases: t.databases,
    standardLimit: { perSecond: 100_000, burst: 100_000 },
    nowMs: () => performance.now(),
    log: quiet,
  })
  const destination = { name: 'Ada', line1: '1 Main St', city: 'Niagara Falls', postcode: 'L2E 1A1', country: 'CA' }
  const items = [{ itemNo: 1, sku: 'rice', skuType: 'dry', quantity: 1, weightGrams: 1000, volumeMl: 900 }] as const
  waybillId = await t.databases.of('fulfilment').write(t.live, async (context) => {
    const sections = [{ sectionNo: 1, destination, slot: null, merchantId: 'bakery', items }]
    const [created] = await fulfilment.createWaybills(context, [{ orderId: 50, number: 'A50', sections, ...who }])
    const id = created?.ok ? (created.value.waybillIds[0] ?? 0) : 0
    await fulfilment.routeWaybills(context, [{ waybillId: id, attempt: 1, date: '2026-03-03', slotCode: 'AM', routeId: 7, ...who }])
    return id
  })
})
afterAll(async () => {
  await runner.drain()
  await t.close()
})

const call = (input: unknown, scopes = ['waybills:read', 'waybills:write']) => ({
  context: { traffic: 'live', rehearsalId: null, actor: { id: 'wms', scopes }, traceId: 'f'.repeat(32) } as const,
  input,
})
const run = (id: string, input: unknown, scopes?: string[]) => runner.run(id, call(input, scopes))

it('updates a batch through the runner, each entry with its own outcome', async () => {
  const outcomes = await runner.runMany(
    'waybills.update',
    [
      { waybillId, to: 'picked', occurredAt: '2026-03-02T10:00:00+01:00' },
      { waybillId: 999_999, to: 'picked' },
      { waybillId, to: 'flown' },
      { waybillId, to: 'packed', occurredAt: '2026-02-30T09:00:00Z' },
      { waybillId, to: 'delivered', extra: 1 },
      { waybillId, to: 'packed', reason: 'all there' },
    ].map((input) => call(input)),
  )
  expect(
    outcomes.map((outcome) => (outcome.ok ? (outcome.value as { state: string }).state : `${outcome.error.code} ${outcome.error.field}`)),
  ).toEqual([
    'picked',
    'fulfilment.unknown_waybill /waybillId',
    'platform.invalid_input /to',
    'fulfilment.not_an_instant /occurredAt',
    'platform.invalid_input /extra',
    'packed',
  ])
  expect(await run('waybills.update', { waybillId, to: 'staged' }, ['waybills:read'])).toMatchObject({ ok: false })
})

it('shows a waybill with its history, by its order, and in the list of what waits in its state', async () => {
  const got = await run('waybills.get', { waybillId })
  expect(got).toMatchObject({ ok: true, value: { waybill: { state: 'packed', merchantId: 'bakery', routeId: 7 }, history: { length: 6 } } })
  const { waybill, history } = (got as { value: { waybill: unknown; history: { cause: string; actor: string; to: string }[] } }).value
  expect(history.at(-1)).toMatchObject({ to: 'packed', cause: 'waybills.update: all there', actor: 'wms' })
  expect(await run('waybills.list_by_order', { orderId: 50 })).toEqual({ ok: true, value: { waybills: [waybill] } })
  expect(await run('waybills.list', { state: 'packed', limit: 1 })).toEqual({ ok: true, value: { waybills: [waybill], next: waybillId } })
  expect(await run('waybills.list', { state: 'packed', after: waybillId })).toEqual({ ok: true, value: { waybills: [], next: null } })
  expect(await run('waybills.list', { state: 'delivered' })).toMatchObject({ ok: false, error: { field: '/state' } })
  expect(await run('waybills.get', { waybillId: 999_999 })).toMatchObject({ ok: false, error: { code: 'fulfilment.unknown_waybill' } })
})

const destination = { name: 'Ada', line1: '1 Main St', city: 'Niagara Falls', postcode: 'L2E 1A1', country: 'CA' }
const goods = [{ itemNo: 2, sku: 'tea', quantity: 1, weightGrams: 100, volumeMl: 90 }]
const newWaybill = (reference: string, change: object = {}) => ({
  reference,
  orderId: 50,
  orderNumber: 'A50',
  sectionNo: 1,
  skuType: 'dry',
  destination,
  items: goods,
  ...change,
})
const codeOf = (outcome: Awaited<ReturnType<typeof run>>) => (outcome.ok ? 'ok' : `${outcome.error.code} ${outcome.error.field}`)

it('makes waybills for a system of its own, each entry with its own outcome, and names the field of a bad one', async () => {
  const inputs = [
    newWaybill('r-1'),
    newWaybill('r-1'),
    newWaybill('', {}),
    newWaybill('r-2', { destination: { ...destination, country: 'Canada' } }),
    newWaybill('r-3', { items: [] }),
    newWaybill('r-4', { items: goods.map((item) => ({ ...item, weightGrams: -1 })) }),
    newWaybill('r-5', { slot: { date: '2026-13-01', code: 'AM' } }),
  ]
  const outcomes = await runner.runMany(
    'waybills.create',
    inputs.map((input) => call(input)),
  )
  expect(outcomes.map(codeOf)).toEqual([
    'ok',
    'ok',
    'platform.invalid_input /reference',
    'platform.invalid_input /destination/country',
    'platform.invalid_input /items',
    'platform.invalid_input /items/0/weightGrams',
    expect.stringContaining('platform.invalid_input /slot'),
  ])
  expect(outcomes.slice(0, 2)).toMatchObject([{ value: { created: true } }, { value: { created: false } }])
})

it('acts for customer service with a reason and a note, and shows both with the actor', async () => {
  const made = await run('waybills.create', newWaybill('acts', { orderId: 51 }))
  const id = (made as { value: { waybillId: number } }).value.waybillId
  expect(await run('waybills.preview', { waybillId: id, act: 'hold', kind: 'address_unclear' })).toMatchObject({
    value: { possible: true, to: 'created', blocks: ['loaded', 'out_for_delivery'], slots: [] },
  })
  expect(await run('waybills.preview', { waybillId: id, act: 'reschedule' })).toMatchObject({
    value: { slots: [{ date: '2026-03-04', code: 'AM', startsAt: '2026-03-04T08:00:00.000Z', left: 3 }] },
  })
  const acts: [string, object][] = [
    ['waybills.hold', { waybillId: id, reason: 'which house?', kind: 'address_unclear', expiresAt: '2026-03-02T10:00:00Z' }],
    ['waybills.hold', { waybillId: id, reason: 'no such day', expiresAt: '2026-02-30T99:00:00Z' }],
    ['waybills.hold', { waybillId: id, reason: 'which house?', kind: 'mood' }],
    ['waybills.release_hold', { waybillId: id, reason: 'number 4', note: 'the neighbour knew' }],
    ['waybills.reschedule', { waybillId: id, slot: { date: '2026-03-05', code: 'PM' }, reason: 'customer called' }],
    ['waybills.cancel', { waybillId: id, reason: 'gave up' }],
    ['waybills.cancel', { waybillId: id }],
    ['waybills.reschedule', { waybillId: id, slot: null, reason: 'too late' }],
  ]
  const codes: string[] = []
  for (const [operation, input] of acts) {
    const outcome = await runner.run(operation, { ...call(input), idempotencyKey: `acts-${codes.length}` })
    codes.push(codeOf(outcome))
  }
  expect(codes).toEqual([
    'ok',
    'fulfilment.not_an_instant /expiresAt',
    'platform.invalid_input /kind',
    'ok',
    'ok',
    'ok',
    'platform.invalid_input /reason',
    'fulfilment.not_movable /to',
  ])
  const got = (await run('waybills.get', { waybillId: id })) as { value: { history: { level: string; cause: string; actor: string }[] } }
  expect(got.value.history.slice(1).map(({ level, cause, actor }) => [level, cause, actor])).toEqual([
    ['hold', 'waybills.hold: which house?', 'wms'],
    ['hold', 'waybills.release_hold: number 4 (the neighbour knew)', 'wms'],
    ['waybill', 'waybills.reschedule: customer called', 'wms'],
    ['slot', 'waybills.reschedule: customer called', 'wms'],
    ['waybill', 'waybills.cancel: gave up', 'wms'],
  ])
  expect(await run('waybills.preview', { waybillId: 999_999, act: 'cancel' })).toMatchObject({
    error: { code: 'fulfilment.unknown_waybill' },
  })
})
