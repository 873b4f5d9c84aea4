import { drawOf } from '#partners/sandbox-pg/draws.ts'
import { amountOf, type Form, formOf, textOf } from './forms.ts'

/** Stripe's test cards that the look-alike knows, and one of its own that is charged and never answered. */
export const testMethods: Readonly<Record<string, { readonly decline?: string; readonly asks?: true; readonly silent?: true }>> = {
  pm_card_visa: {},
  pm_card_mastercard: {},
  pm_card_visa_chargeDeclinedInsufficientFunds: { decline: 'insufficient_funds' },
  pm_card_visa_chargeDeclinedLostCard: { decline: 'lost_card' },
  pm_card_chargeDeclinedStolenCard: { decline: 'stolen_card' },
  pm_card_authenticationRequired: { asks: true },
  pm_lookalike_silent: { silent: true },
}

export interface Intent {
  readonly object: 'payment_intent' | 'setup_intent'
  readonly id: string
  readonly created: number
  readonly amount: number
  readonly currency: string
  readonly customer: string | null
  readonly capture_method: string
  readonly payment_method: unknown
  readonly metadata: Record<string, string>
  readonly description: string | null
  readonly return_url: string
  status: string
  amount_received: number
  amount_capturable: number
  latest_charge: string | null
  next_action: unknown
  last_payment_error: unknown
  last_setup_error: unknown
}

export interface Refund {
  readonly object: 'refund'
  readonly id: string
  readonly created: number
  readonly amount: number
  readonly currency: string
  readonly payment_intent: string
  readonly metadata: Record<string, string>
  readonly status: 'succeeded'
  readonly failure_reason: null
}

/** One movement of money, in Stripe's amounts; refunds and disputes negative. */
export interface StripeMovement {
  readonly key: string
  readonly intent: string
  readonly kind: 'charge' | 'refund' | 'dispute' | 'dispute_reversal'
  readonly amount: number
  readonly currency: string
  readonly at: number
}

export interface Answer {
  readonly status: number
  readonly body: object
  readonly silent?: true
}

const metadataOf = (form: Form): Record<string, string> =>
  Object.fromEntries(
    Object.entries(formOf(form['metadata'])).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  )

const failed = (status: number, error: object): Answer => ({ status, body: { error } })
export const invalid = (code: string, message: string, more: object = {}): Answer =>
  failed(400, { type: 'invalid_request_error', code, message, ...more })
export const missing = (): Answer => failed(404, { type: 'invalid_request_error', code: 'resource_missing', message: 'No such object.' })

/** What the look-alike holds and does, in Stripe's words; as much of it as the adapter uses. */
export class StripeBooks {
  readonly intents = new Map<string, Intent>()
  readonly refunds: Refund[] = []
  readonly movements: StripeMovement[] = []
  readonly #options: { nowMs: () => number; pageUrl: () => string; happened: (type: string, object: object) => void }
  #number = 0

  constructor(options: { nowMs: () => number; pageUrl: () => string; happened: (type: string, object: object) => void }) {
    this.#options = options
  }

  createIntent(object: Intent['object'], form: Form): Answer {
    const amount = object === 'setup_intent' ? 0 : amountOf(form['amount'])
    const method = textOf(form['payment_method']) ?? ''
    const behaviour = this.#behaviourOf(method, textOf(form['customer']))
    if (amount === undefined) return invalid('parameter_invalid_integer', 'amount must be a whole number above zero')
    if (behaviour === undefined) return invalid('resource_missing', `No such PaymentMethod: '${method}'`)
    const intent: Intent = {
      object,
      id: this.#id(object === 'payment_intent' ? 'pi' : 'seti'),
      created: this.#now(),
      amount,
      currency: textOf(form['currency']) ?? '',
      customer: textOf(form['customer']) ?? null,
      capture_method: textOf(form['capture_method']) ?? 'automatic',
      payment_method: object === 'setup_intent' ? this.#kept(method) : method,
      metadata: metadataOf(form),
      description: textOf(form['description']) ?? null,
      return_url: textOf(form['return_url']) ?? '',
      status: 'requires_payment_method',
      amount_received: 0,
      amount_capturable: 0,
      latest_charge: null,
      next_action: null,
      last_payment_error: null,
      last_setup_error: null,
    }
    this.intents.set(intent.id, intent)
    if (behaviour.decline !== undefined) return this.#decline(intent, { code: 'card_declined', decline_code: behaviour.decline })
    if (behaviour.asks) {
      intent.status = 'requires_action'
      intent.next_action = {
        type: 'redirect_to_url',
        redirect_to_url: { url: `${this.#options.pageUrl()}/3ds/${intent.id}`, return_url: intent.return_url },
      }
      if (object === 'payment_intent') this.#options.happened('payment_intent.requires_action', { ...intent })
      return { status: 200, body: intent }
    }
    this.#take(intent)
    return { status: 200, body: intent, ...(behaviour.silent ? { silent: true as const } : {}) }
  }

  /** The customer answered on the page; false: nothing was open. */
  customerActs(id: string, approved: boolean): boolean {
    const intent = this.intents.get(id)
    if (intent?.status !== 'requires_action') return false
    intent.next_action = null
    if (approved) this.#take(intent)
    else this.#decline(intent, { code: `${intent.object}_authentication_failure` })
    return true
  }

