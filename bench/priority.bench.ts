import pg from 'pg'
import { systemContext } from '#platform/request-context.ts'
import { untilDrained } from '../src/cli/session.ts'
import { driveHttp, type LoadResult } from './support/http-load.ts'
import { postgresCpuSeconds } from './support/postgres-cpu.ts'
import { numberFlag, printReport } from './support/report.ts'
import { type BenchHouse, openBenchHouse, startServer } from './support/server-process.ts'

/**
 * Waybill updates over HTTP, one a call, alone and under a flood of merchants' calls, turn and turn about in one run so that a
 * noisy machine is as noisy for both. The flood: 40 merchants who each send five calls a second, where two are theirs.
 */
const seconds = numberFlag('seconds', 4)
const rounds = numberFlag('rounds', 7)
const clients = numberFlag('clients', 32)
const merchants = numberFlag('merchants', 40)
const callsPerSecond = numberFlag('calls', 5)
const waybills = numberFlag('waybills', 60_000)
const states = ['released', 'acknowledged', 'picked', 'packed', 'staged', 'loaded', 'out_for_delivery', 'arrived', 'delivered']
interface Turn {
  readonly load: LoadResult
  readonly cpuMicros: number
}
const live = { traffic: 'live', rehearsalId: null } as const

const house = await openBenchHouse()
try {
  const { keys, ids } = await settle(house)
  const server = await startServer(house)
  let sent = 0
  let updated = 0
  const refusals = { limited: 0, withoutRetryAfter: 0, letIn: 0, other: 0 }

  const cpuNow = (): number =>
    server.cpuSeconds() + [...postgresCpuSeconds(house.engines.postgresPid ?? 0).values()].reduce((sum, each) => sum + each, 0)

  const updates = (): Promise<LoadResult> =>
    driveHttp({
      host: '127.0.0.1',
      port: server.port,
      clients,
      seconds,
      warmUpSeconds: 1,
      next() {
        // All waybills one step on, then the next step: every update is a real one.
        const waybillId = ids[sent % ids.length]
        const to = states[Math.floor(sent / ids.length)]
        if (to === undefined) throw new Error('all waybills are delivered: ask for more of them with --waybills')
        sent += 1
        return {
          method: 'POST',
          path: `/v1/waybills/${waybillId}/updates`,
          headers: { authorization: `Bearer ${house.key}` },
          body: JSON.stringify({ to }),
        }
      },
      answered(status) {
        if (status === 200) updated += 1
      },
    })
  const flood = (): Promise<LoadResult> =>
    driveHttp({
      host: '127.0.0.1',
      port: server.port,
      clients: merchants,
      seconds: seconds + 1,
      warmUpSeconds: 0,
      everyMs: 1000 / callsPerSecond,
      next: (client) => ({
        method: 'GET',
        path: '/v1/merchant/waybills?limit=20',
        headers: { authorization: `Bearer ${keys[client]}` },
        body: '',
      }),
      answered(status, body) {
        if (status === 429) {
          refusals.limited += 1
          if (!body.includes('retryAfterSeconds')) refusals.withoutRetryAfter += 1
        } else if (status === 200) refusals.letIn += 1
        else refusals.other += 1
      },
    })

  /** One turn, with the processor time that it took in server and database for each update: that does not depend on who else is at work. */
  const turn = async (withFlood: boolean): Promise<Turn> => {
    const before = { cpu: cpuNow(), updated }
    const [load] = await Promise.all([updates(), ...(withFlood ? [flood()] : [])])
    return { load, cpuMicros: ((cpuNow() - before.cpu) / (updated - before.updated)) * 1e6 }
  }
  const alone: Turn[] = []
  const flooded: Turn[] = []
  for (let round = 0; round < rounds; round += 1) {
    // Which comes first alternates: what the one leaves behind must not always burden the other.
    for (const withFlood of round % 2 === 0 ? [false, true] : [true, false]) (withFlood ? flooded : alone).push(await turn(withFlood))
  }
  await server.stop()
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  const { rows } = await admin.query<{ moves: number; twice: number }>(
    `select count(*)::int as moves, (count(*) - count(distinct (root, to_state)))::int as twice from fulfilment.change_log where cause = 'waybills.update' and actor = 'key:bench' and position = 1`,
  )
  await admin.end()
  const median = (values: readonly number[]): number => values.toSorted((x, y) => x - y)[Math.floor(values.length / 2)] ?? 0
  const of = (turns: readonly Turn[], figure: (turn: Turn) => number): number => median(turns.map(figure))
  const rate = { alone: of(alone, ({ load }) => load.perSecond), flooded: of(flooded, ({ load }) => load.perSecond) }
  const p99 = { alone: of(alone, ({ load }) => load.p99Ms), flooded: of(flooded, ({ load }) => load.p99Ms) }
  const cpu = { alone: of(alone, ({ cpuMicros }) => cpuMicros), flooded: of(flooded, ({ cpuMicros }) => cpuMicros) }
  // Turn against its neighbour: the machine is shared, and what slows one slows the next.
  const share = median(flooded.map(({ load }, round) => load.perSecond / (alone[round]?.load.perSecond ?? 1)))
  const floodSeconds = rounds * (seconds + 1)
  printReport({
    bench: 'priority',
    rows: [
      {
        what: 'waybill updates alone',
        value: rate.alone,
        unit: '/s',
        beside: `${clients} clients, one a call, ${rounds} turns of ${seconds} s`,
      },
      { what: 'waybill updates under the flood', value: rate.flooded, unit: '/s' },
      { what: 'share that is left, median of neighbours', value: share * 100, unit: '%', beside: 'bar 95' },
      { what: 'processor time of an update, alone', value: cpu.alone, unit: 'µs', beside: 'server and database' },
      { what: 'the same under the flood, its cost included', value: cpu.flooded, unit: 'µs' },
      { what: 'answer alone, 99th percentile', value: p99.alone, unit: 'ms' },
      { what: 'answer under the flood, 99th percentile', value: p99.flooded, unit: 'ms' },
      {
        what: 'merchants let in',
        value: refusals.letIn / floodSeconds,
        unit: '/s',
        beside: `${merchants} merchants, ${callsPerSecond} calls/s each`,
      },
      { what: 'merchants answered 429', value: refusals.limited / floodSeconds, unit: '/s' },
    ],
    figures: {
      alonePerSecond: rate.alone,
      floodedPerSecond: rate.flooded,
      share,
      aloneCpuMicros: cpu.alone,
      floodedCpuMicros: cpu.flooded,
      aloneP99Ms: p99.alone,
      floodedP99Ms: p99.flooded,
      letInPerSecond: refusals.letIn / floodSeconds,
      limitedPerSecond: refusals.limited / floodSeconds,
      limitedWithoutRetryAfter: refusals.withoutRetryAfter,
    },
    counts: {
      lost: Math.max(0, updated - (rows[0]?.moves ?? 0)),
      doubled: rows[0]?.twice ?? 0,
      errors: [...alone, ...flooded].reduce((sum, { load }) => sum + load.errors, 0) + refusals.other,
    },
  })
} finally {
  await house.close()
}

