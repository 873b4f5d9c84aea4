import { expect, test } from 'vitest'
import { Breaker } from '#platform/aspects/breaker.ts'

test('opens after failures in a row, says for how long, lets one try after the pause, and closes on success', () => {
  let now = 0
  const breaker = new Breaker({ failuresToOpen: 2, openForMs: 1_000, nowMs: () => now })
  breaker.failed()
  expect(breaker.refusal()).toBeUndefined()
  breaker.failed()
  expect(breaker.refusal()?.error).toMatchObject({ code: 'platform.unavailable', facts: { retryAfterSeconds: 1 } })
  now = 1_000
  expect(breaker.refusal()).toBeUndefined()
  breaker.failed()
  expect(breaker.refusal()).toBeDefined()
  now = 2_000
  breaker.succeeded()
  breaker.failed()
  expect(breaker.refusal()).toBeUndefined()
})
