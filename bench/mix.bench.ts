import { join } from 'node:path'
import pg from 'pg'
import { seeded } from '#partners/made-city/index.ts'
import { probeDisk } from './support/disk-probe.ts'
import { fillHistory, liveTemplate } from './support/fill-history.ts'
import { openMix, type Past } from './support/mix.ts'
import { settlePlaces } from './support/mix-places.ts'
import { driveOpen, type OpenLoadResult } from './support/open-load.ts'
import { postgresCpuSeconds } from './support/postgres-cpu.ts'
import { numberFlag, printReport } from './support/report.ts'
import { readDeepestQueue, readMetrics, statementsBetween } from './support/server-metrics.ts'
import { openBenchHouse, startServer } from './support/server-process.ts'
import { noteSlowStatements } from './support/slow-statements.ts'

/**
 * The mix of a day, by an open arrival model: at 400 requests/s, then pushed a quarter faster each step until the slowest hundredth
 * takes 100 ms. A step that misses is tried once more, since a disk of a host may stand still for a moment; two misses end it. `--dir DIR` is a
 * folder that `npm run history` has filled; without it a small history is made first. Beside it, in the same run: one look-up by key through pg,
 * as many at once as the server has connections for a context, and eight kilobytes written and synced to the same disk.
 */
const seconds = numberFlag('seconds', 300)
const pushSeconds = numberFlag('push-seconds', 15)
const ordinary = numberFlag('rate', 400)
const dirAt = process.argv.indexOf('--dir')
const dir = dirAt === -1 ? undefined : process.argv[dirAt + 1]
const seed = 7
const statementBarMs = 5

