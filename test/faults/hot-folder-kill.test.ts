import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '#kernel/time.ts'
import { readConfig } from '#platform/config.ts'
import { writeOrderFile } from '#test/order-file.ts'
import { openServerFolder, type ServerFolder } from '#test/server-folder.ts'
import { untilTrue } from '#test/until.ts'
import { cityOf, settleCity } from '../../src/cli/city.ts'
import { withCore } from '../../src/cli/session.ts'

const orders = 4_000
const kills = 2
let home: ServerFolder
let folder = ''
/** The folder that the server itself watches. */
let watched = ''
const city = cityOf(systemClock.now())
const write = (path: string, count: number, seed: number) =>
  writeOrderFile(path, { orders: count, seed, addressOf: (n) => city.address(n) })

beforeAll(async () => {
  home = await openServerFolder()
  folder = join(home.dataDir, 'hot')
  watched = join(home.dataDir, 'watched')
  for (const each of [folder, watched]) await mkdir(each)
  await withCore({ config: readConfig(home.env), clock: systemClock, say: () => undefined }, (core) => settleCity(core, city))
  await write(join(folder, 'day.tsv'), orders, 20_26)
  // It stays for all of the tests: the embedded database must outlive the importers that are killed.
  await home.run(['start'], { HOT_FOLDER: watched }).said(/ready in/, 60_000)
})
afterAll(() => home.close())

it('an importer killed with -9 in the middle, again and again, loses nothing and places nothing twice', { timeout: 540_000 }, async () => {
  const admin = new pg.Client({ connectionString: await home.adminUrl() })
  await admin.connect()
  const one = async (text: string): Promise<number> => (await admin.query<{ n: number }>(text)).rows[0]?.n ?? 0
  const placed = () => one('select count(*)::int as n from orders.orders')
  for (let kill = 1; kill <= kills; kill += 1) {
    const importer = home.run(['hotfolder', folder, '--once'])
    // Each life adds something: a kill before the first order of it would prove little.
    const goal = ((kill * orders) / (kills + 1)) * 0.8
    await untilTrue(async () => (await placed()) >= goal, 60_000, `${goal} orders`)
    importer.signal('SIGKILL')
    expect((await importer.ended).signal).toBe('SIGKILL')
    expect(await placed()).toBeLessThan(orders)
  }
  const last = home.run(['hotfolder', folder, '--once', '--json'])
  expect((await last.ended).code, last.output()).toBe(0)
  expect(JSON.parse(last.stdout())).toEqual({ files: 1, placed: orders, refused: 0 })
  expect(await placed()).toBe(orders)
  expect(await one(`select count(distinct key)::int as n from orders.idempotency where key like 'hot-folder:%'`)).toBe(orders)
  const told = (await readdir(join(folder, 'done'))).find((name) => name.endsWith('.outcome.tsv')) ?? ''
  const numbers = new Set(
    (await readFile(join(folder, 'done', told), 'utf8'))
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split('\t')[3]),
  )
  expect(numbers.size).toBe(orders)
  const known = await admin.query<{ number: string }>('select number from orders.orders')
  expect(new Set(known.rows.map(({ number }) => number))).toEqual(numbers)
  await admin.end()
})

it('a server that watches a folder takes what is dropped into it', { timeout: 180_000 }, async () => {
  await write(join(watched, 'small.tsv'), 10, 7)
  await untilTrue(async () => (await readdir(join(watched, 'done')).catch(() => [])).length === 2, 20_000, 'the file and its outcome')
  expect(await readdir(watched)).not.toContain('small.tsv')
})
