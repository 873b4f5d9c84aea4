import { createHmac, timingSafeEqual } from 'node:crypto'
import type { GatewayNotice, WebhookEnvelope } from '#payments'
import { chargeResultOf, refundResultOf, type WirePayload } from './wire.ts'

/** Older or newer than this a webhook is not believed: a caught one cannot be played again later. */
const toleranceMs = 300_000

const signatureOf = (secret: string, { id, sentAt, payload }: Omit<WebhookEnvelope, 'signature'>): Buffer =>
  createHmac('sha256', secret).update(`${id}.${sentAt}.${payload}`).digest()

export function signWebhook(secret: string, unsigned: Omit<WebhookEnvelope, 'signature'>): WebhookEnvelope {
  return { ...unsigned, signature: signatureOf(secret, unsigned).toString('hex') }
}

/** Verifies a sandbox webhook and reads it. The sentence in `refused` is for the log of whoever sent it. */
export function openSandboxWebhook(secret: string, envelope: WebhookEnvelope, now: Date): GatewayNotice | { readonly refused: string } {
  const given = Buffer.from(envelope.signature, 'hex')
  const right = signatureOf(secret, envelope)
  if (given.length !== right.length || !timingSafeEqual(given, right)) return { refused: 'The signature does not fit.' }
  const sentAt = Date.parse(envelope.sentAt)
  if (!(Math.abs(now.getTime() - sentAt) <= toleranceMs)) return { refused: 'The webhook was signed too long ago, or in the future.' }
  const payload = readPayload(envelope.payload)
  if (payload === undefined) return { refused: 'The payload cannot be read.' }
  const { kind, key, httpStatus, body } = payload
  const asked = { amountMinor: body.amountMinor ?? -1, currency: body.currency ?? '' }
  return kind === 'charge'
    ? { eventId: envelope.id, kind, key, result: chargeResultOf({ httpStatus, body }, asked) }
    : { eventId: envelope.id, kind, key, result: refundResultOf({ httpStatus, body }, asked) }
}

function readPayload(text: string): WirePayload | undefined {
  try {
    const read = JSON.parse(text) as Partial<WirePayload> | null
    if (read === null || typeof read !== 'object' || (read.kind !== 'charge' && read.kind !== 'refund')) return undefined
    if (typeof read.key !== 'string' || typeof read.httpStatus !== 'number' || typeof read.body?.status !== 'string') return undefined
    return read as WirePayload
  } catch {
    return undefined
  }
}
