import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresStreams, pruneStreams } from '#platform/streams-postgres.ts'
import { keepsTheStreamsContract } from '#platform/streams-contract-rig.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { untilTrue } from '#test/until.ts'

const log = { warn: () => undefined }

keepsTheStreamsContract({
  name: 'tables of PostgreSQL',
  open: async (t) =>
    openPostgresStreams({ database: t.databases.of('tracking'), scope: t.live, partitions: 4, pollMs: 20, holdMs: 2_000, log }),
  close: async () => undefined,
})

describe('the log in tables, pruned', () => {
  let t: TestDatabases
  beforeAll(async () => {
    t = await openTestDatabases()
  })
  afterAll(() => t.close())

  it('loses what every group has read and is old, and nothing else', async () => {
    const database = t.databases.of('tracking')
    const streams = openPostgresStreams({ database, scope: t.live, partitions: 2, pollMs: 20, log })
    const records = (name: string, count: number) => Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value: `${name} ${n}` }))
    const readAll = async (group: string, expected: number): Promise<string[]> => {
      const seen: string[] = []
      const reading = streams.read('events', group, async (some) => void seen.push(...some.map(({ value }) => value)))
      await untilTrue(async () => seen.length >= expected && (await streams.waiting('events', group)) === 0, 30_000, `records of ${group}`)
      await reading.close()
      return seen
    }
    await streams.append('events', records('old', 2_500))
    const dayAfter = new Date(t.clock.now().getTime() + 86_400_000)
    t.clock.set(new Date(dayAfter.getTime() + 86_400_000))
    await streams.append('events', records('young', 30))
    expect(await pruneStreams(database, t.live, dayAfter)).toBe(0)

    await readAll('fast', 2_530)
    // A group that has begun and stands at the beginning: it holds all of it back.
    let stuck = false
    const slow = streams.read('events', 'slow', async () => {
      stuck = true
      throw new Error('it can not take them')
    })
    await untilTrue(() => stuck, 10_000, 'a group that stands')
    await slow.close()
    expect(await pruneStreams(database, t.live, dayAfter)).toBe(0)

    expect(await readAll('slow', 2_530)).toHaveLength(2_530)
    expect(await pruneStreams(database, t.live, dayAfter)).toBe(2_500)
    expect(await pruneStreams(database, t.live, dayAfter)).toBe(0)
    expect(await streams.waiting('events', 'late')).toBe(30)
    expect((await readAll('late', 30)).every((value) => value.startsWith('young'))).toBe(true)
    await streams.close()
  }, 90_000)
})
