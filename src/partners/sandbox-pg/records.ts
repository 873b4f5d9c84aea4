import type { CustomerAction, Means, StoredCard } from '#payments'
import type { Traffic } from '#platform/request-context.ts'
import { drawOf } from './draws.ts'
import { classOf } from './token-classes.ts'
import type { SandboxFollowUpKind, WireAnswer, WireBody } from './wire.ts'

/** What the engine keeps of a charge. About 250 bytes. */
export interface Charge {
  readonly key: string
  readonly token: string
  readonly means: Means
  readonly reference: string
  readonly amountMinor: number
  readonly currency: string
  readonly traffic: Traffic
  /** Captured as soon as it is taken, or only set aside. */
  readonly capture: boolean
  /** Kept only while the customer has to come back there. */
  readonly returnUrl: string
  /** Made up from a follow-up because it was forgotten: its amount is not known, so no limit is held against it. */
  readonly recalled: boolean
  /** When, and as which movement of all, money moved without a capture of its own. */
  at: number
  sequence: number
  status: 'requires_action' | 'authorized' | 'captured' | 'voided' | 'declined_soft' | 'declined_hard'
  reason: string
  capturedMinor: number
  refundedMinor: number
  disputedMinor: number
}

export interface FollowUp {
  readonly key: string
  readonly kind: SandboxFollowUpKind
  readonly chargeKey: string
  readonly amountMinor: number
  readonly currency: string
  readonly traffic: Traffic
  at: number
  sequence: number
  status: 'refunded' | 'voided' | 'captured' | 'pending' | 'refused'
}

export interface Dispute {
  readonly chargeKey: string
  readonly amountMinor: number
  readonly currency: string
  readonly traffic: Traffic
  readonly won: boolean
  readonly at: number
  readonly sequence: number
}

export interface Binding {
  readonly key: string
  readonly customerId: string
  readonly token: string
  readonly traffic: Traffic
  readonly returnUrl: string
  status: 'bound' | 'requires_action' | 'refused'
}

// By key, so that a ref of an engine before this one can never name another charge, and so that a key can be read from it.
export const refOf = (kind: 'charge' | 'bind' | SandboxFollowUpKind, key: string): string => `${kind.slice(0, 2)}_${key}`
export const chargeKeyOf = (ref: string): string | undefined => (ref.startsWith('ch_') ? ref.slice(3) : undefined)

export const notFound: WireAnswer = { httpStatus: 404, body: undefined }
export const refused = (reason: string, httpStatus = 422): WireAnswer => ({ httpStatus, body: { status: 'refused', reason } })
export const otherBody = refused('key used with another body', 409)

/** Digits that a payer types at his bank; told apart from others by key. */
export const transferReferenceOf = (key: string): string => String(Math.floor(drawOf(0, `transfer ${key}`) * 1e10)).padStart(10, '0')

export function chargeAnswer(charge: Charge, pageUrl: string): WireAnswer {
  const { status, amountMinor, currency } = charge
  if (status === 'declined_soft' || status === 'declined_hard') return { httpStatus: 402, body: { status, reason: charge.reason } }
  const ref = `ch_${charge.key}`
  if (status !== 'requires_action') return { httpStatus: 200, body: { status, ref, amountMinor, currency } }
  return { httpStatus: 200, body: { status, ref, amountMinor, currency, action: actionOf(charge, ref, pageUrl) } }
}

function actionOf(charge: Charge, ref: string, pageUrl: string): CustomerAction {
  if (charge.means !== 'transfer') return { kind: 'redirect', url: `${pageUrl}/3ds/${encodeURIComponent(ref)}` }
  const reference = transferReferenceOf(charge.key)
  return { kind: 'transfer', reference, instructions: `Pay in at any bank with the reference ${reference}.` }
}

export function followUpAnswer({ status, kind, key, amountMinor, currency }: FollowUp): WireAnswer {
  if (status === 'refused') return refused('not possible for this charge')
  return { httpStatus: 200, body: { status, ref: refOf(kind, key), amountMinor, currency } }
}

const brands = ['visa', 'mastercard', 'amex', 'elo'] as const
const countries = ['DE', 'BR', 'US', 'JP', 'FR'] as const

/** The card that the form stood for: made from the key, so that a sandbox started anew shows the same. */
function cardOf({ key }: Binding): StoredCard {
  const pick = <T>(from: readonly T[], what: string): T => from[Math.floor(drawOf(0, `${what} ${key}`) * from.length)] as T
  return {
    token: `tok_stored_${key}`,
    brand: pick(brands, 'brand'),
    lastFour: String(Math.floor(drawOf(0, `last four ${key}`) * 10_000)).padStart(4, '0'),
    expires: `${2031 + Math.floor(drawOf(0, `year ${key}`) * 5)}-${String(1 + Math.floor(drawOf(0, `month ${key}`) * 12)).padStart(2, '0')}`,
    country: pick(countries, 'country'),
  }
}

export function bindingAnswer(binding: Binding, pageUrl: string): WireAnswer {
  if (binding.status === 'refused')
    return { httpStatus: 402, body: { status: 'refused', reason: 'the issuer refuses to have this card kept' } }
  if (binding.status === 'bound') return { httpStatus: 200, body: { status: 'bound', card: cardOf(binding) } }
  const ref = refOf('bind', binding.key)
  const action: CustomerAction = { kind: 'redirect', url: `${pageUrl}/3ds/${encodeURIComponent(ref)}` }
  const body: WireBody = { status: 'requires_action', ref, action }
  return { httpStatus: 200, body }
}

export function declineReasonOf(token: string, status: 'declined_soft' | 'declined_hard'): string {
  if (status === 'declined_soft') return 'insufficient_funds'
  const behaviour = classOf(token)
  if (behaviour === undefined) return 'unknown_token'
  return behaviour.binding === undefined ? 'stolen_card' : 'token_is_for_binding_only'
}
