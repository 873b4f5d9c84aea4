import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  append,
  canAppend,
  type Fact,
  fold,
  type Milestone,
  milestones,
  nothingYet,
  reachesBehind,
  seal,
  type Standing,
  unsealed,
} from './fold.ts'

const day = Date.parse('2026-03-02T00:00:00Z')
let lastId = 0
/** A fact at `hh:mm` of the first day, or of a later one by `+days`. */
const at = (clock: string, milestone: Milestone | null, change: Partial<Fact> = {}): Fact => {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number)
  lastId += 1
  const id = `f${String(lastId).padStart(4, '0')}`
  return {
    id,
    content: id,
    time: day + (hours * 60 + minutes) * 60_000,
    milestone,
    priority: 0,
    attempt: null,
    zoneKnown: true,
    voids: null,
    code: milestone ?? 'other',
    ...change,
  }
}
const standing = (...facts: Fact[]) => {
  const { state, leg, attempt, late } = fold(facts)
  return `${state} leg ${leg} attempt ${attempt} late ${late}`
}

describe('the order rule', () => {
  it('climbs through a plain delivery', () => {
    const facts = [
      at('08:00', 'created'),
      at('09:00', 'accepted'),
      at('10:00', 'in_transit'),
      at('12:00', 'out_for_delivery'),
      at('13:00', 'delivered'),
    ]
    expect(standing(...facts)).toBe('delivered leg 1 attempt 1 late 0')
    expect(Object.keys(fold(facts).reached)).toEqual([
      '1.1.created',
      '1.1.accepted',
      '1.1.in_transit',
      '1.1.out_for_delivery',
      '1.1.delivered',
    ])
  })

  it('counts a lower rank only when it lies more than the skew window after the higher', () => {
    expect(standing(at('10:00', 'out_for_delivery'), at('12:00', 'at_hub'))).toBe('out_for_delivery leg 1 attempt 1 late 1')
    expect(standing(at('10:00', 'out_for_delivery'), at('12:01', 'at_hub'))).toBe('at_hub leg 1 attempt 1 late 0')
    expect(standing(at('10:00', 'out_for_delivery'), at('21:59', 'at_hub', { zoneKnown: false }))).toBe(
      'out_for_delivery leg 1 attempt 1 late 1',
    )
    expect(standing(at('10:00', 'out_for_delivery'), at('22:01', 'at_hub', { zoneKnown: false }))).toBe('at_hub leg 1 attempt 1 late 0')
  })

  it('moves between hubs, which share a rank', () => {
    expect(standing(at('08:00', 'in_transit'), at('09:00', 'at_hub'), at('09:30', 'in_transit'))).toBe('in_transit leg 1 attempt 1 late 0')
  })

  it('opens a new attempt after a failed one, at once when the fact names it', () => {
    const failed = [at('10:00', 'out_for_delivery'), at('11:00', 'attempted')]
    expect(standing(...failed)).toBe('attempted leg 1 attempt 1 late 0')
    expect(standing(...failed, at('12:00', 'out_for_delivery'))).toBe('attempted leg 1 attempt 1 late 1')
    expect(standing(...failed, at('14:00', 'out_for_delivery'))).toBe('out_for_delivery leg 1 attempt 2 late 0')
    expect(standing(...failed, at('11:01', 'out_for_delivery', { attempt: 2 }))).toBe('out_for_delivery leg 1 attempt 2 late 0')
    expect(standing(...failed, at('11:01', 'out_for_delivery', { attempt: 2 }), at('11:05', 'attempted', { attempt: 1 }))).toBe(
      'out_for_delivery leg 1 attempt 2 late 1',
    )
    expect(standing(...failed, at('11:30', 'attempted'))).toBe('attempted leg 1 attempt 1 late 1')
    expect(standing(...failed, at('12:00', 'delivered'))).toBe('delivered leg 1 attempt 2 late 0')
  })

  it('lets nothing but a new leg or a void change what was delivered', () => {
    const delivered = at('13:00', 'delivered')
    const before = at('12:00', 'out_for_delivery')
    expect(standing(before, delivered, at('40:00', 'at_hub'), at('41:00', 'exception'), at('42:00', 'cancelled'))).toBe(
      'delivered leg 1 attempt 1 late 3',
    )
    expect(standing(before, delivered, at('60:00', 'returning'), at('61:00', 'at_hub'))).toBe('returning leg 2 attempt 1 late 1')
    expect(standing(before, delivered, at('60:00', 'returning'), at('70:00', 'returned'), at('71:00', 'delivered'))).toBe(
      'returned leg 2 attempt 1 late 1',
    )
    expect(standing(before, delivered, at('14:00', null, { voids: delivered.id }))).toBe('out_for_delivery leg 1 attempt 1 late 0')
  })

  it('believes a new way out only long after the turn back', () => {
    const turned = [at('08:00', 'in_transit'), at('09:00', 'returning')]
    expect(standing(...turned, at('10:00', 'out_for_delivery'))).toBe('returning leg 2 attempt 1 late 1')
    expect(standing(...turned, at('30:00', 'out_for_delivery'), at('31:00', 'delivered'))).toBe('delivered leg 3 attempt 1 late 0')
  })

  it('shows an exception beside the climb, until the next fact that counts', () => {
    const lost = [at('10:00', 'out_for_delivery'), at('11:00', 'exception', { code: 'lost' })]
    expect(fold(lost)).toMatchObject({ state: 'exception', exception: 'lost' })
    expect(fold([...lost, at('11:30', 'at_hub')])).toMatchObject({ state: 'exception', exception: 'lost', late: 1 })
    expect(fold([...lost, at('12:00', 'delivered')])).toMatchObject({ state: 'delivered', exception: null })
  })

  it('puts facts of the same second in order of rank, then source', () => {
    expect(standing(at('10:00', 'delivered'), at('10:00', 'out_for_delivery'), at('10:00', 'created'))).toBe(
      'delivered leg 1 attempt 1 late 0',
    )
    const [hub, road] = [at('10:00', 'at_hub', { priority: 10 }), at('10:00', 'in_transit', { priority: 0 })]
    expect(fold([hub, road]).state).toBe('at_hub')
  })
})

