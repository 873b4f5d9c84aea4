import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ReadContext, Statement } from '#platform/database.ts'
import { type Explained, rowsLookedAt } from '#test/explained.ts'
import { type ContainersRig, openContainersRig } from './containers-rig.ts'
import { findPassages } from './find-passages.ts'
import { viewContainers } from './find-places.ts'

let rig: ContainersRig
beforeAll(async () => {
  rig = await openContainersRig()
})
afterAll(() => rig.close())

it('looks up the containers that a walk comes to and reads no others, also where the planner fears many', async () => {
  const [truck = '', ...totes] = await rig.totes(200)
  const inTruck = totes.slice(0, 5)
  rig.waybills.set(1, { waybillId: 1, state: 'picked', ended: false, items: [{ itemNo: 1, quantity: 2 }] })
  await rig.one('containers.pack', { code: inTruck[0], waybillId: 1 })
  await rig.all(
    'containers.nest',
    inTruck.map((code) => ({ code, into: truck })),
  )
  await rig.one('containers.move', { code: truck, place: 'dock' })
  rig.pass(10)

  const asked: { statement: Statement<unknown>; parameters: readonly unknown[]; rows: number }[] = []
  await rig.t.databases.of('containers').read(rig.t.live, async (context) => {
    const listening = {
      async query(statement: Statement<unknown>, parameters: readonly unknown[]) {
        const rows = await context.query(statement, parameters)
        asked.push({ statement, parameters, rows: rows.length })
        return rows
      },
    } as unknown as ReadContext
    await viewContainers(
      listening,
      [truck, ...inTruck].map((scanned) => ({ scanned, at: rig.t.clock.now() })),
    )
    await findPassages(listening, [1])
  })

  const admin = await rig.t.admin('live')
  // The cheapest for a planner that expects many, wherever it has a choice.
  await admin.query('set enable_nestloop = off')
  const walks = asked.filter(({ statement }) => /find_(places|above|below|passages)$/.test(statement.name))
  expect(walks.map(({ rows }) => rows)).toEqual([6, 5, 5, 1])
  for (const { statement, parameters } of walks) {
    const { rows } = await admin.query<Explained>(`explain (analyze, format json) ${statement.text}`, [...parameters])
    expect(rowsLookedAt(rows[0], 'container'), statement.name).toBeLessThanOrEqual(12)
  }
})
