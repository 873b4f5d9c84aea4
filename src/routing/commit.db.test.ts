import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { madeCity, openRouting, type Routing } from './index.ts'

let t: TestDatabases
let routing: Routing
const city = madeCity({ seed: 1, firstDate: '2026-03-03', days: 1, quotaCapacity: 50, vehicles: 20 })
const who = { actor: 'system:test', commandId: 'c-1' }
const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('routing').write(t.live, work)
beforeAll(async () => {
  t = await openTestDatabases()
  routing = openRouting({ database: t.databases.of('routing') })
  await write((context) => routing.importZones(context, [{ features: city.features }]))
  await write((context) => routing.putSlots(context, city.slots))
  await write((context) => routing.putVehicles(context, city.vehicles))
  await write((context) => routing.putQuotas(context, city.quotas))
})
afterAll(() => t.close())

const assigned = async (waybillId: number): Promise<string> => {
  const { lat, lng } = city.address(waybillId)
  const load = { skuType: 'dry', weightGrams: 1000, volumeMl: 1000, pieces: 1 } as const
  const asked = { waybillId, orderId: waybillId, destination: { postcode: '', lat, lng }, slot: null, ...load, ...who }
  const [outcome] = await write((context) => routing.assignWaybills(context, [asked]))
  return outcome?.ok ? outcome.value.state : 'refused'
}
const commit = (...waybillIds: number[]) =>
  write((context) =>
    routing.commitAssignments(
      context,
      waybillIds.map((waybillId) => ({ waybillId, attempt: 1 })),
    ),
  )
const ledger = async (waybillId: number): Promise<string[]> => {
  const admin = await t.admin('live')
  const { rows } = await admin.query('select kind, delta from routing.quota_ledger where $1 = any(waybill_ids) order by id', [waybillId])
  return rows.map(({ kind, delta }) => `${kind} ${delta}`)
}
const broken = async () =>
  (await t.databases.of('routing').read(t.live, (context) => routing.check(context))).filter((report) => report.broken > 0)

describe('committing places', () => {
  it('writes one row of the ledger and moves no number, whoever commits at the same time and however often', async () => {
    for (const waybillId of [1, 2, 3]) expect(await assigned(waybillId)).toBe('assigned')
    const all = (await Promise.all([commit(1, 2, 1), commit(2, 1), commit(3, 2, 1)])).flat()
    expect(all.filter((outcome) => outcome.ok && outcome.value.committed)).toHaveLength(3)
    for (const waybillId of [1, 2, 3]) expect(await ledger(waybillId)).toEqual(['reserve 1', 'commit 0'])
    expect(await broken()).toEqual([])
  })

  it('comes too late for a place that is given back, and a committed place can be given back', async () => {
    for (const waybillId of [4, 5]) expect(await assigned(waybillId)).toBe('assigned')
    const release = (waybillId: number) => write((context) => routing.releaseAssignments(context, [{ waybillId, attempt: 1, ...who }]))
    await release(4)
    await commit(4, 5)
    await release(5)
    expect(await ledger(4)).toEqual(['reserve 1', 'give_back -1'])
    expect(await ledger(5)).toEqual(['reserve 1', 'commit 0', 'give_back -1'])
    expect(await commit(99)).toEqual([{ ok: true, value: { waybillId: 99, committed: false } }])
    expect(await broken()).toEqual([])
  })

  it('is missed in the ledger by the check', async () => {
    expect(await assigned(6)).toBe('assigned')
    const admin = await t.admin('live')
    await admin.query('update routing.assignment set committed = true where waybill_id = 6')
    expect(await broken()).toMatchObject([{ law: 'the committed places of a quota are those that its ledger has as committed', broken: 1 }])
  })
})
