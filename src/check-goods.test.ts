import { expect, it } from 'vitest'
import type { StoredWaybill, WaybillState } from '#fulfilment'
import type { ItemState } from '#orders'
import { differencesOf } from './check-goods.ts'

const at = new Date('2026-03-02T09:00:00Z')
const waybill = (waybillId: number, state: WaybillState, change: Partial<StoredWaybill> = {}): StoredWaybill => ({
  waybillId,
  orderId: 1,
  orderNumber: 'A1',
  sectionNo: 1,
  skuType: 'dry',
  merchant: '',
  purpose: 'delivery',
  part: 0,
  state,
  attempt: 1,
  ask: 1,
  version: 1,
  destination: { name: 'Ada', line1: '1 Main St', city: 'Niagara Falls', postcode: 'L2E 1A1', country: 'CA' },
  slot: null,
  routeId: 4,
  readyAt: null,
  cutOffAt: null,
  holds: [],
  originId: null,
  claimId: null,
  madeBy: null,
  reference: null,
  items: [{ itemNo: 1, sku: 'tea', quantity: 2, weightGrams: 1, volumeMl: 1 }],
  weightGrams: 1,
  volumeMl: 1,
  pieces: 2,
  createdAt: at,
  movedAt: at,
  ...change,
})
const row = (state: ItemState, change: object = {}) => ({ itemNo: 1, state, quantity: 2, withheld: false, tooFarGone: false, ...change })
type Milestones = Parameters<typeof differencesOf>[2]
const differ = (items: ReturnType<typeof row>[], waybills: StoredWaybill[], milestones: Milestones) => {
  const found = differencesOf({ orderId: 1, items }, waybills, milestones)
  return [...found.items, ...found.shipments]
}

it('agrees where items, waybills and shipments stand together, after a failed attempt and a new plan as well', () => {
  expect(differ([row('shipped')], [waybill(7, 'loaded')], new Map([[7, 'in_transit']]))).toEqual([])
  expect(differ([row('ready')], [waybill(7, 'created')], new Map([[7, 'accepted']]))).toEqual([])
  expect(differ([row('delivery_failed')], [waybill(7, 'staged', { attempt: 2 })], new Map([[7, 'attempted']]))).toEqual([])
  expect(
    differ(
      [row('allocated')],
      [waybill(7, 'cancelled'), waybill(8, 'routed')],
      new Map([
        [7, 'cancelled'],
        [8, 'created'],
      ]),
    ),
  ).toEqual([])
  const fetched = waybill(9, 'out_for_delivery', { purpose: 'return' })
  expect(
    differ(
      [row('confirmed')],
      [waybill(7, 'delivered'), fetched],
      new Map([
        [7, 'delivered'],
        [9, 'created'],
      ]),
    ),
  ).toEqual([])
})

it('leaves to people what came to the door although it was cancelled, once they were told', () => {
  const shipped = new Map([[7, 'delivered']]) as Milestones
  const [whole, some] = [row('cancelled'), row('delivered', { quantity: 1 })]
  expect(differ([whole], [waybill(7, 'delivered')], shipped)).toEqual(['order 1: item 1 is cancelled, its waybill 7 is delivered'])
  expect(differ([some], [waybill(7, 'delivered')], shipped)).toEqual(['order 1: item 1 has 1 pieces, waybill 7 carries 2'])
  for (const item of [whole, some]) expect(differ([{ ...item, tooFarGone: true }], [waybill(7, 'delivered')], shipped)).toEqual([])
})

it('asks for no waybill where nothing is to be carried, and names what is lost where something is', () => {
  for (const item of [row('pending_payment'), row('cancelled'), row('paid', { withheld: true })])
    expect(differ([item], [], new Map())).toEqual([])
  expect(differ([row('paid')], [], new Map())).toEqual(['order 1: item 1 is paid, and no waybill carries it'])
  expect(differ([row('allocated')], [waybill(7, 'cancelled')], new Map([[7, 'cancelled']]))).toEqual([
    'order 1: item 1 is allocated, and no waybill carries it',
  ])
})

it('names each side of what differs: a state, a quantity, a row that is not there, a shipment', () => {
  expect(differ([row('delivered')], [waybill(7, 'loaded')], new Map([[7, 'in_transit']]))).toEqual([
    'order 1: item 1 is delivered, its waybill 7 is loaded',
  ])
  expect(differ([row('delivery_failed')], [waybill(7, 'staged')], new Map([[7, 'accepted']]))).toHaveLength(1)
  expect(differ([row('shipped', { quantity: 1 })], [waybill(7, 'loaded')], new Map([[7, 'in_transit']]))).toEqual([
    'order 1: item 1 has 1 pieces, waybill 7 carries 2',
  ])
  expect(differ([], [waybill(7, 'loaded')], new Map([[7, 'in_transit']]))).toEqual([
    'order 1: waybill 7 carries item 1, which the order does not have',
  ])
  expect(differ([row('shipped')], [waybill(7, 'loaded')], new Map())).toEqual(['order 1: waybill 7 is loaded, its shipment is not there'])
  expect(differ([row('shipped')], [waybill(7, 'loaded')], new Map([[7, 'delivered']]))).toEqual([
    'order 1: waybill 7 is loaded, its shipment is delivered',
  ])
})
