import { describe, expect, it } from 'vitest'
import { holdAgainst, holdKinds, holdTable } from './holds.ts'
import {
  alreadyPassed,
  cancelTargetOf,
  isAtHome,
  planAgainTargetOf,
  quotaEffectOf,
  returnLifeCycle,
  stepsBetween,
  type WaybillState,
  waybillLifeCycle,
  waybillStates,
  wayToTheDoor,
} from './lifecycle.ts'
import { previewOf } from './preview.ts'
import { loadOf, type PaidSection, planWaybills, type Purpose } from './waybill.ts'
import type { StoredWaybill } from './waybill-store.ts'

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

const at = (state: WaybillState, purpose: Purpose = 'delivery') => ({ purpose, state })

describe('the way of a waybill', () => {
  it('walks only over declared transitions, from any state to any other', () => {
    const cycles = { delivery: waybillLifeCycle, replacement: waybillLifeCycle, return: returnLifeCycle }
    const walks = { delivery: 0, replacement: 0, return: 0 }
    for (const purpose of ['delivery', 'replacement', 'return'] as const) {
      const canMove = cycles[purpose].canMove as (from: WaybillState, to: WaybillState) => boolean
      for (const from of waybillStates) {
        for (const to of waybillStates) {
          const steps = stepsBetween({ purpose, state: from }, to)
          if (steps === undefined) continue
          walks[purpose] += 1
          expect(steps.at(-1)).toBe(to)
          ;[from, ...steps].reduce((before, after) => {
            expect(canMove(before, after), `${before} → ${after} on ${from} → ${to} of a ${purpose}`).toBe(true)
            return after
          })
        }
      }
    }
    expect(Math.min(walks.delivery, walks.replacement)).toBeGreaterThan(60)
    expect(walks.return).toBeGreaterThan(20)
  })

  it('takes the later report as proof of the states before it, but never of a route or of a return', () => {
    expect(stepsBetween(at('routed'), 'packed')).toEqual(['released', 'acknowledged', 'picked', 'packed'])
    expect(stepsBetween(at('loaded'), 'delivered')).toEqual(['out_for_delivery', 'arrived', 'delivered'])
    expect(stepsBetween(at('created'), 'packed')).toBeUndefined()
    expect(stepsBetween(at('loaded'), 'returned_to_depot')).toBeUndefined()
    expect(stepsBetween(at('packed'), 'picked')).toBeUndefined()
  })

  it('knows a report that comes after the fact', () => {
    expect(alreadyPassed(at('packed'), 'picked')).toBe(true)
    expect(alreadyPassed(at('delivered'), 'arrived')).toBe(true)
    expect(alreadyPassed(at('picked'), 'packed')).toBe(false)
    expect(alreadyPassed(at('cancelled'), 'picked')).toBe(false)
    expect(alreadyPassed(at('delivered'), 'attempt_failed')).toBe(false)
  })

  it('cancels before loading, turns back from then on, and leaves what is over alone', () => {
    for (const state of ['created', ...wayToTheDoor.slice(0, 6)] as const) expect(cancelTargetOf(at(state))).toBe('cancelled')
    for (const state of ['loaded', 'out_for_delivery', 'arrived', 'attempt_failed'] as const)
      expect(cancelTargetOf(at(state))).toBe('returning')
    for (const state of ['delivered', 'cancelled', 'returning', 'restocked', 'lost'] as const)
      expect(cancelTargetOf(at(state))).toBeUndefined()
  })

  it('brings goods back over a way of its own: nothing is prepared, and what is fetched is on its way to the depot', () => {
    expect(stepsBetween(at('routed', 'return'), 'returning')).toEqual(['out_for_delivery', 'arrived', 'returning'])
    expect(stepsBetween(at('routed', 'return'), 'loaded')).toBeUndefined()
    expect(stepsBetween(at('arrived', 'return'), 'delivered')).toBeUndefined()
    expect(alreadyPassed(at('returning', 'return'), 'arrived')).toBe(true)
    expect(cancelTargetOf(at('arrived', 'return'))).toBe('cancelled')
    expect(cancelTargetOf(at('returning', 'return'))).toBeUndefined()
  })

  it('may be planned again until it is loaded and after a failed attempt, and not on the road', () => {
    const targets = Object.fromEntries(waybillStates.map((state) => [state, planAgainTargetOf(at(state))]))
    expect(Object.entries(targets).filter(([, to]) => to === 'created')).toHaveLength(7)
    expect(Object.entries(targets).flatMap(([state, to]) => (to === 'rescheduled' ? [state] : []))).toEqual([
      'attempt_failed',
      'rescheduled',
    ])
    expect(targets).toMatchObject({ loaded: undefined, arrived: undefined, delivered: undefined, lost: undefined })
    expect(planAgainTargetOf(at('out_for_delivery', 'return'))).toBeUndefined()
    expect(isAtHome(at('staged'))).toBe(true)
    expect(isAtHome(at('rescheduled'))).toBe(false)
    expect(isAtHome(at('routed', 'return'))).toBe(false)
  })

  it('names what each walk does to the quota', () => {
    expect(quotaEffectOf(at('routed'), ['released', 'acknowledged', 'picked'])).toBe('commit')
    expect(quotaEffectOf(at('acknowledged'), ['picked'])).toBeNull()
    expect(quotaEffectOf(at('staged'), ['created'])).toBe('give_back')
    expect(quotaEffectOf(at('packed'), ['cancelled'])).toBe('give_back')
    expect(quotaEffectOf(at('attempt_failed'), ['rescheduled'])).toBe('give_back')
    expect(quotaEffectOf(at('attempt_failed'), ['returning'])).toBeNull()
    expect(quotaEffectOf(at('rescheduled'), ['returning'])).toBe('give_back')
    expect(quotaEffectOf(at('routed', 'return'), ['out_for_delivery', 'arrived', 'returning'])).toBe('commit')
  })
})

