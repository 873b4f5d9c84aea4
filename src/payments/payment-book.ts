import type { LifeCycle } from '#kernel/lifecycle.ts'
import { invariant } from '#kernel/outcome.ts'
import type { NewEvent } from '#platform/events.ts'
import {
  type AttemptState,
  attemptCycle,
  type FollowUpState,
  followUpCycle,
  type LegState,
  legCycle,
  type RequestState,
  requestCycle,
} from './lifecycle.ts'
import type { CustomerAction, FollowUpKind } from './gateway.ts'
import type { Means } from './payment-plan.ts'
import type { RefundPolicy } from './refund-plan.ts'

/** What every stateful row carries: where it stood when it was read, so that the write can compare and set. */
interface Stateful<S extends string> {
  readonly id: number
  state: S
  /** State in the database when it was read; the compare part of compare-and-set. */
  storedState: S
  readonly version: number
}

export interface RequestRow extends Stateful<RequestState> {
  readonly orderId: number
  readonly part: number
  readonly storeId: string
  readonly customerId: string
  readonly currency: string
  amountMinor: number
  reducedMinor: number
  /** 0 while it lives, its own id afterwards. */
  closed: number
  settle: 'together' | 'apart'
  capture: 'now' | 'on_shipment'
  /** apart: how much must be in hand for the goods to be prepared; null: all that is due. */
  releaseMinor: number | null
  expiresAt: Date | null
  /** Given as goodwill: under way and done, and done. */
  goodwillHeldMinor: number
  goodwillMinor: number
}

export interface LegRow extends Stateful<LegState> {
  readonly requestId: number
  readonly position: number
  /** Legs of one round were brought by one command. */
  readonly round: number
  readonly means: Means
  readonly mode: 'charge' | 'authorize'
  amountMinor: number
  /** Set aside and not yet taken; of that: being captured, being voided, not needed any more. */
  authorizedMinor: number
  captureHeldMinor: number
  voidHeldMinor: number
  unneededMinor: number
  capturedMinor: number
  refundHeldMinor: number
  refundedMinor: number
  disputedMinor: number
  attempts: number
  retryAt: Date | null
}

export interface AttemptRow extends Stateful<AttemptState> {
  readonly legId: number
  readonly requestId: number
  readonly sequence: number
  retired: number
  readonly gateway: string
  readonly amountMinor: number
  gatewayRef: string | null
  reason: string | null
  lookAt: Date | null
  /** Only what this batch learned; a stored action is not read again. */
  action: CustomerAction | null
}

export interface FollowUpRow extends Stateful<FollowUpState> {
  readonly kind: FollowUpKind
  readonly requestId: number
  readonly legId: number
  readonly attemptId: number
  readonly gateway: string
  readonly chargeRef: string
  readonly amountMinor: number
  readonly last: boolean
  readonly stray: boolean
  readonly goodwill: boolean
  readonly reason: string
  gatewayRef: string | null
  failure: string | null
  lookAt: Date | null
  /** Set in a batch to the follow-up that takes its place; its id is known when ids are given out. */
  replacement: NewFollowUp | null
}

/** Who and what made a change, for the change log. */
export interface Cause {
  readonly cause: string
  readonly commandId: string
  readonly actor: string
}

export interface RootChange extends Cause {
  readonly root: number
  readonly levels: string[]
  readonly entities: number[]
  readonly fromStates: string[]
  readonly toStates: string[]
}

/** A follow-up decided on but not yet numbered; ids are taken once per batch, after all decisions. */
export type NewFollowUp = Omit<FollowUpRow, 'id' | 'version' | 'storedState' | 'gatewayRef' | 'failure' | 'replacement'> & Cause

/** What a store has decided about its money, as far as settling asks it. */
export interface StoreRules {
  readonly refundPolicy: RefundPolicy
  readonly failedRefund: 'wallet' | 'manual'
}

export interface BookRules {
  rulesOf(storeId: string): StoreRules
  /** True while another gateway than those tried could take a leg of this means. */
  hasAnotherGateway(storeId: string, means: Means, tried: number): boolean
  /** Whether there is a wallet to credit. */
  readonly hasWallet: boolean
}

type Level = 'request' | 'leg' | 'attempt' | FollowUpKind

/**
 * A working copy of the requests of one batch. Decisions change it; afterwards it knows every row to write, every step for
 * the change log and every event to announce. Pure: it neither reads nor writes the database.
 */
