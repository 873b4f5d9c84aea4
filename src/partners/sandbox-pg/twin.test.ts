import { describe, expect, test } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import type { ChargeCall, FollowUpCall } from '#payments'
import { SandboxEngine } from './engine.ts'
import { startSandboxServer } from './server.ts'
import { openSandboxTwin } from './twin.ts'

const clock = new SettableClock(new Date('2026-03-02T09:00:00Z'))
const call = (key: string, gatewayRef: string, amountMinor: number): FollowUpCall => ({
  key,
  gatewayRef,
  amountMinor,
  currency: 'EUR',
  traffic: 'live',
  rehearsalId: null,
})

describe('a twin whose process was started anew', () => {
  const open = () => {
    const engine = new SandboxEngine({ seed: 1, clock })
    return { engine, twin: openSandboxTwin({ name: 'sandbox', engine, webhookSecret: 'a secret' }) }
  }

  test('refunds, captures and voids charges that it has forgotten, each key once', async () => {
    const { engine, twin } = open()
    const refund = call('i1-live-refund-1', 'ch_i1-live-charge-7', 300)
    for (const asked of [refund, refund, call('i1-live-refund-2', 'ch_i1-live-charge-7', 900)]) {
      expect(await twin.refund(asked)).toMatchObject({ outcome: 'succeeded' })
    }
    expect(await twin.capture(call('i1-live-capture-1', 'ch_i1-live-charge-8', 100))).toMatchObject({ outcome: 'succeeded' })
    expect(await twin.capture(call('i1-live-capture-2', 'ch_i1-live-charge-8', 100))).toMatchObject({ outcome: 'succeeded' })
    expect(await twin.void(call('i1-live-void-1', 'ch_i1-live-charge-9', 100))).toMatchObject({ outcome: 'succeeded' })
    expect(engine.log().movements.map(({ key, amountMinor }) => [key, amountMinor])).toEqual([
      ['i1-live-refund-1', 300],
      ['i1-live-refund-2', 900],
      ['i1-live-capture-1', 100],
      ['i1-live-capture-2', 100],
    ])
  })

  test('believes only refs that it could have given out', async () => {
    const { twin } = open()
    for (const ref of ['ch_7', 'ch_i1-live-refund-7', 'pi_i1-live-charge-7', '', 'ch_']) {
      expect(await twin.refund(call('i1-live-refund-3', ref, 300)), ref).toMatchObject({ outcome: 'failed' })
    }
  })

  test('holds a charge that it does know to its amount', async () => {
    const { twin } = open()
    await twin.charge({
      key: 'i1-live-charge-1',
      means: 'card',
      token: 'tok_ok',
      amountMinor: 500,
      currency: 'EUR',
      reference: '1',
      customerId: '',
      instalments: 1,
      returnUrl: '',
      traffic: 'live',
      rehearsalId: null,
    })
    expect(await twin.refund(call('i1-live-refund-1', 'ch_i1-live-charge-1', 501))).toMatchObject({ outcome: 'failed' })
  })
})

test('a twin whose engine is served as well sends customers to real pages', async () => {
  const place = { url: '' }
  const engine = new SandboxEngine({ seed: 1, clock, pageUrl: () => place.url })
  const twin = openSandboxTwin({ name: 'sandbox', engine, webhookSecret: 'a secret' })
  const server = await startSandboxServer({ engine, seed: 1, clock, webhookSecret: 'a secret' })
  place.url = server.url
  const asked: ChargeCall = {
    key: 'i1-live-charge-1',
    means: 'card',
    token: 'tok_3ds',
    amountMinor: 500,
    currency: 'EUR',
    reference: '1',
    customerId: '',
    instalments: 1,
    returnUrl: 'http://shop.example/back',
    traffic: 'live',
    rehearsalId: null,
  }
  const open = await twin.charge(asked)
  const url = open.outcome === 'requires_action' && open.action.kind === 'redirect' ? open.action.url : ''
  expect((await fetch(url, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ action: 'approve' }) })).status).toBe(303)
  const query = { ...asked, sentAt: clock.now(), gatewayRef: null }
  expect(await twin.queryCharge(query)).toMatchObject({ outcome: 'succeeded' })
  await server.close()
})
