import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { orderOf } from '#partners/made-city/index.ts'
import { waybillToWarehouse } from '#flows'
import { openWhole, type Whole } from '#test/whole.ts'

interface Line {
  readonly itemNo: number
  readonly quantity: number
  readonly short: number
}
interface Made {
  readonly orderId: number
  readonly waybillId: number
  readonly salesOrderId: number
  readonly lines: readonly Line[]
}

describe('a warehouse prepares, over HTTP', { timeout: 60_000 }, () => {
  let whole: Whole
  beforeAll(async () => {
    whole = await openWhole()
  })
  afterAll(() => whole.close())

  const send = (path: string, body: object) => whole.call('POST', path, body, { 'idempotency-key': crypto.randomUUID() })
  const salesOrdersOf = async (waybillId: number) => {
    const found = await whole.core.databases
      .of('warehousing')
      .read({ traffic: 'live', rehearsalId: null }, (read) => whole.core.warehousing.salesOrdersOfWaybills(read, [waybillId]))
    return found.get(waybillId) ?? []
  }
  /** A paid order whose waybills are released, with one of them that has a line of two pieces or more. */
  const released = async (n: number): Promise<Made> => {
    const order = orderOf(n, 47, (at) => whole.city.address(at))
    const items = order.sections.flatMap((section) => section.items.map((item) => ({ ...item, quantity: 3 })))
    const totalMinor = 499 + items.reduce((sum, item) => sum + item.quantity * item.unitPriceMinor, 0)
    const placed = await send('/v1/orders', { ...order, totalMinor, sections: order.sections.map((section) => ({ ...section, items })) })
    await whole.drained()
    const { orderId } = placed.body as { orderId: number }
    const { body } = await whole.call('GET', `/v1/orders/${orderId}/waybills`)
    const ids = (body.waybills as { waybillId: number }[]).map(({ waybillId }) => waybillId)
    await whole.call('POST', '/v1/waybills/updates', { commands: ids.map((waybillId) => ({ input: { waybillId, to: 'released' } })) })
    await whole.drained()
    const [waybillId = 0] = ids
    const [salesOrder] = await salesOrdersOf(waybillId)
    if (salesOrder === undefined) throw new Error('no sales order was made')
    return { orderId, waybillId, salesOrderId: salesOrder.salesOrderId, lines: salesOrder.lines }
  }
  const report = (salesOrderId: number, body: object) => whole.call('POST', `/v1/sales-orders/${salesOrderId}/reports`, body)
  const waybill = async (waybillId: number) => (await whole.call('GET', `/v1/waybills/${waybillId}`)).body.waybill
  const order = async (orderId: number) => (await whole.call('GET', `/v1/orders/${orderId}`)).body
  const lawful = async () => {
    await whole.drained()
    expect((await whole.core.check('live')).filter(({ breaks }) => breaks.length > 0)).toEqual([])
  }
  const refunded = async (orderId: number): Promise<number> => {
    const found = await whole.core.databases
      .of('payments')
      .read({ traffic: 'live', rehearsalId: null }, (read) => whole.core.payments.findPayments(read, [orderId]))
    return found.get(orderId)?.refundedMinor ?? 0
  }

  test('what it does not have comes off the waybill and off the order, and its money goes back', async () => {
    const { orderId, waybillId, salesOrderId, lines } = await released(1)
    const [line] = lines as [Line]
    const before = await order(orderId)
    const picked = { report: 'picked', lines: [{ itemNo: line.itemNo, picked: 1 }] }
    expect((await report(salesOrderId, picked)).body).toMatchObject({ state: 'picked', changed: true })
    expect((await report(salesOrderId, picked)).body).toMatchObject({ changed: false })
    await report(salesOrderId, { report: 'packed' })
    await lawful()
    const stands = await waybill(waybillId)
    expect(stands.state).toBe('packed')
    expect(stands.items.find(({ itemNo }: Line) => itemNo === line.itemNo).quantity).toBe(1)
    const after = await order(orderId)
    const rows = (of: typeof after) => of.sections.flatMap((section: { items: object[] }) => section.items)
    const cost = rows(before).find(({ itemNo }: Line) => itemNo === line.itemNo).unitPriceMinor
    expect(rows(after)).toContainEqual(expect.objectContaining({ state: 'cancelled', quantity: 2 }))
    expect(await refunded(orderId)).toBe(2 * cost)
  })

  test('of which it has nothing is called off; the rest of the order goes on', async () => {
    const { orderId, waybillId, salesOrderId, lines } = await released(2)
    await report(salesOrderId, { report: 'picked', lines: lines.map(({ itemNo }) => ({ itemNo, picked: 0 })) })
    await lawful()
    expect((await waybill(waybillId)).state).toBe('cancelled')
    expect((await salesOrdersOf(waybillId)).map(({ state }) => state)).toEqual(['cancelled'])
    expect(await refunded(orderId)).toBeGreaterThan(0)
  })

  test('what is to wait for goods is on back order until they are there, then has a waybill and a sales order of its own', async () => {
    const main = { name: 'ours', pickFlow: 'wave', shortPolicy: 'backorder', skuTypes: ['dry', 'frozen', 'mixed'] }
    expect((await whole.call('PUT', '/v1/warehouses/main', main)).status).toBe(200)
    const { orderId, waybillId, salesOrderId, lines } = await released(3)
    const [line] = lines as [Line]
    await report(salesOrderId, { report: 'short', lines: [{ itemNo: line.itemNo, picked: 2 }] })
    await report(salesOrderId, { report: 'packed' })
    await lawful()
    const isBack = async () =>
      (await order(orderId)).sections.flatMap((section: { items: { state: string; quantity: number }[] }) =>
        section.items.filter(({ state }) => state === 'backordered').map(({ quantity }) => quantity),
      )
    expect(await isBack()).toEqual([1])
    expect(await refunded(orderId)).toBe(0)
    for (let twice = 0; twice < 2; twice += 1)
      expect((await send(`/v1/orders/${orderId}/fill-backorder`, { reason: 'the pallet came' })).status).toBe(200)
    await lawful()
    expect(await isBack()).toEqual([])
    const { body } = await whole.call('GET', `/v1/orders/${orderId}/waybills`)
    const more = (body.waybills as { waybillId: number; pieces: number; state: string }[]).filter(
      (each) => each.waybillId !== waybillId && each.state === 'routed' && each.pieces === 1,
    )
    expect(more).toHaveLength(1)
    await whole.call('PUT', '/v1/warehouses/main', { ...main, shortPolicy: 'cancel' })
  })

  test('one that is called off by hand keeps its waybill from the trucks until there is another', async () => {
    const { waybillId, salesOrderId } = await released(4)
    await whole.call('POST', `/v1/sales-orders/${salesOrderId}/cancel`, { reason: 'the belt is broken', note: 'called Bo' })
    await lawful()
    expect(await waybill(waybillId)).toMatchObject({ state: 'released', holds: ['goods_missing'] })
    await whole.call('PUT', '/v1/warehouses/north', { name: 'north', pickFlow: 'by_zone', shortPolicy: 'cancel', skuTypes: [] })
    const made = await whole.call('POST', '/v1/sales-orders', { reference: 'again', warehouse: 'north', waybillId })
    expect(made.status).toBe(201)
    await whole.drained()
    const moved = await whole.call('POST', `/v1/sales-orders/${made.body.salesOrderId}/transfer`, { warehouse: 'main', reason: 'mended' })
    await report(moved.body.salesOrderId, { report: 'packed' })
    await lawful()
    expect(await waybill(waybillId)).toMatchObject({ state: 'packed', holds: [] })
  })

  test('a waybill that is cancelled, or loses goods, is called off or lessened at the warehouse', async () => {
    const { orderId, waybillId, salesOrderId, lines } = await released(5)
    const [line] = lines as [Line]
    const less = await send(`/v1/orders/${orderId}/cancel`, { items: [{ itemNo: line.itemNo, quantity: 1 }], reason: 'too many' })
    expect(less.status).toBe(200)
    await lawful()
    expect((await salesOrdersOf(waybillId))[0]?.lines.find(({ itemNo }) => itemNo === line.itemNo)).toMatchObject({ quantity: 2, short: 0 })
    await send(`/v1/orders/${orderId}/cancel`, { reason: 'no more' })
    await lawful()
    expect((await salesOrdersOf(waybillId)).map(({ state }) => state)).toEqual(['cancelled'])
    expect((await report(salesOrderId, { report: 'picked' })).body).toMatchObject({ state: 'cancelled', changed: false })
    await lawful()
  })

  test('where a waybill stands is read from the cache, and is new as soon as a report of it is answered', async () => {
    const { waybillId, salesOrderId } = await released(7)
    const stands = async () => (await whole.call('GET', `/v1/waybills/${waybillId}/status`)).body
    for (let twice = 0; twice < 2; twice += 1) expect(await stands()).toMatchObject({ waybillId, state: 'released' })
    await whole.call('POST', `/v1/waybills/${waybillId}/hold`, { reason: 'wait' })
    await whole.call('POST', `/v1/waybills/${waybillId}/release-hold`, { reason: 'go on' })
    expect((await whole.call('POST', `/v1/waybills/${waybillId}/updates`, { to: 'acknowledged' })).status).toBe(200)
    expect(await stands()).toMatchObject({ state: 'acknowledged' })
    await report(salesOrderId, { report: 'packed' })
    await whole.drained()
    expect(await stands()).toMatchObject({ state: 'packed' })
    expect((await whole.call('GET', '/v1/waybills/987654/status')).status).toBe(404)
    expect(await whole.core.metrics.text()).toMatch(/cache_reads_total\{traffic="live",what="waybill_status",result="hit"\} [4-9]/)
  })

  test('when it will be ready goes to its truck, which leaves no sooner; too late for it, the waybill is held, until the goods are packed', async () => {
    const { waybillId, salesOrderId } = await released(8)
    const admin = await whole.t.admin('live')
    const ride = async () => {
      const { rows } = await admin.query<{ ready: Date | null; first: Date; ends: Date }>(
        `select ready_at as ready, to_timestamp((path -> 0 ->> 'arrives')::bigint) as first, slot.ends_at as ends
         from routing.assignment join routing.route on route.id = route_id
         join routing.slot on slot.zone_id = route.zone_id and slot.date = route.date and slot.code = route.slot_code where waybill_id = $1`,
        [waybillId],
      )
      return rows[0] as { ready: Date | null; first: Date; ends: Date }
    }
    const before = await ride()
    expect(before.ready).toBeNull()
    const inTime = new Date(before.first.getTime() + 60_000)
    const tooLate = new Date(before.ends.getTime() + 3_600_000)
    const said = { report: 'accepted', readyAt: inTime.toISOString() }
    for (let twice = 0; twice < 2; twice += 1) expect((await report(salesOrderId, said)).body.changed).toBe(twice === 0)
    await lawful()
    expect((await ride()).ready).toEqual(inTime)
    expect((await ride()).first.getTime()).toBeGreaterThanOrEqual(inTime.getTime())
    expect(await waybill(waybillId)).toMatchObject({ state: 'acknowledged', readyAt: inTime.toISOString(), holds: [] })
    await report(salesOrderId, { report: 'picking', readyAt: tooLate.toISOString() })
    await lawful()
    // Its truck keeps its times; people see in numbers why it can not be loaded.
    expect((await ride()).ready).toEqual(inTime)
    const held = (await whole.call('GET', `/v1/waybills/${waybillId}`)).body
    expect(held.waybill).toMatchObject({ readyAt: tooLate.toISOString(), holds: ['goods_late'] })
    expect(held.holds[0].reason).toMatch(/truck .+ would be \d+ min late/)
    await report(salesOrderId, { report: 'packed' })
    await lawful()
    expect(await waybill(waybillId)).toMatchObject({ state: 'packed', readyAt: null, holds: [] })
    expect(await ride()).toEqual(before)
    // A word that comes behind is no news, and one that can not be is refused by its field.
    expect((await report(salesOrderId, { report: 'picked', readyAt: tooLate.toISOString() })).body.changed).toBe(false)
    expect((await report(salesOrderId, { report: 'packed', readyAt: tooLate.toISOString() })).body).toMatchObject({ field: '/readyAt' })
    expect((await report(salesOrderId, { report: 'picked', readyAt: '2099-01-01T00:00:00Z' })).body).toMatchObject({ field: '/readyAt' })
    await lawful()
    expect(await ride()).toEqual(before)
  })

  test('held for late goods, it is free when another warehouse prepares it, and when it is put off', async () => {
    const { waybillId, salesOrderId } = await released(11)
    const tooLate = new Date(Date.now() + 20 * 24 * 3_600_000).toISOString()
    await report(salesOrderId, { report: 'accepted', readyAt: tooLate })
    await lawful()
    expect(await waybill(waybillId)).toMatchObject({ readyAt: tooLate, holds: ['goods_late'] })
    await whole.call('PUT', '/v1/warehouses/north', { name: 'north', pickFlow: 'by_zone', shortPolicy: 'cancel', skuTypes: [] })
    const over = await whole.call('POST', `/v1/sales-orders/${salesOrderId}/transfer`, { warehouse: 'north', reason: 'burst pipe' })
    expect(over.status).toBe(200)
    await lawful()
    expect(await waybill(waybillId)).toMatchObject({ readyAt: null, holds: [] })
    await report(over.body.salesOrderId, { report: 'accepted', readyAt: tooLate })
    await lawful()
    expect(await waybill(waybillId)).toMatchObject({ state: 'acknowledged', holds: ['goods_late'] })
    expect((await send(`/v1/waybills/${waybillId}/reschedule`, { slot: null, reason: 'goods late' })).status).toBe(200)
    await lawful()
    // It asks for a truck that can wait; where there is none, routing says so in numbers, and it is no hold's matter.
    expect(await waybill(waybillId)).toMatchObject({ holds: [], readyAt: tooLate })
    const { rows } = await (await whole.t.admin('live')).query(
      `select attempt, state from routing.assignment where waybill_id = $1 order by attempt`,
      [waybillId],
    )
    expect(rows.map((row: { attempt: number; state: string }) => `${row.attempt} ${row.state}`)).toEqual(['1 released', '2 waiting'])
  })

  test('a waybill that is planned again takes along when it will be ready, and words about the request before have no effect', async () => {
    const { waybillId, salesOrderId } = await released(9)
    const scope = { traffic: 'live', rehearsalId: null } as const
    const { rows } = await (await whole.t.admin('live')).query<{ from: Date; ends: Date }>(
      `select to_timestamp((path -> 0 ->> 'arrives')::bigint) as from, null as ends from routing.assignment join routing.route on route.id = route_id where waybill_id = $1`,
      [waybillId],
    )
    const readyAt = new Date((rows[0]?.from.getTime() ?? 0) + 60_000)
    await report(salesOrderId, { report: 'accepted', readyAt: readyAt.toISOString() })
    await whole.drained()
    expect((await send(`/v1/waybills/${waybillId}/reschedule`, { slot: null, reason: 'wished' })).status).toBe(200)
    await lawful()
    const asked = async () => {
      const found = await (await whole.t.admin('live')).query(
        'select attempt, ready_at from routing.assignment where waybill_id = $1 order by attempt',
        [waybillId],
      )
      return found.rows.map((row: { attempt: number; ready_at: Date | null }) => `${row.attempt} ${row.ready_at?.toISOString()}`)
    }
    expect(await asked()).toEqual([`1 ${readyAt.toISOString()}`, `2 ${readyAt.toISOString()}`])
    const said = { waybillId, readyAt: new Date(readyAt.getTime() + 60_000), actor: 'test', commandId: 't' }
    const follow = [
      { ...said, ask: 1 },
      { ...said, ask: 2 },
    ].map((one) => whole.core.databases.of('fulfilment').write(scope, (write) => whole.core.fulfilment.promiseReady(write, [one])))
    expect((await Promise.all(follow)).flat().map((outcome) => outcome.ok && outcome.value.changed)).toEqual([false, false])
    await lawful()
    expect(await asked()).toEqual([`1 ${readyAt.toISOString()}`, `2 ${readyAt.toISOString()}`])
  })

  test('whoever is killed between a short pick and what follows it takes no piece twice', async () => {
    const { waybillId, salesOrderId, lines } = await released(6)
    const [line] = lines as [Line]
    const { core } = whole
    await core.relay.close()
    await report(salesOrderId, { report: 'picked', lines: [{ itemNo: line.itemNo, picked: 2 }] })
    const admin = await whole.t.admin('live')
    const { rows } = await admin.query(
      `select id, key, type, schema_version as "schemaVersion", payload, trace_id as "traceId", occurred_at as "occurredAt"
       from warehousing.outbox where key = $1 order by id`,
      [String(waybillId)],
    )
    const events = rows.map((row) => ({ ...row, id: Number(row.id), traffic: 'live' as const, rehearsalId: null }))
    const follow = waybillToWarehouse({ ...core, log: { warn: () => undefined } }).find(({ from }) => from === 'warehousing')
    const scope = { traffic: 'live', rehearsalId: null } as const
    const killed = core.databases.of('fulfilment').write(scope, async (write) => {
      await follow?.handle(write, events)
      throw new Error('killed')
    })
    await expect(killed).rejects.toThrow('killed')
    const pieces = async () => (await waybill(waybillId)).items.find(({ itemNo }: Line) => itemNo === line.itemNo).quantity
    expect(await pieces()).toBe(3)
    await core.databases.of('fulfilment').write(scope, async (write) => follow?.handle(write, events))
    expect(await pieces()).toBe(2)
  })
})
