import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { openTracking, type RegisterShipment, type ReportedFact } from './index.ts'

let t: TestDatabases
const tracking = openTracking()
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

const write = <T>(work: (context: WriteContext) => Promise<T>) => t.databases.of('tracking').write(t.live, work)
const start = Date.parse('2026-03-01T08:00:00Z')
const carrier = 'posta'
const fact = (number: string, code: string, minutes: number, change: Partial<ReportedFact> = {}): ReportedFact => ({
  carrier,
  number,
  code,
  occurredAt: new Date(start + minutes * 60_000),
  source: 'posta',
  ...change,
})
const record = (...facts: ReportedFact[]) => write((context) => tracking.recordFacts(context, facts))
const register = (...commands: RegisterShipment[]) => write((context) => tracking.registerShipments(context, commands))
const numbered = (...numbers: string[]) => numbers.map((number) => ({ carrier, number }))
const byNumber = async (number: string) => {
  const [views = []] = await t.databases.of('tracking').read(t.live, (context) => tracking.shipmentsBy(context, 'number', [{ number }]))
  return views
}
const valueOf = <T>(outcome: Outcome<T> | undefined): T => {
  if (outcome?.ok !== true) throw new Error(JSON.stringify(outcome))
  return outcome.value
}
const said = (outcomes: readonly Outcome<unknown>[]) => outcomes.map((one) => (one.ok ? 'ok' : `${one.error.code} ${one.error.field}`))
const brokenLaws = async () =>
  (await t.databases.of('tracking').read(t.live, (context) => tracking.check(context))).filter((report) => report.broken > 0)

