import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type AssignWaybill, madeCity, openRouting, type Routing } from './index.ts'

let t: TestDatabases
let routing: Routing
const who = { actor: 'system:test', commandId: 'c-1' }
const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('routing').write(t.live, work)
const brokenLaws = async () =>
  (await t.databases.of('routing').read(t.live, (context) => routing.check(context))).filter((report) => report.broken > 0)
const square = (code: string, west: number) => ({
  type: 'Feature',
  properties: { code, timeZone: 'America/Toronto' },
  geometry: {
    type: 'Polygon',
    coordinates: [
      [
        [west, 40],
        [west + 1, 40],
        [west + 1, 41],
        [west, 41],
        [west, 40],
      ],
    ],
  },
})
let lastWaybill = 0
const waybill = (change: Partial<AssignWaybill> = {}): AssignWaybill => {
  lastWaybill += 1
  return {
    waybillId: lastWaybill,
    orderId: lastWaybill,
    destination: { postcode: '', lat: 40.5, lng: 0.5 },
    slot: { date: '2026-03-03', code: 'AM' },
    skuType: 'dry',
    weightGrams: 1000,
    volumeMl: 1000,
    pieces: 1,
    ...who,
    ...change,
  }
}
const assign = (...waybills: AssignWaybill[]) => write((context) => routing.assignWaybills(context, waybills))
const statesOf = (outcomes: Awaited<ReturnType<typeof assign>>) =>
  outcomes.map((outcome) =>
    outcome.ok ? (outcome.value.state === 'waiting' ? outcome.value.reasonCode : outcome.value.state) : outcome.error.code,
  )
const usedOf = async () => {
  const admin = await t.admin('live')
  const { rows } = await admin.query('select coalesce(sum(used), 0)::int as used from routing.quota')
  return rows[0].used as number
}

/** One zone, one slot on 3 March with `capacity` dry places, and trucks of 50 pieces. */
async function setUp(capacity: number, trucks = 10) {
  await write((context) => routing.importZones(context, [{ features: [square('A', 0)] }]))
  const [slot] = await write((context) =>
    routing.putSlots(context, [{ zoneCode: 'A', date: '2026-03-03', code: 'AM', startsAt: '08:00', endsAt: '12:00', cutOffMinutes: 600 }]),
  )
  expect(slot?.ok).toBe(true)
  await write((context) => routing.putQuotas(context, [{ zoneCode: 'A', date: '2026-03-03', slotCode: 'AM', skuType: 'dry', capacity }]))
  const vehicles = Array.from(
    { length: trucks },
    (_, index) => ({ code: `T-${index}`, type: 'dry', weightGrams: 100_000, volumeMl: 100_000, pieces: 50 }) as const,
  )
  await write((context) => routing.putVehicles(context, vehicles))
}

beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())
beforeEach(async () => {
  t.clock.set(new Date('2026-03-02T09:00:00Z'))
  const admin = await t.admin('live')
  await admin.query(
    'truncate routing.zone, routing.zone_day, routing.slot, routing.slot_rule, routing.quota_rule, routing.place_hold, routing.quota, routing.quota_ledger, routing.vehicle, routing.route, routing.assignment, routing.change, routing.outbox',
  )
  await admin.query('update routing.zone_set set version = version + 1')
  routing = openRouting({ database: t.databases.of('routing') })
})

