import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { systemContext } from '#platform/request-context.ts'
import { parametersOf } from '#platform/sql-arrays.ts'
import { driveHttp } from './support/http-load.ts'
import { numberFlag, printReport } from './support/report.ts'
import { type BenchHouse, openBenchHouse, startServer } from './support/server-process.ts'
import { carrier, factOf, numberOf } from './support/track-story.ts'

/**
 * Facts of an outside carrier over HTTP in batches of 500, each with the carrier's id for it and each of another parcel, so that every batch
 * moves 500 projections; a tenth of each batch is repeated from the one before. Raw limit of the same run: the same rows by plain pg into
 * the same table, with its key alone to refuse repeats and no projection, 500 a statement on two connections.
 */
const seconds = numberFlag('seconds', 10)
const parcels = numberFlag('parcels', 50_000)
const perBatch = 500
const fresh = perBatch * 0.9
const firstMs = Math.floor(systemClock.now().getTime() / 1000) * 1000 - 20 * 86_400_000
const batchOf = (nth: number) => {
  const of = (from: number, count: number) => Array.from({ length: count }, (_, index) => factOf(from + index, { parcels, firstMs }))
  return [...of(nth * fresh, fresh), ...of(Math.max(0, nth - 1) * fresh, perBatch - fresh)]
}

const house = await openBenchHouse()
try {
  await register(house)
  const rawPerSecond = await raw(house)
  const server = await startServer(house, { ROLES: 'http' })
  let nth = 0
  let added = 0
  let refused = 0
  const load = await driveHttp({
    host: '127.0.0.1',
    port: server.port,
    clients: numberFlag('clients', 6),
    seconds,
    warmUpSeconds: 2,
    next() {
      const body = JSON.stringify({ events: batchOf(nth) })
      nth += 1
      return { method: 'POST', path: '/v1/track/events/bulk', headers: { authorization: `Bearer ${house.key}` }, body }
    },
    answered(status, body) {
      if (status !== 200) return
      const answer = JSON.parse(body) as { added: number; known: number; refused: unknown[] }
      added += answer.added
      refused += answer.refused.length
    },
  })
  const perSecond = load.perSecond * perBatch
  const memoryMb = server.peakMemoryMb()
  await server.stop()
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  const { rows } = await admin.query<{ kept: number }>(`select count(*)::int as kept from tracking.event where source = $1`, [carrier])
  await admin.end()
  const kept = rows[0]?.kept ?? 0
  const core = await house.core()
  const breaks = await core.databases
    .of('tracking')
    .survey({ traffic: 'live', rehearsalId: null }, (context) => core.tracking.check(context))
  await core.close()
  const broken = breaks.reduce((sum, law) => sum + law.broken, 0)
  printReport({
    bench: 'track-ingest',
    rows: [
      { what: 'facts over HTTP, with projection', value: perSecond, unit: '/s', beside: 'bar 20,000; 500 a call, a tenth repeated' },
      { what: 'answer to 500 facts, median', value: load.p50Ms, unit: 'ms' },
      { what: 'answer to 500 facts, 99th percentile', value: load.p99Ms, unit: 'ms' },
      { what: 'memory of the server, peak', value: memoryMb, unit: 'MB' },
      { what: 'raw: the same rows by plain pg', value: rawPerSecond, unit: '/s', beside: 'no projection, 2 connections, 500 a statement' },
      { what: 'share of the raw limit', value: (perSecond / rawPerSecond) * 100, unit: '%' },
    ],
    figures: {
      perSecond,
      p50Ms: load.p50Ms,
      p99Ms: load.p99Ms,
      memoryMb,
      rawPerSecond,
      shareOfRaw: perSecond / rawPerSecond,
      breaks: broken,
    },
    counts: { lost: Math.max(0, added - kept), doubled: Math.max(0, kept - added), errors: load.errors + refused + broken },
  })
} finally {
  await house.close()
}

async function register(at: BenchHouse): Promise<void> {
  const core = await at.core()
  const context = systemContext('bench')
  for (let from = 0; from < parcels; from += 5_000) {
    const inputs = Array.from({ length: Math.min(5_000, parcels - from) }, (_, index) => ({
      numbers: [{ carrier, number: numberOf(from + index) }],
      orderRef: `web-${from + index}`,
    }))
    const outcomes = await core.runner.runMany(
      'tracking.register',
      inputs.map((input) => ({ context, input })),
    )
    const failed = outcomes.find(({ ok }) => !ok)
    if (failed !== undefined) throw new Error(JSON.stringify(failed))
  }
  await core.close()
}

async function raw(at: BenchHouse): Promise<number> {
  const text = `insert into tracking.event (shipment_id, occurred_at, id, code, milestone, zone_known, place, source, source_id, received_at)
    select shipment_id, occurred_at, md5(source_id)::uuid, code, 'in_transit', true, place, source, source_id, now()
    from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[]) as fact (shipment_id, occurred_at, code, place, source, source_id)
    on conflict do nothing`
  const started = performance.now()
  let nth = 0
  let done = 0
  await Promise.all(
    [1, 2].map(async () => {
      const client = new pg.Client(at.engines.server.loginFor('live', 'tracking'))
      await client.connect()
      while (performance.now() - started < 4_000) {
        const facts = batchOf(nth)
        nth += 1
        const columns = [
          facts.map(({ number }) => Number(number.slice(2)) + 1),
          facts.map(({ occurredAt }) => occurredAt),
          facts.map(({ code }) => code),
          facts.map(({ place }) => place),
          facts.map(({ source }) => source),
          facts.map(({ sourceId }) => sourceId),
        ]
        await client.query({ name: 'raw_facts', text, values: parametersOf(columns) })
        done += perBatch
      }
      await client.end()
    }),
  )
  const perSecond = (done / (performance.now() - started)) * 1000
  const admin = new pg.Client(at.engines.server.admin('live'))
  await admin.connect()
  await admin.query(`delete from tracking.event where source = $1`, [carrier])
  await admin.query('vacuum analyze tracking.event')
  await admin.query('checkpoint')
  await admin.end()
  return perSecond
}
