import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import { openWebhookReceiver, type WebhookReceiver } from '#partners/webhook-receiver-rig.ts'
import type { ChargeCall, QueryCall } from '#payments'
import { openMercadoPagoAdapter } from './adapter.ts'
import { type MercadoPagoLookAlike, startMercadoPagoLookAlike } from './look-alike.ts'
import { toDecimal, toMinor } from './results.ts'

const now = new Date('2026-03-02T09:00:00Z')
const accounts = { BRL: 'token-of-brazil', CLP: 'token-of-chile' }
const webhookSecret = 'a secret of the adapter'
const call = (key: string, over: Partial<ChargeCall> = {}): ChargeCall & QueryCall => ({
  key,
  means: 'card',
  token: 'visa:APRO',
  amountMinor: 1_000,
  currency: 'BRL',
  reference: 'order-1',
  customerId: 'c1',
  traffic: 'live',
  rehearsalId: null,
  instalments: 3,
  returnUrl: 'http://shop.example/back',
  sentAt: now,
  gatewayRef: null,
  ...over,
})

describe('the adapter of Mercado Pago', () => {
  let server: MercadoPagoLookAlike
  let receiver: WebhookReceiver
  const clock = new SettableClock(now)
  beforeEach(async () => {
    clock.set(now)
    receiver = await openWebhookReceiver()
    server = await startMercadoPagoLookAlike({ clock, accounts, webhookSecret, webhookUrl: receiver.url })
  })
  afterEach(async () => {
    await server.close()
    await receiver.close()
  })
  const adapter = (over: { baseUrl?: string; challengePage?: string } = {}) =>
    openMercadoPagoAdapter({
      name: 'mercado-pago',
      accounts,
      webhookSecret,
      timeoutMs: 5_000,
      clock,
      baseUrl: server.url,
      payerEmail: (id) => `${id}@example.com`,
      ...over,
    })
  const refOf = (result: object): string => String((result as { gatewayRef?: string }).gatewayRef)

  test('a refund is asked about without making a second one, and later by amount and time', async () => {
    const gatewayRef = refOf(await adapter().charge(call('i1-live-charge-1')))
    const refund = (id: number) => ({ ...call(`i1-live-refund-${id}`), gatewayRef, amountMinor: 300 })
    await adapter().refund(refund(1))
    expect(await adapter().queryFollowUp('refund', refund(1))).toMatchObject({ outcome: 'succeeded' })
    expect(server.movements.filter(({ kind }) => kind === 'REFUND')).toHaveLength(1)
    clock.set(new Date(now.getTime() + 24 * 3_600_000))
    expect(await adapter().queryFollowUp('refund', refund(1))).toMatchObject({ outcome: 'succeeded' })
    expect(await adapter().queryFollowUp('refund', { ...refund(9), amountMinor: 301 })).toEqual({ outcome: 'not_found' })
    clock.set(now)
    await adapter().refund(refund(2))
    clock.set(new Date(now.getTime() + 24 * 3_600_000))
    expect(await adapter().queryFollowUp('refund', refund(2))).toMatchObject({ outcome: 'not_answered' })
    expect(server.movements.filter(({ kind }) => kind === 'REFUND')).toHaveLength(2)
  })

  test('a chargeback is told as a dispute of its charge, one that was paid back as won', async () => {
    const ref = refOf(await adapter().charge(call('i1-live-charge-1')))
    server.become(ref, 'charged_back', 'settled')
    await expect.poll(() => receiver.received.length, { timeout: 5_000 }).toBe(2)
    const [request] = receiver.received
    if (request === undefined) throw new Error('no webhook came')
    expect(await adapter().readNotice?.(request)).toMatchObject({
      kind: 'dispute',
      key: 'i1-live-charge-1',
      amountMinor: 1_000,
      won: false,
    })
    server.become(ref, 'charged_back', 'reimbursed')
    expect(await adapter().readNotice?.(request)).toMatchObject({ kind: 'dispute', won: true })
    expect(await adapter().queryCharge(call('i1-live-charge-1'))).toMatchObject({ outcome: 'succeeded' })
  })

  test('a webhook about nothing of ours is no notice, and one that can not be asked about now is thrown', async () => {
    const request = { headers: {}, body: '{"type":"payment","data":{"id":"77"}}' }
    expect(await adapter().readNotice?.(request)).toBeNull()
    expect(await adapter().readNotice?.({ headers: {}, body: '{"type":"plan","data":{"id":"77"}}' })).toBeNull()
    await expect(adapter({ baseUrl: 'http://127.0.0.1:9' }).readNotice?.(request)).rejects.toThrow('could not be asked')
  })

  test('a capture that is not the last is refused, for it would release the rest', async () => {
    const gatewayRef = refOf(await adapter().authorize(call('i1-live-charge-1')))
    expect(await adapter().capture({ ...call('c'), gatewayRef, amountMinor: 400, last: false })).toMatchObject({ outcome: 'failed' })
    expect(server.movements).toEqual([])
  })

  test('what can not be done here is declined without a call', async () => {
    const gone = adapter({ baseUrl: 'http://127.0.0.1:9' })
    expect(await gone.charge(call('a', { currency: 'EUR' }))).toMatchObject({ outcome: 'declined_hard' })
    expect(await gone.charge(call('a', { token: 'visa' }))).toMatchObject({ outcome: 'declined_hard' })
    expect(await gone.charge(call('a', { means: 'points' }))).toMatchObject({ outcome: 'declined_hard' })
    expect(await gone.authorize(call('a', { means: 'transfer' }))).toMatchObject({ outcome: 'declined_hard' })
    expect(await gone.charge(call('a', { currency: 'constructor' }))).toMatchObject({ outcome: 'declined_hard' })
  })

  test('a challenge goes over a page of ours where there is one', async () => {
    const result = await adapter({ challengePage: 'https://shop.example/challenge' }).charge(
      call('i1-live-charge-1', { token: 'visa:CHAL' }),
    )
    const url = new URL(result.outcome === 'requires_action' && result.action.kind === 'redirect' ? result.action.url : '')
    expect(url.origin + url.pathname).toBe('https://shop.example/challenge')
    expect(url.searchParams.get('url')).toContain('/challenge/')
    expect(url.searchParams.get('creq')).not.toBe('')
  })

  test('every amount goes over as a decimal and comes back the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000_000_000 }), fc.constantFrom('BRL', 'CLP', 'MXN', 'KWD'), (amount, currency) => {
        const sent = JSON.parse(JSON.stringify({ amount: toDecimal(amount, currency) })) as { amount: number }
        expect(toMinor(sent.amount, currency)).toBe(amount)
      }),
      { numRuns: 5_000 },
    )
  })
})
