import { describe, expect, test } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import { SandboxEngine } from '#partners/sandbox-pg/engine.ts'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import { type ChargeCall, guardTraffic, keyOf, readKey, ShadowRefused } from './gateway.ts'

const engine = new SandboxEngine({ seed: 1, clock: new SettableClock(new Date('2026-03-02T09:00:00Z')) })
const gateway = () => openSandboxTwin({ name: 'pg', engine, webhookSecret: 's' })
const call = (key: string, traffic: 'live' | 'shadow'): ChargeCall => ({
  key,
  traffic,
  rehearsalId: traffic === 'shadow' ? 'r' : null,
  means: 'card',
  token: 'tok_ok',
  amountMinor: 1,
  currency: 'EUR',
  reference: '1',
  customerId: 'c1',
  instalments: 1,
  returnUrl: '',
})

describe('the guard in front of a gateway', () => {
  test('a shadow call never reaches a real gateway, in any of its forms', async () => {
    const guarded = guardTraffic(gateway(), 'real')
    const before = engine.log().movements.length
    await expect(guarded.charge(call('a', 'shadow'))).rejects.toThrow(ShadowRefused)
    await expect(guarded.authorize(call('b', 'shadow'))).rejects.toThrow(ShadowRefused)
    expect(() => guarded.chargeAtOnce?.([call('c', 'live'), call('d', 'shadow')])).toThrow(ShadowRefused)
    const followUp = { ...call('e', 'shadow'), gatewayRef: 'ch_1', sentAt: new Date(0) }
    await expect(guarded.capture(followUp)).rejects.toThrow(ShadowRefused)
    await expect(guarded.void(followUp)).rejects.toThrow(ShadowRefused)
    await expect(guarded.refund(followUp)).rejects.toThrow(ShadowRefused)
    await expect(guarded.queryCharge(followUp)).rejects.toThrow(ShadowRefused)
    await expect(guarded.queryFollowUp('refund', followUp)).rejects.toThrow(ShadowRefused)
    expect(engine.log().movements).toHaveLength(before)
    expect(guarded.calls).toEqual({ live: 0, shadow: 0, refused: 8 })
  })

  test('a sandbox takes both, counted apart', async () => {
    const guarded = guardTraffic(gateway(), 'sandbox')
    await guarded.charge(call('f', 'live'))
    guarded.chargeAtOnce?.([call('g', 'shadow'), call('h', 'shadow')])
    expect(guarded.calls).toEqual({ live: 1, shadow: 2, refused: 0 })
  })
})

describe('keys at a gateway', () => {
  test('a key says whose it is, and is read back as it was made', () => {
    for (const installation of ['demo', 'a-live-b', 'x-shadow-charge-1']) {
      for (const traffic of ['live', 'shadow'] as const) {
        for (const kind of ['charge', 'capture', 'void', 'refund', 'credit', 'bind'] as const) {
          const key = keyOf(installation, traffic, kind, 4_097)
          expect(readKey(key)).toEqual({ installation, traffic, kind, id: 4_097 })
        }
      }
    }
  })

  test('what is not ours is not read', () => {
    for (const key of [
      '',
      'demo-live-charge-',
      'demo-live-charge-0',
      'demo-live-charge-01',
      'demo-test-charge-1',
      'demo-live-charge-9999999999999999',
    ]) {
      expect(readKey(key)).toBeUndefined()
    }
  })
})
