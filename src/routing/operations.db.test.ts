import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { madeCity, openRouting, type Routing } from './index.ts'

let t: TestDatabases
let runner: Runner
let routing: Routing
const quiet = { error() {}, warn() {}, info() {} }
beforeAll(async () => {
  t = await openTestDatabases()
  routing = openRouting({ database: t.databases.of('routing') })
  runner = openRunner({
    operations: routing.operations,
    databases: t.databases,
    standardLimit: { perSecond: 100_000, burst: 100_000 },
    nowMs: () => performance.now(),
    log: quiet,
  })
})
afterAll(async () => {
  await runner.drain()
  await t.close()
})

const call = (input: unknown) => ({
  context: {
    traffic: 'live',
    rehearsalId: null,
    actor: { id: 'dispatch', scopes: ['routing:read', 'routing:write'] },
    traceId: 'f'.repeat(32),
  } as const,
  input,
})
const run = (id: string, input: unknown) => runner.run(id, call(input))
const city = madeCity({ seed: 3, firstDate: '2026-03-03', days: 1, quotaCapacity: 5, vehicles: 30 })

it('sets up a city through the runner and answers where, when and on which truck', async () => {
  const broken = {
    type: 'Feature',
    properties: { code: 'X' },
    geometry: {
      type: 'Polygon',
      coordinates: [
        [
          [0, 0],
          [2, 2],
          [2, 0],
          [0, 2],
          [0, 0],
        ],
      ],
    },
  }
  const imported = await run('zones.import', { type: 'FeatureCollection', name: 'city', features: [...city.features, broken] })
  expect(imported).toMatchObject({ ok: true, value: { imported: 12 } })
  expect((imported as { value: { features: unknown[] } }).value.features.at(-1)).toMatchObject({
    ok: false,
    error: { code: 'routing.self_crossing' },
  })
  for (const [operation, inputs] of [
    ['slots.put', city.slots],
    ['quotas.put', city.quotas],
    ['vehicles.put', city.vehicles],
  ] as const) {
    const outcomes = await runner.runMany(
      operation,
      inputs.map((input) => call(input)),
    )
    expect(outcomes.filter((outcome) => !outcome.ok)).toEqual([])
  }
  expect(await run('vehicles.put', { code: 'T', type: 'dry', weightGrams: 1, volumeMl: -1, pieces: 1 })).toMatchObject({
    ok: false,
    error: { field: '/volumeMl' },
  })

  const { lat, lng } = city.address(1)
  const located = await run('zones.locate', { lat, lng })
  expect(located).toMatchObject({ ok: true, value: { timeZone: 'America/Toronto' } })
  expect(await run('zones.locate', { lat: 0, lng: 0 })).toMatchObject({ ok: false, error: { code: 'routing.no_zone' } })
  expect(await run('zones.locate', { lat })).toMatchObject({ ok: false, error: { code: 'routing.no_address', field: '/lng' } })

  const [assigned] = await t.databases.of('routing').write(t.live, (context) =>
    routing.assignWaybills(context, [
      {
        waybillId: 1,
        orderId: 9,
        destination: city.address(1),
        slot: null,
        skuType: 'frozen',
        weightGrams: 10,
        volumeMl: 10,
        pieces: 1,
        actor: 'system:test',
        commandId: 'c',
      },
    ]),
  )
  expect(assigned).toMatchObject({ ok: true, value: { state: 'assigned', date: '2026-03-03', slotCode: 'S08' } })
  const { routeId } = (assigned as { value: { routeId: number } }).value
  expect(await run('routes.get', { routeId })).toMatchObject({
    ok: true,
    value: {
      waybillIds: [1],
      load: { stops: 1 },
      slotCode: 'S08',
      state: 'open',
      stops: [{ position: 1, arrivesAt: '2026-03-03T13:00:00.000Z' }],
    },
  })
  expect(await run('assignments.list_by_order', { orderId: 9 })).toMatchObject({
    ok: true,
    value: { assignments: [{ waybillId: 1, routeId }] },
  })
  const available = await run('slots.availability', { lat, lng, skuType: 'frozen' })
  const { slots } = (available as { value: { slots: { left: number; open: boolean; startsAt: string }[] } }).value
  expect(slots.map((slot) => slot.left)).toEqual([4, 5, 5, 5, 5, 5])
  // 08:00 in Toronto in winter.
  expect(slots[0]).toMatchObject({ startsAt: '2026-03-03T13:00:00.000Z', open: true })
  expect(await run('assignments.retry', {})).toEqual({ ok: true, value: { tried: 0, assigned: 0, next: null } })
})

it('refuses goods that are ready at an instant that no clock has, each alone', async () => {
  const outcomes = await runner.runMany(
    'assignments.ready',
    ['2026-03-03T23:59:60Z', '2026-03-03T08:00:00Z'].map((readyAt) => call({ waybillId: 999_999, readyAt })),
  )
  expect(outcomes.map((outcome) => (outcome.ok ? '' : outcome.error.code))).toEqual(['routing.not_an_instant', 'routing.unknown_waybill'])
})
