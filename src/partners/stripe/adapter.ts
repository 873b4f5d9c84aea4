import { createHash } from 'node:crypto'
import { Stripe } from 'stripe'
import type {
  BindCardResult,
  ChargeCall,
  ChargeResult,
  FollowUpCall,
  FollowUpResult,
  PaymentGateway,
  QueryCall,
  QueryResult,
} from '#payments'
import { fromStripe, toStripe } from './amounts.ts'
import { declineOf } from './declines.ts'
import { bindResultOf, chargeResultOf, keyName, refundResultOf, refusalOf } from './intents.ts'
import { noticeOf, readDispute, readEvent } from './notices.ts'
import { readStripeSettlement } from './read-settlement.ts'

export interface StripeAdapterOptions {
  readonly name: string
  readonly apiKey: string
  readonly webhookSecret: string
  readonly timeoutMs: number
  /** Stripe's own unless told; such as `http://127.0.0.1:4020` for a look-alike. */
  readonly baseUrl?: string
}

/** How far Stripe's clock and ours may be apart, and how long a call may be under way, when a charge is looked for by its time. */
const window = { beforeSeconds: 60, afterSeconds: 300 }
/** Charges looked through for one key; past it the answer is "not answered", not "not found". */
const lookedThroughMost = 10_000

/**
 * Stripe by its official SDK, with Payment Intents. Our key is the idempotency key of each call and stands in the metadata.
 * The SDK's retries are off; one is left that can not be turned off, after a closed connection, and goes under the same key.
 */
export function openStripeAdapter(options: StripeAdapterOptions): PaymentGateway {
  const { name, webhookSecret } = options
  const stripe = openClient(options)

  const pay = async (call: ChargeCall, capture: boolean): Promise<ChargeResult> => {
    const amount = toStripe(call.amountMinor, call.currency)
    if (amount === undefined) return { outcome: 'declined_hard', reason: `Stripe can not express this amount of ${call.currency}` }
    if (call.means !== 'card') return { outcome: 'declined_hard', reason: `${call.means} is not taken here` }
    if (call.instalments > 1) return { outcome: 'declined_hard', reason: 'no instalments are offered here' }
    const [customer, method] = call.token.includes('/') ? call.token.split('/', 2) : [undefined, call.token]
    try {
      const intent = await stripe.paymentIntents.create(
        {
          amount,
          currency: call.currency.toLowerCase(),
          confirm: true,
          payment_method: method ?? '',
          allowed_payment_method_types: ['card'],
          ...(customer === undefined ? {} : { customer }),
          capture_method: capture ? 'automatic' : 'manual',
          ...(capture ? {} : { payment_method_options: { card: { request_multicapture: 'if_available' as const } } }),
          return_url: call.returnUrl,
          description: call.reference,
          metadata: { [keyName]: call.key, reference: call.reference, traffic: call.traffic },
        },
        { idempotencyKey: call.key },
      )
      return chargeResultOf(intent, call)
    } catch (error) {
      const { kind, code } = refusalOf(error)
      if (kind === 'card') return { outcome: declineOf(code), reason: code }
      if (kind === 'request') return { outcome: 'declined_hard', reason: code }
      return { outcome: kind === 'not_done' ? 'unreachable' : 'unknown', reason: code }
    }
  }

  const followUp = async (call: FollowUpCall, act: (amount: number) => Promise<FollowUpResult>): Promise<FollowUpResult> => {
    const amount = toStripe(call.amountMinor, call.currency)
    if (amount === undefined) return { outcome: 'failed', reason: `Stripe can not express this amount of ${call.currency}` }
    try {
      return await act(amount)
    } catch (error) {
      const { kind, code } = refusalOf(error)
      // What was not done stays unknown: it is sent again under the same key.
      return kind === 'card' || kind === 'request' ? { outcome: 'failed', reason: code } : { outcome: 'unknown', reason: code }
    }
  }

  return {
    name,
    means: ['card'],
    charge: (call) => pay(call, true),
    authorize: (call) => pay(call, false),
    capture: (call) =>
      followUp(call, async (amount) => {
        const intent = await stripe.paymentIntents.capture(
          call.gatewayRef,
          // Stripe lets go of the rest unless told otherwise, and takes `final_capture: false` only where several captures are possible.
          {
            amount_to_capture: amount,
            ...(call.last === false ? { final_capture: false } : {}),
            metadata: { [captureName(call.key)]: `${call.key} ${amount}` },
          },
          { idempotencyKey: call.key },
        )
        return { outcome: 'succeeded', gatewayRef: intent.id }
      }),
    void: (call) =>
      followUp(call, async () => {
        try {
          const { id } = await stripe.paymentIntents.cancel(call.gatewayRef, {}, { idempotencyKey: call.key })
          return { outcome: 'succeeded', gatewayRef: id }
        } catch (error) {
          // Cancelled before, by another key or by Stripe after its days: it holds no money, and that is what was asked for.
          const intent = error instanceof Stripe.errors.StripeInvalidRequestError ? error.payment_intent : undefined
          if (intent?.status === 'canceled') return { outcome: 'succeeded', gatewayRef: intent.id }
          throw error
        }
      }),
    refund: (call) =>
      followUp(call, async (amount) => {
        const asked = { payment_intent: call.gatewayRef, amount, metadata: { [keyName]: call.key } }
        return refundResultOf(await stripe.refunds.create(asked, { idempotencyKey: call.key }), call)
      }),
    queryCharge: (call) =>
      ask(async () => {
        const intent = call.gatewayRef === null ? await findIntent(stripe, call) : await stripe.paymentIntents.retrieve(call.gatewayRef)
        return intent === undefined ? { outcome: 'not_found' } : chargeResultOf(intent, call)
      }),
    async queryFollowUp(kind, call) {
      const { gatewayRef } = call
      if (kind === 'credit' || gatewayRef === null) return { outcome: 'not_found' }
      return ask(async () => {
        if (kind === 'refund') return findRefund(stripe, gatewayRef, call)
        const intent = await stripe.paymentIntents.retrieve(gatewayRef)
        if (kind === 'capture') return captureResultOf(intent, call)
        if (intent.status === 'canceled') return { outcome: 'succeeded', gatewayRef }
        return intent.status === 'succeeded' ? { outcome: 'failed', reason: 'captured before' } : { outcome: 'not_found' }
      })
    },
    verifyWebhook(request, now) {
      const event = readEvent(stripe, { request, secret: webhookSecret, now })
      return 'refused' in event ? event : { eventId: event.id, notice: noticeOf(event) }
    },
    readNotice: (request) => readDispute(stripe, request.body),
    bindCard: (call) =>
      bind(async () => {
        const customer = await stripe.customers.create(
          { metadata: { customer_id: call.customerId } },
          { idempotencyKey: `${call.key}-customer` },
        )
        return stripe.setupIntents.create(
          {
            confirm: true,
            customer: customer.id,
            payment_method: call.token,
            allowed_payment_method_types: ['card'],
            usage: 'off_session',
            return_url: call.returnUrl,
            metadata: { [keyName]: call.key, traffic: call.traffic },
            expand: ['payment_method'],
          },
          { idempotencyKey: call.key },
        )
      }),
    finishBinding: ({ gatewayRef }) => bind(() => stripe.setupIntents.retrieve(gatewayRef, { expand: ['payment_method'] })),
    readSettlement: readStripeSettlement,
  }
}

