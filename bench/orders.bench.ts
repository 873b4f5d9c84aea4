import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { threeLineOrders } from './support/city-orders.ts'
import { driveHttp } from './support/http-load.ts'
import { postgresCpuSeconds } from './support/postgres-cpu.ts'
import { rawOrderInserts } from './support/raw-orders.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse, startServer } from './support/server-process.ts'

/**
 * Orders placed and paid over HTTP: 64 clients, 3 lines each, the sandbox PG's twin in the server. The rate is that of
 * orders whose items are paid, over the time from the first request to the last payment. In the same run: the statement
 * that stores orders, driven straight through pg by a batching client with no HTTP, no payment and no flows.
 */
const seconds = numberFlag('seconds', 15)
const clients = numberFlag('clients', 64)
const house = await openBenchHouse()
try {
  const raw = await rawOrderInserts(house, numberFlag('raw-seconds', 10))
  // From here on as on a server that has run for a while: after a checkpoint the segments of the log that raw inserts filled are used
  // again, where a new database would stop every commit for each one that it makes.
  const keeper = new pg.Client(house.engines.server.admin('live'))
  await keeper.connect()
  await keeper.query('checkpoint')
  await keeper.end()
  const server = await startServer(house)
  const bodies = threeLineOrders(house, 2_000).map((body) => JSON.stringify(body))
  const cpuBefore = server.cpuSeconds()
  const acknowledged = new Map<string, number>()
  let sent = 0
  const started = systemClock.now().getTime()
  const load = await driveHttp({
    host: '127.0.0.1',
    port: server.port,
    clients,
    seconds,
    warmUpSeconds: 3,
    next() {
      sent += 1
      return {
        method: 'POST',
        path: '/v1/orders',
        headers: { authorization: `Bearer ${house.key}`, 'idempotency-key': `bench-${sent}` },
        body: bodies[sent % bodies.length] ?? '',
      }
    },
    answered(status, body) {
      if (status !== 201) return
      const number = (JSON.parse(body) as { number: string }).number
      acknowledged.set(number, (acknowledged.get(number) ?? 0) + 1)
    },
  })
  const peakMemoryMb = server.peakMemoryMb()
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  const one = async <Row extends pg.QueryResultRow>(text: string): Promise<Row> => (await admin.query<Row>(text)).rows[0] as Row
  // Raw inserts left their rows behind as pending; only orders that came by HTTP are paid.
  const paidNow = async () => (await one<{ n: number }>(`select count(*)::int as n from orders.orders where money_state = 'captured'`)).n
  while ((await paidNow()) < acknowledged.size) {
    if (systemClock.now().getTime() - started > (seconds + 60) * 1000) break
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  const lastPaid = await one<{ ms: number; p50: number; p99: number }>(
    `select (extract(epoch from max(c.occurred_at)) * 1000)::float8 as ms,
       percentile_cont(0.5) within group (order by extract(epoch from c.occurred_at - o.placed_at) * 1000) as p50,
       percentile_cont(0.99) within group (order by extract(epoch from c.occurred_at - o.placed_at) * 1000) as p99
     from orders.change c join orders.orders o on o.id = c.root where c.cause = 'cover'`,
  )
  const paid = await paidNow()
  const stored = await one<{ n: number; keys: number }>(
    `select (select count(*)::int from orders.orders where channel = 'web') as n, (select count(*)::int from orders.idempotency where key like 'bench-%') as keys`,
  )
  const known = new Set(
    (await admin.query<{ number: string }>(`select number from orders.orders where channel = 'web'`)).rows.map((row) => row.number),
  )
  const routed = async () =>
    (await one<{ n: number }>(`select count(distinct order_id)::int as n from fulfilment.waybill where state <> 'created'`)).n
  while ((await routed()) < acknowledged.size && systemClock.now().getTime() - started < (seconds + 120) * 1000)
    await new Promise((resolve) => setTimeout(resolve, 100))
  const allRouted = systemClock.now().getTime()
  await admin.end()
  const cpu = server.cpuSeconds() - cpuBefore
  const used = postgresCpuSeconds(house.engines.postgresPid ?? 0)
  await server.stop()
  const core = await house.core()
  const breaks = (await core.check('live'))
    .filter(({ check }) => /paid twice|log|fold|money/.test(check))
    .flatMap((result) => result.breaks)
  await core.close()
  for (const each of breaks.slice(0, 5)) process.stderr.write(`BREAK ${each}\n`)
  const lost = [...acknowledged.keys()].filter((number) => !known.has(number)).length
  const doubled = [...acknowledged.values()].filter((times) => times > 1).length + Math.max(0, stored.n - stored.keys)
  const paidPerSecond = (paid / (lastPaid.ms - started)) * 1000
  printReport({
    bench: 'orders',
    rows: [
      { what: 'orders placed over HTTP', value: load.perSecond, unit: '/s', beside: `${clients} clients, 3 lines` },
      { what: 'orders placed and paid', value: paidPerSecond, unit: '/s', beside: 'bar 2,500' },
      { what: 'answer, median', value: load.p50Ms, unit: 'ms' },
      { what: 'answer, 99th percentile', value: load.p99Ms, unit: 'ms', beside: 'bar 50' },
      { what: 'placed to paid, median', value: lastPaid.p50, unit: 'ms' },
      { what: 'placed to paid, 99th percentile', value: lastPaid.p99, unit: 'ms' },
      { what: 'memory of the server, peak', value: peakMemoryMb, unit: 'MB', beside: 'bar 300' },
      {
        what: 'until all were routed',
        value: (acknowledged.size / (allRouted - started)) * 1000,
        unit: 'orders/s',
        beside: 'the whole chain',
      },
      ...['orders', 'payments', 'fulfilment', 'routing', 'tracking'].map((context) => ({
        what: `processor time of PostgreSQL, ${context}`,
        value: ((used.get(`throughline_${context}`) ?? 0) / acknowledged.size) * 1e6,
        unit: 'µs/order',
      })),
      { what: 'processor time of the server', value: (cpu / acknowledged.size) * 1e6, unit: 'µs/order' },
      { what: 'raw: the same insert through pg', value: raw.perSecond, unit: '/s', beside: `batches of ${raw.batch}, no HTTP, no payment` },
      { what: 'share of the raw limit', value: (paidPerSecond / raw.perSecond) * 100, unit: '%' },
    ],
    figures: {
      placedPerSecond: load.perSecond,
      paidPerSecond,
      p50Ms: load.p50Ms,
      p99Ms: load.p99Ms,
      wholeChainPerSecond: (acknowledged.size / (allRouted - started)) * 1000,
      paidP99Ms: lastPaid.p99,
      memoryMb: peakMemoryMb,
      rawPerSecond: raw.perSecond,
      shareOfRaw: paidPerSecond / raw.perSecond,
      breaks: breaks.length,
    },
    counts: { lost: lost + Math.max(0, acknowledged.size - paid), doubled, errors: load.errors },
  })
} finally {
  await house.close()
}