describe('holds beside the state', () => {
  it('block the transitions that their kind names, walked ones too, and never what the road reports', () => {
    expect(holdAgainst(['hold'], ['released'])).toBe('hold')
    expect(holdAgainst(['hold'], ['released', 'acknowledged', 'picked'])).toBe('hold')
    expect(holdAgainst(['hold'], ['picked'])).toBeUndefined()
    expect(holdAgainst(['recipient_unreachable'], ['loaded'])).toBeUndefined()
    expect(holdAgainst(['recipient_unreachable'], ['loaded', 'out_for_delivery'])).toBe('recipient_unreachable')
    expect(holdAgainst(['goods_missing', 'hold'], ['picked', 'packed'])).toBe('goods_missing')
    expect(holdAgainst(holdKinds, ['out_for_delivery', 'arrived', 'delivered'])).toBeUndefined()
    expect(holdAgainst(holdKinds, ['lost'])).toBeUndefined()
    expect(holdAgainst([], ['released'])).toBeUndefined()
  })

  it('name only states of the life cycle, each kind at least one', () => {
    for (const kind of holdKinds) {
      expect(holdTable[kind].blocks.length, kind).toBeGreaterThan(0)
      for (const state of holdTable[kind].blocks) expect(waybillStates).toContain(state)
    }
  })
})

const now = new Date('2026-03-02T09:00:00Z')
const stored = (change: Partial<StoredWaybill>): StoredWaybill => ({
  waybillId: 7,
  orderId: 1,
  orderNumber: 'A1',
  sectionNo: 1,
  skuType: 'dry',
  merchant: '',
  purpose: 'delivery',
  part: 0,
  state: 'routed',
  attempt: 1,
  ask: 1,
  version: 1,
  destination: { ...destination, lat: 43.1, lng: -79.1 },
  slot: { date: '2026-03-03', code: 'AM' },
  routeId: 4,
  readyAt: null,
  cutOffAt: new Date('2026-03-02T12:00:00Z'),
  holds: [],
  originId: null,
  claimId: null,
  madeBy: null,
  reference: null,
  items: [],
  weightGrams: 0,
  volumeMl: 0,
  pieces: 0,
  createdAt: now,
  movedAt: now,
  ...change,
})

describe('a preview', () => {
  it('says where an act leads and what becomes of the place in the quota', () => {
    expect(previewOf(stored({}), { act: 'cancel' }, now)).toMatchObject({
      possible: true,
      to: 'cancelled',
      quota: 'given_back',
      asksForRoute: false,
    })
    expect(previewOf(stored({}), { act: 'cancel' }, new Date('2026-03-02T12:00:00Z'))).toMatchObject({ quota: 'burnt' })
    expect(previewOf(stored({ cutOffAt: null }), { act: 'cancel' }, now)).toMatchObject({ quota: 'unknown' })
    expect(previewOf(stored({ state: 'loaded' }), { act: 'cancel' }, now)).toMatchObject({ to: 'returning', quota: 'kept' })
    expect(previewOf(stored({ state: 'staged' }), { act: 'reschedule' }, now)).toMatchObject({
      to: 'created',
      quota: 'given_back',
      asksForRoute: true,
    })
    expect(previewOf(stored({ holds: ['hold'] }), { act: 'reschedule' }, now)).toMatchObject({
      asksForRoute: false,
      blocks: ['released', 'loaded', 'out_for_delivery'],
    })
    expect(previewOf(stored({ state: 'created', routeId: null, cutOffAt: null }), { act: 'cancel' }, now)).toMatchObject({ quota: 'none' })
  })

  it('says why an act is not possible', () => {
    expect(previewOf(stored({ state: 'arrived' }), { act: 'reschedule' }, now)).toMatchObject({
      possible: false,
      to: 'arrived',
      refusal: expect.stringContaining('arrived'),
    })
    expect(previewOf(stored({ state: 'delivered' }), { act: 'hold' }, now)).toMatchObject({ possible: false, blocks: [] })
    expect(previewOf(stored({ state: 'cancelled' }), { act: 'cancel' }, now)).toMatchObject({
      possible: true,
      to: 'cancelled',
      quota: 'kept',
    })
  })
})
