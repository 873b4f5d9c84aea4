import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCache, openMemoryStore, type CacheStore } from '#platform/cache.ts'
import { openRedisStore } from '#platform/cache-redis.ts'
import { type ContextDatabase, type Databases, openDatabases, type WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { startRedisServer } from '#test/redis-server.ts'
import { untilTrue } from '#test/until.ts'
import { type HoldPlaces, openRouting, type Routing } from './index.ts'

const date = '2026-03-03'
const redis = await startRedisServer()
const memory = (): CacheStore => openMemoryStore({ nowMs: () => performance.now() })

/** One process: its own connections, its own way to the cache. */
interface House {
  readonly routing: Routing
  /** How often the cache was asked for a day, and did not have it. */
  readonly misses: () => number
  write<T>(work: (context: WriteContext) => Promise<T>): Promise<T>
  left(): Promise<number[]>
}

let t: TestDatabases
let zoneId = 0
const opened: Databases[] = []

function openHouse(store: CacheStore): House {
  let misses = 0
  const cache = openCache({ store, observe: (seen) => (misses += seen.misses) })
  const databases = openDatabases({ login: t.server.loginFor, clock: t.clock, maxConnections: 8, statementTimeoutMs: 30_000, cache })
  opened.push(databases)
  const database: ContextDatabase = databases.of('routing')
  const routing = openRouting({ database })
  return {
    routing,
    misses: () => misses,
    write: (work) => database.write(t.live, work),
    left: async () => {
      const [slots] = await database.read(t.live, (context) =>
        routing.availability(context, [{ zoneId, skuType: 'dry', from: date, to: date }]),
      )
      return (slots ?? []).map((slot) => slot.left)
    },
  }
}

const hold = (reference: string, places = 1, slotCode = 'AM'): HoldPlaces => ({
  reference,
  zoneCode: 'A',
  date,
  slotCode,
  places: [{ skuType: 'dry', places }],
  ttlSeconds: 600,
})
const codesOf = (outcomes: readonly { ok: boolean; error?: { code: string } }[]) =>
  outcomes.map(({ ok, error }) => (ok ? 'ok' : error?.code))
const inDatabase = async (): Promise<number[]> =>
  (
    await (await t.admin('live')).query('select capacity - used as left from routing.quota where date = $1 order by slot_code', [date])
  ).rows.map((row) => row.left as number)

beforeAll(async () => {
  t = await openTestDatabases()
  const ring = [
    [0, 40],
    [1, 40],
    [1, 41],
    [0, 41],
    [0, 40],
  ]
  const feature = {
    type: 'Feature',
    properties: { code: 'A', timeZone: 'America/Toronto' },
    geometry: { type: 'Polygon', coordinates: [ring] },
  }
  const house = openHouse(memory())
  const [imported] = await house.write((context) => house.routing.importZones(context, [{ features: [feature] }]))
  const [zone] = imported?.ok ? imported.value.features : []
  zoneId = zone?.ok ? zone.value.zoneId : 0
})
afterAll(async () => {
  for (const databases of opened) await databases.close()
  await t.close()
  await redis?.stop()
})

const openSlots = async ({ write, routing }: House, capacity: number) => {
  const slot = { zoneCode: 'A', date, endsAt: '20:00', cutOffMinutes: 60 }
  await write((context) =>
    routing.putSlots(context, [
      { ...slot, code: 'AM', startsAt: '08:00' },
      { ...slot, code: 'PM', startsAt: '14:00' },
    ]),
  )
  const quota = { zoneCode: 'A', date, skuType: 'dry', capacity } as const
  const outcomes = await write((context) =>
    routing.putQuotas(context, [
      { ...quota, slotCode: 'AM' },
      { ...quota, slotCode: 'PM' },
    ]),
  )
  expect(codesOf(outcomes)).toEqual(['ok', 'ok'])
}

describe('availability from the memory of a process', () => {
  it('is read once, and follows each hold, release and change of a quota without being read again', async () => {
    const house = openHouse(memory())
    const { routing, write, left } = house
    expect(await left()).toEqual([])
    expect(await left()).toEqual([])
    expect(house.misses()).toBe(1)
    await openSlots(house, 5)
    expect(await left()).toEqual([5, 5])
    await write((context) => routing.holdPlaces(context, [hold('a', 2)]))
    expect(await left()).toEqual([3, 5])
    // To the other slot: both change.
    await write((context) => routing.holdPlaces(context, [hold('a', 1, 'PM')]))
    expect(await left()).toEqual([5, 4])
    await write((context) => routing.letGoPlaces(context, [{ reference: 'a' }]))
    await openSlots(house, 7)
    expect(await left()).toEqual([7, 7])
    expect(house.misses()).toBe(1)
  })

  it('follows what waybills take and give back', async () => {
    const house = openHouse(memory())
    const { routing, write, left } = house
    await openSlots(house, 7)
    await write((context) => routing.putVehicles(context, [{ code: 'T', type: 'dry', weightGrams: 9_000, volumeMl: 9_000, pieces: 9 }]))
    const [assigned] = await write((context) =>
      routing.assignWaybills(context, [
        {
          waybillId: 1,
          orderId: 1,
          destination: { postcode: '', lat: 40.5, lng: 0.5 },
          slot: { date, code: 'AM' },
          skuType: 'dry',
          weightGrams: 1,
          volumeMl: 1,
          pieces: 1,
          actor: 'test',
          commandId: 'c',
        },
      ]),
    )
    expect(assigned?.ok && assigned.value.state).toBe('assigned')
    expect(await left()).toEqual([6, 7])
    await write((context) => routing.releaseAssignments(context, [{ waybillId: 1, attempt: 1, actor: 'test', commandId: 'd' }]))
    expect(await left()).toEqual([7, 7])
    expect(house.misses()).toBe(0)
  })

  it('may be old in a process that does not share it, and then sells nothing twice', async () => {
    const [one, other] = [openHouse(memory()), openHouse(memory())]
    await openSlots(one, 1)
    expect(await other.left()).toEqual([1, 1])
    expect(codesOf(await one.write((context) => one.routing.holdPlaces(context, [hold('first')])))).toEqual(['ok'])
    expect(await one.left()).toEqual([0, 1])
    // It still believes in a place, and is refused by the row.
    expect(await other.left()).toEqual([1, 1])
    expect(codesOf(await other.write((context) => other.routing.holdPlaces(context, [hold('second')])))).toEqual(['routing.quota_full'])
    await one.write((context) => one.routing.letGoPlaces(context, [{ reference: 'first' }]))
  })

  it('is not replaced by the older look of a slow reader', async () => {
    const store = memory()
    let held: (() => void) | undefined
    // A way to the same store on which what was read waits until it is let through.
    const slow: CacheStore = {
      ...store,
      put: (entries) => new Promise((resolve) => (held = () => void store.put(entries).then(resolve))),
    }
    const [reader, writer] = [openHouse(slow), openHouse(store)]
    await openSlots(openHouse(memory()), 9)
    expect(await reader.left()).toEqual([9, 9])
    await untilTrue(async () => held !== undefined, 2_000, 'a look that is about to be kept')
    await writer.write((context) => writer.routing.holdPlaces(context, [hold('b', 4)]))
    held?.()
    expect(await writer.left()).toEqual([5, 9])
    await writer.write((context) => writer.routing.letGoPlaces(context, [{ reference: 'b' }]))
  })

  it('has a version that a change by hand raises, and a repetition of the same does not', async () => {
    const admin = await t.admin('live')
    const version = async () => (await admin.query(`select sum(version)::int as version from routing.quota`)).rows[0]?.version as number
    const before = await version()
    await admin.query(`update routing.quota set used = used`)
    expect(await version()).toBe(before)
    await admin.query(`update routing.quota set capacity = capacity + 1 where slot_code = 'AM'`)
    expect(await version()).toBe(before + 1)
  })
})

describe.skipIf(redis === undefined)('availability from a shared Redis (skipped where it is missing)', () => {
  it('shows one process what another sold, ends at what the rows say, and is asked anew after a flush', { timeout: 60_000 }, async () => {
    if (redis === undefined) throw new Error('there is a Redis above')
    const stores = [1, 2].map(() => openRedisStore({ url: redis.url, log: { warn: () => undefined } }))
    const houses = stores.map(openHouse) as [House, House]
    const [one, other] = houses
    for (const store of stores)
      await untilTrue(
        async () => (await store.put([['r', { version: 1, value: 1 }]]), (await store.get(['r']))[0] !== undefined),
        5_000,
        'Redis',
      )
    await openSlots(one, 100)
    await untilTrue(async () => (await other.left()).join() === '100,100', 5_000, 'what the other process wrote')

    // Both sell and give back at once while both are asked.
    const sell = async (house: House, no: number) => {
      for (let n = 0; n < 15; n += 1) {
        const slot = n % 2 === 0 ? 'AM' : 'PM'
        await house.write((context) => house.routing.holdPlaces(context, [hold(`c-${no}`, 1 + ((n * 7 + no) % 9), slot)]))
        await house.left()
      }
    }
    await Promise.all([0, 1, 2, 3, 4, 5].map((no) => sell(houses[no % 2] as House, no)))
    const truth = (await inDatabase()).join()
    for (const house of houses) await untilTrue(async () => (await house.left()).join() === truth, 5_000, 'the last word of both')

    const before = one.misses()
    const operator = new Redis(redis.url)
    await operator.flushall()
    operator.disconnect()
    expect((await one.left()).join()).toBe(truth)
    expect(one.misses()).toBe(before + 1)

    // 10,000 checkouts on what is left, asked of both: exactly that many get a place.
    const places = (await inDatabase())[0] as number
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, no) => {
        const house = houses[no % 2] as House
        return house.write((context) =>
          house.routing.holdPlaces(
            context,
            Array.from({ length: 250 }, (__, at) => hold(`d-${no}-${at}`)),
          ),
        )
      }),
    )
    expect(outcomes.flat().filter(({ ok }) => ok)).toHaveLength(places)
    for (const house of houses) await untilTrue(async () => (await house.left())[0] === 0, 5_000, 'a slot that is sold out')
    for (const store of stores) await store.close()
  })
})
