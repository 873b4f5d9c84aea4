import type { ChargeResult, QueryResult, RefundResult } from '#payments'
import type { Traffic } from '#platform/request-context.ts'

/** What goes over the sandbox's HTTP interface, and how its answers become results. The twin uses the same functions. */
export interface WireCharge {
  readonly key: string
  readonly token: string
  readonly amountMinor: number
  readonly currency: string
  readonly reference: string
  readonly traffic: Traffic
  /** False: only set the money aside. */
  readonly capture: boolean
}

export interface WireFollowUp {
  readonly key: string
  readonly chargeRef: string
  readonly amountMinor: number
  readonly currency: string
  readonly traffic: Traffic
}

export type WireStatus =
  | 'authorized'
  | 'captured'
  | 'voided'
  | 'refunded'
  | 'pending'
  | 'declined_soft'
  | 'declined_hard'
  | 'refused'
  | 'not_processed'

export interface WireBody {
  readonly status: WireStatus
  readonly ref?: string
  readonly amountMinor?: number
  readonly currency?: string
  readonly reason?: string
}

export interface WireAnswer {
  readonly httpStatus: number
  readonly body: WireBody | undefined
}

interface Asked {
  readonly amountMinor: number
  readonly currency: string
}

/** A success about another amount than asked is no success: it stays unknown until a person has looked. */
const isAboutThis = (body: WireBody, asked: Asked): boolean => body.amountMinor === asked.amountMinor && body.currency === asked.currency

export function chargeResultOf({ httpStatus, body }: WireAnswer, asked: Asked): ChargeResult {
  if (body === undefined) return { outcome: 'unknown', reason: `unreadable answer ${httpStatus}` }
  const { status, ref } = body
  if (httpStatus === 200 && (status === 'captured' || status === 'authorized' || status === 'refunded') && ref !== undefined) {
    return isAboutThis(body, asked) ? { outcome: 'succeeded', gatewayRef: ref } : { outcome: 'unknown', reason: 'charged another amount' }
  }
  if (status === 'declined_soft' || status === 'declined_hard') return { outcome: status, reason: body.reason ?? 'declined' }
  if (status === 'not_processed') return { outcome: 'unreachable', reason: body.reason ?? 'not processed' }
  // 409: our key was used with another body, so something was done under it. The rest of 4xx is refused before anything is done.
  if (httpStatus >= 400 && httpStatus < 500 && httpStatus !== 409)
    return { outcome: 'declined_hard', reason: body.reason ?? `refused ${httpStatus}` }
  return { outcome: 'unknown', reason: body.reason ?? `answer ${httpStatus}` }
}

export function refundResultOf({ httpStatus, body }: WireAnswer, asked: Asked): RefundResult {
  if (body === undefined) return { outcome: 'unknown', reason: `unreadable answer ${httpStatus}` }
  const { status, ref } = body
  if (httpStatus === 200 && ref !== undefined && isAboutThis(body, asked)) {
    if (status === 'refunded' || status === 'voided') return { outcome: 'succeeded', gatewayRef: ref }
    if (status === 'pending') return { outcome: 'pending', gatewayRef: ref }
  }
  if (status === 'refused') return { outcome: 'failed', reason: body.reason ?? 'refused' }
  return { outcome: 'unknown', reason: body.reason ?? `answer ${httpStatus}` }
}

export function queryResultOf<Result extends { outcome: string }>(
  answer: WireAnswer,
  read: (answer: WireAnswer) => Result,
): QueryResult<Result> {
  if (answer.httpStatus === 404) return { outcome: 'not_found' }
  if (answer.httpStatus >= 500 || answer.httpStatus === 429 || answer.body === undefined) {
    return { outcome: 'not_answered', reason: `answer ${answer.httpStatus}` }
  }
  return read(answer)
}

/** What a webhook's payload says: the wire body of its subject. */
export interface WirePayload {
  readonly kind: 'charge' | 'refund'
  readonly key: string
  readonly httpStatus: number
  readonly body: WireBody
}
