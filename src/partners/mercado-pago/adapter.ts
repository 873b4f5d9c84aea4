import type { Clock } from '#kernel/time.ts'
import type { ChargeCall, ChargeResult, FollowUpCall, FollowUpResult, PaymentGateway, QueryCall, QueryResult } from '#payments'
import { noticeOf, readSubject, verifyMercadoPagoWebhook } from './notices.ts'
import { type Answered, type MercadoPagoPayment, type MercadoPagoRefund, openMercadoPagoApi } from './payments-api.ts'
import { readMercadoPagoSettlement } from './read-settlement.ts'
import { type ChallengePage, chargeResultOf, refundResultOf, toDecimal, toMinor } from './results.ts'

export interface MercadoPagoAdapterOptions extends ChallengePage {
  readonly name: string
  /** Access token by currency: an account belongs to one country and takes its currency only. */
  readonly accounts: Readonly<Record<string, string>>
  readonly webhookSecret: string
  readonly timeoutMs: number
  readonly clock: Clock
  /** Mercado Pago wants the payer's mail address; from our customer id. */
  readonly payerEmail: (customerId: string) => string
  /** Mercado Pago's own unless told; such as `http://127.0.0.1:4030` for a look-alike. */
  readonly baseUrl?: string
  /** What a transfer is made with: `pix` unless told. */
  readonly transferMethod?: string
}

/** How long a refund is looked up by repeating it under its key. The keys are kept for longer than that. */
const repeatWithinMs = 12 * 3_600_000

const isPayment = ({ id, status }: Partial<MercadoPagoPayment>): boolean => typeof id === 'number' && typeof status === 'string'

/**
 * Mercado Pago's payments. Our key is the idempotency key and the external reference. Cards come as `visa:<card token>`,
 * since the method has to be named with the token. An authorisation is captured once; what is left is released with it.
 */
