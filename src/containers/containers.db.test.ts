import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ContainersRig, openContainersRig } from './containers-rig.ts'

let rig: ContainersRig
beforeAll(async () => {
  rig = await openContainersRig()
})
afterAll(() => rig.close())

let lastWaybill = 0
/** A waybill with 5 pieces of item 1 and 2 of item 2. */
const waybill = (state = 'picked', ended = false): number => {
  lastWaybill += 1
  const items = [
    { itemNo: 1, quantity: 5 },
    { itemNo: 2, quantity: 2 },
  ]
  rig.waybills.set(lastWaybill, { waybillId: lastWaybill, state, ended, items })
  return lastWaybill
}
const view = (code: string, at?: Date) =>
  rig.one('containers.get', at === undefined ? { code } : { code, at: at.toISOString() }) as Promise<{
    state: string
    inside: { code: string }[]
    containers: { code: string; into: string }[]
    contents: { code: string; waybillId: number; itemNo: number; quantity: number }[]
  }>

describe('registering containers', () => {
  it('answers each of a batch by itself, and finds the same registration again', async () => {
    const good = { code: 'BAG-A1', kind: 'bag', colour: 'red' }
    const tagged = { code: 'BOX-A2', kind: 'box', colour: 'green', epc: 'urn:epc:tag:grai-96:3.0614141.12345.400' }
    const inputs = [
      good,
      tagged,
      { ...tagged, code: 'BOX-A3' },
      { ...good, colour: 'blue' },
      { ...tagged, code: 'BOX-A4', epc: '3374257BF40C0E4000000191', grai: '00614141123453' },
      { ...tagged, code: 'BOX-A5', epc: 'not a tag' },
      { code: 'BOX-A6', kind: 'box', colour: 'green', grai: '00614141123452' },
      { code: '12345', kind: 'box', colour: 'green' },
    ]
    expect(await rig.all('containers.register', inputs)).toEqual([
      { containerId: expect.any(Number), code: 'BAG-A1', epc: null, created: true },
      { containerId: expect.any(Number), code: 'BOX-A2', epc: '3374257BF40C0E4000000190', created: true },
      'containers.tag_taken /epc',
      'containers.code_taken /code',
      'containers.bad_printed_key /grai',
      'containers.bad_epc /epc',
      'containers.bad_printed_key /grai',
      'platform.invalid_input /code',
    ])
    expect(await rig.all('containers.register', [good, tagged])).toMatchObject([{ created: false }, { created: false }])
  })

  it('takes 10,000 in one call', async () => {
    const inputs = Array.from({ length: 10_000 }, (_, index) => ({ code: `MANY-${index}`, kind: 'tote', colour: 'grey' }))
    const outcomes = (await rig.all('containers.register', [...inputs.slice(0, 9_999), { ...inputs[9_999], kind: 'crate' }])) as {
      created?: boolean
    }[]
    expect(outcomes.filter((outcome) => outcome.created === true)).toHaveLength(9_999)
    expect(outcomes.at(-1)).toBe('platform.invalid_input /kind')
  })

  it('registers once when several callers register the same codes at the same time', async () => {
    const same = Array.from({ length: 20 }, (_, index) => ({ code: `RACE-${index}`, kind: 'tote', colour: 'blue' }))
    const answers = await Promise.all([1, 2, 3, 4].map((caller) => rig.by(caller, 'containers.register', same)))
    expect(answers.flat().filter((answer) => (answer as { created?: boolean }).created === true)).toHaveLength(20)
    expect(answers.flat().filter((answer) => (answer as { created?: boolean }).created === false)).toHaveLength(60)
  })

  it('puts a tag on one container when several callers register it on different ones at the same time', async () => {
    for (let round = 0; round < 10; round += 1) {
      const epc = `urn:epc:tag:grai-96:0.0614141.54321.${round}`
      const rivals = [1, 2, 3, 4].map((caller) => ({ code: `RIVAL-${round}-${caller}`, kind: 'tote', colour: 'blue', epc }))
      const answers = await Promise.all(rivals.map((rival, caller) => rig.by(caller, 'containers.register', [rival])))
      expect(answers.flat().filter((answer) => answer === 'containers.tag_taken /epc')).toHaveLength(3)
    }
  })
})

