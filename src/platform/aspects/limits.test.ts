import { expect, test } from 'vitest'
import { Limits, type Rate } from '#platform/aspects/limits.ts'
import type { Operation } from '#platform/operation.ts'
import type { RequestContext, Traffic } from '#platform/request-context.ts'

const operation = { id: 'things.put' } as Operation
const caller = (id: string, traffic: Traffic = 'live', scopes: readonly string[] = []): RequestContext => ({
  traffic,
  rehearsalId: traffic === 'shadow' ? 'r' : null,
  actor: { id, scopes },
  traceId: '',
})
const one: Rate = { perSecond: 1, burst: 1 }

test('a client may send its burst, then its rate, and is told when to come back', () => {
  let now = 0
  const limits = new Limits({ standard: { perSecond: 2, burst: 3 }, nowMs: () => now })
  const take = () => limits.take(operation, caller('a'))
  expect([take(), take(), take()]).toEqual([undefined, undefined, undefined])
  expect(take()?.error).toMatchObject({ code: 'platform.limited', facts: { retryAfterSeconds: 1 } })
  now += 500
  expect(take()).toBeUndefined()
  expect(take()?.error.code).toBe('platform.limited')
})

test('clients do not share a rate, and a rehearsal does not use up a live one', () => {
  const limits = new Limits({ standard: one, nowMs: () => 0 })
  expect(limits.take(operation, caller('a'))).toBeUndefined()
  expect(limits.take(operation, caller('b'))).toBeUndefined()
  expect(limits.take(operation, caller('a', 'shadow'))).toBeUndefined()
  expect(limits.take(operation, caller('a'))?.error.code).toBe('platform.limited')
})

test('operations with one limit key share a rate, and all keys of one merchant do', () => {
  const limits = new Limits({ standard: { perSecond: 100, burst: 100 }, nowMs: () => 0 })
  const limit = { perSecond: 1, burst: 2, key: 'portal', per: 'merchant' }
  const list = { id: 'things.list', limit } as Operation
  const pick = { id: 'things.pick', limit } as Operation
  const bakery = (key: string) => caller(key, 'live', ['things:read', 'merchant:bakery'])
  expect([limits.take(list, bakery('tablet')), limits.take(pick, bakery('phone'))]).toEqual([undefined, undefined])
  expect(limits.take(list, bakery('phone'))?.error.detail).toBe('At most 1 a second of portal for one merchant.')
  expect(limits.take(list, caller('tablet', 'live', ['merchant:butcher']))).toBeUndefined()
})

test('a rate that is set for a limit key wins over that of the operation', () => {
  const limits = new Limits({ standard: one, set: new Map([['portal', { perSecond: 1, burst: 3 }]]), nowMs: () => 0 })
  const pick = { id: 'things.pick', limit: { perSecond: 9, burst: 9, key: 'portal' } } as Operation
  expect([1, 2, 3, 4].map(() => limits.take(pick, caller('a'))?.error.code)).toEqual([undefined, undefined, undefined, 'platform.limited'])
})

test('in a rush all callers of the lowest priority share one rate', () => {
  let now = 0
  const limits = new Limits({ standard: one, nowMs: () => now })
  const taken = (count: number) =>
    Array.from({ length: count }, (_, index) => limits.takeInRush(caller(`c${index}`))).filter((refusal) => !refusal)
  expect(taken(150)).toHaveLength(50)
  now += 500
  expect(taken(150)).toHaveLength(25)
  expect(limits.takeInRush(caller('c'))?.error).toMatchObject({ code: 'platform.limited', facts: { retryAfterSeconds: 1 } })
})