/** Waybills of the merchants with routes, all that follows from them done, and a key for each merchant. */
async function settle(at: BenchHouse): Promise<{ keys: string[]; ids: number[] }> {
  const core = await at.core()
  const context = systemContext('bench')
  const names = Array.from({ length: merchants }, (_, n) => `m-${n}`)
  const put = names.map((merchantId) => ({ context, input: { merchantId, name: merchantId } }))
  await core.runner.runMany('merchants.put', put)
  const keys: string[] = []
  for (const merchantId of names) {
    const issued = await core.runner.run('merchants.issue_key', { context, input: { merchantId, name: 'bench' } })
    if (!issued.ok) throw new Error(issued.error.detail)
    keys.push((issued.value as { key: string }).key)
  }
  const ids: number[] = []
  const destination = { name: 'Ann', line1: '1 Mill Lane', city: 'Throughline Falls', postcode: 'L1A1A1', country: 'CA' }
  const items = [{ itemNo: 1, sku: 'tea', skuType: 'dry', quantity: 1, weightGrams: 100, volumeMl: 100 }] as const
  for (let from = 0; from < waybills; from += 1_000) {
    const created = await core.databases.of('fulfilment').write(live, async (write) => {
      const who = { actor: 'system:bench', commandId: `seed-${from}` }
      const outcomes = await core.fulfilment.createWaybills(
        write,
        Array.from({ length: Math.min(1_000, waybills - from) }, (_, n) => ({
          orderId: from + n + 1,
          number: `B-${from + n}`,
          sections: [
            {
              sectionNo: 1,
              destination,
              slot: null,
              merchantId: names[n % merchants] ?? null,
              items,
            },
          ],
          ...who,
        })),
      )
      return outcomes.flatMap((outcome) => (outcome.ok ? outcome.value.waybillIds : []))
    })
    ids.push(...created)
  }
  for (let from = 0; from < ids.length; from += 1_000) {
    const some = ids.slice(from, from + 1_000)
    await core.databases.of('fulfilment').write(live, (write) =>
      core.fulfilment.routeWaybills(
        write,
        some.map((waybillId) => ({
          waybillId,
          attempt: 1,
          date: '2026-11-21',
          slotCode: 'AM',
          routeId: 1,
          actor: 'system:bench',
          commandId: `route-${from}`,
        })),
      ),
    )
  }
  core.relay.start()
  if (!(await untilDrained(core, 180_000))) throw new Error('the seeds were not taken within three minutes')
  await core.close()
  return { keys, ids }
}
