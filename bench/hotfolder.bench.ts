import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { openHotFolder, orderFiles } from '#partners/hot-folder/index.ts'
import { orderOf } from '#partners/made-city/index.ts'
import { writeOrderFile } from '#test/order-file.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse } from './support/server-process.ts'

/**
 * A file of orders (1 to 4 lines each) dropped into the hot folder, until its outcome file is there. In the same run: the same orders
 * through the set-based body of `orders.place`, 128 in a transaction, two transactions at once, without file, keys and runner.
 */
const orders = numberFlag('orders', 100_000)
const live = { traffic: 'live', rehearsalId: null } as const
const house = await openBenchHouse()
try {
  const core = await house.core()
  const addressOf = (n: number) => house.city.address(n)
  const place = core.runner.operations.find(({ id }) => id === 'orders.place')
  if (place?.kind !== 'command') throw new Error('there is no orders.place')
  const actor = { id: 'raw', scopes: ['*'] }
  const rawOrders = Math.min(orders, 20_000)
  const rawStarted = performance.now()
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < rawOrders) {
      const from = next
      next += 128
      const asked = Array.from({ length: Math.min(128, rawOrders - from) }, (_, index) => ({
        input: { ...orderOf(from + index, 1, addressOf), channel: 'raw' },
        actor,
        commandId: `raw-${from + index}`,
        traceId: '',
      }))
      await core.databases.of('orders').write(live, (context) => place.body(context, asked))
    }
  }
  await Promise.all([lane(), lane()])
  const rawPerSecond = (rawOrders / (performance.now() - rawStarted)) * 1000

  const folder = join(house.config.dataDir, 'hot')
  await mkdir(folder)
  const path = join(folder, 'orders.tsv')
  await writeOrderFile(path, { orders, seed: 2, addressOf })
  const megabytes = (await stat(path)).size / 1e6
  const hot = openHotFolder({
    kinds: [orderFiles],
    folder,
    runner: core.runner,
    clock: systemClock,
    quietMs: 100,
    log: { info: () => undefined, warn: () => undefined },
  })
  let peakMemoryMb = 0
  const watch = setInterval(() => (peakMemoryMb = Math.max(peakMemoryMb, process.memoryUsage.rss() / 1e6)), 100)
  const started = performance.now()
  let [report] = await hot.look()
  while (report === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    ;[report] = await hot.look()
  }
  const seconds = (performance.now() - started) / 1000
  clearInterval(watch)
  await hot.close()
  await core.close()

  const outcome = (await readdir(join(folder, 'done'))).find((name) => name.endsWith('.outcome.tsv')) ?? ''
  const told = (await readFile(join(folder, 'done', outcome), 'utf8')).trimEnd().split('\n').slice(1)
  const numbers = new Set(told.map((line) => line.split('\t')[3] ?? ''))
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  const { rows } = await admin.query<{ number: string }>(`select number from orders.orders where channel = 'hot_folder'`)
  await admin.end()
  const known = new Set(rows.map(({ number }) => number))
  printReport({
    bench: 'hotfolder',
    rows: [
      { what: 'orders of the file', value: orders, unit: 'orders', beside: `${report.lines} lines, ${megabytes.toFixed(0)} MB` },
      { what: 'from drop to outcome file', value: seconds, unit: 's', beside: 'bar 60 for 100,000' },
      { what: 'orders placed from the file', value: orders / seconds, unit: '/s' },
      { what: 'memory of the process, peak', value: peakMemoryMb, unit: 'MB', beside: 'importer and house in one' },
      {
        what: 'raw: the same through the set-based body',
        value: rawPerSecond,
        unit: '/s',
        beside: `${rawOrders} orders, no file, no keys`,
      },
      { what: 'share of the raw limit', value: (orders / seconds / rawPerSecond) * 100, unit: '%' },
    ],
    figures: { orders, seconds, perSecond: orders / seconds, rawPerSecond, memoryMb: peakMemoryMb },
    counts: {
      lost: [...numbers].filter((number) => !known.has(number)).length + Math.max(0, orders - report.placed),
      doubled: rows.length - numbers.size,
      errors: report.refused,
    },
  })
} finally {
  await house.close()
}
