import { appendFile, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import { openOrders } from '#orders'
import { demoStore, goods, seeded } from '#partners/made-city/index.ts'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { systemContext } from '#platform/request-context.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { orderFile } from '#test/order-file.ts'
import { untilTrue } from '#test/until.ts'
import { type FileReport, type HotFolder, openHotFolder, orderFiles } from './index.ts'

let t: TestDatabases
let runner: Runner
let folder = ''
let opened: HotFolder[] = []
const clock = new SettableClock(new Date('2026-03-02T09:00:00Z'))
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
const addressOf = (n: number) => ({
  name: `Resident ${n}`,
  line1: `${n} Mill Lane`,
  city: 'Falls',
  postcode: 'L1A1A1',
  country: 'CA',
  lat: 43,
  lng: -79,
})

beforeAll(async () => {
  t = await openTestDatabases()
  runner = openRunner({
    operations: openOrders({ database: t.databases.of('orders'), random: seeded(1) }).operations,
    databases: t.databases,
    // What the folder takes in is not counted against the limits of callers.
    standardLimit: { perSecond: 1, burst: 2_000 },
    nowMs: () => performance.now(),
    log: quiet,
  })
  const context = systemContext('test')
  await runner.run('orders.put_store', { context, input: demoStore })
  await runner.runMany(
    'orders.put_sku',
    goods.map(({ priceMinor: _, ...input }) => ({ context, input })),
  )
})
afterAll(async () => {
  await runner.drain()
  await t.close()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'throughline-hot-folder-'))
})
afterEach(async () => {
  for (const each of opened) await each.close()
  opened = []
  await rm(folder, { recursive: true, force: true })
})

const open = (given: Partial<Parameters<typeof openHotFolder>[0]> = {}): HotFolder => {
  const made = openHotFolder({ folder, kinds: [orderFiles], runner, clock, quietMs: 20, pollMs: 5, log: quiet, ...given })
  opened.push(made)
  return made
}
/** Looks until so many files have been taken. */
const take = async (hot: HotFolder, files = 1): Promise<FileReport[]> => {
  const reports: FileReport[] = []
  clock.set(new Date(clock.now().getTime() + 1_000))
  await untilTrue(async () => (reports.push(...(await hot.look())), reports.length >= files), 15_000, `${files} taken files`)
  return reports
}
const text = (orders: number, seed: number): string => [...orderFile({ orders, seed, addressOf })].join('')
const drop = (name: string, content: string | Buffer): Promise<void> => writeFile(join(folder, name), content)
const outcomeOf = async (name: string, where = 'done'): Promise<Record<string, string>[]> => {
  const files = (await readdir(join(folder, where))).filter((file) => file.endsWith(`.${name}.outcome.tsv`)).toSorted()
  const [header = '', ...lines] = (await readFile(join(folder, where, files.at(-1) ?? 'no outcome'), 'utf8')).replace(/\n$/, '').split('\n')
  return lines.map((line) => Object.fromEntries(line.split('\t').map((cell, index) => [header.split('\t')[index], cell])))
}
/** The orders of the file with this seed, by the customers' references that its keys were made of. */
const stored = async (): Promise<number> => {
  const { rows } = await (await t.admin('live')).query<{ n: number }>('select count(*)::int as n from orders.orders')
  return rows[0]?.n ?? 0
}