describe('shipments that are not ours', () => {
  it('are opened by the first fact of a number, once, however many tell of it at once', async () => {
    const numbers = Array.from({ length: 20 }, (_, index) => `once${index}`)
    const all = await Promise.all(
      [1, 2, 3, 4].map((turn) =>
        record(...numbers.map((number) => fact(turn % 2 === 0 ? number.toUpperCase() : number, 'in_transit', turn))),
      ),
    )
    for (const [index, number] of numbers.entries()) {
      expect(new Set(all.map((outcomes) => valueOf(outcomes[index]).shipmentId)).size).toBe(1)
      const [view] = await byNumber(number.toUpperCase())
      expect(view).toMatchObject({ state: 'in_transit', registered: false, waybillId: null, orderId: null, numbers: [{ carrier }] })
      expect(view?.timeline).toHaveLength(4)
    }
  })

  it('are joined by a registration that comes later, with all numbers it names', async () => {
    await record(fact('J1', 'accepted', 0), fact('J2', 'out_for_delivery', 60), fact('J2', 'accepted', 0))
    const [first] = await byNumber('J1')
    const [second] = await byNumber('J2')
    expect(first?.shipmentId).not.toBe(second?.shipmentId)
    const promisedAt = new Date(start + 3 * 3_600_000)
    const command = { numbers: numbered('J1', 'J2', 'J3'), orderRef: 'web-77', from: 'HAM', to: 'BER', promisedAt }
    const { shipmentId, added } = valueOf((await register(command))[0])
    expect(added).toBe(true)
    expect(valueOf((await register(command))[0])).toMatchObject({ shipmentId, added: false })
    // A fact that names the one that went away by its id still finds the parcel.
    const gone = first?.shipmentId === shipmentId ? second : first
    await record(fact('J3', 'attempted', 90), { ...fact('', 'at_hub', 30), shipmentId: gone?.shipmentId ?? 0 })
    for (const number of ['J1', 'J2', 'J3'])
      expect(await byNumber(number)).toMatchObject([
        {
          shipmentId,
          state: 'attempted',
          orderRef: 'web-77',
          from: 'HAM',
          to: 'BER',
          promisedAt: promisedAt.toISOString(),
          registered: true,
          timeline: [{ code: 'accepted' }, { code: 'at_hub' }, { code: 'out_for_delivery' }, { code: 'attempted' }],
        },
      ])
    // As a number that was given to the one that went while the two became one.
    const admin = await t.admin('live')
    await admin.query(`insert into tracking.reference values ($1, 'J9', $2)`, [carrier, gone?.shipmentId])
    expect(await byNumber('J9')).toMatchObject([{ shipmentId, state: 'attempted' }])
    const read = t.databases.of('tracking')
    const tokens = [first, second].map((view) => view?.publicPath.slice(3) ?? '')
    const byToken = await read.read(t.live, (context) => tracking.shipmentsBy(context, 'token', tokens))
    expect(byToken.map(([view]) => view?.shipmentId)).toEqual([shipmentId, shipmentId])
    const byOrder = await read.read(t.live, (context) => tracking.shipmentsBy(context, 'orderRef', ['none', 'web-77']))
    expect(byOrder.map((views) => views.map((view) => view.shipmentId))).toEqual([[], [shipmentId]])
    expect(await brokenLaws()).toEqual([])
  })

  it('may be waybills of ours that an outside carrier takes over', async () => {
    await write((context) =>
      tracking.recordMovements(context, [{ waybillId: 71, orderId: 7, state: 'created', attempt: 1, occurredAt: new Date(start) }]),
    )
    await record(fact('OUT1', 'out_for_delivery', 60))
    const { shipmentId } = valueOf((await register({ waybillId: 71, numbers: numbered('OUT1', 'OUT2') }))[0])
    await record(fact('OUT2', 'delivered', 90))
    const [views = []] = await t.databases.of('tracking').read(t.live, (context) => tracking.shipmentsBy(context, 'waybill', [71]))
    expect(views).toMatchObject([{ shipmentId, orderId: 7, state: 'delivered', numbers: numbered('OUT1', 'OUT2') }])
    const admin = await t.admin('live')
    const { rows } = await admin.query(`select payload from tracking.outbox where key = '71' order by id`)
    expect(rows.map(({ payload }) => `${payload.waybillId} ${payload.milestone}`)).toEqual(['71 out_for_delivery', '71 delivered'])
    expect(await byNumber('OUT1')).toMatchObject([{ shipmentId }])
    expect(
      said(
        await record(
          { ...fact(`S${shipmentId}`, 'at_hub', 10), carrier: 'throughline' },
          { ...fact('W71', 'at_hub', 11), carrier: 'throughline' },
        ),
      ),
    ).toEqual(['ok', 'ok'])
  })

  it('are two when somebody registered two, and what is wrong with one entry of a batch leaves the others alone', async () => {
    const outcomes = await register(
      { numbers: numbered('T1'), orderRef: 'a' },
      { numbers: numbered('T2'), orderRef: 'b' },
      { numbers: numbered('T1', 'T2') },
      { numbers: numbered('T1'), orderRef: 'b' },
      { numbers: numbered('T1', 'T4'), orderRef: 'a' },
      { orderRef: 'c' },
      { numbers: numbered('T5'), shipmentId: 999_999 },
      { numbers: [{ carrier: 'throughline', number: 'X1' }] },
    )
    expect(said(outcomes)).toEqual([
      'ok',
      'ok',
      'tracking.number_taken /numbers/1/number',
      'tracking.number_taken /orderRef',
      'ok',
      'tracking.no_shipment_named /numbers',
      'tracking.unknown_shipment /shipmentId',
      'tracking.unknown_shipment /numbers/0/number',
    ])
    expect(await byNumber('T5')).toEqual([])
    expect((await byNumber('T4'))[0]?.shipmentId).toBe((await byNumber('T1'))[0]?.shipmentId)
    expect(said(await register({ numbers: numbered('T1', 'T2') }))).toEqual(['tracking.number_taken /numbers/1/number'])
  })

  it('get no number from a registration that is refused', async () => {
    await register({ numbers: numbered('U1'), orderRef: 'ua' }, { numbers: numbered('U2'), orderRef: 'ub' })
    const outcomes = await register(
      { numbers: numbered('U1', 'U3'), orderRef: 'uc' },
      { numbers: numbered('U1', 'U2', 'U4') },
      { numbers: [...numbered('U5'), { carrier: 'throughline', number: 'S999999' }] },
      { numbers: numbered('U2', 'U6', 'U7'), orderRef: 'uc' },
      { numbers: numbered('U7'), orderRef: 'ud' },
    )
    expect(said(outcomes)).toEqual([
      'tracking.number_taken /orderRef',
      'tracking.number_taken /numbers/1/number',
      'tracking.unknown_shipment /numbers/1/number',
      'tracking.number_taken /orderRef',
      'tracking.number_taken /orderRef',
    ])
    for (const number of ['U3', 'U4', 'U5', 'U6', 'U7']) expect(await byNumber(number), number).toEqual([])
    expect(said(await register({ numbers: numbered('U3', 'U4', 'U5', 'U6', 'U7'), orderRef: 'uc' }))).toEqual(['ok'])
    expect(await brokenLaws()).toEqual([])
  })

  it('stay one while facts and registrations of the same numbers come from many callers at once', async () => {
    const rounds = Array.from({ length: 12 }, (_, index) => index)
    const pair = (round: number) => [`R${round}a`, `R${round}b`] as const
    await Promise.all([
      ...rounds.map((round) => record(fact(pair(round)[0], 'accepted', 1), fact(pair(round)[1], 'at_hub', 2))),
      ...rounds.toReversed().map((round) => register({ numbers: numbered(...pair(round)), orderRef: `r${round}` })),
      ...rounds.map((round) => record(fact(pair(round)[1], 'delivered', 3), fact(pair((round + 1) % 12)[0], 'in_transit', 1))),
    ])
    for (const round of rounds) {
      const [[a], [b]] = [await byNumber(`R${round}A`), await byNumber(`R${round}B`)]
      expect(a).toEqual(b)
      expect(a).toMatchObject({ state: 'delivered', orderRef: `r${round}` })
      expect(a?.timeline.map((entry) => entry.code).toSorted()).toEqual(['accepted', 'at_hub', 'delivered', 'in_transit'])
    }
    expect(await brokenLaws()).toEqual([])
  })
})