function openClient({ apiKey, timeoutMs, baseUrl }: StripeAdapterOptions): Stripe {
  const url = baseUrl === undefined ? undefined : new URL(baseUrl)
  const protocol = url?.protocol === 'http:' ? 'http' : 'https'
  const place = url === undefined ? {} : ({ host: url.hostname, port: url.port || (protocol === 'http' ? 80 : 443), protocol } as const)
  return new Stripe(apiKey, { ...place, timeout: timeoutMs, maxNetworkRetries: 0, telemetry: false })
}

/** Metadata names hold 40 characters, keys of ours may be longer: the name is a digest, the value has the key. */
const captureName = (key: string): string => `capture_${createHash('sha256').update(key).digest('hex').slice(0, 24)}`

function captureResultOf(intent: Stripe.PaymentIntent, { key, amountMinor, currency }: QueryCall): QueryResult<FollowUpResult> {
  const [noted, amount] = intent.metadata[captureName(key)]?.split(' ') ?? []
  if (noted !== key) return { outcome: 'not_found' }
  if (fromStripe(Number(amount), currency) !== amountMinor) return { outcome: 'unknown', reason: 'captured another amount' }
  return { outcome: 'succeeded', gatewayRef: intent.id }
}

/** By listing what was made in those minutes. Stripe's search knows metadata, but only after up to a minute, and a charge not found is tried again. */
async function findIntent(stripe: Stripe, { key, sentAt }: QueryCall): Promise<Stripe.PaymentIntent | undefined> {
  const sent = Math.floor(sentAt.getTime() / 1000)
  const created = { gte: sent - window.beforeSeconds, lte: sent + window.afterSeconds }
  let looked = 0
  for await (const intent of stripe.paymentIntents.list({ created, limit: 100 })) {
    if (intent.metadata[keyName] === key) return intent
    looked += 1
    if (looked >= lookedThroughMost) throw new Error(`more than ${lookedThroughMost} charges in those minutes`)
  }
  return undefined
}

async function findRefund(stripe: Stripe, intent: string, call: QueryCall): Promise<QueryResult<FollowUpResult>> {
  for await (const refund of stripe.refunds.list({ payment_intent: intent, limit: 100 })) {
    if (refund.metadata?.[keyName] === call.key) return refundResultOf(refund, call)
  }
  return { outcome: 'not_found' }
}

async function ask<Result>(query: () => Promise<QueryResult<Result>>): Promise<QueryResult<Result>> {
  try {
    return await query()
  } catch (error) {
    if (error instanceof Stripe.errors.StripeInvalidRequestError && error.statusCode === 404) return { outcome: 'not_found' }
    return { outcome: 'not_answered', reason: refusalOf(error).code }
  }
}

async function bind(act: () => Promise<Stripe.SetupIntent>): Promise<BindCardResult> {
  try {
    return bindResultOf(await act())
  } catch (error) {
    const { kind, code } = refusalOf(error)
    return { outcome: kind === 'card' || kind === 'request' ? 'refused' : 'unknown', reason: code }
  }
}
