import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse as parseCsv } from 'csv-parse/sync'
import fc from 'fast-check'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { factTables, openAnalytics } from '#analytics'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { parse, UsageError } from './command.ts'
import { exportFacts, factExportOf } from './export-facts.ts'

let t: TestDatabases
let sql: (text: string) => Promise<{ rows: Record<string, unknown>[] }>
const folder = mkdtempSync(join(tmpdir(), 'throughline-export-'))
const reasons = ['', ' plain ', 'a "quoted", word', 'two\r\nlines', 'Zoë 東京 🚚', '=1+1', ',', 'null', '""']

beforeAll(async () => {
  t = await openTestDatabases()
  const admin = await t.admin('live')
  sql = (text) => admin.query(text)
  // Three rows an hour from 1 March on, all three of one hour at the same instant, so that pages end within an instant.
  await sql(`insert into analytics.payment_fact
    select case i % 3 when 0 then 'captured' when 1 then 'authorized' else 'refunded' end, i / 3 + 1, 4096 + i, i, 0, i, 'main', 'c' || i, 'pg1', 'ch_' || i,
      'card', 9007199254740000 + i % 900, 'CAD', (array[${reasons.map((reason) => `E'${JSON.stringify(reason).slice(1, -1)}'`).join(',')}])[i % ${reasons.length} + 1],
      i % 2 = 0, '2026-03-01T00:00:00.125Z'::timestamptz + (i / 3) * interval '1 hour'
    from generate_series(0, 29999) as i`)
})
afterAll(async () => {
  await t.close()
  rmSync(folder, { recursive: true, force: true })
})

const text = { type: 'string' } as const
const requestOf = (...words: string[]) =>
  factExportOf(parse(words, { format: text, out: text, from: text, until: text, force: { type: 'boolean' } }), factTables)
const run = (...words: string[]) => {
  const database = t.databases.of('analytics')
  const orders = { readFacts: unasked, readClaimFacts: unasked, idsAfter: unasked }
  const analytics = openAnalytics({ database, source: { database: t.databases.of('orders'), orders } })
  return exportFacts(requestOf(...words), { analytics, database, scope: t.live })
}
const unasked = () => Promise.reject(new Error('an export asks orders nothing'))
const fileOf = (name: string) => join(folder, name)
const wanted = async (condition = 'true') =>
  (await sql(`select * from analytics.payment_fact where ${condition} order by moved_at, kind, subject_id`)).rows

async function readParquet(path: string) {
  const file = await asyncBufferFromFile(path)
  return { rows: await parquetReadObjects({ file }), metadata: await parquetMetadataAsync(file) }
}

