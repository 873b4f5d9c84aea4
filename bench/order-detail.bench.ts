import pg from 'pg'
import { parametersOf } from '#platform/sql-arrays.ts'
import { systemContext } from '#platform/request-context.ts'
import { captureQuery } from './support/captured.ts'
import { threeLineOrders } from './support/city-orders.ts'
import { driveHttp } from './support/http-load.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse, startServer } from './support/server-process.ts'

/** Order detail by number over HTTP, 64 clients, 5,000 orders of 3 lines. Raw limit: the same statement through pg, 64 numbers at once. */
const seconds = numberFlag('seconds', 10)
const clients = numberFlag('clients', 64)
const together = 64
const house = await openBenchHouse()
try {
  const core = await house.core()
  const context = systemContext('bench')
  const numbers: string[] = []
  const orders = threeLineOrders(house, 5_000)
  for (let from = 0; from < orders.length; from += 500) {
    const calls = orders.slice(from, from + 500).map((input, index) => ({ context, input, idempotencyKey: `read-${from + index}` }))
    for (const outcome of await core.runner.runMany('orders.place', calls))
      if (outcome.ok) numbers.push((outcome.value as { number: string }).number)
  }
  const get = core.runner.operations.find(({ id }) => id === 'orders.get')
  if (get === undefined) throw new Error('there is no orders.get')
  const [captured] = await captureQuery(core.databases.of('orders'), get, [{ order: numbers[0] }])
  if (captured === undefined) throw new Error('orders.get sent nothing')
  const [{ name, text }] = captured
  await core.close()
  const pick = (n: number): string => numbers[(n * 7_919) % numbers.length] ?? ''

  const rawPerSecond = await rawReads(5)
  const server = await startServer(house, { ROLES: 'http' })
  let asked = 0
  let wrong = 0
  const load = await driveHttp({
    host: '127.0.0.1',
    port: server.port,
    clients,
    seconds,
    warmUpSeconds: 3,
    next() {
      asked += 1
      return { method: 'GET', path: `/v1/orders/${pick(asked)}`, headers: { authorization: `Bearer ${house.key}` }, body: '' }
    },
    answered(status, body) {
      if (status !== 200 || !body.includes('"items":[')) wrong += 1
    },
  })
  const memoryMb = server.peakMemoryMb()
  await server.stop()
  printReport({
    bench: 'order-detail',
    rows: [
      { what: 'order details over HTTP', value: load.perSecond, unit: '/s', beside: `bar 8,000, ${clients} clients` },
      { what: 'answer, median', value: load.p50Ms, unit: 'ms' },
      { what: 'answer, 99th percentile', value: load.p99Ms, unit: 'ms', beside: 'bar 10' },
      { what: 'memory of the server, peak', value: memoryMb, unit: 'MB' },
      { what: 'raw: the same statement through pg', value: rawPerSecond, unit: '/s', beside: `${together} numbers at once` },
      { what: 'share of the raw limit', value: (load.perSecond / rawPerSecond) * 100, unit: '%' },
    ],
    figures: {
      perSecond: load.perSecond,
      p50Ms: load.p50Ms,
      p99Ms: load.p99Ms,
      memoryMb,
      rawPerSecond,
      shareOfRaw: load.perSecond / rawPerSecond,
    },
    counts: { lost: numbers.length === orders.length ? 0 : orders.length - numbers.length, doubled: 0, errors: wrong },
  })

  async function rawReads(forSeconds: number): Promise<number> {
    const started = performance.now()
    let read = 0
    await Promise.all(
      [0, 1].map(async (offset) => {
        const client = new pg.Client({
          ...house.engines.server.loginFor('live', 'orders'),
          options: '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off',
        })
        await client.connect()
        for (let n = offset; performance.now() - started < forSeconds * 1000; n += 2) {
          const wanted = Array.from({ length: together }, (_, index) => pick(n * together + index))
          read += (await client.query({ name, text, values: parametersOf([[], wanted]) })).rows.length
        }
        await client.end()
      }),
    )
    return (read / (performance.now() - started)) * 1000
  }
} finally {
  await house.close()
}
