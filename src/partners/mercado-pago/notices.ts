import { createHmac, timingSafeEqual } from 'node:crypto'
import type { GatewayNotice, VerifiedWebhook, WebhookRequest } from '#payments'
import type { MercadoPagoPayment } from './payments-api.ts'
import { type ChallengePage, chargeResultOf, toMinor } from './results.ts'

const toleranceMs = 300_000

interface Signed {
  readonly id: string
  readonly requestId: string
  readonly time: string
}

/** What Mercado Pago signs: only the id of the thing, the id of the request and the time. */
const signatureOf = (secret: string, { id, requestId, time }: Signed): Buffer =>
  createHmac('sha256', secret).update(`id:${id.toLowerCase()};request-id:${requestId};ts:${time};`).digest()

export function signMercadoPagoWebhook(secret: string, signed: Omit<Signed, 'time'> & { now: Date; action: string }): WebhookRequest {
  const { id, requestId, now, action } = signed
  const time = String(Math.floor(now.getTime() / 1000))
  const signature = signatureOf(secret, { id, requestId, time }).toString('hex')
  return {
    headers: { 'content-type': 'application/json', 'x-request-id': requestId, 'x-signature': `ts=${time},v1=${signature}` },
    body: JSON.stringify({ type: 'payment', action, live_mode: false, data: { id } }),
  }
}

/** A webhook names a payment and says nothing of it, so the notice is read by asking (`readNotice`). */
export function verifyMercadoPagoWebhook(
  secret: string,
  request: WebhookRequest,
  now: Date,
): VerifiedWebhook | { readonly refused: string } {
  const requestId = request.headers['x-request-id']
  const { ts: time, v1 } = Object.fromEntries((request.headers['x-signature'] ?? '').split(',', 4).map((part) => part.trim().split('=', 2)))
  if (requestId === undefined || !time || !v1) return { refused: 'The headers x-request-id and x-signature (ts, v1) must be there.' }
  const subject = readSubject(request.body)
  if (subject === undefined) return { refused: 'The payload cannot be read.' }
  const given = Buffer.from(/^[\da-f]{64}$/i.test(v1) ? v1 : '', 'hex')
  const right = signatureOf(secret, { id: subject.id, requestId, time })
  if (given.length !== right.length || !timingSafeEqual(given, right)) return { refused: 'The signature does not fit.' }
  // Seconds by its documentation, milliseconds in some of what it sends.
  const sentAt = /^\d{10}$/.test(time) ? Number(time) * 1000 : /^\d{13}$/.test(time) ? Number(time) : Number.NaN
  if (!(Math.abs(now.getTime() - sentAt) <= toleranceMs)) return { refused: 'The webhook was signed too long ago, or in the future.' }
  // Of what is signed: the id that the body has for itself could be changed by anyone.
  return { eventId: `${subject.id}-${requestId}`, notice: null }
}

export function readSubject(body: string): { readonly type: string; readonly id: string } | undefined {
  try {
    const { type, data } = (JSON.parse(body) ?? {}) as { type?: unknown; data?: { id?: unknown } }
    const id = data?.id
    if (typeof id !== 'string' && typeof id !== 'number') return undefined
    return { type: typeof type === 'string' ? type : '', id: String(id) }
  } catch {
    return undefined
  }
}

/** What the payment now says of our key. */
export function noticeOf(
  payment: MercadoPagoPayment,
  { request, page }: { request: WebhookRequest; page: ChallengePage },
): GatewayNotice | null {
  const { id, external_reference: key, status, status_detail: detail } = payment
  // Cancelled by us is the answer to a void, which has been told; refunds have their own answers.
  if (!key || status === 'refunded' || (status === 'cancelled' && detail === 'by_collector')) return null
  const eventId = `${id}-${request.headers['x-request-id']}`
  if (status === 'charged_back') {
    const amountMinor = toMinor(payment.transaction_amount, payment.currency_id ?? '') ?? 0
    return { eventId, kind: 'dispute', key, amountMinor, won: detail === 'reimbursed' }
  }
  return { eventId, kind: 'charge', key, result: chargeResultOf(payment, null, page) }
}
