import type { Clock } from '#kernel/time.ts'
import type { Traffic } from '#platform/request-context.ts'
import { classOf, mixedShares, type TokenClass, tokenClasses } from './token-classes.ts'
import type { WireAnswer, WireBody, WireCharge, WireFollowUp } from './wire.ts'

export interface SandboxEngineOptions {
  /** Draws for `tok_mixed` and webhook faults depend on it and on the key alone, so they do not change with the order of calls. */
  readonly seed: number
  readonly clock: Clock
  /** Keys remembered, 1,000,000 unless told. Past it the oldest go, and the log says so. About 250 bytes each. */
  readonly rememberMost?: number
  /** Told about everything that a webhook would be sent for. */
  readonly happened?: (happening: Happening) => void
}

export interface Happening {
  readonly sequence: number
  readonly kind: 'charge' | 'refund'
  readonly key: string
  readonly traffic: Traffic
  readonly httpStatus: number
  readonly body: WireBody
}

/** What the engine did, and whether its answer goes out. */
export interface Handled extends WireAnswer {
  readonly delivery: 'now' | 'slow' | 'lost'
}

/** One movement of money, by key: what another system's books are compared with. */
export interface SandboxMovement {
  readonly key: string
  readonly kind: 'charge' | 'refund'
  readonly amountMinor: number
  readonly currency: string
  readonly traffic: Traffic
  readonly at: string
}

interface Charge {
  readonly key: string
  readonly ref: string
  readonly token: string
  readonly reference: string
  readonly amountMinor: number
  readonly currency: string
  readonly traffic: Traffic
  readonly at: number
  status: 'authorized' | 'captured' | 'voided' | 'declined_soft' | 'declined_hard'
  capturedMinor: number
  refundedMinor: number
}

interface FollowUp {
  readonly key: string
  readonly kind: 'refund' | 'void' | 'capture'
  readonly ref: string
  readonly chargeRef: string
  readonly amountMinor: number
  readonly currency: string
  readonly traffic: Traffic
  readonly at: number
  status: 'refunded' | 'voided' | 'captured' | 'pending' | 'refused'
}

/**
 * The gateway itself, without any transport: what it holds, what it answers, and its log. One engine stands behind the
 * HTTP server and behind the twin. Under one key it acts at most once, as every gateway worth using does.
 */
export class SandboxEngine {
  readonly #options: SandboxEngineOptions
  readonly #rememberMost: number
  readonly #charges = new Map<string, Charge>()
  readonly #chargeByRef = new Map<string, Charge>()
  readonly #followUps = new Map<string, FollowUp>()
  readonly #seenOnce = new Set<string>()
  #sequence = 0
  #forgotten = 0

  constructor(options: SandboxEngineOptions) {
    this.#options = options
    this.#rememberMost = options.rememberMost ?? 1_000_000
  }

