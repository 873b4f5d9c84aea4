import { setImmediate as nextTurn } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, describe, expect, it } from 'vitest'
import { startRedisServer } from '#test/redis-server.ts'
import { untilTrue } from '#test/until.ts'
import { type CacheStore, keptMs, openCache, openMemoryStore, type Versioned } from './cache.ts'
import { openRedisStore } from './cache-redis.ts'

const quiet = { warn: () => undefined }
const redis = await startRedisServer()
afterAll(() => redis?.stop())

const live = { traffic: 'live', what: 'thing' } as const
let named = 0
/** A key that no other test has. */
const fresh = (): string => `k${(named += 1)}`
const of =
  <T>(values: Record<string, Versioned<T>>) =>
  async (keys: readonly string[]) =>
    new Map(keys.flatMap((key) => (key in values ? [[key, values[key] as Versioned<T>]] : [])))

const stores: [string, (() => Promise<CacheStore>) | undefined][] = [
  ['memory', async () => openMemoryStore({ nowMs: () => performance.now() })],
  [
    'Redis (skipped where it is missing)',
    redis === undefined
      ? undefined
      : async () => {
          const store = openRedisStore({ url: redis.url, log: quiet })
          await untilTrue(
            async () => (await store.put([['ready', { version: 1, value: 1 }]]), (await store.get(['ready']))[0] !== undefined),
            5_000,
            'Redis',
          )
          return store
        },
  ],
]

describe.each(stores)('a cache in %s', (_, openStore) => {
  describe.skipIf(openStore === undefined)('as every other', () => {
    const opened = openStore?.()
    const store = async (): Promise<CacheStore> => (await opened) as CacheStore
    afterAll(async () => (await opened)?.close())

    it('reads through, and the second time from what it kept', async () => {
      const seen: object[] = []
      const cache = openCache({ store: await store(), observe: (each) => seen.push(each) })
      const [a, b] = [fresh(), fresh()]
      const load = of({ [a]: { version: 1, value: { n: 1 } } })
      expect(await cache.readThrough({ ...live, keys: [a, b, a], load })).toEqual(new Map([[a, { n: 1 }]]))
      await untilTrue(async () => (await cache.readThrough({ ...live, keys: [a], load: of({}) })).has(a), 2_000, 'a kept value')
      expect(seen[0]).toEqual({ traffic: 'live', what: 'thing', hits: 0, misses: 2 })
      expect(seen.at(-1)).toEqual({ traffic: 'live', what: 'thing', hits: 1, misses: 0 })
    })

    it('keeps live and shadow apart, and one kind from another', async () => {
      const cache = openCache({ store: await store() })
      const key = fresh()
      cache.writeThrough('live', 'thing', [[key, { version: 1, value: 'live' }]])
      await untilTrue(async () => (await cache.readThrough({ ...live, keys: [key], load: of({}) })).has(key), 2_000, 'the value')
      expect(await cache.readThrough({ ...live, traffic: 'shadow', keys: [key], load: of({}) })).toEqual(new Map())
      expect(await cache.readThrough({ ...live, what: 'other', keys: [key], load: of({}) })).toEqual(new Map())
    })

    it('never lets an older value over a newer one, whoever of two writers and a slow reader is last', async () => {
      const cache = openCache({ store: await store() })
      for (let round = 0; round < 20; round += 1) {
        const key = fresh()
        const puts = [3, 1, 2].map((version) => async () => cache.writeThrough('live', 'thing', [[key, { version, value: version }]]))
        // The slow reader has read version 1 before anybody wrote.
        const slow = cache.readThrough({
          ...live,
          keys: [key],
          load: async () => (await nextTurn(), new Map([[key, { version: 1, value: 1 }]])),
        })
        await Promise.all([slow, ...puts.map((put) => put())])
        await untilTrue(
          async () => (await cache.readThrough({ ...live, keys: [key], load: of({ [key]: { version: 3, value: 3 } }) })).get(key) === 3,
          2_000,
          'the newest value',
        )
        await nextTurn()
        expect((await cache.readThrough({ ...live, keys: [key], load: of({}) })).get(key)).toBe(3)
      }
    })

    it('asks once for what many miss at once, and again after a failure', async () => {
      let missed = 0
      const cache = openCache({ store: await store(), observe: ({ misses }) => (missed += misses) })
      const key = fresh()
      let asked = 0
      // The database answers when all have missed.
      const load = async (keys: readonly string[]) => {
        asked += 1
        const times = asked
        await untilTrue(async () => missed >= 50 * times, 5_000, 'fifty who have missed')
        if (times === 1) throw new Error('the database is away')
        return of({ [key]: { version: 1, value: 1 } })(keys)
      }
      const readAll = () => Promise.allSettled(Array.from({ length: 50 }, () => cache.readThrough({ ...live, keys: [key], load })))
      expect(new Set((await readAll()).map(({ status }) => status))).toEqual(new Set(['rejected']))
      expect(asked).toBe(1)
      expect((await readAll()).map((each) => (each.status === 'fulfilled' ? each.value.get(key) : each.reason))).toEqual(
        Array.from({ length: 50 }, () => 1),
      )
      expect(asked).toBe(2)
    })
  })
})