describe('the hot folder', () => {
  it('places the orders of a file and tells of each line, in CSV as in TSV', async () => {
    const before = await stored()
    await drop('day.tsv', text(300, 1))
    await drop('day.csv', text(20, 2).replaceAll('\t', ','))
    const reports = await take(open(), 2)
    expect(reports.toSorted((a, b) => a.placed - b.placed)).toMatchObject([
      { file: 'day.csv', outcome: 'imported', placed: 20, refused: 0 },
      { file: 'day.tsv', outcome: 'imported', placed: 300, refused: 0 },
    ])
    expect((await stored()) - before).toBe(320)
    const outcomes = await outcomeOf('day.tsv')
    expect(outcomes).toHaveLength(reports.find(({ file }) => file === 'day.tsv')?.lines ?? 0)
    expect(new Set(outcomes.map(({ orderNumber }) => orderNumber)).size).toBe(300)
    expect(outcomes[0]).toMatchObject({ line: '2', reference: 'A-1-0', outcome: 'placed', orderNumber: expect.stringMatching(/^TL-/) })
    expect(await readdir(join(folder, 'working'))).toEqual(['lock.sqlite'])
  })

  it('lets a broken line fail alone, with its order, and names line, column and reason', async () => {
    const lines = text(6, 3).split('\n')
    const at = (n: number): number => lines.findIndex((line) => line.startsWith(`A-3-${n}\t`))
    const change = (n: number, column: number, value: string): void => {
      lines[at(n)] = (lines[at(n)] ?? '').split('\t').with(column, value).join('\t')
    }
    change(1, 16, 'two')
    change(2, 15, 'NO-SUCH-SKU')
    change(3, 4, '1')
    lines[at(4)] = (lines[at(4)] ?? '').replace('\tCAD\t', '\t')
    const before = await stored()
    await drop('broken.tsv', lines.join('\n'))
    expect(await take(open())).toMatchObject([{ outcome: 'imported', placed: 2, refused: 4 }])
    expect((await stored()) - before).toBe(2)
    const outcomes = await outcomeOf('broken.tsv')
    const faults = outcomes.filter(({ outcome, sentence }) => outcome === 'refused' && !/^"?line \d+: /.test(sentence ?? ''))
    expect(faults.map(({ line, code, field }) => `${line} ${code} ${field}`)).toEqual([
      `${at(1) + 1} platform.invalid_input quantity`,
      `${at(2) + 1} orders.unknown_sku sku`,
      `${at(3) + 2} hot_folder.lines_differ totalMinor`,
      `${at(4) + 1} hot_folder.bad_line `,
    ])
    expect(new Set(outcomes.filter(({ outcome }) => outcome === 'placed').map(({ reference }) => reference))).toEqual(
      new Set(['A-3-0', 'A-3-5']),
    )
  })

  it('does nothing for the same content again, under whatever name, also after the keys are gone', async () => {
    const hot = open()
    await drop('first.tsv', text(50, 4))
    await take(hot)
    const before = await stored()
    await drop('second-name.tsv', text(50, 4))
    expect(await take(hot)).toMatchObject([{ file: 'second-name.tsv', outcome: 'repeated', placed: 0 }])
    await (await t.admin('live')).query('delete from orders.idempotency')
    await drop('first.tsv', text(50, 4))
    expect(await take(hot)).toMatchObject([{ outcome: 'repeated' }])
    expect(await stored()).toBe(before)
    expect(await outcomeOf('second-name.tsv')).toMatchObject([{ outcome: 'repeated', sentence: expect.stringContaining('first.tsv') }])
  })

  it('takes a file again whose refused orders can be placed by now, and places no other of them twice', async () => {
    const hot = open()
    const content = text(10, 5).replaceAll('TEA-100', 'NEW-TEA')
    await drop('early.tsv', content)
    const [first] = await take(hot)
    expect(first?.refused).toBeGreaterThan(0)
    const before = await stored()
    const { priceMinor: _, ...tea } = goods[0]
    await runner.run('orders.put_sku', { context: systemContext('test'), input: { ...tea, sku: 'NEW-TEA' } })
    await drop('early.tsv', content)
    expect(await take(hot)).toMatchObject([{ outcome: 'imported', placed: 10, refused: 0 }])
    expect((await stored()) - before).toBe(first?.refused)
  })

  it('refuses the second of two orders of one reference that stand apart, and says why', async () => {
    const [header = '', ...lines] = text(3, 6).trimEnd().split('\n')
    const again = (lines.at(-1) ?? '').split('\t').with(0, 'A-6-0').join('\t')
    await drop('apart.tsv', [header, ...lines, again].join('\n'))
    expect(await take(open())).toMatchObject([{ placed: 3, refused: 1 }])
    expect((await outcomeOf('apart.tsv')).at(-1)).toMatchObject({ reference: 'A-6-0', code: 'hot_folder.lines_apart' })
  })

  it('refuses a file as a whole whose encoding breaks at its end, before anything of it is imported', async () => {
    const before = await stored()
    await drop('latin.tsv', Buffer.concat([Buffer.from(text(200, 7)), Buffer.from('Köln\n', 'latin1')]))
    expect(await take(open())).toMatchObject([{ outcome: 'refused', problem: { code: 'hot_folder.not_utf8' } }])
    expect(await stored()).toBe(before)
    expect(await outcomeOf('latin.tsv', 'failed')).toMatchObject([{ outcome: 'refused', code: 'hot_folder.not_utf8' }])
  })

  it('waits for a file that still grows', async () => {
    const hot = open({ quietMs: 300 })
    const content = text(40, 8)
    const half = content.slice(0, content.length / 2)
    await drop('slow.tsv', half)
    const started = performance.now()
    let written = half.length
    // The writer goes on for longer than the quiet time, a little at a time.
    while (performance.now() - started < 700) {
      const more = content.slice(written, written + 50)
      await appendFile(join(folder, 'slow.tsv'), more)
      written += more.length
      expect(await hot.look()).toEqual([])
      if (written >= content.length) await utimes(join(folder, 'slow.tsv'), new Date(), new Date())
    }
    await appendFile(join(folder, 'slow.tsv'), content.slice(written))
    expect(await take(hot)).toMatchObject([{ outcome: 'imported', placed: 40, refused: 0 }])
  })

  it('is watched by two without any file being taken twice', async () => {
    const before = await stored()
    const files = Array.from({ length: 8 }, (_, n) => `f${n}.tsv`)
    for (const [n, file] of files.entries()) await drop(file, text(30, 100 + n))
    const reports: FileReport[] = []
    for (let n = 0; n < 2; n += 1) open({ observe: (report) => void reports.push(report) }).start()
    await untilTrue(() => reports.length >= 8, 15_000, 'eight taken files')
    expect(reports.map(({ file }) => file).toSorted()).toEqual(files)
    expect((await stored()) - before).toBe(240)
  })

  it('stops between two batches and imports the rest at the next start, nothing twice', async () => {
    const before = await stored()
    await drop('long.tsv', text(1_500, 9))
    let calls = 0
    const hot: HotFolder = open({
      runner: {
        runMany: (...call) => {
          calls += 1
          if (calls === 3) void hot.close()
          return runner.runMany(...call)
        },
      },
    })
    await untilTrue(async () => (await hot.look(), calls >= 3), 15_000, 'the third batch')
    const placedBefore = (await stored()) - before
    expect(placedBefore).toBeGreaterThan(0)
    expect(placedBefore).toBeLessThan(1_500)
    expect(await take(open())).toMatchObject([{ file: 'long.tsv', outcome: 'imported', placed: 1_500, refused: 0 }])
    expect((await stored()) - before).toBe(1_500)
  })

  it('gives no order up while the database is away', async () => {
    let away = 3
    const hot = open({
      runner: {
        async runMany(id, calls, options) {
          away -= 1
          if (away < 0) return runner.runMany(id, calls, options)
          return calls.map(() => ({ ok: false, error: { code: 'platform.unavailable', detail: 'away' } }))
        },
      },
    })
    await drop('patient.tsv', text(5, 10))
    expect(await take(hot)).toMatchObject([{ placed: 5, refused: 0 }])
  })

  it('does not guess what an import had done that was broken off longer ago than keys are kept', async () => {
    const hot = open()
    await hot.look()
    await writeFile(join(folder, 'working', 'old.tsv'), text(3, 11))
    await writeFile(join(folder, 'working', 'old.tsv.outcome'), 'line\treference\toutcome\n2\tA-11-0\tplaced\n')
    const claim = { claimedAt: '2026-03-01T08:00:00Z', stamp: 'old' }
    await writeFile(join(folder, 'working', 'old.tsv.claim'), JSON.stringify(claim))
    expect(await take(hot)).toMatchObject([{ outcome: 'refused', problem: { code: 'hot_folder.interrupted' } }])
    expect(await outcomeOf('old.tsv', 'failed')).toMatchObject([{ reference: 'A-11-0' }, { outcome: 'refused' }])
  })

  it('finishes putting away what a crash left between receipt and move, and keeps its outcomes', async () => {
    const hot = open()
    await drop('crash.tsv', text(5, 12))
    await take(hot)
    const [file] = (await readdir(join(folder, 'done'))).filter((name) => name.endsWith('.crash.tsv'))
    const stamp = file?.split('.')[0] ?? ''
    const path = (...parts: string[]) => join(folder, ...parts)
    await writeFile(path('working', 'crash.tsv'), text(5, 12))
    await writeFile(path('working', 'crash.tsv.outcome'), await readFile(path('done', `${file}.outcome.tsv`)))
    await writeFile(path('working', 'crash.tsv.claim'), JSON.stringify({ claimedAt: clock.now().toISOString(), stamp }))
    expect(await take(hot)).toMatchObject([{ outcome: 'imported', placed: 5 }])
    expect((await outcomeOf('crash.tsv')).every(({ outcome }) => outcome === 'placed')).toBe(true)
  })
})
