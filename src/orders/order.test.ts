import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { flagNames, foldStates, stateOfFold } from './cascade.ts'
import { type ItemState, itemLifeCycle } from './lifecycle.ts'
import { cancelOrder } from './cancel-orders.ts'
import { moveItems } from './move-items.ts'
import { takeMoney } from './note-money.ts'
import { birthChanges, newPart, type Order, type StateChange } from './order.ts'

const line = {
  sku: 'tea',
  skuType: 'dry',
  quantity: 2,
  unitPriceMinor: 50,
  discountMinor: 0,
  taxMinor: 0,
  weightGrams: 1,
  volumeMl: 1,
  originItemNo: null,
  originKind: null,
}
const destination = { name: 'Ada', line1: '1 King St', city: 'Toronto', postcode: 'M5V', country: 'CA' }
const detail = { destination, slot: null, merchantId: null, shippingMinor: 0, mergedInto: null }

const orderOf = (sections: ItemState[][]): Order => {
  const items = sections
    .flatMap((states, section) => states.map((state) => ({ state, sectionNo: section + 1 })))
    .map((item, index) => ({ ...item, itemNo: index + 1, part: 0, flags: 0, line }))
  const askedMinor = items.filter(({ state }) => state !== 'cancelled').length * 100
  const fold = foldStates(sections.flat())
  return {
    id: 1,
    number: 'TL-1',
    storeId: 's',
    state: stateOfFold(fold),
    moneyState: 'none',
    attention: fold.flags,
    held: false,
    totalMinor: items.length * 100,
    parts: [newPart(0, askedMinor)],
    sections: sections.map((states, index) => ({
      sectionNo: index + 1,
      part: 0,
      state: stateOfFold(foldStates(states)),
      moneyState: 'none',
      attention: foldStates(states).flags,
      held: false,
      detail,
    })),
    items,
    detail: { customerId: 'c', currency: 'CAD', channel: 'web', placedAtMs: 0, duplicateOf: null, holds: [], claims: [] },
  }
}

/** Plays changes over an order's states, as whoever replays the log would. */
const replay = (order: Order, changes: readonly StateChange[]) => {
  const stored = new Map<string, string>([
    ['order ', order.state],
    ['money ', order.moneyState],
    ['attention ', flagNames(order.attention).join('+') || 'clear'],
    ...order.sections.flatMap((section): [string, string][] => [
      [`money ${section.sectionNo}`, section.moneyState],
      [`attention ${section.sectionNo}`, flagNames(section.attention).join('+') || 'clear'],
    ]),
    ...order.sections.map((section): [string, string] => [`section ${section.sectionNo}`, section.state]),
    ...order.items.map((item): [string, string] => [`item ${item.itemNo}`, item.state]),
  ])
  for (const { level, entity, from, to } of changes) {
    expect(stored.get(`${level} ${entity}`)).toBe(from)
    stored.set(`${level} ${entity}`, to)
  }
  return stored
}

describe('decisions', () => {
  test('whatever moves are asked, an accepted decision replays to its own result and folds rightly', () => {
    const anyState = fc.constantFrom(...itemLifeCycle.stateNames)
    fc.assert(
      fc.property(
        fc.array(fc.array(anyState, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(15), anyState), { maxLength: 6 }),
        (sections, asked) => {
          const order = orderOf(sections)
          const decided = moveItems(
            order,
            asked.map(([index, to]) => ({ itemNo: (index % order.items.length) + 1, to })),
          )
          if (!decided.ok) return
          const { after, changes } = decided.value
          const stored = replay(order, changes)
          for (const item of after.items) expect(stored.get(`item ${item.itemNo}`)).toBe(item.state)
          for (const section of after.sections) expect(stored.get(`section ${section.sectionNo}`)).toBe(section.state)
          expect(stored.get('order ')).toBe(stateOfFold(foldStates(after.items.map(({ state }) => state))))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('covering pays what waits and leaves what was cancelled', () => {
    const sums = { dueMinor: 200, authorizedMinor: 0, capturedMinor: 200, refundedMinor: 0, goodwillMinor: 0 }
    const decided = takeMoney(orderOf([['pending_payment', 'cancelled'], ['pending_payment']]), { part: 0, covered: true, sums })
    expect(decided.ok && [decided.value.after.state, decided.value.after.moneyState, decided.value.paidParts]).toEqual([
      'paid',
      'captured',
      [0],
    ])
    expect(decided.ok && decided.value.after.items.map(({ state }) => state)).toEqual(['paid', 'cancelled', 'paid'])
  })

  test('a repeated move and a late one succeed without effect', () => {
    for (const to of ['delivered', 'shipped', 'allocated'] as const) {
      const decided = moveItems(orderOf([['delivered']]), [{ itemNo: 1, to }])
      expect(decided.ok && decided.value.changes).toEqual([])
    }
  })

  test('a move that no one may make is refused with the state as it is', () => {
    const decided = moveItems(orderOf([['pending_payment']]), [{ itemNo: 1, to: 'shipped' }])
    expect(!decided.ok && [decided.error.code, decided.error.facts]).toEqual([
      'orders.not_possible',
      { itemNo: 1, state: 'pending_payment' },
    ])
  })

  test.each([
    ['paid', undefined],
    ['allocated', undefined],
    ['cancelled', undefined],
    ['preparing', undefined],
    ['ready', undefined],
    ['shipped', undefined],
    ['delivered', undefined],
    ['lost', 'orders.not_cancellable'],
    ['returned', 'orders.not_cancellable'],
  ] as const)('cancelling an item that is %s: %s', (state, code) => {
    const decided = cancelOrder(orderOf([[state]]), { reason: '' })
    expect(decided.ok ? undefined : decided.error.code).toBe(code)
  })

  test('all items of a cancel or none', () => {
    const decided = cancelOrder(orderOf([['paid', 'lost']]), { itemNos: [1, 2], reason: '' })
    expect(decided.ok).toBe(false)
  })

  test('birth is a change of every part', () => {
    expect(birthChanges([[1, 2], [3]], 'pending_payment').map(({ level, entity }) => `${level}${entity}`)).toEqual([
      'item1',
      'item2',
      'item3',
      'section1',
      'section2',
      'order',
      'money',
    ])
  })
})
