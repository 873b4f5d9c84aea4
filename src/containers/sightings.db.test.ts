import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ContainersRig, openContainersRig } from './containers-rig.ts'

let rig: ContainersRig
beforeAll(async () => {
  rig = await openContainersRig()
})
afterAll(() => rig.close())

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
/** Numbers in [0, below), the same for the same seed. */
function draws(from: number): (below: number) => number {
  let state = from >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
const shuffled = <T>(items: readonly T[], draw: (below: number) => number): T[] => {
  const list = [...items]
  for (let at = list.length - 1; at > 0; at -= 1) {
    const other = draw(at + 1)
    ;[list[at], list[other]] = [list[other] as T, list[at] as T]
  }
  return list
}
interface Read {
  readonly reader: string
  readonly epc: string
  readonly readAt: string
}
const iso = (ms: number) => new Date(ms).toISOString()
const placeOf = async (code: string, at?: number) => {
  const answer = (await rig.one('containers.get', at === undefined ? { code } : { code, at: iso(at) })) as {
    place: { name: string; seenAt: string; by: string; container: string } | null
  }
  return answer.place
}
const record = (reads: readonly Read[]) => rig.one('containers.record_reads', { reads })

describe(`reads of tags, seed ${seed}`, () => {
  it('keeps one row for each reader, tag and second, and names what it cannot keep', async () => {
    const [code = ''] = await rig.totes(1)
    const epc = rig.epcOf(code)
    const reads = [
      { reader: 'dock-1', epc, readAt: '2026-03-02T08:00:00.100Z' },
      { reader: 'dock-1', epc: epc.toLowerCase(), readAt: '2026-03-02T09:00:00.900+01:00' },
      { reader: 'dock-2', epc, readAt: '2026-03-02T08:00:00Z' },
      { reader: 'dock-1', epc: '3074257BF7194E4000001A85', readAt: '2026-03-02T08:00:01Z' },
      { reader: 'dock-1', epc: 'E2801160', readAt: '2026-03-02T08:00:01Z' },
      { reader: 'dock-1', epc, readAt: 'yesterday' },
      { reader: 'dock-1', epc, readAt: '2026-02-30T08:00:01Z' },
      { reader: 'dock-1', epc, readAt: '2027-03-02T08:00:01Z' },
    ]
    const refusedReads = [
      [4, '/reads/4/epc', 'containers.bad_epc'],
      [5, '/reads/5/readAt', 'containers.not_an_instant'],
      [6, '/reads/6/readAt', 'containers.not_an_instant'],
      [7, '/reads/7/readAt', 'containers.in_the_future'],
    ].map(([index, field, reason]) => ({ index, field, code: reason, detail: expect.any(String) }))
    expect(await record(reads)).toEqual({ recorded: 3, repeated: 1, unknownTags: 1, refused: refusedReads })
    expect(await record(reads)).toEqual({ recorded: 0, repeated: 4, unknownTags: 1, refused: refusedReads })
    expect(await placeOf(code)).toEqual({ name: 'dock-2', seenAt: '2026-03-02T08:00:00.000Z', by: 'reader', container: code })
    expect(await rig.one('containers.record_reads', { reads: [] })).toBe('platform.invalid_input /reads')
    expect(await record(Array.from({ length: 5001 }, () => reads[0] as Read))).toBe('platform.invalid_input /reads')
  })

  it('shows unknown tags with their latest read, until a container is registered with one, which then has those reads', async () => {
    const epc = '3374257BF40C0E4000AAAA01'
    const other = '3374257BF40C0E4000AAAA02'
    await record([
      { reader: 'gate', epc, readAt: '2026-03-02T07:00:00Z' },
      { reader: 'yard', epc, readAt: '2026-03-02T06:00:00Z' },
      { reader: 'gate', epc: other, readAt: '2026-03-02T06:00:00Z' },
    ])
    const list = async () => (await rig.one('containers.list_unknown_tags', { after: '3374257BF40C0E4000AAAA00', limit: 1 })) as object
    expect(await list()).toEqual({ tags: [{ epc, place: 'gate', seenAt: '2026-03-02T07:00:00.000Z' }], next: epc })
    expect(await rig.one('containers.register', { code: 'LATE-1', kind: 'box', colour: 'blue', epc })).toMatchObject({ created: true })
    expect(await list()).toMatchObject({ tags: [{ epc: other }], next: other })
    expect(await placeOf('LATE-1')).toMatchObject({ name: 'gate' })
    expect(await rig.broken()).toEqual([])
  })

  it('takes what people say as sightings, once each', async () => {
    const [code = ''] = await rig.totes(1)
    await record([{ reader: 'dock-1', epc: rig.epcOf(code), readAt: '2026-03-02T08:00:00Z' }])
    const put = (place: string, occurredAt: string) => ({ code, place, occurredAt })
    expect(
      await rig.all('containers.move', [
        put('shelf-9', '2026-03-02T08:00:00Z'),
        put('shelf-9', '2026-03-02T08:00:00Z'),
        put('shelf-1', '2026-03-02T07:00:00Z'),
        put('shelf 1', '2026-03-02T07:00:00Z'),
        put('shelf-1', 'now'),
        { code: 'NOBODY', place: 'shelf-1' },
      ]),
    ).toMatchObject([
      { changed: true },
      { changed: false },
      { changed: true },
      'platform.invalid_input /place',
      'containers.not_an_instant /occurredAt',
      'containers.unknown_container /code',
    ])
    expect(await placeOf(code)).toMatchObject({ name: 'shelf-9', by: 'person' })
    expect(await placeOf(rig.epcOf(code), Date.parse('2026-03-02T07:30:00Z'))).toMatchObject({ name: 'shelf-1' })
    expect(await placeOf(code, Date.parse('2026-03-02T06:00:00Z'))).toBeNull()
    expect(await rig.one('containers.get', { code, at: 'soon' })).toBe('containers.not_an_instant /at')
  })

  it('gives every container the same places at all times, in whatever order and however often the reads come', {
    timeout: 60_000,
  }, async () => {
    const draw = draws(seed)
    const start = rig.t.clock.now().getTime()
    const [truck = '', ...totes] = await rig.totes(7)
    // Who is in whom changes while time passes: intervals to inherit by.
    const inside: { child: string; parent: string; from: number; until: number }[] = []
    for (let step = 0; step < 30; step += 1) {
      rig.pass(20)
      const now = rig.t.clock.now().getTime()
      const child = totes[draw(totes.length)] as string
      const parent = [truck, null, ...totes][draw(totes.length + 2)] as string | null
      const answer = await rig.one('containers.nest', { code: child, into: parent })
      if (typeof answer === 'string' || !(answer as { changed: boolean }).changed) continue
      const open = inside.find((row) => row.child === child && row.until === Number.POSITIVE_INFINITY)
      if (open !== undefined) inside[inside.indexOf(open)] = { ...open, until: now }
      if (parent !== null) inside.push({ child, parent, from: now, until: Number.POSITIVE_INFINITY })
    }
    const end = rig.t.clock.now().getTime()
    const reads: Read[] = Array.from({ length: 400 }, () => ({
      reader: `portal-${draw(9)}`,
      epc: rig.epcOf([truck, ...totes][draw(7)] as string),
      readAt: iso(start + draw((end - start) / 1000) * 1000),
    }))

    // The oracle: a plain walk over all facts, with none of the shortcuts of the SQL.
    const seenBy = (code: string, from: number, until: number, level: number): { at: number; level: number; reader: string }[] => {
      const own = reads
        .map((read) => ({ at: Date.parse(read.readAt), level, reader: read.reader, epc: read.epc }))
        .filter(({ epc, at }) => epc === rig.epcOf(code) && at >= from && at < until)
      const inherited = inside
        .filter((row) => row.child === code && row.from < until && row.until > from)
        .flatMap((row) => seenBy(row.parent, Math.max(from, row.from), Math.min(until, row.until), level + 1))
      return [...own, ...inherited]
    }
    const expected = (code: string, at: number): string | null => {
      const best = seenBy(code, Number.NEGATIVE_INFINITY, at + 1000, 0).toSorted(
        (a, b) => b.at - a.at || a.level - b.level || (a.reader < b.reader ? 1 : -1),
      )[0]
      return best === undefined ? null : `${best.reader} ${iso(best.at)}`
    }

    for (let round = 0; round < 3; round += 1) {
      const repeated = shuffled([...reads, ...reads.filter(() => draw(2) === 0)], draw)
      const calls = Array.from({ length: 40 }, (_, call) => repeated.filter((_read, index) => index % 40 === call))
      await Promise.all(calls.map((some, call) => rig.by(call, 'containers.record_reads', [{ reads: some }])))
    }
    const admin = await rig.t.admin('live')
    const { rows } = await admin.query('select count(*)::int as kept from containers.tag_read where second >= $1', [new Date(start)])
    expect(rows[0].kept).toBe(new Set(reads.map((read) => JSON.stringify(read))).size)
    let places = 0
    for (let at = start - 30_000; at <= end + 30_000; at += 15_000) {
      for (const code of [truck, ...totes]) {
        const place = await placeOf(code, at)
        expect(place && `${place.name} ${place.seenAt}`, `${code} at ${iso(at)}`).toBe(expected(code, at))
        if (place !== null && place.container !== code) places += 1
      }
    }
    // Had nothing been inherited, the test would have shown less than it says.
    expect(places).toBeGreaterThan(0)
    expect(await rig.broken()).toEqual([])
  })
})
