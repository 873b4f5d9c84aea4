import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type ArchivedRow, openTracking, type ReportedFact } from './index.ts'

let t: TestDatabases
/** Files of months, as the composition has them on a disk. */
const files = new Map<string, ArchivedRow[]>()
const tracking = openTracking({
  archive: (file, ids) => Promise.resolve(files.get(file)?.filter((row) => ids.includes(row.shipment_id))),
})
const database = () => t.databases.of('tracking')
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

const day = (text: string) => new Date(`2026-${text}:00Z`)
const fact = (number: string, code: string, at: Date, change: Partial<ReportedFact> = {}): ReportedFact => ({
  carrier: 'posta',
  number,
  code,
  occurredAt: at,
  source: 'posta',
  ...change,
})
const record = (...facts: ReportedFact[]) =>
  database().write(t.live, (context) => tracking.recordFacts(context, facts, { since: new Date(-8.64e15) }))
const register = (...numbers: string[]) =>
  database().write(t.live, (context) =>
    tracking.registerShipments(context, [{ numbers: numbers.map((number) => ({ carrier: 'posta', number })) }]),
  )
const viewOf = async (number: string) =>
  (await database().read(t.live, (context) => tracking.shipmentsBy(context, 'number', [{ number }])))[0]?.[0]
const open = async (month: string) => (await t.admin('live')).query('select tracking.open_month($1::date)', [month])
const seal = async (month: string) => {
  await database().write(t.live, (context) => tracking.months.begin(context, month))
  for (let after: number | null = 0; after !== null; ) {
    const from: number = after
    after = await database().write(t.live, (context) => tracking.months.seal(context, month, from))
  }
}
const detach = (month: string) => database().write(t.live, (context) => tracking.months.detach(context, month))
const file = async (month: string) => {
  const rows = (await database().write(t.live, (context) => tracking.months.takePage(context, month, 0))) as unknown as ArchivedRow[]
  files.set(`${month}.file`, rows)
  await database().write(t.live, (context) => tracking.months.drop(context, month, { file: `${month}.file`, facts: rows.length }))
}
const putAway = async (month: string) => {
  await seal(month)
  await detach(month)
  await file(month)
}
const brokenLaws = async () => (await database().survey(t.live, (context) => tracking.check(context))).filter(({ broken }) => broken > 0)

