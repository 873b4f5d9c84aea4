import { describe, expect, it } from 'vitest'
import { decideCallOff, decideCancel, decideContents, decidePacked, decideReport, decideUpdate, type SalesOrder } from './sales-order.ts'

const order = (given: Partial<SalesOrder> = {}): SalesOrder => ({
  salesOrderId: 1,
  warehouse: 'main',
  waybillId: 7,
  ask: 1,
  orderId: 3,
  orderNumber: 'A3',
  pickFlow: 'by_piece',
  wave: null,
  shortPolicy: 'cancel',
  skuType: 'dry',
  slot: null,
  destination: null,
  lines: [
    { itemNo: 1, sku: 'a', quantity: 3, picked: 0, short: 0 },
    { itemNo: 2, sku: 'b', quantity: 1, picked: 0, short: 0 },
  ],
  state: 'created',
  version: 1,
  readyAt: null,
  transferredFrom: null,
  madeBy: null,
  reference: null,
  createdAt: new Date(0),
  movedAt: new Date(0),
  ...given,
})
const after = (decided: ReturnType<typeof decideReport>): SalesOrder => {
  if (!decided.ok || decided.value === null) throw new Error(decided.ok ? 'no change' : decided.error.code)
  return decided.value.after
}
const codeOf = (decided: ReturnType<typeof decideReport>): string =>
  decided.ok ? (decided.value === null ? 'none' : 'ok') : decided.error.code

describe('a report of a warehouse', () => {
  it('walks over those before it, and what it names with too little is missing', () => {
    const decided = decideReport(order(), { report: 'picked', lines: [{ itemNo: 1, picked: 1 }] })
    expect(after(decided)).toMatchObject({
      state: 'picked',
      lines: [
        { picked: 1, short: 2 },
        { picked: 1, short: 0 },
      ],
    })
    expect(decided).toMatchObject({ value: { missing: [{ itemNo: 1, quantity: 2 }] } })
  })

  it('tells early what is missing, and later only what is missing more', () => {
    const early = after(decideReport(order(), { report: 'short', lines: [{ itemNo: 1, picked: 2 }] }))
    expect(early).toMatchObject({ state: 'picking', lines: [{ short: 1, picked: 0 }, { short: 0 }] })
    expect(codeOf(decideReport(early, { report: 'short', lines: [{ itemNo: 1, picked: 2 }] }))).toBe('none')
    expect(decideReport(early, { report: 'picked', lines: [{ itemNo: 1, picked: 0 }] })).toMatchObject({
      value: { missing: [{ itemNo: 1, quantity: 2 }] },
    })
  })

  it('has no effect when it is overtaken, or came after the sales order was called off', () => {
    const picked = after(decideReport(order(), { report: 'picked' }))
    expect(codeOf(decideReport(picked, { report: 'accepted' }))).toBe('none')
    expect(codeOf(decideReport(picked, { report: 'picked', lines: [{ itemNo: 1, picked: 0 }] }))).toBe('none')
    expect(codeOf(decideReport(order({ state: 'cancelled' }), { report: 'packed' }))).toBe('none')
    expect(codeOf(decideReport(order({ state: 'transferred' }), { report: 'picked' }))).toBe('none')
  })

  it('names a line that is not there, is there twice, or does not belong to it', () => {
    expect(decideReport(order(), { report: 'picked', lines: [{ itemNo: 9, picked: 1 }] })).toMatchObject({
      error: { code: 'warehousing.unknown_line', field: '/lines/0/itemNo' },
    })
    const twice = [
      { itemNo: 1, picked: 1 },
      { itemNo: 1, picked: 1 },
    ]
    expect(decideReport(order(), { report: 'picked', lines: twice })).toMatchObject({ error: { field: '/lines/1/itemNo' } })
    expect(codeOf(decideReport(order(), { report: 'packed', lines: [{ itemNo: 1, picked: 1 }] }))).toBe('warehousing.no_lines_wanted')
    expect(codeOf(decideReport(order(), { report: 'short' }))).toBe('warehousing.lines_wanted')
  })
})

describe('by hand', () => {
  it('can be changed and cancelled until it is picked, and no longer', () => {
    expect(after(decideUpdate(order(), { pickFlow: 'wave', wave: 'w1' }))).toMatchObject({ pickFlow: 'wave', wave: 'w1' })
    expect(codeOf(decideUpdate(order(), { pickFlow: 'by_piece' }))).toBe('none')
    expect(codeOf(decideUpdate(order(), { lines: [{ itemNo: 1, sku: 'a', quantity: 2 }] }))).toBe('warehousing.follows_waybill')
    expect(after(decideUpdate(order({ waybillId: null }), { lines: [{ itemNo: 5, sku: 'c', quantity: 2 }] })).lines).toHaveLength(1)
    expect(codeOf(decideCancel(order({ state: 'picking' })))).toBe('ok')
    for (const state of ['picked', 'packed'] as const) {
      expect(codeOf(decideCancel(order({ state })))).toBe('warehousing.already_picked')
      expect(codeOf(decideUpdate(order({ state }), { wave: 'w' }))).toBe('warehousing.already_picked')
      expect(after(decideCallOff(order({ state }))).state).toBe('cancelled')
    }
    expect(codeOf(decideUpdate(order({ state: 'transferred' }), { wave: 'w' }))).toBe('warehousing.is_over')
  })
})

describe('what a waybill carries', () => {
  it('is asked for, with what is known to be missing, and no line goes away', () => {
    const short = after(decideReport(order(), { report: 'short', lines: [{ itemNo: 1, picked: 2 }] }))
    // The waybill has let go of the missing piece: nothing else is wanted.
    const same = [
      { itemNo: 1, sku: 'a', quantity: 2 },
      { itemNo: 2, sku: 'b', quantity: 1 },
    ]
    expect(codeOf(decideContents(short, same))).toBe('none')
    const less = after(
      decideContents(short, [
        { itemNo: 1, sku: 'a', quantity: 1 },
        { itemNo: 8, sku: 'a', quantity: 1 },
      ]),
    )
    expect(less.lines).toEqual([
      { itemNo: 1, sku: 'a', quantity: 2, picked: 0, short: 1 },
      { itemNo: 2, sku: 'b', quantity: 0, picked: 0, short: 0 },
      { itemNo: 8, sku: 'a', quantity: 1, picked: 0, short: 0 },
    ])
    expect(after(decidePacked(less)).lines.map(({ picked }) => picked)).toEqual([1, 0, 1])
  })

  it('of what it says about when it will be ready the last word holds, but none that comes with an overtaken report', () => {
    const [soon, later] = [new Date('2026-03-03T09:00:00Z'), new Date('2026-03-03T10:00:00Z')]
    const picking = order({ state: 'picking', readyAt: soon })
    expect(decideReport(picking, { report: 'picking', readyAt: soon })).toEqual({ ok: true, value: null })
    expect(decideReport(picking, { report: 'accepted', readyAt: later })).toEqual({ ok: true, value: null })
    expect(decideReport(picking, { report: 'picking', readyAt: later })).toMatchObject({
      value: { after: { state: 'picking', readyAt: later } },
    })
    expect(decideReport(picking, { report: 'picked', readyAt: later })).toMatchObject({
      value: { after: { state: 'picked', readyAt: later } },
    })
    expect(decideReport(order({ state: 'cancelled' }), { report: 'picked', readyAt: later })).toEqual({ ok: true, value: null })
    expect(decideReport(picking, { report: 'packed', readyAt: later })).toMatchObject({ error: { field: '/readyAt' } })
  })
})
