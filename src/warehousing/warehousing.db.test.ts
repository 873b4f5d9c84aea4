import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { flow, openWarehousingRig, type WarehousingRig } from './warehousing-rig.ts'

let rig: WarehousingRig
beforeAll(async () => {
  rig = await openWarehousingRig()
  for (const warehouse of ['north', 'south'])
    await rig.one('warehouses.put', { warehouse, name: warehouse, pickFlow: 'by_zone', shortPolicy: 'backorder', skuTypes: [] })
})
afterAll(() => rig.close())

const follow = (commands: Parameters<WarehousingRig['warehousing']['followWaybills']>[1]) =>
  rig.t.databases.of('warehousing').write(rig.t.live, (write) => rig.warehousing.followWaybills(write, commands))

describe('a sales order', () => {
  it('is made once for a released waybill, whoever makes it again and at the same time', async () => {
    const { waybillId } = await rig.released()
    const waybill = rig.waybills.get(waybillId)
    if (waybill === undefined) throw new Error('no waybill')
    const make = () =>
      rig.t.databases.of('warehousing').write(rig.t.live, (write) => rig.warehousing.makeFromWaybills(write, [{ ...waybill, ...flow }]))
    await Promise.all([make(), make(), make()])
    expect(await rig.told(waybillId)).toEqual(['made main'])
    const asked = { reference: `again-${waybillId}`, warehouse: 'main', waybillId }
    expect(await rig.one('sales_orders.create', asked)).toBe('warehousing.has_one_already /waybillId')
  })

  it('is asked for by hand in batches, each with its own outcome, and by a name once', async () => {
    const lines = [{ itemNo: 1, sku: 'pallet', quantity: 4 }]
    const good = { reference: 'move-1', warehouse: 'north', pickFlow: 'cross_dock', lines }
    const outcomes = await rig.by(0, 'sales_orders.create', [
      good,
      { ...good, reference: 'move-2', warehouse: 'nowhere' },
      { ...good, reference: 'move-3', waybillId: 1 },
      { ...good, reference: 'move-4', lines: [...lines, ...lines] },
      { reference: 'move-5', warehouse: 'main', waybillId: 987_654 },
      { ...good, reference: 'move-6', lines: [{ itemNo: 1, sku: 'x', quantity: 0 }] },
      good,
    ])
    expect(outcomes).toEqual([
      { salesOrderId: expect.any(Number), waybillId: null, created: true },
      'warehousing.unknown_warehouse /warehouse',
      'warehousing.two_targets /lines',
      'warehousing.named_twice /lines/1/itemNo',
      'warehousing.not_preparable /waybillId',
      'platform.invalid_input /lines/0/quantity',
      { salesOrderId: (outcomes[0] as { salesOrderId: number }).salesOrderId, waybillId: null, created: false },
    ])
    const races = await Promise.all([0, 1, 2, 3].map((server) => rig.by(server, 'sales_orders.create', [{ ...good, reference: 'race' }])))
    expect(new Set(races.flat().map((each) => (each as { salesOrderId: number }).salesOrderId)).size).toBe(1)
    expect(races.flat().filter((each) => (each as { created: boolean }).created)).toHaveLength(1)
  })

  it('is listed by warehouse and state, in pages, and read with its history', async () => {
    const { salesOrderId } = await rig.released()
    await rig.one('sales_orders.report', { salesOrderId, report: 'accepted' })
    const { salesOrders } = (await rig.one('sales_orders.list', { warehouse: 'main', state: 'accepted', limit: 1000 })) as {
      salesOrders: { salesOrderId: number }[]
    }
    expect(salesOrders.map((each) => each.salesOrderId)).toContain(salesOrderId)
    const [first] = salesOrders
    const page = { warehouse: 'main', state: 'accepted', limit: 1 }
    expect(await rig.one('sales_orders.list', page)).toMatchObject({ salesOrders: [first], next: first?.salesOrderId })
    expect(await rig.one('sales_orders.get', { salesOrderId })).toMatchObject({
      salesOrder: { state: 'accepted', version: 2 },
      history: [{ to: 'created' }, { from: 'created', to: 'accepted', cause: 'sales_orders.report', actor: 'wms' }],
    })
    expect(await rig.one('sales_orders.get', { salesOrderId: 987_654 })).toBe('warehousing.unknown_sales_order /salesOrderId')
  })

  it('takes reports in any number of copies, and one broken report fails alone', async () => {
    const { waybillId, salesOrderId } = await rig.released()
    const picked = { salesOrderId, report: 'picked', lines: [{ itemNo: 1, picked: 1 }] }
    const outcomes = await rig.by(0, 'sales_orders.report', [picked, { ...picked, lines: [{ itemNo: 3, picked: 1 }] }, picked])
    expect(outcomes).toMatchObject([{ state: 'picked', changed: true }, 'warehousing.unknown_line /lines/0/itemNo', { changed: false }])
    expect(await rig.told(waybillId)).toEqual(['made main', 'moved main created>picked'])
    expect(await rig.one('sales_orders.get', { salesOrderId })).toMatchObject({
      salesOrder: {
        lines: [
          { quantity: 3, picked: 1, short: 2 },
          { quantity: 1, picked: 1, short: 0 },
        ],
      },
    })
  })

  it('goes over to another warehouse until somebody picks; both are told', async () => {
    const { waybillId, salesOrderId } = await rig.released()
    const asked = { salesOrderId, warehouse: 'north', reason: 'main is flooded' }
    const moved = (await rig.one('sales_orders.transfer', asked)) as { salesOrderId: number }
    expect(moved).toMatchObject({ transferredFrom: salesOrderId, warehouse: 'north', changed: true })
    expect(await rig.told(waybillId)).toEqual(['made main', 'moved main created>transferred', 'made north'])
    expect(await rig.one('sales_orders.transfer', asked)).toEqual({ ...moved, changed: false })
    expect(await rig.one('sales_orders.transfer', { ...asked, warehouse: 'south' })).toBe('warehousing.is_over /salesOrderId')
    expect(await rig.one('sales_orders.transfer', { ...asked, warehouse: 'nowhere' })).toBe('warehousing.unknown_warehouse /warehouse')
    await rig.one('sales_orders.report', { salesOrderId: moved.salesOrderId, report: 'picking' })
    expect(await rig.one('sales_orders.transfer', { ...asked, salesOrderId: moved.salesOrderId, warehouse: 'south' })).toBe(
      'warehousing.already_picking /salesOrderId',
    )
    // The warehouse that does not have it any more may not know yet.
    expect(await rig.one('sales_orders.report', { salesOrderId, report: 'packed' })).toMatchObject({ state: 'transferred', changed: false })
  })
})

