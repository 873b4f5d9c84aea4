import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expire, giveGoodwill, raiseDueOf, reduceDue } from './change-due.ts'
import { captureLeg, dueMinor, freeMinor, isSecured, keptMinor, promisedMinor, settleUp, stateOf, sumsOf } from './fold-request.ts'
import type { ChargeResult, FollowUpResult } from './gateway.ts'
import { type AttemptRow, type BookRules, type FollowUpRow, type LegRow, PaymentBook, type RequestRow } from './payment-book.ts'
import type { Means } from './payment-plan.ts'
import { refundPolicies } from './refund-plan.ts'
import { settleDispute, settleFollowUp } from './settle-follow-up.ts'
import { defaultTimes, hasRoundFailed, settleAttempt } from './settlement.ts'

const now = new Date('2026-03-02T09:00:00Z')
const by = { cause: 'test', commandId: 'c', actor: 'test' }

interface Shape {
  readonly settle: RequestRow['settle']
  readonly capture: RequestRow['capture']
  readonly policy: (typeof refundPolicies)[number]
  readonly legs: readonly { readonly means: Means; readonly amountMinor: number }[]
}

const rulesOf = (shape: Shape): BookRules => ({
  rulesOf: () => ({ refundPolicy: shape.policy, failedRefund: 'wallet' }),
  hasAnotherGateway: () => false,
  hasWallet: true,
})

const plain: Shape = { settle: 'together', capture: 'now', policy: 'last_first', legs: [{ means: 'card', amountMinor: 500 }] }

/** A request as it stands right after it was asked: a call is out for each leg. */
class Walk {
  readonly book: PaymentBook
  readonly request: RequestRow
  readonly open: FollowUpRow[] = []
  #nextId = 100

  constructor(shape: Shape) {
    this.book = new PaymentBook(now, rulesOf(shape))
    const amountMinor = shape.legs.reduce((sum, leg) => sum + leg.amountMinor, 0)
    this.request = {
      id: 1,
      orderId: 10,
      part: 0,
      storeId: 's',
      customerId: 'c1',
      currency: 'EUR',
      amountMinor,
      reducedMinor: 0,
      closed: 0,
      settle: shape.settle,
      capture: shape.capture,
      releaseMinor: null,
      expiresAt: null,
      goodwillHeldMinor: 0,
      goodwillMinor: 0,
      state: 'processing',
      storedState: 'processing',
      version: 1,
    }
    this.book.addRequest(this.request)
    shape.legs.forEach(({ means, amountMinor: share }, index) => {
      const charged = means !== 'cash_on_delivery' && shape.capture === 'now' && (shape.settle === 'apart' || shape.legs.length === 1)
      const leg: LegRow = {
        id: 10 + index,
        requestId: 1,
        position: index + 1,
        round: 1,
        means,
        mode: charged ? 'charge' : 'authorize',
        amountMinor: share,
        authorizedMinor: 0,
        captureHeldMinor: 0,
        voidHeldMinor: 0,
        unneededMinor: 0,
        capturedMinor: 0,
        refundHeldMinor: 0,
        refundedMinor: 0,
        disputedMinor: 0,
        attempts: 1,
        retryAt: null,
        state: 'created',
        storedState: 'created',
        version: 1,
      }
      this.book.addLeg(leg)
      this.#attempt(leg)
    })
  }

  get legs(): readonly LegRow[] {
    return this.book.legsOf(this.request)
  }

  leg(index: number): LegRow {
    const leg = this.legs[index % this.legs.length]
    if (leg === undefined) throw new Error('no leg')
    return leg
  }