export function openMercadoPagoAdapter(options: MercadoPagoAdapterOptions): PaymentGateway {
  const { name, accounts, timeoutMs, clock, baseUrl = 'https://api.mercadopago.com', transferMethod = 'pix' } = options
  const api = openMercadoPagoApi({ baseUrl, timeoutMs })
  const tokenFor = (currency: string): string | undefined => (Object.hasOwn(accounts, currency) ? accounts[currency] : undefined)

  const pay = async (call: ChargeCall, capture: boolean): Promise<ChargeResult> => {
    const { key, currency, amountMinor, means } = call
    const accessToken = tokenFor(currency)
    if (accessToken === undefined) return { outcome: 'declined_hard', reason: `there is no account for ${currency}` }
    if (means !== 'card' && means !== 'transfer') return { outcome: 'declined_hard', reason: `${means} is not taken here` }
    if (means === 'transfer' && !capture) return { outcome: 'declined_hard', reason: 'a transfer can not be set aside' }
    const [method, card] = means === 'card' ? splitToken(call.token) : [transferMethod, undefined]
    if (method === undefined) return { outcome: 'declined_hard', reason: 'the token must be the method and the card token, such as visa:…' }
    const body = {
      transaction_amount: toDecimal(amountMinor, currency),
      description: call.reference,
      external_reference: key,
      payment_method_id: method,
      payer: { email: options.payerEmail(call.customerId) },
      metadata: { amount_minor: amountMinor, traffic: call.traffic },
      ...(card === undefined
        ? {}
        : { token: card, installments: call.instalments, capture, three_d_secure_mode: 'optional', callback_url: call.returnUrl }),
    }
    const answered = await api.call<MercadoPagoPayment>({ method: 'POST', path: '/v1/payments', accessToken, key, body }, isPayment)
    if (answered.kind === 'ok') return chargeResultOf(answered.body, call, options)
    if (answered.kind === 'refused') return { outcome: 'declined_hard', reason: answered.reason }
    return { outcome: answered.kind === 'not_done' ? 'unreachable' : 'unknown', reason: answered.reason }
  }

  const change = async (call: FollowUpCall, body: object): Promise<Answered<MercadoPagoPayment>> => {
    const accessToken = tokenFor(call.currency)
    if (accessToken === undefined) return { kind: 'refused', reason: `there is no account for ${call.currency}`, status: 0 }
    const path = `/v1/payments/${encodeURIComponent(call.gatewayRef)}`
    return api.call({ method: 'PUT', path, accessToken, key: call.key, body }, isPayment)
  }
  const find = async (call: Pick<QueryCall, 'currency'>, ref: string): Promise<Answered<MercadoPagoPayment>> => {
    const path = `/v1/payments/${encodeURIComponent(ref)}`
    return api.call({ method: 'GET', path, accessToken: tokenFor(call.currency) ?? '' }, isPayment)
  }

  const refund = async (call: Omit<FollowUpCall, 'last'>): Promise<FollowUpResult> => {
    const accessToken = tokenFor(call.currency)
    if (accessToken === undefined) return { outcome: 'failed', reason: `there is no account for ${call.currency}` }
    const path = `/v1/payments/${encodeURIComponent(call.gatewayRef)}/refunds`
    const body = { amount: toDecimal(call.amountMinor, call.currency) }
    const answered = await api.call<MercadoPagoRefund>(
      { method: 'POST', path, accessToken, key: call.key, body },
      ({ id }) => typeof id === 'number',
    )
    if (answered.kind !== 'ok') return followUpFailure(answered)
    if (toMinor(answered.body.amount, call.currency) !== call.amountMinor) return { outcome: 'unknown', reason: 'refunded another amount' }
    return refundResultOf(answered.body)
  }

  /**
   * A refund does not carry our key. While the key is kept, repeating the call under it is asking: it is answered with the
   * refund that was made, and makes none beside it. Later it is looked for by amount and time, and two that fit are no answer.
   */
  const findRefund = async (call: QueryCall, gatewayRef: string): Promise<QueryResult<FollowUpResult>> => {
    if (clock.now().getTime() - call.sentAt.getTime() < repeatWithinMs) {
      const repeated = await refund({ ...call, gatewayRef })
      return repeated.outcome === 'unknown' ? { outcome: 'not_answered', reason: repeated.reason } : repeated
    }
    const path = `/v1/payments/${encodeURIComponent(gatewayRef)}/refunds`
    const list = await api.call<MercadoPagoRefund[]>({ method: 'GET', path, accessToken: tokenFor(call.currency) ?? '' }, Array.isArray)
    if (list.kind !== 'ok') return notAnswered(list)
    const since = call.sentAt.getTime() - 60_000
    const fitting = list.body.filter(
      (made) => toMinor(made.amount, call.currency) === call.amountMinor && Date.parse(made.date_created ?? '') >= since,
    )
    if (fitting.length > 1) return { outcome: 'not_answered', reason: `${fitting.length} refunds of this amount, and none names our key` }
    const [only] = fitting
    return only === undefined ? { outcome: 'not_found' } : refundResultOf(only)
  }

  return {
    name,
    means: ['card', 'transfer'],
    charge: (call) => pay(call, true),
    authorize: (call) => pay(call, false),
    async capture(call) {
      // It would release the rest, which the caller wants to capture later.
      if (call.last === false) return { outcome: 'failed', reason: 'Mercado Pago captures an authorisation once only' }
      const answered = await change(call, { capture: true, transaction_amount: toDecimal(call.amountMinor, call.currency) })
      if (answered.kind !== 'ok') return followUpFailure(answered)
      const { id, captured, status } = answered.body
      return captured === true && status === 'approved'
        ? { outcome: 'succeeded', gatewayRef: String(id) }
        : { outcome: 'unknown', reason: status }
    },
    async void(call) {
      const answered = await change(call, { status: 'cancelled' })
      if (answered.kind !== 'ok') return followUpFailure(answered)
      const { id, status } = answered.body
      return status === 'cancelled' ? { outcome: 'succeeded', gatewayRef: String(id) } : { outcome: 'unknown', reason: status }
    },
    refund,
    async queryCharge(call) {
      if (call.gatewayRef !== null) {
        const found = await find(call, call.gatewayRef)
        return found.kind === 'ok' ? chargeResultOf(found.body, call, options) : notAnswered(found)
      }
      const query = new URLSearchParams({ external_reference: call.key, sort: 'date_created', criteria: 'desc' })
      const search = { method: 'GET' as const, path: `/v1/payments/search?${query.toString()}`, accessToken: tokenFor(call.currency) ?? '' }
      const answered = await api.call<{ results: MercadoPagoPayment[] }>(search, ({ results }) => Array.isArray(results))
      if (answered.kind !== 'ok') return notAnswered(answered)
      // One key makes one payment; were there more, one that took money must not be hidden by one that did not.
      const results = answered.body.results.filter(isPayment)
      const [first] = results.toSorted((a, b) => Number(a.status === 'rejected') - Number(b.status === 'rejected'))
      return first === undefined ? { outcome: 'not_found' } : chargeResultOf(first, call, options)
    },
    async queryFollowUp(kind, call) {
      const { gatewayRef } = call
      if (kind === 'credit' || gatewayRef === null) return { outcome: 'not_found' }
      if (kind === 'refund') return findRefund(call, gatewayRef)
      const found = await find(call, gatewayRef)
      if (found.kind !== 'ok') return notAnswered(found)
      const { id, status, captured } = found.body
      if (kind === 'capture') {
        // There is one capture at most, so one that is done is the one that is asked about.
        if (captured === true) return { outcome: 'succeeded', gatewayRef: String(id) }
        return status === 'authorized' ? { outcome: 'not_found' } : { outcome: 'failed', reason: status }
      }
      if (status === 'cancelled') return { outcome: 'succeeded', gatewayRef: String(id) }
      return status === 'authorized' || status === 'pending' ? { outcome: 'not_found' } : { outcome: 'failed', reason: status }
    },
    verifyWebhook: (request, now) => verifyMercadoPagoWebhook(options.webhookSecret, request, now),
    async readNotice(request) {
      const subject = readSubject(request.body)
      if (subject?.type !== 'payment') return null
      let reason = 'there is no account'
      // The webhook does not say of which account it is; ids of payments are the same in all, so whoever knows it tells.
      for (const currency of Object.keys(accounts)) {
        const found = await find({ currency }, subject.id)
        if (found.kind === 'ok') return noticeOf(found.body, { request, page: options })
        if (found.kind !== 'refused' || found.status !== 404) reason = found.reason
        else reason = ''
      }
      if (reason === '') return null
      throw new Error(`Mercado Pago could not be asked about payment ${subject.id}: ${reason}`)
    },
    readSettlement: readMercadoPagoSettlement,
  }
}

/** `visa:abc` is the method and the card's token; undefined: it is not so. */
function splitToken(token: string): [string, string] | [undefined, undefined] {
  const at = token.indexOf(':')
  return at > 0 && at < token.length - 1 ? [token.slice(0, at), token.slice(at + 1)] : [undefined, undefined]
}

const followUpFailure = (answered: Exclude<Answered<unknown>, { kind: 'ok' }>): FollowUpResult =>
  // What was not done stays unknown: it is sent again under the same key.
  answered.kind === 'refused' ? { outcome: 'failed', reason: answered.reason } : { outcome: 'unknown', reason: answered.reason }

const notAnswered = (
  answered: Exclude<Answered<unknown>, { kind: 'ok' }>,
): { outcome: 'not_found' } | { outcome: 'not_answered'; reason: string } =>
  answered.kind === 'refused' && answered.status === 404 ? { outcome: 'not_found' } : { outcome: 'not_answered', reason: answered.reason }
