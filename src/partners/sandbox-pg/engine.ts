import type { Clock } from '#kernel/time.ts'
import type { Traffic } from '#platform/request-context.ts'
import { drawOf } from './draws.ts'
import { movementsOf, type SandboxLog } from './movements.ts'
import { profileOf, type SandboxProfile } from './profiles.ts'
import {
  type Binding,
  bindingAnswer,
  type Charge,
  chargeAnswer,
  chargeKeyOf,
  declineReasonOf,
  type Dispute,
  type FollowUp,
  followUpAnswer,
  notFound,
  otherBody,
  refOf,
  refused,
  transferReferenceOf,
} from './records.ts'
import { Remembered } from './remembered.ts'
import { classOf, namesGateway, type TokenClass } from './token-classes.ts'
import type { SandboxFollowUpKind, WireAnswer, WireBinding, WireBody, WireCharge, WireFollowUp, WirePayload } from './wire.ts'

export interface SandboxEngineOptions {
  /** Draws for `tok_mixed` and webhook faults depend on it and on the key alone, so they do not change with the order of calls. */
  readonly seed: number
  readonly clock: Clock
  /** Which of the four it is; `sandbox` unless told. */
  readonly profile?: SandboxProfile
  /** Charges remembered, and as many follow-ups: 1,000,000 unless told. Past it the oldest go, and the log says so. */
  readonly rememberMost?: number
  /** Where the pages for customers are served; asked for each time, since a server knows its port only once it listens. */
  readonly pageUrl?: () => string
  /** Told about everything that a webhook would be sent for. */
  readonly happened?: (happening: Happening) => void
}

export interface Happening extends WirePayload {
  /** The same for the same fact, also from an engine started anew. */
  readonly eventId: string
  readonly traffic: Traffic
}

/** What the engine did, and whether its answer goes out. */
export interface Handled extends WireAnswer {
  readonly delivery: 'now' | 'slow' | 'lost'
}

/**
 * The gateway itself, without any transport: what it holds, what it answers, and its log. One engine stands behind the
 * HTTP server and behind the twin. Under one key it acts at most once, as every gateway worth using does.
 */
export class SandboxEngine {
  readonly profile: SandboxProfile
  readonly #options: SandboxEngineOptions
  readonly #rememberMost: number
  readonly #charges: Remembered<Charge>
  readonly #followUps: Remembered<FollowUp>
  readonly #bindings: Remembered<Binding>
  readonly #disputes: Dispute[] = []
  readonly #seenOnce = new Set<string>()
  #sequence = 0

  constructor(options: SandboxEngineOptions) {
    this.#options = options
    this.profile = options.profile ?? profileOf('sandbox')
    this.#rememberMost = options.rememberMost ?? 1_000_000
    this.#charges = new Remembered(this.#rememberMost)
    this.#followUps = new Remembered(this.#rememberMost)
    this.#bindings = new Remembered(this.#rememberMost)
  }

