import { describe, expect, test } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import { SandboxEngine } from './engine.ts'
import { classOf, mixedShares, tokenClasses } from './token-classes.ts'
import type { WireCharge } from './wire.ts'

const clock = new SettableClock(new Date('2026-03-02T09:00:00Z'))
const open = (seed = 5, rememberMost?: number) =>
  new SandboxEngine({ seed, clock, ...(rememberMost === undefined ? {} : { rememberMost }) })
const charge = (key: string, over: Partial<WireCharge> = {}): WireCharge => ({
  key,
  token: 'tok_ok',
  amountMinor: 500,
  currency: 'EUR',
  reference: 'order-1',
  traffic: 'live',
  capture: true,
  ...over,
})
const followUp = (key: string, chargeRef: string, amountMinor = 500) => ({
  key,
  chargeRef,
  amountMinor,
  currency: 'EUR',
  traffic: 'live' as const,
})

describe('the sandbox engine', () => {
  test('under one key it charges once, and refuses the key for another body', () => {
    const engine = open()
    const first = engine.charge(charge('a'))
    expect(engine.charge(charge('a'))).toEqual(first)
    expect(engine.charge(charge('a', { amountMinor: 501 })).httpStatus).toBe(409)
    expect(engine.log().movements).toEqual([
      { key: 'a', kind: 'charge', amountMinor: 500, currency: 'EUR', traffic: 'live', at: '2026-03-02T09:00:00.000Z' },
    ])
  })

  test('a lost answer is a charge all the same; asking by key tells of it', () => {
    const engine = open()
    expect(engine.charge(charge('a', { token: 'tok_timeout_after_charge' })).delivery).toBe('lost')
    expect(engine.findCharge('a')).toMatchObject({ httpStatus: 200, body: { status: 'captured', amountMinor: 500 } })
    engine.charge(charge('b', { token: 'tok_timeout_before_charge' }))
    expect(engine.findCharge('b').httpStatus).toBe(404)
    expect(engine.log().movements).toHaveLength(1)
  })

  test('declines take nothing and are remembered under their key', () => {
    const engine = open()
    for (const token of ['tok_declined_soft', 'tok_declined_hard', 'tok_nobody_knows']) {
      expect(engine.charge(charge(token, { token })).httpStatus).toBe(402)
      expect(engine.findCharge(token).httpStatus).toBe(402)
    }
    expect(engine.log().movements).toEqual([])
  })

  test('what happens only once happens once for each payer and order', () => {
    const engine = open()
    const status = (key: string, reference: string) => engine.charge(charge(key, { token: 'tok_soft_once_7', reference })).httpStatus
    expect([status('1', 'x'), status('2', 'x'), status('3', 'y'), status('4', 'y')]).toEqual([402, 200, 402, 200])
  })

  test('no more is given back than was taken, and each key gives back once', () => {
    const engine = open()
    const ref = engine.charge(charge('a')).body?.ref ?? ''
    const refund = (key: string, amount: number) => engine.refund(followUp(key, ref, amount)).httpStatus
    expect([refund('r1', 300), refund('r1', 300), refund('r2', 201), refund('r3', 200), refund('r4', 1)]).toEqual([200, 200, 422, 200, 422])
    expect(
      engine
        .log()
        .movements.filter((movement) => movement.kind === 'refund')
        .map((movement) => movement.amountMinor),
    ).toEqual([300, 200])
  })

  test('an authorisation is captured in part or voided, never both', () => {
    const engine = open()
    const [a, b] = ['a', 'b'].map((key) => engine.charge(charge(key, { capture: false })).body?.ref ?? '')
    expect(engine.log().movements).toEqual([])
    expect(engine.capture(followUp('c1', a ?? '', 400)).body).toMatchObject({ status: 'captured', amountMinor: 400 })
    expect(engine.void(followUp('v1', a ?? '')).httpStatus).toBe(422)
    expect(engine.void(followUp('v2', b ?? '')).body).toMatchObject({ status: 'voided' })
    expect(engine.capture(followUp('c2', b ?? '')).httpStatus).toBe(422)
    expect(engine.log().movements.map((movement) => movement.amountMinor)).toEqual([400])
  })

  test('what a mixed token does depends on seed and order, not on the order of calls', () => {
    const keys = Array.from({ length: 400 }, (_, index) => `k${index}`)
    const run = (seed: number, order: readonly string[]) => {
      const engine = open(seed)
      return new Map(order.map((key) => [key, engine.charge(charge(key, { token: 'tok_mixed', reference: key })).httpStatus]))
    }
    const forward = run(5, keys)
    const backward = run(5, keys.toReversed())
    expect(keys.map((key) => forward.get(key))).toEqual(keys.map((key) => backward.get(key)))
    expect(run(6, keys)).not.toEqual(forward)
    expect(new Set(forward.values())).toEqual(new Set([200, 402, 503]))
  })

  test('a bounded memory forgets the oldest and says how many', () => {
    const engine = open(5, 2)
    for (const key of ['a', 'b', 'c']) engine.charge(charge(key))
    expect(engine.log()).toMatchObject({ forgotten: 1, movements: [{ key: 'b' }, { key: 'c' }] })
  })

  test('every token class is found by its name and by its name with more behind it', () => {
    for (const [name, behaviour] of Object.entries(tokenClasses)) {
      expect(classOf(name)).toBe(behaviour)
      expect(classOf(`${name}_42`)).toBe(behaviour)
    }
    expect(classOf('tok_okay')).toBeUndefined()
    expect(mixedShares.reduce((sum, [share]) => sum + share, 0)).toBe(100)
    for (const [, token] of mixedShares) expect(tokenClasses).toHaveProperty(token)
  })
})
