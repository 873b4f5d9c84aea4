import { describe, expect, it } from 'vitest'
import { alreadyPassed, cancelTargetOf, stepsBetween, waybillLifeCycle, waybillStates, wayToTheDoor } from './lifecycle.ts'
import { loadOf, type PaidSection, planWaybills } from './waybill.ts'

const destination = { name: 'Ada', line1: '1 Main St', city: 'Niagara Falls', postcode: 'L2E 1A1', country: 'CA' }
const item = (itemNo: number, skuType: 'dry' | 'frozen' | 'mixed') => ({
  itemNo,
  sku: `sku-${itemNo}`,
  skuType,
  quantity: 2,
  weightGrams: 100 * itemNo,
  volumeMl: 10 * itemNo,
})

describe('planning waybills', () => {
  const section = (sectionNo: number, items: PaidSection['items'], merchantId: string | null = null): PaidSection => ({
    sectionNo,
    destination,
    slot: null,
    merchantId,
    items,
  })

  it('makes one waybill for each SKU type of a section and keeps every item exactly once', () => {
    const plans = planWaybills([section(1, [item(1, 'dry'), item(2, 'frozen'), item(3, 'dry')]), section(2, [item(4, 'dry')], 'bakery')])
    expect(
      plans.map(({ sectionNo, skuType, merchant, items }) => [sectionNo, skuType, merchant, items.map(({ itemNo }) => itemNo)]),
    ).toEqual([
      [1, 'dry', '', [1, 3]],
      [1, 'frozen', '', [2]],
      [2, 'dry', 'bakery', [4]],
    ])
  })

  it('sums the load of lines, counting pieces and not lines', () => {
    expect(loadOf([item(1, 'dry'), item(3, 'dry')])).toEqual({ weightGrams: 400, volumeMl: 40, pieces: 4 })
  })
})

describe('the way of a waybill', () => {
  it('walks only over declared transitions, from any state to any other', () => {
    let walks = 0
    for (const from of waybillStates) {
      for (const to of waybillStates) {
        const steps = stepsBetween(from, to)
        if (steps === undefined) continue
        walks += 1
        expect(steps.at(-1)).toBe(to)
        ;[from, ...steps].reduce((before, after) => {
          expect(waybillLifeCycle.canMove(before, after), `${before} → ${after} on ${from} → ${to}`).toBe(true)
          return after
        })
      }
    }
    expect(walks).toBeGreaterThan(60)
  })

  it('takes the later report as proof of the states before it, but never of a route or of a return', () => {
    expect(stepsBetween('routed', 'packed')).toEqual(['released', 'acknowledged', 'picked', 'packed'])
    expect(stepsBetween('loaded', 'delivered')).toEqual(['out_for_delivery', 'arrived', 'delivered'])
    expect(stepsBetween('created', 'packed')).toBeUndefined()
    expect(stepsBetween('loaded', 'returned_to_depot')).toBeUndefined()
    expect(stepsBetween('packed', 'picked')).toBeUndefined()
  })

  it('knows a report that comes after the fact', () => {
    expect(alreadyPassed('packed', 'picked')).toBe(true)
    expect(alreadyPassed('delivered', 'arrived')).toBe(true)
    expect(alreadyPassed('picked', 'packed')).toBe(false)
    expect(alreadyPassed('cancelled', 'picked')).toBe(false)
    expect(alreadyPassed('delivered', 'attempt_failed')).toBe(false)
  })

  it('cancels before loading, turns back from then on, and leaves what is over alone', () => {
    for (const state of ['created', ...wayToTheDoor.slice(0, 6)] as const) expect(cancelTargetOf(state)).toBe('cancelled')
    for (const state of ['loaded', 'out_for_delivery', 'arrived', 'attempt_failed'] as const)
      expect(cancelTargetOf(state)).toBe('returning')
    for (const state of ['delivered', 'cancelled', 'returning', 'restocked', 'lost'] as const) expect(cancelTargetOf(state)).toBeUndefined()
  })
})
