import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import { openWebhookReceiver, type WebhookReceiver } from '#partners/webhook-receiver-rig.ts'
import type { ChargeCall, QueryCall } from '#payments'
import { openStripeAdapter } from './adapter.ts'
import { fromStripe, toStripe } from './amounts.ts'
import { type LookAlike, signStripeEvent, startStripeLookAlike } from './look-alike.ts'

const now = new Date('2026-03-02T09:00:00Z')
const apiKey = 'sk_test_of_the_adapter'
const webhookSecret = 'whsec_of_the_adapter'
const call = (key: string, over: Partial<ChargeCall> = {}): ChargeCall & QueryCall => ({
  key,
  means: 'card',
  token: 'pm_card_visa',
  amountMinor: 1_000,
  currency: 'EUR',
  reference: 'order-1',
  customerId: 'c1',
  traffic: 'live',
  rehearsalId: null,
  instalments: 1,
  returnUrl: 'http://shop.example/back',
  sentAt: now,
  gatewayRef: null,
  ...over,
})

describe('the adapter of Stripe', () => {
  let server: LookAlike
  let receiver: WebhookReceiver
  let clock: SettableClock
  beforeEach(async () => {
    clock = new SettableClock(now)
    receiver = await openWebhookReceiver()
    server = await startStripeLookAlike({ clock, apiKey, webhookSecret, webhookUrl: receiver.url })
  })
  afterEach(async () => {
    await server.close()
    await receiver.close()
  })
  const adapter = (over: { apiKey?: string; baseUrl?: string } = {}) =>
    openStripeAdapter({ name: 'stripe', apiKey, webhookSecret, timeoutMs: 5_000, baseUrl: server.url, ...over })

  test('finds one charge among hundreds of the same minutes, and not one of another hour', async () => {
    for (let index = 0; index < 230; index += 1) await adapter().charge(call(`i1-live-charge-${index + 1}`))
    expect(await adapter().queryCharge(call('i1-live-charge-1'))).toMatchObject({ outcome: 'succeeded' })
    expect(await adapter().queryCharge(call('i1-live-charge-999'))).toEqual({ outcome: 'not_found' })
    const later = new Date(now.getTime() + 3_600_000)
    expect(await adapter().queryCharge({ ...call('i1-live-charge-1'), sentAt: later })).toEqual({ outcome: 'not_found' })
  })

  test('a dispute is told under the key of its charge, once when the money goes and once when it comes back', async () => {
    const charged = await adapter().charge(call('i1-live-charge-1'))
    const ref = 'gatewayRef' in charged ? charged.gatewayRef : ''
    for (const won of [false, true]) server.books.dispute(ref, won)
    await expect.poll(() => receiver.received.length, { timeout: 5_000 }).toBe(3)
    const notices = await Promise.all(
      receiver.received.map(async (request) => {
        const verified = adapter().verifyWebhook(request, now)
        return 'notice' in verified && verified.notice === null ? adapter().readNotice?.(request) : null
      }),
    )
    const disputes = notices.filter((notice) => notice?.kind === 'dispute')
    expect(disputes).toMatchObject([false, true].map((won) => ({ key: 'i1-live-charge-1', amountMinor: 1_000, won })))
  })

  test('an authorisation that was voided is no news of its charge, an abandoned challenge is', async () => {
    const refs: string[] = []
    for (const token of ['pm_card_visa', 'pm_card_authenticationRequired']) {
      const result = await adapter().authorize(call(`i1-live-charge-${refs.length + 1}`, { token }))
      refs.push('gatewayRef' in result ? result.gatewayRef : '')
    }
    for (const [at, gatewayRef] of refs.entries()) await adapter().void({ ...call(`i1-live-void-${at + 1}`), gatewayRef })
    await expect.poll(() => receiver.received.length, { timeout: 5_000 }).toBe(4)
    const told = receiver.received
      .filter(({ body }) => body.includes('payment_intent.canceled'))
      .map((request) => adapter().verifyWebhook(request, now))
      .map((verified) => ('notice' in verified ? verified.notice : verified))
    expect(told).toContainEqual(null)
    expect(told).toContainEqual(
      expect.objectContaining({ key: 'i1-live-charge-2', result: { outcome: 'declined_hard', reason: 'canceled' } }),
    )
  })

  test('a webhook that is signed for later than now is refused', () => {
    const early = signStripeEvent(webhookSecret, { id: 'evt_1', type: 'ping', data: { object: {} } }, new Date(now.getTime() + 600_000))
    expect(adapter().verifyWebhook(early, now)).toHaveProperty('refused')
    expect(adapter().verifyWebhook(early, new Date(now.getTime() + 600_000))).toEqual({ eventId: 'evt_1', notice: null })
  })

  test('a wrong API key did nothing; an answer that is no JSON, or of an error of the server, may have', async () => {
    expect(await adapter({ apiKey: 'sk_wrong' }).charge(call('i1-live-charge-1'))).toMatchObject({ outcome: 'unreachable' })
    let answer: [number, string] = [200, '<html>']
    const rude: Server = createServer((_, response) => response.writeHead(answer[0]).end(answer[1]))
    await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', () => resolve()))
    const baseUrl = `http://127.0.0.1:${(rude.address() as AddressInfo).port}`
    for (answer of [
      [200, '<html>'],
      [200, '{}'],
      [500, '{"error":{"type":"api_error","message":"x"}}'],
      [503, ''],
      [409, '{"error":{"type":"invalid_request_error","code":"idempotency_key_in_use"}}'],
    ] as const satisfies [number, string][]) {
      expect((await adapter({ baseUrl }).charge(call('i1-live-charge-1'))).outcome, answer[1]).toBe('unknown')
      expect((await adapter({ baseUrl }).refund({ ...call('i1-live-refund-1'), gatewayRef: 'pi_1' })).outcome, answer[1]).toBe('unknown')
      expect((await adapter({ baseUrl }).queryCharge(call('i1-live-charge-1'))).outcome, answer[1]).toBe('not_answered')
    }
    await new Promise((resolve) => {
      rude.close(resolve)
      rude.closeAllConnections()
    })
  })

  test('what can not be done here is declined without a call', async () => {
    const gone = adapter({ baseUrl: 'http://127.0.0.1:9' })
    expect(await gone.charge(call('a', { instalments: 3 }))).toMatchObject({ outcome: 'declined_hard' })
    expect(await gone.charge(call('a', { means: 'transfer' }))).toMatchObject({ outcome: 'declined_hard' })
    expect(await gone.charge(call('a', { currency: 'KWD', amountMinor: 1_234 }))).toMatchObject({ outcome: 'declined_hard' })
  })

  test('amounts go over in Stripe’s own counting and come back', () => {
    const table: [string, number, number | undefined][] = [
      ['EUR', 1_999, 1_999],
      ['JPY', 1_500, 1_500],
      ['UGX', 5, 500],
      ['ISK', 5, 500],
      ['MGA', 500, 5],
      ['MGA', 501, undefined],
      ['KWD', 1_230, 1_230],
      ['KWD', 1_234, undefined],
    ]
    for (const [currency, ours, theirs] of table) {
      expect(toStripe(ours, currency), currency).toBe(theirs)
      if (theirs !== undefined) expect(fromStripe(theirs, currency), currency).toBe(ours)
    }
  })
})