  /** `capture` false: the money is only set aside. */
  charge(asked: WireCharge, capture: boolean): Handled {
    const known = this.#charges.get(asked.key)
    if (known !== undefined) {
      const same =
        known.token === asked.token &&
        known.amountMinor === asked.amountMinor &&
        known.currency === asked.currency &&
        known.capture === capture
      return at(same ? this.#answerOf(known) : otherBody)
    }
    if (!this.profile.means.includes(asked.means)) return this.#take(asked, capture, 'declined_hard', 'means_not_taken_here')
    if (asked.instalments > this.profile.instalmentsMost) return this.#take(asked, capture, 'declined_hard', 'too_many_instalments')
    const behaviour = this.#behaviourOf(asked)
    if (behaviour === undefined) return this.#take(asked, capture, 'declined_hard')
    if (behaviour.charge === 'unreachable') {
      return at({ httpStatus: 503, body: { status: 'not_processed', reason: 'gateway not available' } })
    }
    const delivery = behaviour.answer ?? 'now'
    if (behaviour.chargesNothing) return at({ httpStatus: 503, body: undefined }, delivery)
    if (behaviour.charge === 'declined_soft' || behaviour.charge === 'declined_hard') return this.#take(asked, capture, behaviour.charge)
    if (behaviour.charge === 'requires_action' || asked.means === 'transfer')
      return this.#take(asked, capture, 'requires_action', '', delivery)
    return this.#take(asked, capture, capture ? 'captured' : 'authorized', '', delivery)
  }

  followUp(kind: SandboxFollowUpKind, asked: WireFollowUp): Handled {
    const known = this.#followUps.get(asked.key)
    const chargeKey = chargeKeyOf(asked.gatewayRef)
    if (known !== undefined) {
      const same = known.kind === kind && known.chargeKey === chargeKey && known.amountMinor === asked.amountMinor
      return at(same ? followUpAnswer(known) : otherBody)
    }
    const charge = chargeKey === undefined ? undefined : this.#charges.get(chargeKey)
    if (charge === undefined || charge.currency !== asked.currency) return at(refused('no such charge in this currency'))
    const behaviour = classOf(charge.token)
    this.#sequence += 1
    const done: FollowUp = {
      key: asked.key,
      kind,
      chargeKey: charge.key,
      amountMinor: asked.amountMinor,
      currency: asked.currency,
      traffic: asked.traffic,
      at: this.#now(),
      sequence: this.#sequence,
      status: behaviour?.[kind] === 'failed' ? 'refused' : this.#act(kind, charge, asked),
    }
    if (done.status === 'refunded' && behaviour?.refund === 'pending') done.status = 'pending'
    this.#followUps.add(done)
    this.#tell(kind, done.key, done.traffic, followUpAnswer(done))
    return at(followUpAnswer(done), behaviour?.[kind] === 'lost' ? 'lost' : 'now')
  }

  /**
   * For a memory that ends with its process: a charge that is not known any more is made up from what is now asked of it.
   * Nothing can be held against its amount, so the caller is believed; a known charge is left as it is.
   */
  recall(kind: SandboxFollowUpKind, asked: WireFollowUp): void {
    const key = chargeKeyOf(asked.gatewayRef)
    if (key === undefined || this.#charges.get(key) !== undefined) return
    const { amountMinor, currency, traffic } = asked
    const taken = kind === 'refund'
    this.#charges.add({
      key,
      token: 'tok_ok',
      means: 'card',
      reference: '',
      amountMinor,
      currency,
      traffic,
      capture: taken,
      returnUrl: '',
      recalled: true,
      at: this.#now(),
      sequence: 0,
      status: taken ? 'captured' : 'authorized',
      reason: '',
      capturedMinor: 0,
      refundedMinor: 0,
      disputedMinor: 0,
    })
  }

  findCharge(key: string): WireAnswer {
    const charge = this.#charges.get(key)
    return charge === undefined ? notFound : this.#answerOf(charge)
  }

