import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkDigitOf, checkPrintedKey, type Epc, hexOf, parseEpc, printedKeyOf, uriOf } from './epc.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
const digits = (count: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: count, maxLength: count }).map((list) => list.join(''))
const anyEpc: fc.Arbitrary<Epc> = fc
  .record({ scheme: fc.constantFrom('sgtin' as const, 'grai' as const), prefixDigits: fc.integer({ min: 6, max: 12 }) })
  .chain(({ scheme, prefixDigits }) =>
    fc.record({
      scheme: fc.constant(scheme),
      filter: fc.integer({ min: 0, max: 7 }),
      companyPrefix: digits(prefixDigits),
      reference: digits((scheme === 'sgtin' ? 13 : 12) - prefixDigits),
      serial: fc.bigInt({ min: 0n, max: (1n << 38n) - 1n }).map(String),
    }),
  )
const parsed = (text: string): Epc => {
  const outcome = parseEpc(text)
  if (!outcome.ok) throw new Error(outcome.error.detail)
  return outcome.value
}
const problemOf = (text: string) => {
  const outcome = parseEpc(text)
  return outcome.ok ? undefined : `${outcome.error.field} ${outcome.error.detail}`
}

describe(`codes of tags, seed ${seed}`, () => {
  it('reads and writes the examples of the standard', () => {
    // GS1 EPC Tag Data Standard, the worked examples of SGTIN-96 and GRAI-96.
    const sgtin = { scheme: 'sgtin', filter: 3, companyPrefix: '0614141', reference: '812345', serial: '6789' }
    expect(parsed('3074257BF7194E4000001A85')).toEqual(sgtin)
    expect(uriOf(sgtin as Epc)).toBe('urn:epc:tag:sgtin-96:3.0614141.812345.6789')
    expect(printedKeyOf(sgtin as Epc)).toBe('80614141123458')
    const grai = parsed('urn:epc:tag:grai-96:3.0614141.12345.400')
    expect(hexOf(grai)).toBe('3374257BF40C0E4000000190')
    expect(printedKeyOf(grai)).toBe('00614141123452')
  })

  it('gives back what it was given, in hex and as URI', () => {
    fc.assert(
      fc.property(anyEpc, (epc) => {
        expect(hexOf(epc)).toMatch(/^[0-9A-F]{24}$/)
        expect(parsed(hexOf(epc))).toEqual(epc)
        expect(parsed(hexOf(epc).toLowerCase())).toEqual(epc)
        expect(parsed(uriOf(epc))).toEqual(epc)
      }),
      { seed, numRuns: 1000 },
    )
  })

  it('accepts the printed key of its tag, with and without the serial of a GRAI', () => {
    fc.assert(
      fc.property(anyEpc, (epc) => {
        const printed = printedKeyOf(epc)
        expect(printed).toHaveLength(14)
        expect(checkPrintedKey(epc, epc.scheme, printed)).toEqual({ ok: true, value: null })
        if (epc.scheme === 'grai') expect(checkPrintedKey(epc, 'grai', printed + epc.serial).ok).toBe(true)
      }),
      { seed, numRuns: 500 },
    )
  })

  it('refuses a printed key with one wrong digit and says what would be right', () => {
    fc.assert(
      fc.property(anyEpc, fc.integer({ min: 0, max: 13 }), fc.integer({ min: 1, max: 9 }), (epc, at, by) => {
        const printed = printedKeyOf(epc)
        // The leading zero of a GRAI is fixed: another digit there is no GRAI at all.
        const altered = `${printed.slice(0, at)}${(Number(printed[at]) + by) % 10}${printed.slice(at + 1)}`
        const outcome = checkPrintedKey(epc, epc.scheme, altered)
        if (outcome.ok) throw new Error(`${altered} was taken for ${printed}`)
        const { code, field, detail } = outcome.error
        expect({ code, field }).toEqual({ code: 'containers.bad_printed_key', field: epc.scheme === 'sgtin' ? '/gtin' : '/grai' })
        if (epc.scheme === 'sgtin' || at > 0)
          expect(detail).toContain(`for ${altered.slice(0, 13)} it must be ${checkDigitOf(altered.slice(0, 13))}`)
      }),
      { seed, numRuns: 1000 },
    )
  })

  it('refuses the key of another tag, of the other scheme, and another serial', () => {
    const grai = parsed('urn:epc:tag:grai-96:3.0614141.12345.400')
    const other = printedKeyOf(parsed('urn:epc:tag:grai-96:3.0614141.12346.400'))
    const problem = (scheme: 'sgtin' | 'grai', printed: string) => {
      const outcome = checkPrintedKey(grai, scheme, printed)
      return outcome.ok ? undefined : outcome.error.detail
    }
    expect(problem('grai', other)).toBe(`the tag carries GRAI 00614141123452, not ${other}`)
    expect(problem('sgtin', '80614141123458')).toBe('the tag is a GRAI, not a GTIN')
    expect(problem('grai', '00614141123452401')).toBe('the tag carries serial 400, not 401')
  })

  it.each([
    ['3074257BF7194E4000001A8', '/epc an EPC of 96 bits has 24 hex digits; "3074257BF7194E4000001A8" has not'],
    ['3574257BF7194E4000001A85', '/epc header 35 is none that we read; 30 (sgtin-96) and 33 (grai-96) are'],
    ['307C257BF7194E4000001A85', '/epc partition 7 does not exist; it must be 0 to 6'],
    ['3063FFFFFFFFFFC000000000', '/epc company prefix 1099511627775 is too large for partition 0, which gives it 12 digits'],
    ['urn:epc:tag:sgtin-96:3.0614141.12345.1', '/epc item reference "12345" has 5 digits; with a company prefix of 7 it must have 6'],
    ['urn:epc:tag:grai-96:3.0614141.12345.007', '/epc serial 007 has leading zeros; a tag of 96 bits cannot keep them'],
    [
      'urn:epc:tag:grai-96:3.0614141.12345.274877906944',
      '/epc serial 274877906944 is larger than 274877906943, the most that a tag of 96 bits keeps',
    ],
  ])('refuses %s', (text, problem) => {
    expect(problemOf(text)).toBe(problem)
  })

  it('never takes two codes for one, nor breaks on any 24 hex digits', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('30', '33'),
        fc.string({ unit: fc.constantFrom(...'0123456789ABCDEF'.split('')), minLength: 22, maxLength: 22 }),
        (header, rest) => {
          const outcome = parseEpc(header + rest)
          if (outcome.ok) expect(hexOf(outcome.value)).toBe(header + rest)
          else expect(outcome.error.field).toBe('/epc')
        },
      ),
      { seed, numRuns: 2000 },
    )
  })
})
