import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ContainersRig, openContainersRig } from './containers-rig.ts'

let rig: ContainersRig
beforeAll(async () => {
  rig = await openContainersRig()
})
afterAll(() => rig.close())

let lastWaybill = 0
const waybill = (): number => {
  lastWaybill += 1
  rig.waybills.set(lastWaybill, {
    waybillId: lastWaybill,
    state: 'picked',
    ended: false,
    items: [
      { itemNo: 1, quantity: 5 },
      { itemNo: 2, quantity: 2 },
    ],
  })
  return lastWaybill
}
const pack = (code: string, waybillId: number) => rig.one('containers.pack', { code, waybillId })
const nest = (code: string, into: string | null) => rig.one('containers.nest', { code, into })
const now = () => rig.t.clock.now()
const move = (code: string, place: string) => rig.one('containers.move', { code, place })
const read = (code: string, reader: string) =>
  rig.one('containers.record_reads', { reads: [{ reader, epc: rig.epcOf(code), readAt: now().toISOString() }] })
const passages = async (...waybillIds: number[]) => {
  const found = await rig.t.databases.of('containers').read(rig.t.live, (context) => rig.containers.passagesOf(context, waybillIds))
  return waybillIds.map((id) => (found.get(id) ?? []).map(({ code, place }) => `${code} ${place}`))
}

describe('where waybills were by what they were in', () => {
  it('is where each container was seen in the time in which they were in it, and no longer and no sooner', async () => {
    const [tote = '', other = '', truck = ''] = await rig.totes(3)
    const [first, second, stranger] = [waybill(), waybill(), waybill()]
    await move(tote, 'shelf')
    rig.pass(10)
    await pack(tote, first)
    await pack(other, stranger)
    rig.pass(10)
    await move(truck, 'yard')
    await read(tote, 'gate-1')
    rig.pass(10)
    await nest(tote, truck)
    await move(truck, 'dock')
    rig.pass(10)
    await pack(tote, second)
    await read(truck, 'hub-7')
    rig.pass(10)
    await nest(tote, null)
    await move(tote, 'sorter')
    rig.pass(10)
    await read(truck, 'hub-8')
    await rig.one('containers.report', { code: tote, report: 'emptied' })
    rig.pass(10)
    await read(tote, 'gate-2')
    expect(await passages(first, second, stranger, 999_999)).toEqual([
      [`${tote} gate-1`, `${truck} dock`, `${truck} hub-7`, `${tote} sorter`],
      [`${truck} hub-7`, `${tote} sorter`],
      [],
      [],
    ])
  })

  it('tells a reader that sees the same each second once, and comes from a scan that arrives late', async () => {
    const [tote = ''] = await rig.totes(1)
    const id = waybill()
    await pack(tote, id)
    const packedAt = now()
    for (let n = 0; n < 5; n += 1) {
      rig.pass(1)
      await read(tote, 'gate-1')
    }
    rig.pass(60)
    await move(tote, 'dock')
    expect(await passages(id)).toEqual([[`${tote} gate-1`, `${tote} dock`]])
    const late = { reader: 'shelf-3', epc: rig.epcOf(tote), readAt: packedAt.toISOString() }
    await rig.one('containers.record_reads', { reads: [late, late] })
    expect(await passages(id)).toEqual([[`${tote} shelf-3`, `${tote} gate-1`, `${tote} dock`]])
  })

  it('is bounded: the latest fifty of each waybill', async () => {
    const [tote = ''] = await rig.totes(1)
    const id = waybill()
    await pack(tote, id)
    for (let n = 0; n < 60; n += 1) {
      rig.pass(1)
      await read(tote, `gate-${n}`)
    }
    const [found = []] = await passages(id)
    expect([found.length, found[0], found.at(-1)]).toEqual([50, `${tote} gate-10`, `${tote} gate-59`])
  })
})