  #attempt(leg: LegRow): void {
    const id = this.#nextId++
    const attempt: AttemptRow = {
      id,
      legId: leg.id,
      requestId: 1,
      sequence: leg.attempts,
      retired: 0,
      gateway: 'g',
      amountMinor: leg.amountMinor,
      gatewayRef: null,
      reason: null,
      lookAt: now,
      action: null,
      state: 'sent',
      storedState: 'sent',
      version: 1,
    }
    this.book.addAttempt(attempt)
  }

  /** What a gateway says of the leg's attempt that counts. */
  answer(index: number, result: ChargeResult): void {
    const attempt = this.book.liveAttemptOf(this.leg(index))
    if (attempt !== undefined) settleAttempt(this.book, attempt, result, by, defaultTimes)
    this.#collect()
  }

  followUp(index: number, result: FollowUpResult): void {
    const [row] = this.open.length === 0 ? [] : this.open.splice(index % this.open.length, 1)
    if (row === undefined) return
    settleFollowUp(this.book, row, result, by, defaultTimes)
    if (result.outcome === 'unknown') this.open.push(row)
    this.#collect()
  }

  retry(): void {
    for (const leg of this.legs) {
      if (leg.retryAt === null || leg.state !== 'created') continue
      leg.attempts += 1
      leg.retryAt = null
      this.#attempt(leg)
    }
  }

  do(change: () => void): void {
    change()
    this.#collect()
  }

  #collect(): void {
    for (const fresh of this.book.newFollowUps.splice(0)) {
      this.open.push({
        ...fresh,
        id: this.#nextId++,
        storedState: fresh.state,
        version: 1,
        gatewayRef: null,
        failure: null,
        replacement: null,
      })
    }
  }

  get covered(): number {
    return this.book.events.filter(({ payload }) => (payload as { covered?: boolean }).covered === true).length
  }

  told(type: string): number {
    return this.book.events.filter((event) => event.type === type).length
  }
}

const succeeded: ChargeResult = { outcome: 'succeeded', gatewayRef: 'ch_1' }
const done: FollowUpResult = { outcome: 'succeeded', gatewayRef: 're_1' }

function holds(walk: Walk): void {
  const { book, request, legs } = walk
  const wanted = request.closed === 0 ? dueMinor(request) : 0
  const need = Math.max(0, wanted - request.goodwillHeldMinor)
  let kept = 0
  let promised = 0
  let free = 0
  for (const leg of legs) {
    kept += keptMinor(leg)
    promised += promisedMinor(leg)
    free += freeMinor(leg)
    expect(leg.refundedMinor).toBeLessThanOrEqual(leg.refundHeldMinor)
    expect(leg.refundHeldMinor).toBeLessThanOrEqual(leg.capturedMinor)
    expect(leg.authorizedMinor + leg.capturedMinor).toBeLessThanOrEqual(leg.amountMinor)
    expect(leg.unneededMinor + leg.captureHeldMinor).toBeLessThanOrEqual(leg.authorizedMinor)
    expect(leg.voidHeldMinor).toBeLessThanOrEqual(leg.unneededMinor)
    expect(Math.min(leg.authorizedMinor, leg.captureHeldMinor, leg.voidHeldMinor, leg.unneededMinor, leg.disputedMinor)).toBe(
      Math.max(0, Math.min(leg.authorizedMinor, leg.captureHeldMinor, leg.voidHeldMinor, leg.unneededMinor, leg.disputedMinor)),
    )
    if (hasRoundFailed(book, leg)) expect([keptMinor(leg), freeMinor(leg)]).toEqual([0, 0])
    const isLeft = leg.authorizedMinor > 0 && leg.unneededMinor === leg.authorizedMinor
    if (isLeft) expect(walk.open.some((row) => row.legId === leg.id && row.kind === 'void')).toBe(true)
  }
  expect(kept).toBeLessThanOrEqual(Math.max(0, need))
  if (free > 0) expect(kept + promised).toBeLessThanOrEqual(Math.max(need, promised))
  if (free > 0) expect(kept + promised).toBeLessThanOrEqual(need)
  expect(sumsOf(book, request).dueMinor).toBe(dueMinor(request))
  expect(walk.told('payments.moved')).toBeGreaterThanOrEqual(walk.covered)
}

