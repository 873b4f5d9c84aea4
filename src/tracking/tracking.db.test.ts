import { hash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type Movement, openTracking, type ReportedFact } from './index.ts'

let t: TestDatabases
const tracking = openTracking()
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('tracking').write(t.live, work)
const start = Date.parse('2026-03-01T08:00:00Z')
let lastWaybill = 0
const born = async (count = 1): Promise<number[]> => {
  const births = Array.from({ length: count }, (): Movement => {
    lastWaybill += 1
    return { waybillId: lastWaybill, orderId: 1000 + lastWaybill, state: 'created', attempt: 1, occurredAt: new Date(start) }
  })
  await write((context) => tracking.recordMovements(context, births))
  return births.map((birth) => birth.waybillId)
}
const moved = (waybillId: number, state: string, minutes: number, attempt = 1): Movement => ({
  waybillId,
  orderId: 1000 + waybillId,
  state,
  attempt,
  occurredAt: new Date(start + minutes * 60_000),
})
const reported = (waybillId: number, code: string, minutes: number, change: Partial<ReportedFact> = {}): ReportedFact => ({
  waybillId,
  code,
  occurredAt: new Date(start + minutes * 60_000),
  source: 'carrier',
  ...change,
})
const viewOf = async (waybillId: number) => {
  const [view] = await t.databases.of('tracking').read(t.live, (context) => tracking.shipmentsOfOrders(context, [1000 + waybillId]))
  if (view === undefined) throw new Error(`no shipment of waybill ${waybillId}`)
  return view
}
const toldOf = async (waybillId: number) => {
  const admin = await t.admin('live')
  const { rows } = await admin.query('select type, payload from tracking.outbox where key = $1 order by id', [String(waybillId)])
  return rows.map(
    ({ type, payload }) => `${type === 'tracking.milestone_reached' ? '+' : '-'}${payload.leg}.${payload.attempt}.${payload.milestone}`,
  )
}
const brokenLaws = async () =>
  (await t.databases.of('tracking').read(t.live, (context) => tracking.check(context))).filter((report) => report.broken > 0)

