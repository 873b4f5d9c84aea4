import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { systemContext } from '#platform/request-context.ts'
import { parametersOf } from '#platform/sql-arrays.ts'
import { driveHttp } from './support/http-load.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse, startServer } from './support/server-process.ts'
import { carrier, factOf, numberOf } from './support/track-story.ts'

/**
 * A shipment with its timeline of eight facts, asked for by the carrier's number over HTTP, 64 clients, 20,000 parcels. Raw limit: the rows of
 * the same answer by plain pg, 64 numbers at once.
 */
const seconds = numberFlag('seconds', 10)
const parcels = numberFlag('parcels', 20_000)
const clients = numberFlag('clients', 64)
const together = 64
const facts = 8
const house = await openBenchHouse()
try {
  const core = await house.core()
  const firstMs = Math.floor(systemClock.now().getTime() / 1000) * 1000 - 20 * 86_400_000
  for (let from = 0; from < parcels * facts; from += 5_000) {
    const events = Array.from({ length: Math.min(5_000, parcels * facts - from) }, (_, index) => factOf(from + index, { parcels, firstMs }))
    const outcome = await core.runner.run('tracking.ingest_many', { context: systemContext('bench'), input: { events } })
    if (!outcome.ok) throw new Error(JSON.stringify(outcome.error))
  }
  await core.close()
  const pick = (n: number): string => numberOf((n * 7_919) % parcels)
  const rawPerSecond = await rawReads(4)
  const server = await startServer(house, { ROLES: 'http' })
  let asked = 0
  let wrong = 0
  const load = await driveHttp({
    host: '127.0.0.1',
    port: server.port,
    clients,
    seconds,
    warmUpSeconds: 2,
    next() {
      asked += 1
      return {
        method: 'GET',
        path: `/v1/track/numbers/${pick(asked)}?carrier=${carrier}`,
        headers: { authorization: `Bearer ${house.key}` },
        body: '',
      }
    },
    answered(status, body) {
      if (status !== 200 || !body.includes('"code":"delivered"')) wrong += 1
    },
  })
  const memoryMb = server.peakMemoryMb()
  await server.stop()
  printReport({
    bench: 'track-read',
    rows: [
      { what: 'shipments with timelines over HTTP', value: load.perSecond, unit: '/s', beside: `bar 8,000, ${clients} clients` },
      { what: 'answer, median', value: load.p50Ms, unit: 'ms' },
      { what: 'answer, 99th percentile', value: load.p99Ms, unit: 'ms' },
      { what: 'memory of the server, peak', value: memoryMb, unit: 'MB' },
      { what: 'raw: the same rows by plain pg', value: rawPerSecond, unit: '/s', beside: `${together} numbers at once, 2 connections` },
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
    counts: { lost: 0, doubled: 0, errors: wrong },
  })

  async function rawReads(forSeconds: number): Promise<number> {
    const started = performance.now()
    let read = 0
    const text = `select event.* from unnest($1::text[]) as asked (number) join tracking.reference on reference.number = asked.number and carrier = '${carrier}'
      join tracking.event using (shipment_id)`
    await Promise.all(
      [0, 1].map(async (offset) => {
        const client = new pg.Client({
          ...house.engines.server.loginFor('live', 'tracking'),
          options: '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off',
        })
        await client.connect()
        for (let n = offset; performance.now() - started < forSeconds * 1000; n += 2) {
          const wanted = Array.from({ length: together }, (_, index) => pick(n * together + index))
          read += (await client.query({ name: 'raw_track', text, values: parametersOf([wanted]) })).rows.length / facts
        }
        await client.end()
      }),
    )
    return (read / (performance.now() - started)) * 1000
  }
} finally {
  await house.close()
}
