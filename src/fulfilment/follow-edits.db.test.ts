import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FollowEdit } from './index.ts'
import { codesOf, dry, elsewhere, evening, home, morning, openWaybillRig, sectionOf, type WaybillRig, who } from './waybill-rig.ts'

let rig: WaybillRig
beforeAll(async () => {
  rig = await openWaybillRig()
})
afterAll(() => rig.close())

const edit = (orderId: number, change: Partial<FollowEdit>) =>
  rig.write((context) =>
    rig.fulfilment.followEdits(context, [{ orderId, fields: ['sections'], splits: [], sections: [], ...who, ...change }]),
  )
const section = (sectionNo: number, itemNos: number[], change: object = {}) => ({
  sectionNo,
  destination: home,
  slot: morning,
  merchantId: null,
  itemNos,
  ...change,
})
const order = async (...items: number[][]) => {
  const orderId = rig.newOrder()
  const sections = items.map((quantities, at) =>
    sectionOf(
      at + 1,
      quantities.map((quantity, i) => dry(at * 10 + i + 1, quantity)),
    ),
  )
  return { orderId, ids: await rig.paid({ orderId, sections }) }
}
const contents = async (orderId: number) =>
  (await rig.waybillsOf(orderId)).map(({ state, items }) => [state, items.map(({ itemNo, quantity }) => `${itemNo}x${quantity}`).join(' ')])

describe('waybills follow edits of their order', () => {
  it('to another destination: the place is given back and a route is asked for anew', async () => {
    const { orderId, ids } = await order([1])
    const [waybillId] = ids as [number]
    await rig.routed(waybillId)
    await rig.moved(waybillId, 'released')
    const change = { fields: ['destination'], sections: [section(1, [1], { destination: elsewhere })] } as const
    expect(await edit(orderId, change)).toEqual({ changed: [waybillId], born: [], tooLate: [] })
    expect(await rig.one(orderId, waybillId)).toMatchObject({
      state: 'created',
      ask: 2,
      destination: elsewhere,
      slot: morning,
      routeId: null,
    })
    expect((await rig.told(waybillId)).slice(-2)).toMatchObject([
      { payload: { to: 'created', quota: { effect: 'give_back', ask: 1 } } },
      { type: 'fulfilment.waybill_rescheduled', payload: { attempt: 2, destination: elsewhere } },
    ])
    expect(await edit(orderId, change)).toEqual({ changed: [], born: [], tooLate: [] })
    expect((await rig.history(waybillId)).slice(-2)).toEqual([
      'waybill released>created (orders.edited)',
      'destination >changed (orders.edited)',
    ])
  })

  it('to another slot, and leave one alone that customer service has put into a slot of its own', async () => {
    const { orderId, ids } = await order([1], [1])
    const [first, second] = ids as [number, number]
    await rig.write((context) =>
      rig.fulfilment.rescheduleWaybills(context, [{ waybillId: second, slot: evening, reason: 'called', ...who }]),
    )
    const sections = [section(1, [1], { slot: evening })]
    expect(await edit(orderId, { fields: ['slot'], sections })).toMatchObject({ changed: [first] })
    expect(await rig.one(orderId, first)).toMatchObject({ slot: evening, ask: 2 })
    const moved = [section(2, [11], { destination: elsewhere })]
    expect(await edit(orderId, { fields: ['destination'], sections: moved })).toMatchObject({ changed: [second] })
    expect(await rig.one(orderId, second)).toMatchObject({ slot: evening, ask: 3 })
  })

  it('into rows that were split, wherever the goods are, without a gram more or less', async () => {
    const { orderId, ids } = await order([3, 1])
    const [waybillId] = ids as [number]
    await rig.routed(waybillId)
    await rig.moved(waybillId, 'delivered')
    const splits = [{ itemNo: 7, fromItemNo: 1, quantity: 1 }]
    await edit(orderId, { fields: ['items'], splits })
    await edit(orderId, { fields: ['items'], splits })
    expect(await contents(orderId)).toEqual([['delivered', '1x2 2x1 7x1']])
    expect((await rig.told(waybillId)).filter(({ type }) => type === 'fulfilment.rows_split')).toEqual([
      { type: 'fulfilment.rows_split', payload: { orderId, waybillId, state: 'delivered', itemNos: [7] } },
    ])
    expect(await rig.one(orderId, waybillId)).toMatchObject({ weightGrams: 4000, pieces: 4, state: 'delivered' })
  })

  it('into a section that was split off, with what stays in the old one', async () => {
    const { orderId, ids } = await order([1, 1])
    await rig.routed(ids[0] as number)
    const sections = [section(1, [1]), section(2, [2], { destination: elsewhere, slot: null })]
    const { born } = await edit(orderId, { sections })
    expect(await contents(orderId)).toEqual([
      ['routed', '1x1'],
      ['created', '2x1'],
    ])
    expect(await rig.one(orderId, born[0] as number)).toMatchObject({ sectionNo: 2, destination: elsewhere, slot: null, part: -1 })
    expect(await rig.told(...born)).toMatchObject([{ type: 'fulfilment.waybills_created', payload: { itemNos: [2] } }])
    expect(await edit(orderId, { sections })).toEqual({ changed: [], born: [], tooLate: [] })
  })

  it('into a section that took another in: its waybill takes the goods and asks anew, the other is called off', async () => {
    const { orderId, ids } = await order([1], [1])
    const [into, from] = ids as [number, number]
    await rig.routed(into)
    const sections = [section(2, []), section(1, [1, 11])]
    expect(await edit(orderId, { sections })).toEqual({ changed: [from, into], born: [], tooLate: [] })
    expect(await contents(orderId)).toEqual([
      ['created', '1x1 11x1'],
      ['cancelled', '11x1'],
    ])
    expect((await rig.told(into)).at(-1)).toMatchObject({ type: 'fulfilment.waybill_rescheduled', payload: { pieces: 2, attempt: 2 } })
  })

  it('too late where they are in a truck: it gets a hold that keeps it from leaving until somebody looked', async () => {
    const { orderId, ids } = await order([1])
    const [waybillId] = ids as [number]
    await rig.routed(waybillId)
    await rig.moved(waybillId, 'loaded')
    const sections = [section(1, [1], { destination: elsewhere })]
    expect(await edit(orderId, { fields: ['destination'], sections })).toEqual({ changed: [], born: [], tooLate: [waybillId] })
    expect(await rig.one(orderId, waybillId)).toMatchObject({ state: 'loaded', destination: home, holds: ['order_changed'] })
    expect(codesOf(await rig.moved(waybillId, 'out_for_delivery'))).toEqual(['fulfilment.on_hold'])
  })

  it('once when two callers follow the same edit at once, and beside a cancel', async () => {
    const { orderId } = await order([2, 1], [1])
    const sections = [section(1, [1]), section(3, [2], { destination: elsewhere })]
    await Promise.all([
      edit(orderId, { sections }),
      edit(orderId, { sections }),
      rig.write((context) => rig.fulfilment.cancelWaybills(context, [{ orderId, itemNos: [11], ...who }])),
    ])
    expect((await contents(orderId)).toSorted()).toEqual([
      ['cancelled', '11x1'],
      ['created', '1x2'],
      ['created', '2x1'],
    ])
  })

  it('and keep the laws', async () => {
    expect(await rig.broken()).toEqual([])
  })
})