describe('routing on a database', () => {
  it('sells a quota of 100 exactly 100 times when 10,000 ask at once', { timeout: 60_000 }, async () => {
    await setUp(100)
    const batches = Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => waybill()))
    const outcomes = (await Promise.all(batches.map((batch) => assign(...batch)))).flat()
    const states = statesOf(outcomes)
    expect(states.filter((state) => state === 'assigned')).toHaveLength(100)
    expect(states.filter((state) => state === 'quota_full')).toHaveLength(9900)
    expect(await usedOf()).toBe(100)
    expect(await brokenLaws()).toEqual([])
  })

  it('gives a waybill one place however often and from how many callers it is asked', async () => {
    await setUp(10)
    const one = waybill()
    const free = waybill({ slot: null })
    const all = await Promise.all([1, 2, 3].map(() => assign(one, free, one)))
    expect(new Set(all.flat().map((outcome) => JSON.stringify(outcome))).size).toBe(2)
    expect(await usedOf()).toBe(2)
    const admin = await t.admin('live')
    const { rows } = await admin.query('select type, count(*)::int as count from routing.outbox group by type')
    expect(rows).toEqual([{ type: 'routing.assigned', count: 2 }])
  })

  it('gives places back before the cut-off, burns them after it, once each, with a ledger row', async () => {
    await setUp(2)
    const [early, late] = [waybill(), waybill()]
    expect(statesOf(await assign(early, late))).toEqual(['assigned', 'assigned'])
    const release = (waybillId: number) => write((context) => routing.releaseAssignments(context, [{ waybillId, attempt: 1, ...who }]))
    const twice = await Promise.all([release(early.waybillId), release(early.waybillId)])
    expect(
      twice
        .flat()
        .map((outcome) => outcome.ok && outcome.value.places)
        .toSorted(),
    ).toEqual([0, 1])
    expect(await usedOf()).toBe(1)
    t.clock.set(new Date('2026-03-03T04:00:00Z'))
    await release(late.waybillId)
    expect(await usedOf()).toBe(1)
    expect(await brokenLaws()).toEqual([])
    const admin = await t.admin('live')
    const { rows } = await admin.query('select kind, delta from routing.quota_ledger order by id')
    expect(rows).toEqual([
      { kind: 'reserve', delta: 2 },
      { kind: 'give_back', delta: -1 },
      { kind: 'burn', delta: 0 },
    ])
  })

  it('keeps a release that comes before its assignment, and takes no place then', async () => {
    await setUp(2)
    const one = waybill()
    await write((context) => routing.releaseAssignments(context, [{ waybillId: one.waybillId, attempt: 1, ...who }]))
    expect(statesOf(await assign(one, { ...one, attempt: 2 }))).toEqual(['released', 'assigned'])
    expect(await usedOf()).toBe(1)
    expect(await brokenLaws()).toEqual([])
  })

  it('lets a waybill outside of all zones wait, and picks it up when its zone is made', async () => {
    await setUp(5)
    const far = waybill({ destination: { postcode: 'X1', lat: 40.5, lng: 1.5 }, slot: null })
    const [outcome] = await assign(far)
    expect(outcome).toMatchObject({
      ok: true,
      value: { state: 'waiting', reasonCode: 'no_zone', reason: 'address 40.5,1.5 lies in no zone' },
    })
    const retry = () => write((context) => routing.retryUnassigned(context, who))
    expect(await retry()).toEqual({ ok: true, value: { tried: 1, assigned: 0, next: null } })
    await write((context) => routing.importZones(context, [{ features: [square('B', 1), { type: 'Feature' }] }]))
    expect(await retry()).toMatchObject({ ok: true, value: { tried: 1, assigned: 0 } })
    await write((context) =>
      routing.putSlots(context, [{ zoneCode: 'B', date: '2026-03-04', code: 'PM', startsAt: '14:00', endsAt: '18:00', cutOffMinutes: 60 }]),
    )
    await write((context) =>
      routing.putQuotas(context, [{ zoneCode: 'B', date: '2026-03-04', slotCode: 'PM', skuType: 'dry', capacity: 1 }]),
    )
    const both = await Promise.all([retry(), retry()])
    expect(both.map((one) => (one.ok ? one.value.assigned : -1)).toSorted()).toEqual([0, 1])
    const admin = await t.admin('live')
    const { rows } = await admin.query('select type, payload from routing.outbox where key = $1 order by id', [String(far.waybillId)])
    expect(rows.map((row) => row.payload.reasonCode ?? row.type)).toEqual(['no_zone', 'no_slot', 'routing.assigned'])
    expect(await brokenLaws()).toEqual([])
  })

  it('refuses slots in the past, dates of no calendar, and quotas below what is taken', async () => {
    await setUp(5)
    await assign(waybill(), waybill())
    const slot = { zoneCode: 'A', code: 'X', startsAt: '08:00', endsAt: '10:00', cutOffMinutes: 0 }
    const slots = await write((context) =>
      routing.putSlots(context, [
        { ...slot, date: '2026-03-01' },
        { ...slot, date: '2026-02-31' },
        { ...slot, date: '2026-03-05', endsAt: '07:00' },
        { ...slot, date: '2026-03-05', zoneCode: 'Z' },
        { ...slot, date: '2026-03-03', code: 'AM' },
        { ...slot, date: '2026-03-05' },
      ]),
    )
    expect(slots.map((outcome) => (outcome.ok ? 'ok' : outcome.error.code))).toEqual([
      'routing.slot_in_the_past',
      'routing.no_such_date',
      'routing.bad_slot',
      'routing.unknown_zone',
      'routing.slot_in_use',
      'ok',
    ])
    const quota = { zoneCode: 'A', date: '2026-03-03', slotCode: 'AM', skuType: 'dry' } as const
    const quotas = await write((context) =>
      routing.putQuotas(context, [
        { ...quota, capacity: 1 },
        { ...quota, slotCode: 'NO', capacity: 1 },
        { ...quota, capacity: 2 },
      ]),
    )
    expect(quotas.map((outcome) => (outcome.ok ? 'ok' : outcome.error.code))).toEqual([
      'routing.quota_below_use',
      'routing.unknown_slot',
      'ok',
    ])
  })

  it('breaks no capacity and no quota whatever two callers ask and release at once', { timeout: 60_000 }, async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
    console.log(`seed ${seed}`)
    let state = seed
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
      return (state >> 8) % below
    }
    const city = madeCity({ seed, firstDate: '2026-03-03', days: 2, quotaCapacity: 4, vehicles: 24 })
    await write((context) => routing.importZones(context, [{ features: city.features }]))
    const slots = await write((context) => routing.putSlots(context, city.slots))
    expect(slots.every((outcome) => outcome.ok)).toBe(true)
    await write((context) => routing.putQuotas(context, city.quotas))
    await write((context) => routing.putVehicles(context, city.vehicles))
    const known: number[] = []
    const caller = async () => {
      for (let round = 0; round < 12; round += 1) {
        const batch = Array.from({ length: 1 + random(60) }, () =>
          waybill({
            destination: city.address(random(1000)),
            slot:
              random(3) === 0 ? null : { date: `2026-03-0${3 + random(2)}`, code: `S${['08', '10', '12', '14', '16', '18'][random(6)]}` },
            skuType: (['dry', 'frozen', 'mixed'] as const)[random(3)] ?? 'dry',
            pieces: 1 + random(200),
            volumeMl: 1 + random(3_000_000),
          }),
        )
        known.push(...batch.map((one) => one.waybillId))
        const gone = Array.from({ length: random(25) }, () => ({ waybillId: known[random(known.length)] as number, attempt: 1, ...who }))
        await assign(...batch)
        await write((context) => routing.releaseAssignments(context, gone))
        if (round % 4 === 3) await write((context) => routing.retryUnassigned(context, who))
      }
    }
    await Promise.all([caller(), caller(), caller()])
    expect(await brokenLaws()).toEqual([])
    expect(await usedOf()).toBeGreaterThan(50)
  })

  it('sees a quota and an assignment changed by hand', async () => {
    await setUp(5)
    const one = waybill()
    await assign(one)
    const admin = await t.admin('live')
    await admin.query('update routing.quota set used = used + 1')
    await admin.query("update routing.assignment set state = 'released' where waybill_id = $1", [one.waybillId])
    const laws = (await brokenLaws()).map((report) => report.law)
    expect(laws).toContain('the used places of a quota are the sum of its ledger')
    expect(laws).toContain('the load of a route is the sum of its waybills')
    const { rows } = await admin.query("select from_state, to_state from routing.change_log where cause = 'by hand'")
    expect(rows).toEqual([{ from_state: 'assigned', to_state: 'released' }])
  })
})