describe('one fact a source id', () => {
  it('is the one with the highest revision, whichever order they come in, and moves between shipments', async () => {
    const versions = [
      fact('C1', 'delivered', 60, { sourceId: 'e1', revision: 1 }),
      fact('C1', 'delivered', 30, { sourceId: 'e1', revision: 2 }),
      fact('C2', 'delivered', 45, { sourceId: 'e1', revision: 3 }),
      fact('C1', 'out_for_delivery', 20, { sourceId: 'e2' }),
      fact('C2', 'out_for_delivery', 20, { sourceId: 'e3' }),
    ]
    const orders = [
      [0, 1, 2, 3, 4],
      [2, 1, 0, 4, 3],
      [1, 2, 4, 3, 0],
      [3, 4, 0, 2, 1],
    ]
    for (const [index, order] of orders.entries()) {
      const mine = (each: ReportedFact): ReportedFact => ({
        ...each,
        number: `${each.number}x${index}`,
        sourceId: `${each.sourceId}x${index}`,
      })
      for (const at of order) {
        await record(mine(versions[at] as ReportedFact))
        await record(mine(versions[at] as ReportedFact), mine(versions[at] as ReportedFact))
      }
      const [[one], [two]] = [await byNumber(`C1X${index}`), await byNumber(`C2X${index}`)]
      expect(one, order.join()).toMatchObject({ state: 'out_for_delivery', timeline: [{ code: 'out_for_delivery' }] })
      expect(two, order.join()).toMatchObject({ state: 'delivered', timeline: [{ code: 'out_for_delivery' }, { code: 'delivered' }] })
    }
    const admin = await t.admin('live')
    const { rows } = await admin.query(
      `select source_id, count(*)::int as n from tracking.event where source_id is not null group by 1 having count(*) > 1`,
    )
    expect(rows).toEqual([])
    const { rows: kept } = await admin.query(`select source_id, count(*)::int as n from tracking.replaced_fact group by 1 order by 1`)
    expect(kept).toEqual(orders.map((_, index) => ({ source_id: `e1x${index}`, n: 2 })))
    expect(await brokenLaws()).toEqual([])
  })

  it('is taken back by the name its source has for it, even before it comes', async () => {
    await record(fact('V1', 'void', 5, { voidsSourceId: 'v-late' }), fact('V1', 'out_for_delivery', 10, { sourceId: 'v-1' }))
    await record(fact('V1', 'delivered', 20, { sourceId: 'v-late' }))
    expect(await byNumber('V1')).toMatchObject([{ state: 'out_for_delivery' }])
  })

  it('comes to the same state, row for row, in every order of versions, copies and callers', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
    let state = seed
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
      return (state >> 8) % below
    }
    const codes = ['accepted', 'in_transit', 'at_hub', 'out_for_delivery', 'attempted', 'delivered', 'returning', 'customs']
    const story = Array.from({ length: 120 }, (_, index) =>
      fact(`P${random(8)}`, codes[random(codes.length)] as string, random(40) * 20, {
        ...(random(3) === 0 ? {} : { sourceId: `p${random(50)}` }),
        ...(random(2) === 0 ? { revision: random(3) } : {}),
        ...(index % 30 === 29 ? { code: 'void', voidsSourceId: `p${random(50)}` } : {}),
      }),
    )
    const shown = async () => {
      const views = await Promise.all(Array.from({ length: 8 }, (_, index) => byNumber(`P${index}`)))
      return views.map(([view]) =>
        view === undefined
          ? null
          : [
              view.state,
              view.leg,
              view.attempt,
              view.late,
              view.timeline.map((entry) => `${entry.occurredAt} ${entry.code} ${entry.voided}`),
            ],
      )
    }
    const admin = await t.admin('live')
    const outcomes: unknown[] = []
    for (let turn = 0; turn < 6; turn += 1) {
      await admin.query('truncate tracking.event, tracking.reference, tracking.source_fact, tracking.replaced_fact, tracking.shipment')
      const deck = [...story, ...(turn === 0 ? [] : story)]
      for (let index = deck.length - 1; turn > 0 && index > 0; index -= 1) {
        const other = random(index + 1)
        ;[deck[index], deck[other]] = [deck[other] as ReportedFact, deck[index] as ReportedFact]
      }
      const feed = async (part: readonly ReportedFact[]) => {
        for (let from = 0; from < part.length; ) {
          const size = 1 + random(15)
          await record(...part.slice(from, from + size))
          from += size
        }
      }
      await Promise.all(turn < 2 ? [feed(deck)] : [feed(deck.slice(0, 90)), feed(deck.slice(90))])
      outcomes.push(await shown())
    }
    for (const [turn, outcome] of outcomes.entries()) expect(outcome, `turn ${turn} of seed ${seed}`).toEqual(outcomes[0])
    expect(await brokenLaws()).toEqual([])
  })
})

