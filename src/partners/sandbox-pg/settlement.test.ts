import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import type { SettlementLine } from '#payments'
import { SandboxEngine } from './engine.ts'
import { sandboxProfiles } from './profiles.ts'
import { readSandboxSettlement } from './read-settlement.ts'
import { readAmount, readDate, writeAmount, writeDate } from './settlement-dialect.ts'
import { feeOf, writeSettlement } from './settlement-file.ts'

const day = '2026-03-02'
const profiles = Object.values(sandboxProfiles)

/** A day of one PG: charges of several currencies, some refunded in part, one disputed, one by captures, one of shadow. */
function dayOf(profile: (typeof profiles)[number], charges = 90): SandboxEngine {
  const clock = new SettableClock(new Date(`${day}T10:00:00Z`))
  const engine = new SandboxEngine({ seed: 11, clock, profile })
  const money = (index: number) => ({ amountMinor: 1_000 + index * 37, currency: ['EUR', 'JPY', 'KWD'][index % 3] ?? 'EUR' })
  const charge = (key: string, index: number, traffic: 'live' | 'shadow' = 'live') => ({
    key,
    ...money(index),
    means: 'card' as const,
    token: 'tok_ok',
    reference: key,
    traffic,
    instalments: 1,
    returnUrl: '',
  })
  for (let index = 0; index < charges; index += 1) {
    engine.charge(charge(`k${index}`, index), true)
    const { currency } = money(index)
    if (index % 5 === 0)
      engine.followUp('refund', { key: `r${index}`, gatewayRef: `ch_k${index}`, amountMinor: 100, currency, traffic: 'live' })
  }
  engine.charge(charge('parts', 0), false)
  for (const key of ['c1', 'c2'])
    engine.followUp('capture', { key, gatewayRef: 'ch_parts', amountMinor: 200, currency: 'EUR', traffic: 'live' })
  engine.dispute('ch_k1', { won: false, amountMinor: 500 })
  engine.dispute('ch_k1', { won: true, amountMinor: 500 })
  engine.charge(charge('shadow', 1, 'shadow'), true)
  clock.set(new Date('2026-03-03T00:00:00Z'))
  engine.charge(charge('tomorrow', 1), true)
  return engine
}

describe('settlement files', () => {
  for (const profile of profiles) {
    test(`a clean file of ${profile.name} says what moved that day in live, with fees, and nothing else`, () => {
      const engine = dayOf(profile)
      const read = readSandboxSettlement(profile, writeSettlement(engine, { day, defects: false }).file)
      expect(read.problems).toEqual([])
      expect(read.batch).toBe(`${profile.name}-live-${day}`)
      const moved = engine.log().movements.filter(({ traffic, at }) => traffic === 'live' && at.startsWith(day))
      const signs = { charge: 1, capture: 1, refund: -1, chargeback: -1, chargeback_reversed: 1 }
      const lines = read.lines.filter(({ kind }) => kind !== 'fee')
      expect(lines.map(({ gatewayRef, grossMinor, currency }) => [gatewayRef, grossMinor, currency])).toEqual(
        moved.map(({ ref, kind, amountMinor, currency }) => [ref, signs[kind] * amountMinor, currency]),
      )
      for (const line of lines.filter(
        ({ kind, grossMinor, gatewayRef }) => kind === 'charge' && grossMinor > 0 && gatewayRef.startsWith('ch_'),
      )) {
        expect(line.feeMinor).toBe(feeOf(profile.fees, line.grossMinor))
      }
      expect(read.lines.filter(({ kind }) => kind === 'fee').map(({ feeMinor }) => feeMinor)).toEqual(
        profile.fees.dailyMinor > 0 ? [profile.fees.dailyMinor] : [],
      )
    })

    test(`the defects planted by ${profile.name} are all there are, and one of each kind`, () => {
      const engine = dayOf(profile)
      const written = writeSettlement(engine, { day })
      expect(writeSettlement(engine, { day })).toEqual(written)
      const clean = readSandboxSettlement(profile, writeSettlement(engine, { day, defects: false }).file)
      const spoilt = readSandboxSettlement(profile, written.file)
      const planted = written.defects.filter(({ defect }) => defect !== 'trailer')
      expect(new Set(planted.map(({ defect }) => defect)).size).toBe(7)
      // Take from the clean file what the list says was spoilt, and from the spoilt one the lines that it names: the same is left.
      const textOf = ({ line: _, ...rest }: SettlementLine) => JSON.stringify(rest)
      const named = new Set(planted.map(({ line }) => line))
      const expected = clean.lines.map(textOf)
      for (const { defect, gatewayRef, kind, grossMinor } of planted) {
        const at = expected.findIndex(
          (text) => text.includes(`"${gatewayRef}"`) && text.includes(`"grossMinor":${grossMinor},`) && text.includes(`"${kind}"`),
        )
        expect(at, `${defect} of ${gatewayRef}`).toBeGreaterThanOrEqual(0)
        if (defect !== 'doubled') expected.splice(at, 1)
      }
      expect(spoilt.lines.filter(({ line }) => !named.has(line)).map(textOf)).toEqual(expected)
      const garbled = planted.filter(({ defect }) => defect === 'garbled').map(({ line }) => line)
      const trailers = written.defects.filter(({ defect }) => defect === 'trailer').map(({ line }) => line)
      expect(spoilt.problems.map(({ line }) => line)).toEqual([...garbled, ...trailers])
      expect(trailers).toHaveLength(profile.settlement.trailer === null ? 0 : 1)
    })
  }

  test('amounts and days come back as they were written, in every dialect', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...profiles.map(({ settlement }) => settlement)),
        fc.integer({ min: -1_000_000_000_000, max: 1_000_000_000_000 }),
        fc.constantFrom('EUR', 'JPY', 'CLP', 'KWD', 'BRL'),
        fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }),
        (dialect, amount, currency, date) => {
          expect(readAmount(dialect, writeAmount(dialect, amount, currency), currency)).toBe(amount)
          const text = date.toISOString().slice(0, 10)
          expect(readDate(dialect, writeDate(dialect, text))).toBe(text)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('whatever a line holds, the file is read: lines or problems, never an exception', () => {
    for (const profile of profiles) {
      const { file } = writeSettlement(dayOf(profile, 3), { day, defects: false })
      fc.assert(
        fc.property(fc.string({ maxLength: 80 }), (junk) => {
          const line = junk.replaceAll(/[\r\n]/g, '')
          const read = readSandboxSettlement(profile, `${file}${line}\n`)
          expect(read.lines.length + read.problems.length).toBeGreaterThan(3)
        }),
        { numRuns: 300 },
      )
    }
  })

  test('a file of another gateway is refused by name', () => {
    const { file } = writeSettlement(dayOf(sandboxProfiles.cobalt, 3), { day })
    expect(() => readSandboxSettlement(sandboxProfiles.borealis, file)).toThrow('no settlement file of borealis')
  })
})
