import { afterAll, beforeAll, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { type AssignWaybill, openRouting, type Routing, verifyRoutes, type WrittenRoute } from '#routing'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { fetchTravel } from './table-client.ts'
import { startTableServer, type TableServer } from './table-server-rig.ts'

/** Runs of the planner with a table service that is there, slow, broken and away. */
const date = '2026-03-03'
let t: TestDatabases
let routing: Routing
let service: TableServer
let clockMs = 0
const told: string[] = []

const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('routing').write(t.live, work)
const rows = async <Row>(sql: string, values: unknown[] = []): Promise<Row[]> => (await (await t.admin('live')).query(sql, values)).rows

beforeAll(async () => {
  t = await openTestDatabases()
  service = await startTableServer()
  routing = openRouting({
    database: t.databases.of('routing'),
    workers: 1,
    roads: {
      fetchTable: (points) => fetchTravel(points, { baseUrl: service.url, profile: 'driving', timeoutMs: 1_500, placesPerCall: 20 }),
      nowMs: () => clockMs,
      observe: (traffic, result) => told.push(`${traffic} ${result}`),
    },
  })
  const ring = [
    [0, 40],
    [0.1, 40],
    [0.1, 40.1],
    [0, 40.1],
    [0, 40],
  ]
  const feature = {
    type: 'Feature',
    properties: { code: 'A', depot: 'D', planning: 'wave' },
    geometry: { type: 'Polygon', coordinates: [ring] },
  }
  await write((context) => routing.putDepots(context, [{ code: 'D', name: 'D', timeZone: 'UTC', lat: 40.05, lng: 0.05 }]))
  await write((context) => routing.importZones(context, [{ features: [feature] }]))
  await write((context) =>
    routing.putSlots(context, [{ zoneCode: 'A', date, code: 'S08', startsAt: '08:00', endsAt: '12:00', cutOffMinutes: 60 }]),
  )
  await write((context) => routing.putQuotas(context, [{ zoneCode: 'A', date, slotCode: 'S08', skuType: 'dry', capacity: 500 }]))
  const truck = { type: 'dry', weightGrams: 600_000, volumeMl: 2_000_000, pieces: 60 } as const
  await write((context) =>
    routing.putVehicles(
      context,
      Array.from({ length: 8 }, (_, at) => ({ ...truck, code: `T-${at}` })),
    ),
  )
})
afterAll(async () => {
  await routing.runs.close()
  await service.close()
  await t.close()
})

let last = 0
const waybills = (count: number, readyAt?: Date): AssignWaybill[] =>
  Array.from({ length: count }, () => {
    last += 1
    const at = { lat: 40.003 + ((last * 37) % 89) / 1000, lng: 0.003 + ((last * 53) % 83) / 1000 }
    return {
      waybillId: last,
      orderId: last,
      destination: { postcode: '', ...at },
      slot: { date, code: 'S08' },
      skuType: 'dry',
      weightGrams: 5000,
      volumeMl: 20_000,
      pieces: 2,
      actor: 'test',
      commandId: 'c',
      ...(readyAt === undefined ? {} : { readyAt }),
    }
  })
const assign = (list: readonly AssignWaybill[]) => write((context) => routing.assignWaybills(context, list))
const run = async (preview = false) => {
  const outcome = await routing.runs.run(t.live, { date, actor: 'test', preview })
  if (!outcome.ok) throw new Error(outcome.error.detail)
  const [plan] = await rows<{ ways: string }>(`select plan ->> 'ways' as ways from routing.plan_cell where run_id = $1`, [
    outcome.value.runId,
  ])
  return { ...outcome.value, ways: plan?.ways }
}

async function written(): Promise<{ routes: WrittenRoute[]; goods: Parameters<typeof verifyRoutes>[1] }> {
  const routes = await rows<{
    id: string
    vehicle_id: string
    path: WrittenRoute['path']
    leaves: number
    returns: number
    opens: number
    closes: number
  }>(
    `select id, vehicle_id, path, extract(epoch from leaves_at)::float8 as leaves, extract(epoch from returns_at)::float8 as returns,
       extract(epoch from starts_at)::float8 as opens, extract(epoch from ends_at)::float8 as closes from routing.route where leaves_at is not null`,
  )
  const goods = await rows<{ waybill_id: string; ready: number | null }>(
    'select waybill_id, extract(epoch from ready_at)::float8 as ready from routing.assignment',
  )
  return {
    routes: routes.map((row) => ({
      name: row.id,
      truck: { type: 'dry', vehicleId: Number(row.vehicle_id), weightGrams: 600_000, volumeMl: 2_000_000, pieces: 60 },
      base: { lat: 40.05, lng: 0.05 },
      times: { from: row.leaves, to: row.returns },
      slot: { opens: row.opens, closes: row.closes },
      path: row.path,
    })),
    goods: new Map(
      goods.map(({ waybill_id, ready }) => [
        Number(waybill_id),
        { skuType: 'dry' as const, weightGrams: 5000, volumeMl: 20_000, pieces: 2, ...(ready === null ? {} : { ready }) },
      ]),
    ),
  }
}
const broken = async () => {
  const { routes, goods } = await written()
  const laws = await t.databases.of('routing').read(t.live, (context) => routing.check(context))
  return [...verifyRoutes(routes, goods), ...laws.filter((law) => law.broken > 0).map(({ law }) => law)]
}

it('plans by road, keeps the ways of the roads on the routes, and asks the service once for the same places', async () => {
  await assign(waybills(60))
  service.latencyMs = 20
  const preview = await run(true)
  expect(preview.ways).toBe('road table of 61 places')
  // Blocks of ten by ten: 7 times 7.
  expect(service.calls).toBe(49)
  service.latencyMs = 1
  const { totals, ways } = await run()
  expect(service.calls).toBe(49)
  expect(ways).toBe('road table of 61 places')
  expect(told).toEqual(['live fetched', 'live kept'])
  expect(totals.assigned).toBe(60)
  expect(await broken()).toEqual([])
  const { routes } = await written()
  expect(routes.length).toBeGreaterThan(1)
  for (const { path } of routes) {
    for (const [at, stop] of path.entries()) {
      const before = path[at - 1] ?? { lat: 40.05, lng: 0.05 }
      const east = (stop.lng - before.lng) * 85_000
      // As the service has its roads: north and south once, east twice, west three times.
      expect(stop.by?.metres).toBeCloseTo(Math.abs(stop.lat - before.lat) * 111_000 + (east > 0 ? 2 * east : -3 * east), -1)
    }
    expect(path.at(-1)?.home).toBeDefined()
  }
})

it('what comes in between is judged by the great circle and breaks nothing; the others keep their roads', async () => {
  // By hand, so that it does not wait for a run.
  await assign(waybills(2))
  await write((context) => routing.retryUnassigned(context, { actor: 'test', commandId: 'r' }))
  expect(await rows(`select count(*)::int as count from routing.assignment where state = 'assigned'`)).toEqual([{ count: 62 }])
  expect(await broken()).toEqual([])
  const { routes } = await written()
  const known = routes.flatMap(({ path }) => path.filter(({ by }) => by !== undefined))
  expect(known.length).toBeGreaterThan(55)
})

it.each([
  ['failing', 'Unavailable: no roads today'],
  ['garbled', 'durations are no table of the size that was asked for'],
  ['hanging', 'timeout'],
] as const)('a service that is %s costs one time-out, and the plan says why its ways are great circles', async (mood, reason) => {
  clockMs += 4_000_000
  service.mood = mood
  const callsBefore = service.calls
  await assign(waybills(5))
  const began = performance.now()
  const { ways, totals } = await run()
  expect(performance.now() - began).toBeLessThan(10_000)
  expect(ways).toBe(`great circle: ${reason}`)
  expect(totals.assigned).toBe(5)
  expect(service.calls).toBe(callsBefore + 1)
  // It is left alone for half a minute.
  expect((await run(true)).ways).toBe(`great circle: the table service rests after a failure: ${reason}`)
  expect(service.calls).toBe(callsBefore + 1)
  expect(await broken()).toEqual([])
  service.mood = 'well'
  clockMs += 31_000
  expect((await run(true)).ways).toMatch(/^road table of/)
  expect(told.at(-1)).toBe('live fetched')
})

it('a truck does not leave before the goods that it carries are at the depot', async () => {
  const readyAt = new Date(`${date}T09:30:00.500Z`)
  const late = waybills(6, readyAt)
  await assign(late)
  const { totals } = await run()
  expect(totals.assigned).toBe(6)
  expect(await broken()).toEqual([])
  const { routes } = await written()
  const ids = new Set(late.map(({ waybillId }) => waybillId))
  const theirs = routes.filter(({ path }) => path.some((stop) => stop.waybills.some((id) => ids.has(id))))
  expect(theirs.length).toBeGreaterThan(0)
  for (const { path } of theirs) expect(path[0]?.arrives).toBeGreaterThan(readyAt.getTime() / 1000)
})