  /** Being asked about a pending refund settles it: the sandbox's stand-in for the days that real ones take. */
  findFollowUp(kind: SandboxFollowUpKind, key: string): WireAnswer {
    const found = this.#followUps.get(key)
    if (found === undefined || found.kind !== kind) return notFound
    if (found.status === 'pending') {
      this.#sequence += 1
      Object.assign(found, { status: 'refunded', sequence: this.#sequence, at: this.#now() })
      this.#tell(kind, found.key, found.traffic, followUpAnswer(found))
    }
    return followUpAnswer(found)
  }

  /** What is to be shown on the page of a charge or binding that the customer has to act on; undefined: there is none. */
  pageOf(ref: string): { charge: Charge } | { binding: Binding } | undefined {
    const charge = this.#charges.get(chargeKeyOf(ref) ?? '')
    if (charge !== undefined) return { charge }
    const binding = this.#bindings.get(ref.startsWith('bi_') ? ref.slice(3) : '')
    return binding === undefined ? undefined : { binding }
  }

  /** The ref of the transfer that waits under what its payer types at his bank. */
  transferUnder(reference: string): string | undefined {
    for (const { means, status, key } of this.#charges.values())
      if (means === 'transfer' && status === 'requires_action' && transferReferenceOf(key) === reference) return refOf('charge', key)
    return undefined
  }

  /** The customer pressed a button on that page, or paid in. False: there was nothing to act on any more. */
  customerActs(ref: string, action: 'approve' | 'decline'): boolean {
    const found = this.pageOf(ref)
    if (found === undefined) return false
    if ('binding' in found) {
      if (found.binding.status !== 'requires_action') return false
      found.binding.status = action === 'approve' ? 'bound' : 'refused'
      return true
    }
    const { charge } = found
    if (charge.status !== 'requires_action') return false
    this.#sequence += 1
    charge.at = this.#now()
    charge.sequence = this.#sequence
    if (action === 'decline') {
      charge.status = 'declined_hard'
      charge.reason = 'authentication_failed'
    } else {
      charge.status = charge.capture ? 'captured' : 'authorized'
      charge.capturedMinor = charge.capture ? charge.amountMinor : 0
    }
    this.#tell('charge', charge.key, charge.traffic, this.#answerOf(charge))
    return true
  }

  /** The bank takes money of a charge back from the shop, or gives it back (`won`). All that is left unless told how much. */
  dispute(ref: string, { won, amountMinor }: { won: boolean; amountMinor?: number }): WireAnswer {
    const charge = this.#charges.get(chargeKeyOf(ref) ?? '')
    if (charge === undefined) return notFound
    const most = won ? charge.disputedMinor : charge.capturedMinor - charge.refundedMinor - charge.disputedMinor
    const amount = amountMinor ?? most
    if (amount <= 0 || amount > most) return refused('there is not so much of this charge to dispute')
    charge.disputedMinor += won ? -amount : amount
    this.#sequence += 1
    const { key, currency, traffic } = charge
    this.#disputes.push({ chargeKey: key, amountMinor: amount, currency, traffic, won, at: this.#now(), sequence: this.#sequence })
    if (this.#disputes.length > this.#rememberMost) this.#disputes.shift()
    const answer: WireAnswer = { httpStatus: 200, body: { status: 'disputed', ref, amountMinor: amount, currency } }
    const eventId = `evt_dispute_${key}_${won ? 'won' : 'lost'}_${charge.disputedMinor}`
    this.#options.happened?.({ eventId, kind: 'dispute', key, traffic, httpStatus: 200, body: answer.body as WireBody, won })
    return answer
  }

  bind(asked: WireBinding): WireAnswer {
    let binding = this.#bindings.get(asked.key)
    if (binding === undefined) {
      const { key, customerId, token, traffic, returnUrl } = asked
      binding = { key, customerId, token, traffic, returnUrl, status: classOf(token)?.binding ?? 'refused' }
      this.#bindings.add(binding)
    } else if (binding.token !== asked.token || binding.customerId !== asked.customerId) return otherBody
    return bindingAnswer(binding, this.#pageUrl())
  }

  findBinding(ref: string): WireAnswer {
    const found = this.pageOf(ref)
    return found !== undefined && 'binding' in found ? bindingAnswer(found.binding, this.#pageUrl()) : notFound
  }

  /** All movements of money in their order, and how many older charges and follow-ups were forgotten. */
  log(): SandboxLog {
    const books = { charges: this.#charges.values(), followUps: this.#followUps.values(), disputes: this.#disputes }
    return { forgotten: this.#charges.forgotten + this.#followUps.forgotten, movements: movementsOf(books) }
  }

  /** A number in [0, 1) drawn from the seed and `text`, the same every time. */
  draw(text: string): number {
    return drawOf(this.#options.seed, text)
  }

  #behaviourOf(asked: WireCharge): TokenClass | undefined {
    let behaviour = classOf(asked.token)
    // A transfer needs no token: who has one all the same wants its faults.
    if (behaviour === undefined && asked.means === 'transfer') return classOf('tok_ok')
    if (behaviour?.charge === 'mixed') {
      // By reference, not by key: a retry of the same order must meet the same class, or "once" would mean nothing.
      let left = this.draw(asked.reference) * 100
      const drawn = this.profile.mixedShares.find(([share]) => (left -= share) < 0)
      behaviour = classOf(drawn?.[1] ?? 'tok_ok')
    }
    if (behaviour?.onlyAtNamed && !namesGateway(asked.token, this.profile.name)) return classOf('tok_ok')
    if (behaviour?.firstOnly) {
      const who = `${asked.traffic} ${asked.token} ${asked.reference}`
      if (this.#seenOnce.has(who)) return classOf('tok_ok')
      this.#seenOnce.add(who)
    }
    return behaviour
  }

  // oxlint-disable-next-line max-params -- the hot path: an object of options per charge is garbage
  #take(asked: WireCharge, capture: boolean, status: Charge['status'], reason = '', delivery: Handled['delivery'] = 'now'): Handled {
    this.#sequence += 1
    const declined = status === 'declined_soft' || status === 'declined_hard'
    const charge: Charge = {
      key: asked.key,
      token: asked.token,
      means: asked.means,
      reference: asked.reference,
      amountMinor: asked.amountMinor,
      currency: asked.currency,
      traffic: asked.traffic,
      capture,
      returnUrl: status === 'requires_action' ? asked.returnUrl : '',
      recalled: false,
      at: this.#now(),
      sequence: this.#sequence,
      status,
      reason: declined && reason === '' ? declineReasonOf(asked.token, status) : reason,
      capturedMinor: status === 'captured' ? asked.amountMinor : 0,
      refundedMinor: 0,
      disputedMinor: 0,
    }
    this.#charges.add(charge)
    const answer = this.#answerOf(charge)
    this.#tell('charge', charge.key, charge.traffic, answer)
    return at(answer, delivery)
  }

  /** Changes the charge if it may, and says what the follow-up has become. */
  #act(kind: SandboxFollowUpKind, charge: Charge, { amountMinor, last }: WireFollowUp): FollowUp['status'] {
    switch (kind) {
      case 'capture': {
        if (charge.status !== 'authorized') return 'refused'
        if (!charge.recalled && charge.capturedMinor + amountMinor > charge.amountMinor) return 'refused'
        charge.capturedMinor += amountMinor
        if (last === true || (!charge.recalled && charge.capturedMinor === charge.amountMinor)) charge.status = 'captured'
        return 'captured'
      }
      case 'void': {
        if (charge.status !== 'authorized' && charge.status !== 'requires_action') return 'refused'
        // What was captured before stays so; only the rest is let go.
        charge.status = charge.capturedMinor > 0 ? 'captured' : 'voided'
        return 'voided'
      }
      case 'refund': {
        const left = charge.capturedMinor - charge.refundedMinor - charge.disputedMinor
        if (charge.status !== 'captured' && charge.status !== 'authorized') return 'refused'
        if (!charge.recalled && amountMinor > left) return 'refused'
        charge.refundedMinor += amountMinor
        return 'refunded'
      }
    }
  }

  #answerOf(charge: Charge): WireAnswer {
    return chargeAnswer(charge, charge.status === 'requires_action' ? this.#pageUrl() : '')
  }

  #pageUrl(): string {
    return this.#options.pageUrl?.() ?? `http://${this.profile.name}.invalid`
  }

  #now(): number {
    return this.#options.clock.now().getTime()
  }

  #tell(kind: Happening['kind'], key: string, traffic: Traffic, { httpStatus, body }: WireAnswer): void {
    const { happened } = this.#options
    if (happened === undefined || body === undefined) return
    happened({ eventId: `evt_${kind}_${key}_${body.status}`, kind, key, traffic, httpStatus, body })
  }
}

const at = ({ httpStatus, body }: WireAnswer, delivery: Handled['delivery'] = 'now'): Handled => ({ httpStatus, body, delivery })
