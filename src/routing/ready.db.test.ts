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

it('a word too late for its truck is kept: a move by hand is weighed by it, a run leaves the waybill where it is, and where it fits the word is told to hold', async () => {
  await settle(2)
  await assign(waybill(1), waybill(2), waybill(4), waybill(5), waybill(6), waybill(7))
  await assign(waybill(3, at('09:45')))
  expect((await routes()).map(({ truck, doors }) => `${truck} ${doors}`)).toEqual(['T-0 6', 'T-1 1'])
  const [other] = await rows<{ id: string }>(
    `select route.id from routing.route join routing.vehicle on vehicle.id = vehicle_id where code = 'T-1'`,
  )
  const follow = (time: string) => write((context) => routing.followReady(context, [{ waybillId: 2, attempt: 1, readyAt: at(time) }]))
  const weighed = async () =>
    (
      await rows<{ late: string | null }>(
        `select payload ->> 'tooLate' as late from routing.outbox where type = 'routing.ready_weighed' order by id`,
      )
    ).map(({ late }) => late)
  const stored = async () =>
    (await rows('select ready_at, late_ready_at, route_id from routing.assignment where waybill_id = 2'))[0] as Record<string, unknown>
  const move = () =>
    write((context) => routing.moveAssignments(context, [{ waybillId: 2, routeId: Number(other?.id), actor: 'test', commandId: 'm' }]))
  await follow('09:59')
  expect(await stored()).toMatchObject({ ready_at: null, late_ready_at: at('09:59') })
  const [refusedOne] = await move()
  expect(refusedOne?.ok === false && refusedOne.error.code).toBe('routing.too_late')
  await follow('09:46')
  expect(await weighed()).toEqual([expect.stringMatching(/T-0 would be \d+ min late/), expect.stringMatching(/T-0 would be \d+ min late/)])
  const { route_id: before } = await stored()
  await routing.runs.run(t.live, { date, actor: 'test' })
  expect(await stored()).toMatchObject({ route_id: before, late_ready_at: at('09:46') })
  const [moved] = await move()
  expect(moved).toMatchObject({ ok: true })
  expect(await stored()).toMatchObject({ ready_at: at('09:46'), late_ready_at: null, route_id: other?.id })
  expect((await weighed()).at(-1)).toBeNull()
  expect(await broken()).toEqual([])
})

it('goods that are there make no route late that does not hold for another reason', async () => {
  await settle(1)
  await assign(waybill(1), waybill(2, at('08:20')))
  await write((context) => routing.putDepots(context, [{ code: 'D', name: 'D', timeZone: 'UTC', lat: 41.5, lng: 0.05 }]))
  for (const readyAt of [at('08:10'), null]) {
    const [told] = await ready(2, readyAt)
    expect(told?.ok && told.value.readyAt).toEqual(readyAt)
  }
  const [late] = await ready(2, at('08:30'))
  expect(late?.ok === false && late.error.code).toBe('routing.too_late')
})
