import { expect, it } from 'vitest'
import { KeysTwice } from './keys-twice.ts'

it('finds the later lines of keys that come twice or more, across what waits in memory and what is in files', async () => {
  const keys = await KeysTwice.open()
  const most = 999_999_999_999_999
  const expected: number[] = []
  let line = 1
  const tell = async (key: number, isLater = false) => {
    line += 1
    if (isLater) expected.push(line)
    await keys.add(key, line)
  }
  for (let key = 1; key <= 600_000; key += 1) await tell(key)
  for (const key of [1, 300_000, 600_000, 1]) await tell(key, true)
  for (let step = 0; step < 1_000; step += 1) await tell(most - step * 4096)
  await tell(most, true)
  expect([...(await keys.later())].toSorted((a, b) => a - b)).toEqual(expected)
  await keys.close()
})

it.skipIf(process.env['MANY_KEYS'] === undefined)('holds more keys than a Set can', { timeout: 600_000 }, async () => {
  const keys = await KeysTwice.open()
  const count = Number(process.env['MANY_KEYS'])
  for (let key = 1; key <= count; key += 1) await keys.add(key, key + 1)
  await keys.add(7, count + 2)
  expect([...(await keys.later())]).toEqual([count + 2])
  await keys.close()
})
