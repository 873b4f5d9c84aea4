import { decimalOf, minorOf } from '#partners/currency-digits.ts'
import type { ChargeResult, FollowUpResult } from '#payments'
import type { MercadoPagoPayment, MercadoPagoRefund } from './payments-api.ts'

/** An amount as Mercado Pago wants it. Twelve digits with two decimals go through a double and come back the same. */
export const toDecimal = (amountMinor: number, currency: string): number => Number(decimalOf(amountMinor, currency))
export const toMinor = (amount: number | undefined, currency: string): number | undefined =>
  amount === undefined ? undefined : minorOf(String(amount), currency)

/**
 * Details of a rejection after which the same card may succeed later or elsewhere. All others are final: wrong data, a card
 * that is reported or disabled, a suspicion of fraud, a challenge that failed.
 */
const soft = new Set([
  'cc_rejected_insufficient_amount',
  'cc_amount_rate_limit_exceeded',
  'cc_rejected_call_for_authorize',
  'cc_rejected_max_attempts',
  'cc_rejected_card_error',
  'cc_rejected_card_type_not_allowed',
  'cc_rejected_invalid_installments',
  'cc_rejected_other_reason',
  'cc_rejected_time_out',
  'bank_error',
  'rejected_by_bank',
  'insufficient_amount',
])

interface Asked {
  readonly key: string
  readonly amountMinor: number
  readonly currency: string
}

export interface ChallengePage {
  /** A page that posts `creq` to `url`, as 3-D Secure wants it; without one the address itself, with `creq` in its query. */
  readonly challengePage?: string
}

/** `asked` null: a webhook tells of it, so key and amount are what it says. */
export function chargeResultOf(payment: MercadoPagoPayment, asked: Asked | null, page: ChallengePage): ChargeResult {
  const { id, status, status_detail: detail = '', currency_id: currency = '' } = payment
  if (asked !== null) {
    // A capture of a part changes the amount, so the one that we noted at the start is looked at first.
    const amount = payment.metadata?.amount_minor ?? toMinor(payment.transaction_amount, currency)
    if (payment.external_reference !== asked.key || currency !== asked.currency || amount !== asked.amountMinor) {
      return { outcome: 'unknown', reason: 'charged under another key or another amount' }
    }
  }
  const gatewayRef = String(id)
  switch (status) {
    case 'approved':
    case 'authorized':
    // Charged once, and then something else happened to the money.
    case 'refunded':
    case 'charged_back':
    case 'in_mediation':
      return { outcome: 'succeeded', gatewayRef }
    case 'rejected':
      return { outcome: soft.has(detail) ? 'declined_soft' : 'declined_hard', reason: detail || status }
    case 'cancelled':
      return { outcome: 'declined_hard', reason: detail || status }
    case 'pending':
      return pendingOf(payment, gatewayRef, page)
    default:
      // `in_process`: a person or an issuer looks at it, for up to two days.
      return { outcome: 'unknown', reason: `${status} ${detail}`.trim() }
  }
}

function pendingOf(payment: MercadoPagoPayment, gatewayRef: string, { challengePage }: ChallengePage): ChargeResult {
  const { three_ds_info: challenge, point_of_interaction: interaction, status_detail: detail = '' } = payment
  if (detail === 'pending_challenge' && challenge?.external_resource_url !== undefined) {
    const url = new URL(challengePage ?? challenge.external_resource_url)
    if (challengePage !== undefined) url.searchParams.set('url', challenge.external_resource_url)
    url.searchParams.set('creq', challenge.creq ?? '')
    return { outcome: 'requires_action', gatewayRef, action: { kind: 'redirect', url: url.href } }
  }
  const { qr_code: code, ticket_url: ticket } = interaction?.transaction_data ?? {}
  if (code === undefined) return { outcome: 'unknown', reason: `pending ${detail}`.trim() }
  const instructions =
    ticket === undefined ? 'Pay with this code in the app of your bank.' : `Pay with this code in the app of your bank, or see ${ticket}.`
  return { outcome: 'requires_action', gatewayRef, action: { kind: 'transfer', reference: code, instructions } }
}

export function refundResultOf({ id, status = 'approved' }: MercadoPagoRefund): FollowUpResult {
  if (status === 'approved') return { outcome: 'succeeded', gatewayRef: String(id) }
  if (status === 'in_process' || status === 'authorized') return { outcome: 'pending', gatewayRef: String(id) }
  return { outcome: 'failed', reason: status }
}
