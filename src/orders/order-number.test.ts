import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { idsPerBlock } from '#platform/id-blocks.ts'
import { isOrderNumber, orderNumberOf } from './order-number.ts'

const number = (id: number, random = Math.random) => orderNumberOf('TL', id, 'live', random)
const ids = fc.integer({ min: 1, max: 30 ** 6 * 100 })

describe('order numbers', () => {
  test('rise with their ids, whatever the dice say', () => {
    fc.assert(
      fc.property(ids, fc.integer({ min: 1, max: idsPerBlock * 3 }), fc.nat(1_000_000), (id, step, dice) => {
        let rolled = dice
        const again = () => {
          rolled = (rolled * 48_271 + 7) % 1_000_003
          return rolled / 1_000_003
        }
        expect(number(id, again) < number(id + step, again)).toBe(true)
      }),
    )
  })

  test('are all different in a block and its neighbour', () => {
    const all = Array.from({ length: idsPerBlock * 2 }, (_, index) => number(idsPerBlock * 5 + index))
    expect(new Set(all).size).toBe(all.length)
    expect(all.every(isOrderNumber)).toBe(true)
  })

  test('have no vowel and nothing that is taken for another', () => {
    for (let id = 1; id < 5_000; id += 1) expect(number(id).slice(3)).not.toMatch(/[AEIOUL]/)
  })

  test('one wrong digit and two swapped neighbours are found by the check digit', () => {
    fc.assert(
      fc.property(ids, fc.nat(11), fc.constantFrom(...'0123456789BCDFGHJKMNPQRSTVWXYZ'.split('')), (id, at, digit) => {
        const [prefix = '', block = '', place = ''] = number(id).split('-')
        const body = block + place
        const wrong = body.slice(0, at) + digit + body.slice(at + 1)
        const told = `${prefix}-${wrong.slice(0, 6)}-${wrong.slice(6)}`
        expect(isOrderNumber(told)).toBe(wrong === body)
        if (at === 11) return
        const swapped = body.slice(0, at) + body.charAt(at + 1) + body.charAt(at) + body.slice(at + 2)
        expect(isOrderNumber(`${prefix}-${swapped.slice(0, 6)}-${swapped.slice(6)}`)).toBe(swapped === body)
      }),
      { numRuns: 2_000 },
    )
  })

  test('of shadow carry a mark', () => {
    expect(orderNumberOf('TL', 7, 'shadow', Math.random)).toMatch(/^ZTL-/)
  })
})
