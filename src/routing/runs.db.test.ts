import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type AssignWaybill, openRouting, type Routing } from './index.ts'

let t: TestDatabases
let routing: Routing
const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('routing').write(t.live, work)
const rows = async <Row>(sql: string, values: unknown[] = []): Promise<Row[]> => (await (await t.admin('live')).query(sql, values)).rows
const broken = async () =>
  (await t.databases.of('routing').read(t.live, (context) => routing.check(context))).filter((report) => report.broken > 0)
const date = '2026-03-03'
const zone = (code: string, west: number, planning: string) => ({
  type: 'Feature',
  properties: { code, depot: 'D', planning },
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
let lastWaybill = 0
/** Three waybills of a door; every tenth is frozen. */
const waybills = (count: number, { west = 0, slot = 'S08' }: { west?: number; slot?: string } = {}): AssignWaybill[] =>
  Array.from({ length: count }, () => {
    lastWaybill += 1
    const door = Math.floor(lastWaybill / 3)
    const at = { lat: 40.001 + ((door * 37) % 97) / 1000, lng: west + 0.001 + ((door * 53) % 89) / 1000 }
    const load = { skuType: lastWaybill % 10 === 0 ? 'frozen' : 'dry', weightGrams: 5000, volumeMl: 20_000, pieces: 2 } as const
    return {
      waybillId: lastWaybill,
      orderId: door,
      destination: { postcode: '', ...at },
      slot: { date, code: slot },
      ...load,
      actor: 'test',
      commandId: 'c',
    }
  })
const assign = (list: readonly AssignWaybill[]) => write((context) => routing.assignWaybills(context, list))
const run = async (asked: { seed?: number; preview?: boolean; zoneCodes?: string[]; attemptsPerDoor?: number } = {}) => {
  const outcome = await routing.runs.run(t.live, { date, attemptsPerDoor: 5, actor: 'test', ...asked })
  if (!outcome.ok) throw new Error(outcome.error.detail)
  return outcome.value
}
const pathsOf = () =>
  rows<{ id: string; path: { waybills: number[] }[]; version: number; state: string }>(
    `select id, path, version, state from routing.route where state <> 'dropped' order by id`,
  )

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

/** Two zones with two slots; A waits for runs, B does not. */
async function settle({ trucks = 12, capacity = 300, planning = 'wave' } = {}) {
  await write((context) => routing.putDepots(context, [{ code: 'D', name: 'D', timeZone: 'UTC', lat: 40.05, lng: 0.1 }]))
  await write((context) => routing.importZones(context, [{ features: [zone('A', 0, planning), zone('B', 0.1, 'incremental')] }]))
  const slots = ['A', 'B'].flatMap((zoneCode) =>
    ['08', '10'].map((hour) => ({
      zoneCode,
      date,
      code: `S${hour}`,
      startsAt: `${hour}:00`,
      endsAt: `${Number(hour) + 2}:00`,
      cutOffMinutes: 60,
    })),
  )
  await write((context) => routing.putSlots(context, slots))
  const quotas = slots.flatMap(({ zoneCode, code }) =>
    (['dry', 'frozen'] as const).map((skuType) => ({ zoneCode, date, slotCode: code, skuType, capacity })),
  )
  await write((context) => routing.putQuotas(context, quotas))
  const vehicles = Array.from({ length: trucks }, (_, at) => ({
    ...({ code: `T-${at}`, type: at % 3 === 0 ? 'mixed' : 'dry', weightGrams: 600_000, volumeMl: 2_000_000, pieces: 200 } as const),
    tripCost: at % 3 === 0 ? 6000 : 5000,
  }))
  await write((context) => routing.putVehicles(context, vehicles))
}

describe('runs of the planner', () => {
  it('assign what waits for them, exactly within the quota, and tell each waybill or its reason', async () => {
    await settle({ capacity: 50 })
    const all = [...waybills(120), ...waybills(40, { slot: 'S10' })]
    const waiting = await assign(all)
    expect(new Set(waiting.map((outcome) => outcome.ok && outcome.value.state === 'waiting' && outcome.value.reasonCode))).toEqual(
      new Set(['awaits_run']),
    )
    const { totals, committed } = await run()
    // 108 dry and 12 frozen ones want 50 dry places of the first slot.
    expect(totals).toMatchObject({ zones: 2, assigned: 50 + 12 + 40, unassigned: 58 })
    expect(committed).toMatchObject({ conflicts: 0, assigned: 102, moved: 0, waiting: 58 })
    expect(await broken()).toEqual([])
    expect(await rows(`select count(*)::int as count from routing.outbox where type = 'routing.assigned'`)).toEqual([{ count: 102 }])
    expect(await rows(`select distinct reason from routing.assignment where state = 'waiting'`)).toEqual([
      { reason: 'all 50 dry places of slot S08 on 2026-03-03 of zone A are taken' },
    ])
    expect(await run()).toMatchObject({ totals: { assigned: 0, unassigned: 58 }, committed: { routes: 0, moved: 0 } })
  })

  it('say in numbers what no truck could take, and use the trucks that another zone leaves', async () => {
    await settle({ trucks: 3 })
    await assign([...waybills(150), ...waybills(1, { west: 0.1 })])
    await run()
    const reasons = await rows<{ reason_code: string; reason: string }>(
      `select reason_code, reason from routing.assignment where state = 'waiting'`,
    )
    expect(reasons.length).toBeGreaterThan(0)
    for (const { reason_code, reason } of reasons) {
      expect(reason_code).toBe('no_vehicle')
      expect(reason).toMatch(
        /(\d+ (min late|kg|litres|pieces over)|no truck takes \w+ goods).*\d+ routes open and \d+ of \d+ fitting trucks free/,
      )
    }
    expect(await rows(`select count(distinct vehicle_id)::int as trucks from routing.route`)).toEqual([{ trucks: 3 }])
    expect(await broken()).toEqual([])
  })

  it('are the same for the same seed, change nothing as a preview, and can be compared and made true later', async () => {
    await settle()
    await assign(waybills(120))
    const [one, two] = [await run({ preview: true, seed: 7 }), await run({ preview: true, seed: 7 })]
    const three = await run({ preview: true, seed: 8, attemptsPerDoor: 0 })
    expect(await pathsOf()).toEqual([])
    const plans = (runId: number) => rows('select zone_id, slot_code, plan from routing.plan_cell where run_id = $1 order by 1, 2', [runId])
    expect(await plans(one.runId)).toEqual(await plans(two.runId))
    expect(three.totals.costAfter).toBeGreaterThanOrEqual(one.totals.costAfter)
    // One of the waybills is called off before the preview is made true.
    await write((context) => routing.releaseAssignments(context, [{ waybillId: lastWaybill, attempt: 1, actor: 'test', commandId: 'c' }]))
    const made = await routing.runs.commitRun(t.live, one.runId)
    expect(made).toMatchObject({ ok: true, value: { committed: { assigned: 119, conflicts: 0 } } })
    expect(await routing.runs.commitRun(t.live, one.runId)).toMatchObject({ ok: false, error: { code: 'routing.run_committed' } })
    // The third was made on a picture that is old by now: its trucks are out, and nobody is taken from where he rides.
    expect(await routing.runs.commitRun(t.live, three.runId)).toMatchObject({ ok: true, value: { committed: { assigned: 0 } } })
    expect(await broken()).toEqual([])
  })

  it('are one at a time for a zone and date, and a run that died does not block for ever', async () => {
    await settle()
    const start = (zoneCodes: string[]) => write((context) => routing.runs.start(context, { date, zoneCodes, actor: 'test' }))
    const both = await Promise.all([start(['A']), start(['A', 'B'])])
    expect(both.filter(({ ok }) => ok)).toHaveLength(1)
    expect(both.find(({ ok }) => !ok)).toMatchObject({ error: { code: 'routing.run_under_way' } })
    expect(await start(['Z'])).toMatchObject({ ok: false, error: { code: 'routing.unknown_zone', field: '/zoneCodes/0' } })
    expect(await Promise.all([routing.runs.workDue(t.live), routing.runs.workDue(t.live)]).then((done) => done.toSorted())).toEqual([0, 1])
    await rows(`update routing.zone_day set run_id = 99, run_until = '2026-03-02T09:04:00Z'`)
    expect((await start(['A'])).ok).toBe(false)
    t.clock.set(new Date('2026-03-02T09:05:00Z'))
    expect((await start(['A'])).ok).toBe(true)
  })

  it('begin by themselves when a slot of a zone that is planned in waves has closed', async () => {
    await settle()
    await assign([...waybills(30), ...waybills(30, { slot: 'S10' })])
    expect(await routing.runs.workDue(t.live)).toBe(0)
    t.clock.set(new Date('2026-03-03T07:00:01Z'))
    expect(await routing.runs.workDue(t.live)).toBe(1)
    expect(await rows(`select distinct state from routing.assignment`)).toEqual([{ state: 'assigned' }])
    expect(await routing.runs.workDue(t.live)).toBe(0)
  })

  it('leave locked routes, frozen stops and what was moved by hand where they are', async () => {
    await settle({ planning: 'incremental' })
    await assign(waybills(150))
    const before = await pathsOf()
    expect(before.length).toBeGreaterThan(3)
    const [locked, frozen, from, to] = before.map(({ id, path }) => ({ id: Number(id), path, ids: path.flatMap((stop) => stop.waybills) }))
    const who = { actor: 'test', commandId: 'c' }
    await write((context) =>
      routing.changeRoutes(context, [
        { routeId: locked?.id ?? 0, to: 'locked', ...who },
        { routeId: frozen?.id ?? 0, to: 'open', frozen: 3, ...who },
      ]),
    )
    const dry = await rows<{ waybill_id: string }>(`select waybill_id from routing.assignment where route_id = $1 and sku_type = 'dry'`, [
      from?.id,
    ])
    const moves = await Promise.all(
      dry.map(({ waybill_id }) =>
        write((context) => routing.moveAssignments(context, [{ waybillId: Number(waybill_id), routeId: to?.id ?? 0, ...who }])),
      ),
    )
    const moved = moves.flat().flatMap((outcome) => (outcome.ok ? [outcome.value.waybillId] : []))
    expect(moved.length).toBeGreaterThan(0)
    for (const outcome of moves.flat())
      if (!outcome.ok) expect(outcome.error.detail).toMatch(/\d+ (min late|kg over|litres over|pieces over)/)
    const toLocked = await write((context) =>
      routing.moveAssignments(context, [{ waybillId: moved[0] ?? 0, routeId: locked?.id ?? 0, ...who }]),
    )
    expect(toLocked).toMatchObject([{ ok: false, error: { code: 'routing.route_not_open' } }])
    const { committed } = await run({ attemptsPerDoor: 30 })
    expect(committed?.conflicts).toBe(0)
    const after = new Map((await pathsOf()).map(({ id, path }) => [Number(id), path]))
    expect(after.get(locked?.id ?? 0)).toEqual(locked?.path)
    expect(after.get(frozen?.id ?? 0)?.slice(0, 3)).toEqual(frozen?.path.slice(0, 3))
    const riding = new Set(after.get(to?.id ?? 0)?.flatMap((stop) => stop.waybills))
    expect(moved.filter((id) => !riding.has(id))).toEqual([])
    expect(await broken()).toEqual([])
  })

  it('lose only the routes that changed while they were planned, whatever changed them', { timeout: 60_000 }, async () => {
    await settle({ planning: 'incremental', trucks: 40 })
    await assign(waybills(200))
    await assign(waybills(30, { west: 0.1 }))
    const preview = await run({ preview: true, attemptsPerDoor: 30 })
    const planned = await rows<{ routes: number }>(
      `select coalesce(sum(json_array_length(plan -> 'routes')), 0)::int as routes from routing.plan_cell where run_id = $1`,
      [preview.runId],
    )
    // Three are called off, and some more come, on routes that the plan knows otherwise.
    const gone = [5, 60, 110].map((back) => ({ waybillId: lastWaybill - 30 - back, attempt: 1, actor: 'test', commandId: 'c' }))
    await write((context) => routing.releaseAssignments(context, gone))
    await assign(waybills(3))
    const assigned = () => rows(`select count(*)::int as count from routing.assignment where state = 'assigned'`)
    const before = await assigned()
    const made = await routing.runs.commitRun(t.live, preview.runId)
    if (!made.ok) throw new Error(made.error.detail)
    const { routes = 0, conflicts = 0 } = made.value.committed ?? {}
    expect(routes + conflicts).toBe(planned[0]?.routes)
    expect(conflicts).toBeGreaterThan(0)
    expect(await broken()).toEqual([])
    expect(await assigned()).toEqual(before)
  })

  it('break no law while waybills come and go and people move them, at once', { timeout: 60_000 }, async () => {
    await settle({ planning: 'incremental', trucks: 9 })
    const come = async () => {
      for (let round = 0; round < 6; round += 1) {
        const some = waybills(15, { slot: round % 2 === 0 ? 'S08' : 'S10' })
        await assign(some)
        await write((context) =>
          routing.releaseAssignments(context, [{ waybillId: some[3]?.waybillId ?? 0, attempt: 1, actor: 'test', commandId: 'c' }]),
        )
      }
    }
    const plan = async () => {
      for (let round = 0; round < 4; round += 1) await run({ seed: round, attemptsPerDoor: 3 })
    }
    const push = async () => {
      for (let round = 0; round < 6; round += 1) {
        const [pair] = await rows<{ waybill_id: string; id: string }>(
          `select waybill_id, other.id from routing.assignment join routing.route on route.id = route_id
           join routing.route as other on other.starts_at = route.starts_at and other.id <> route.id and other.state = 'open'
           where assignment.state = 'assigned' order by waybill_id desc limit 1`,
        )
        if (pair === undefined) continue
        const move = { waybillId: Number(pair.waybill_id), routeId: Number(pair.id), actor: 'test', commandId: 'c' }
        await write((context) => routing.moveAssignments(context, [move]))
      }
    }
    await Promise.all([come(), come(), plan(), push()])
    expect(await broken()).toEqual([])
  })
})
