import { describe, expect, test } from 'vitest'
import { type Ended, judge } from './day-books.ts'
import { dayOrder } from './day-plan.ts'
import { runDay } from './day-run.ts'
import { cityOf } from '../../src/cli/city.ts'

// The small form; the full one is `npm run day -- --orders 60000 --seed N [--kills N]`.
const orders = Number(process.env['ORDERS'] ?? 150)
const kills = Number(process.env['KILLS'] ?? 1)
const seed = Number(process.env['SEED'] ?? 203077)

describe('a day of orders', () => {
  test(`after ${orders} orders and ${kills} kills each order is paid, cancelled or waits for its customer, and all books agree`, {
    timeout: 720_000 + orders * 20 + kills * 15_000,
  }, async () => {
    console.log(`a day: seed ${seed}`)
    const report = await runDay({ orders, seed, kills })
    console.log(JSON.stringify({ ...report, breaks: report.breaks.length }))
    expect(report.breaks.slice(0, 20)).toEqual([])
    expect({ lost: report.lost, doubled: report.doubled }).toEqual({ lost: 0, doubled: 0 })
    // A day on which nothing happened proves nothing.
    expect(report.acknowledged).toBe(orders)
    expect(report.killed.server + report.killed.postgres + report.killed.both).toBe(kills)
    expect(report.delivered).toBeGreaterThan(orders)
    const happened = Object.entries(report.counts)
    for (const kind of ['edit ', 'cancel ', 'claim ', 'place '])
      expect(happened.some(([what, count]) => what.startsWith(kind) && !what.includes(':') && count > 0)).toBe(true)
  })

  const row: Ended = {
    id: '1',
    key: 'day-1-1',
    number: 'TL-1',
    state: 'delivered',
    money_state: 'captured',
    attention: [],
    requests: [{ part: 0, state: 'covered', kept: 1_000, promised: 0, due: 1_000 }],
    waybills: 1,
    claims: [],
  }
  const nothingTold = { cancelled: new Set<string>(), left: new Set<string>() }

  test('an order that keeps what it should have given back, or has nothing of what was promised, is found', () => {
    const found = (change: Partial<Ended>, told = nothingTold): string[] => judge({ ...row, ...change }, told).breaks
    expect(judge(row, nothingTold)).toEqual({ end: 'paid', breaks: [] })
    expect(found({ waybills: 0 })).toEqual(['is paid and has no waybill'])
    expect(found({ state: 'pending_payment' })).toEqual(['is paid and was never prepared'])
    expect(found({ attention: ['unknown_payment'] })).toEqual(['calls for attention: unknown_payment'])
    expect(found({ claims: ['received'] })).toEqual(['a claim ended as received'])
    expect(found({}, { ...nothingTold, cancelled: new Set([row.key]) })).toEqual(['was cancelled, its customer was told'])
    expect(found({ requests: [{ part: 0, state: 'covered', kept: 999, promised: 0, due: 1_000 }] })).toEqual([
      'part 0 is covered: 999 kept, 0 promised, 1000 due',
    ])
    const kept = [{ part: 0, state: 'cancelled', kept: 5, promised: 0, due: 0 }]
    expect(found({ state: 'cancelled', requests: kept })).toEqual(['part 0 is cancelled and keeps 5, promised 0'])
    const open = { state: 'pending_payment', requests: [{ part: 0, state: 'open', kept: 0, promised: 0, due: 1_000 }] }
    expect(found(open)).toEqual(['is neither paid nor cancelled'])
    expect(judge({ ...row, ...open }, { ...nothingTold, left: new Set([row.key]) })).toEqual({
      end: 'waiting for its customer',
      breaks: [],
    })
  })

  test('four thousand orders of one seed are the same each time, with 5 edits, 8 cancels and 6 claims in a hundred', () => {
    const now = new Date('2026-03-02T10:00:00Z')
    const city = cityOf(now)
    const day = () => Array.from({ length: 4_000 }, (_, n) => dayOrder(n, 7, city, now))
    const first = day()
    expect(JSON.stringify(first)).toBe(JSON.stringify(day()))
    const share = (kind: string): number => (100 * first.filter(({ after }) => after.kind === kind).length) / first.length
    expect(Math.abs(share('edit') - 5)).toBeLessThan(1)
    expect(Math.abs(share('cancel') - 8)).toBeLessThan(1.5)
    expect(Math.abs(share('claim') - 6)).toBeLessThan(1.5)
    expect(Math.abs((100 * first.filter(({ pay }) => pay === 'soft').length) / first.length - 5)).toBeLessThan(1)
    expect(new Set(first.map(({ pay }) => pay)).size).toBe(17)
  })
})
