import { createHmac, timingSafeEqual } from 'node:crypto'
import type { GatewayNotice, VerifiedWebhook, WebhookRequest } from '#payments'
import { chargeResultOf, followUpResultOf, type WirePayload } from './wire.ts'

/** Older or newer than this a webhook is not believed: a caught one cannot be played again later. */
const toleranceMs = 300_000

const signatureOf = (secret: string, signed: { id: string; timestamp: string; body: string }): Buffer =>
  createHmac('sha256', secret).update(`${signed.id}.${signed.timestamp}.${signed.body}`).digest()

/** Headers and body of a webhook in the manner of Standard Webhooks: id, time in whole seconds, and `v1,` with the signature in base64. */
export function signWebhook(secret: string, { id, sentAt, body }: { id: string; sentAt: Date; body: string }): WebhookRequest {
  const timestamp = String(Math.floor(sentAt.getTime() / 1000))
  return {
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signatureOf(secret, { id, timestamp, body }).toString('base64')}`,
    },
    body,
  }
}

/** Verifies a sandbox webhook and reads it. The sentence in `refused` is for the log of whoever sent it. */
export function verifySandboxWebhook(secret: string, request: WebhookRequest, now: Date): VerifiedWebhook | { readonly refused: string } {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = request.headers
  if (!id || !timestamp || !signatures) return { refused: 'The headers webhook-id, webhook-timestamp and webhook-signature must be there.' }
  const right = signatureOf(secret, { id, timestamp, body: request.body })
  // Several signatures stand apart by spaces while a secret is being changed; one that fits is enough.
  const fits = signatures.split(' ', 8).some((signature) => {
    const given = Buffer.from(signature.startsWith('v1,') ? signature.slice(3) : '', 'base64')
    return given.length === right.length && timingSafeEqual(given, right)
  })
  if (!fits) return { refused: 'The signature does not fit.' }
  const sentAt = /^\d{1,12}$/.test(timestamp) ? Number(timestamp) * 1000 : Number.NaN
  if (!(Math.abs(now.getTime() - sentAt) <= toleranceMs)) return { refused: 'The webhook was signed too long ago, or in the future.' }
  const payload = readPayload(request.body)
  return payload === undefined ? { refused: 'The payload cannot be read.' } : { eventId: id, notice: noticeOf(id, payload) }
}

function noticeOf(eventId: string, { kind, key, httpStatus, body, won }: WirePayload): GatewayNotice {
  const asked = { amountMinor: body.amountMinor ?? -1, currency: body.currency ?? '' }
  if (kind === 'charge') return { eventId, kind, key, result: chargeResultOf({ httpStatus, body }, asked) }
  if (kind === 'dispute') return { eventId, kind, key, amountMinor: body.amountMinor ?? 0, won: won === true }
  return { eventId, kind, key, result: followUpResultOf(kind, { httpStatus, body }, asked) }
}

const kinds = new Set<unknown>(['charge', 'capture', 'void', 'refund', 'dispute'])

function readPayload(text: string): WirePayload | undefined {
  try {
    const read = JSON.parse(text) as Partial<WirePayload> | null
    if (read === null || typeof read !== 'object' || !kinds.has(read.kind)) return undefined
    if (typeof read.key !== 'string' || typeof read.httpStatus !== 'number' || typeof read.body?.status !== 'string') return undefined
    return read as WirePayload
  } catch {
    return undefined
  }
}