describe('in memory', () => {
  it('a value is forgotten after five minutes, and the least recently used when there are too many', async () => {
    let now = 0
    const store = openMemoryStore({ nowMs: () => now, most: 2 })
    await store.put([
      ['a', { version: 1, value: 1 }],
      ['b', { version: 1, value: 1 }],
    ])
    await store.get(['a'])
    await store.put([['c', { version: 1, value: 1 }]])
    expect((await store.get(['a', 'b', 'c'])).map((each) => each?.value)).toEqual([1, undefined, 1])
    now = keptMs
    expect(await store.get(['a', 'c'])).toEqual([undefined, undefined])
  })
})

describe.skipIf(redis === undefined)('a Redis that is lost (skipped where it is missing)', () => {
  it('when it is flushed, killed or hangs, reads go on by the database and none waits long; nothing old is believed when it is back', async () => {
    const own = await startRedisServer()
    if (own === undefined) throw new Error('there is a Redis above')
    const store = openRedisStore({ url: own.url, log: quiet })
    const cache = openCache({ store })
    const isKept = async (key: string) => (await store.get([`live:thing:${key}`]))[0]?.value
    await untilTrue(
      async () => (cache.writeThrough('live', 'thing', [['a', { version: 1, value: 'old' }]]), (await isKept('a')) === 'old'),
      5_000,
      'Redis',
    )
    const read = async (value: string, version = 3) => {
      const started = performance.now()
      const found = await cache.readThrough({ ...live, keys: ['a'], load: of({ a: { version, value } }) })
      return { value: found.get('a'), tookMs: performance.now() - started }
    }
    // It is flushed: what was kept is asked of the database, and kept again.
    const operator = new Redis(own.url)
    await operator.flushall()
    operator.disconnect()
    expect(await isKept('a')).toBeUndefined()
    expect((await read('old', 2)).value).toBe('old')
    await untilTrue(async () => (await isKept('a')) === 'old', 5_000, 'what is kept again')
    // It hangs: the process is stopped and its port still takes connections. A write is lost meanwhile.
    process.kill(own.pid, 'SIGSTOP')
    cache.writeThrough('live', 'thing', [['a', { version: 3, value: 'new' }]])
    const first = await read('new')
    const second = await read('new')
    expect([first.value, second.value]).toEqual(['new', 'new'])
    expect(first.tookMs).toBeLessThan(1_000)
    expect(second.tookMs).toBeLessThan(20)
    process.kill(own.pid, 'SIGCONT')
    await untilTrue(
      async () => (cache.writeThrough('live', 'thing', [['b', { version: 1, value: 1 }]]), (await isKept('b')) === 1),
      5_000,
      'Redis again',
    )
    expect(await isKept('a')).not.toBe('old')
    process.kill(own.pid, 'SIGKILL')
    expect((await read('newer')).value).toBe('newer')
    await store.close()
    await own.stop()
  })
})
