import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ReportedFact } from '#tracking'
import { openTracking } from '#tracking'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'

let t: TestDatabases
const tracking = openTracking()
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

it('puts a month away without moving a shipment, and refuses a late fact of it by the name of its file where there is no archive', async () => {
  const database = t.databases.of('tracking')
  const month = '2026-01-01'
  const admin = await t.admin('live')
  await admin.query('select tracking.open_month($1::date)', [month])
  await admin.query(`select tracking.open_month('2026-02-01')`)
  const fact = (code: string, at: string, change: Partial<ReportedFact> = {}): ReportedFact => ({
    carrier: 'posta',
    number: 'OLD1',
    code,
    occurredAt: new Date(at),
    source: 'posta',
    sourceId: `${code}-${at}`,
    ...change,
  })
  const record = (...facts: ReportedFact[]) => database.write(t.live, (context) => tracking.recordFacts(context, facts))
  const view = async () => (await database.read(t.live, (context) => tracking.shipmentsBy(context, 'number', [{ number: 'OLD1' }])))[0]?.[0]
  await record(
    fact('accepted', '2026-01-30T08:00:00Z'),
    fact('out_for_delivery', '2026-01-31T08:00:00Z'),
    fact('delivered', '2026-01-31T09:00:00Z'),
    // It is taken back in the next month: the base must know.
    fact('void', '2026-02-01T07:00:00Z', { voidsSourceId: 'delivered-2026-01-31T09:00:00Z' }),
    fact('attempted', '2026-02-01T08:00:00Z'),
  )
  const before = await view()
  expect(before).toMatchObject({ state: 'attempted', attempt: 1 })

  const sealFrom = (after: number) => database.write(t.live, (context) => tracking.months.seal(context, month, after))
  await database.write(t.live, (context) => tracking.months.begin(context, month))
  const last = await sealFrom(0)
  expect(last).toBeGreaterThan(0)
  expect(await sealFrom(last ?? 0)).toBeNull()
  expect(await sealFrom(0)).toBeNull()
  await record(fact('accepted', '2026-01-05T08:00:00Z', { number: 'OLD2' }))
  await database.write(t.live, (context) => tracking.months.detach(context, month))
  const page = await database.write(t.live, (context) => tracking.months.takePage(context, month, 0))
  expect(page.map((row) => row['code']).toSorted()).toEqual(['accepted', 'accepted', 'delivered', 'out_for_delivery'])
  await database.write(t.live, (context) => tracking.months.drop(context, month, { file: 'a.parquet', facts: page.length }))
  expect(await view()).toMatchObject({ state: 'attempted', attempt: 1, timeline: [{ code: 'void' }, { code: 'attempted' }] })

  // The file is not there for this one.
  const [late, later] = await record(fact('returning', '2026-01-31T10:00:00Z'), fact('delivered', '2026-02-02T12:00:00Z'))
  expect(late).toMatchObject({ ok: false, error: { code: 'tracking.archive_unreadable', detail: expect.stringContaining('a.parquet') } })
  expect(later).toMatchObject({ ok: true, value: { state: 'delivered' } })
  expect(await view()).toMatchObject({ state: 'delivered', attempt: 2, leg: 1 })
  const laws = await database.survey(t.live, (context) => tracking.check(context))
  expect(laws.filter(({ broken }) => broken > 0)).toEqual([])
  expect(await database.read(t.live, (context) => tracking.months.list(context))).toContainEqual({
    month,
    kept: 'filed',
    file: 'a.parquet',
  })
})

it('this month and the last one can not be taken out, since reads count on them', async () => {
  const database = t.databases.of('tracking')
  // The clock stands in March.
  for (const month of ['2026-02-01', '2026-03-01'])
    await expect(database.write(t.live, (context) => tracking.months.detach(context, month))).rejects.toThrow(/stay in tables/)
})