describe('facts of months that are in files', () => {
  const month = '2025-10-01'
  const at = (dayHour: string) => new Date(`2025-${dayHour}:00Z`)
  beforeAll(async () => {
    await open(month)
    for (const name of ['LATE', 'VOID', 'MOVE', 'OTHER', 'COPY', 'FIRST', 'GONE', 'A', 'B', 'TAKEN', 'GIVEN'])
      await record(
        fact(name, 'accepted', at('10-10T08:00'), { sourceId: `${name}-1` }),
        fact(name, 'out_for_delivery', at('10-20T08:00'), { sourceId: `${name}-2` }),
        fact(name, 'attempted', at('10-20T12:00'), { sourceId: `${name}-3` }),
      )
    await record(fact('A', 'at_hub', at('10-11T08:00')), fact('B', 'at_hub', at('10-12T08:00')))
    await putAway(month)
  })

  it('a late fact counts as if it had come in time', async () => {
    expect(await viewOf('LATE')).toMatchObject({ state: 'attempted', timeline: [] })
    expect(await record(fact('LATE', 'delivered', at('10-20T11:00')))).toMatchObject([{ ok: true, value: { state: 'delivered' } }])
    expect(await viewOf('LATE')).toMatchObject({ state: 'delivered', late: 1, timeline: [{}, {}, {}, {}] })
  })

  it('a fact before all others is in the timeline', async () => {
    await record(fact('FIRST', 'created', at('10-01T08:00')))
    const view = await viewOf('FIRST')
    expect(view?.timeline.map(({ code }) => code)).toEqual(['created', 'accepted', 'out_for_delivery', 'attempted'])
  })

  it('a void of a fact that is put away takes it back', async () => {
    await record(fact('VOID', 'void', day('02-01T08:00'), { voidsSourceId: 'VOID-3' }))
    expect(await viewOf('VOID')).toMatchObject({ state: 'out_for_delivery', attempt: 1 })
  })

  it('a correction that moves a fact out of a month that is put away counts once, and so does one that moves it to another parcel', async () => {
    await record(fact('MOVE', 'attempted', day('02-01T08:00'), { sourceId: 'MOVE-3', revision: 1 }))
    const moved = await viewOf('MOVE')
    expect(moved).toMatchObject({ state: 'attempted', attempt: 1, late: 0 })
    expect(moved?.timeline.map(({ code, occurredAt }) => `${code} ${occurredAt.slice(0, 7)}`)).toEqual([
      'accepted 2025-10',
      'out_for_delivery 2025-10',
      'attempted 2026-02',
    ])
    await record(fact('GIVEN', 'attempted', day('02-01T08:00'), { sourceId: 'TAKEN-3', revision: 1 }))
    expect(await viewOf('TAKEN')).toMatchObject({ state: 'out_for_delivery' })
    expect(await viewOf('GIVEN')).toMatchObject({ state: 'attempted', attempt: 2 })
  })

  it('what is told again is known, without a look into a file', async () => {
    const kept = files.get('2025-10-01.file')
    files.clear()
    expect(await record(fact('COPY', 'attempted', at('10-20T12:00'), { sourceId: 'COPY-3' }))).toMatchObject([
      { ok: true, value: { added: false, state: 'attempted' } },
    ])
    files.set('2025-10-01.file', kept ?? [])
  })

  it('is refused by the name of the file where it can not be read, and nothing else is', async () => {
    const kept = files.get('2025-10-01.file')
    files.clear()
    const outcomes = await record(
      fact('GONE', 'delivered', at('10-20T09:00')),
      fact('GONE', 'void', day('02-01T08:00'), { voidsSourceId: 'GONE-3' }),
      fact('GONE', 'attempted', day('02-01T08:00'), { sourceId: 'GONE-3', revision: 1 }),
      fact('GONE', 'delivered', day('02-01T09:00')),
    )
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.value.state : `${outcome.error.code} ${outcome.error.field}`))).toEqual([
      'tracking.archive_unreadable /occurredAt',
      'tracking.archive_unreadable /voids',
      'tracking.archive_unreadable /occurredAt',
      'delivered',
    ])
    expect(outcomes[0]).toMatchObject({ error: { detail: expect.stringContaining('2025-10-01.file') } })
    expect(await register('A', 'B')).toMatchObject([
      { ok: false, error: { code: 'tracking.archive_unreadable', field: '/numbers/1/number' } },
    ])
    files.set('2025-10-01.file', kept ?? [])
  })

  it('two shipments that both have facts in files become one with the facts of both', async () => {
    await register('A', 'B')
    const view = await viewOf('B')
    expect(view).toEqual(await viewOf('A'))
    expect(view?.timeline.filter(({ code }) => code === 'at_hub').map(({ occurredAt }) => occurredAt.slice(0, 10))).toEqual([
      '2025-10-11',
      '2025-10-12',
    ])
    expect(view?.timeline).toHaveLength(8)
  })

  it('a month between table and file gives its facts back too, and what the file then has of them as well is one', async () => {
    await open('2025-09-01')
    await record(fact('BETWEEN', 'accepted', at('09-10T08:00')), fact('BETWEEN', 'out_for_delivery', at('09-20T08:00')))
    await seal('2025-09-01')
    await detach('2025-09-01')
    const [outcome] = await record(fact('BETWEEN', 'delivered', at('09-20T09:00')))
    await file('2025-09-01')
    expect(outcome).toMatchObject({ ok: true, value: { state: 'delivered' } })
    const view = await viewOf('BETWEEN')
    expect(view?.timeline).toHaveLength(3)
    const [history] = await database().read(t.live, (context) => tracking.histories(context, [view?.shipmentId ?? 0]))
    expect(history).toMatchObject({ ok: true, value: { timeline: view?.timeline } })
  })

  it('late facts and a month that is taken out at once leave nothing uncounted', async () => {
    const month = '2025-08-01'
    await open(month)
    const names = Array.from({ length: 30 }, (_, n) => `RACE${n}`)
    await record(...names.map((name) => fact(name, 'accepted', at('08-10T08:00'))))
    const late = async () => {
      for (const name of names) await record(fact(name, 'at_hub', at('08-11T08:00')), fact(name, 'delivered', at('08-12T08:00')))
    }
    await Promise.all([late(), seal(month).then(() => detach(month))])
    await file(month)
    for (const name of names) {
      await record(fact(name, 'in_transit', at('08-09T08:00')))
      expect((await viewOf(name))?.timeline, name).toHaveLength(4)
    }
  })

  it('a history is whole when its facts come back out of the file, or go to another shipment, while it is read', async () => {
    const month = '2025-03-01'
    await open(month)
    await record(...['BACK', 'JOINED', 'JOINER'].map((name) => fact(`H${name}`, 'accepted', at('03-10T08:00'), { sourceId: `H${name}` })))
    await putAway(month)
    const historyDuring = async (name: string, work: () => Promise<unknown>) => {
      const shipmentId = (await viewOf(name))?.shipmentId ?? 0
      let done = false
      const [history] = await database().read(t.live, (context) => {
        const query: typeof context.query = async (statement, parameters) => {
          // The tables have been read.
          if (!done && statement.name === 'tracking.events_of_shipments') {
            done = true
            const rows = await context.query(statement, parameters)
            await work()
            return rows
          }
          return context.query(statement, parameters)
        }
        return tracking.histories({ ...context, query }, [shipmentId])
      })
      return history?.ok === true ? history.value.timeline.map(({ code }) => code) : history
    }
    const back = () => record(fact('HBACK', 'created', at('03-09T08:00')))
    expect(await historyDuring('HBACK', back)).toEqual(['created', 'accepted'])
    const joined = ['HJOINED', 'HJOINER'] as const
    const larger = ((await viewOf(joined[0]))?.shipmentId ?? 0) > ((await viewOf(joined[1]))?.shipmentId ?? 0) ? joined[0] : joined[1]
    expect(await historyDuring(larger, () => register(...joined))).toEqual(['accepted', 'accepted'])
    const ids = await database().read(t.live, async (context) =>
      tracking.months.filedIds(context, (await tracking.shipmentsBy(context, 'number', [{ number: larger }]))[0]?.[0]?.shipmentId ?? 0),
    )
    expect(files.get(`${month}.file`)?.filter((row) => ids.includes(row.shipment_id))).toHaveLength(2)
  })

  it('a month that is named by a plain read is named even if its facts come back meanwhile', async () => {
    const month = '2025-02-01'
    await open(month)
    await record(fact('PLAIN', 'accepted', at('02-10T08:00')))
    await putAway(month)
    const views = await database().read(t.live, (context) => {
      const query: typeof context.query = async (statement, parameters) => {
        const rows = await context.query(statement, parameters)
        if (statement.name === 'tracking.events_of_shipments') await record(fact('PLAIN', 'created', at('02-09T08:00')))
        return rows
      }
      return tracking.shipmentsBy({ ...context, query }, 'number', [{ number: 'PLAIN' }])
    })
    expect(views).toMatchObject([[{ timeline: [], archived: [{ month }] }]])
  })

  it('what comes while a month is sealed is sealed when it is taken out, without a look at all the rest', async () => {
    const month = '2025-07-01'
    await open(month)
    await open('2025-06-01')
    const begun = at('07-10T08:00')
    const names = ['NEW', 'OPENED', 'LOW', 'HIGH', 'QUIET']
    await record(...names.map((name) => fact(`S${name}`, 'created', at('06-10T08:00'))))
    await putAway('2025-06-01')
    await record(...['SOPENED', 'SHIGH', 'SQUIET'].map((name) => fact(name, 'accepted', begun)))
    await seal(month)
    await record(fact('SNEW', 'accepted', begun))
    // One that was opened has the facts of that month as they were; of two that become one, one gets them from the other.
    await record(fact('SOPENED', 'at_hub', at('06-11T08:00')))
    await register('SLOW', 'SHIGH')
    const before = await Promise.all(names.map((name) => viewOf(`S${name}`)))
    const asked: string[] = []
    await database().write(t.live, (context) => {
      const query: typeof context.query = (statement, parameters) => {
        asked.push(statement.name)
        return context.query(statement, parameters)
      }
      return tracking.months.detach({ ...context, query }, month)
    })
    expect(asked).toContain('tracking.seal_again_of_month')
    expect(asked).not.toContain('tracking.unsealed_of_month')
    await file(month)
    expect(await brokenLaws()).toEqual([])
    for (const [index, name] of names.entries()) {
      const view = await viewOf(`S${name}`)
      expect(view, name).toMatchObject({ state: before[index]?.state })
      expect(
        view?.archived.map((each) => each.month),
        name,
      ).toContain(month)
      const [history] = await database().read(t.live, (context) => tracking.histories(context, [view?.shipmentId ?? 0]))
      expect(history, name).toMatchObject({
        ok: true,
        value: { timeline: expect.arrayContaining([expect.objectContaining({ code: 'accepted' })]) },
      })
    }
  })

  it('a month can not be taken out before its sealing has begun', async () => {
    await open('2025-05-01')
    await expect(detach('2025-05-01')).rejects.toThrow(/sealing has not begun/)
  })

  it('a page of a month does not walk over the shipments that were sealed before it', async () => {
    const admin = await t.admin('live')
    await open('2025-04-01')
    await admin.query('begin')
    try {
      await admin.query(
        `insert into tracking.sealed (shipment_id, until, standing) select n, '2025-05-01', '[]' from generate_series(5000001, 5020000) as n`,
      )
      await admin.query(`insert into tracking.event (shipment_id, occurred_at, id, code, zone_known, place, source, received_at)
        select n, '2025-04-10', gen_random_uuid(), 'accepted', true, '', 'x', now() from generate_series(5000001, 5020500) as n`)
      await admin.query(
        'analyze tracking.sealed; analyze tracking.event_2025_04; set local enable_seqscan = off; set local enable_nestloop = off; set local enable_hashjoin = off',
      )
      // The plan that a month of millions gets.
      const walked = async () => {
        const { rows } = await admin.query(
          `select idx_tup_fetch::int as n from pg_stat_xact_user_tables where relid = 'tracking.sealed'::regclass`,
        )
        return rows[0]?.n as number
      }
      const before = await walked()
      const { rows } = await admin.query(`select * from tracking.unsealed_of_month('2025-04-01', 5020000, 500)`)
      expect(rows).toHaveLength(500)
      expect((await walked()) - before).toBeLessThan(1000)
    } finally {
      await admin.query('rollback')
    }
  })

  it('leaves the laws whole', async () => {
    expect(await brokenLaws()).toEqual([])
  })
})