/** Keeps facts as the database does: what is known is ignored, what can be added is added, the rest is folded again. */
function arrive(batches: readonly (readonly Fact[])[]): Standing {
  const stored = new Map<string, Fact>()
  let now = nothingYet
  for (const batch of batches) {
    const fresh = [...new Map(batch.map((fact) => [fact.id, fact])).values()].filter((fact) => !stored.has(fact.id))
    for (const fact of fresh) stored.set(fact.id, fact)
    now = canAppend(now, fresh) ? append(now, fresh) : fold([...stored.values()])
  }
  return now
}

const anyFacts = fc
  .array(
    fc.record({
      quarters: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 150 })),
      milestone: fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...milestones) }, { weight: 1, arbitrary: fc.constant(null) }),
      priority: fc.constantFrom(0, 10),
      attempt: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 3 }),
      zoneKnown: fc.boolean(),
      voids: fc.option(fc.nat({ max: 12 }), { freq: 8 }),
      // What another fact says too, under another id: sources with ids of their own for facts repeat themselves so.
      repeats: fc.option(fc.nat({ max: 12 }), { freq: 4 }),
    }),
    { minLength: 1, maxLength: 13 },
  )
  .map((drafts) =>
    drafts.map((own, index): Fact => {
      const said = own.repeats === null || own.repeats >= index ? index : own.repeats
      const { quarters, voids, milestone, repeats: _, ...rest } = drafts[said] as (typeof drafts)[number]
      const isVoid = voids !== null
      // Quarters of an hour, so that same instants and the edges of the window are met often.
      return {
        ...rest,
        id: `f${index}`,
        content: `c${said}`,
        time: day + quarters * 900_000,
        code: 'x',
        milestone: isVoid ? null : milestone,
        voids: isVoid ? `f${voids}` : null,
      }
    }),
  )

it('counts what two facts say once, and still when one of them is taken back', () => {
  const way = at('10:00', 'out_for_delivery')
  const first = at('11:00', 'attempted', { content: 'same' })
  const second = at('11:00', 'attempted', { content: 'same' })
  expect(standing(way, first, second)).toBe('attempted leg 1 attempt 1 late 0')
  expect(standing(way, first, second, at('12:00', null, { voids: first.id }))).toBe('attempted leg 1 attempt 1 late 0')
})

