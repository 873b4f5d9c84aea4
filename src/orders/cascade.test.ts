import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bitsOf, emptyFold, explainFold, flagNames, foldItem, foldStates, joinFolds, stateOfFold } from './cascade.ts'
import { flagBits, foldedStates, type ItemState, itemLifeCycle } from './lifecycle.ts'

const anyState = fc.constantFrom(...itemLifeCycle.stateNames)
const states = fc.array(anyState, { maxLength: 12 })

describe('the fold of items', () => {
  test('is a monoid: any grouping and any order of joining gives the same', () => {
    fc.assert(
      fc.property(states, states, states, (a, b, c) => {
        const [x, y, z] = [foldStates(a), foldStates(b), foldStates(c)]
        expect(joinFolds(joinFolds(x, y), z)).toEqual(joinFolds(x, joinFolds(y, z)))
        expect(joinFolds(x, y)).toEqual(joinFolds(y, x))
        expect(joinFolds(x, emptyFold)).toEqual(x)
        expect(foldStates([...a, ...b])).toEqual(joinFolds(x, y))
      }),
    )
  })

  test('over sections equals the fold over all items, however they are divided', () => {
    fc.assert(
      fc.property(fc.array(states, { maxLength: 6 }), (sections) => {
        const bySection = sections.map(foldStates).reduce(joinFolds, emptyFold)
        expect(stateOfFold(bySection)).toBe(stateOfFold(foldStates(sections.flat())))
      }),
    )
  })

  test('always gives a state that the database allows', () => {
    fc.assert(
      fc.property(states, (items) => {
        expect(foldedStates).toContain(stateOfFold(foldStates(items)))
      }),
    )
  })

  test('flags fold with the states: what calls for a person in one item does so in its section and its order, however they are grouped', () => {
    const flagged = fc.array(fc.tuple(anyState, fc.nat(63)), { maxLength: 8 })
    const foldAll = (items: [ItemState, number][]) => items.map(([state, flags]) => foldItem(state, flags)).reduce(joinFolds, emptyFold)
    fc.assert(
      fc.property(fc.array(flagged, { maxLength: 5 }), (sections) => {
        const all = sections.flat()
        const whole = foldAll(all)
        expect(sections.map(foldAll).reduce(joinFolds, emptyFold)).toEqual(whole)
        expect(foldAll(all.toReversed())).toEqual(whole)
        for (const [state, flags] of all) expect(whole.flags & flags).toBe(flags & (state === 'delivery_failed' ? -1 : 63))
        expect((whole.flags & flagBits.failed_delivery) !== 0).toBe(
          all.some(([state, flags]) => state === 'delivery_failed' || (flags & 2) !== 0),
        )
        expect(bitsOf(flagNames(whole.flags))).toBe(whole.flags)
      }),
    )
  })

  test('its reason gives the same state, and names items wherever there are any', () => {
    fc.assert(
      fc.property(states, (items) => {
        const fold = foldStates(items)
        const reason = explainFold(fold)
        expect(reason.state).toBe(stateOfFold(fold))
        expect(items.length === 0 || items.some(reason.by)).toBe(true)
      }),
    )
  })

  const cases: [items: ItemState[], state: string][] = [
    [[], 'draft'],
    [['cancelled', 'cancelled'], 'cancelled'],
    [['cancelled', 'returned'], 'returned'],
    [['lost', 'cancelled'], 'lost'],
    [['delivered', 'returned'], 'partially_returned'],
    [['confirmed', 'confirmed'], 'confirmed'],
    [['delivered', 'confirmed'], 'delivered'],
    [['delivered', 'shipped'], 'partially_delivered'],
    [['shipped', 'out_for_delivery'], 'shipped'],
    [['shipped', 'paid'], 'partially_shipped'],
    [['delivery_failed', 'shipped'], 'shipped'],
    [['paid', 'cancelled'], 'paid'],
    [['preparing', 'allocated'], 'allocated'],
    [['backordered', 'ready'], 'backordered'],
    [['pending_payment', 'paid'], 'pending_payment'],
  ]
  test.each(cases)('%j is %s', (items, state) => {
    expect(stateOfFold(items.map(foldItem).reduce(joinFolds, emptyFold))).toBe(state)
  })
})
