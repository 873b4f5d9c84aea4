import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type AssignWaybill, openRouting, type Routing } from './index.ts'

/** Zone A has one small truck; B, beside it, has agreed to help it out with its own. */
const date = '2026-03-03'
let t: TestDatabases
let routing: Routing
const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('routing').write(t.live, work)
const rows = async <Row>(sql: string): Promise<Row[]> => (await (await t.admin('live')).query(sql)).rows
const broken = async () =>
  (await t.databases.of('routing').read(t.live, (context) => routing.check(context))).filter((report) => report.broken > 0)

beforeAll(async () => {
  t = await openTestDatabases()
  routing = openRouting({ database: t.databases.of('routing'), workers: 1 })
})
afterAll(async () => {
  await routing.runs.close()
  await t.close()
})
beforeEach(async () => {
  t.clock.set(new Date('2026-03-02T09:00:00Z'))
  await rows(
    `truncate routing.zone, routing.depot, routing.zone_day, routing.slot, routing.slot_rule, routing.quota_rule, routing.place_hold, routing.quota,
     routing.quota_ledger, routing.vehicle, routing.route, routing.assignment, routing.change, routing.outbox, routing.plan_run, routing.plan_cell`,
  )
})

const zone = (code: string, west: number, more: object) => ({
  type: 'Feature',
  properties: { code, depot: `D-${code}`, ...more },
  geometry: {
    type: 'Polygon',
    coordinates: [
      [
        [west, 40],
        [west + 0.1, 40],
        [west + 0.1, 40.1],
        [west, 40.1],
        [west, 40],
      ],
    ],
  },
})

async function settle({ neighbours = ['B'], planning = 'incremental', capacity = 50 } = {}) {
  const depots = [0.05, 0.12].map((lng, at) => ({ code: `D-${'AB'[at]}`, name: 'D', timeZone: 'UTC', lat: 40.05, lng }))
  await write((context) => routing.putDepots(context, depots))
  const [imported] = await write((context) =>
    routing.importZones(context, [{ features: [zone('A', 0, { neighbours, planning }), zone('B', 0.1, { planning })] }]),
  )
  expect(imported?.ok && imported.value.features.every(({ ok }) => ok)).toBe(true)
  const slots = ['A', 'B'].flatMap((zoneCode) =>
    [8, 12].map((hour) => ({
      zoneCode,
      date,
      code: `S${hour}`,
      startsAt: `${String(hour).padStart(2, '0')}:00`,
      endsAt: `${hour + 3}:00`,
      cutOffMinutes: 60,
    })),
  )
  await write((context) => routing.putSlots(context, slots))
  await write((context) =>
    routing.putQuotas(
      context,
      slots.map(({ zoneCode, code }) => ({ zoneCode, date, slotCode: code, skuType: 'dry' as const, capacity })),
    ),
  )
  const truck = { type: 'dry', weightGrams: 100_000, volumeMl: 100_000 } as const
  await write((context) =>
    routing.putVehicles(context, [
      { ...truck, code: 'T-A', pieces: 2, depotCode: 'D-A' },
      { ...truck, code: 'T-B', pieces: 6, depotCode: 'D-B' },
    ]),
  )
}

const waybill = (waybillId: number, lng: number, slot: AssignWaybill['slot'] = { date, code: 'S8' }): AssignWaybill => ({
  waybillId,
  orderId: waybillId,
  destination: { postcode: '', lat: 40.02 + waybillId / 1000, lng },
  slot,
  skuType: 'dry',
  weightGrams: 1000,
  volumeMl: 1000,
  pieces: 1,
  actor: 'test',
  commandId: 'c',
})
const assign = (list: readonly AssignWaybill[]) => write((context) => routing.assignWaybills(context, list))
const ridesOf = () =>
  rows<{ waybill_id: number; zone: string; truck: string | null; slot: string | null; reason: string | null }>(
    `select waybill_id::int, zone.code as zone, vehicle.code as truck, assignment.slot_code as slot, reason from routing.assignment
     join routing.zone on zone.id = assignment.zone_id left join routing.route on route.id = route_id left join routing.vehicle on vehicle.id = route.vehicle_id
     where assignment.state <> 'released' order by waybill_id`,
  )

