import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { systemContext } from '#platform/request-context.ts'
import { parametersOf } from '#platform/sql-arrays.ts'
import { driveHttp } from './support/http-load.ts'
import { numberFlag, printReport } from './support/report.ts'
import { type BenchHouse, openBenchHouse, startServer } from './support/server-process.ts'

/**
 * RFID reads over HTTP in batches of 500: 20,000 tagged totes in 100 trolleys, blocks of reads out of order, a tenth of each batch repeated
 * from the one before, one tag in fifty on no container. Then the question where a tote is, while it is inside a trolley that was seen
 * later. Raw limit of the same run: the same rows by plain pg with the key alone to refuse repeats, batches of 500 as well.
 */
const seconds = numberFlag('seconds', 10)
const perBatch = 500
const totes = 20_000
const trolleys = 100
const epcOf = (n: number): string => `3374257BF4${n.toString(16).toUpperCase().padStart(14, '0')}`
const firstSecond = Math.floor(systemClock.now().getTime() / 1000) - 20 * 86_400

/** The k-th read: all are different. Every fiftieth tag is on no container. */
const readOf = (k: number) => {
  const n = k % totes
  return {
    reader: `portal-${k % 40}`,
    epc: n % 50 === 49 ? epcOf(n + 1_000_000) : epcOf(n),
    readAt: new Date((firstSecond + Math.floor(k / totes)) * 1000).toISOString(),
  }
}
/** Blocks of reads in an order of their own: neighbours in time come far apart. */
const blockOf = (nth: number): number => (nth & ~63) | ((nth * 37) & 63)
const batchOf = (nth: number) => {
  const fresh = Array.from({ length: perBatch * 0.9 }, (_, index) => readOf(blockOf(nth) * perBatch * 0.9 + index))
  const again = Array.from({ length: perBatch * 0.1 }, (_, index) => readOf(blockOf(Math.max(0, nth - 1)) * perBatch * 0.9 + index))
  return [...fresh, ...again]
}

const house = await openBenchHouse()
try {
  await settle(house)
  const rawPerSecond = await raw(house)
  const server = await startServer(house)
  const headers = { authorization: `Bearer ${house.key}` }
  let nth = 0
  const sent = new Set<number>()
  let recorded = 0
  const answered = { reads: 0 }
  const started = performance.now()
  const load = await driveHttp({
    host: '127.0.0.1',
    port: server.port,
    clients: 8,
    seconds,
    warmUpSeconds: 2,
    next() {
      sent.add(blockOf(nth))
      const body = JSON.stringify({ reads: batchOf(nth) })
      nth += 1
      return { method: 'POST', path: '/v1/container-reads', headers, body }
    },
    answered(status, body) {
      if (status !== 200) return
      const answer = JSON.parse(body) as { recorded: number; repeated: number }
      recorded += answer.recorded
      answered.reads += answer.recorded + answer.repeated
    },
  })
  const readsPerSecond = (answered.reads / (performance.now() - started)) * 1000
  let asked = 0
  const places = await driveHttp({
    host: '127.0.0.1',
    port: server.port,
    clients: 32,
    seconds: Math.min(seconds, 5),
    warmUpSeconds: 1,
    next() {
      asked += 1
      const code = `TOTE-${(asked * 7919) % totes}`
      return { method: 'GET', path: `/v1/containers/${code}`, headers, body: '' }
    },
    answered: () => undefined,
  })
  await server.stop()
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  const { rows } = await admin.query<{ kept: number }>(`select count(*)::int as kept from containers.tag_read where reader like 'portal-%'`)
  await admin.end()
  const kept = rows[0]?.kept ?? 0
  const expected = sent.size * perBatch * 0.9
  const core = await house.core()
  const breaks = (await core.check('live')).filter(({ check }) => check.startsWith('containers')).flatMap((result) => result.breaks)
  await core.close()
  for (const each of breaks.slice(0, 5)) process.stderr.write(`BREAK ${each}\n`)
  printReport({
    bench: 'rfid',
    rows: [
      { what: 'reads over HTTP', value: readsPerSecond, unit: '/s', beside: '8 clients, 500 a call, a tenth repeated' },
      { what: 'answer to 500 reads, 99th percentile', value: load.p99Ms, unit: 'ms' },
      { what: 'raw: the same rows by plain pg', value: rawPerSecond, unit: '/s', beside: '2 connections, 500 a statement' },
      { what: 'share of the raw limit', value: (readsPerSecond / rawPerSecond) * 100, unit: '%' },
      { what: 'where is this tote and what is in it', value: places.perSecond, unit: '/s', beside: '32 clients, each inside a trolley' },
      { what: 'that answer, 99th percentile', value: places.p99Ms, unit: 'ms' },
    ],
    figures: {
      readsPerSecond,
      p99Ms: load.p99Ms,
      rawPerSecond,
      shareOfRaw: readsPerSecond / rawPerSecond,
      placesPerSecond: places.perSecond,
      placesP99Ms: places.p99Ms,
      breaks: breaks.length,
    },
    counts: { lost: Math.max(0, expected - kept), doubled: Math.max(0, recorded - kept), errors: load.errors + places.errors },
  })
} finally {
  await house.close()
}

async function settle(at: BenchHouse): Promise<void> {
  const core = await at.core()
  const context = systemContext('bench')
  const many = async (operation: string, inputs: readonly object[]) => {
    for (let from = 0; from < inputs.length; from += 2_500) {
      const some = inputs.slice(from, from + 2_500).map((input) => ({ context, input }))
      const failed = (await core.runner.runMany(operation, some)).find(({ ok }) => !ok)
      if (failed !== undefined) throw new Error(`${operation}: ${JSON.stringify(failed)}`)
    }
  }
  const named = (name: string, count: number, kind: string) =>
    Array.from({ length: count }, (_, n) => ({ code: `${name}-${n}`, kind, colour: 'blue' }))
  await many(
    'containers.register',
    named('TOTE', totes, 'tote').map((tote, n) => ({ ...tote, epc: epcOf(n) })),
  )
  await many('containers.register', named('TROLLEY', trolleys, 'box'))
  await many(
    'containers.nest',
    named('TOTE', totes, 'tote').map(({ code }, n) => ({ code, into: `TROLLEY-${n % trolleys}` })),
  )
  await many(
    'containers.move',
    named('TROLLEY', trolleys, 'box').map(({ code }) => ({ code, place: 'dock-1' })),
  )
  await core.close()
}

async function raw(at: BenchHouse): Promise<number> {
  const text = `insert into containers.tag_read (epc, second, reader) select * from unnest($1::text[], $2::timestamptz[], $3::text[]) on conflict do nothing`
  const started = performance.now()
  let nth = 0
  let done = 0
  await Promise.all(
    [1, 2].map(async () => {
      const client = new pg.Client(at.engines.server.loginFor('live', 'containers'))
      await client.connect()
      while (performance.now() - started < 4_000) {
        const reads = batchOf(nth)
        nth += 1
        const columns = [reads.map(({ epc }) => epc), reads.map(({ readAt }) => readAt), reads.map(({ reader }) => `raw-${reader}`)]
        await client.query({ name: 'raw_reads', text, values: parametersOf(columns) })
        done += perBatch
      }
      await client.end()
    }),
  )
  const perSecond = (done / (performance.now() - started)) * 1000
  const admin = new pg.Client(at.engines.server.admin('live'))
  await admin.connect()
  await admin.query('truncate containers.tag_read')
  await admin.query('checkpoint')
  await admin.end()
  return perSecond
}
