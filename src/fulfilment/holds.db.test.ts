import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codesOf, dry, evening, openWaybillRig, sectionOf, valueOf, type WaybillRig, who } from './waybill-rig.ts'

let rig: WaybillRig
beforeAll(async () => {
  rig = await openWaybillRig()
})
afterAll(() => rig.close())

const later = (minutes: number) => new Date(rig.t.clock.now().getTime() + minutes * 60_000)
const hold = (waybillId: number, change: object = {}) =>
  rig.write((context) =>
    rig.fulfilment.holdWaybills(context, [{ waybillId, kind: 'hold', owner: 'cs', reason: 'fraud?', ...who, ...change }]),
  )
const release = (waybillId: number, change: object = {}) =>
  rig.write((context) => rig.fulfilment.releaseWaybills(context, [{ waybillId, reason: 'all clear', ...who, ...change }]))
const expire = () => rig.write((context) => rig.fulfilment.expireHolds(context))
const routed = async () => {
  const orderId = rig.newOrder()
  const [waybillId] = (await rig.paid({ orderId, sections: [sectionOf(1, [dry(1)])] })) as [number]
  await rig.routed(waybillId)
  return { orderId, waybillId }
}

describe('holds of waybills', () => {
  it('block what their kind names until the last one is released, and take what the road reports', async () => {
    const { orderId, waybillId } = await routed()
    await hold(waybillId)
    await hold(waybillId, { kind: 'recipient_unreachable', owner: 'driver 4' })
    expect(await rig.one(orderId, waybillId)).toMatchObject({ holds: ['hold', 'recipient_unreachable'], state: 'routed' })
    const [blocked] = await rig.moved(waybillId, 'picked')
    expect(blocked).toMatchObject({ ok: false, error: { code: 'fulfilment.on_hold', facts: { hold: 'hold' } } })
    await release(waybillId, { kind: 'hold' })
    expect(codesOf(await rig.moved(waybillId, 'loaded', 'out_for_delivery', 'delivered'))).toEqual(['ok', 'fulfilment.on_hold', 'ok'])
    expect((await rig.history(waybillId)).filter((line) => line.startsWith('hold'))).toEqual([
      'hold free>hold of cs (waybills.hold: fraud?)',
      'hold hold of cs>hold of cs, recipient_unreachable of driver 4 (waybills.hold: fraud?)',
      'hold hold of cs, recipient_unreachable of driver 4>recipient_unreachable of driver 4 (waybills.release_hold: all clear)',
    ])
  })

  it('for late goods end with the truck that they were about; words about an earlier request have no effect', async () => {
    const { orderId, waybillId } = await routed()
    const late = { kind: 'goods_late', owner: 'routing', ask: 1 }
    await hold(waybillId, late)
    await hold(waybillId, { kind: 'recipient_unreachable', owner: 'driver 4' })
    const putOff = () =>
      rig.write((context) => rig.fulfilment.rescheduleWaybills(context, [{ waybillId, slot: null, reason: 'goods late', ...who }]))
    expect(codesOf(await putOff())).toEqual(['ok'])
    expect(await rig.one(orderId, waybillId)).toMatchObject({ state: 'created', holds: ['recipient_unreachable'] })
    expect((await rig.history(waybillId)).at(-1)).toMatch(/^hold goods_late, recipient_unreachable>recipient_unreachable/)
    // It was decided before, and comes after.
    expect(valueOf((await hold(waybillId, late))[0])).toMatchObject({ changed: false })
    await release(waybillId, { kind: 'recipient_unreachable' })
    const told = (await rig.told(waybillId)).map(({ type }) => type)
    expect(told.filter((type) => type === 'fulfilment.waybill_rescheduled')).toHaveLength(1)
    await rig.routed(waybillId, 2)
    await hold(waybillId, { ...late, ask: 2 })
    await putOff()
    expect(await rig.one(orderId, waybillId)).toMatchObject({ state: 'created', holds: [] })
    expect((await rig.told(waybillId)).filter(({ type }) => type === 'fulfilment.waybill_rescheduled')).toHaveLength(2)
    const { rows } = await (await rig.t.admin('live')).query(
      `select released_by from fulfilment.hold where waybill_id = $1 and kind = 'goods_late' and released_at is not null`,
      [waybillId],
    )
    expect(rows).toEqual([{ released_by: who.actor }, { released_by: who.actor }])
  })

  it('are one for each kind and owner, whoever holds at the same time and however often', async () => {
    const { waybillId } = await routed()
    const both = await Promise.all([1, 2, 3, 4].map(() => hold(waybillId)))
    expect(both.flat().filter((outcome) => outcome.ok && outcome.value.changed)).toHaveLength(1)
    expect(valueOf((await release(waybillId, { owner: 'nobody' }))[0])).toMatchObject({ holds: ['hold'], changed: false })
    const releases = await Promise.all([1, 2].map(() => release(waybillId)))
    expect(releases.flat().filter((outcome) => outcome.ok && outcome.value.changed)).toHaveLength(1)
    const admin = await rig.t.admin('live')
    const { rows } = await admin.query('select released_by from fulfilment.hold where waybill_id = $1', [waybillId])
    expect(rows).toEqual([{ released_by: who.actor }])
  })

  it('are answered one by one, the bad ones with their reason', async () => {
    const { waybillId } = await routed()
    const over = await routed()
    await rig.moved(over.waybillId, 'delivered')
    const outcomes = await rig.write((context) =>
      rig.fulfilment.holdWaybills(
        context,
        [
          { waybillId },
          { waybillId: 999_999 },
          { waybillId: over.waybillId },
          { waybillId, owner: 'x', expiresAt: later(-1) },
          { waybillId },
        ].map((change) => ({ kind: 'hold' as const, owner: 'cs', reason: 'fraud?', ...who, ...change })),
      ),
    )
    expect(codesOf(outcomes)).toEqual(['ok', 'fulfilment.unknown_waybill', 'fulfilment.is_over', 'fulfilment.expires_in_the_past', 'ok'])
    expect(outcomes.at(-1)).toMatchObject({ value: { changed: false } })
  })

  it('keep the slot until they expire; then it goes to others, and the release asks for another', async () => {
    const { orderId, waybillId } = await routed()
    await hold(waybillId, { expiresAt: later(30) })
    expect(await expire()).toBe(0)
    expect(await rig.one(orderId, waybillId)).toMatchObject({ state: 'routed', routeId: 7 })
    rig.t.clock.set(later(31))
    const rounds = await Promise.all([expire(), expire()])
    expect(Math.max(...rounds)).toBe(1)
    expect(await rig.one(orderId, waybillId)).toMatchObject({ state: 'created', ask: 2, slot: null, routeId: null, holds: ['hold'] })
    const moves = (await rig.told(waybillId)).filter(({ payload }) => payload['to'] === 'created')
    expect(moves).toMatchObject([{ payload: { from: 'routed', quota: { effect: 'give_back', ask: 1 } } }])
    expect((await rig.told(waybillId)).map(({ type }) => type)).not.toContain('fulfilment.waybill_rescheduled')
    expect(codesOf(await rig.routed(waybillId, 1))).toEqual(['fulfilment.not_movable'])
    await release(waybillId)
    expect((await rig.told(waybillId)).at(-1)).toMatchObject({
      type: 'fulfilment.waybill_rescheduled',
      payload: { attempt: 2, slot: null },
    })
    expect(codesOf(await rig.routed(waybillId, 2))).toEqual(['ok'])
    expect(await rig.one(orderId, waybillId)).toMatchObject({ state: 'routed', attempt: 1 })
    expect(await expire()).toBe(0)
  })

  it('let a held waybill be rescheduled, and let it ask only when it is free', async () => {
    const { orderId, waybillId } = await routed()
    await hold(waybillId)
    const reschedule = () =>
      rig.write((context) => rig.fulfilment.rescheduleWaybills(context, [{ waybillId, slot: evening, reason: 'customer called', ...who }]))
    expect(valueOf((await reschedule())[0])).toMatchObject({ state: 'created', changed: true })
    expect(valueOf((await reschedule())[0])).toMatchObject({ changed: false })
    expect((await rig.told(waybillId)).map(({ type }) => type)).not.toContain('fulfilment.waybill_rescheduled')
    await release(waybillId)
    expect((await rig.told(waybillId)).at(-1)).toMatchObject({ payload: { attempt: 2, slot: evening } })
    expect(await rig.one(orderId, waybillId)).toMatchObject({ ask: 2, slot: evening })
  })

  it('leave a waybill where it is that is on the road when they expire', async () => {
    const { orderId, waybillId } = await routed()
    await hold(waybillId, { kind: 'recipient_unreachable', expiresAt: later(5) })
    await rig.moved(waybillId, 'loaded')
    rig.t.clock.set(later(6))
    expect(await expire()).toBe(1)
    expect(await rig.one(orderId, waybillId)).toMatchObject({ state: 'loaded', routeId: 7 })
  })

  it('keep the laws, and a hold that was let go by hand is found', async () => {
    expect(await rig.broken()).toEqual([])
    const { waybillId } = await routed()
    await hold(waybillId)
    const admin = await rig.t.admin('live')
    await admin.query('update fulfilment.hold set released_at = now() where waybill_id = $1', [waybillId])
    expect(await rig.broken()).toMatchObject([{ law: 'the holds that a waybill shows are those that are open', examples: [waybillId] }])
    await admin.query('update fulfilment.hold set released_at = null where waybill_id = $1', [waybillId])
  })
})
