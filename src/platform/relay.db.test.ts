import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { untilTrue } from '#test/until.ts'
import type { Consumer } from '#platform/consumer.ts'
import { openDatabases, type Statement, statement } from '#platform/database.ts'
import type { DeliveredEvent } from '#platform/events.ts'
import { currentContext } from '#platform/request-context.ts'
import { openRelay, type Relay } from '#platform/relay.ts'
import { relayStatementsOf } from '#platform/relay-sql.ts'

let t: TestDatabases
const quiet = { warn: () => undefined, error: () => undefined }

beforeAll(async () => {
  t = await openTestDatabases()
  for (const traffic of ['live', 'shadow'] as const) {
    const admin = await t.admin(traffic)
    await admin.query('create table payments.effect (id bigserial primary key, consumer text, source_id bigint, key text, note text)')
    await admin.query(
      `grant all on payments.effect to ${t.login(traffic, 'payments').user}; grant all on sequence payments.effect_id_seq to ${t.login(traffic, 'payments').user}`,
    )
  }
})
afterAll(() => t.close())

const effect = statement<{ id: number }>(
  'test.effect',
  `insert into payments.effect (consumer, source_id, key, note) select $1, e.* from unnest($2::bigint[], $3::text[], $4::text[]) as e`,
)

const pause = statement('test.pause', 'select pg_sleep(0.005)')

interface Note {
  readonly note: string
}

/** A consumer that writes down what it got, in the transaction of its cursor. */
const recorder = (name: string, type: string, spoil?: (events: readonly DeliveredEvent<Note>[]) => void): Consumer => ({
  name,
  from: 'orders',
  into: 'payments',
  types: [type],
  largestBatch: 50,
  async handle(context, events: readonly DeliveredEvent<Note>[]) {
    await context.query(effect, [
      name,
      events.map((event) => event.id),
      events.map((event) => event.key),
      events.map((event) => event.payload.note),
    ])
    spoil?.(events)
  },
})

const relayOf = (...consumers: Consumer[]): Relay => openRelay({ databases: t.databases, consumers, pollMs: 10, log: quiet })

const announce = (type: string, notes: readonly string[], key = 'k', scope = t.live) =>
  t.databases.of('orders').write(scope, (context) => context.announce(notes.map((note) => ({ key, type, payload: { note } }))))

const effectsOf = async (consumer: string, traffic: 'live' | 'shadow' = 'live') => {
  const admin = await t.admin(traffic)
  const { rows } = await admin.query<{ note: string; key: string }>(
    'select note, key from payments.effect where consumer = $1 order by id',
    [consumer],
  )
  return rows
}

const drained = (relay: Relay, consumer: string, traffic: 'live' | 'shadow' = 'live') =>
  untilTrue(async () => (await relay.backlog(traffic)).every((entry) => entry.consumer !== consumer || entry.waiting === 0))