describe('the law over months that are put away: the state is the same function of the same set', () => {
  const anyStory = fc.record({
    facts: fc.array(
      fc.record({
        parcel: fc.nat(2),
        /** Six-hour steps over three months. */
        step: fc.nat(355),
        code: fc.constantFrom('accepted', 'at_hub', 'out_for_delivery', 'attempted', 'delivered', 'returning', 'returned', 'exception'),
        /** Several with one are versions of one fact, of whichever parcel. */
        sourceId: fc.option(fc.nat(5), { freq: 2 }),
        revision: fc.nat(2),
        voids: fc.option(fc.nat(5), { freq: 6 }),
        /** The same as an earlier one. */
        copies: fc.option(fc.nat(15), { freq: 6 }),
      }),
      { minLength: 4, maxLength: 16 },
    ),
    /** How many batches come between months that are put away. */
    breaks: fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
    joinedAt: fc.nat(16),
  })
  const batch = 3

  it('holds for late facts, copies, voids, corrections, moves and joined parcels, at random', { timeout: 600_000 }, async () => {
    let run = 0
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
    await fc.assert(
      fc.asyncProperty(anyStory, async ({ facts, breaks, joinedAt }) => {
        run += 1
        // Months of its own for each run, since a month that was a file is never a table again.
        const startMonth = run * 3
        const monthOf = (nth: number) => new Date(Date.UTC(1800, startMonth + nth, 1)).toISOString().slice(0, 10)
        const tell = async (name: string, archived: boolean) => {
          const story: ReportedFact[] = []
          for (const [index, { parcel, step, code, sourceId, revision, voids, copies }] of facts.entries()) {
            // A time of its own for each, since hashes, which have the name in them, decide between equal ones.
            const at = new Date(Date.UTC(1800, startMonth, 1) + step * 21_600_000 + index * 60_000)
            story.push(
              (copies === null ? undefined : story[copies]) ??
                fact(`${name}${parcel}`, voids === null ? code : 'void', at, {
                  source: name.toLowerCase(),
                  revision,
                  ...(sourceId === null ? {} : { sourceId: `${sourceId}` }),
                  ...(voids === null ? {} : { voidsSourceId: `${voids}` }),
                }),
            )
          }
          let away = archived ? 0 : 3
          for (let from = 0, waited = 0; from < story.length; from += batch, waited += 1) {
            await record(...story.slice(from, from + batch))
            if (joinedAt >= from && joinedAt < from + batch) await register(`${name}0`, `${name}1`)
            for (; away < 3 && waited >= (breaks[away] as number); away += 1, waited = 0) await putAway(monthOf(away))
          }
        }
        const histories = async (name: string) =>
          Promise.all(
            [0, 1, 2].map(async (parcel) => {
              const shipmentId = (await viewOf(`${name}${parcel}`))?.shipmentId ?? 0
              const [outcome] = await database().read(t.live, (context) => tracking.histories(context, [shipmentId]))
              if (outcome?.ok !== true) return outcome
              const { state, leg, attempt, late, exception, timeline } = outcome.value
              const told = timeline.map(({ occurredAt, code, voided }) => `${occurredAt} ${code} ${voided}`)
              return { state, leg, attempt, late, exception, told }
            }),
          )
        for (const nth of [0, 1, 2]) await open(monthOf(nth))
        await tell(`P${run}X`, false)
        const expected = await histories(`P${run}X`)
        await tell(`P${run}Y`, true)
        expect(await histories(`P${run}Y`)).toEqual(expected)
      }),
      { numRuns: Number(process.env['STORIES'] ?? 12), seed },
    )
    expect(await brokenLaws()).toEqual([])
  })
})
