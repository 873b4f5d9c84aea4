import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { statement } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type CreateWaybills, openFulfilment, type PaidSection, waybillStates } from './index.ts'
import { phaseOf } from './lifecycle.ts'
import { historyOf } from './waybill-writer.ts'

let t: TestDatabases
const fulfilment = openFulfilment()
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('fulfilment').write(t.live, work)
const who = { actor: 'system:test', commandId: 'c-1' }
const destination = { name: 'Ada', line1: '1 Main St', city: 'Niagara Falls', postcode: 'L2E 1A1', country: 'CA', lat: 43.1, lng: -79.1 }
const sections: PaidSection[] = [
  {
    sectionNo: 1,
    destination,
    slot: { date: '2026-03-03', code: 'AM' },
    merchantId: null,
    items: [
      { itemNo: 1, sku: 'rice', skuType: 'dry', quantity: 1, weightGrams: 1000, volumeMl: 900 },
      { itemNo: 2, sku: 'peas', skuType: 'frozen', quantity: 3, weightGrams: 1500, volumeMl: 2000 },
      { itemNo: 3, sku: 'tea', skuType: 'dry', quantity: 1, weightGrams: 200, volumeMl: 300 },
    ],
  },
]
let lastOrder = 0
const order = (): CreateWaybills => {
  lastOrder += 1
  return { orderId: lastOrder, number: `A${lastOrder}`, sections, ...who }
}
const outbox = statement<{ key: string; type: string; payload: Record<string, unknown> }>(
  'test.outbox',
  'select key, type, payload from fulfilment.outbox where key = any($1::text[]) order by id',
)
const eventsOf = (waybillIds: readonly number[]) =>
  t.databases.of('fulfilment').read(t.live, (context) => context.query(outbox, [waybillIds.map(String)]))
const created = async (command = order()) => {
  const [outcome] = await write((context) => fulfilment.createWaybills(context, [command]))
  if (!outcome?.ok) throw new Error('not created')
  return outcome.value.waybillIds as [number, number]
}
const route = (waybillId: number, attempt = 1) => ({ waybillId, attempt, date: '2026-03-03', slotCode: 'AM', routeId: 7, ...who })
const stateOf = async (waybillId: number) => {
  const found = await t.databases.of('fulfilment').read(t.live, (context) => fulfilment.waybillsOfOrders(context, [lastOrder]))
  return found.get(lastOrder)?.find((waybill) => waybill.waybillId === waybillId)
}