it('says what is wrong with each entry, and takes the rest', async () => {
  t.clock.set(new Date(start + 3_600_000))
  const { number: _, ...nameless } = fact('B1', 'delivered', 0)
  expect(
    said(
      await record(
        fact('B1', 'delivered', 60 * 24 * 365),
        fact('B1', 'delivered', -60 * 24 * 367),
        nameless,
        fact('   ', 'delivered', 0),
        fact('B1', 'never_heard_of', 0),
      ),
    ),
  ).toEqual([
    'tracking.in_the_future /occurredAt',
    'tracking.too_long_ago /occurredAt',
    'tracking.no_shipment_named /number',
    'tracking.no_number /number',
    'ok',
  ])
  expect(await byNumber('B1')).toMatchObject([{ state: 'created', timeline: [{ code: 'never_heard_of', milestone: null }] }])
})

it('takes no day that is in no calendar for the next one that is', async () => {
  const at = (occurredAt: string) => JSON.stringify({ carrier, number: 'D1', code: 'accepted', occurredAt, source: 'posta' })
  const days = ['2026-02-28T10:00:00Z', '2026-02-30T10:00:00Z', '2026-02-29T10:00:00Z', '2025-11-31T23:30:00-05:00', '2026-02-28T23:59:60Z']
  const records = days.map((day, index) => ({ position: `0/${index}`, body: at(day) }))
  expect(await write((context) => tracking.takeRecords(context, 'days', records))).toMatchObject({ added: 1, refused: 4 })
})

it('keeps records of a stream that can not be taken, whatever is in them', async () => {
  const good = JSON.stringify({ carrier, number: 'F1', code: 'accepted', occurredAt: new Date(start).toISOString(), source: 'posta' })
  // The reasons quote the record: V8 the text that is no JSON, the validation the name of a field.
  const bodies = ['\u0000abc', '\ud83d', '{"a\\u0000b": 1}', '{"a\\u0000b": "\\u0000"}', good]
  const records = bodies.map((body, index) => ({ position: `0/${index}`, body }))
  expect(await write((context) => tracking.takeRecords(context, 'odd', records))).toMatchObject({ added: 1, refused: 4 })
  const admin = await t.admin('live')
  const { rows } = await admin.query(`select position from tracking.refused_fact where feed = 'odd' order by position`)
  expect(rows.map(({ position }) => position)).toEqual(['0/0', '0/1', '0/2', '0/3'])
})
