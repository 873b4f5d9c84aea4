import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { defineTrackJobs, type TrackJobsParts } from './track-rounds.ts'
import { openTracking } from '#tracking'

let t: TestDatabases
let folder = ''
const tracking = openTracking()
const database = () => t.databases.of('tracking')
beforeAll(async () => {
  t = await openTestDatabases()
  folder = await mkdtemp(join(tmpdir(), 'throughline-months-'))
})
afterAll(async () => {
  await t.close()
  await rm(folder, { recursive: true, force: true })
})

it('behind a long survey a month waits for the next round, and nobody waits behind it', async () => {
  const admin = await t.admin('live')
  await admin.query(`select tracking.open_month('2024-10-01')`)
  const said: string[] = []
  const rounds = new Map<string, (job: { scope: typeof t.live }) => Promise<unknown>>()
  defineTrackJobs({ define: (name: string, handler: never) => rounds.set(name, handler) } as never, {
    config: { trackKeepMonths: 13, dataDir: folder, trackStreamKeepDays: 7 },
    tracking,
    databases: t.databases,
    clock: t.clock,
    watch: undefined as unknown as TrackJobsParts['watch'],
    log: { info: (_facts, message) => said.push(message) },
  })
  const months = () => database().read(t.live, (context) => tracking.months.list(context))
  const stateOf = async () => (await months()).find(({ month }) => month === '2024-10-01')?.kept
  await admin.query('begin')
  await admin.query('select count(*) from tracking.event')
  try {
    await rounds.get('tracking.archive_months')?.({ scope: t.live })
    expect(said).toEqual(['facts are being looked through: their months wait for the next round'])
    expect(await stateOf()).toBe('open')
    await admin.query('commit; begin; lock table tracking.event in row exclusive mode')
    await rounds.get('tracking.archive_months')?.({ scope: t.live })
    expect(said).toHaveLength(2)
    t.clock.set(new Date(t.clock.now().getTime() + 70 * 86_400_000))
    await rounds.get('tracking.open_months')?.({ scope: t.live })
    expect(said).toHaveLength(3)
  } finally {
    await admin.query('rollback')
  }
  await rounds.get('tracking.archive_months')?.({ scope: t.live })
  expect(await stateOf()).toBe('filed')
}, 60_000)