describe('two at once', () => {
  it('a cancel against a pick: one of them wins, and the other is told so', async () => {
    const made = await Promise.all(Array.from({ length: 12 }, () => rig.released()))
    const races = await Promise.all(
      made.map(async ({ salesOrderId }) => {
        const [[report], [cancel]] = await Promise.all([
          rig.by(0, 'sales_orders.report', [{ salesOrderId, report: 'picked' }]),
          rig.by(1, 'sales_orders.cancel', [{ salesOrderId, reason: 'changed my mind' }]),
        ])
        return { report, cancel }
      }),
    )
    for (const { report, cancel } of races) {
      const isCancelled = typeof cancel !== 'string'
      expect(isCancelled ? report : cancel).toEqual(
        isCancelled ? expect.objectContaining({ state: 'cancelled', changed: false }) : 'warehousing.already_picked /salesOrderId',
      )
    }
  })

  it('a transfer against the first pick, and two transfers to two warehouses: there is one sales order that goes on', async () => {
    const made = await Promise.all(Array.from({ length: 12 }, () => rig.released()))
    await Promise.all(
      made.flatMap(({ salesOrderId }) => [
        rig.by(0, 'sales_orders.report', [{ salesOrderId, report: 'picking' }]),
        rig.by(1, 'sales_orders.transfer', [{ salesOrderId, warehouse: 'north', reason: 'r' }]),
        rig.by(2, 'sales_orders.transfer', [{ salesOrderId, warehouse: 'south', reason: 'r' }]),
      ]),
    )
    const found = await rig.t.databases.of('warehousing').read(rig.t.live, (read) =>
      rig.warehousing.salesOrdersOfWaybills(
        read,
        made.map(({ waybillId }) => waybillId),
      ),
    )
    for (const orders of found.values()) {
      expect(orders.filter(({ state }) => state !== 'transferred')).toHaveLength(1)
      expect(orders.length).toBeLessThanOrEqual(2)
      if (orders.length === 1) expect(orders[0]?.state).toBe('picking')
    }
  })

  it('its waybill is called off against a sales order by hand: none goes on', async () => {
    const { waybillId, salesOrderId } = await rig.released()
    await rig.one('sales_orders.cancel', { salesOrderId, reason: 'again' })
    const asked = { reference: `hand-${waybillId}`, warehouse: 'north', waybillId }
    await Promise.all([
      rig.by(0, 'sales_orders.create', [asked]),
      // Its waybill is cancelled when the event comes.
      (async () => {
        rig.waybills.delete(waybillId)
        await follow([{ waybillId, to: 'cancelled', ...flow }])
      })(),
    ])
    const found = await rig.t.databases
      .of('warehousing')
      .read(rig.t.live, (read) => rig.warehousing.salesOrdersOfWaybills(read, [waybillId]))
    expect(found.get(waybillId)?.map(({ state }) => state)).not.toContain('created')
  })
})