describe('delivery', () => {
  test('a consumer that gathers takes a backlog without rest, then rests while events come together, and closing wakes it', async () => {
    const type = 'test.gathered'
    const sizes: number[] = []
    const gathering = (batchesApartMs: number): Consumer => ({
      ...recorder('payments.gathered', type, (events) => void sizes.push(events.length)),
      largestBatch: 4,
      batchesApartMs,
    })
    await announce(type, ['1', '2', '3', '4', '5', '6', '7', '8', '9'])
    const patient = relayOf(gathering(600_000))
    patient.start()
    await untilTrue(() => sizes.length === 3)
    await patient.close()
    const relay = relayOf(gathering(1_000))
    relay.start()
    await announce(type, ['a'])
    await untilTrue(() => sizes.length === 4)
    for (const note of ['b', 'c', 'd']) await announce(type, [note])
    await untilTrue(async () => (await effectsOf('payments.gathered')).length === 13)
    await relay.close()
    expect(sizes).toEqual([4, 4, 1, 1, 3])
  })

  test('many writers, slow and rolled-back transactions: each event arrives once, in order per key', async () => {
    const type = 'test.many'
    const relay = relayOf(recorder('payments.many', type))
    relay.start()
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      for (let round = 0; round < 25; round += 1) {
        await t.databases
          .of('orders')
          .write(t.live, async (context) => {
            await context.announce([{ key: `w${writer}`, type, payload: { note: `${writer}:${round}` } }])
            // Ids are drawn, the commit comes late: a relay that steps over the hole loses the event.
            if (round % 3 === writer % 3) await context.query(pause)
            if (round % 7 === 6) throw new Error('rolled back')
          })
          .catch(() => undefined)
      }
    })
    await Promise.all(writers)
    await drained(relay, 'payments.many')
    await relay.close()
    const got = await effectsOf('payments.many')
    for (let writer = 0; writer < 6; writer += 1) {
      const expected = Array.from({ length: 25 }, (_, round) => round).filter((round) => round % 7 !== 6)
      expect(got.filter(({ key }) => key === `w${writer}`).map(({ note }) => note)).toEqual(expected.map((round) => `${writer}:${round}`))
    }
  })

  test('what is noted at a hole is newer than a transaction that began last, drew the hole and still runs', async () => {
    const { newestBegun, oldestRunning } = relayStatementsOf(recorder('payments.hole', 'test.hole'))
    const [older, newer] = [await t.admin('live'), await t.admin('live')]
    const begin = async (client: typeof older): Promise<bigint> => {
      await client.query('begin')
      const { rows } = await client.query<{ id: string }>('select pg_current_xact_id()::text as id')
      return BigInt(rows[0]?.id ?? 0)
    }
    await begin(older)
    const newest = await begin(newer)
    // The older one drew the later outbox id and has committed: that is what the relay sees behind the hole.
    await older.query('commit')
    const read = <Row>(asked: Statement<Row>) => t.databases.of('orders').read(t.live, (context) => context.query(asked))
    const [noted] = await read(newestBegun)
    const [running] = await read(oldestRunning)
    await newer.query('commit')
    expect(BigInt(noted?.newest ?? 0)).toBeGreaterThan(newest)
    expect(BigInt(running?.oldest ?? 0)).toBeLessThanOrEqual(newest)
  })

  test('two relays at once deliver each event once', async () => {
    const type = 'test.two'
    const relays = [relayOf(recorder('payments.two', type)), relayOf(recorder('payments.two', type))]
    for (const relay of relays) relay.start()
    for (let round = 0; round < 20; round += 1) await announce(type, [`n${round}`])
    await drained(relays[0] as Relay, 'payments.two')
    for (const relay of relays) await relay.close()
    expect((await effectsOf('payments.two')).map(({ note }) => note)).toEqual(Array.from({ length: 20 }, (_, round) => `n${round}`))
  })

  test('what others are told is passed over without a transaction, and a process that has not passed it delivers nothing twice', async () => {
    const type = 'test.rare'
    const sent: string[] = []
    const databases = openDatabases({
      login: t.login,
      clock: t.clock,
      maxConnections: 4,
      statementTimeoutMs: 30_000,
      observe: (_context, _traffic, name) => void sent.push(name),
    })
    const relay = openRelay({ databases, consumers: [recorder('payments.rare', type)], pollMs: 10, log: quiet })
    const admin = await t.admin('live')
    const written = async () =>
      (await admin.query<{ last_id: string }>(`select last_id from payments.consumer where name = 'payments.rare'`)).rows[0]?.last_id
    await announce(type, ['first'])
    relay.start()
    await untilTrue(async () => (await effectsOf('payments.rare')).length === 1)
    const before = await written()
    const moves = () => sent.filter((name) => name === 'payments.rare.move').length
    const movesBefore = moves()
    await announce('test.of_others', ['a', 'b'])
    const looks = sent.length
    await untilTrue(() => sent.slice(looks).filter((name) => name === 'orders.read_outbox').length > 2)
    expect([moves(), await written()]).toEqual([movesBefore, before])
    // One that begins where the database says, before the two of others, and one that stands behind them.
    const second = relayOf(recorder('payments.rare', type))
    second.start()
    await announce(type, ['second'])
    await announce(type, ['third'])
    await drained(relay, 'payments.rare')
    await Promise.all([relay.close(), second.close()])
    await databases.close()
    expect((await effectsOf('payments.rare')).map(({ note }) => note)).toEqual(['first', 'second', 'third'])
  })

  test('a relay that dies before its commit leaves nothing behind, and the next one delivers', async () => {
    const type = 'test.dies'
    let dead = true
    let deaths = 0
    const dying = relayOf(
      recorder('payments.dies', type, () => {
        deaths += 1
        if (dead) throw Object.assign(new Error('connection lost'), { code: '08006' })
      }),
    )
    await announce(type, ['a', 'b'])
    dying.start()
    await untilTrue(() => deaths > 0)
    await dying.close()
    expect(await effectsOf('payments.dies')).toEqual([])
    dead = false
    const next = relayOf(recorder('payments.dies', type))
    next.start()
    await drained(next, 'payments.dies')
    await next.close()
    expect((await effectsOf('payments.dies')).map(({ note }) => note)).toEqual(['a', 'b'])
  })

  test('a poisonous event is parked with the later ones of its key; the others go on; a replay delivers them in order', async () => {
    const type = 'test.poison'
    let healed = false
    const relay = relayOf(
      recorder('payments.poison', type, (events) => {
        if (!healed && events.some((event) => event.payload.note === 'bad')) throw new Error('poison')
      }),
    )
    await announce(type, ['good', 'bad', 'after bad'], 'sick')
    await announce(type, ['other'], 'well')
    relay.start()
    await drained(relay, 'payments.poison')
    expect((await effectsOf('payments.poison')).map(({ note }) => note)).toEqual(['good', 'other'])
    expect((await relay.backlog('live'))[0]?.parked).toBe(2)
    expect(await relay.replayParked('payments.poison', 'live')).toEqual({ replayed: 0, stillParked: 2 })
    healed = true
    expect(await relay.replayParked('payments.poison', 'live')).toEqual({ replayed: 2, stillParked: 0 })
    await relay.close()
    expect((await effectsOf('payments.poison')).map(({ note }) => note)).toEqual(['good', 'other', 'bad', 'after bad'])
  })

  test('an event of a newer schema version waits for a newer worker and keeps its place', async () => {
    const type = 'test.newer'
    await t.databases.of('orders').write(t.live, (context) =>
      context.announce([
        { key: 'a', type, payload: { note: 'old' } },
        { key: 'a', type, schemaVersion: 2, payload: { note: 'new' } },
      ]),
    )
    const told: string[] = []
    const old = openRelay({
      databases: t.databases,
      consumers: [recorder('payments.newer', type)],
      pollMs: 10,
      log: { ...quiet, warn: (_facts, message) => void told.push(message) },
    })
    old.start()
    await untilTrue(() => told.includes('event of a newer schema version waits for a newer worker'))
    await old.close()
    expect((await effectsOf('payments.newer')).map(({ note }) => note)).toEqual(['old'])
    const updated = relayOf({ ...recorder('payments.newer', type), schemaVersion: 2 })
    updated.start()
    await drained(updated, 'payments.newer')
    await updated.close()
    expect((await effectsOf('payments.newer')).map(({ note }) => note)).toEqual(['old', 'new'])
  })

  test('shadow events stay in the shadow database and run under their rehearsal', async () => {
    const type = 'test.shadow'
    const seen: unknown[] = []
    const relay = relayOf(recorder('payments.shadow', type, () => void seen.push(currentContext()?.traffic, currentContext()?.rehearsalId)))
    await announce(type, ['s'], 'k', t.shadow)
    relay.start()
    await drained(relay, 'payments.shadow', 'shadow')
    await relay.close()
    expect(await effectsOf('payments.shadow', 'shadow')).toHaveLength(1)
    expect(await effectsOf('payments.shadow', 'live')).toEqual([])
    expect(seen).toEqual(['shadow', 'rehearsal-1'])
  })

  test('pruning deletes only what every consumer has taken', async () => {
    const type = 'test.prune'
    const fast = recorder('payments.fast', type)
    const slow = recorder('payments.slow', type)
    await announce(type, ['p1', 'p2'])
    const only = relayOf(fast)
    only.start()
    await drained(only, 'payments.fast')
    await only.close()
    const both = relayOf(fast, slow)
    expect(await both.prune('live')).toBe(0)
    both.start()
    await drained(both, 'payments.slow')
    expect(await both.prune('live')).toBeGreaterThan(0)
    await both.close()
    expect((await effectsOf('payments.slow')).map(({ note }) => note)).toEqual(['p1', 'p2'])
  })
})
