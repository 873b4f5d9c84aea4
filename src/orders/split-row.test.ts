import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { amountOf, type Line } from './order.ts'
import { shareOf, splitLine } from './split-row.ts'

const anyLine = fc
  .record({
    quantity: fc.integer({ min: 1, max: 10_000 }),
    unitPriceMinor: fc.integer({ min: 0, max: 10_000_000 }),
    discount: fc.double({ min: 0, max: 1, noNaN: true }),
    taxMinor: fc.integer({ min: 0, max: 100_000_000_000 }),
  })
  .map(
    ({ quantity, unitPriceMinor, discount, taxMinor }): Line => ({
      sku: 'tea',
      skuType: 'dry',
      quantity,
      unitPriceMinor,
      discountMinor: Math.floor(quantity * unitPriceMinor * discount),
      taxMinor,
      weightGrams: 10,
      volumeMl: 10,
      originItemNo: null,
      originKind: null,
    }),
  )

describe('splitting a row', () => {
  test('any sequence of splits leaves siblings whose quantities and amounts add up to the original, to the minor unit', () => {
    fc.assert(
      fc.property(anyLine, fc.array(fc.tuple(fc.nat(50), fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 12 }), (line, cuts) => {
        const rows = [line]
        for (const [which, share] of cuts) {
          const at = which % rows.length
          const row = rows[at] as Line
          if (row.quantity < 2) continue
          const { rest, taken } = splitLine(row, Math.max(1, Math.min(row.quantity - 1, Math.floor(row.quantity * share))))
          rows[at] = rest
          rows.push(taken)
        }
        const sum = (of: (row: Line) => number) => rows.reduce((total, row) => total + of(row), 0)
        expect(sum(({ quantity }) => quantity)).toBe(line.quantity)
        expect(sum(({ discountMinor }) => discountMinor)).toBe(line.discountMinor)
        expect(sum(({ taxMinor }) => taxMinor)).toBe(line.taxMinor)
        expect(sum(amountOf)).toBe(amountOf(line))
        for (const row of rows) {
          expect(row.quantity).toBeGreaterThan(0)
          expect(row.taxMinor).toBeGreaterThanOrEqual(0)
          expect(row.discountMinor).toBeGreaterThanOrEqual(0)
          expect(row.discountMinor).toBeLessThanOrEqual(row.quantity * row.unitPriceMinor)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('a share is within one minor unit of what it should be, and the odd unit of a tie stays with the rest', () => {
    fc.assert(
      fc.property(
        fc.nat(100_000_000_000),
        fc.integer({ min: 1, max: 9_999 }),
        fc.integer({ min: 2, max: 10_000 }),
        (amount, take, quantity) => {
          fc.pre(take < quantity)
          const exact = BigInt(amount) * BigInt(take)
          const difference = BigInt(shareOf(amount, take, quantity)) * BigInt(quantity) - exact
          expect(difference < BigInt(quantity) && difference > -BigInt(quantity)).toBe(true)
        },
      ),
    )
    expect(shareOf(1, 1, 2)).toBe(0)
    expect(shareOf(100, 2, 3)).toBe(67)
  })
})