describe('fulfilment on a database', () => {
  it('makes the waybills of one order once, whoever asks and however often', async () => {
    const command = order()
    const twice = await Promise.all([1, 2].map(() => write((context) => fulfilment.createWaybills(context, [command, command]))))
    const ids = twice.flat().map((outcome) => (outcome.ok ? outcome.value.waybillIds.toSorted() : outcome.error))
    expect(ids[0]).toHaveLength(2)
    for (const other of ids) expect(other).toEqual(ids[0])
    const events = await eventsOf(ids[0] as number[])
    expect(events.map((event) => event.type)).toEqual(['fulfilment.waybills_created', 'fulfilment.waybills_created'])
    expect(events[0]?.payload).toMatchObject({
      orderId: command.orderId,
      skuType: 'dry',
      itemNos: [1, 3],
      weightGrams: 1200,
      volumeMl: 1200,
      pieces: 2,
    })
  })

  it('walks the states between when a report names a later one, and writes each into history', async () => {
    const [dry] = await created()
    await write((context) => fulfilment.routeWaybills(context, [route(dry)]))
    const [moved] = await write((context) => fulfilment.moveWaybills(context, [{ waybillId: dry, to: 'picked', ...who }]))
    expect(moved).toMatchObject({ ok: true, value: { state: 'picked', changed: true } })
    const admin = await t.admin('live')
    const { rows } = await admin.query(
      'select from_state, to_state from fulfilment.change_log where root = $1 order by sequence, position',
      [dry],
    )
    expect(rows.map((row) => `${row.from_state}>${row.to_state}`)).toEqual([
      '>created',
      'created>routed',
      'routed>released',
      'released>acknowledged',
      'acknowledged>picked',
    ])
    expect((await eventsOf([dry])).at(-1)?.payload).toMatchObject({ from: 'routed', to: 'picked', via: ['released', 'acknowledged'] })
  })

  it('reads lines of history as versions before 0009 wrote them, which may go on while a new one is rolled out, and those that no index holds', async () => {
    const [dry] = await created()
    // Longer than an entry of an index can be, and of no pattern that would make it short.
    const reason = Array.from({ length: 3_000 }, (_, at) => String.fromCodePoint(0x4e00 + ((at * 7919) % 9_973))).join('')
    const held = { waybillId: dry, kind: 'address_unclear', owner: 'cs', ...who } as const
    await write((context) => fulfilment.holdWaybills(context, [{ ...held, reason }]))
    const admin = await t.admin('live')
    await admin.query(
      `insert into fulfilment.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, occurred_at)
       values ($1::bigint, '{waybill,waybill}', array[$1::text, $1::text], '{created,routed}', '{routed,created}', 'as before', 'c', 'a', 'live', now())`,
      [dry],
    )
    // Causes of a waybill's own steps beside the bound of the index, and far above it.
    await admin.query(
      `insert into fulfilment.change (root, level, states, cause, command_id, actor, traffic, occurred_at)
       select $1, 'waybill', '{created,routed,created}', repeat('x', bytes), 'c', 'a', 'live', now() from unnest('{1199,1200}'::int[]) as bytes`,
      [dry],
    )
    await write((context) => fulfilment.moveWaybills(context, [{ waybillId: dry, to: 'cancelled', reason, ...who }]))
    const toAndFro = [
      ['waybill', 'created', 'routed'],
      ['waybill', 'routed', 'created'],
    ]
    const steps = [
      ['waybill', '', 'created'],
      ['hold', 'free', 'address_unclear of cs'],
      ...toAndFro,
      ...toAndFro,
      ...toAndFro,
      ['waybill', 'created', 'cancelled'],
    ]
    const history = (await t.databases.of('fulfilment').read(t.live, (read) => historyOf(read, [dry]))).get(dry) ?? []
    expect(history.map(({ level, from, to }) => [level, from, to])).toEqual(steps)
    expect(history[1]?.cause).toContain(reason)
    expect(history[3]).toMatchObject({ cause: 'as before', actor: 'a', at: expect.any(Date) })
    expect(history.at(-1)?.cause).toContain(reason)
    const { rows } = await admin.query<{ entity: string; step: string[] }>(
      'select entity, array[level, from_state, to_state] as step from fulfilment.change_log where root = $1 order by sequence, position',
      [dry],
    )
    expect(rows).toEqual(steps.map((step) => ({ entity: String(dry), step })))
  })

  it('answers each command of a batch by itself, on what the one before it left', async () => {
    const [dry, frozen] = await created()
    await write((context) => fulfilment.routeWaybills(context, [route(dry)]))
    const outcomes = await write((context) =>
      fulfilment.moveWaybills(context, [
        { waybillId: dry, to: 'loaded', ...who },
        { waybillId: 999_999_999, to: 'loaded', ...who },
        { waybillId: frozen, to: 'loaded', ...who },
        { waybillId: dry, to: 'picked', ...who },
        { waybillId: dry, to: 'out_for_delivery', ...who },
        { waybillId: dry, to: 'delivered', occurredAt: new Date('2027-03-02T09:00:00Z'), ...who },
        { waybillId: dry, to: 'routed', ...who },
        { waybillId: frozen, to: 'routed', ...who },
      ]),
    )
    expect(outcomes.map((outcome) => (outcome.ok ? `${outcome.value.state} ${outcome.value.changed}` : outcome.error.code))).toEqual([
      'loaded true',
      'fulfilment.unknown_waybill',
      'fulfilment.not_movable',
      'loaded false',
      'out_for_delivery true',
      'fulfilment.in_the_future',
      'out_for_delivery false',
      'fulfilment.needs_a_route',
    ])
  })

  it('moves a waybill once when two callers report the same at the same time', async () => {
    const [dry] = await created()
    await write((context) => fulfilment.routeWaybills(context, [route(dry)]))
    const both = await Promise.all(
      [1, 2, 3, 4].map(() => write((context) => fulfilment.moveWaybills(context, [{ waybillId: dry, to: 'delivered', ...who }]))),
    )
    expect(both.flat().filter((outcome) => outcome.ok && outcome.value.changed)).toHaveLength(1)
    expect(both.flat().every((outcome) => outcome.ok)).toBe(true)
    expect((await eventsOf([dry])).filter((event) => event.payload['to'] === 'delivered')).toHaveLength(1)
  })

  it('follows to another truck while it is at home, without a word in its history, and no more when it is loaded', async () => {
    const [dry] = await created()
    await write((context) => fulfilment.routeWaybills(context, [route(dry)]))
    const before = (await eventsOf([dry])).length
    const [moved] = await write((context) => fulfilment.routeWaybills(context, [{ ...route(dry), routeId: 12 }]))
    expect(moved).toMatchObject({ ok: true, value: { state: 'routed', changed: true } })
    expect(await eventsOf([dry])).toHaveLength(before)
    await write((context) => fulfilment.moveWaybills(context, [{ waybillId: dry, to: 'loaded', ...who }]))
    const [late] = await write((context) => fulfilment.routeWaybills(context, [{ ...route(dry), routeId: 13 }]))
    expect(late).toMatchObject({ ok: false, error: { code: 'fulfilment.not_movable' } })
  })

  it('takes a failed attempt to a second route, and only to a route that was found for the second attempt', async () => {
    const [dry] = await created()
    await write((context) => fulfilment.routeWaybills(context, [route(dry)]))
    await write((context) =>
      fulfilment.moveWaybills(context, [
        { waybillId: dry, to: 'attempt_failed', reason: 'nobody home', ...who },
        { waybillId: dry, to: 'rescheduled', slot: { date: '2026-03-04', code: 'PM' }, ...who },
      ]),
    )
    const asked = (await eventsOf([dry])).at(-1)
    expect(asked).toMatchObject({
      type: 'fulfilment.waybill_rescheduled',
      payload: { attempt: 2, slot: { date: '2026-03-04', code: 'PM' } },
    })
    const [late, good, again] = await write((context) =>
      fulfilment.routeWaybills(context, [route(dry, 1), { ...route(dry, 2), routeId: 9 }, { ...route(dry, 2), routeId: 9 }]),
    )
    expect(late).toMatchObject({ ok: false, error: { code: 'fulfilment.not_movable' } })
    expect(good).toMatchObject({ ok: true, value: { state: 'routed', attempt: 2, changed: true } })
    expect(again).toMatchObject({ ok: true, value: { changed: false } })
  })

  it('calls off waybills whose items are all cancelled, shrinks those that keep some, and turns back loaded ones', async () => {
    const command = order()
    const [dry, frozen] = await created(command)
    const cancel = (itemNos: number[]) =>
      write((context) => fulfilment.cancelWaybills(context, [{ orderId: command.orderId, itemNos, ...who }]))
    expect(await cancel([2, 3])).toMatchObject([
      { ok: true, value: { moved: [{ waybillId: frozen, to: 'cancelled' }], shrunk: [dry], left: [] } },
    ])
    expect(await stateOf(dry)).toMatchObject({ pieces: 1, weightGrams: 1000, items: [{ itemNo: 1 }] })
    await write((context) => fulfilment.routeWaybills(context, [route(dry)]))
    await write((context) => fulfilment.moveWaybills(context, [{ waybillId: dry, to: 'loaded', ...who }]))
    expect(await cancel([1])).toMatchObject([{ ok: true, value: { moved: [{ waybillId: dry, to: 'returning' }] } }])
    expect(await cancel([1, 2, 3])).toMatchObject([{ ok: true, value: { moved: [], shrunk: [], left: [] } }])
  })

  it('tells of every row that comes to the door although it, or some of its pieces, were cancelled', async () => {
    const command = order()
    const [, frozen] = await created(command)
    await write((context) => fulfilment.routeWaybills(context, [route(frozen)]))
    await write((context) => fulfilment.moveWaybills(context, [{ waybillId: frozen, to: 'delivered', ...who }]))
    // One of three packs of peas.
    const late = { orderId: command.orderId, itemNos: [], reduced: [{ itemNo: 2, quantity: 2 }], ...who }
    const cancelled = await write((context) => fulfilment.cancelWaybills(context, [late]))
    expect(cancelled).toMatchObject([{ ok: true, value: { shrunk: [], left: [{ waybillId: frozen, itemNos: [2] }] } }])
  })

  it('lists waybills that wait in a state page by page', async () => {
    const ids = (await Promise.all(Array.from({ length: 3 }, () => created()))).flat().toSorted((a, b) => a - b)
    const pages = await t.databases.of('fulfilment').read(t.live, (context) =>
      fulfilment.waybillsAwaiting(context, [
        { state: 'created', after: ids[0] as number, limit: 3 },
        { state: 'lost', after: 0, limit: 5 },
      ]),
    )
    expect(pages.map((page) => page.map((waybill) => waybill.waybillId))).toEqual([ids.slice(1, 4), []])
  })

  it('finds each state in the phase that the life cycle says, and no report within a phase touches an index', async () => {
    const [dry] = await created()
    const admin = await t.admin('live')
    await admin.query('alter table fulfilment.waybill disable trigger waybill_changed_by_hand')
    for (const state of waybillStates) {
      const { rows } = await admin.query('update fulfilment.waybill set state = $2 where id = $1 returning phase', [dry, state])
      expect([state, rows[0].phase]).toEqual([state, phaseOf[state]])
    }
    await admin.query("update fulfilment.waybill set state = 'created' where id = $1", [dry])
    await admin.query('alter table fulfilment.waybill enable trigger waybill_changed_by_hand')
    const { rows } = await admin.query(
      // Conditions of partial indexes count as well.
      `select indexdef from pg_indexes where schemaname = 'fulfilment' and tablename = 'waybill' and indexdef ~ '\\m(state|moved_at|version|holds)\\M'`,
    )
    expect(rows).toEqual([])
  })

  it('keeps its laws, and sees a change made by hand', async () => {
    const read = () => t.databases.of('fulfilment').read(t.live, (context) => fulfilment.check(context))
    expect((await read()).filter((report) => report.broken > 0)).toEqual([])
    const [dry] = await created()
    const admin = await t.admin('live')
    await admin.query("update fulfilment.waybill set state = 'picked' where id = $1", [dry])
    const { rows } = await admin.query("select cause, to_state from fulfilment.change_log where root = $1 and cause = 'by hand'", [dry])
    expect(rows).toEqual([{ cause: 'by hand', to_state: 'picked' }])
    const broken = (await read()).filter((report) => report.broken > 0)
    expect(broken).toMatchObject([{ law: 'a waybill on its way to the door has a route', broken: 1, examples: [dry] }])
  })
})
