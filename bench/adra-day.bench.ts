import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { dateAhead, adraDay } from './support/adra-city.ts'
import { settleAdra, verifyDay } from './support/adra-database.ts'
import { planInMemory } from './support/adra-memory.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse, startServer } from './support/server-process.ts'

/**
 * One day at once: 180,000 waybills of 60 zones and six slots on 900 trucks. First planned in memory; then from and to a database (fsync on) by a
 * server that was asked over HTTP, while another client goes on asking for availability. All routes are read back and judged by the independent
 * checker. At last single waybills are assigned online beside the day's routes.
 */
const zones = numberFlag('zones', 60)
const attemptsPerDoor = numberFlag('attempts', 5)
const online = numberFlag('online', 500)
const date = dateAhead(2)
const day = adraDay({ seed: 2026, date, zones, trucks: zones * 15, waybills: zones * 3000 })
const workers = Math.min(2, availableParallelism())
const live = { traffic: 'live', rehearsalId: null } as const
const share = (sorted: readonly number[], part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? 0

const memory = await planInMemory(day, { attemptsPerDoor, workers, now: new Date() })
const memoryMb = Math.round(process.memoryUsage().rss / 1e6)

const house = await openBenchHouse()
try {
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  const seeding = await house.core()
  const waiting = await settleAdra(seeding, admin, day)
  await seeding.close()
  await admin.query('vacuum analyze routing.assignment')
  await admin.query('checkpoint')

  // Without the relay: the waybills are made for routing alone, and fulfilment knows none of them.
  const server = await startServer(house, { ROLES: 'http,jobs' })
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${house.key}`, 'content-type': 'application/json' },
    })
  // Of one zone after the other, so that the cache has to follow all that is committed.
  const codes = (day.features as { properties: { code: string } }[]).map(({ properties }) => properties.code)
  let asked = 0
  const question = () => `/v1/slots/availability?zoneCode=${codes[((asked += 1)) % codes.length]}&skuType=dry&from=${date}&days=1`
  for (let warm = 0; warm < 50; warm += 1) await (await ask(question())).text()
  const answers: number[] = []
  let asking = true
  const reader = async () => {
    for (;;) {
      if (!asking) return
      const sentAt = performance.now()
      await (await ask(question())).text()
      answers.push(performance.now() - sentAt)
      await delay(10)
    }
  }
  const readers = [reader(), reader()]
  const cpuBefore = server.cpuSeconds()
  const started = performance.now()
  const begun = (await (
    await ask('/v1/runs', { method: 'POST', body: JSON.stringify({ date, zoneCodes: codes, attemptsPerDoor, seed: 1 }) })
  ).json()) as { runId: number }
  interface RunAnswer {
    committedAt: string | null
    totals: Record<string, number>
    committed: Record<string, number> | null
  }
  let run: RunAnswer
  do {
    await delay(100)
    run = (await (await ask(`/v1/runs/${begun.runId}`)).json()) as RunAnswer
    if (performance.now() - started > 900_000) throw new Error('the run did not end')
  } while (run.committedAt === null)
  const seconds = (performance.now() - started) / 1000
  asking = false
  await Promise.all(readers)
  answers.sort((a, b) => a - b)
  const metrics = await (await ask('/metrics')).text()
  const reads = (result: string) =>
    Number(
      metrics
        .split('\n')
        .find((line) => line.includes('cache_reads_total{') && line.includes('what="availability"') && line.includes(`result="${result}"`))
        ?.split(' ')
        .at(-1) ?? 0,
    )
  const hits = reads('hit') / Math.max(1, reads('hit') + reads('miss'))
  const serverMb = server.peakMemoryMb()
  const cpu = server.cpuSeconds() - cpuBefore
  await server.stop()

  const verified = await verifyDay(admin, day)
  const core = await house.core()
  const broken = (await core.databases.of('routing').read(live, (context) => core.routing.check(context))).filter(
    (report) => report.broken > 0,
  )
  for (const text of [...verified.broken, ...broken.map(({ law }) => law)].slice(0, 5)) process.stderr.write(`BREAK ${text}\n`)

  // Online: zones that take waybills as they come, with the routes of the day there.
  await admin.query(`update routing.zone set planning = 'incremental'`)
  await admin.query('update routing.quota set capacity = capacity + 100000')
  await admin.query('update routing.zone_set set version = version + 1')
  await admin.query('vacuum analyze')
  const late = Array.from({ length: online + 50 }, (_, at) => {
    const [waybill] = day.waybillsOf(at % zones).slice(at, at + 1)
    if (waybill === undefined) throw new Error('a zone has fewer waybills than are asked for')
    return { ...waybill, waybillId: 1_000_000 + at, orderId: 1_000_000 + at }
  })
  const times: number[] = []
  let placed = 0
  for (const waybill of late) {
    const sentAt = performance.now()
    const [outcome] = await core.databases.of('routing').write(live, (context) => core.routing.assignWaybills(context, [waybill]))
    times.push(performance.now() - sentAt)
    if (outcome?.ok === true && outcome.value.state === 'assigned') placed += 1
  }
  const single = times.slice(50).toSorted((a, b) => a - b)
  await core.close()
  await admin.end()
  const wrong = verified.broken.length + broken.length + memory.broken.length + memory.overQuota
  printReport({
    bench: 'adra-day',
    rows: [
      {
        what: 'waybills',
        value: waiting,
        unit: '',
        beside: `${zones} zones × 6 slots, ${zones * 15} trucks, ${attemptsPerDoor} attempts a door`,
      },
      {
        what: 'in memory: planned and sequenced',
        value: memory.seconds,
        unit: 's',
        beside: `${memory.assigned} on ${memory.routes} routes, ${memory.unassigned} without a place`,
      },
      { what: 'in memory: this process, waybills of the checker included', value: memoryMb, unit: 'MB' },
      { what: 'database: asked, planned, committed', value: seconds, unit: 's', beside: 'bar 60' },
      {
        what: 'database: assigned',
        value: verified.assigned,
        unit: '',
        beside: `on ${verified.routes} routes; ${run.totals['unassigned']} wait, with their reasons`,
      },
      { what: 'database: cost of the plan', value: run.totals['costAfter'] ?? 0, unit: '' },
      { what: 'memory of the server, peak', value: serverMb, unit: 'MB', beside: 'bar 1,000' },
      { what: 'processor time of the server', value: cpu, unit: 's' },
      { what: 'availability asked meanwhile, median', value: share(answers, 0.5), unit: 'ms', beside: `${answers.length} answers` },
      { what: 'availability asked meanwhile, 99th percentile', value: share(answers, 0.99), unit: 'ms', beside: 'bar 50' },
      { what: 'availability from the cache', value: 100 * hits, unit: '%', beside: `${reads('miss')} days were read` },
      { what: 'one waybill online, median', value: share(single, 0.5), unit: 'ms', beside: `${placed} of ${late.length} got a place` },
      { what: 'one waybill online, 99th percentile', value: share(single, 0.99), unit: 'ms', beside: 'bar 20' },
    ],
    figures: {
      memorySeconds: memory.seconds,
      seconds,
      assigned: verified.assigned,
      cost: run.totals['costAfter'] ?? 0,
      serverMb,
      readP99Ms: share(answers, 0.99),
      onlineP50Ms: share(single, 0.5),
      onlineP99Ms: share(single, 0.99),
      broken: wrong,
    },
    counts: {
      lost: waiting - verified.assigned - (run.totals['unassigned'] ?? 0),
      doubled: (run.committed?.['assigned'] ?? 0) - verified.assigned,
      errors: wrong,
    },
  })
} finally {
  await house.close()
}
