import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type pg from 'pg'
import { orderOf } from '#partners/made-city/index.ts'
import { openMetrics } from '#platform/metrics.ts'
import { untilTrue } from '#test/until.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { callMany, playCityRound } from '../../src/cli/city.ts'
import { openTrackWatch, type TrackWatch } from '../../src/track-watch.ts'

const live = { traffic: 'live', rehearsalId: null } as const

describe('the standing checker of tracking', { timeout: 120_000 }, () => {
  let whole: Whole
  let admin: pg.Client
  let watch: TrackWatch
  let nowMs = 1_000_000
  const metrics = openMetrics()
  const warned: { facts: object; message: string }[] = []
  const waybills: { waybillId: number; orderId: number }[] = []

  beforeAll(async () => {
    whole = await openWhole()
    admin = await whole.t.admin('live')
    const { databases, tracking, relay, orders, fulfilment } = whole.core
    const log = { warn: (facts: object, message: string) => void warned.push({ facts, message }) }
    watch = openTrackWatch({ databases, tracking, relay, metrics, goods: { orders, fulfilment, tracking }, nowMs: () => nowMs, log })
    for (let n = 0; n < 4; n += 1) {
      const body = orderOf(n, 3, (at) => whole.city.address(at))
      await whole.call('POST', '/v1/orders', body, { 'idempotency-key': `watch-${n}` })
    }
    await whole.drained()
    const { rows } = await admin.query('select id as "waybillId", order_id as "orderId" from fulfilment.waybill order by id')
    waybills.push(...rows.map((row) => ({ waybillId: Number(row.waybillId), orderId: Number(row.orderId) })))
    // One round of staff, so that something is on its way.
    await playCityRound(whole.core)
    await whole.drained()
  }, 120_000)
  afterAll(() => whole.close())

  const driftOf = async (what: 'projection' | 'order'): Promise<number> => {
    const line = (await metrics.text())
      .split('\n')
      .find((one) => one.startsWith('throughline_track_drift') && one.includes(`"${what}"`) && one.includes('"live"'))
    return Number(line?.split(' ')[1])
  }
  const byHand = async (text: string, values: unknown[]) => expect((await admin.query(text, values)).rowCount).toBeGreaterThan(0)
  const orderOfOne = (nth: number): number => {
    const ids = [...new Set(waybills.map(({ orderId }) => orderId))]
    return ids[nth] as number
  }

  it('says nothing of a house in order', async () => {
    await watch.round(live)
    expect([await driftOf('projection'), await driftOf('order')]).toEqual([0, 0])
    expect(warned).toEqual([])
    const text = await metrics.text()
    expect(text).toMatch(/track_checked_total\{[^}]*what="shipment"[^}]*\} [1-9]/)
    expect(text).toMatch(/track_checked_total\{[^}]*what="order"[^}]*\} 4/)
  })

  it('finds at once a projection that was altered, or a state that was set by hand, until each is made anew', async () => {
    const { rows } = await admin.query('select id, state, projection from tracking.shipment order by id limit 2')
    const [first, second] = rows as { id: number; state: string; projection: Record<string, unknown> }[]
    await byHand(
      `update tracking.shipment set projection = (projection::jsonb || '{"state": "delivered"}')::json, state = 'delivered' where id = $1`,
      [first?.id],
    )
    await byHand(`update tracking.shipment set state = 'returned' where id = $1`, [second?.id])
    await watch.round(live)
    expect(await driftOf('projection')).toBe(2)
    expect(warned.splice(0)).toContainEqual({
      facts: { shipments: expect.arrayContaining([Number(first?.id), Number(second?.id)]) },
      message: 'shipments are not the fold of their facts',
    })
    const { databases, tracking } = whole.core
    expect(await databases.of('tracking').write(live, (context) => tracking.rebuildPage(context, 0))).toMatchObject({ repaired: 2 })
    await watch.round(live)
    expect(await driftOf('projection')).toBe(0)
    await whole.drained()
    nowMs += 1
    await watch.round(live)
    warned.splice(0)
  })

  it.each([
    [
      'fulfilment that is ahead of its shipment',
      1,
      `update fulfilment.waybill set state = 'delivered' where order_id = $1`,
      `update fulfilment.waybill set state = $2 where order_id = $1`,
      'select state from fulfilment.waybill where order_id = $1',
    ],
    [
      'an order that is delivered while its parcel is not',
      2,
      `update orders.item set state = 'delivered' where order_id = $1`,
      `update orders.item set state = $2 where order_id = $1`,
      'select state from orders.item where order_id = $1',
    ],
  ])('takes %s for drift when it is still so after two minutes, and names the order in the log', async (_, nth, plant, mend, look) => {
    const orderId = orderOfOne(nth)
    const before = (await admin.query(look, [orderId])).rows[0]?.state as string
    expect(before).not.toBe('delivered')
    await byHand(plant, [orderId])
    await watch.round(live)
    expect(warned.splice(0)).toEqual([
      {
        facts: { orderId, found: expect.arrayContaining([expect.stringContaining(`order ${orderId}: `)]) },
        message: 'an order and its shipments differ; looked at again',
      },
    ])
    expect(await driftOf('order')).toBe(0)
    nowMs += 119_999
    await watch.round(live)
    expect(await driftOf('order')).toBe(0)
    nowMs += 1
    expect(await driftOf('order')).toBe(1)
    await byHand(mend, [orderId, before])
    await watch.round(live)
    expect(await driftOf('order')).toBe(0)
    expect(warned).toEqual([])
  })

  it('looks at all that it suspects at once: as many statements for three as for one', async () => {
    const ids = [0, 1, 2].map(orderOfOne)
    const { databases, tracking, relay, orders, fulfilment } = whole.core
    const asked: number[] = []
    const counting = {
      ...orders,
      goodsOfOrders: (context: Parameters<typeof orders.goodsOfOrders>[0], orderIds: readonly number[]) => {
        asked.push(orderIds.length)
        return orders.goodsOfOrders(context, orderIds)
      },
    }
    const goods = { orders: counting, fulfilment, tracking }
    const own = openTrackWatch({
      databases,
      tracking,
      relay,
      metrics: openMetrics(),
      goods,
      nowMs: () => nowMs,
      log: { warn: () => undefined },
    })
    const { rows } = await admin.query('select id, state from fulfilment.waybill where order_id = any($1)', [ids])
    await byHand(`update fulfilment.waybill set state = 'lost' where order_id = any($1)`, [ids])
    await own.round(live)
    expect(asked).toEqual([])
    await own.round(live)
    expect(asked).toEqual([3])
    for (const { id, state } of rows) await byHand('update fulfilment.waybill set state = $2 where id = $1', [id, state])
    await own.round(live)
    await own.round(live)
    expect(asked).toEqual([3, 3])
  })

  it('tells how old the oldest event is that tracking has still to take', async () => {
    const lag = async (): Promise<number> =>
      Number(
        (await metrics.text())
          .split('\n')
          .find((one) => one.startsWith('throughline_track_lag_seconds') && one.includes('"live"'))
          ?.split(' ')[1],
      )
    await untilTrue(async () => (await lag()) === 0, 20_000, 'no lag')
    await whole.core.relay.close()
    const [outcome] = await callMany(whole.core, 'waybills.update', [{ waybillId: waybills.at(-1)?.waybillId, to: 'delivered' }])
    expect(outcome).toMatchObject({ ok: true })
    await byHand(`update fulfilment.outbox set occurred_at = occurred_at - interval '90 seconds' where type = $1`, [
      'fulfilment.waybill_moved',
    ])
    expect(await lag()).toBeGreaterThanOrEqual(90)
  })
})