describe('tracking on a database', () => {
  it('opens one shipment a waybill however often and from how many callers it is told', async () => {
    const births = [1, 2, 3].map((n) => ({ ...moved(9000 + n, 'created', 0), orderId: 77 }))
    const outcomes = await Promise.all([1, 2, 3].map(() => write((context) => tracking.recordMovements(context, [...births, ...births]))))
    expect(outcomes.flat().filter((outcome) => outcome.ok && outcome.value.changed)).toHaveLength(3)
    const views = await t.databases.of('tracking').read(t.live, (context) => tracking.shipmentsOfOrders(context, [77]))
    expect(views.map((view) => [view.state, view.timeline.length])).toEqual([
      ['created', 1],
      ['created', 1],
      ['created', 1],
    ])
    expect(new Set(views.map((view) => view.publicPath)).size).toBe(3)
  })

  it('keeps the longest texts that it is told, all at once: they lie in the key of the table', async () => {
    const [waybillId = 0] = await born()
    // Three bytes a letter, and none like the one before, so that nothing is gained by compressing them.
    const letters = (count: number) => Array.from({ length: count }, (_, n) => String.fromCharCode(0x4e00 + ((n * 7919) % 20_000))).join('')
    const told = { place: letters(100), sourceId: letters(64), detail: letters(200), source: 'a'.repeat(32) }
    const outcomes = await write((context) => tracking.recordFacts(context, [reported(waybillId, letters(201), 5, told)]))
    expect(outcomes.map((outcome) => outcome.ok && outcome.value.added)).toEqual([true])
    const { timeline } = await viewOf(waybillId)
    expect(timeline.at(-1)).toMatchObject({ code: letters(201), place: told.place, detail: told.detail, source: told.source })
  })

  it('follows a waybill to its door and tells each milestone of each attempt once', async () => {
    const [waybillId = 0] = await born()
    const story = [
      moved(waybillId, 'routed', 1),
      moved(waybillId, 'acknowledged', 2),
      moved(waybillId, 'loaded', 3),
      moved(waybillId, 'out_for_delivery', 4),
      moved(waybillId, 'attempt_failed', 5),
      moved(waybillId, 'out_for_delivery', 6, 2),
      moved(waybillId, 'delivered', 7, 2),
    ]
    for (let round = 0; round < 2; round += 1) await write((context) => tracking.recordMovements(context, story))
    expect(await viewOf(waybillId)).toMatchObject({ state: 'delivered', attempt: 2, leg: 1, late: 0 })
    expect(await toldOf(waybillId)).toEqual([
      '+1.1.accepted',
      '+1.1.in_transit',
      '+1.1.out_for_delivery',
      '+1.1.attempted',
      '+1.2.out_for_delivery',
      '+1.2.delivered',
    ])
  })

  it('comes to the same state from shuffled, repeated batches of two callers as from the events in order', async () => {
    const count = 40
    const [inOrder, shuffled] = [await born(count), await born(count)]
    const codes = [
      'accepted',
      'in_transit',
      'at_hub',
      'out_for_delivery',
      'attempted',
      'delivered',
      'exception',
      'returning',
      'returned',
      'unheard_of',
    ]
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
    console.log(`seed ${seed}`)
    let state = seed
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
      return (state >> 8) % below
    }
    const stories = Array.from({ length: count }, () =>
      Array.from({ length: 8 }, () => ({ code: codes[random(codes.length)] as string, minutes: random(40) * 30 })).toSorted(
        (a, b) => a.minutes - b.minutes,
      ),
    )
    for (const [index, story] of stories.entries()) {
      const waybillId = inOrder[index] as number
      for (const { code, minutes } of story) await write((context) => tracking.recordFacts(context, [reported(waybillId, code, minutes)]))
    }
    const all = stories.flatMap((story, index) => story.map(({ code, minutes }) => reported(shuffled[index] as number, code, minutes)))
    const deck = [...all, ...all, ...all]
    for (let index = deck.length - 1; index > 0; index -= 1) {
      const other = random(index + 1)
      ;[deck[index], deck[other]] = [deck[other] as ReportedFact, deck[index] as ReportedFact]
    }
    const half = Math.floor(deck.length / 2)
    const feed = async (part: readonly ReportedFact[]) => {
      for (let from = 0; from < part.length; from += 50)
        await write((context) => tracking.recordFacts(context, part.slice(from, from + 50)))
    }
    await Promise.all([feed(deck.slice(0, half)), feed(deck.slice(half))])
    for (const [index, waybillId] of inOrder.entries()) {
      const pick = ({ state, leg, attempt, late, exception, timeline }: Awaited<ReturnType<typeof viewOf>>) => ({
        state,
        leg,
        attempt,
        late,
        exception,
        facts: timeline.length,
      })
      expect(pick(await viewOf(shuffled[index] as number)), `waybill ${index} of seed ${seed}`).toEqual(pick(await viewOf(waybillId)))
    }
    expect(await brokenLaws()).toEqual([])
  })

  it('answers each event by itself, keeps unknown codes, and refuses what lies a year ahead', async () => {
    const [waybillId = 0] = await born()
    t.clock.set(new Date(start + 3_600_000))
    const outcomes = await write((context) =>
      tracking.recordFacts(context, [
        reported(waybillId, 'customs_hold_x7', 10, { sourceId: 'e1', place: 'Hamilton' }),
        reported(999_999, 'delivered', 10),
        reported(waybillId, 'delivered', 60 * 24 * 365),
        reported(waybillId, 'in_transit', 20),
        reported(waybillId, 'in_transit', 20),
      ]),
    )
    expect(
      outcomes.map((outcome) =>
        outcome.ok
          ? `${outcome.value.state} ${outcome.value.added} ${outcome.value.codeKnown}`
          : `${outcome.error.code} ${outcome.error.field}`,
      ),
    ).toEqual([
      'in_transit true false',
      'tracking.unknown_shipment /waybillId',
      'tracking.in_the_future /occurredAt',
      'in_transit true true',
      'in_transit false true',
    ])
    expect((await viewOf(waybillId)).timeline.map((entry) => entry.code)).toEqual(['created', 'customs_hold_x7', 'in_transit'])
  })

  it('records what fulfilment did also where the own clock is far behind, for it would not be told again', async () => {
    const [waybill = 0] = await born()
    const [outcome] = await write((context) => tracking.recordMovements(context, [moved(waybill, 'cancelled', 9 * 24 * 60)]))
    expect(outcome).toMatchObject({ ok: true, value: { changed: true } })
    expect((await viewOf(waybill)).state).toBe('cancelled')
  })

  it('corrects what it told when the fact is taken back, even when the void comes first', async () => {
    const [first = 0, second = 0] = await born(2)
    const record = (fact: ReportedFact) => write((context) => tracking.recordFacts(context, [fact]))
    await record(reported(first, 'out_for_delivery', 10))
    const [delivered] = await record(reported(first, 'delivered', 20))
    const factId = delivered?.ok ? delivered.value.factId : ''
    await record(reported(first, 'void', 30, { voids: factId }))
    expect(await viewOf(first)).toMatchObject({ state: 'out_for_delivery' })
    expect(await toldOf(first)).toEqual(['+1.1.out_for_delivery', '+1.1.delivered', '-1.1.delivered'])

    // The id of a fact is known to its sender before we have it; on a second shipment the void overtakes it.
    const { contentOf } = await import('./fact.ts')
    const time = start + 20 * 60_000
    const coming = contentOf({
      source: 'carrier',
      code: 'delivered',
      time,
      place: '',
      attempt: null,
      zoneKnown: true,
      voids: null,
    })
    await record(reported(second, 'void', 5, { voids: coming }))
    await record(reported(second, 'out_for_delivery', 10))
    await record(reported(second, 'delivered', 20))
    expect(await viewOf(second)).toMatchObject({ state: 'out_for_delivery' })
    expect(await toldOf(second)).toEqual(['+1.1.out_for_delivery'])
    expect(await brokenLaws()).toEqual([])
  })

  it('shows a public page that carries one script of ours, no ids, and nothing unescaped', async () => {
    const [waybillId = 0] = await born()
    await write((context) => tracking.recordFacts(context, [reported(waybillId, 'at_hub', 10, { place: '<script>alert(1)</script>' })]))
    const view = await viewOf(waybillId)
    const token = view.publicPath.slice('/t/'.length)
    const pageOf = (asked: string) => t.databases.of('tracking').read(t.live, (context) => tracking.publicPage(context, asked))
    const page = await pageOf(token)
    expect(page.status).toBe(200)
    expect(page.body).toContain('At a hub near you')
    expect(page.body).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    const scripts = [...page.body.matchAll(/<script>([^]*?)<\/script>/g)].map(([, text = '']) => hash('sha256', text, 'base64'))
    expect(scripts).toHaveLength(1)
    expect(page.body.match(/<script/g)).toHaveLength(1)
    expect(page.headers['content-security-policy']).toContain(`script-src 'sha256-${scripts[0]}';`)
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-/)
    expect((await pageOf('00000000-0000-4000-8000-000000000000')).status).toBe(404)
    expect((await pageOf("x' or 1=1")).status).toBe(404)
  })

  it('finds a projection that was changed by hand', async () => {
    const [waybillId = 0] = await born()
    const admin = await t.admin('live')
    await admin.query("update tracking.shipment set state = 'delivered' where waybill_id = $1", [waybillId])
    expect((await brokenLaws()).map((report) => report.law)).toEqual(['the state of a shipment is that of its projection'])
    await admin.query("update tracking.shipment set state = 'created', projection = '{}' where waybill_id = $1", [waybillId])
    expect((await brokenLaws()).map((report) => report.law)).toContain('the projection of a shipment is the fold of its facts')
    const { rows } = await admin.query('select from_state, to_state from tracking.change_log order by sequence')
    expect(rows[0]).toEqual({ from_state: 'created', to_state: 'delivered' })
    const page = await t.databases.of('tracking').survey(t.live, (context) => tracking.comparePage(context, 0))
    expect(page.unequal).toHaveLength(1)
    expect(await write((context) => tracking.rebuildPage(context, 0))).toMatchObject({ repaired: 1, next: null })
    expect(await brokenLaws()).toEqual([])
    expect(await write((context) => tracking.rebuildPage(context, 0))).toMatchObject({ repaired: 0 })
  })
})