describe('a waybill', () => {
  it('that carries less, is packed by others or called off is followed', async () => {
    const { waybillId, salesOrderId } = await rig.released()
    await follow([{ waybillId, to: 'contents', items: [{ itemNo: 1, sku: 'sku-1', quantity: 2 }], ...flow }])
    expect(await rig.one('sales_orders.get', { salesOrderId })).toMatchObject({ salesOrder: { lines: [{ quantity: 2 }, { quantity: 0 }] } })
    await follow([{ waybillId, to: 'packed', ...flow }])
    await follow([{ waybillId, to: 'cancelled', ...flow }])
    await follow([{ waybillId, to: 'cancelled', ...flow }])
    await follow([{ waybillId: 987_654, to: 'cancelled', ...flow }])
    expect(await rig.told(waybillId)).toEqual(['made main', 'changed main', 'moved main created>packed', 'moved main packed>cancelled'])
  })
})

it('every kind of goods is prepared somewhere, always', async () => {
  const main = { warehouse: 'main', name: 'ours', pickFlow: 'by_piece', shortPolicy: 'cancel', skuTypes: ['dry', 'mixed'] }
  expect(await rig.one('warehouses.put', main)).toBe('warehousing.nobody_prepares /skuTypes')
  expect(await rig.one('warehouses.list', {})).toMatchObject({
    warehouses: [{ warehouse: 'main' }, { warehouse: 'north' }, { warehouse: 'south' }],
  })
})

it('a change by hand is seen, and its law names it; without one all laws hold', async () => {
  expect(await rig.broken()).toEqual([])
  const { salesOrderId } = await rig.released()
  const admin = await rig.t.admin('live')
  await admin.query(
    `update warehousing.sales_order set lines = '[{"itemNo":1,"sku":"x","quantity":1,"picked":1,"short":2}]' where id = $1`,
    [salesOrderId],
  )
  expect(await rig.broken()).toEqual([
    'what is picked of a line is what was asked less what is missing',
    `line 1 of sales order ${salesOrderId} asks 1, has 1, misses 2`,
  ])
})