describe('export of facts', () => {
  test('Parquet read back is the table, with its types, and its largest amounts are exact', async () => {
    await sql(`update analytics.payment_fact set amount_minor = 9007199254740991 where kind = 'captured' and subject_id = 1`)
    expect(await run('facts', 'payment_fact', '--format', 'parquet', '--out', fileOf('all.parquet'))).toBe(30_000)
    const { rows, metadata } = await readParquet(fileOf('all.parquet'))
    const expected = await wanted()
    expect(rows).toHaveLength(30_000)
    rows.forEach((row, index) => {
      const stored = expected[index] as Record<string, unknown>
      const ids = ['subject_id', 'order_id', 'request_id', 'leg_id', 'amount_minor']
      expect(row).toEqual({ ...stored, ...Object.fromEntries(ids.map((name) => [name, BigInt(stored[name] as string)])) })
    })
    const types = Object.fromEntries(
      metadata.schema.slice(1).map(({ name, type, converted_type, repetition_type }) => [name, [type, converted_type, repetition_type]]),
    )
    expect(types).toMatchObject({
      amount_minor: ['INT64', undefined, 'REQUIRED'],
      part: ['INT32', undefined, 'REQUIRED'],
      reason: ['BYTE_ARRAY', 'UTF8', 'REQUIRED'],
      stray: ['BOOLEAN', undefined, 'REQUIRED'],
      moved_at: ['INT64', 'TIMESTAMP_MILLIS', 'REQUIRED'],
    })
    expect(metadata.row_groups.length).toBe(2)
  })

  test('columns that may be empty come back empty', async () => {
    await sql(`insert into analytics.claim_fact select 1, 2, 'n', 'main', 'c', 'CAD', 'return', 'x', 'requested', 1, 0, 0, 0, 0, '2026-03-01Z',
      null, null, null, null, null, null, null, null, null, 1, now()`)
    await run('facts', 'claim_fact', '--format', 'parquet', '--out', fileOf('claims.parquet'))
    expect((await readParquet(fileOf('claims.parquet'))).rows).toMatchObject([
      { claim_id: 1n, requested_at: new Date('2026-03-01Z'), approved_at: null },
    ])
    await run('facts', 'claim_fact', '--format', 'csv', '--out', fileOf('claims.csv'))
    expect(parseCsv(await readFile(fileOf('claims.csv')), { columns: true })).toMatchObject([{ claim_id: '1', approved_at: '' }])
  })

  test('CSV read back is the table, with quotes, commas and line ends inside of texts', async () => {
    await run('facts', 'payment_fact', '--format', 'csv', '--out', fileOf('all.csv'))
    const bytes = await readFile(fileOf('all.csv'), 'utf8')
    expect(bytes.startsWith('kind,subject_id,order_id,request_id,part,leg_id,store_id,')).toBe(true)
    const rows = parseCsv<Record<string, string>>(bytes, { columns: true, record_delimiter: '\r\n' })
    const textOf = (value: unknown) => (value instanceof Date ? value.toISOString() : String(value))
    expect(rows).toEqual(
      (await wanted()).map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, textOf(value)]))),
    )
  })

  test('a table without rows is a header, and a Parquet file with all its columns', async () => {
    expect(await run('facts', 'payment_failure_fact', '--format', 'csv', '--out', fileOf('none.csv'))).toBe(0)
    expect(await readFile(fileOf('none.csv'), 'utf8')).toBe('event_id,order_id,request_id,part,means,reason,failed_at\r\n')
    await run('facts', 'payment_failure_fact', '--format', 'parquet', '--out', fileOf('none.parquet'))
    const { rows, metadata } = await readParquet(fileOf('none.parquet'))
    expect([rows.length, metadata.schema.length]).toEqual([0, 8])
  })

  test('any half-open stretch of time holds exactly its rows', async () => {
    const hour = fc.integer({ min: -10, max: 10_010 })
    const instant = (hours: number) => new Date(Date.parse('2026-03-01T00:00:00.125Z') + hours * 3_600_000).toISOString()
    await fc.assert(
      fc.asyncProperty(hour, hour, async (one, other) => {
        const [from, until] = [Math.min(one, other), Math.max(one, other) + 1].map(instant) as [string, string]
        const rows = await run(
          'facts',
          'payment_fact',
          '--format',
          'csv',
          '--out',
          fileOf('some.csv'),
          '--from',
          from,
          '--until',
          until,
          '--force',
        )
        const [count] = (
          await sql(`select count(*)::int as n from analytics.payment_fact where moved_at >= '${from}' and moved_at < '${until}'`)
        ).rows
        expect(rows).toBe(count?.['n'])
      }),
      { numRuns: 12 },
    )
  })

  test('what is wrong with a call is said with what would be right, and nothing is written', async () => {
    const out = fileOf('never.csv')
    await writeFile(fileOf('there.csv'), 'mine')
    const cases: [string[], string][] = [
      [['facts', 'nothing', '--format', 'csv', '--out', out], 'there is no table of facts "nothing"; there are item_fact, order_fact'],
      [['facts', '--format', 'csv', '--out', out], 'name a table of facts'],
      [['orders'], 'export needs what and which'],
      [['facts', 'item_fact', '--format', 'xlsx', '--out', out], '--format must be one of csv, parquet'],
      [['facts', 'item_fact', '--format', 'csv'], '--out FILE says where'],
      [['facts', 'item_fact', '--format', 'csv', '--out', out, '--from', 'yesterday'], '--from must be a day such as'],
      [['facts', 'item_fact', '--format', 'csv', '--out', out, '--until', '2026-02-30'], '--until must be a day such as'],
      [
        ['facts', 'item_fact', '--format', 'csv', '--out', out, '--from', '2026-03-02', '--until', '2026-03-02'],
        '--from must lie before --until',
      ],
      [['facts', 'item_fact', '--format', 'csv', '--out', fileOf('there.csv')], 'is there already; --force writes over it'],
      [['facts', 'item_fact', '--format', 'csv', '--out', join(folder, 'no', 'such.csv')], 'there is no folder'],
      [['facts', 'item_fact', '--format', 'csv', '--out', folder], 'is not a file that could be written'],
      [['facts', 'item_fact', '--colour', 'red'], '--colour'],
    ]
    for (const [words, said] of cases) {
      expect(() => requestOf(...words)).toThrow(UsageError)
      expect(() => requestOf(...words)).toThrow(said)
    }
    expect(await readFile(fileOf('there.csv'), 'utf8')).toBe('mine')
    expect(readdirSync(folder).filter((name) => name.includes('never'))).toEqual([])
  })

  test('an export that breaks off leaves no file, neither half nor under its name', async () => {
    const admin = await t.admin('live')
    await admin.query(`revoke select on analytics.order_fact from ${t.login('live', 'analytics').user}`)
    await expect(run('facts', 'order_fact', '--format', 'csv', '--out', fileOf('half.csv'))).rejects.toThrow('permission denied')
    expect(readdirSync(folder).filter((name) => name.startsWith('half'))).toEqual([])
  })
})
