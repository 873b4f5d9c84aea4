/**
 * Decline codes of Stripe (docs.stripe.com/declines/codes) after which the same card may succeed later or at another
 * gateway. All others are final for this card: asking another gateway for a stolen card earns a shop penalties.
 */
const soft = new Set([
  // The issuer's limits of now.
  'insufficient_funds',
  'card_velocity_exceeded',
  'withdrawal_count_limit_exceeded',
  // The issuer could not be asked, or gave no reason: other acquirers get another answer often enough.
  'issuer_not_available',
  'processing_error',
  'try_again_later',
  'reenter_transaction',
  'no_action_taken',
  'generic_decline',
  'do_not_honor',
  'service_not_allowed',
  'approve_with_id',
  'call_issuer',
  // Not taken here; another gateway may take it.
  'card_not_supported',
  'currency_not_supported',
])

export const declineOf = (code: string): 'declined_soft' | 'declined_hard' => (soft.has(code) ? 'declined_soft' : 'declined_hard')
