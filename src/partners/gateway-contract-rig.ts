import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChargeCall, ChargeResult, CustomerAction, FollowUpCall, PaymentGateway, QueryCall, WebhookRequest } from '#payments'

/** One gateway with a server behind it, and that server's own word on what moved. */
export interface ContractStand {
  /** With time enough for every answer. */
  readonly gateway: PaymentGateway
  /** The same with so short a time-out that a lost answer is soon given up. */
  readonly hasty: PaymentGateway
  /** The same where nobody listens; undefined for one inside the process. */
  readonly gone?: PaymentGateway
  readonly tokens: Readonly<Record<'ok' | 'soft' | 'hard' | 'timeout' | 'threeDs', string>>
  readonly form?: Readonly<Record<'ok' | 'threeDs' | 'refused', string>>
  readonly currency: string
  readonly withoutDecimals: string
  /** Whether an authorisation can be captured more than once. */
  readonly capturesInParts: boolean
  /** Amounts that moved under a key of ours, as the gateway's own books have them; refunds negative. */
  moved(key: string): Promise<number[]> | number[]
  /** What the customer does on the gateway's page. */
  customer(action: CustomerAction, gatewayRef: string, what: 'approve' | 'decline' | 'pay'): Promise<void>
  webhooks(): readonly WebhookRequest[]
  /** The instant that webhooks are signed at. */
  now(): Date
  /** The settlement file of all that moved so far, without planted defects. */
  settlement(): Promise<string> | string
  close(): Promise<void>
}

const sentAt = new Date('2026-03-02T09:00:00Z')

