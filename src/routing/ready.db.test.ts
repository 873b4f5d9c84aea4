import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type AssignWaybill, openRouting, type Routing } from './index.ts'

const date = '2026-03-03'
let t: TestDatabases
let routing: Routing
const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('routing').write(t.live, work)
const rows = async <Row>(sql: string): Promise<Row[]> => (await (await t.admin('live')).query(sql)).rows
const broken = async () =>
  (await t.databases.of('routing').read(t.live, (context) => routing.check(context))).filter((report) => report.broken > 0)
const at = (time: string) => new Date(`${date}T${time}:00Z`)

beforeAll(async () => {
  t = await openTestDatabases()
  routing = openRouting({ database: t.databases.of('routing'), workers: 1 })
})
afterAll(async () => {
  await routing.runs.close()
  await t.close()
})
/** One zone around its depot, a slot of two hours, and as many trucks as are wanted. */
const settle = async (trucks: number) => {
  const ring = [
    [0, 40],
    [0.1, 40],
    [0.1, 40.1],
    [0, 40.1],
    [0, 40],
  ]
  const feature = { type: 'Feature', properties: { code: 'A', depot: 'D' }, geometry: { type: 'Polygon', coordinates: [ring] } }
  await write((context) => routing.putDepots(context, [{ code: 'D', name: 'D', timeZone: 'UTC', lat: 40.05, lng: 0.05 }]))
  await write((context) => routing.importZones(context, [{ features: [feature] }]))
  await write((context) =>
    routing.putSlots(context, [{ zoneCode: 'A', date, code: 'AM', startsAt: '08:00', endsAt: '10:00', cutOffMinutes: 60 }]),
  )
  await write((context) => routing.putQuotas(context, [{ zoneCode: 'A', date, slotCode: 'AM', skuType: 'dry', capacity: 50 }]))
  const truck = { type: 'dry', weightGrams: 100_000, volumeMl: 100_000, pieces: 50 } as const
  await write((context) =>
    routing.putVehicles(
      context,
      Array.from({ length: trucks }, (_, nth) => ({ ...truck, code: `T-${nth}` })),
    ),
  )
}
beforeEach(async () => {
  t.clock.set(new Date('2026-03-02T09:00:00Z'))
  await rows(
    `truncate routing.zone, routing.depot, routing.zone_day, routing.slot, routing.slot_rule, routing.quota_rule, routing.place_hold, routing.quota,
     routing.quota_ledger, routing.vehicle, routing.route, routing.assignment, routing.change, routing.outbox, routing.plan_run, routing.plan_cell`,
  )
})

const waybill = (waybillId: number, readyAt?: Date): AssignWaybill => ({
  waybillId,
  orderId: waybillId,
  destination: { postcode: '', lat: 40.05 + waybillId / 500, lng: 0.05 },
  slot: { date, code: 'AM' },
  skuType: 'dry',
  weightGrams: 1000,
  volumeMl: 1000,
  pieces: 1,
  actor: 'test',
  commandId: 'c',
  ...(readyAt === undefined ? {} : { readyAt }),
})
const assign = (...list: AssignWaybill[]) => write((context) => routing.assignWaybills(context, list))
const ready = (waybillId: number, readyAt: Date | null) => write((context) => routing.setReady(context, [{ waybillId, readyAt }]))
const routes = () =>
  rows<{ truck: string; doors: number; first: Date }>(
    `select vehicle.code as truck, json_array_length(path) as doors, to_timestamp((path -> 0 ->> 'arrives')::bigint) as first
     from routing.route join routing.vehicle on vehicle.id = vehicle_id where route.state <> 'dropped' order by 1`,
  )

it('a truck waits for goods where it still serves all doors; else another one does, or the waybill waits with its numbers', async () => {
  await settle(2)
  await assign(waybill(1), waybill(2, at('08:30')))
  expect(await routes()).toMatchObject([{ truck: 'T-0', doors: 2 }])
  expect((await routes())[0]?.first.getTime()).toBeGreaterThan(at('08:30').getTime())
  // From 09:52 on all three doors are too many until 10:00; one is not.
  await assign(waybill(3, at('09:52')))
  expect((await routes()).map(({ truck, doors }) => `${truck} ${doors}`)).toEqual(['T-0 2', 'T-1 1'])
  const [late] = await assign(waybill(4, at('11:00')))
  expect(late?.ok && late.value).toMatchObject({
    state: 'waiting',
    reasonCode: 'no_vehicle',
    reason: expect.stringMatching(/\d+ min late/),
  })
  expect(await broken()).toEqual([])
})

it('told later, it moves the start of the route that has it, there and back, and is refused where a door would be late', async () => {
  await settle(1)
  await assign(waybill(1), waybill(2))
  const before = await routes()
  const [told] = await ready(2, at('08:40'))
  expect(told?.ok && told.value.leavesAt).toEqual(at('08:40'))
  expect((await routes())[0]?.first.getTime()).toBeGreaterThan(at('08:40').getTime())
  const [refusedOne] = await ready(1, at('09:58'))
  expect(refusedOne?.ok === false && refusedOne.error).toMatchObject({ code: 'routing.too_late', field: '/readyAt' })
  expect(await broken()).toEqual([])
  await ready(2, null)
  expect(await routes()).toEqual(before)
  const [nobody] = await ready(9, at('08:40'))
  expect(nobody?.ok === false && nobody.error.code).toBe('routing.unknown_waybill')
})

it('a route whose first doors are frozen leaves when it did, whatever comes and goes', async () => {
  await settle(1)
  await assign(waybill(1), waybill(2, at('08:20')))
  const [route] = await rows<{ id: string }>('select id from routing.route')
  await write((context) =>
    routing.changeRoutes(context, [{ routeId: Number(route?.id), to: 'open', frozen: 1, actor: 'test', commandId: 'f' }]),
  )
  const [later] = await ready(1, at('08:30'))
  expect(later?.ok === false && later.error.code).toBe('routing.too_late')
  const [other] = await assign(waybill(3, at('08:30')))
  expect(other?.ok && other.value.state).toBe('waiting')
  await write((context) => routing.releaseAssignments(context, [{ waybillId: 2, attempt: 1, actor: 'test', commandId: 'd' }]))
  // What it waited for is gone, and it still leaves at 08:20, as its driver was told.
  expect((await routes())[0]?.first.getTime()).toBeGreaterThan(at('08:20').getTime())
  expect(await broken()).toEqual([])
})

it('one that waits is planned by the next run with what was told of it', async () => {
  await settle(1)
  await assign(waybill(1, at('11:00')))
  const [told] = await ready(1, at('08:50'))
  expect(told?.ok && told.value.leavesAt).toBeNull()
  const run = await routing.runs.run(t.live, { date, actor: 'test' })
  expect(run.ok && run.value.totals).toMatchObject({ assigned: 1, unassigned: 0 })
  expect((await routes())[0]?.first.getTime()).toBeGreaterThan(at('08:50').getTime())
  expect(await broken()).toEqual([])
})
