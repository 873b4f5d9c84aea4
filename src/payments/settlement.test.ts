import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ChargeResult } from './gateway.ts'
import { type AttemptRow, type LegRow, PaymentBook, type RequestRow } from './payment-book.ts'
import { defaultTimes, dueMinor, reduceDue, settleAttempt, settleRefund, stateOf } from './settlement.ts'

const now = new Date('2026-03-02T09:00:00Z')
const by = { cause: 'test', commandId: 'c', actor: 'test' }

function bookOf(amountMinor: number): { book: PaymentBook; request: RequestRow; leg: LegRow; attempt: AttemptRow } {
  const book = new PaymentBook(now)
  const request: RequestRow = {
    id: 1,
    orderId: 10,
    storeId: 's',
    currency: 'EUR',
    amountMinor,
    reducedMinor: 0,
    closed: 0,
    state: 'processing',
    storedState: 'processing',
    version: 1,
  }
  const leg: LegRow = {
    id: 2,
    requestId: 1,
    position: 1,
    token: 't',
    amountMinor,
    capturedMinor: 0,
    refundHeldMinor: 0,
    refundedMinor: 0,
    attempts: 1,
    retryAt: null,
    state: 'created',
    storedState: 'created',
    version: 1,
  }
  const attempt = attemptOf(3, leg)
  book.addRequest(request)
  book.addLeg(leg)
  book.addAttempt(attempt)
  return { book, request, leg, attempt }
}

const attemptOf = (id: number, leg: LegRow): AttemptRow => ({
  id,
  legId: leg.id,
  requestId: leg.requestId,
  sequence: leg.attempts,
  retired: 0,
  gateway: 'g',
  amountMinor: leg.amountMinor,
  gatewayRef: null,
  reason: null,
  sentAt: now,
  lookAt: now,
  state: 'sent',
  storedState: 'sent',
  version: 1,
})

const succeeded: ChargeResult = { outcome: 'succeeded', gatewayRef: 'ch_1' }

describe('settling', () => {
  test('the same success three times counts once', () => {
    const { book, leg, attempt, request } = bookOf(500)
    expect([1, 2, 3].map(() => settleAttempt(book, attempt, succeeded, by, defaultTimes))).toEqual(['applied', 'repeated', 'repeated'])
    expect([leg.capturedMinor, request.state, book.events.length]).toEqual([500, 'covered', 1])
  })

  test('a decline after a success is told as a contradiction and changes nothing', () => {
    const { book, attempt, request } = bookOf(500)
    settleAttempt(book, attempt, succeeded, by, defaultTimes)
    expect(settleAttempt(book, attempt, { outcome: 'declined_hard', reason: 'x' }, by, defaultTimes)).toBe('contradicted')
    expect(settleAttempt(book, attempt, { outcome: 'unknown', reason: 'timeout' }, by, defaultTimes)).toBe('repeated')
    expect(request.state).toBe('covered')
  })

  test('an unknown attempt keeps its place, so no other can be made beside it', () => {
    const { book, leg, attempt } = bookOf(500)
    settleAttempt(book, attempt, { outcome: 'unknown', reason: 'timeout' }, by, defaultTimes)
    expect([attempt.retired, leg.retryAt, book.liveAttemptOf(leg)?.id]).toEqual([0, null, 3])
  })

  test('the state of a request is what its sums say', () => {
    expect([stateOf(0, 5, true), stateOf(0, 5, false), stateOf(3, 5, true), stateOf(5, 5, false), stateOf(6, 5, false)]).toEqual([
      'processing',
      'open',
      'partially_covered',
      'covered',
      'overcovered',
    ])
  })

  test('whatever the order of answers, reductions and refunds, no more is kept than is due and no more given back than taken', () => {
    const step = fc.oneof(
      fc.constantFrom<ChargeResult>(
        succeeded,
        { outcome: 'declined_soft', reason: 's' },
        { outcome: 'declined_hard', reason: 'h' },
        { outcome: 'unreachable', reason: 'u' },
        { outcome: 'unknown', reason: 't' },
      ),
      fc.integer({ min: 1, max: 1_000 }),
      fc.constant('refund answers' as const),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.array(step, { maxLength: 12 }), (amountMinor, steps) => {
        const { book, request, leg, attempt } = bookOf(amountMinor)
        let current = attempt
        let covered = 0
        let returnedMinor = 0
        for (const each of steps) {
          if (typeof each === 'number') {
            if (request.closed === 0 && each <= dueMinor(request)) reduceDue(book, request, each, 'test', by)
          } else if (each === 'refund answers') {
            const open = book.newRefunds.splice(0)
            open.forEach((refund, index) => {
              const row = { ...refund, id: 100 + index, storedState: refund.state, version: 1, gatewayRef: null, failure: null }
              settleRefund(book, row, { outcome: 'succeeded', gatewayRef: 're' }, by, defaultTimes)
              returnedMinor += refund.amountMinor
            })
          } else {
            settleAttempt(book, current, each, by, defaultTimes)
            if (leg.retryAt !== null) {
              leg.attempts += 1
              leg.retryAt = null
              current = attemptOf(current.id + 1, leg)
              book.addAttempt(current)
            }
          }
          covered = book.events.filter((event) => event.type === 'payments.covered').length
          expect(covered).toBeLessThanOrEqual(1)
          expect(leg.capturedMinor - leg.refundHeldMinor).toBeLessThanOrEqual(dueMinor(request))
          expect(leg.refundedMinor).toBeLessThanOrEqual(leg.refundHeldMinor)
          expect(leg.refundHeldMinor).toBeLessThanOrEqual(leg.capturedMinor)
          expect(leg.capturedMinor).toBeLessThanOrEqual(leg.amountMinor)
          expect(leg.refundedMinor).toBe(returnedMinor - strayReturned(book))
        }
      }),
      { seed: 4711, numRuns: 2_000 },
    )
  })
})

/** Strays are counted apart from the leg. In this walk each is one whole attempt that was found late. */
function strayReturned(book: PaymentBook): number {
  const open = book.newRefunds.filter((refund) => refund.stray).reduce((sum, refund) => sum + refund.amountMinor, 0)
  const found = [...book.attempts.values()].filter((attempt) => attempt.state === 'succeeded' && attempt.retired !== 0)
  return found.reduce((sum, attempt) => sum + attempt.amountMinor, 0) - open
}