export class PaymentBook {
  readonly requests = new Map<number, RequestRow>()
  readonly legs = new Map<number, LegRow>()
  readonly attempts = new Map<number, AttemptRow>()
  readonly followUps = new Map<number, FollowUpRow>()
  readonly changes: RootChange[] = []
  readonly events: NewEvent[] = []
  readonly newFollowUps: NewFollowUp[] = []
  readonly changedRequests = new Set<RequestRow>()
  readonly changedLegs = new Set<LegRow>()
  readonly changedAttempts = new Set<AttemptRow>()
  readonly changedFollowUps = new Set<FollowUpRow>()
  /** Legs to be asked for again as soon as this is committed: another gateway may take them. */
  readonly askAtOnce: LegRow[] = []
  readonly now: Date
  readonly rules: BookRules
  /** A batch in which only plain charges move is written with fewer columns; what is more than that sets this. */
  wide = false
  readonly #legsOf = new Map<number, LegRow[]>()
  readonly #liveAttemptOf = new Map<number, AttemptRow>()
  #change: RootChange | undefined

  constructor(now: Date, rules: BookRules) {
    this.now = now
    this.rules = rules
  }

  addRequest(row: RequestRow): void {
    this.requests.set(row.id, row)
  }

  addLeg(row: LegRow): void {
    if (this.legs.has(row.id)) return
    this.legs.set(row.id, row)
    const siblings = this.#legsOf.get(row.requestId)
    if (siblings === undefined) this.#legsOf.set(row.requestId, [row])
    else siblings.push(row)
  }

  addAttempt(row: AttemptRow): void {
    if (this.attempts.has(row.id)) return
    this.attempts.set(row.id, row)
    if (row.retired === 0) this.#liveAttemptOf.set(row.legId, row)
  }

  addFollowUp(row: FollowUpRow): void {
    this.followUps.set(row.id, row)
  }

  requestOf(row: { readonly requestId: number }): RequestRow {
    const request = this.requests.get(row.requestId)
    invariant(request, `request ${row.requestId} was not read`)
    return request
  }

  legOf(row: { readonly legId: number }): LegRow {
    const leg = this.legs.get(row.legId)
    invariant(leg, `leg ${row.legId} was not read`)
    return leg
  }

  legsOf(request: RequestRow): readonly LegRow[] {
    return this.#legsOf.get(request.id) ?? []
  }

  /** The attempt of a leg that has taken money or may have; undefined when it is certain that none has. */
  liveAttemptOf(leg: LegRow): AttemptRow | undefined {
    const attempt = this.#liveAttemptOf.get(leg.id)
    return attempt !== undefined && attempt.retired === 0 ? attempt : undefined
  }

  /** True while the leg may still bring money: a call is out, the customer may act, a retry or an instalment is due. */
  mayBring(leg: LegRow): boolean {
    if (leg.state !== 'created' && leg.state !== 'requires_action') return false
    return leg.retryAt !== null || this.liveAttemptOf(leg) !== undefined
  }

  changeRequest(row: RequestRow): void {
    this.wide = true
    this.changedRequests.add(row)
  }

  changeLeg(row: LegRow): void {
    if (row.mode === 'authorize' || row.disputedMinor > 0) this.wide = true
    this.changedLegs.add(row)
  }

  moveRequest(row: RequestRow, to: RequestState, by: Cause): void {
    this.#step('request', requestCycle, row.id, row, to, by)
    this.changedRequests.add(row)
  }

  moveLeg(row: LegRow, to: LegState, by: Cause): void {
    this.#step('leg', legCycle, row.requestId, row, to, by)
    this.changeLeg(row)
  }

  moveAttempt(row: AttemptRow, to: AttemptState, by: Cause): void {
    this.#step('attempt', attemptCycle, row.requestId, row, to, by)
    this.changedAttempts.add(row)
  }

  moveFollowUp(row: FollowUpRow, to: FollowUpState, by: Cause): void {
    this.#step(row.kind, followUpCycle, row.requestId, row, to, by)
    this.changedFollowUps.add(row)
  }

  /** Notes steps of a row that is being born in this batch. */
  noteBirth(level: Level, root: number, entity: number, states: readonly string[], by: Cause): void {
    let from = ''
    for (const to of states) {
      this.#note(level, root, entity, from, to, by)
      from = to
    }
  }

  announce(type: string, orderId: number, payload: unknown): void {
    this.events.push({ key: String(orderId), type, payload })
  }

  #step<S extends string>(level: Level, cycle: LifeCycle<S>, root: number, row: Stateful<S>, to: S, by: Cause): void {
    invariant(cycle.canMove(row.state, to), `${cycle.name} ${row.id} cannot move from ${row.state} to ${to}`)
    this.#note(level, root, row.id, row.state, to, by)
    row.state = to
  }

  #note(level: Level, root: number, entity: number, from: string, to: string, by: Cause): void {
    let change = this.#change
    if (change === undefined || change.root !== root || change.commandId !== by.commandId || change.cause !== by.cause) {
      change = { root, levels: [], entities: [], fromStates: [], toStates: [], cause: by.cause, commandId: by.commandId, actor: by.actor }
      this.changes.push(change)
      this.#change = change
    }
    change.levels.push(level)
    change.entities.push(entity)
    change.fromStates.push(from)
    change.toStates.push(to)
  }
}
