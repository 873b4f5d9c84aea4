import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTracking } from '#tracking'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type MadeFolder, writeFmsFolder } from '#test/fms-folder.ts'
import { describeFms, openFmsOutcome } from './fms-outcome.ts'
import { type FmsOutcome, importFms } from './import-fms.ts'

const seed = 4711
let t: TestDatabases
let made: MadeFolder
const tracking = openTracking()
beforeAll(async () => {
  t = await openTestDatabases()
  t.clock.set(new Date('2026-11-27T09:00:00Z'))
  made = await writeFmsFolder({ seed, good: 200, each: 2 })
  console.log(`the made folder has seed ${seed}`)
})
afterAll(async () => {
  await made.remove()
  await t.close()
})

const database = () => t.databases.of('tracking')
const run = async (folder: string, committed?: (rows: number) => void) => {
  const told: FmsOutcome[] = []
  const imported = await importFms({
    tracking,
    database: database(),
    folder,
    tell: (outcome) => void told.push(outcome),
    ...(committed === undefined ? {} : { committed }),
  })
  return { imported, told: told.map(({ what, file, line, field, code }) => `${what} ${file} ${line} ${field} ${code}`).toSorted() }
}
const state = async () => {
  const admin = await t.admin('live')
  const { rows } = await admin.query<{ all: string }>(
    `select md5(string_agg(concat_ws('|', kind, a, b, c), ';' order by kind, a, b, c)) as all from (
       select 'shipment' as kind, id::text as a, state as b, version::text || projection::text || coalesce(order_ref, '') as c from tracking.shipment
       union all select 'event', shipment_id::text, id::text, occurred_at::text || code from tracking.event
       union all select 'outbox', id::text, key, type from tracking.outbox
       union all select 'reference', carrier, number, shipment_id::text from tracking.reference) as everything`,
  )
  return rows[0]?.all
}

describe('import of the history of the fulfilment monolith', () => {
  test('stopped in the middle it has done whole batches, and begun again it does what was left', async () => {
    const larger = await writeFmsFolder({ seed: 99, good: 900, each: 0 })
    let batches = 0
    const stopped = run(larger.folder, () => {
      batches += 1
      if (batches === 3) throw new Error('stopped')
    })
    await expect(stopped).rejects.toThrow('stopped')
    const { imported, told } = await run(larger.folder)
    expect(told).toEqual([])
    expect(imported.shipments).toEqual({ lines: 900, added: 0, known: 900, broken: 0 })
    expect(imported.events.added).toBeGreaterThan(0)
    expect(imported.events.known).toBeGreaterThan(1_000)
    expect(imported.events.added + imported.events.known).toBe(larger.events)
    expect(imported).toMatchObject({ same: 900, differences: {} })
    await larger.remove()
    // The ids of the next folder are these ones again.
    const admin = await t.admin('live')
    await admin.query('truncate tracking.shipment, tracking.event, tracking.reference, tracking.source_fact, tracking.outbox')
  })

  test('every defect is named by line and field, every difference by its kind, and the rest is taken', async () => {
    const { imported, told } = await run(made.folder)
    expect(told).toEqual(made.expected)
    expect(imported.shipments.lines).toBe(made.shipments)
    expect(imported.events.added).toBe(made.events)
    expect(imported.shipments.added + imported.shipments.broken).toBe(made.shipments)
    expect(Object.keys(imported.differences).toSorted()).toEqual(
      [
        'unknown_status',
        'no_events',
        'broken_events',
        'deleted_event',
        'last_written_wins',
        'status_without_event',
        'behind_events',
      ].toSorted(),
    )
    expect(Object.values(imported.differences).every((count) => count === 2)).toBe(true)
    expect((await database().read(t.live, (context) => tracking.check(context))).flatMap(({ examples }) => examples)).toEqual([])
  })

  test('the same folder again, twice at once, says the same and changes nothing', async () => {
    const before = await state()
    const [one, other] = await Promise.all([run(made.folder), run(made.folder)])
    expect(one.told).toEqual(made.expected)
    expect(other.told).toEqual(made.expected)
    expect(one.imported.events).toMatchObject({ added: 0, known: made.events })
    expect(one.imported.shipments.added).toBe(0)
    expect(await state()).toBe(before)
  })

  test('a shipment is found by its key there, by its carrier’s number and by its order, with its events in order of their instants', async () => {
    const text = await readFile(join(made.folder, 'shipments.csv'), 'utf8')
    const [id = '', orderRef = '', , , , carrier = '', number = ''] =
      text
        .split('\n')
        .find((line) => line.includes(',dhl,JD'))
        ?.split(',') ?? []
    const [[byKey], [byNumber], [byOrder]] = await database().read(t.live, async (context) => [
      (await tracking.shipmentsBy(context, 'number', [{ carrier: 'fms', number: id }]))[0] ?? [],
      (await tracking.shipmentsBy(context, 'number', [{ carrier, number }]))[0] ?? [],
      (await tracking.shipmentsBy(context, 'orderRef', [orderRef]))[0] ?? [],
    ])
    expect(byKey).toMatchObject({ orderRef, from: 'BR-SP', to: 'BR-RJ', registered: true })
    expect(byNumber).toEqual(byKey)
    expect(byOrder).toEqual(byKey)
    const times = byKey?.timeline.map(({ occurredAt }) => occurredAt) ?? []
    expect(times).toEqual(times.toSorted())
  })

  test('the outcome file has a line for each, and people are told of each kind with examples', async () => {
    const path = join(made.folder, 'outcome.csv')
    const outcome = await openFmsOutcome(path)
    const imported = await importFms({ tracking, database: database(), folder: made.folder, tell: outcome.tell })
    await outcome.close()
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    expect(lines[0]).toBe('what,file,line,field,code,detail')
    expect(lines).toHaveLength(made.expected.length + 1)
    const text = [...describeFms(imported, outcome.examples)].join('\n')
    expect(text).toContain('2: the status is that of the event that was written last, not of the one that happened last')
    expect(text).toContain('there is no time zone "Mars/Olympus"')
    await rm(path)
  })

  test('a folder without its files, or with a header that is not theirs, is refused before anything is done', async () => {
    const before = await state()
    await expect(run('/nowhere')).rejects.toThrow('there is no shipments.csv in /nowhere')
    await expect(run(join(made.folder, '..'))).rejects.toThrow('there is no shipments.csv')
    expect(await state()).toBe(before)
  })
})