describe('settling', () => {
  test('the same success three times counts once', () => {
    const walk = new Walk(plain)
    const attempt = walk.book.liveAttemptOf(walk.leg(0))
    if (attempt === undefined) throw new Error('no attempt')
    expect([1, 2, 3].map(() => settleAttempt(walk.book, attempt, succeeded, by, defaultTimes))).toEqual(['applied', 'repeated', 'repeated'])
    expect([walk.leg(0).capturedMinor, walk.request.state, walk.book.events.length]).toEqual([500, 'covered', 1])
    expect(settleAttempt(walk.book, attempt, { outcome: 'declined_hard', reason: 'x' }, by, defaultTimes)).toBe('contradicted')
    expect(settleAttempt(walk.book, attempt, { outcome: 'unknown', reason: 'timeout' }, by, defaultTimes)).toBe('repeated')
    expect(walk.request.state).toBe('covered')
    expect(walk.book.wide).toBe(false)
  })

  test('an unknown attempt keeps its place, so no other can be made beside it', () => {
    const walk = new Walk(plain)
    walk.answer(0, { outcome: 'unknown', reason: 'timeout' })
    const leg = walk.leg(0)
    const live = walk.book.liveAttemptOf(leg)
    expect([live?.retired, leg.retryAt, live?.state]).toEqual([0, null, 'unknown'])
    expect(walk.book.events.map(({ type }) => type)).toEqual(['payments.checking'])
  })

  test('two cards together: the second declined for good lets the first go, and one event says so', () => {
    const walk = new Walk({ ...plain, legs: [plain.legs[0], plain.legs[0]].flatMap((leg) => leg ?? []) })
    walk.answer(0, succeeded)
    expect([walk.leg(0).state, walk.request.state, walk.covered]).toEqual(['authorized', 'processing', 0])
    walk.answer(1, { outcome: 'declined_hard', reason: 'stolen' })
    expect(walk.open.map(({ kind, amountMinor }) => [kind, amountMinor])).toEqual([['void', 500]])
    walk.followUp(0, done)
    expect([walk.leg(0).state, walk.leg(1).state, walk.request.state]).toEqual(['voided', 'failed', 'open'])
    expect(walk.told('payments.failed')).toBe(1)
  })

  test('two cards together: both authorised are captured, and covered when both are in hand', () => {
    const walk = new Walk({ ...plain, legs: [plain.legs[0], plain.legs[0]].flatMap((leg) => leg ?? []) })
    walk.answer(0, succeeded)
    walk.answer(1, succeeded)
    expect(walk.open.map(({ kind, last }) => [kind, last])).toEqual([
      ['capture', true],
      ['capture', true],
    ])
    walk.followUp(0, done)
    expect([walk.request.state, walk.covered]).toEqual(['partially_covered', 0])
    walk.followUp(0, done)
    expect([walk.request.state, walk.covered]).toEqual(['covered', 1])
  })

  test('a capture that is refused after another succeeded gives that one back', () => {
    const walk = new Walk({ ...plain, legs: [plain.legs[0], plain.legs[0]].flatMap((leg) => leg ?? []) })
    walk.answer(0, succeeded)
    walk.answer(1, succeeded)
    walk.followUp(0, done)
    walk.followUp(0, { outcome: 'failed', reason: 'expired' })
    expect(walk.open.map(({ kind, legId }) => [kind, legId]).toSorted()).toEqual([
      ['refund', 10],
      ['void', 11],
    ])
    walk.followUp(0, done)
    walk.followUp(0, done)
    expect([walk.leg(0).state, walk.leg(1).state, walk.request.state]).toEqual(['refunded', 'failed', 'open'])
  })

  test('the state of a request is what its sums say', () => {
    const at = (inHand: number, acting: boolean, asking: boolean) => stateOf(inHand, 5, { acting, asking })
    expect([
      at(0, false, true),
      at(0, false, false),
      at(0, true, true),
      at(3, true, true),
      at(5, false, false),
      at(6, false, false),
    ]).toEqual(['processing', 'open', 'requires_action', 'partially_covered', 'covered', 'overcovered'])
  })

  const amount = fc.integer({ min: 1, max: 1_000 })
  const shape: fc.Arbitrary<Shape> = fc.record({
    settle: fc.constantFrom('together', 'apart'),
    capture: fc.constantFrom('now', 'on_shipment'),
    policy: fc.constantFrom(...refundPolicies),
    legs: fc.array(fc.record({ means: fc.constantFrom<Means>('card', 'card', 'wallet', 'cash_on_delivery'), amountMinor: amount }), {
      minLength: 1,
      maxLength: 4,
    }),
  })
  const index = fc.nat({ max: 7 })
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('answer' as const),
        index,
        result: fc.constantFrom<ChargeResult>(
          succeeded,
          succeeded,
          succeeded,
          { outcome: 'declined_soft', reason: 's' },
          { outcome: 'declined_hard', reason: 'h' },
          { outcome: 'unreachable', reason: 'u' },
          { outcome: 'unknown', reason: 't' },
          { outcome: 'requires_action', gatewayRef: 'ch_1', action: { kind: 'redirect', url: 'u' } },
        ),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('followUp' as const),
        index,
        result: fc.constantFrom<FollowUpResult>(done, done, { outcome: 'failed', reason: 'f' }, { outcome: 'unknown', reason: 't' }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constantFrom('retry' as const, 'expire' as const, 'capture' as const, 'last' as const), amount }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('reduce' as const, 'raise' as const, 'goodwill' as const), amount }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('dispute' as const, 'win' as const), index, amount }) },
  )

  function take(walk: Walk, each: typeof step extends fc.Arbitrary<infer Step> ? Step : never): void {
    const { book, request } = walk
    switch (each.do) {
      case 'answer':
        walk.answer(each.index, each.result)
        return
      case 'followUp':
        walk.followUp(each.index, each.result)
        return
      case 'retry':
        walk.retry()
        return
      case 'expire':
        if (request.closed === 0 && !isSecured(book, request)) walk.do(() => expire(book, request, by))
        return
      case 'capture':
      case 'last': {
        if (request.closed !== 0) return
        const was = isSecured(book, request)
        walk.do(() => {
          for (const leg of walk.legs) {
            const share = Math.min(each.amount, freeMinor(leg))
            if (each.do === 'last') leg.unneededMinor += freeMinor(leg) - share
            captureLeg(book, leg, share, { last: each.do === 'last', reason: 'shipped' }, by)
          }
          settleUp(book, request, { was, by })
        })
        return
      }
      case 'reduce':
        if (request.closed === 0 && each.amount <= dueMinor(request)) walk.do(() => reduceDue(book, request, each.amount, 'test', by))
        return
      case 'raise':
        if (request.closed === 0) walk.do(() => raiseDueOf(book, request, each.amount, by))
        return
      case 'goodwill': {
        const most = walk.legs.reduce((sum, leg) => sum + keptMinor(leg), 0)
        const amountMinor = Math.min(each.amount, most)
        if (request.closed === 0 && amountMinor > 0)
          walk.do(() => giveGoodwill(book, request, { amountMinor, reason: 'gift', toWallet: each.amount % 2 === 0 }, by))
        return
      }
      default: {
        const attempt = book.liveAttemptOf(walk.leg(each.index))
        if (attempt !== undefined) {
          walk.do(() => settleDispute(book, attempt, { id: 9, amountMinor: each.amount, won: each.do === 'win' }, by))
        }
      }
    }
  }

  test('whatever the order of answers, refusals, captures, cancels, gifts and disputes: no more is kept than is due, all or none, nothing stays set aside', () => {
    fc.assert(
      fc.property(shape, fc.array(step, { maxLength: 25 }), (drawn, steps) => {
        const walk = new Walk(drawn)
        for (const each of steps) {
          take(walk, each)
          holds(walk)
        }
        // Then everything that is out comes to a good end, and all is shipped: nothing may be left under way.
        for (let round = 0; round < 12; round += 1) {
          walk.retry()
          walk.legs.forEach((_, at) => walk.answer(at, succeeded))
          while (walk.open.length > 0) walk.followUp(0, done)
          if (round > 5) take(walk, { do: 'last', amount: 1_000_000 })
          holds(walk)
        }
        expect(['processing', 'requires_action']).not.toContain(walk.request.state)
        for (const leg of walk.legs) {
          expect([leg.captureHeldMinor, leg.voidHeldMinor, leg.unneededMinor]).toEqual([0, 0, 0])
          if (walk.request.closed !== 0) expect([leg.authorizedMinor, keptMinor(leg)]).toEqual([0, 0])
        }
      }),
      { seed: 4711, numRuns: 1_000 },
    )
  })
})
