import { afterAll, beforeAll, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { openRouting, type PutWeeklyQuota, type Routing } from './index.ts'

let t: TestDatabases
let routing: Routing
const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('routing').write(t.live, work)
const rows = async <Row>(sql: string, values: unknown[] = []): Promise<Row[]> => (await (await t.admin('live')).query(sql, values)).rows
const ring = [
  [0, 40],
  [1, 40],
  [1, 41],
  [0, 41],
  [0, 40],
]

beforeAll(async () => {
  t = await openTestDatabases()
  t.clock.set(new Date('2026-03-02T09:00:00Z'))
  routing = openRouting({ database: t.databases.of('routing') })
  const feature = { type: 'Feature', properties: { code: 'A' }, geometry: { type: 'Polygon', coordinates: [ring] } }
  await write((context) => routing.importZones(context, [{ features: [feature] }]))
  await write((context) =>
    routing.putWeeklySlots(
      context,
      ['AM', 'PM'].map((code, at) => ({
        zoneCode: 'A',
        weekday: 'tue' as const,
        code,
        startsAt: at === 0 ? '08:00' : '13:00',
        endsAt: at === 0 ? '12:00' : '18:00',
        cutOffMinutes: 60,
      })),
    ),
  )
})
afterAll(() => t.close())

const rule = (change: Partial<PutWeeklyQuota> = {}): PutWeeklyQuota => ({
  zoneCode: 'A',
  weekday: 'tue',
  slotCode: 'AM',
  skuType: 'dry',
  capacity: 500,
  trucks: 4,
  stopsPerTruck: 25,
  ...change,
})
const put = (...rules: PutWeeklyQuota[]) => write((context) => routing.putWeeklyQuotas(context, rules))
const open = () => write((context) => routing.openDays(context))
const quotas = () =>
  rows<{ slot_code: string; capacity: number; why: string | null }>(
    `select slot_code, capacity, why from routing.quota where date = '2026-03-03' order by slot_code`,
  )

it('plans by trucks and stops, learns once a day what was lost, sells that much more and says why', async () => {
  await put(rule({ overbookMostPercent: 120 }), rule({ slotCode: 'PM' }))
  await open()
  expect(await quotas()).toEqual([
    { slot_code: 'AM', capacity: 100, why: expect.stringContaining('0 of 0 places of 0 dates were lost after the cut-off: too few') },
    { slot_code: 'PM', capacity: 100, why: '4 trucks × 25 stops, never more than 500' },
  ])
  // Forty past dates, both slots: 50 places used on each, five of them lost.
  await rows(
    `with past as (select to_char(date '2026-02-28' - at, 'YYYY-MM-DD') as date from generate_series(0, 39) as at),
     days as (insert into routing.zone_day (zone_id, date) select zone.id, past.date from routing.zone cross join past returning zone_id, date),
     slots as (insert into routing.slot (zone_id, date, code, starts_at, ends_at, cut_off_at)
       select zone_id, date, code, (date || ' 08:00+00')::timestamptz, (date || ' 12:00+00')::timestamptz, (date || ' 07:00+00')::timestamptz
       from days cross join unnest(array['AM', 'PM']) as code returning zone_id, date, code),
     quotas as (insert into routing.quota (zone_id, date, slot_code, sku_type, capacity, used) select zone_id, date, code, 'dry', 100, 50 from slots returning id)
     insert into routing.quota_ledger (quota_id, kind, delta, waybill_ids, occurred_at)
     select id, kind, case kind when 'reserve' then 50 else 0 end, array(select id * 100 + n from generate_series(1, case kind when 'reserve' then 50 else 5 end) as n), now()
     from quotas cross join unnest(array['reserve', 'burn']) as kind`,
  )
  // The same day nothing is learned anew: whoever asks twice gets the same.
  expect(await open()).toEqual({ slots: 0, quotas: 0 })
  t.clock.set(new Date('2026-03-03T00:30:00Z'))
  // A tenth was lost, 8.7 % for sure: 109 % of 100 places.
  // Two dates that follow the rule, and both slots of a new one.
  expect(await open()).toEqual({ slots: 2, quotas: 4 })
  expect(await quotas()).toEqual([
    {
      slot_code: 'AM',
      capacity: 109,
      why: expect.stringContaining('4 trucks × 25 stops × 109 %, never more than 500; 200 of 2000 places of 40 dates'),
    },
    { slot_code: 'PM', capacity: 100, why: '4 trucks × 25 stops, never more than 500' },
  ])
  await put(rule({ overbookMostPercent: 105 }))
  await open()
  expect((await quotas())[0]?.capacity).toBe(105)
  await put(rule({ overbookMostPercent: 120, capacity: 90 }))
  await open()
  expect((await quotas())[0]?.capacity).toBe(90)
})

it('says the numbers that hold, though the places are as many as before, and writes nothing while they do', async () => {
  const why = async () => (await quotas())[0]?.why
  // The bound and what may be sold at most are others, and both still come to 105 places.
  await put(rule({ overbookMostPercent: 105 }))
  await open()
  await put(rule({ overbookMostPercent: 105, capacity: 400 }))
  expect((await open()).quotas).toBeGreaterThan(0)
  expect(await quotas()).toMatchObject([{ capacity: 105, why: expect.stringContaining('never more than 400; ') }, {}])
  expect(await open()).toEqual({ slots: 0, quotas: 0 })
  // More are sold than a smaller plan has.
  await rows(`update routing.quota set used = 60 where date = '2026-03-03' and slot_code = 'AM'`)
  await put(rule({ trucks: 2 }))
  await open()
  expect(await quotas()).toMatchObject([{ capacity: 60, why: '2 trucks × 25 stops, never more than 500, but 60 are taken already' }, {}])
  // A rule that no longer plans leaves no numbers behind.
  const { stopsPerTruck: _, ...plain } = rule({ capacity: 60, trucks: 2 })
  await put(plain)
  await open()
  expect(await why()).toBeNull()
  await rows(`update routing.quota set used = 0 where date = '2026-03-03' and slot_code = 'AM'`)
})

it('learns from places that a checkout kept past the cut-off and then let go, as from those that waybills lost', async () => {
  await put(rule({ overbookMostPercent: 150 }))
  // On each past date five places were burnt (above), five more let go after the cut-off, and ninety before it, which others could have.
  await rows(
    `insert into routing.quota_ledger (quota_id, kind, delta, waybill_ids, reference, occurred_at)
     select quota.id, 'let_go', delta, '{}', 'cart', cut_off_at + make_interval(mins => minutes)
     from routing.quota join routing.slot on slot.zone_id = quota.zone_id and slot.date = quota.date and slot.code = quota.slot_code
     cross join (values (-5, 10), (-90, -10)) as lapse (delta, minutes) where quota.date < '2026-03-01'`,
  )
  t.clock.set(new Date('2026-03-03T01:00:00Z'))
  await rows('update routing.quota_learned set learned_on = $1', ['2026-03-01'])
  await open()
  // 400 of 2200 are 18.2 %, 16.5 % for sure.
  expect((await quotas())[0]).toMatchObject({ capacity: 119, why: expect.stringContaining('400 of 2200 places of 40 dates') })
})

it('refuses a rule without a plan, by its field', async () => {
  const { trucks: _, ...noTrucks } = rule()
  const { stopsPerTruck: __, ...noStops } = rule({ overbookMostPercent: 110 })
  const outcomes = await put(noTrucks, noStops)
  expect(outcomes.map((one) => (one.ok ? 'ok' : `${one.error.code} ${one.error.field}`))).toEqual([
    'routing.bad_quota /trucks',
    'routing.bad_quota /stopsPerTruck',
  ])
})
