import { createHmac } from 'node:crypto'

/** 32 random bytes as a secret in the form of Standard Webhooks: `whsec_` and base64. */
export const secretOf = (bytes: Buffer): string => `whsec_${bytes.toString('base64')}`

export interface Signed {
  readonly 'webhook-id': string
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

/**
 * Headers of a webhook as Standard Webhooks has them: HMAC-SHA-256 over `id.timestamp.body`, one `v1,…` for each secret that
 * holds. The time is that of the sending, so a retry is signed anew and passes the receiver's check of age.
 */
export function signWebhook(id: string, at: Date, body: string, secrets: readonly string[]): Signed {
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
