import { createHmac, hash, timingSafeEqual } from 'node:crypto'

/** Compares without telling by its time how much was right; of any lengths, since digests are compared. */
export const sameText = (a: string, b: string): boolean => timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'))

export const hexSignatureOf = (secret: string, body: string): string => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

export const hmacOf = (secret: string, body: string): string => createHmac('sha256', secret).update(body).digest('base64')
