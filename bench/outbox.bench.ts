import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import type { Consumer } from '#platform/consumer.ts'
import { openDatabases, statement } from '#platform/database.ts'
import { appendOf } from '#platform/outbox.ts'
import { openRelay, type Relay } from '#platform/relay.ts'
import { parametersOf } from '#platform/sql-arrays.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse } from './support/server-process.ts'

/**
 * Events from one context's outbox to an effect in another's tables, each batch and its cursor in one transaction, while four
 * writers announce as fast as they can. Raw limit: the same rows appended and the same effects inserted by plain pg.
 */
const seconds = numberFlag('seconds', 8)
const perTransaction = 50
const house = await openBenchHouse()
try {
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  await admin.query('create table payments.bench_effect (source_id bigint not null, note text not null)')
  await admin.query('grant select, insert on payments.bench_effect to throughline_payments')
  const effect = statement('payments.bench_effect', 'insert into payments.bench_effect select * from unnest($1::bigint[], $2::text[])')
  let taken = 0
  const later: { relay?: Relay } = {}
  const databases = openDatabases({
    login: house.engines.server.loginFor,
    clock: systemClock,
    maxConnections: 6,
    statementTimeoutMs: 30_000,
    announced: (context, traffic) => later.relay?.kick(context, traffic),
  })
  const consumer: Consumer = {
    name: 'payments.bench',
    from: 'orders',
    into: 'payments',
    types: ['bench.happened'],
    largestBatch: 1_000,
    async handle(context, events) {
      await context.query(effect, [events.map((event) => event.id), events.map((event) => (event.payload as { note: string }).note)])
      context.afterCommit(() => {
        taken += events.length
      })
    },
  }
  const live = { traffic: 'live', rehearsalId: null } as const
  const eventsFrom = (n: number) =>
    Array.from({ length: perTransaction }, (_, index) => ({
      key: `k${index % 10}`,
      type: 'bench.happened',
      payload: { note: `n${n + index}`, filler: 'x'.repeat(200) },
    }))

  const rawPerSecond = await raw()
  later.relay = openRelay({
    databases,
    consumers: [consumer],
    pollMs: 250,
    traffics: ['live'],
    log: { warn: () => undefined, error: () => undefined },
  })
  later.relay.start()
  const started = performance.now()
  let announced = 0
  await Promise.all(
    [0, 1, 2, 3].map(async () => {
      while (performance.now() - started < seconds * 1000) {
        const from = announced
        announced += perTransaction
        await databases.of('orders').write(live, (context) => context.announce(eventsFrom(from)))
        // Bounded: what has not been taken yet stays below a second of work.
        while (announced - taken > 40_000) await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }),
  )
  while (taken < announced && performance.now() - started < (seconds + 60) * 1000) await new Promise((resolve) => setTimeout(resolve, 20))
  const perSecond = (announced / (performance.now() - started)) * 1000
  const { rows } = await admin.query<{ effects: number; notes: number }>(
    'select count(*)::int as effects, count(distinct note)::int as notes from payments.bench_effect',
  )
  const [count] = rows
  await later.relay.close()
  await databases.close()
  await admin.end()
  printReport({
    bench: 'outbox',
    rows: [
      {
        what: 'events announced, relayed and taken',
        value: perSecond,
        unit: '/s',
        beside: '4 writers, 50 events a transaction, one consumer',
      },
      { what: 'raw: the same rows by pg, appended and inserted', value: rawPerSecond, unit: '/s' },
      { what: 'share of the raw limit', value: (perSecond / rawPerSecond) * 100, unit: '%' },
    ],
    figures: { perSecond, rawPerSecond, shareOfRaw: perSecond / rawPerSecond },
    counts: { lost: announced - (count?.notes ?? 0), doubled: (count?.effects ?? 0) - (count?.notes ?? 0), errors: 0 },
  })

  async function raw(): Promise<number> {
    const at = performance.now()
    let done = 0
    await Promise.all(
      [0, 1].map(async () => {
        const orders = new pg.Client(house.engines.server.loginFor('live', 'orders'))
        const payments = new pg.Client(house.engines.server.loginFor('live', 'payments'))
        await Promise.all([orders.connect(), payments.connect()])
        while (performance.now() - at < 4_000) {
          const events = eventsFrom(done).map((event) => ({ ...event, type: 'bench.raw' }))
          const [append, values] = appendOf('orders', events, { rehearsalId: null, now: new Date() })
          await orders.query({ name: append.name, text: append.text, values: parametersOf(values) })
          await payments.query({
            name: effect.name,
            text: effect.text,
            values: parametersOf([events.map((_, index) => index), events.map(({ payload }) => payload.note)]),
          })
          done += perTransaction
        }
        await Promise.all([orders.end(), payments.end()])
      }),
    )
    await admin.query('truncate payments.bench_effect')
    return (done / (performance.now() - at)) * 1000
  }
} finally {
  await house.close()
}
