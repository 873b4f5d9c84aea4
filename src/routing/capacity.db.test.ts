import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type AssignWaybill, type HoldPlaces, openRouting, type Routing } from './index.ts'

let t: TestDatabases
let routing: Routing
const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('routing').write(t.live, work)
const codesOf = (outcomes: readonly { ok: boolean; error?: { code: string; field?: string } }[]) =>
  outcomes.map(({ ok, error }) => (ok ? 'ok' : `${error?.code} ${error?.field}`))
const broken = async () =>
  (await t.databases.of('routing').read(t.live, (context) => routing.check(context))).filter((report) => report.broken > 0)
const rows = async <Row>(sql: string): Promise<Row[]> => (await (await t.admin('live')).query(sql)).rows
const ring = [
  [0, 40],
  [1, 40],
  [1, 41],
  [0, 41],
  [0, 40],
]
const feature = (properties: object) => ({ type: 'Feature', properties, geometry: { type: 'Polygon', coordinates: [ring] } })
const hold = (change: Partial<HoldPlaces> = {}): HoldPlaces => ({
  reference: 'cart-1',
  zoneCode: 'A',
  date: '2026-03-03',
  slotCode: 'AM',
  places: [{ skuType: 'dry', places: 1 }],
  ttlSeconds: 600,
  ...change,
})
const left = async () => {
  const [slots] = await t.databases
    .of('routing')
    .read(t.live, (context) => routing.availability(context, [{ zoneId: zoneId, skuType: 'dry', from: '2026-03-03', to: '2026-03-03' }]))
  return slots?.map((slot) => slot.left)
}
let zoneId = 0

beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())
beforeEach(async () => {
  t.clock.set(new Date('2026-03-02T09:00:00Z'))
  routing = openRouting({ database: t.databases.of('routing') })
  await rows(
    `truncate routing.zone, routing.depot, routing.zone_day, routing.slot, routing.slot_rule, routing.quota_rule, routing.place_hold, routing.quota,
     routing.quota_ledger, routing.vehicle, routing.route, routing.assignment, routing.change, routing.outbox`,
  )
  const [imported] = await write((context) =>
    routing.importZones(context, [{ features: [feature({ code: 'A', timeZone: 'America/Toronto' })] }]),
  )
  const [zone] = imported?.ok ? imported.value.features : []
  zoneId = zone?.ok ? zone.value.zoneId : 0
})

const weekly = async (capacity: number, trucks?: number) => {
  const slot = { zoneCode: 'A', code: 'AM', startsAt: '08:00', endsAt: '12:00', cutOffMinutes: 600 }
  await write((context) => routing.putWeeklySlots(context, [{ ...slot, weekday: 'tue' }]))
  const quota = { zoneCode: 'A', slotCode: 'AM', skuType: 'dry', capacity, ...(trucks === undefined ? {} : { trucks }) } as const
  await write((context) => routing.putWeeklyQuotas(context, [{ ...quota, weekday: 'tue' }]))
}

describe('zones with districts and depots', () => {
  it('ties zones to districts of the same file and to the depot of their district, and names what is unknown', async () => {
    await write((context) => routing.putDepots(context, [{ code: 'D', name: 'North', timeZone: 'America/Toronto', lat: 40.1, lng: 0.1 }]))
    const features = [
      feature({ code: 'B', district: 'North' }),
      feature({ code: 'C', district: 'South' }),
      feature({ code: 'E', depot: 'X' }),
      feature({ code: 'F', kind: 'town' }),
      feature({ code: 'North', kind: 'district', depot: 'D' }),
    ]
    const [imported] = await write((context) => routing.importZones(context, [{ features }]))
    expect(codesOf(imported?.ok ? imported.value.features : [])).toEqual([
      'ok',
      'routing.unknown_district /features/1/properties/district',
      'routing.unknown_depot /features/2/properties/depot',
      'routing.bad_zone /features/3/properties/kind',
      'ok',
    ])
    const found = await rows<{ code: string; district: string; depot: string }>(
      `select zone.code, district.code as district, depot.code as depot from routing.zone join routing.zone as district on district.id = zone.district_id
       join routing.depot on depot.id = coalesce(zone.depot_id, district.depot_id)`,
    )
    expect(found).toEqual([{ code: 'B', district: 'North', depot: 'D' }])
    const clocks = await write((context) => routing.putDepots(context, [{ code: 'Y', name: 'Y', timeZone: 'Mars/Base', lat: 0, lng: 0 }]))
    expect(codesOf(clocks)).toEqual(['routing.bad_depot /timeZone'])
  })
})