it('own trucks come first, then those of the neighbour on the open route or on a new one, and the place stays one of the own quota', async () => {
  await settle()
  await assign([1, 2, 3, 4].map((id) => waybill(id, 0.09)))
  expect((await ridesOf()).map(({ zone: own, truck }) => `${own} ${truck}`)).toEqual(['A T-A', 'A T-A', 'A T-B', 'A T-B'])
  await assign([waybill(5, 0.11)])
  expect(
    await rows(`select zone.code, used from routing.quota join routing.zone on zone.id = zone_id where used > 0 order by zone.code`),
  ).toEqual([
    { code: 'A', used: 4 },
    { code: 'B', used: 1 },
  ])
  expect(
    await rows(
      `select zone.code, stops, why like '%for zone A%' as helps from routing.route join routing.zone on zone.id = zone_id order by zone.code`,
    ),
  ).toEqual([
    { code: 'A', stops: 2, helps: false },
    { code: 'B', stops: 3, helps: true },
  ])
  expect(await broken()).toEqual([])
  // What rides with the neighbour gives back there, and its place here.
  await write((context) => routing.releaseAssignments(context, [{ waybillId: 4, attempt: 1, actor: 'test', commandId: 'd' }]))
  expect(await rows(`select zone.code, stops from routing.route join routing.zone on zone.id = zone_id order by zone.code`)).toEqual([
    { code: 'A', stops: 2 },
    { code: 'B', stops: 2 },
  ])
  expect(await broken()).toEqual([])
})

it('then another slot for those that take any, and last the queue with the numbers of both zones', async () => {
  await settle()
  await assign(Array.from({ length: 8 }, (_, at) => waybill(at + 1, 0.09)))
  await assign([waybill(9, 0.09, null), waybill(10, 0.09)])
  const rides = await ridesOf()
  expect(rides.at(-2)).toMatchObject({ zone: 'A', truck: 'T-A', slot: 'S12' })
  expect(rides.at(-1)).toMatchObject({ truck: null })
  expect(rides.at(-1)?.reason).toMatch(/1 pieces over on truck T-A; .*; zone B: 1 pieces over on truck T-B; /)
  expect(await broken()).toEqual([])
})

it('without an agreement nobody helps, and an agreement with nobody is refused by its field', async () => {
  await settle({ neighbours: [] })
  await assign([1, 2, 3].map((id) => waybill(id, 0.09)))
  expect((await ridesOf()).map(({ truck }) => truck)).toEqual(['T-A', 'T-A', null])
  const [imported] = await write((context) =>
    routing.importZones(context, [{ features: [zone('A', 0, { neighbours: ['B', 'Z'] }), zone('B', 0.1, { neighbours: ['B'] })] }]),
  )
  expect(imported?.ok && imported.value.features.map((one) => (one.ok ? 'ok' : `${one.error.code} ${one.error.field}`))).toEqual([
    'routing.unknown_zone /features/0/properties/neighbours/1',
    'routing.bad_zone /features/1/properties/neighbours',
  ])
})

it('a run asks the neighbours for what its zones have no truck for', async () => {
  await settle({ planning: 'wave' })
  await assign(Array.from({ length: 6 }, (_, at) => waybill(at + 1, 0.09)))
  const outcome = await routing.runs.run(t.live, { date, actor: 'test' })
  expect(outcome.ok && outcome.value).toMatchObject({ totals: { assigned: 2, unassigned: 4 }, committed: { assigned: 2, helped: 4 } })
  expect((await ridesOf()).map(({ truck }) => truck).toSorted()).toEqual(['T-A', 'T-A', 'T-B', 'T-B', 'T-B', 'T-B'])
  expect(await broken()).toEqual([])
  // The neighbour's own run plans them with its others, and takes nobody off.
  await assign([waybill(7, 0.12)])
  const again = await routing.runs.run(t.live, { date, actor: 'test', zoneCodes: ['B'] })
  expect(again.ok && again.value.committed).toMatchObject({ assigned: 1, conflicts: 0 })
  expect(await broken()).toEqual([])
})

it('breaks no law while both zones take and give back at once', { timeout: 60_000 }, async () => {
  await settle({ capacity: 12 })
  const one = async (from: number, lng: number) => {
    for (let id = from; id < from + 12; id += 3) {
      await assign([id, id + 1, id + 2].map((each) => waybill(each, lng)))
      await write((context) => routing.releaseAssignments(context, [{ waybillId: id, attempt: 1, actor: 'test', commandId: 'd' }]))
    }
  }
  await Promise.all([one(1, 0.09), one(101, 0.11), one(201, 0.08)])
  expect(await broken()).toEqual([])
})
