import { expect, test } from 'vitest'
import { Limits } from '#platform/aspects/limits.ts'
import type { Operation } from '#platform/operation.ts'
import type { RequestContext, Traffic } from '#platform/request-context.ts'

const operation = { id: 'things.put' } as Operation
const caller = (id: string, traffic: Traffic = 'live'): RequestContext => ({
  traffic,
  rehearsalId: traffic === 'shadow' ? 'r' : null,
  actor: { id, scopes: [] },
  traceId: '',
})

test('a client may send its burst, then its rate, and is told when to come back', () => {
  let now = 0
  const limits = new Limits({ perSecond: 2, burst: 3 }, () => now)
  const take = () => limits.take(operation, caller('a'))
  expect([take(), take(), take()]).toEqual([undefined, undefined, undefined])
  expect(take()?.error).toMatchObject({ code: 'platform.limited', facts: { retryAfterSeconds: 1 } })
  now += 500
  expect(take()).toBeUndefined()
  expect(take()?.error.code).toBe('platform.limited')
})

test('clients do not share a rate, and a rehearsal does not use up a live one', () => {
  const limits = new Limits({ perSecond: 1, burst: 1 }, () => 0)
  expect(limits.take(operation, caller('a'))).toBeUndefined()
  expect(limits.take(operation, caller('b'))).toBeUndefined()
  expect(limits.take(operation, caller('a', 'shadow'))).toBeUndefined()
  expect(limits.take(operation, caller('a'))?.error.code).toBe('platform.limited')
})