describe('the law: the same state for every order of arrival and any repetition', () => {
  it('holds for 100,000 arrivals in shuffled batches with copies', { timeout: 3_600_000 }, () => {
    fc.assert(
      fc.property(anyFacts, fc.infiniteStream(fc.nat({ max: 1_000_000 })), (facts, stream) => {
        const draw = (below: number) => (stream.next().value as number) % below
        const expected = JSON.stringify(fold(facts))
        for (let shuffle = 0; shuffle < 20; shuffle += 1) {
          const copies = [...facts, ...facts.filter(() => draw(3) === 0)]
          for (let index = copies.length - 1; index > 0; index -= 1) {
            const other = draw(index + 1)
            ;[copies[index], copies[other]] = [copies[other] as Fact, copies[index] as Fact]
          }
          const batches: Fact[][] = [[]]
          for (const fact of copies) {
            if (draw(2) === 0) batches.push([])
            batches.at(-1)?.push(fact)
          }
          expect(JSON.stringify(arrive(batches))).toBe(expected)
        }
      }),
      // 20 shuffles each; SHUFFLES=10000000 for a long look.
      { numRuns: Number(process.env['SHUFFLES'] ?? 100_000) / 20 },
    )
  })

  it('holds when early facts are put away: what they came to and the later ones lead to where all of them lead', () => {
    fc.assert(
      fc.property(anyFacts, fc.integer({ min: 0, max: 60 }), (facts, quarters) => {
        const until = day + quarters * 900_000
        const base = seal(facts, until)
        const later = facts.filter((fact) => fact.time >= until)
        const { sealedUntil, hasVoids: _, ...sealed } = fold(later, base)
        const { sealedUntil: open, hasVoids: __, ...whole } = fold(facts)
        expect([sealedUntil, open]).toEqual([until, null])
        expect(sealed).toEqual(whole)
        // Again, and with the early ones still there, it is the same.
        expect(fold(facts, seal(later, until + 900_000, base)).state).toBe(whole.state)
      }),
      { numRuns: 2_000 },
    )
  })

  it('holds for arrivals in any order while months are put away in between, when what reaches behind the seal has the others brought back', () => {
    fc.assert(
      fc.property(anyFacts, fc.infiniteStream(fc.nat({ max: 1_000_000 })), (facts, stream) => {
        const draw = (below: number) => (stream.next().value as number) % below
        const deck = [...facts, ...facts.filter(() => draw(3) === 0)].toSorted(() => draw(3) - 1)
        const tables = new Map<string, Fact>()
        const files = new Map<string, Fact>()
        let [base, now] = [unsealed, nothingYet]
        for (const fact of deck) {
          if (reachesBehind(now, fact)) {
            for (const [id, filed] of files) tables.set(id, filed)
            files.clear()
            base = unsealed
            now = fold([...tables.values()])
          }
          if (!tables.has(fact.id) && !files.has(fact.id)) {
            tables.set(fact.id, fact)
            now = canAppend(now, [fact]) ? append(now, [fact]) : fold([...tables.values()], base)
          }
          if (draw(3) > 0) continue
          const until = Math.max(base.standing.sealedUntil ?? 0, day + draw(60) * 900_000)
          base = seal([...tables.values()], until, base)
          now = fold([...tables.values()], base)
          for (const [id, one] of tables)
            if (one.time < until) {
              files.set(id, one)
              tables.delete(id)
            }
        }
        const { sealedUntil: _, hasVoids: __, ...sealed } = now
        const { sealedUntil: ___, hasVoids: ____, ...whole } = fold(facts)
        expect(sealed).toEqual(whole)
      }),
      { numRuns: 3_000 },
    )
  })

  it('holds for every permutation of a whole story', () => {
    const delivered = at('13:00', 'delivered')
    const story = [
      at('08:00', 'created'),
      at('12:00', 'out_for_delivery'),
      delivered,
      at('13:30', null, { voids: delivered.id }),
      at('14:00', 'attempted'),
      at('34:00', 'out_for_delivery'),
      at('35:00', 'delivered'),
    ]
    const expected = fold(story)
    expect(expected).toMatchObject({ state: 'delivered', attempt: 2, leg: 1 })
    const permute = (left: readonly Fact[], done: readonly Fact[]): number => {
      if (left.length === 0) {
        expect(JSON.stringify(arrive(done.map((fact) => [fact])))).toBe(JSON.stringify(expected))
        return 1
      }
      return left.reduce(
        (count, fact) =>
          count +
          permute(
            left.filter((one) => one !== fact),
            [...done, fact],
          ),
        0,
      )
    }
    expect(permute(story, [])).toBe(5040)
  })
})
