import { describe, expect, test } from 'vitest'
import { SandboxEngine } from '#partners/sandbox-pg/engine.ts'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import { systemClock } from '#kernel/time.ts'
import type { Scope } from '#platform/database.ts'
import { currentContext, runInContext, systemContext } from '#platform/request-context.ts'
import { openCallMaker } from './call-maker.ts'
import { type ExecutorOptions, openExecutor } from './executor.ts'
import { type ChargeCall, type ChargeResult, guardTraffic, type PaymentGateway } from './gateway.ts'
import { GatewayHealth } from './gateway-health.ts'
import type { ChargeToMake } from './parts.ts'
import type { AttemptResult } from './record-results.ts'
import { defaultTimes } from './settlement.ts'

const live: Scope = { traffic: 'live', rehearsalId: null }
const shadow: Scope = { traffic: 'shadow', rehearsalId: 'r1' }
const toMake = (attemptId: number, gateway = 'pg'): ChargeToMake => ({
  attemptId,
  mode: 'charge',
  gateway,
  means: 'card',
  token: 'tok_ok',
  amountMinor: 1,
  currency: 'EUR',
  orderId: attemptId,
  part: 0,
  customerId: 'c1',
  instalments: 1,
})
const many = (count: number) => Array.from({ length: count }, (_, index) => toMake(index + 1))

/** An executor before a gateway whose answers are given by hand, so that a test decides what is under way. */
function open(over: Partial<ExecutorOptions> = {}) {
  const engine = new SandboxEngine({ seed: 1, clock: systemClock })
  const { chargeAtOnce: _, ...twin } = openSandboxTwin({ name: 'pg', engine, webhookSecret: 's' })
  const out: { call: ChargeCall; answer: (result: ChargeResult) => void; fail: (error: Error) => void }[] = []
  const gateway: PaymentGateway = {
    ...twin,
    charge: (call) => new Promise((answer, fail) => out.push({ call, answer, fail })),
  }
  const recorded: { scope: Scope; results: readonly AttemptResult[]; traffic: string | undefined }[] = []
  const problems: string[] = []
  const executor = openExecutor({
    calls: openCallMaker({
      gateways: new Map([['pg', guardTraffic(gateway, 'sandbox')]]),
      health: new GatewayHealth(),
      installation: 'test',
      returnUrl: () => '',
      log: ({ message }) => void problems.push(message),
    }),
    times: defaultTimes,
    concurrency: 4,
    queueMost: 100,
    recordAttempts: async (scope, results) => void recorded.push({ scope, results, traffic: currentContext()?.traffic }),
    recordFollowUps: async () => undefined,
    recordNotices: async () => undefined,
    retryLegs: async () => undefined,
    bindCard: async () => undefined,
    log: ({ message }) => void problems.push(message),
    ...over,
  })
  const results = () => recorded.flatMap((batch) => batch.results)
  const answerAll = async (count: number) => {
    for (let answered = 0; answered < count; answered += 1) {
      await expect.poll(() => out.length).toBeGreaterThan(answered)
      out[answered]?.answer({ outcome: 'succeeded', gatewayRef: 'ch' })
    }
  }
  return { executor, out, recorded, results, problems, answerAll }
}

describe('the executor', () => {
  test('no more calls are out than it may make, and all are made in the end', async () => {
    const { executor, out, results, answerAll } = open()
    executor.charges(live, many(10))
    await expect.poll(() => executor.stats()).toMatchObject({ waiting: 6, out: 4 })
    expect(out).toHaveLength(4)
    await answerAll(10)
    await executor.idle()
    expect(results().map((result) => result.attemptId)).toHaveLength(10)
    expect(executor.stats()).toEqual({ waiting: 0, out: 0, unrecorded: 0, leftToSweep: 0 })
  })

  test('it holds an attempt from the hand-over until its result is written, and no longer', async () => {
    const { executor, answerAll } = open()
    executor.charges(live, [toMake(1)])
    expect([executor.holds(live, 'charge', 1), executor.holds(shadow, 'charge', 1)]).toEqual([true, false])
    await answerAll(1)
    await executor.idle()
    expect(executor.holds(live, 'charge', 1)).toBe(false)
  })

  test('a call that has waited too long is not made any more: the sweep may have given its attempt up', async () => {
    const { executor, out } = open({ times: { ...defaultTimes, callWithinMs: -1 } })
    executor.charges(live, many(3))
    await executor.idle()
    expect(out).toEqual([])
    expect(executor.stats().leftToSweep).toBe(3)
    expect(executor.holds(live, 'charge', 1)).toBe(false)
  })

  test('past its bound the queue leaves calls to the sweep', async () => {
    const { executor, answerAll } = open({ queueMost: 5 })
    executor.charges(live, many(8))
    expect(executor.stats()).toMatchObject({ waiting: 5, leftToSweep: 3 })
    await answerAll(5)
    await executor.idle()
  })

  test('closing makes the calls that wait, writes their results, and takes no more', async () => {
    const { executor, results, answerAll } = open()
    executor.charges(live, many(6))
    const closed = executor.close()
    executor.charges(live, [toMake(7)])
    await answerAll(6)
    await closed
    expect(results()).toHaveLength(6)
    expect(executor.stats().leftToSweep).toBe(1)
  })

  test('work runs in the context of its own traffic, whoever handed it over', async () => {
    const { executor, recorded, answerAll, out } = open()
    runInContext(systemContext('caller'), () => executor.charges(shadow, [toMake(1)]))
    await answerAll(1)
    await executor.idle()
    expect(out[0]?.call).toMatchObject({ traffic: 'shadow', rehearsalId: 'r1', key: 'test-shadow-charge-1' })
    expect(recorded).toMatchObject([{ scope: shadow, traffic: 'shadow' }])
  })

  test('an adapter that throws leaves its attempt unknown, and a gateway that is gone was certainly not reached', async () => {
    const { executor, out, results } = open()
    executor.charges(live, [toMake(1), toMake(2, 'gone')])
    await expect.poll(() => out.length).toBe(1)
    out[0]?.fail(new Error('a bug in an adapter'))
    await executor.idle()
    const outcomes = new Map(results().map(({ attemptId, result }) => [attemptId, result.outcome]))
    expect(outcomes).toEqual(
      new Map([
        [2, 'unreachable'],
        [1, 'unknown'],
      ]),
    )
  })

  test('one result that cannot be written does not hold up the others of its batch', async () => {
    const written: number[] = []
    const { executor, problems, answerAll } = open({
      recordAttempts: async (_, results) => {
        if (results.some((result) => result.attemptId === 2)) throw new Error('poison')
        written.push(...results.map((result) => result.attemptId))
      },
    })
    executor.charges(live, many(4))
    await answerAll(4)
    await executor.idle()
    expect(written.toSorted()).toEqual([1, 3, 4])
    expect(problems.length).toBeGreaterThan(0)
  })
})