describe('packing', () => {
  it('says what a container holds, in several containers, and never more than the waybill has', async () => {
    const [a, b] = await rig.totes(2)
    const waybillId = waybill()
    const put = (code: string | undefined, itemNo: number, quantity: number) => ({ code, waybillId, items: [{ itemNo, quantity }] })
    expect(await rig.all('containers.pack', [put(a, 1, 3), put(b, 1, 3), put(b, 1, 2), put(a, 1, 3), put(b, 3, 1)])).toEqual([
      { containerId: expect.any(Number), waybillId, items: [{ itemNo: 1, quantity: 3 }], changed: true },
      'containers.more_than_ordered /items/0/quantity',
      { containerId: expect.any(Number), waybillId, items: [{ itemNo: 1, quantity: 2 }], changed: true },
      { containerId: expect.any(Number), waybillId, items: [{ itemNo: 1, quantity: 3 }], changed: false },
      'containers.unknown_item /items/0/itemNo',
    ])
    expect(await rig.one('containers.pack', { code: b, waybillId })).toMatchObject({
      items: [
        { itemNo: 1, quantity: 2 },
        { itemNo: 2, quantity: 2 },
      ],
    })
    expect(await rig.one('containers.pack', put(a, 1, 0))).toMatchObject({ items: [], changed: true })
    expect(await view(b as string)).toMatchObject({ state: 'packed', contents: [{ itemNo: 1 }, { itemNo: 2 }] })
  })

  it('packs the pieces once when many callers put them into different containers', async () => {
    const codes = await rig.totes(6)
    const waybillId = waybill()
    await Promise.all(
      codes.map((code, server) => rig.by(server, 'containers.pack', [{ code, waybillId, items: [{ itemNo: 1, quantity: 2 }] }])),
    )
    const views = await Promise.all(codes.map((code) => view(code)))
    expect(views.flatMap(({ contents }) => contents).reduce((sum, line) => sum + line.quantity, 0)).toBe(4)
    expect(await rig.broken()).toEqual([])
  })

  it('refuses what is not there, what has ended, and containers out of use', async () => {
    const [a, lost] = await rig.totes(2)
    await rig.one('containers.report', { code: lost, report: 'lost' })
    expect(
      await rig.all('containers.pack', [
        { code: 'NOBODY', waybillId: waybill() },
        { code: a, waybillId: 999_999 },
        { code: a, waybillId: waybill('cancelled', true) },
        { code: lost, waybillId: waybill() },
        { code: a, waybillId: waybill(), items: [{ itemNo: 1, quantity: -1 }] },
        { code: a, waybillId: waybill(), items: [1, 1].map((itemNo) => ({ itemNo, quantity: 1 })) },
      ]),
    ).toEqual([
      'containers.unknown_container /code',
      'containers.unknown_waybill /waybillId',
      'containers.waybill_ended /waybillId',
      'containers.not_usable /code',
      'platform.invalid_input /items/0/quantity',
      'containers.item_twice /items/1/itemNo',
    ])
    expect(await view(a as string)).toMatchObject({ state: 'empty', contents: [] })
  })
})

describe('nesting', () => {
  it('puts containers into each other, takes them out, and refuses rings and towers', async () => {
    const codes = await rig.totes(9)
    const [a = '', b = '', c = ''] = codes
    const chain = codes.slice(1, 8).map((code, index) => ({ code, into: codes[index] }))
    expect(await rig.all('containers.nest', chain)).toEqual(chain.map(({ into }) => expect.objectContaining({ into, changed: true })))
    expect(
      await rig.all('containers.nest', [
        { code: codes[8], into: codes[7] },
        { code: a, into: c },
        { code: a, into: a },
        { code: b, into: a },
        { code: b, into: 'NOBODY' },
        { code: c, into: null },
        { code: a, into: codes[7] },
        { code: codes[8], into: b },
        { code: codes[8], into: codes[7] },
      ]),
    ).toEqual([
      'containers.too_deep /into',
      'containers.cycle /into',
      'containers.cycle /into',
      expect.objectContaining({ changed: false }),
      'containers.unknown_container /into',
      expect.objectContaining({ into: null, changed: true }),
      expect.objectContaining({ into: codes[7], changed: true }),
      'containers.too_deep /into',
      expect.objectContaining({ into: codes[7], changed: true }),
    ])
    expect((await view(codes[8] as string)).inside.map(({ code }) => code)).toEqual(codes.slice(2, 8).toReversed())
    expect(await rig.broken()).toEqual([])
  })

  it('closes no ring, however many callers each put one half of it', async () => {
    for (let round = 0; round < 10; round += 1) {
      const codes = await rig.totes(5)
      const outcomes = await Promise.all(
        codes.map((code, index) => rig.by(index, 'containers.nest', [{ code, into: codes[(index + 1) % codes.length] }])),
      )
      expect(outcomes.flat().filter((outcome) => outcome === 'containers.cycle /into')).toHaveLength(1)
    }
    expect(await rig.broken()).toEqual([])
  })
})