describe('the calendar', () => {
  it('makes dates from the week, in local time across a change of clocks, and then finds nothing to do', async () => {
    await weekly(5, 2)
    await write((context) =>
      routing.putWeeklySlots(context, [
        { zoneCode: 'A', weekday: 'sun', code: 'S', startsAt: '08:00', endsAt: '10:00', cutOffMinutes: 60 },
      ]),
    )
    expect(await write((context) => routing.openDays(context))).toEqual({ slots: 4, quotas: 2 })
    expect(await write((context) => routing.openDays(context))).toEqual({ slots: 0, quotas: 0 })
    // Clocks in Toronto go forward on 8 March 2026: 08:00 is 13:00 UTC before, 12:00 from then on.
    expect(await rows('select date, starts_at from routing.slot order by starts_at')).toEqual([
      { date: '2026-03-03', starts_at: new Date('2026-03-03T13:00:00Z') },
      { date: '2026-03-08', starts_at: new Date('2026-03-08T12:00:00Z') },
      { date: '2026-03-10', starts_at: new Date('2026-03-10T12:00:00Z') },
      { date: '2026-03-15', starts_at: new Date('2026-03-15T12:00:00Z') },
    ])
    expect(await rows('select date, capacity, trucks, used from routing.quota order by date')).toEqual([
      { date: '2026-03-03', capacity: 5, trucks: 2, used: 0 },
      { date: '2026-03-10', capacity: 5, trucks: 2, used: 0 },
    ])
  })

  it('lets a date override its weekday, and lets the others follow a new rule down to what is sold', async () => {
    await weekly(5)
    await write((context) => routing.openDays(context))
    await write((context) =>
      routing.putQuotas(context, [{ zoneCode: 'A', date: '2026-03-10', slotCode: 'AM', skuType: 'dry', capacity: 1 }]),
    )
    await write((context) => routing.holdPlaces(context, [hold({ places: [{ skuType: 'dry', places: 4 }] })]))
    await weekly(3)
    await write((context) => routing.openDays(context))
    expect(await rows('select date, capacity from routing.quota order by date')).toEqual([
      { date: '2026-03-03', capacity: 4 },
      { date: '2026-03-10', capacity: 1 },
    ])
    expect(
      codesOf(
        await write((context) =>
          routing.putWeeklyQuotas(context, [{ zoneCode: 'A', weekday: 'wed', slotCode: 'AM', skuType: 'dry', capacity: 1 }]),
        ),
      ),
    ).toEqual(['routing.unknown_slot /slotCode'])
  })
})

