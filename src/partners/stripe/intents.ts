import { Stripe } from 'stripe'
import { failureOf } from '#partners/call-failure.ts'
import type { BindCardResult, ChargeResult, FollowUpResult, StoredCard } from '#payments'
import { fromStripe } from './amounts.ts'
import { declineOf } from './declines.ts'

/** Under which name our key stands in the metadata of what we make at Stripe. */
export const keyName = 'throughline_key'

interface Asked {
  readonly amountMinor: number
  readonly currency: string
}

export function chargeResultOf(intent: Stripe.PaymentIntent, asked: Asked | null): ChargeResult {
  const { id, status, currency, amount, next_action: next, last_payment_error: error } = intent
  if (asked !== null && (currency.toUpperCase() !== asked.currency || fromStripe(amount, asked.currency) !== asked.amountMinor)) {
    return { outcome: 'unknown', reason: 'charged another amount' }
  }
  switch (status) {
    case 'succeeded':
    case 'requires_capture':
      return { outcome: 'succeeded', gatewayRef: id }
    case 'requires_action': {
      const url = next?.redirect_to_url?.url
      if (url) return { outcome: 'requires_action', gatewayRef: id, action: { kind: 'redirect', url } }
      return { outcome: 'unknown', reason: `the customer must act in a way that has no page: ${next?.type}` }
    }
    case 'requires_payment_method': {
      const code = error?.decline_code ?? error?.code
      return code === undefined ? { outcome: 'unknown', reason: status } : { outcome: declineOf(code), reason: code }
    }
    case 'canceled':
      // The rest of an authorisation that was captured in parts was let go: the charge itself stays one.
      return intent.amount_received > 0 ? { outcome: 'succeeded', gatewayRef: id } : { outcome: 'declined_hard', reason: 'canceled' }
    default:
      return { outcome: 'unknown', reason: status }
  }
}

export function refundResultOf(
  { id, status, failure_reason: reason, currency, amount }: Stripe.Refund,
  asked: Asked | null,
): FollowUpResult {
  if (asked !== null && (currency.toUpperCase() !== asked.currency || fromStripe(amount, asked.currency) !== asked.amountMinor)) {
    return { outcome: 'unknown', reason: 'refunded another amount' }
  }
  if (status === 'succeeded') return { outcome: 'succeeded', gatewayRef: id }
  if (status === 'pending' || status === 'requires_action') return { outcome: 'pending', gatewayRef: id }
  return { outcome: 'failed', reason: reason ?? status ?? 'refused' }
}

export function bindResultOf(intent: Stripe.SetupIntent): BindCardResult {
  const { id, status, next_action: next, last_setup_error: error } = intent
  if (status === 'succeeded') {
    const card = cardOf(intent)
    return card === undefined ? { outcome: 'unknown', reason: 'no card comes with it' } : { outcome: 'bound', card }
  }
  const url = next?.redirect_to_url?.url
  if (status === 'requires_action' && url) return { outcome: 'requires_action', gatewayRef: id, action: { kind: 'redirect', url } }
  if (status === 'requires_payment_method' || status === 'canceled') {
    return { outcome: 'refused', reason: error?.decline_code ?? error?.code ?? status }
  }
  return { outcome: 'unknown', reason: status }
}

function cardOf({ customer, payment_method: method }: Stripe.SetupIntent): StoredCard | undefined {
  if (method === null || typeof method === 'string' || method.card === undefined || customer === null) return undefined
  const { brand, last4, exp_year: year, exp_month: month, country } = method.card
  return {
    // A kept card can be charged only together with the customer that it hangs on.
    token: `${typeof customer === 'string' ? customer : customer.id}/${method.id}`,
    brand,
    lastFour: last4,
    expires: `${year}-${String(month).padStart(2, '0')}`,
    country: country ?? '',
  }
}

/** How a call ended that Stripe did not answer with what was asked for. */
export type Refusal =
  | { readonly kind: 'card'; readonly code: string }
  /** Refused before anything was done. */
  | { readonly kind: 'request'; readonly code: string }
  /** Stripe says that it did not even look at it, or nobody was there. */
  | { readonly kind: 'not_done'; readonly code: string }
  | { readonly kind: 'unknown'; readonly code: string }

export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof Stripe.errors.StripeError)) return { kind: 'unknown', code: error instanceof Error ? error.message : 'error' }
  const code = error.code ?? error.type
  if (error instanceof Stripe.errors.StripeConnectionError) {
    const { failed, reason } = failureOf(error.detail)
    return { kind: failed === 'never_sent' ? 'not_done' : 'unknown', code: reason }
  }
  if (error instanceof Stripe.errors.StripeCardError) return { kind: 'card', code: error.decline_code ?? code }
  if (error instanceof Stripe.errors.StripeRateLimitError || error instanceof Stripe.errors.StripeAuthenticationError)
    return { kind: 'not_done', code }
  if (error instanceof Stripe.errors.StripePermissionError) return { kind: 'not_done', code }
  // Our key is in use by a call under way, or was used with another body: something was done under it.
  if (error instanceof Stripe.errors.StripeIdempotencyError || error.statusCode === 409) return { kind: 'unknown', code }
  return error instanceof Stripe.errors.StripeInvalidRequestError ? { kind: 'request', code } : { kind: 'unknown', code }
}
