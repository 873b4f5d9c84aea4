import pg from 'pg'
import { driveHttp } from './support/http-load.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse, startServer } from './support/server-process.ts'
import { threeLineOrders } from './support/city-orders.ts'

/**
 * An order of 200 items of which one quantity is changed, over HTTP, one client: the whole order is locked, read, folded, and its
 * sums and its payment are brought up to date. Beside it, on the same disk: one row changed by plain pg and committed.
 */
const seconds = numberFlag('seconds', 8)
const lines = 200
const house = await openBenchHouse()
try {
  const [sample] = threeLineOrders(house, 1) as [{ sections: { items: object[] }[] }]
  const [section] = sample.sections as [{ items: { unitPriceMinor: number }[]; shippingMinor?: number }]
  const items = Array.from({ length: lines }, () => ({ ...section.items[0], quantity: 5 }))
  const price = section.items[0]?.unitPriceMinor ?? 0
  const body = {
    ...sample,
    payment: undefined,
    totalMinor: lines * 5 * price + (section.shippingMinor ?? 0),
    sections: [{ ...section, items }],
  }
  const server = await startServer(house)
  const base = `http://127.0.0.1:${server.port}`
  const headers = { authorization: `Bearer ${house.key}`, 'content-type': 'application/json' }
  const placed = await fetch(`${base}/v1/orders`, {
    method: 'POST',
    headers: { ...headers, 'idempotency-key': 'the-order-of-200' },
    body: JSON.stringify(body),
  })
  const { number } = (await placed.json()) as { number: string }
  if (placed.status !== 201) throw new Error(`the order of ${lines} items was not placed: ${placed.status}`)
  let edits = 0
  let refused = 0
  const load = await driveHttp({
    host: '127.0.0.1',
    port: server.port,
    clients: 1,
    seconds,
    warmUpSeconds: 2,
    next() {
      edits += 1
      return {
        method: 'POST',
        path: `/v1/orders/${number}/amend`,
        headers: { authorization: headers.authorization, 'idempotency-key': `edit-${edits}` },
        body: JSON.stringify({ items: [{ itemNo: 1 + (edits % lines), quantity: 1 + (edits % 9) }] }),
      }
    },
    answered(status) {
      if (status !== 200) refused += 1
    },
  })
  await server.stop()
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  await admin.query('create table public.raw_row (id int primary key, quantity int not null)')
  await admin.query('insert into public.raw_row select generate_series(1, 200), 1')
  const raw: number[] = []
  for (const until = performance.now() + 3_000; performance.now() < until; ) {
    const began = performance.now()
    await admin.query('update public.raw_row set quantity = quantity + 1 where id = $1', [1 + (raw.length % lines)])
    raw.push(performance.now() - began)
  }
  await admin.end()
  const core = await house.core()
  const breaks = (await core.check('live')).filter(({ check }) => check.startsWith('orders:')).flatMap((result) => result.breaks)
  await core.close()
  const rawP50 = raw.toSorted((a, b) => a - b)[Math.floor(raw.length / 2)] ?? 0
  printReport({
    bench: 'order-edit-200',
    rows: [
      { what: 'one quantity of 200 items changed, median', value: load.p50Ms, unit: 'ms', beside: 'bar 20' },
      { what: '  99th percentile', value: load.p99Ms, unit: 'ms', beside: 'bar 20' },
      { what: 'changes', value: load.perSecond, unit: '/s', beside: 'one client, one after the other' },
      { what: 'raw: one row by plain pg, committed, median', value: rawP50, unit: 'ms' },
    ],
    figures: { p50Ms: load.p50Ms, p99Ms: load.p99Ms, perSecond: load.perSecond, rawP50Ms: rawP50, breaks: breaks.length },
    counts: { lost: 0, doubled: 0, errors: refused + breaks.length },
  })
} finally {
  await house.close()
}