const house = await openBenchHouse(dir === undefined ? {} : { DATA_DIR: dir })
try {
  if (dir === undefined) {
    const few = { days: 3, ordersPerDay: 2_000, template: 200, waybillsAnOrder: 2.5, say: () => undefined }
    await liveTemplate(house, few)
    await fillHistory(house, few)
  }
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  const past = await pastOf(admin)
  const { orders, waybills } = await sizeOf(admin)
  const raw = await rawLookUps(house.engines.server.admin('live'), past.orderIds)
  const places = await settlePlaces(house)
  const server = await startServer(house)
  const url = `http://127.0.0.1:${server.port}`
  const mix = openMix(house, past, places, seed)
  const random = seeded(seed + 1)
  const drive = (perSecond: number, forSeconds: number, warmUpSeconds: number): Promise<OpenLoadResult> =>
    driveOpen({
      host: '127.0.0.1',
      port: server.port,
      perSecond,
      seconds: forSeconds,
      warmUpSeconds,
      random,
      next: mix.next,
      answered: mix.answered,
    })
  const cpuNow = (): number =>
    server.cpuSeconds() + [...postgresCpuSeconds(house.engines.postgresPid ?? 0).values()].reduce((sum, each) => sum + each, 0)

  // Waybills are on their way when the measuring begins.
  await drive(ordinary, 20, 1)
  const slowOnes = await noteSlowStatements(admin, join(house.config.dataDir, 'server.log'), statementBarMs)
  const disk = probeDisk(house.config.dataDir)
  const before = { metrics: await readMetrics(url), cpu: cpuNow(), at: performance.now() }
  let deepest = 0
  const watching = setInterval(() => void readDeepestQueue(url).then((queue) => (deepest = Math.max(deepest, queue))), 5_000)
  const ordinaryLoad = await drive(ordinary, seconds, 1)
  clearInterval(watching)
  const cpuShare = (cpuNow() - before.cpu) / ((performance.now() - before.at) / 1000) / 2
  const after = await readMetrics(url)
  const slow = await slowOnes()
  const { p99Ms: diskP99Ms, longestMs: diskLongestMs } = await disk()
  const statements = statementsBetween(before.metrics, after)
  // Which share of a statement's calls took PostgreSQL longer than the bar; one in a hundred is what the bar lets be.
  const overBar = statements
    .map(({ name, calls }) => ({ name, calls, share: (slow.get(name)?.count ?? 0) / calls, longestMs: slow.get(name)?.longestMs ?? 0 }))
    .toSorted((a, b) => b.share - a.share)
  const asked = after.cache.asked - before.metrics.cache.asked
  const hitShare = asked === 0 ? 0 : (after.cache.had - before.metrics.cache.had) / asked

  for (const [what, { count, body }] of ordinaryLoad.refusals)
    process.stderr.write(`  ${what}: ${count} times, such as ${body.slice(0, 200)}\n`)
  // None, where the ordinary rate itself is too much.
  let pushed = ordinaryLoad.p99Ms < 100 ? ordinaryLoad : undefined
  const errors = ordinaryLoad.errors + ordinaryLoad.unanswered
  for (let rate = ordinary * 1.5, misses = 0; misses < 2; ) {
    const step = await drive(rate, pushSeconds, 3)
    process.stderr.write(
      `${Math.round(rate)}/s: ${Math.round(step.perSecond)}/s answered, p99 ${step.p99Ms.toFixed(1)} ms, ${step.errors} errors\n`,
    )
    for (const [what, { count, body }] of step.refusals) process.stderr.write(`  ${what}: ${count} times, such as ${body.slice(0, 200)}\n`)
    const missed = step.p99Ms >= 100 || step.unanswered > 0 || step.errors > 0
    misses = missed ? misses + 1 : 0
    if (missed) continue
    pushed = step
    rate *= 1.25
  }
  const repeated = await admin.query<{ n: number }>(
    'select count(*)::int as n from (select number from orders.orders group by number having count(*) > 1) as r',
  )
  const kept = await admin.query<{ n: number }>(
    `select count(*)::int as n from orders.idempotency where key like 'mix-%' and operation = 'orders.place'`,
  )
  await admin.end()
  const memoryMb = server.peakMemoryMb()
  await server.stop()
  const [slowest] = statements
  printReport({
    bench: 'mix',
    rows: [
      { what: 'history: orders', value: orders, unit: '' },
      { what: 'history: waybills', value: waybills, unit: '' },
      { what: `at ${ordinary}/s for ${seconds} s: answered`, value: ordinaryLoad.perSecond, unit: '/s' },
      { what: '  median', value: ordinaryLoad.p50Ms, unit: 'ms' },
      { what: '  99th percentile', value: ordinaryLoad.p99Ms, unit: 'ms', beside: 'bar 20' },
      { what: '  processor', value: cpuShare * 100, unit: '%', beside: 'bar 70, server and PostgreSQL on 2 cores' },
      { what: '  deepest queue', value: deepest, unit: 'events', beside: 'bar 500' },
      {
        what: `  statements that PostgreSQL needs over ${statementBarMs} ms for, more than one call in 100`,
        value: overBar.filter(({ share }) => share > 0.01).length,
        unit: `of ${overBar.length}`,
        beside: `bar 0; most: ${overBar[0]?.name ?? 'none'}, ${((overBar[0]?.share ?? 0) * 100).toFixed(2)} %`,
      },
      { what: '  the same seen from the server, slowest p99', value: slowest?.p99Ms ?? 0, unit: 'ms', beside: slowest?.name ?? 'none' },
      {
        what: '  commits over it',
        value: slow.get('COMMIT')?.count ?? 0,
        unit: '',
        beside: `longest ${slow.get('COMMIT')?.longestMs ?? 0} ms`,
      },
      { what: '  raw: 8 kB synced to the disk, p99', value: diskP99Ms, unit: 'ms', beside: `longest ${diskLongestMs.toFixed(0)} ms` },
      { what: '  cache: had what was asked of it', value: hitShare * 100, unit: '%', beside: `bar 80, of ${asked}` },
      { what: 'pushed: highest rate below 100 ms', value: pushed?.perSecond ?? 0, unit: '/s', beside: 'bar 3,000' },
      { what: '  99th percentile there', value: pushed?.p99Ms ?? 0, unit: 'ms' },
      { what: 'memory of the server, peak', value: memoryMb, unit: 'MB' },
      { what: 'raw: look-ups by key through pg', value: raw, unit: '/s' },
    ],
    figures: {
      orders,
      waybills,
      perSecond: ordinaryLoad.perSecond,
      p50Ms: ordinaryLoad.p50Ms,
      p99Ms: ordinaryLoad.p99Ms,
      cpuPercent: cpuShare * 100,
      deepestQueue: deepest,
      statementsOverBar: overBar.filter(({ share }) => share > 0.01).length,
      slowestStatementP99Ms: slowest?.p99Ms ?? 0,
      diskP99Ms,
      diskLongestMs,
      cacheHitPercent: hitShare * 100,
      pushedPerSecond: pushed?.perSecond ?? 0,
      pushedP99Ms: pushed?.p99Ms ?? 0,
      memoryMb,
      rawPerSecond: raw,
    },
    counts: {
      lost: mix.counts.lost + Math.max(0, mix.counts.placed - (kept.rows[0]?.n ?? 0)),
      doubled: mix.counts.doubled + (repeated.rows[0]?.n ?? 0),
      errors,
    },
  })
  for (const [kind, p99] of [...ordinaryLoad.p99MsOf].toSorted((a, b) => b[1] - a[1]))
    process.stderr.write(`  ${kind.padEnd(28)} p99 ${p99.toFixed(1)} ms\n`)
  for (const { name, calls, p99Ms } of statements.slice(0, 12))
    process.stderr.write(`  ${name.padEnd(40)} p99 ${p99Ms.toFixed(1)} ms of ${calls}\n`)
  for (const { name, calls, share, longestMs } of overBar.slice(0, 12))
    process.stderr.write(
      `  ${name.padEnd(40)} ${(share * 100).toFixed(2)} % over ${statementBarMs} ms of ${calls}, longest ${longestMs} ms\n`,
    )
} finally {
  await house.close()
}

