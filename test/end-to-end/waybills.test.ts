import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { goods, orderOf } from '#partners/made-city/index.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { playCityRound } from '../../src/cli/city.ts'

const seed = 41

interface WaybillView {
  readonly waybillId: number
  readonly state: string
  readonly purpose: string
  readonly originId: number | null
  readonly routeId: number | null
  readonly sectionNo: number
  readonly slot: { date: string; code: string } | null
  readonly destination: { line1: string }
  readonly items: { itemNo: number; quantity: number }[]
}

describe('waybills and their orders, over HTTP', () => {
  let whole: Whole
  let next = 0
  beforeAll(async () => {
    whole = await openWhole()
  })
  afterAll(() => whole.close())

  const [tea] = goods
  const priceMinor = tea?.priceMinor ?? 0
  const read = async (path: string) => (await whole.call('GET', path)).body
  const send = async (method: 'POST' | 'PUT', path: string, body: object) => {
    const { status, body: answer } = await whole.call(method, path, body, { 'idempotency-key': crypto.randomUUID() })
    expect([path, Math.floor(status / 100), answer.code]).toEqual([path, 2, undefined])
    await whole.drained()
    return answer
  }
  const post = (path: string, body: object) => send('POST', path, body)
  const place = async (quantities: readonly number[]): Promise<{ orderId: number; number: string }> => {
    next += 1
    const made = orderOf(next, seed, (at) => whole.city.address(at))
    const items = quantities.map((quantity) => ({ sku: tea?.sku, quantity, unitPriceMinor: priceMinor }))
    const totalMinor = 499 + quantities.reduce((sum, quantity) => sum + quantity * priceMinor, 0)
    return post('/v1/orders', { ...made, totalMinor, sections: [{ ...made.sections[0], items }] })
  }
  const waybillsOf = async (orderId: number): Promise<WaybillView[]> => (await read(`/v1/orders/${orderId}/waybills`)).waybills
  const only = async (orderId: number): Promise<WaybillView> => {
    const [waybill, ...others] = await waybillsOf(orderId)
    expect(others).toEqual([])
    return waybill as WaybillView
  }
  const play = async (): Promise<void> => {
    for (let round = 0; round < 60; round += 1) {
      if ((await playCityRound(whole.core)).length === 0) return
      await whole.drained()
    }
    throw new Error('after sixty rounds there is still something to move')
  }
  const breaks = async (): Promise<string[]> => {
    const results = await whole.core.check('live')
    return results.flatMap(({ check, breaks: found }) => found.map((each) => `${check}: ${each}`))
  }
  const openSlot = async (but: string): Promise<{ date: string; code: string }> => {
    const { lat, lng } = whole.city.address(next)
    const { slots } = await read(`/v1/slots/availability?lat=${lat}&lng=${lng}&skuType=dry&days=7`)
    const free = slots.findLast((slot: { date: string; code: string; open: boolean }) => slot.open && `${slot.date} ${slot.code}` !== but)
    return { date: free.date, code: free.code }
  }

  test('a waybill is put into another slot that is really free: the first place goes back and it gets a second', async () => {
    const { orderId } = await place([1])
    const before = await only(orderId)
    const slot = await openSlot(`${before.slot?.date} ${before.slot?.code}`)
    const path = `/v1/waybills/${before.waybillId}`
    const preview = await read(`${path}/preview?act=reschedule`)
    expect(preview).toMatchObject({ possible: true, to: 'created', quota: 'given_back', asksForRoute: true })
    expect(preview.slots).toContainEqual(expect.objectContaining({ ...slot, left: expect.any(Number) }))
    expect(
      preview.slots.every(({ left, cutOffAt }: { left: number; cutOffAt: string }) => left > 0 && new Date(cutOffAt) > new Date()),
    ).toBe(true)
    await post(`${path}/reschedule`, { slot, reason: 'customer called', note: 'is away in the morning' })
    expect(await only(orderId)).toMatchObject({ state: 'routed', slot, attempt: 1 })
    const { assignments } = await read(`/v1/orders/${orderId}/assignments`)
    expect(assignments.map(({ state, attempt }: { state: string; attempt: number }) => [attempt, state])).toEqual([
      [1, 'released'],
      [2, 'assigned'],
    ])
    const { history } = await read(path)
    expect(history).toContainEqual(
      expect.objectContaining({
        level: 'waybill',
        from: 'routed',
        to: 'created',
        cause: 'waybills.reschedule: customer called (is away in the morning)',
        actor: 'key:tests',
      }),
    )
    expect(await breaks()).toEqual([])
  })

  test('a held waybill is not released; its hold over, it goes its way', async () => {
    const { orderId, number } = await place([1])
    const { waybillId } = await only(orderId)
    await post(`/v1/waybills/${waybillId}/hold`, { reason: 'fraud?' })
    expect((await whole.call('POST', `/v1/waybills/${waybillId}/updates`, { to: 'released' })).body.code).toBe('fulfilment.on_hold')
    expect(await read(`/v1/waybills/${waybillId}`)).toMatchObject({
      holds: [{ kind: 'hold', owner: 'key:tests', reason: 'fraud?', expired: false }],
    })
    await post(`/v1/waybills/${waybillId}/release-hold`, { reason: 'all clear' })
    await play()
    expect(await read(`/v1/orders/${number}`)).toMatchObject({ state: 'delivered' })
    expect(await breaks()).toEqual([])
  })

  test('a section that goes elsewhere takes its waybill along, and a row that is split off gets one of its own', async () => {
    const { orderId, number } = await place([3, 1])
    const { destination } = (await read(`/v1/orders/${number}`)).sections[0]
    await send('PUT', `/v1/orders/${number}/sections/1/destination`, { destination: { ...destination, line1: '99 New St' } })
    expect(await only(orderId)).toMatchObject({ state: 'routed', destination: { line1: '99 New St' } })
    await post(`/v1/orders/${number}/sections/1/split`, { items: [{ itemNo: 1, quantity: 1 }], slot: null })
    expect(
      (await waybillsOf(orderId)).map(({ sectionNo, state, items }) => [
        sectionNo,
        state,
        items.map(({ itemNo, quantity }) => [itemNo, quantity]),
      ]),
    ).toEqual([
      [
        1,
        'routed',
        [
          [1, 2],
          [2, 1],
        ],
      ],
      [2, 'routed', [[3, 1]]],
    ])
    await post(`/v1/orders/${number}/cancel`, { items: [{ itemNo: 1, quantity: 1 }], reason: 'one is enough' })
    expect(await breaks()).toEqual([])
    await play()
    expect(await read(`/v1/orders/${number}`)).toMatchObject({ state: 'delivered' })
    expect(await breaks()).toEqual([])
  })

  test('a claim whose pickup is booked is fetched by a return waybill, whose way moves the claim', async () => {
    const { orderId, number } = await place([3])
    await play()
    const { waybillId } = await only(orderId)
    const { claimId } = await post(`/v1/orders/${number}/claims`, {
      kind: 'return',
      items: [{ itemNo: 1, quantity: 1 }],
      reason: 'too small',
    })
    await post(`/v1/claims/${claimId}/answer`, { approve: true, reason: 'within 30 days' })
    await post(`/v1/claims/${claimId}/moves`, { to: 'pickup_booked' })
    expect((await waybillsOf(orderId))[1]).toMatchObject({
      purpose: 'return',
      originId: waybillId,
      state: 'routed',
      items: [{ quantity: 1 }],
    })
    await play()
    expect((await waybillsOf(orderId))[1]).toMatchObject({ state: 'returned_to_depot' })
    await post(`/v1/claims/${claimId}/inspection`, {})
    expect(await read(`/v1/orders/${number}`)).toMatchObject({ state: 'partially_returned', moneyState: 'partially_refunded' })
    const again = await post(`/v1/orders/${number}/claims`, { kind: 'reship', items: [{ itemNo: 1, quantity: 1 }], reason: 'broken' })
    await post(`/v1/claims/${again.claimId}/answer`, { approve: true, reason: 'seen on the photo' })
    expect((await waybillsOf(orderId))[2]).toMatchObject({ purpose: 'replacement', originId: waybillId, state: 'routed' })
    await play()
    expect(await breaks()).toEqual([])
  })

  test('what differs between items, waybills and shipments is named', async () => {
    const { orderId } = await place([2])
    const [{ waybillId }, other] = [await only(orderId), await place([1])]
    const second = await only(other.orderId)
    const admin = await whole.t.admin('live')
    const planted: [string, string, string][] = [
      [
        `update orders.item set state = 'ready' where order_id = ${orderId}`,
        `update orders.item set state = 'allocated' where order_id = ${orderId}`,
        `order ${orderId}: item 1 is ready, its waybill ${waybillId} is loaded`,
      ],
      [
        `update fulfilment.waybill set items = '[]' where id = ${second.waybillId}`,
        '',
        `order ${other.orderId}: item 1 is allocated, and no waybill carries it`,
      ],
      [
        `update tracking.shipment set projection = jsonb_set(projection::jsonb, '{0}', '"delivered"')::json where waybill_id = ${waybillId}`,
        '',
        `order ${orderId}: waybill ${waybillId} is loaded, its shipment is delivered`,
      ],
      [
        `update orders.item set quantity = 3 where order_id = ${orderId}`,
        '',
        `order ${orderId}: item 1 has 3 pieces, waybill ${waybillId} carries 2`,
      ],
    ]
    await admin.query(`update fulfilment.waybill set state = 'loaded', version = version + 1 where id = ${waybillId}`)
    for (const [plant] of planted) await admin.query(plant)
    const found = (await whole.core.check('live')).filter(({ check }) => check.startsWith('goods:')).flatMap((each) => each.breaks)
    expect(found.toSorted()).toEqual(planted.map(([, , sentence]) => sentence).toSorted())
  })
})
