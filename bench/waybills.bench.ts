import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { systemContext } from '#platform/request-context.ts'
import { threeLineOrders } from './support/city-orders.ts'
import { postgresCpuSeconds } from './support/postgres-cpu.ts'
import { rawWaybillUpdates } from './support/raw-waybills.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse, startServer } from './support/server-process.ts'

/**
 * Waybills of real orders, taken from their route to the door by reports in batches of 500 over HTTP: nine states each, a few clients, each with
 * one batch under way. Orders, routing and tracking follow by events, as they do in a rush: what is left of that when the last answer is
 * there is measured, too. In the same run: the same rows changed by a bare loop of SQL.
 */
const count = numberFlag('waybills', 12_000)
const clients = numberFlag('clients', 4)
const batch = 500
const states = ['released', 'acknowledged', 'picked', 'packed', 'staged', 'loaded', 'out_for_delivery', 'arrived', 'delivered']
const house = await openBenchHouse()
try {
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  const number = async (text: string): Promise<number> => (await admin.query<{ n: number }>(text)).rows[0]?.n ?? 0
  const until = async (wanted: number, sql: string, seconds: number): Promise<void> => {
    for (const started = performance.now(); performance.now() - started < seconds * 1000; ) {
      if ((await number(sql)) >= wanted) return
      await delay(50)
    }
    throw new Error(`not there after ${seconds} s: ${sql}`)
  }

  const seeding = await house.core()
  seeding.relay.start()
  const bodies = threeLineOrders(house, count)
  for (let from = 0; from < count; from += batch) {
    const context = systemContext('bench', 'live', null)
    await seeding.runner.runMany(
      'orders.place',
      bodies.slice(from, from + batch).map((input, at) => ({ context, input, idempotencyKey: `seed-${from + at}` })),
    )
  }
  await until(count, `select count(*)::int as n from fulfilment.waybill where state = 'routed'`, 300)
  await seeding.close()
  const ids = (await admin.query<{ id: string }>('select id from fulfilment.waybill order by id')).rows.map(({ id }) => Number(id))

  const raw = await rawWaybillUpdates(house, { batch, states })
  const server = await startServer(house)
  await admin.query('vacuum analyze fulfilment.waybill')
  await admin.query('checkpoint')
  const requests = states.map((to) =>
    Array.from({ length: Math.ceil(ids.length / batch) }, (_, at) =>
      JSON.stringify({ commands: ids.slice(at * batch, (at + 1) * batch).map((waybillId) => ({ input: { waybillId, to } })) }),
    ),
  )
  const answers: number[] = []
  let accepted = 0
  let errors = 0
  const cpuBefore = server.cpuSeconds()
  const started = performance.now()
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (const bodiesOfState of requests) {
        for (let at = client; at < bodiesOfState.length; at += clients) {
          const sentAt = performance.now()
          const response = await fetch(`http://127.0.0.1:${server.port}/v1/waybills/updates`, {
            method: 'POST',
            headers: { authorization: `Bearer ${house.key}`, 'content-type': 'application/json' },
            body: bodiesOfState[at] ?? '',
          })
          // Counted in the text: reading it would cost the machine that is measured more than writing it.
          const good = (await response.text()).split('"status":200').length - 1
          answers.push(performance.now() - sentAt)
          accepted += good
          errors += Math.min(batch, ids.length) - good
        }
      }
    }),
  )
  const answeredMs = performance.now() - started
  const cpu = server.cpuSeconds() - cpuBefore
  const perSecond = (accepted / answeredMs) * 1000
  await until(count, `select count(*)::int as n from orders.orders where state = 'delivered'`, 600)
  await until(count, `select count(*)::int as n from tracking.shipment where state = 'delivered'`, 600)
  const followedMs = performance.now() - started
  const used = postgresCpuSeconds(house.engines.postgresPid ?? 0)
  const delivered = await number(`select count(*)::int as n from fulfilment.waybill where state = 'delivered'`)
  const doubled = await number(
    `select count(*)::int as n from (select root, to_state from fulfilment.change_log where level = 'waybill' group by 1, 2 having count(*) > 1) as twice`,
  )
  const memoryMb = server.peakMemoryMb()
  await server.stop()
  await admin.end()
  const core = await house.core()
  const breaks = (await core.check('live'))
    .filter(({ check }) => /^(fulfilment|routing|goods)/.test(check))
    .flatMap((result) => result.breaks)
  await core.close()
  for (const each of breaks.slice(0, 5)) process.stderr.write(`BREAK ${each}\n`)
  answers.sort((a, b) => a - b)
  const at = (share: number) => answers[Math.floor((answers.length - 1) * share)] ?? 0
  printReport({
    bench: 'waybills',
    rows: [
      { what: 'waybill updates over HTTP', value: perSecond, unit: '/s', beside: `bar 20,000; batches of ${batch}, ${clients} clients` },
      { what: 'answer to a batch, median', value: at(0.5), unit: 'ms' },
      { what: 'answer to a batch, 99th percentile', value: at(0.99), unit: 'ms' },
      { what: 'with all that follows (orders, routing, tracking)', value: (accepted / followedMs) * 1000, unit: '/s' },
      { what: 'processor time of the server', value: (cpu / accepted) * 1e6, unit: 'µs/update' },
      {
        what: 'processor time of PostgreSQL, fulfilment, seeding included',
        value: ((used.get('throughline_fulfilment') ?? 0) / accepted) * 1e6,
        unit: 'µs/update',
      },
      { what: 'memory of the server, peak', value: memoryMb, unit: 'MB' },
      { what: 'raw: the same rows by a bare loop of SQL', value: raw.perSecond, unit: '/s', beside: 'no lock, no decision, no answer' },
      { what: 'share of the raw limit', value: (perSecond / raw.perSecond) * 100, unit: '%' },
    ],
    figures: {
      perSecond,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      followedPerSecond: (accepted / followedMs) * 1000,
      rawPerSecond: raw.perSecond,
      memoryMb,
      breaks: breaks.length,
    },
    counts: { lost: count - delivered, doubled, errors },
  })
} finally {
  await house.close()
}
