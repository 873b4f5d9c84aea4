import { describe, expect, test } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import { SandboxEngine } from './engine.ts'
import { profileOf, sandboxProfiles } from './profiles.ts'
import { classOf, tokenClasses } from './token-classes.ts'
import type { WireCharge } from './wire.ts'

const clock = new SettableClock(new Date('2026-03-02T09:00:00Z'))
const open = (seed = 5, rememberMost?: number) =>
  new SandboxEngine({ seed, clock, ...(rememberMost === undefined ? {} : { rememberMost }) })
const charge = (key: string, over: Partial<WireCharge> = {}): WireCharge => ({
  key,
  means: 'card',
  token: 'tok_ok',
  amountMinor: 500,
  currency: 'EUR',
  reference: 'order-1',
  traffic: 'live',
  instalments: 1,
  returnUrl: 'http://shop.example/back',
  ...over,
})
const followUp = (key: string, gatewayRef: string, amountMinor = 500, last?: boolean) => ({
  key,
  gatewayRef,
  amountMinor,
  currency: 'EUR',
  traffic: 'live' as const,
  ...(last === undefined ? {} : { last }),
})

describe('the sandbox engine', () => {
  test('under one key it charges once, and refuses the key for another body', () => {
    const engine = open()
    const first = engine.charge(charge('a'), true)
    expect(engine.charge(charge('a'), true)).toEqual(first)
    expect(engine.charge(charge('a', { amountMinor: 501 }), true).httpStatus).toBe(409)
    expect(engine.log().movements).toMatchObject([
      { key: 'a', kind: 'charge', ref: 'ch_a', amountMinor: 500, currency: 'EUR', traffic: 'live', at: '2026-03-02T09:00:00.000Z' },
    ])
  })

  test('a lost answer is a charge all the same; asking by key tells of it', () => {
    const engine = open()
    expect(engine.charge(charge('a', { token: 'tok_timeout_after_charge' }), true).delivery).toBe('lost')
    expect(engine.findCharge('a')).toMatchObject({ httpStatus: 200, body: { status: 'captured', amountMinor: 500 } })
    engine.charge(charge('b', { token: 'tok_timeout_before_charge' }), true)
    expect(engine.findCharge('b').httpStatus).toBe(404)
    expect(engine.log().movements).toHaveLength(1)
  })

  test('declines take nothing and are remembered under their key', () => {
    const engine = open()
    for (const token of ['tok_declined_soft', 'tok_declined_hard', 'tok_nobody_knows']) {
      expect(engine.charge(charge(token, { token }), true).httpStatus).toBe(402)
      expect(engine.findCharge(token).httpStatus).toBe(402)
    }
    expect(engine.log().movements).toEqual([])
  })

  test('what happens only once happens once for each payer and order', () => {
    const engine = open()
    const status = (key: string, reference: string) => engine.charge(charge(key, { token: 'tok_soft_once_7', reference }), true).httpStatus
    expect([status('1', 'x'), status('2', 'x'), status('3', 'y'), status('4', 'y')]).toEqual([402, 200, 402, 200])
  })

  test('no more is given back than was taken, and each key gives back once', () => {
    const engine = open()
    const ref = engine.charge(charge('a'), true).body?.ref ?? ''
    const refund = (key: string, amount: number) => engine.followUp('refund', followUp(key, ref, amount)).httpStatus
    expect([refund('r1', 300), refund('r1', 300), refund('r2', 201), refund('r3', 200), refund('r4', 1)]).toEqual([200, 200, 422, 200, 422])
    expect(
      engine
        .log()
        .movements.filter((movement) => movement.kind === 'refund')
        .map((movement) => movement.amountMinor),
    ).toEqual([300, 200])
  })

  test('an authorisation is captured in parts until the last or until all of it is taken', () => {
    const engine = open()
    const [a, b] = ['a', 'b'].map((key) => engine.charge(charge(key), false).body?.ref ?? '') as [string, string]
    expect(engine.log().movements).toEqual([])
    const capture = (key: string, ref: string, amount: number, last?: boolean) =>
      engine.followUp('capture', followUp(key, ref, amount, last)).httpStatus
    expect([capture('1', a, 200), capture('1', a, 200), capture('2', a, 301), capture('3', a, 300), capture('4', a, 1)]).toEqual([
      200, 200, 422, 200, 422,
    ])
    expect([capture('5', b, 100, true), capture('6', b, 100)]).toEqual([200, 422])
    expect(engine.log().movements.map(({ key, kind, amountMinor, chargeKey }) => [key, kind, amountMinor, chargeKey])).toEqual([
      ['1', 'capture', 200, 'a'],
      ['3', 'capture', 300, 'a'],
      ['5', 'capture', 100, 'b'],
    ])
  })

  test('a void lets go of what was not captured, and nothing of what was', () => {
    const engine = open()
    const [a, b] = ['a', 'b'].map((key) => engine.charge(charge(key), false).body?.ref ?? '') as [string, string]
    engine.followUp('capture', followUp('c1', a, 100))
    expect([a, b].map((ref, at) => engine.followUp('void', followUp(`v${at}`, ref)).body?.status)).toEqual(['voided', 'voided'])
    expect([a, b].map((ref, at) => engine.followUp('capture', followUp(`d${at}`, ref, 1)).httpStatus)).toEqual([422, 422])
    expect(engine.findCharge('a').body?.status).toBe('captured')
    expect(engine.findCharge('b').body?.status).toBe('voided')
    expect(engine.followUp('refund', followUp('r', a, 101)).httpStatus).toBe(422)
    expect(engine.followUp('refund', followUp('s', a, 100)).httpStatus).toBe(200)
  })

  test('faults of captures and voids: done without an answer, once, or refused', () => {
    const engine = open()
    const ref = (token: string) => engine.charge(charge(token, { token }), false).body?.ref ?? ''
    const capture = followUp('c', ref('tok_capture_timeout'))
    expect(engine.followUp('capture', capture).delivery).toBe('lost')
    expect(engine.followUp('capture', capture)).toMatchObject({ delivery: 'now', body: { status: 'captured' } })
    expect(engine.findFollowUp('capture', 'c').body?.status).toBe('captured')
    expect(engine.followUp('capture', followUp('d', ref('tok_capture_refused'))).httpStatus).toBe(422)
    const voiding = followUp('v', ref('tok_void_timeout'))
    expect(engine.followUp('void', voiding).delivery).toBe('lost')
    expect(engine.findFollowUp('void', 'v').body?.status).toBe('voided')
    expect(engine.findFollowUp('refund', 'v').httpStatus).toBe(404)
  })

  test('a token may be declined at one gateway by name and taken at the others', () => {
    const at = (name: string, token: string) =>
      new SandboxEngine({ seed: 1, clock, profile: profileOf(name) }).charge(charge('a', { token }), true).httpStatus
    for (const token of ['tok_declined_soft_at_borealis', 'tok_declined_soft_at_borealis_77']) {
      expect([at('borealis', token), at('cobalt', token), at('sandbox', token)]).toEqual([402, 200, 200])
    }
    expect(at('borealis', 'tok_declined_soft_borealis')).toBe(402)
  })

  test('a gateway takes only its own means and so many instalments', () => {
    const meridian = new SandboxEngine({ seed: 1, clock, profile: profileOf('meridian') })
    expect(meridian.charge(charge('a', { means: 'transfer', token: '' }), true).body).toMatchObject({
      status: 'requires_action',
      action: { kind: 'transfer' },
    })
    expect(meridian.charge(charge('b', { instalments: 24 }), true).httpStatus).toBe(200)
    expect(meridian.charge(charge('c', { instalments: 25 }), true).body).toMatchObject({
      status: 'declined_hard',
      reason: 'too_many_instalments',
    })
    expect(open().charge(charge('d', { means: 'transfer', token: '' }), true).body).toMatchObject({ reason: 'means_not_taken_here' })
  })

  test('a transfer is found by the reference that its payer types, until it is paid in', () => {
    const meridian = new SandboxEngine({ seed: 1, clock, profile: profileOf('meridian') })
    const answers = ['a', 'b'].map((key) => meridian.charge(charge(key, { means: 'transfer', token: '' }), true).body)
    for (const body of answers) {
      const { ref = '', action } = body as { ref?: string; action?: { reference: string } }
      expect(meridian.transferUnder(action?.reference ?? '')).toBe(ref)
      meridian.customerActs(ref, 'approve')
      expect(meridian.transferUnder(action?.reference ?? '')).toBeUndefined()
    }
    expect(meridian.transferUnder('0000000000')).toBeUndefined()
  })

  test('a dispute takes back what is left of a charge and no more, and may be won', () => {
    const told: unknown[] = []
    const engine = new SandboxEngine({
      seed: 1,
      clock,
      happened: ({ kind, key, won, body }) => told.push([kind, key, won, body.amountMinor]),
    })
    engine.charge(charge('a'), true)
    engine.followUp('refund', followUp('r', 'ch_a', 200))
    expect(engine.dispute('ch_a', { won: false, amountMinor: 301 }).httpStatus).toBe(422)
    expect(engine.dispute('ch_a', { won: false }).body).toMatchObject({ amountMinor: 300 })
    expect(engine.followUp('refund', followUp('s', 'ch_a', 1)).httpStatus).toBe(422)
    expect(engine.dispute('ch_a', { won: true }).body).toMatchObject({ amountMinor: 300 })
    expect(engine.dispute('ch_nobody', { won: false }).httpStatus).toBe(404)
    expect(engine.log().movements.map(({ kind, amountMinor }) => [kind, amountMinor])).toEqual([
      ['charge', 500],
      ['refund', 200],
      ['chargeback', 300],
      ['chargeback_reversed', 300],
    ])
    expect(told.slice(2, 3)).toEqual([['dispute', 'a', false, 300]])
  })

  test('what a mixed token does depends on seed and order, not on the order of calls', () => {
    const keys = Array.from({ length: 400 }, (_, index) => `k${index}`)
    const run = (seed: number, order: readonly string[]) => {
      const engine = open(seed)
      return new Map(order.map((key) => [key, engine.charge(charge(key, { token: 'tok_mixed', reference: key }), true).httpStatus]))
    }
    const forward = run(5, keys)
    const backward = run(5, keys.toReversed())
    expect(keys.map((key) => forward.get(key))).toEqual(keys.map((key) => backward.get(key)))
    expect(run(6, keys)).not.toEqual(forward)
    expect(new Set(forward.values())).toEqual(new Set([200, 402, 503]))
  })

  test('a bounded memory forgets the oldest and says how many', () => {
    const engine = open(5, 2)
    for (const key of ['a', 'b', 'c']) engine.charge(charge(key), true)
    expect(engine.log()).toMatchObject({ forgotten: 1, movements: [{ key: 'b' }, { key: 'c' }] })
  })

  test('every token class is found by its name and by its name with more behind it', () => {
    for (const [name, behaviour] of Object.entries(tokenClasses)) {
      expect(classOf(name)).toBe(behaviour)
      expect(classOf(`${name}_42`)).toBe(behaviour)
    }
    expect(classOf('tok_okay')).toBeUndefined()
    for (const nothing of ['constructor', '__proto__', 'toString', '']) expect(classOf(nothing)).toBeUndefined()
    for (const { mixedShares } of Object.values(sandboxProfiles)) {
      expect(mixedShares.reduce((sum, [share]) => sum + share, 0)).toBe(100)
      for (const [, token] of mixedShares) expect(tokenClasses).toHaveProperty(token)
    }
  })
})