  capture(id: string, form: Form): Answer {
    const intent = this.intents.get(id)
    if (intent === undefined) return missing()
    if (intent.status !== 'requires_capture') return this.#unexpected(intent, 'captured')
    const amount = amountOf(form['amount_to_capture']) ?? intent.amount_capturable
    if (amount > intent.amount_capturable) return invalid('amount_too_large', 'amount_to_capture is more than can be captured')
    const metadata = metadataOf(form)
    Object.assign(intent.metadata, metadata)
    intent.amount_received += amount
    intent.amount_capturable -= amount
    if (form['final_capture'] !== 'false' || intent.amount_capturable === 0) {
      intent.status = 'succeeded'
      intent.amount_capturable = 0
    }
    // Its own log wants the key of the capture, which stands first in the metadata that came with it.
    this.#move(intent, 'charge', amount, Object.values(metadata)[0]?.split(' ')[0])
    if (intent.status === 'succeeded') this.#options.happened('payment_intent.succeeded', { ...intent })
    return { status: 200, body: intent }
  }

  cancel(id: string): Answer {
    const intent = this.intents.get(id)
    if (intent === undefined) return missing()
    if (intent.status === 'succeeded' || intent.status === 'canceled') return this.#unexpected(intent, 'canceled')
    intent.status = 'canceled'
    intent.next_action = null
    intent.amount_capturable = 0
    this.#options.happened('payment_intent.canceled', { ...intent })
    return { status: 200, body: intent }
  }

  refund(form: Form): Answer {
    const intent = this.intents.get(textOf(form['payment_intent']) ?? '')
    if (intent === undefined) return missing()
    const before = this.refunds.filter(({ payment_intent: of }) => of === intent.id).reduce((sum, refund) => sum + refund.amount, 0)
    const amount = amountOf(form['amount']) ?? intent.amount_received - before
    if (amount <= 0 || before + amount > intent.amount_received) {
      return invalid('charge_already_refunded', 'more than is left of the charge')
    }
    const metadata = metadataOf(form)
    const made: Refund = {
      object: 'refund',
      id: this.#id('re'),
      created: this.#now(),
      amount,
      currency: intent.currency,
      payment_intent: intent.id,
      metadata,
      status: 'succeeded',
      failure_reason: null,
    }
    this.refunds.push(made)
    this.#move(intent, 'refund', -amount, metadata['throughline_key'])
    this.#options.happened('refund.created', made)
    return { status: 200, body: made }
  }

  dispute(id: string, won: boolean): boolean {
    const intent = this.intents.get(id)
    if (intent === undefined) return false
    const { amount_received: amount, currency } = intent
    this.#move(intent, won ? 'dispute_reversal' : 'dispute', won ? amount : -amount)
    const type = won ? 'charge.dispute.funds_reinstated' : 'charge.dispute.funds_withdrawn'
    this.#options.happened(type, { object: 'dispute', id: this.#id('dp'), payment_intent: id, amount, currency, metadata: {} })
    return true
  }

  customer(): Answer {
    return { status: 200, body: { object: 'customer', id: this.#id('cus') } }
  }

  #behaviourOf(method: string, customer: string | undefined) {
    // A kept card works together with its customer only.
    if (method.startsWith('pm_kept_')) return customer === undefined ? undefined : {}
    return Object.hasOwn(testMethods, method) ? testMethods[method] : undefined
  }

  #take(intent: Intent): void {
    if (intent.object === 'setup_intent') {
      intent.status = 'succeeded'
      return
    }
    intent.latest_charge = this.#id('ch')
    const manual = intent.capture_method === 'manual'
    intent.status = manual ? 'requires_capture' : 'succeeded'
    intent[manual ? 'amount_capturable' : 'amount_received'] = intent.amount
    if (!manual) this.#move(intent, 'charge', intent.amount)
    this.#options.happened(manual ? 'payment_intent.amount_capturable_updated' : 'payment_intent.succeeded', { ...intent })
  }

  #decline(intent: Intent, error: { code: string; decline_code?: string }): Answer {
    intent.status = 'requires_payment_method'
    const told = { type: 'card_error', message: 'Your card was declined.', ...error }
    const isPayment = intent.object === 'payment_intent'
    if (isPayment) intent.last_payment_error = told
    else intent.last_setup_error = told
    if (isPayment) this.#options.happened('payment_intent.payment_failed', { ...intent })
    return failed(402, { ...told, [intent.object]: intent })
  }

  #unexpected(intent: Intent, wanted: string): Answer {
    const message = `This PaymentIntent could not be ${wanted} because it has a status of ${intent.status}.`
    return invalid('payment_intent_unexpected_state', message, { payment_intent: intent })
  }

  #move({ id, currency, metadata }: Intent, kind: StripeMovement['kind'], amount: number, key?: string): void {
    this.movements.push({ key: key ?? metadata['throughline_key'] ?? '', intent: id, kind, amount, currency, at: this.#now() })
  }

  #kept(method: string): object {
    const lastFour = String(Math.floor(drawOf(0, method) * 10_000)).padStart(4, '0')
    return {
      object: 'payment_method',
      id: this.#id('pm_kept'),
      type: 'card',
      card: { brand: 'visa', last4: lastFour, exp_month: 7, exp_year: 2034, country: 'US' },
    }
  }

  #id(prefix: string): string {
    this.#number += 1
    return `${prefix}_${String(this.#number).padStart(8, '0')}`
  }

  #now(): number {
    return Math.floor(this.#options.nowMs() / 1000)
  }
}