/** Some of what there is, spread over all days. */
async function pastOf(admin: pg.Client): Promise<Past> {
  const { rows } = await admin.query<{ id: string; number: string; customer: string }>(
    `with size as (select max(id) - min(id) as span, min(id) as first from orders.orders)
     select o.id, o.number, o.customer_id as customer from size, generate_series(0, 19999) as n
     cross join lateral (select id, number, customer_id from orders.orders where id >= size.first + (size.span * n) / 20000 order by id limit 1) as o`,
  )
  const spread = async (table: string): Promise<number[]> => {
    const found = await admin.query<{ id: string }>(
      `with size as (select max(id) - min(id) as span, min(id) as first from ${table})
       select found.id from size, generate_series(0, 19999) as n
       cross join lateral (select id from ${table} where id >= size.first + (size.span * n) / 20000 order by id limit 1) as found`,
    )
    return found.rows.map(({ id }) => Number(id))
  }
  return {
    numbers: rows.map(({ number }) => number),
    orderIds: rows.map(({ id }) => Number(id)),
    customers: rows.map(({ customer }) => customer),
    waybillIds: await spread('fulfilment.waybill'),
    routeIds: await spread('routing.route'),
    salesOrderIds: await spread('warehousing.sales_order'),
  }
}

async function sizeOf(admin: pg.Client): Promise<{ orders: number; waybills: number }> {
  const { rows } = await admin.query<{ orders: number; waybills: number }>(
    'select (select count(*)::int from orders.orders) as orders, (select count(*)::int from fulfilment.waybill) as waybills',
  )
  return rows[0] ?? { orders: 0, waybills: 0 }
}

/** What PostgreSQL alone answers in the same minute on the same machine. */
async function rawLookUps(login: pg.ClientConfig, ids: readonly number[]): Promise<number> {
  const pool = new pg.Pool({ ...login, max: 16 })
  const until = performance.now() + 3_000
  let done = 0
  while (performance.now() < until) {
    await Promise.all(
      Array.from({ length: 16 }, (_, n) =>
        pool.query({ name: 'raw', text: 'select * from orders.orders where id = $1', values: [ids[(done + n) % ids.length]] }),
      ),
    )
    done += 16
  }
  await pool.end()
  return done / 3
}
