import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codesOf, dry, goods, openWaybillRig, sectionOf, valueOf, type WaybillRig, who } from './waybill-rig.ts'

let rig: WaybillRig
beforeAll(async () => {
  rig = await openWaybillRig()
})
afterAll(() => rig.close())

const make = (...commands: ReturnType<WaybillRig['made']>[]) => rig.write((context) => rig.fulfilment.makeWaybills(context, commands))

describe('waybills made by hand or by a system of its own', () => {
  it('are made once by a reference, whoever repeats it and at once, and announced once', async () => {
    const command = rig.made(rig.newOrder(), 'w-1')
    const all = (await Promise.all([1, 2, 3].map(() => make(command, command)))).flat().map(valueOf)
    expect(new Set(all.map(({ waybillId }) => waybillId)).size).toBe(1)
    expect(all.filter(({ created }) => created)).toHaveLength(1)
    const told = await rig.told(all[0]?.waybillId ?? 0)
    expect(told).toMatchObject([{ type: 'fulfilment.waybills_created', payload: { purpose: 'delivery', pieces: 1, attempt: 1 } }])
  })

  it('are answered one by one: a batch of 1,000 with bad ones makes the good ones', async () => {
    const orderId = rig.newOrder()
    const [first] = (await rig.paid({ orderId, sections: [sectionOf(1, [dry(1)])] })) as [number]
    const bad = [
      rig.made(orderId, 'b-1'),
      rig.made(orderId, 'b-2', { items: [goods(2), goods(2)] }),
      rig.made(orderId, 'b-3', { items: [goods(2)], purpose: 'return' }),
      rig.made(orderId, 'b-4', { items: [goods(2)], originId: first }),
      rig.made(orderId, 'b-5', { items: [goods(2)], purpose: 'replacement', originId: first + 1_000_000 }),
      rig.made(orderId, 'b-6', { items: [goods(2)] }),
      rig.made(orderId, 'b-7', { items: [goods(2)] }),
      rig.made(rig.newOrder(), 'b-6'),
    ]
    const many = Array.from({ length: 992 }, (_, at) => rig.made(rig.newOrder(), `many-${at}`))
    const outcomes = await make(...bad, ...many)
    expect(codesOf(outcomes.slice(0, 8))).toEqual([
      'fulfilment.already_carried',
      'fulfilment.named_twice',
      'fulfilment.no_origin',
      'fulfilment.no_origin',
      'fulfilment.no_origin',
      'ok',
      'fulfilment.already_carried',
      'fulfilment.reference_taken',
    ])
    expect(new Set(codesOf(outcomes.slice(8)))).toEqual(new Set(['ok']))
  })

  it('refuse a reference that another order got at the same moment', async () => {
    const orders = [rig.newOrder(), rig.newOrder()] as const
    const outcomes = (await Promise.all(orders.map((orderId) => make(rig.made(orderId, 'race'))))).flat()
    expect(codesOf(outcomes).toSorted()).toEqual(['fulfilment.reference_taken', 'ok'])
  })

  it('carry an item that a payment releases at the same moment only once', async () => {
    const orders = Array.from({ length: 20 }, () => rig.newOrder())
    await Promise.all([
      ...orders.map((orderId) => rig.paid({ orderId, sections: [sectionOf(1, [dry(1), dry(2)])] })),
      ...orders.map((orderId) => make(rig.made(orderId, `both-${orderId}`))),
    ])
    for (const orderId of orders) {
      const items = (await rig.waybillsOf(orderId)).flatMap((waybill) => waybill.items.map(({ itemNo }) => itemNo))
      expect(items.toSorted()).toEqual([1, 2])
    }
  })

  it('may carry again what was called off', async () => {
    const orderId = rig.newOrder()
    const [first] = (await rig.paid({ orderId, sections: [sectionOf(1, [dry(1)])] })) as [number]
    const cancelled = await rig.write((context) =>
      rig.fulfilment.callOffWaybills(context, [
        { waybillId: first, reason: 'wrong dock', ...who },
        { waybillId: first, reason: 'again', ...who },
      ]),
    )
    expect(cancelled).toMatchObject([{ value: { state: 'cancelled', changed: true } }, { value: { changed: false } }])
    expect(codesOf(await make(rig.made(orderId, 'instead')))).toEqual(['ok'])
    expect((await rig.waybillsOf(orderId)).map(({ state, part }) => [state, part])).toEqual([
      ['cancelled', 0],
      ['created', -1],
    ])
  })

  it('keep the laws', async () => {
    expect(await rig.broken()).toEqual([])
  })
})

