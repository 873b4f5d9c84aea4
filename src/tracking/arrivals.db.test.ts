import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { openTracking, type ReportedFact } from './index.ts'

let t: TestDatabases
const tracking = openTracking()
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('tracking').write(t.live, work)
const hourMs = 3600 * 1000
const operation = (id: string) => {
  const found = tracking.operations.find((each) => each.id === id)
  if (found === undefined) throw new Error(`no operation ${id}`)
  return found
}
const viewOf = async (number: string) => {
  const [views] = await t.databases.of('tracking').read(t.live, (context) => tracking.shipmentsBy(context, 'number', [{ number }]))
  return views?.[0]
}

/** Shipments on a lane that were handed over at an hour before now, and delivered after some days, or not yet. */
async function ship(name: string, days: readonly (number | null)[], lane: { from: string; to: string }, ageDays = 30): Promise<void> {
  const now = t.clock.now().getTime()
  const numbers = days.map((_, index) => ({ carrier: 'acme', number: `${name}${index}` }))
  await write((context) =>
    tracking.registerShipments(
      context,
      numbers.map((number) => ({ numbers: [number], ...lane })),
    ),
  )
  const facts = days.flatMap((took, index): ReportedFact[] => {
    const handed = now - ageDays * 24 * hourMs
    const fact = (code: string, at: number): ReportedFact => ({
      carrier: 'acme',
      number: `${name}${index}`,
      source: 'acme',
      code,
      occurredAt: new Date(at),
    })
    return [fact('in_transit', handed), ...(took === null ? [] : [fact('delivered', handed + took * 24 * hourMs)])]
  })
  const outcomes = await write((context) => tracking.recordFacts(context, facts))
  expect(outcomes.filter(({ ok }) => !ok)).toEqual([])
}

describe('arrivals from history', () => {
  it('are not told before a model is fitted, and a model is not fitted on nothing', async () => {
    await ship('EARLY', [null], { from: 'DE', to: 'FR' }, 1)
    expect((await viewOf('EARLY0'))?.arrival).toBeNull()
    expect(await write((context) => tracking.fitArrivals(context))).toBeNull()
    const outcomes = await write((context) => operation('tracking.fit_arrivals').body(context as never, [{ input: {} }] as never))
    expect(outcomes).toMatchObject([{ ok: false, error: { code: 'tracking.nothing_delivered' } }])
  })

  it('are told by lane from what was delivered, by the newest model, until the parcel has come', async () => {
    await ship(
      'NEAR',
      Array.from({ length: 60 }, (_, n) => 1 + (n % 3)),
      { from: 'DE', to: 'FR' },
    )
    await ship(
      'FAR',
      Array.from({ length: 60 }, (_, n) => 9 + (n % 3)),
      { from: 'DE', to: 'BR' },
    )
    const fitted = await write((context) => tracking.fitArrivals(context))
    // The one that is still under way is a case as well: longer than a day.
    expect(fitted).toMatchObject({ shipments: 121, cases: 121 })
    const now = t.clock.now().getTime()
    const near = await viewOf('EARLY0')
    expect(near?.arrival).toMatchObject({ basis: 'in_transit/b?/FR/DE', model: fitted?.model })
    const daysAhead = (at: string | undefined) => (Date.parse(at ?? '') - now) / (24 * hourMs)
    expect(daysAhead(near?.arrival?.at)).toBeGreaterThan(0)
    expect(daysAhead(near?.arrival?.at)).toBeLessThan(3)
    await ship('LATER', [null], { from: 'DE', to: 'BR' }, 1)
    const far = await viewOf('LATER0')
    expect(daysAhead(far?.arrival?.at)).toBeGreaterThan(6)
    expect(daysAhead(far?.arrival?.to)).toBeGreaterThanOrEqual(daysAhead(far?.arrival?.at))
    expect((await viewOf('NEAR0'))?.arrival).toBeNull()
  })

  it('are gone when a parcel turns back or meets a problem, and come again with the next attempt', async () => {
    const tell = (code: string, hours: number) =>
      write((context) =>
        tracking.recordFacts(context, [
          { carrier: 'acme', number: 'EARLY0', source: 'acme', code, occurredAt: new Date(t.clock.now().getTime() - hours * hourMs) },
        ]),
      )
    await tell('exception', 5)
    expect(await viewOf('EARLY0')).toMatchObject({ state: 'exception', arrival: null })
    await tell('in_transit', 2)
    expect((await viewOf('EARLY0'))?.arrival).not.toBeNull()
    await tell('returning', 1)
    expect(await viewOf('EARLY0')).toMatchObject({ state: 'returning', arrival: null })
  })

  it('look at the distance where somebody has said it, and at the newest model only', async () => {
    const put = operation('tracking.put_lane')
    const inputs = [
      { from: 'DE', to: 'FR', distanceKm: 9 },
      { from: 'DE', to: 'FR', distanceKm: 900 },
      { from: 'DE', to: 'BR', distanceKm: 9_500 },
    ]
    expect(await write((context) => put.body(context as never, inputs.map((input) => ({ input })) as never))).toHaveLength(3)
    const before = await viewOf('LATER0')
    const fitted = await write((context) => tracking.fitArrivals(context))
    const after = await viewOf('LATER0')
    expect(after?.arrival?.model).toBe(fitted?.model)
    expect(after?.arrival?.model).toBeGreaterThan(before?.arrival?.model ?? Infinity)
    await ship('NEW', [null], { from: 'DE', to: 'FR' }, 1)
    expect((await viewOf('NEW0'))?.arrival?.basis).toBe('in_transit/b4/FR/DE')
    // Only a distance is known here: what goes as far tells.
    await write((context) => put.body(context as never, [{ input: { from: 'XX', to: 'YY', distanceKm: 850 } }] as never))
    await ship('ELSE', [null], { from: 'XX', to: 'YY' }, 1)
    expect((await viewOf('ELSE0'))?.arrival?.basis).toBe('in_transit/b4')
  })

  it('keep a fortnight of models and no cells of older ones', async () => {
    for (let n = 0; n < 16; n += 1) await write((context) => tracking.fitArrivals(context))
    const { rows } = await (await t.admin('live')).query<{ models: number; strays: number }>(
      `select (select count(*)::int from tracking.arrival_model) as models,
         (select count(*)::int from tracking.arrival_cell where model_id not in (select id from tracking.arrival_model)) as strays`,
    )
    expect(rows).toEqual([{ models: 14, strays: 0 }])
  })
})
