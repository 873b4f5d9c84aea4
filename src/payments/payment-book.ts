import type { LifeCycle } from '#kernel/lifecycle.ts'
import { invariant } from '#kernel/outcome.ts'
import type { NewEvent } from '#platform/events.ts'
import {
  type AttemptState,
  attemptCycle,
  type LegState,
  legCycle,
  type RefundState,
  type RequestState,
  refundCycle,
  requestCycle,
} from './lifecycle.ts'

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
  readonly storeId: string
  readonly currency: string
  readonly amountMinor: number
  reducedMinor: number
  /** 0 while it lives, its own id afterwards. */
  closed: number
}

export interface LegRow extends Stateful<LegState> {
  readonly requestId: number
  readonly position: number
  readonly token: string
  amountMinor: number
  capturedMinor: number
  refundHeldMinor: number
  refundedMinor: number
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
  readonly sentAt: Date
  lookAt: Date | null
}

export interface RefundRow extends Stateful<RefundState> {
  readonly requestId: number
  readonly legId: number
  readonly attemptId: number
  readonly gateway: string
  readonly chargeRef: string
  readonly amountMinor: number
  readonly stray: boolean
  readonly reason: string
  gatewayRef: string | null
  failure: string | null
  lookAt: Date | null
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

/** A refund decided on but not yet numbered; ids are taken once per batch, after all decisions. */
export type NewRefund = Omit<RefundRow, 'id' | 'version' | 'storedState' | 'gatewayRef' | 'failure'> & Cause

const cycles = { request: requestCycle, leg: legCycle, attempt: attemptCycle, refund: refundCycle } as const
type Level = keyof typeof cycles

/**
 * A working copy of the requests of one batch. Decisions change it; afterwards it knows every row to write, every step for
 * the change log and every event to announce. Pure: it neither reads nor writes the database.
 */
export class PaymentBook {
  readonly requests = new Map<number, RequestRow>()
  readonly legs = new Map<number, LegRow>()
  readonly attempts = new Map<number, AttemptRow>()
  readonly refunds = new Map<number, RefundRow>()
  readonly changes: RootChange[] = []
  readonly events: NewEvent[] = []
  readonly newRefunds: NewRefund[] = []
  readonly changedRequests = new Set<RequestRow>()
  readonly changedLegs = new Set<LegRow>()
  readonly changedAttempts = new Set<AttemptRow>()
  readonly changedRefunds = new Set<RefundRow>()
  readonly now: Date
  readonly #legsOf = new Map<number, LegRow[]>()
  readonly #liveAttemptOf = new Map<number, AttemptRow>()
  #change: RootChange | undefined

  constructor(now: Date) {
    this.now = now
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

  addRefund(row: RefundRow): void {
    this.refunds.set(row.id, row)
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

  /** True while the leg may still bring money: a call is out, or a retry is due. */
  isUnderWay(leg: LegRow): boolean {
    return leg.state === 'created' && (leg.retryAt !== null || this.liveAttemptOf(leg) !== undefined)
  }

  moveRequest(row: RequestRow, to: RequestState, by: Cause): void {
    this.#step('request', requestCycle, row.id, row, to, by)
    this.changedRequests.add(row)
  }

  moveLeg(row: LegRow, to: LegState, by: Cause): void {
    this.#step('leg', legCycle, row.requestId, row, to, by)
    this.changedLegs.add(row)
  }

  moveAttempt(row: AttemptRow, to: AttemptState, by: Cause): void {
    this.#step('attempt', attemptCycle, row.requestId, row, to, by)
    this.changedAttempts.add(row)
  }

  moveRefund(row: RefundRow, to: RefundState, by: Cause): void {
    this.#step('refund', refundCycle, row.requestId, row, to, by)
    this.changedRefunds.add(row)
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