/** What every gateway has to keep to, whoever it is. Keys are of our own form and differ from test to test. */
export function keepsTheContract(name: string, openStand: () => Promise<ContractStand>): void {
  describe(`${name} keeps the contract of a gateway`, () => {
    let stand: ContractStand
    let numbers = 0
    beforeAll(async () => {
      stand = await openStand()
    })
    afterAll(() => stand.close())

    const keyOf = (kind: string) => `contract-live-${kind}-${(numbers += 1)}`
    const chargeOf = (over: Partial<ChargeCall> = {}): ChargeCall => ({
      key: keyOf('charge'),
      traffic: 'live',
      rehearsalId: null,
      means: 'card',
      token: stand.tokens.ok,
      amountMinor: 1_999,
      currency: stand.currency,
      reference: `order-${numbers}`,
      customerId: 'c1',
      instalments: 1,
      returnUrl: 'http://127.0.0.1:9/back?order=1',
      ...over,
    })
    const queryOf = (call: { key: string; amountMinor: number; currency: string }, gatewayRef: string | null = null): QueryCall => ({
      key: call.key,
      amountMinor: call.amountMinor,
      currency: call.currency,
      traffic: 'live',
      rehearsalId: null,
      sentAt,
      gatewayRef,
    })
    const followUpOf = (kind: string, gatewayRef: string, amountMinor: number, over: Partial<FollowUpCall> = {}): FollowUpCall => ({
      key: keyOf(kind),
      gatewayRef,
      amountMinor,
      currency: stand.currency,
      traffic: 'live',
      rehearsalId: null,
      ...over,
    })
    const refOf = (result: ChargeResult): string => {
      expect(result).toMatchObject({ outcome: 'succeeded' })
      return 'gatewayRef' in result ? result.gatewayRef : ''
    }
    const pending = (result: ChargeResult) => {
      if (result.outcome !== 'requires_action') throw new Error(`expected requires_action, not ${JSON.stringify(result)}`)
      return result
    }

    test('a good card is charged, and asking by key tells the same', async () => {
      const call = chargeOf()
      const charged = await stand.gateway.charge(call)
      expect(charged).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.gateway.queryCharge(queryOf(call))).toEqual(charged)
      expect(await stand.gateway.queryCharge(queryOf(call, refOf(charged)))).toEqual(charged)
      expect(await stand.moved(call.key)).toEqual([1_999])
    })

    test('declines are soft or hard, take nothing, and are told again when asked', async () => {
      for (const [token, outcome] of [
        [stand.tokens.soft, 'declined_soft'],
        [stand.tokens.hard, 'declined_hard'],
      ] as const) {
        const call = chargeOf({ token })
        expect(await stand.gateway.charge(call)).toMatchObject({ outcome })
        expect(await stand.gateway.queryCharge(queryOf(call))).toMatchObject({ outcome })
        expect(await stand.moved(call.key)).toEqual([])
      }
    })

    test('a key that was never used is not found', async () => {
      expect(await stand.gateway.queryCharge(queryOf(chargeOf()))).toEqual({ outcome: 'not_found' })
    })

    test('where nobody listens a charge is unreachable, a follow-up stays unknown and a query is not answered', async () => {
      if (stand.gone === undefined) return expect(stand.gateway.chargeAtOnce).toBeDefined()
      const call = chargeOf()
      expect(await stand.gone.charge(call)).toMatchObject({ outcome: 'unreachable' })
      expect(await stand.gone.authorize(call)).toMatchObject({ outcome: 'unreachable' })
      expect(await stand.gone.refund(followUpOf('refund', '1', 5))).toMatchObject({ outcome: 'unknown' })
      expect(await stand.gone.queryCharge(queryOf(call))).toMatchObject({ outcome: 'not_answered' })
      expect(await stand.gone.queryFollowUp('refund', queryOf(call, '1'))).toMatchObject({ outcome: 'not_answered' })
    })

    test('a time-out after charging is unknown, a query finds the one charge, and the same key charges no second time', async () => {
      const call = chargeOf({ token: stand.tokens.timeout })
      expect(await stand.hasty.charge(call)).toMatchObject({ outcome: 'unknown' })
      expect(await stand.gateway.queryCharge(queryOf(call))).toMatchObject({ outcome: 'succeeded' })
      await stand.gateway.charge(call)
      expect(await stand.moved(call.key)).toEqual([1_999])
    })

    test('eight calls at once under one key charge once, and a repeat gives the same answer', async () => {
      const call = chargeOf()
      const results = await Promise.all(Array.from({ length: 8 }, () => stand.gateway.charge(call)))
      for (const { outcome } of results) expect(['succeeded', 'unknown']).toContain(outcome)
      expect(results.map(({ outcome }) => outcome)).toContain('succeeded')
      expect(await stand.gateway.charge(call)).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.moved(call.key)).toEqual([1_999])
    })

    test('a key with another amount is no success and moves nothing more', async () => {
      const call = chargeOf()
      await stand.gateway.charge(call)
      expect(await stand.gateway.charge({ ...call, amountMinor: 2_000 })).toMatchObject({ outcome: 'unknown' })
      expect(await stand.gateway.queryCharge(queryOf({ ...call, amountMinor: 2_000 }))).toMatchObject({ outcome: 'unknown' })
      expect(await stand.moved(call.key)).toEqual([1_999])
    })

    test('an authorisation moves nothing until it is captured, in part at most up to its amount', async () => {
      const call = chargeOf()
      const ref = refOf(await stand.gateway.authorize(call))
      expect(await stand.moved(call.key)).toEqual([])
      expect(await stand.gateway.capture(followUpOf('capture', ref, 2_000))).toMatchObject({ outcome: 'failed' })
      const part = followUpOf('capture', ref, 1_200, { last: !stand.capturesInParts })
      const captured = await stand.gateway.capture(part)
      expect(captured).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.gateway.capture(part)).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.gateway.queryFollowUp('capture', queryOf(part, ref))).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.gateway.queryCharge(queryOf(call, ref))).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.moved(part.key)).toEqual([1_200])
      if (stand.capturesInParts) {
        const rest = followUpOf('capture', ref, 300, { last: true })
        expect(await stand.gateway.capture(rest)).toMatchObject({ outcome: 'succeeded' })
        expect(await stand.moved(rest.key)).toEqual([300])
      }
      expect(await stand.gateway.capture(followUpOf('capture', ref, 100))).toMatchObject({ outcome: 'failed' })
    })

    test('a void releases an authorisation, once for all', async () => {
      const call = chargeOf()
      const ref = refOf(await stand.gateway.authorize(call))
      const voiding = followUpOf('void', ref, 1_999)
      expect(await stand.gateway.queryFollowUp('void', queryOf(voiding, ref))).toMatchObject({ outcome: 'not_found' })
      expect(await stand.gateway.void(voiding)).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.gateway.void(voiding)).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.gateway.queryFollowUp('void', queryOf(voiding, ref))).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.gateway.capture(followUpOf('capture', ref, 1_999))).toMatchObject({ outcome: 'failed' })
      expect(await stand.moved(call.key)).toEqual([])
    })

    test('refunds in parts add up to the charge and no further, each key once', async () => {
      const call = chargeOf()
      const ref = refOf(await stand.gateway.charge(call))
      const [first, second] = [followUpOf('refund', ref, 1_000), followUpOf('refund', ref, 999)]
      for (const refund of [first, first, second]) expect(await stand.gateway.refund(refund)).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.gateway.refund(followUpOf('refund', ref, 1))).toMatchObject({ outcome: 'failed' })
      expect(await stand.gateway.queryFollowUp('refund', queryOf(first, ref))).toMatchObject({ outcome: 'succeeded' })
      expect([...(await stand.moved(first.key)), ...(await stand.moved(second.key))]).toEqual([-1_000, -999])
    })

    test('a refund of more than was charged is refused', async () => {
      const ref = refOf(await stand.gateway.charge(chargeOf()))
      expect(await stand.gateway.refund(followUpOf('refund', ref, 2_000))).toMatchObject({ outcome: 'failed' })
    })

    test('3-D Secure stays open until the customer approves, and is charged once then', async () => {
      const call = chargeOf({ token: stand.tokens.threeDs })
      const open = pending(await stand.gateway.charge(call))
      expect(open.action).toMatchObject({ kind: 'redirect', url: expect.stringMatching(/^http/) })
      expect(await stand.gateway.queryCharge(queryOf(call, open.gatewayRef))).toMatchObject({ outcome: 'requires_action' })
      expect(await stand.moved(call.key)).toEqual([])
      await stand.customer(open.action, open.gatewayRef, 'approve')
      expect(await stand.gateway.queryCharge(queryOf(call, open.gatewayRef))).toMatchObject({
        outcome: 'succeeded',
        gatewayRef: open.gatewayRef,
      })
      expect(await stand.moved(call.key)).toEqual([1_999])
    })

    test('3-D Secure that the customer declines is a hard decline, and one that he abandons can be voided', async () => {
      const declined = chargeOf({ token: stand.tokens.threeDs })
      const first = pending(await stand.gateway.charge(declined))
      await stand.customer(first.action, first.gatewayRef, 'decline')
      expect(await stand.gateway.queryCharge(queryOf(declined, first.gatewayRef))).toMatchObject({ outcome: 'declined_hard' })
      const left = chargeOf({ token: stand.tokens.threeDs })
      const second = pending(await stand.gateway.authorize(left))
      expect(await stand.gateway.queryCharge(queryOf(left, second.gatewayRef))).toMatchObject({ outcome: 'requires_action' })
      expect(await stand.gateway.void(followUpOf('void', second.gatewayRef, 1_999))).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.gateway.queryCharge(queryOf(left, second.gatewayRef))).toMatchObject({ outcome: 'declined_hard' })
      expect([...(await stand.moved(declined.key)), ...(await stand.moved(left.key))]).toEqual([])
    })

    test('a currency without decimals is charged as it is counted', async () => {
      const call = chargeOf({ amountMinor: 1_500, currency: stand.withoutDecimals })
      const ref = refOf(await stand.gateway.charge(call))
      expect(await stand.moved(call.key)).toEqual([1_500])
      const refund = followUpOf('refund', ref, 700, { currency: stand.withoutDecimals })
      expect(await stand.gateway.refund(refund)).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.moved(refund.key)).toEqual([-700])
    })

    test('a webhook of a charge is verified and tells of it; tampered, old, unsigned or under another secret it is refused', async () => {
      const before = stand.webhooks().length
      const call = chargeOf()
      const charged = await stand.gateway.charge(call)
      await expect.poll(() => stand.webhooks().length, { timeout: 5_000 }).toBeGreaterThan(before)
      // Others may still come in from tests before this one, so it is looked for by what it tells.
      const told = async () => {
        for (const request of stand.webhooks().slice(before)) {
          const verified = stand.gateway.verifyWebhook(request, stand.now())
          if ('refused' in verified) throw new Error(verified.refused)
          const notice = verified.notice ?? (await stand.gateway.readNotice?.(request)) ?? null
          if (notice?.kind === 'charge' && notice.key === call.key) return notice.result
        }
        return undefined
      }
      await expect.poll(told, { timeout: 5_000 }).toEqual(charged)
      const good = stand.webhooks()[before] as WebhookRequest
      const refused = (request: WebhookRequest, now = stand.now()) =>
        expect(stand.gateway.verifyWebhook(request, now)).toHaveProperty('refused')
      refused({ ...good, body: good.body.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10)) })
      refused({ headers: {}, body: good.body })
      refused(good, new Date(stand.now().getTime() + 6 * 60_000))
      refused({ ...good, body: '' })
      refused({ ...good, headers: Object.fromEntries(Object.entries(good.headers).map(([header, value]) => [header, `${value}x`])) })
    })

    test('a settlement file comes back as what moved, to the minor unit', async () => {
      const call = chargeOf({ amountMinor: 12_345 })
      const ref = refOf(await stand.gateway.charge(call))
      const small = chargeOf({ amountMinor: 777, currency: stand.withoutDecimals })
      await stand.gateway.charge(small)
      const refund = followUpOf('refund', ref, 345)
      await stand.gateway.refund(refund)
      const read = stand.gateway.readSettlement?.(await stand.settlement())
      expect(read?.problems).toEqual([])
      expect(read?.batch).not.toBe('')
      const lines = read?.lines ?? []
      for (const line of lines) expect(line.netMinor).toBe(line.grossMinor - line.feeMinor)
      const find = (grossMinor: number) => lines.filter((line) => line.grossMinor === grossMinor)
      expect(find(12_345)).toMatchObject([
        { kind: 'charge', currency: stand.currency, bookedOn: expect.stringMatching(/^\d{4}-\d\d-\d\d$/) },
      ])
      expect(find(777)).toMatchObject([{ kind: 'charge', currency: stand.withoutDecimals }])
      expect(find(-345)).toMatchObject([{ kind: 'refund' }])
      for (const line of find(12_345)) expect(line.key ?? line.gatewayRef).toBe(line.key === null ? ref : call.key)
      expect(() => stand.gateway.readSettlement?.('no,such\nfile,here\n')).toThrow(/settlement/)
    })

    test('a transfer waits for the customer to pay in, where the gateway takes transfers', async () => {
      if (!stand.gateway.means.includes('transfer')) return expect(stand.gateway.means).toContain('card')
      const call = chargeOf({ means: 'transfer', token: '' })
      const open = pending(await stand.gateway.charge(call))
      expect(open.action).toMatchObject({ kind: 'transfer', reference: expect.stringMatching(/./) })
      await stand.customer(open.action, open.gatewayRef, 'pay')
      expect(await stand.gateway.queryCharge(queryOf(call, open.gatewayRef))).toMatchObject({ outcome: 'succeeded' })
      expect(await stand.moved(call.key)).toEqual([1_999])
    })

    test('a card from the form is kept, and charged by its kept token', async () => {
      if (stand.form === undefined) return expect(stand.gateway.bindCard).toBeUndefined()
      const { gateway } = stand
      const bind = async (token: string) => {
        const bound = await gateway.bindCard?.({
          key: keyOf('bind'),
          traffic: 'live',
          rehearsalId: null,
          customerId: 'c1',
          token,
          returnUrl: 'http://127.0.0.1:9/back',
        })
        if (bound === undefined) throw new Error('this gateway keeps no cards')
        return bound
      }
      const kept = await bind(stand.form.ok)
      expect(kept).toMatchObject({
        outcome: 'bound',
        card: { lastFour: expect.stringMatching(/^\d{4}$/), expires: expect.stringMatching(/^\d{4}-\d\d$/) },
      })
      expect(await gateway.charge(chargeOf({ token: kept.outcome === 'bound' ? kept.card.token : '' }))).toMatchObject({
        outcome: 'succeeded',
      })
      expect(await bind(stand.form.refused)).toMatchObject({ outcome: 'refused' })
      const open = await bind(stand.form.threeDs)
      if (open.outcome !== 'requires_action') throw new Error(`expected requires_action, not ${open.outcome}`)
      const finish = () => gateway.finishBinding?.({ key: keyOf('bind'), traffic: 'live', rehearsalId: null, gatewayRef: open.gatewayRef })
      expect(await finish()).toMatchObject({ outcome: 'requires_action' })
      await stand.customer(open.action, open.gatewayRef, 'approve')
      expect(await finish()).toMatchObject({ outcome: 'bound' })
    })
  })
}
