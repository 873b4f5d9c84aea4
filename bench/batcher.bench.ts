import pg from 'pg'
import { Batcher } from '#platform/batcher.ts'
import { parametersOf } from '#platform/sql-arrays.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse } from './support/server-process.ts'

/**
 * What coalescing is worth: 64 callers, each with one row at a time. Through the batcher, their rows share transactions; one
 * by one, each row is its own. Raw limit: rows inserted 128 at a time with nobody waiting for an answer of their own.
 */
const seconds = numberFlag('seconds', 5)
const callers = 64
const house = await openBenchHouse()
try {
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  await admin.query('create table orders.bench_row (id bigint primary key, body text not null)')
  await admin.query('grant select, insert on orders.bench_row to throughline_orders')
  const pool = new pg.Pool({ ...house.engines.server.loginFor('live', 'orders'), max: 6 })
  const insert = { name: 'bench_insert', text: 'insert into orders.bench_row select * from unnest($1::bigint[], $2::text[])' }
  const body = 'x'.repeat(200)
  const write = (ids: readonly number[]) => pool.query({ ...insert, values: parametersOf([ids, ids.map(() => body)]) })

  let next = 0
  let errors = 0
  const sizes: number[] = []
  const latencies: number[] = []
  /** Runs callers that each wait for their answer before they ask again. */
  const measure = async (ask: (id: number) => Promise<unknown>): Promise<number> => {
    const started = performance.now()
    let done = 0
    latencies.length = 0
    await Promise.all(
      Array.from({ length: callers }, async () => {
        while (performance.now() - started < seconds * 1000) {
          const at = performance.now()
          await ask((next += 1)).catch(() => {
            errors += 1
          })
          latencies.push(performance.now() - at)
          done += 1
        }
      }),
    )
    return (done / (performance.now() - started)) * 1000
  }
  const p99 = (): number => latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? 0

  const batcher = new Batcher<number, number>({
    largest: 128,
    longestWaitMs: 2,
    concurrent: 1,
    mostWaiting: 10_000,
    async run(ids) {
      sizes.push(ids.length)
      await write(ids)
      return ids
    },
  })
  const coalesced = await measure((id) => batcher.add(id) ?? Promise.reject(new Error('full')))
  const coalescedP99 = p99()
  const alone = await measure((id) => write([id]))
  const aloneP99 = p99()
  const started = performance.now()
  let raw = 0
  await Promise.all(
    [0, 1].map(async () => {
      while (performance.now() - started < seconds * 1000) {
        const from = next
        next += 128
        await write(Array.from({ length: 128 }, (_, index) => from + index + 1))
        raw += 128
      }
    }),
  )
  const rawPerSecond = (raw / (performance.now() - started)) * 1000
  const { rows } = await admin.query<{ n: number }>('select count(*)::int as n from orders.bench_row')
  await pool.end()
  await admin.end()
  printReport({
    bench: 'batcher',
    rows: [
      {
        what: '64 callers through the batcher',
        value: coalesced,
        unit: '/s',
        beside: `${(sizes.reduce((a, b) => a + b, 0) / sizes.length).toFixed(0)} rows a batch`,
      },
      { what: '  99th percentile', value: coalescedP99, unit: 'ms' },
      { what: '64 callers one by one', value: alone, unit: '/s', beside: '6 connections' },
      { what: '  99th percentile', value: aloneP99, unit: 'ms' },
      { what: 'raw: 128 rows a statement', value: rawPerSecond, unit: '/s' },
      { what: 'through the batcher : one by one', value: coalesced / alone, unit: 'times' },
    ],
    figures: {
      perSecond: coalesced,
      p99Ms: coalescedP99,
      alonePerSecond: alone,
      rawPerSecond,
      timesAlone: coalesced / alone,
      shareOfRaw: coalesced / rawPerSecond,
    },
    counts: { lost: Math.max(0, next - (rows[0]?.n ?? 0)), doubled: 0, errors },
  })
} finally {
  await house.close()
}
