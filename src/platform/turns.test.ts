import { expect, test } from 'vitest'
import { inTurns } from '#platform/turns.ts'

/** Work of so many ms in all, a millisecond a step. */
function* busyFor(ms: number): Generator<undefined, string, undefined> {
  for (let step = 0; step < ms; step += 1) {
    for (const until = performance.now() + 1; performance.now() < until; );
    yield
  }
  return 'done'
}

test('long work lets others have their turns, and comes to its end', async () => {
  let turns = 0
  let working = true
  const count = (): void => {
    turns += 1
    if (working) setImmediate(count)
  }
  setImmediate(count)
  expect(await inTurns(busyFor(40))).toBe('done')
  working = false
  expect(turns).toBeGreaterThanOrEqual(6)
})

test('what is nothing to do is done at once', async () => {
  let turned = false
  setImmediate(() => (turned = true))
  expect(await inTurns(busyFor(0))).toBe('done')
  expect(turned).toBe(false)
})

test('what breaks in a step breaks the whole', async () => {
  const broken = function* (): Generator<undefined, string, undefined> {
    yield
    throw new Error('out of paper')
  }
  await expect(inTurns(broken())).rejects.toThrow('out of paper')
})
