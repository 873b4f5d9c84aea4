import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Outcome, accepted, refused } from '#kernel/outcome.ts'

/**
 * Shadow traffic is marked by a signed header: `rehearsal.expiry.keyId.signature`, where expiry is in seconds since the
 * epoch and the signature is HMAC-SHA-256 over the rest. A bare flag from outside is refused: whoever could set one could
 * make real orders vanish into the shadow.
 */
export const shadowHeader = 'x-throughline-shadow'

/** Signing keys by id; the first one signs, all verify, so that keys can be changed while rehearsals run. */
export type ShadowKeys = ReadonlyMap<string, string>

export function signShadow(keys: ShadowKeys, rehearsalId: string, expiresAt: Date): string {
  const [first] = keys
  if (first === undefined) throw new Error('no shadow signing key is configured')
  const body = `${rehearsalId}.${Math.floor(expiresAt.getTime() / 1000)}.${first[0]}`
  return `${body}.${signatureOf(first[1], body)}`
}

/** The rehearsal that a header names, or why it is refused. */
export function verifyShadow(keys: ShadowKeys, header: string, now: Date): Outcome<string> {
  const refuse = (detail: string) => refused('platform.shadow_refused', detail, shadowHeader)
  const parts = /^([A-Za-z0-9_-]{1,64})\.(\d{1,12})\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{43})$/.exec(header)
  if (parts === null) return refuse('A shadow header is rehearsal.expiry.keyId.signature; a bare flag is not accepted.')
  const [, rehearsalId = '', expiry = '', keyId = '', signature = ''] = parts
  const key = keys.get(keyId)
  const expected = signatureOf(key ?? 'no such key', `${rehearsalId}.${expiry}.${keyId}`)
  // Compared even for an unknown key, so that time does not tell which keys exist.
  const same = timingSafeEqual(Buffer.from(expected), Buffer.from(signature))
  if (key === undefined || !same) return refuse('The signature of the shadow header is not ours.')
  if (Number(expiry) * 1000 <= now.getTime()) return refuse('The shadow header has expired; sign a new one.')
  return accepted(rehearsalId)
}

function signatureOf(key: string, body: string): string {
  return createHmac('sha256', key).update(body).digest('base64url')
}
