import { mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ConfigError, readConfig } from '#platform/config.ts'
import { untilTrue } from '#test/until.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { firstKept, putAwayBefore } from '../../src/track-archive.ts'

const live = { traffic: 'live', rehearsalId: null } as const
let whole: Whole
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'throughline-retention-'))
  whole = await openWhole({ TRACK_KEEP_MONTHS: '13', DATA_DIR: folder })
}, 120_000)
afterAll(async () => {
  await whole.close()
  await rm(folder, { recursive: true, force: true })
})

/** The middle of a month, some months before this one. */
const monthsAgo = (months: number): Date => {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 15, 12))
}
const nameOf = (at: Date) => at.toISOString().slice(0, 7)

it('keeps this month and as many before it as it is told, and takes no number that is not safe', () => {
  expect(firstKept(new Date('2026-11-27T23:59:59Z'), 13)).toBe('2025-10')
  expect(firstKept(new Date('2026-01-31T00:00:00Z'), 13)).toBe('2024-12')
  expect(() => readConfig({ TRACK_KEEP_MONTHS: '12' })).toThrow(ConfigError)
  expect(() => readConfig({ TRACK_KEEP_MONTHS: '12' })).toThrow(/13 to 1200: facts may come a year late/)
})

it('a round puts away what is older, the shipment stands where it stood, and its timeline says what lies in files', async () => {
  const { core, t } = whole
  const database = core.databases.of('tracking')
  const admin = await t.admin('live')
  const [oldest, old, kept] = [monthsAgo(15), monthsAgo(14), monthsAgo(13)]
  for (const at of [oldest, old, kept]) await admin.query('select tracking.open_month($1::date)', [at])
  const fact = (number: string, code: string, occurredAt: Date) => ({ carrier: 'posta', number, code, occurredAt, source: 'posta' })
  await database.write(live, (context) =>
    core.tracking.recordFacts(
      context,
      [
        fact('LONG1', 'accepted', oldest),
        fact('LONG1', 'in_transit', old),
        fact('LONG1', 'out_for_delivery', kept),
        fact('YOUNG1', 'accepted', kept),
        fact('GONE1', 'delivered', old),
      ],
      { since: new Date(0) },
    ),
  )
  const view = async (number: string) => (await whole.call('GET', `/v1/track/numbers/${number}`)).body
  const before = await view('LONG1')
  expect(before).toMatchObject({ state: 'out_for_delivery', archived: [] })
  expect(before.timeline).toHaveLength(3)

  await core.jobs.start()
  await core.jobs.add('tracking.archive_months', {}, { scope: live })
  const open = async () =>
    (await database.read(live, (context) => core.tracking.months.list(context))).filter((each) => each.kept !== 'filed')
  await untilTrue(async () => (await open())[0]?.month.slice(0, 7) === nameOf(kept), 60_000, 'months that are put away')

  const files = [oldest, old].map((at) => `tracking-live-${nameOf(at)}.parquet`)
  expect((await readdir(join(folder, 'archive'))).toSorted()).toEqual(files)
  expect(await view('LONG1')).toMatchObject({
    state: 'out_for_delivery',
    archived: [
      { month: `${nameOf(oldest)}-01`, file: files[0] },
      { month: `${nameOf(old)}-01`, file: files[1] },
    ],
    timeline: [{ code: 'out_for_delivery' }],
  })
  expect(await view('YOUNG1')).toMatchObject({ archived: [], timeline: [{ code: 'accepted' }] })
  // All that it had is in files, and it is still found and still stands.
  expect(await view('GONE1')).toMatchObject({ state: 'delivered', archived: [{ file: files[1] }], timeline: [] })
  // Out of the files the whole timeline is there, and a late fact counts.
  const { shipmentId } = await view('LONG1')
  const history = async () => whole.call('GET', `/v1/shipments/${shipmentId}/history`)
  expect((await history()).body).toMatchObject({ ...(await view('LONG1')), timeline: before.timeline })
  expect((await whole.call('GET', '/v1/shipments/999999999/history')).status).toBe(404)
  const [first = ''] = files
  await rename(join(folder, 'archive', first), join(folder, 'away'))
  const missing = await history()
  expect([missing.status, missing.body]).toMatchObject([
    409,
    { code: 'tracking.archive_unreadable', detail: expect.stringContaining(first) },
  ])
  await rename(join(folder, 'away'), join(folder, 'archive', first))
  const delivered = fact('YOUNG1', 'delivered', old)
  await database.write(live, (context) =>
    core.tracking.recordFacts(context, [delivered, fact('GONE1', 'returned', new Date(old.getTime() + 60_000))], { since: new Date(0) }),
  )
  expect(await view('GONE1')).toMatchObject({ state: 'returned', timeline: [{ code: 'delivered' }, { code: 'returned' }] })
  expect(await view('YOUNG1')).toMatchObject({ state: 'delivered' })
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(join(folder, 'archive', files[1] ?? '')) })
  expect(rows.map((row) => row['code']).toSorted()).toEqual(['delivered', 'in_transit'])
  await whole.drained()
  expect((await core.check('live')).flatMap(({ breaks }) => breaks)).toEqual([])
})

it('two runs at once leave each month whole, in one file', async () => {
  const { core, t } = whole
  const admin = await t.admin('live')
  const at = monthsAgo(20)
  await admin.query('select tracking.open_month($1::date)', [at])
  await core.databases.of('tracking').write(live, (context) =>
    core.tracking.recordFacts(
      context,
      Array.from({ length: 3_000 }, (_, n) => ({ carrier: 'posta', number: `TWO${n}`, code: 'accepted', occurredAt: at, source: 'posta' })),
      { since: new Date(0) },
    ),
  )
  const dir = join(folder, 'two')
  const run = async () => {
    for await (const each of putAwayBefore(core, live, { dir, before: nameOf(monthsAgo(19)) })) expect(each.facts).toBe(3_000)
  }
  const ends = await Promise.allSettled([run(), run()])
  expect(ends.some(({ status }) => status === 'fulfilled')).toBe(true)
  expect(await readdir(dir)).toEqual([`tracking-live-${nameOf(at)}.parquet`])
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(join(dir, `tracking-live-${nameOf(at)}.parquet`)) })
  expect(rows).toHaveLength(3_000)
}, 60_000)