describe('goods that come back', () => {
  const delivered = async () => {
    const orderId = rig.newOrder()
    const [waybillId] = (await rig.paid({ orderId, sections: [sectionOf(1, [dry(1, 4), dry(2)])] })) as [number]
    await rig.routed(waybillId)
    await rig.moved(waybillId, 'delivered')
    return { orderId, waybillId }
  }
  const fetch = (orderId: number, items = [{ itemNo: 1, quantity: 1 }]) =>
    rig.write((context) => rig.fulfilment.fetchGoods(context, [{ orderId, claimId: orderId * 1000 + 1, items, ...who }]))

  it('get one return waybill from the door that they were brought to, with the pieces of the claim', async () => {
    const { orderId, waybillId } = await delivered()
    const twice = await Promise.all([fetch(orderId), fetch(orderId)])
    const ids = twice.map(([outcome]) => valueOf(outcome).waybillIds)
    expect(ids[0]).toHaveLength(1)
    expect(ids[1]).toEqual(ids[0])
    const [returning] = ids[0] as [number]
    expect(await rig.one(orderId, returning)).toMatchObject({
      purpose: 'return',
      originId: waybillId,
      claimId: orderId * 1000 + 1,
      slot: null,
      items: [{ itemNo: 1, quantity: 1, weightGrams: 1000, volumeMl: 900 }],
      pieces: 1,
    })
    await rig.routed(returning)
    expect(codesOf(await rig.moved(returning, 'picked', 'returning', 'delivered', 'returned_to_depot'))).toEqual([
      'fulfilment.not_movable',
      'ok',
      'fulfilment.not_movable',
      'ok',
    ])
    expect((await rig.told(returning)).map(({ payload }) => [payload['to'], payload['claimId'], payload['quota']])).toEqual([
      [undefined, undefined, undefined],
      ['routed', orderId * 1000 + 1, null],
      ['returning', orderId * 1000 + 1, { effect: 'commit', ask: 1 }],
      ['returned_to_depot', orderId * 1000 + 1, null],
    ])
  })

  it('stay where they are when the claim is withdrawn before the truck has them', async () => {
    const { orderId } = await delivered()
    const [booked] = await fetch(orderId)
    const [returning] = valueOf(booked).waybillIds as [number]
    const keep = () =>
      rig.write((context) => rig.fulfilment.keepGoods(context, [{ orderId, claimId: orderId * 1000 + 1, reason: 'kept', ...who }]))
    expect(await keep()).toEqual([{ ok: true, value: { calledOff: 1 } }])
    expect(await keep()).toEqual([{ ok: true, value: { calledOff: 0 } }])
    expect(await rig.one(orderId, returning)).toMatchObject({ state: 'cancelled' })
  })

  it('are refused where no waybill has brought them', async () => {
    expect(codesOf(await fetch(rig.newOrder()))).toEqual(['fulfilment.nothing_to_fetch'])
  })

  it('are not called off with goods of their order that are still to go out', async () => {
    const { orderId } = await delivered()
    const [booked] = await fetch(orderId)
    const [returning] = valueOf(booked).waybillIds as [number]
    await rig.write((context) => rig.fulfilment.cancelWaybills(context, [{ orderId, itemNos: [1, 2], whole: true, ...who }]))
    expect(await rig.one(orderId, returning)).toMatchObject({ state: 'created' })
  })

  it('are replaced by waybills that point back at the one that brought the first', async () => {
    const { orderId, waybillId } = await delivered()
    const section = sectionOf(2, [{ ...dry(5), replaces: 1 }])
    await rig.paid({ orderId, part: 1000, sections: [section] })
    expect((await rig.waybillsOf(orderId)).at(-1)).toMatchObject({ purpose: 'replacement', originId: waybillId, items: [{ itemNo: 5 }] })
    expect(await rig.broken()).toEqual([])
  })
})
