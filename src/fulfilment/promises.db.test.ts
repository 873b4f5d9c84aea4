import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemContext } from '#platform/request-context.ts'
import { openRunner } from '#platform/operation-runner.ts'
import { dry, openWaybillRig, sectionOf, valueOf, type WaybillRig, who } from './waybill-rig.ts'

let rig: WaybillRig
beforeAll(async () => {
  rig = await openWaybillRig()
})
afterAll(() => rig.close())

const promises = { acknowledgeWithinMin: 30, pickWithinMin: 120 }
const watch = (most?: number) => rig.write((context) => rig.fulfilment.watchPromises(context, promises, most))
const pass = (minutes: number) => rig.t.clock.set(new Date(rig.t.clock.now().getTime() + minutes * 60_000))
const released = async (merchantId: string | null = null): Promise<number> => {
  const section = { ...sectionOf(1, [dry(1)]), merchantId }
  const [waybillId = 0] = await rig.paid({ orderId: rig.newOrder(), sections: [section] })
  await rig.routed(waybillId)
  await rig.moved(waybillId, 'released')
  return waybillId
}
const lateOf = async (...ids: number[]) =>
  (await rig.told(...ids)).filter(({ type }) => type === 'fulfilment.waybill_late').map(({ payload }) => payload)
const listed = async (input: object) => {
  const runner = openRunner({
    operations: rig.fulfilment.operations,
    databases: rig.t.databases,
    standardLimit: { perSecond: 1e6, burst: 1e6 },
    nowMs: () => rig.t.clock.now().getTime(),
    log: { info() {}, warn() {}, error() {} },
  })
  return valueOf(await runner.run('waybills.list_late', { context: systemContext('test'), input })) as {
    waybills: { waybillId: number; state: string; merchantId: string | null }[]
    next: number | null
  }
}

it('a waybill that nobody acknowledges in time is told once, and again when it is then not picked in time', async () => {
  const waybillId = await released()
  pass(30)
  expect(await watch()).toBe(0)
  pass(1)
  // Two rounds at once, as from two processes.
  const rounds = await Promise.all([watch(), watch()])
  expect(rounds.toSorted()).toEqual([0, 1])
  expect(await watch()).toBe(0)
  expect(await lateOf(waybillId)).toMatchObject([{ waybillId, merchantId: null, state: 'released' }])
  expect((await listed({})).waybills).toMatchObject([{ waybillId, state: 'released' }])
  await rig.moved(waybillId, 'acknowledged')
  expect((await listed({})).waybills).toEqual([])
  pass(121)
  expect(await watch()).toBe(1)
  expect((await lateOf(waybillId)).map(({ state }) => state)).toEqual(['released', 'acknowledged'])
  await rig.moved(waybillId, 'picked')
  pass(1_000)
  expect(await watch()).toBe(0)
})

it('what is held waits for somebody else, and is late only when it is free and has waited too long', async () => {
  const waybillId = await released()
  const hold = { waybillId, kind: 'hold', owner: 'cs', reason: 'fraud?', ...who } as const
  await rig.write((context) => rig.fulfilment.holdWaybills(context, [hold]))
  pass(60)
  expect(await watch()).toBe(0)
  await rig.write((context) => rig.fulfilment.releaseWaybills(context, [{ waybillId, reason: 'all clear', ...who }]))
  expect(await watch()).toBe(1)
})

it('they are listed in pages, all or those of one merchant, and a round takes a page at a time', async () => {
  const mine = [await released('baker'), await released('baker'), await released('baker')]
  const others = await released('butcher')
  pass(31)
  expect([await watch(2), await watch(2), await watch(2)]).toEqual([2, 2, 0])
  const first = await listed({ merchantId: 'baker', limit: 2 })
  expect(first.waybills.map(({ waybillId }) => waybillId)).toEqual(mine.slice(0, 2))
  const second = await listed({ merchantId: 'baker', limit: 2, after: first.next })
  expect(second).toMatchObject({ waybills: [{ waybillId: mine[2], merchantId: 'baker' }], next: null })
  expect((await listed({ after: mine[2] })).waybills.map(({ waybillId }) => waybillId)).toEqual([others])
})