  charge(asked: WireCharge): Handled {
    const known = this.#charges.get(asked.key)
    if (known !== undefined) {
      const same = known.token === asked.token && known.amountMinor === asked.amountMinor && known.currency === asked.currency
      return same
        ? { ...answerOf(known), delivery: 'now' }
        : { httpStatus: 409, body: refusal('key used with another body'), delivery: 'now' }
    }
    const behaviour = this.#behaviourOf(asked)
    if (behaviour === undefined) return this.#take(asked, 'declined_hard')
    if (behaviour.charge === 'unreachable') {
      return { httpStatus: 503, body: { status: 'not_processed', reason: 'gateway not available' }, delivery: 'now' }
    }
    const delivery = behaviour.answer ?? 'now'
    if (behaviour.chargesNothing) return { httpStatus: 503, body: undefined, delivery }
    const taken = asked.capture ? 'captured' : 'authorized'
    return { ...this.#take(asked, behaviour.charge === 'ok' || behaviour.charge === 'mixed' ? taken : behaviour.charge), delivery }
  }

  capture(asked: WireFollowUp): Handled {
    return this.#followUp(asked, 'capture', (charge) => {
      if (charge.status !== 'authorized' || asked.amountMinor > charge.amountMinor) return 'refused'
      charge.status = 'captured'
      charge.capturedMinor = asked.amountMinor
      return 'captured'
    })
  }

  void(asked: WireFollowUp): Handled {
    return this.#followUp(asked, 'void', (charge) => {
      if (charge.status !== 'authorized') return 'refused'
      charge.status = 'voided'
      return 'voided'
    })
  }

  refund(asked: WireFollowUp): Handled {
    const repeated = this.#followUps.has(asked.key)
    const charge = this.#chargeByRef.get(asked.chargeRef)
    const behaviour = charge === undefined ? undefined : classOf(charge.token)?.refund
    const handled = this.#followUp(asked, 'refund', (found) => {
      if (behaviour === 'failed' || found.refundedMinor + asked.amountMinor > found.capturedMinor) return 'refused'
      found.refundedMinor += asked.amountMinor
      return behaviour === 'pending' ? 'pending' : 'refunded'
    })
    return behaviour === 'lost' && !repeated ? { ...handled, delivery: 'lost' } : handled
  }

  findCharge(key: string): WireAnswer {
    const charge = this.#charges.get(key)
    return charge === undefined ? notFound : answerOf(charge)
  }

  /** Being asked about a pending refund settles it: the sandbox's stand-in for the days that real ones take. */
  findRefund(key: string): WireAnswer {
    const refund = this.#followUps.get(key)
    if (refund === undefined) return notFound
    if (refund.status === 'pending') refund.status = 'refunded'
    return followUpAnswer(refund)
  }

  /** All movements of money, and how many older ones were forgotten. */
  log(): { readonly forgotten: number; readonly movements: SandboxMovement[] } {
    const movements: SandboxMovement[] = []
    for (const charge of this.#charges.values()) {
      if (charge.capturedMinor > 0) movements.push(movementOf(charge, 'charge', charge.capturedMinor))
    }
    for (const refund of this.#followUps.values()) {
      if (refund.kind === 'refund' && refund.status === 'refunded') movements.push(movementOf(refund, 'refund', refund.amountMinor))
    }
    return { forgotten: this.#forgotten, movements }
  }

  /** A number in [0, 1) drawn from the seed and `text`, the same every time. */
  draw(text: string): number {
    return drawOf(this.#options.seed, text)
  }

  #behaviourOf(asked: WireCharge): TokenClass | undefined {
    let behaviour = classOf(asked.token)
    if (behaviour?.charge === 'mixed') {
      // By reference, not by key: a retry of the same order must meet the same class, or "once" would mean nothing.
      let left = this.draw(asked.reference) * 100
      const drawn = mixedShares.find(([share]) => (left -= share) < 0)
      behaviour = tokenClasses[drawn?.[1] ?? 'tok_ok']
    }
    if (behaviour?.firstOnly) {
      const who = `${asked.traffic} ${asked.token} ${asked.reference}`
      if (this.#seenOnce.has(who)) return tokenClasses['tok_ok']
      this.#seenOnce.add(who)
    }
    return behaviour
  }

  #take(asked: WireCharge, status: Charge['status']): Handled {
    this.#sequence += 1
    const charge: Charge = {
      key: asked.key,
      // By key, so that a ref of an engine before this one can never name another charge.
      ref: `ch_${asked.key}`,
      token: asked.token,
      reference: asked.reference,
      amountMinor: asked.amountMinor,
      currency: asked.currency,
      traffic: asked.traffic,
      at: this.#options.clock.now().getTime(),
      status,
      capturedMinor: status === 'captured' ? asked.amountMinor : 0,
      refundedMinor: 0,
    }
    this.#charges.set(charge.key, charge)
    this.#chargeByRef.set(charge.ref, charge)
    if (this.#charges.size > this.#rememberMost) {
      for (const [key, oldest] of this.#charges) {
        this.#charges.delete(key)
        this.#chargeByRef.delete(oldest.ref)
        this.#forgotten += 1
        break
      }
    }
    const answer = answerOf(charge)
    this.#tell('charge', charge.key, charge.traffic, answer)
    return { ...answer, delivery: 'now' }
  }

  #followUp(asked: WireFollowUp, kind: FollowUp['kind'], act: (charge: Charge) => FollowUp['status']): Handled {
    const known = this.#followUps.get(asked.key)
    if (known !== undefined) {
      const same = known.kind === kind && known.chargeRef === asked.chargeRef && known.amountMinor === asked.amountMinor
      return same
        ? { ...followUpAnswer(known), delivery: 'now' }
        : { httpStatus: 409, body: refusal('key used with another body'), delivery: 'now' }
    }
    const charge = this.#chargeByRef.get(asked.chargeRef)
    if (charge === undefined || charge.currency !== asked.currency) {
      return { httpStatus: 422, body: { status: 'refused', reason: 'no such charge in this currency' }, delivery: 'now' }
    }
    this.#sequence += 1
    const done: FollowUp = {
      key: asked.key,
      kind,
      ref: `${kind.slice(0, 2)}_${this.#sequence}`,
      chargeRef: asked.chargeRef,
      amountMinor: asked.amountMinor,
      currency: asked.currency,
      traffic: asked.traffic,
      at: this.#options.clock.now().getTime(),
      status: act(charge),
    }
    this.#followUps.set(done.key, done)
    const answer = followUpAnswer(done)
    if (kind === 'refund') this.#tell('refund', done.key, done.traffic, answer)
    return { ...answer, delivery: 'now' }
  }

  #tell(kind: Happening['kind'], key: string, traffic: Traffic, { httpStatus, body }: WireAnswer): void {
    const { happened } = this.#options
    if (happened !== undefined && body !== undefined) happened({ sequence: this.#sequence, kind, key, traffic, httpStatus, body })
  }
}

const notFound: WireAnswer = { httpStatus: 404, body: undefined }
const refusal = (reason: string): WireBody => ({ status: 'refused', reason })

function answerOf(charge: Charge): WireAnswer {
  const { status, ref, currency } = charge
  if (status === 'declined_soft' || status === 'declined_hard') {
    const reason = status === 'declined_soft' ? 'insufficient_funds' : classOf(charge.token) === undefined ? 'unknown_token' : 'stolen_card'
    return { httpStatus: 402, body: { status, reason } }
  }
  const amountMinor = status === 'captured' ? charge.capturedMinor : charge.amountMinor
  return { httpStatus: 200, body: { status, ref, amountMinor, currency } }
}

function followUpAnswer({ status, ref, amountMinor, currency }: FollowUp): WireAnswer {
  if (status === 'refused') return { httpStatus: 422, body: { status, reason: 'not possible for this charge' } }
  return { httpStatus: 200, body: { status, ref, amountMinor, currency } }
}

function movementOf(
  row: { key: string; currency: string; traffic: Traffic; at: number },
  kind: SandboxMovement['kind'],
  amountMinor: number,
) {
  return { key: row.key, kind, amountMinor, currency: row.currency, traffic: row.traffic, at: new Date(row.at).toISOString() }
}

/** FNV-1a over seed and text, then a finishing mix: neighbouring keys must not draw neighbouring numbers. */
function drawOf(seed: number, text: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
