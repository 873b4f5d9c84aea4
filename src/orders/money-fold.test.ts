import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MoneyState } from './lifecycle.ts'
import { emptyMoney, foldPart, foldParts, joinMoney, type MoneyFold, moneyStateOf } from './money-fold.ts'
import { newPart, type Part } from './order.ts'

const sums = fc.record({
  dueMinor: fc.nat(1_000),
  authorizedMinor: fc.nat(1_000),
  capturedMinor: fc.nat(1_000),
  refundedMinor: fc.nat(1_000),
  goodwillMinor: fc.nat(100),
})
const anyPart = fc
  .tuple(fc.nat(2_000), fc.nat(1_000), fc.option(sums, { nil: undefined }))
  .map(([part, askedMinor, told]): Part => ({ ...newPart(part, askedMinor), ...(told && { told }) }))

describe('the fold of money', () => {
  test('is a monoid: parts give the same sums however they are grouped and ordered', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyPart, { maxLength: 4 }), { maxLength: 5 }), (sections) => {
        const bySection = sections.map((parts) => foldParts(parts)).reduce(joinMoney, emptyMoney)
        expect(bySection).toEqual(foldParts(sections.flat()))
        expect(foldParts(sections.flat().toReversed())).toEqual(bySection)
        expect(joinMoney(bySection, emptyMoney)).toEqual(bySection)
      }),
    )
  })

  test('owes what the order asks, even before payments have heard of a raise', () => {
    const told = { dueMinor: 100, authorizedMinor: 0, capturedMinor: 100, refundedMinor: 0, goodwillMinor: 0 }
    expect(moneyStateOf(foldPart({ ...newPart(0, 120), told }))).toBe('partial')
    expect(moneyStateOf(foldPart({ ...newPart(0, 80), told }))).toBe('captured')
  })

  const cases: [due: number, authorized: number, captured: number, refunded: number, goodwill: number, state: MoneyState][] = [
    [100, 0, 0, 0, 0, 'none'],
    [0, 0, 0, 0, 0, 'none'],
    [100, 40, 0, 0, 0, 'partial'],
    [100, 0, 40, 0, 0, 'partial'],
    [100, 100, 0, 0, 0, 'authorized'],
    [100, 60, 40, 0, 0, 'authorized'],
    [100, 0, 100, 0, 0, 'captured'],
    [80, 0, 100, 0, 0, 'over'],
    [80, 0, 100, 20, 0, 'partially_refunded'],
    [100, 0, 100, 10, 10, 'partially_refunded'],
    [0, 0, 100, 100, 0, 'refunded'],
    [60, 0, 100, 20, 0, 'over'],
  ]
  test.each(cases)(
    'due %i, authorised %i, captured %i, given back %i (%i of it goodwill) is %s',
    (due, authorized, captured, refunded, goodwill, state) => {
      const fold: MoneyFold = {
        dueMinor: due,
        authorizedMinor: authorized,
        capturedMinor: captured,
        refundedMinor: refunded,
        goodwillMinor: goodwill,
      }
      expect(moneyStateOf(fold)).toBe(state)
    },
  )
})
