import type Stripe from 'stripe'
import type { GatewayNotice, WebhookRequest } from '#payments'
import { fromStripe } from './amounts.ts'
import { chargeResultOf, keyName, refundResultOf } from './intents.ts'

const toleranceSeconds = 300

interface Incoming {
  readonly request: WebhookRequest
  readonly secret: string
  readonly now: Date
}

/** The event, if Stripe signed it in the last five minutes. The sentence in `refused` is for the log of whoever sent it. */
export function readEvent(stripe: Stripe, { request, secret, now }: Incoming): Stripe.Event | { readonly refused: string } {
  const header = request.headers['stripe-signature']
  if (header === undefined) return { refused: 'The header stripe-signature must be there.' }
  // The SDK refuses what is too old; what is signed for later than now it would take.
  const signedAt = Number(/(?:^|,)t=(\d{1,12})(?:,|$)/.exec(header)?.[1]) * 1000
  if (signedAt > now.getTime() + toleranceSeconds * 1000) return { refused: 'The webhook was signed in the future.' }
  try {
    return stripe.webhooks.constructEvent(request.body, header, secret, toleranceSeconds, undefined, now.getTime())
  } catch {
    return { refused: 'The signature does not fit, is too old, or the body cannot be read.' }
  }
}

/** What an event says of one of our keys by itself; null where Stripe must be asked, or where it is nothing of ours. */
export function noticeOf(event: Stripe.Event): GatewayNotice | null {
  switch (event.type) {
    case 'payment_intent.succeeded':
    case 'payment_intent.amount_capturable_updated':
    case 'payment_intent.requires_action':
    case 'payment_intent.payment_failed':
    case 'payment_intent.canceled': {
      const intent = event.data.object
      const key = intent.metadata[keyName]
      // A cancelled authorisation is the answer to a void of ours, which has been told; only one that never became a charge is news of the charge.
      if (key === undefined || (event.type === 'payment_intent.canceled' && intent.latest_charge !== null)) return null
      return { eventId: event.id, kind: 'charge', key, result: chargeResultOf(intent, null) }
    }
    case 'refund.created':
    case 'refund.updated':
    case 'refund.failed': {
      const key = event.data.object.metadata?.[keyName]
      return key === undefined ? null : { eventId: event.id, kind: 'refund', key, result: refundResultOf(event.data.object, null) }
    }
    default:
      return null
  }
}

/**
 * A dispute names only the charge, so the key is asked for. Told when money moves, not when a dispute opens: an inquiry
 * may never take any. The body has been verified before.
 */
export async function readDispute(stripe: Stripe, body: string): Promise<GatewayNotice | null> {
  const event = JSON.parse(body) as Stripe.Event
  if (event.type !== 'charge.dispute.funds_withdrawn' && event.type !== 'charge.dispute.funds_reinstated') return noticeOf(event)
  const { payment_intent: intent, amount, currency } = event.data.object
  if (intent === null) return null
  const { metadata } = typeof intent === 'string' ? await stripe.paymentIntents.retrieve(intent) : intent
  const key = metadata[keyName]
  if (key === undefined) return null
  const amountMinor = fromStripe(amount, currency.toUpperCase())
  return { eventId: event.id, kind: 'dispute', key, amountMinor, won: event.type === 'charge.dispute.funds_reinstated' }
}