describe('places held at checkout', () => {
  it('sells a quota of 100 exactly 100 times when 10,000 checkouts hold at once', { timeout: 60_000 }, async () => {
    await weekly(100)
    await write((context) => routing.openDays(context))
    const caller = async (no: number) => {
      const outcomes: Awaited<ReturnType<typeof routing.holdPlaces>> = []
      for (let batch = 0; batch < 5; batch += 1) {
        const holds = Array.from({ length: 250 }, (_, at) => hold({ reference: `c-${no}-${batch}-${at}` }))
        outcomes.push(...(await write((context) => routing.holdPlaces(context, holds))))
      }
      return outcomes
    }
    const outcomes = (await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(caller))).flat()
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(100)
    expect(new Set(codesOf(outcomes))).toEqual(new Set(['ok', 'routing.quota_full /places/0/places']))
    expect(await left()).toEqual([0])
    expect(await broken()).toEqual([])
  })

  it('is one account with the plan: the order that kept its places takes them when the quota is full', async () => {
    await weekly(2)
    await write((context) => routing.openDays(context))
    await write((context) => routing.putVehicles(context, [{ code: 'T', type: 'dry', weightGrams: 10_000, volumeMl: 10_000, pieces: 10 }]))
    await write((context) => routing.holdPlaces(context, [hold({ places: [{ skuType: 'dry', places: 2 }] })]))
    expect(codesOf(await write((context) => routing.keepPlaces(context, [{ reference: 'cart-1', orderId: 7, ttlSeconds: 3600 }])))).toEqual(
      ['ok'],
    )
    const waybill = (waybillId: number, orderId: number): AssignWaybill => ({
      waybillId,
      orderId,
      destination: { postcode: '', lat: 40.5, lng: 0.5 },
      slot: { date: '2026-03-03', code: 'AM' },
      skuType: 'dry',
      weightGrams: 1,
      volumeMl: 1,
      pieces: 1,
      actor: 'test',
      commandId: 'c',
    })
    const assigned = await write((context) => routing.assignWaybills(context, [waybill(1, 8), waybill(2, 7), waybill(3, 7), waybill(4, 7)]))
    expect(
      assigned.map((outcome) => outcome.ok && (outcome.value.state === 'waiting' ? outcome.value.reasonCode : outcome.value.state)),
    ).toEqual(['quota_full', 'assigned', 'assigned', 'quota_full'])
    expect(await rows('select kind, delta from routing.quota_ledger order by kind')).toEqual([
      { kind: 'hold', delta: 2 },
      { kind: 'reserve', delta: 2 },
      { kind: 'take', delta: -2 },
    ])
    expect(await rows('select * from routing.place_hold')).toEqual([])
    expect(await broken()).toEqual([])
  })

  it('moves with the customer, lasts longer when asked again, and gives back at its end, once', async () => {
    await weekly(3)
    await write((context) => routing.openDays(context))
    await write((context) => routing.holdPlaces(context, [hold({ places: [{ skuType: 'dry', places: 3 }] })]))
    expect(codesOf(await write((context) => routing.holdPlaces(context, [hold({ reference: 'cart-2' })])))).toEqual([
      'routing.quota_full /places/0/places',
    ])
    // To another date: what was held comes back at once, and somebody else of the same batch can have it.
    const moved = await write((context) => routing.holdPlaces(context, [hold({ date: '2026-03-10' }), hold({ reference: 'cart-2' })]))
    expect(codesOf(moved)).toEqual(['ok', 'ok'])
    expect(await left()).toEqual([2])
    t.clock.set(new Date('2026-03-02T09:09:00Z'))
    await write((context) => routing.holdPlaces(context, [hold({ date: '2026-03-10' })]))
    t.clock.set(new Date('2026-03-02T09:11:00Z'))
    const ended = await Promise.all([1, 2].map(() => write((context) => routing.expireHolds(context))))
    expect(ended.toSorted()).toEqual([0, 1])
    expect(await rows('select reference from routing.place_hold')).toEqual([{ reference: 'cart-1' }])
    expect(codesOf(await write((context) => routing.keepPlaces(context, [{ reference: 'cart-2', orderId: 7, ttlSeconds: 60 }])))).toEqual([
      'routing.unknown_hold /reference',
    ])
    // One whose time is over stands in nobody's way, even before the round comes.
    t.clock.set(new Date('2026-03-02T09:30:00Z'))
    const all = hold({ reference: 'cart-3', date: '2026-03-10', places: [{ skuType: 'dry', places: 3 }] })
    expect(codesOf(await write((context) => routing.holdPlaces(context, [all])))).toEqual(['ok'])
    await write((context) => routing.letGoPlaces(context, [{ reference: 'cart-3' }, { reference: 'cart-3' }]))
    expect(await rows('select sum(used)::int as used from routing.quota')).toEqual([{ used: 0 }])
    expect(await broken()).toEqual([])
  })

  it('refuses what can not be held, and holds nothing of it', async () => {
    await weekly(3)
    await write((context) => routing.openDays(context))
    const frozen = { skuType: 'frozen', places: 1 } as const
    const outcomes = await write((context) =>
      routing.holdPlaces(context, [
        hold({ zoneCode: 'Z' }),
        hold({ slotCode: 'PM' }),
        hold({ places: [{ skuType: 'dry', places: 1 }, frozen] }),
        hold({ places: [frozen, frozen] }),
        hold({ places: [{ skuType: 'dry', places: 4 }] }),
      ]),
    )
    expect(codesOf(outcomes)).toEqual([
      'routing.unknown_zone /zoneCode',
      'routing.unknown_slot /slotCode',
      'routing.no_quota /places/1/skuType',
      'routing.bad_hold /places',
      'routing.quota_full /places/0/places',
    ])
    t.clock.set(new Date('2026-03-03T03:00:00Z'))
    expect(codesOf(await write((context) => routing.holdPlaces(context, [hold()])))).toEqual(['routing.slot_closed /slotCode'])
    expect(await left()).toEqual([3])
  })
})
