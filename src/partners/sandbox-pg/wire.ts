import type {
  BindCardCall,
  BindCardResult,
  ChargeCall,
  ChargeResult,
  CustomerAction,
  FollowUpKind,
  FollowUpResult,
  QueryResult,
  StoredCard,
} from '#payments'
import type { Traffic } from '#platform/request-context.ts'

/** What goes over the sandbox's HTTP interface, and how its answers become results. The twin uses the same functions. */
export type WireCharge = Pick<
  ChargeCall,
  'key' | 'means' | 'token' | 'amountMinor' | 'currency' | 'reference' | 'traffic' | 'instalments' | 'returnUrl'
>

export interface WireFollowUp {
  readonly key: string
  readonly gatewayRef: string
  readonly amountMinor: number
  readonly currency: string
  readonly traffic: Traffic
  /** Of a capture: what is left is released. */
  readonly last?: boolean
}

export type WireBinding = Pick<BindCardCall, 'key' | 'customerId' | 'token' | 'traffic' | 'returnUrl'>

/** What the sandbox can do to a charge. It has no accounts, so nothing can be credited to one. */
export type SandboxFollowUpKind = Exclude<FollowUpKind, 'credit'>

export type WireStatus =
  | 'requires_action'
  | 'authorized'
  | 'captured'
  | 'voided'
  | 'refunded'
  | 'pending'
  | 'bound'
  | 'disputed'
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
  readonly action?: CustomerAction
  readonly card?: StoredCard
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
  const { status, ref, action } = body
  if (httpStatus === 200 && ref !== undefined) {
    // Voided before anybody knew of it, or while the customer had still to act: no money is held, and none is to be tried for again.
    if (status === 'voided') return { outcome: 'declined_hard', reason: 'voided' }
    if (status === 'captured' || status === 'authorized' || (status === 'requires_action' && action !== undefined)) {
      if (!isAboutThis(body, asked)) return { outcome: 'unknown', reason: 'charged another amount' }
      return action === undefined ? { outcome: 'succeeded', gatewayRef: ref } : { outcome: 'requires_action', gatewayRef: ref, action }
    }
  }
  if (status === 'declined_soft' || status === 'declined_hard') return { outcome: status, reason: body.reason ?? 'declined' }
  if (status === 'not_processed') return { outcome: 'unreachable', reason: body.reason ?? 'not processed' }
  // 409: our key was used with another body, so something was done under it. The rest of 4xx is refused before anything is done.
  if (httpStatus >= 400 && httpStatus < 500 && httpStatus !== 409)
    return { outcome: 'declined_hard', reason: body.reason ?? `refused ${httpStatus}` }
  return { outcome: 'unknown', reason: body.reason ?? `answer ${httpStatus}` }
}

const doneAs: Readonly<Record<SandboxFollowUpKind, WireStatus>> = { capture: 'captured', void: 'voided', refund: 'refunded' }

export function followUpResultOf(kind: SandboxFollowUpKind, { httpStatus, body }: WireAnswer, asked: Asked): FollowUpResult {
  if (body === undefined) return { outcome: 'unknown', reason: `unreadable answer ${httpStatus}` }
  const { status, ref } = body
  // A void releases whatever is left, so its amount says nothing.
  if (httpStatus === 200 && ref !== undefined && (kind === 'void' || isAboutThis(body, asked))) {
    if (status === doneAs[kind]) return { outcome: 'succeeded', gatewayRef: ref }
    if (status === 'pending') return { outcome: 'pending', gatewayRef: ref }
  }
  // 409 as above: something else was done under this key, and nobody knows what became of it.
  if (status === 'refused' && httpStatus !== 409) return { outcome: 'failed', reason: body.reason ?? 'refused' }
  return { outcome: 'unknown', reason: body.reason ?? `answer ${httpStatus}` }
}

export function bindResultOf({ httpStatus, body }: WireAnswer): BindCardResult {
  if (body === undefined) return { outcome: 'unknown', reason: `unreadable answer ${httpStatus}` }
  const { status, ref, action, card } = body
  if (httpStatus === 200 && status === 'bound' && card !== undefined) return { outcome: 'bound', card }
  if (httpStatus === 200 && status === 'requires_action' && ref !== undefined && action !== undefined) {
    return { outcome: 'requires_action', gatewayRef: ref, action }
  }
  if (httpStatus >= 400 && httpStatus < 500 && httpStatus !== 409) return { outcome: 'refused', reason: body.reason ?? 'refused' }
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

/** What a webhook says: the wire body of its subject. */
export interface WirePayload {
  readonly kind: 'charge' | SandboxFollowUpKind | 'dispute'
  readonly key: string
  readonly httpStatus: number
  readonly body: WireBody
  /** Of a dispute: the bank gave the money back. */
  readonly won?: boolean
}
