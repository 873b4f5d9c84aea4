import { describe, expect, test } from 'vitest'
import { Batcher, type BatcherOptions } from '#platform/batcher.ts'

const ask = (batcher: Batcher<number, number>, entry: number): Promise<number> => batcher.add(entry) ?? Promise.reject(new Error('refused'))

const open = (changes: Partial<BatcherOptions<number, number>> = {}) => {
  const batches: number[][] = []
  const batcher = new Batcher<number, number>({
    largest: 4,
    longestWaitMs: 1,
    concurrent: 1,
    mostWaiting: 100,
    async run(entries) {
      batches.push([...entries])
      return entries.map((entry) => entry * 10)
    },
    ...changes,
  })
  return { batcher, batches }
}

describe('the batcher', () => {
  test('gathers what comes together and gives each caller its own result', async () => {
    const { batcher, batches } = open()
    expect(await Promise.all([1, 2, 3].map((entry) => ask(batcher, entry)))).toEqual([10, 20, 30])
    expect(batches).toEqual([[1, 2, 3]])
  })

  test('a full batch leaves at once and the rest follow in order', async () => {
    const { batcher, batches } = open({ longestWaitMs: 1_000 })
    const results = Promise.all([1, 2, 3, 4, 5].map((entry) => ask(batcher, entry)))
    await results
    expect(batches.map((batch) => batch.length)).toEqual([4, 1])
    expect(batches.flat()).toEqual([1, 2, 3, 4, 5])
  })

  test('never has more batches under way than it may', async () => {
    let under = 0
    let most = 0
    const { batcher } = open({
      concurrent: 2,
      async run(entries) {
        under += 1
        most = Math.max(most, under)
        await new Promise((resolve) => setImmediate(resolve))
        under -= 1
        return [...entries]
      },
    })
    await Promise.all(Array.from({ length: 40 }, (_, entry) => ask(batcher, entry)))
    expect(most).toBe(2)
  })

  test('refuses what is beyond its bound, at once', async () => {
    const { batcher } = open({ mostWaiting: 2 })
    const accepted = [ask(batcher, 1), ask(batcher, 2)]
    expect(batcher.add(3)).toBeUndefined()
    expect(await Promise.all(accepted)).toEqual([10, 20])
  })

  test('a run that throws, or answers for the wrong number, fails its callers and not the next batch', async () => {
    let runs = 0
    const { batcher } = open({
      async run(entries) {
        runs += 1
        if (runs === 1) throw new Error('broken')
        return runs === 2 ? [] : [...entries]
      },
    })
    await expect(batcher.add(1)).rejects.toThrow('broken')
    await expect(batcher.add(2)).rejects.toThrow('came back with 0 results')
    expect(await batcher.add(3)).toBe(3)
  })

  test('drain waits for what waits and what is under way', async () => {
    const { batcher, batches } = open()
    const results = [1, 2, 3, 4, 5, 6].map((entry) => ask(batcher, entry))
    await batcher.drain()
    expect(batches.flat()).toHaveLength(6)
    expect(await Promise.all(results)).toEqual([10, 20, 30, 40, 50, 60])
  })

  test('callers who ask again at once end up in one batch, not in two that take turns', async () => {
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    const sizes: number[] = []
    const { batcher } = open({
      largest: 64,
      longestWaitMs: 20,
      async run(entries) {
        sizes.push(entries.length)
        for (let turns = 0; turns < 5; turns += 1) await turn()
        return [...entries]
      },
    })
    await Promise.all(
      Array.from({ length: 32 }, async (_, caller) => {
        // The second half comes while the first half's batch is under way.
        while (caller >= 16 && sizes.length === 0) await turn()
        for (let round = 0; round < 6; round += 1) await batcher.add(caller)
      }),
    )
    expect(sizes[0]).toBe(16)
    expect(Math.max(...sizes)).toBeGreaterThanOrEqual(29)
    expect(sizes.length).toBeLessThanOrEqual(9)
  })
})