describe('what happens to containers', () => {
  it('empties one: what was in it comes out, and was in it before', async () => {
    const [outer = '', inner = ''] = await rig.totes(2)
    const waybillId = waybill()
    await rig.one('containers.pack', { code: inner, waybillId })
    await rig.one('containers.pack', { code: outer, waybillId: waybill() })
    await rig.one('containers.nest', { code: inner, into: outer })
    const before = rig.t.clock.now()
    rig.pass(60)
    const empty = { code: outer, report: 'emptied' }
    expect(await rig.all('containers.report', [empty, empty])).toMatchObject([{ state: 'empty', changed: true }, { changed: false }])
    expect(await view(outer)).toMatchObject({ state: 'empty', containers: [], contents: [] })
    expect(await view(inner)).toMatchObject({ state: 'packed', inside: [], contents: [{ waybillId }, { waybillId }] })
    const then = await view(outer, before)
    expect(then.containers).toEqual([{ code: inner, kind: 'tote', into: outer }])
    expect(then.contents.map(({ code }) => code)).toEqual([outer, outer, inner, inner])
    expect(await rig.broken()).toEqual([])
  })

  it('loses, finds and retires by its life cycle, once however many report it', async () => {
    const [a = '', parent = ''] = await rig.totes(2)
    await rig.one('containers.nest', { code: a, into: parent })
    const lose = { code: a, report: 'lost' }
    const all = (await Promise.all([1, 2, 3].map((server) => rig.by(server, 'containers.report', [lose])))).flat() as { changed: boolean }[]
    expect(all.filter(({ changed }) => changed)).toHaveLength(1)
    expect((await view(a)).inside).toEqual([])
    expect(await rig.all('containers.nest', [{ code: a, into: parent }])).toEqual(['containers.not_usable /code'])
    expect(
      await rig.all(
        'containers.report',
        ['emptied', 'found', 'retired', 'emptied', 'found', 'retired', 'retired', 'found'].map((report) => ({ code: a, report })),
      ),
    ).toMatchObject([
      'containers.not_reportable /report',
      { state: 'packed', changed: true },
      'containers.not_reportable /report',
      { state: 'empty', changed: true },
      'containers.not_reportable /report',
      { state: 'retired', changed: true },
      { state: 'retired', changed: false },
      'containers.not_reportable /report',
    ])
    const admin = await rig.t.admin('live')
    const { rows } = await admin.query(
      `select to_state, actor from containers.change_log where root = (select id from containers.container where code = $1) order by sequence, position`,
      [a],
    )
    expect(rows.map((row) => row.to_state)).toEqual(['empty', 'lost', 'packed', 'empty', 'retired'])
    expect(await rig.broken()).toEqual([])
  })

  it('never overlaps the intervals of a container, also when the clock goes back', async () => {
    const [child = '', a = '', b = ''] = await rig.totes(3)
    await rig.one('containers.nest', { code: child, into: a })
    rig.pass(-3600)
    await rig.one('containers.nest', { code: child, into: b })
    await rig.one('containers.nest', { code: child, into: a })
    rig.pass(3600)
    expect((await view(child)).inside).toMatchObject([{ code: a }])
    expect(await rig.broken()).toEqual([])
  })

  it('has laws that see what is broken by hand', async () => {
    const [a = '', b = '', c = ''] = await rig.totes(3)
    const admin = await rig.t.admin('live')
    const id = `(select id from containers.container where code = `
    await admin.query(`insert into containers.containment (child_id, parent_id, from_at) values (${id}'${a}'), ${id}'${b}'), now())`)
    await admin.query(`insert into containers.containment (child_id, parent_id, from_at) values (${id}'${b}'), ${id}'${a}'), now())`)
    await admin.query(
      `insert into containers.containment (child_id, parent_id, from_at, until_at) values (${id}'${a}'), ${id}'${c}'), now() - interval '1 h', now() + interval '1 h')`,
    )
    await admin.query(`update containers.container set state = 'lost', version = version + 1 where code = '${a}'`)
    await admin.query(`insert into containers.tag_read values ('300000000000000000000000', now(), 'x')`)
    expect(await rig.broken()).toEqual([
      'a container is inside at most one other at any time',
      'no container is inside itself, and none more than 8 deep',
      'what is empty or retired holds nothing',
      'what is lost or retired is inside of nothing',
      'the state of a container is the last one in its history',
      'every tag that was read is known as a tag',
    ])
  })
})
