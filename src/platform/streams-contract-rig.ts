import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Reading, StreamRecord, Streams } from '#platform/streams.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { untilTrue } from '#test/until.ts'

/** What a carrier of streams brings to be held against the contract. Each opened one is another process's. */
export interface StreamsStand {
  readonly name: string
  open(t: TestDatabases): Promise<Streams>
  close(): Promise<void>
}

/** What every carrier of streams keeps. */
export function keepsTheStreamsContract(stand: StreamsStand): void {
  describe(`streams by ${stand.name}`, { timeout: 60_000 }, () => {
    let t: TestDatabases
    let streams: Streams
    let readings: Reading[] = []
    let made = 0

    beforeAll(async () => {
      t = await openTestDatabases()
      streams = await stand.open(t)
    }, 120_000)
    afterAll(async () => {
      await streams.close()
      await t.close()
      await stand.close()
    })
    afterEach(async () => {
      await Promise.all(readings.map((reading) => reading.close()))
      readings = []
    })

    const topicOf = () => `topic-${process.pid}-${(made += 1)}`
    const reading = (topic: string, group: string, take: (records: readonly StreamRecord[]) => void | Promise<void>, by = streams) => {
      const opened = by.read(topic, group, async (records) => take(records), { largest: 50 })
      readings.push(opened)
      return opened
    }
    const records = (count: number, keys = 20) => Array.from({ length: count }, (_, n) => ({ key: `k${n % keys}`, value: `${n} Größe` }))

    it('gives every record to every group, in order per key, from the beginning', async () => {
      const topic = topicOf()
      await streams.append(topic, records(300))
      const seen = new Map<string, string[]>()
      for (const group of ['one', 'two']) {
        seen.set(group, [])
        reading(topic, group, (some) => void seen.get(group)?.push(...some.map(({ key, value }) => `${key} ${value}`)))
      }
      await untilTrue(() => [...seen.values()].every((values) => values.length >= 300), 30_000, 'all records in both groups')
      await streams.append(topic, [{ key: 'k0', value: 'last' }])
      await untilTrue(() => [...seen.values()].every((values) => values.includes('k0 last')), 20_000, 'a record that came later')
      for (const values of seen.values()) {
        expect(new Set(values).size).toBe(301)
        for (let key = 0; key < 20; key += 1) {
          const own = values
            .filter((value) => value.startsWith(`k${key} `) && !value.endsWith('last'))
            .map((value) => Number(value.split(' ')[1]))
          expect(own).toEqual(own.toSorted((a, b) => a - b))
        }
      }
    })

    it('gives again what was not taken, and nothing of it is lost', async () => {
      const topic = topicOf()
      await streams.append(topic, records(100))
      let fails = 3
      const taken = new Set<string>()
      reading(topic, 'failing', (some) => {
        if (fails > 0) {
          fails -= 1
          throw new Error('the database is away')
        }
        for (const { value } of some) taken.add(value)
      })
      await untilTrue(() => taken.size === 100, 40_000, 'all records after failures')
      expect(fails).toBe(0)
    })

    it('goes on where the group stood when another member takes over', async () => {
      const topic = topicOf()
      await streams.append(topic, records(100))
      const first: string[] = []
      const opened = reading(topic, 'handed', (some) => void first.push(...some.map(({ value }) => value)))
      await untilTrue(() => first.length === 100, 30_000, 'the first member at the end')
      await untilTrue(async () => (await streams.waiting(topic, 'handed')) === 0, 10_000, 'a cursor at the end')
      await opened.close()
      readings = []
      await streams.append(topic, [{ key: 'k1', value: 'after' }])
      expect(await streams.waiting(topic, 'handed')).toBe(1)
      const other = await stand.open(t)
      const second: string[] = []
      const later = reading(topic, 'handed', (some) => void second.push(...some.map(({ value }) => value)), other)
      await untilTrue(() => second.length > 0, 30_000, 'the second member')
      expect(second).toEqual(['after'])
      await later.close()
      readings = []
      await other.close()
    })

    it('shares the partitions out among the members of a group', async () => {
      const topic = topicOf()
      await streams.append(topic, records(20))
      const other = await stand.open(t)
      const seen: string[][] = [[], []]
      const both = [streams, other].map((by, member) =>
        reading(topic, 'shared', (some) => void seen[member]?.push(...some.map(({ value }) => value)), by),
      )
      let round = 0
      await untilTrue(
        async () => {
          round += 1
          await streams.append(
            topic,
            Array.from({ length: 40 }, (_, n) => ({ key: `s${n}`, value: `round ${round} ${n}` })),
          )
          return seen.every((values) => values.some((value) => value.startsWith('round')))
        },
        40_000,
        'both members with records',
      )
      await untilTrue(() => new Set(seen.flat()).size === 20 + round * 40, 30_000, 'all records')
      expect(seen.map((values) => values.length > 0)).toEqual([true, true])
      await Promise.all(both.map((each) => each.close()))
      readings = []
      await other.close()
    })
  })
}
