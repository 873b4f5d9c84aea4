import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPaymentsRig, type PaymentsRig } from './payments-rig.ts'
import { type RaceCounts, paymentRaces } from './races-rig.ts'

const seed = Number(process.env['SEED'] ?? 20_261_121)
const rounds = 15

describe(`races of payments, seed ${seed}`, () => {
  let rig: PaymentsRig
  beforeAll(async () => {
    rig = await openPaymentsRig(seed)
  })
  afterAll(() => rig.close())
  const run = async (name: string): Promise<RaceCounts> => {
    const counts = await paymentRaces[name]?.(rig, seed, rounds)
    await rig.expectGreen()
    return counts ?? {}
  }

  test('the same webhook three times at once with the answer of the call: one capture, told once, 200 each time', async () => {
    expect(await run('webhookThrice')).toEqual({ 'answered 200': 3 * rounds, first: rounds, captured: rounds, covered: rounds })
  })

  test('two full refunds at once: exactly one', async () => {
    expect(await run('twoFullRefunds')).toEqual({ accepted: rounds, refused: rounds, refunded: rounds })
  })

  test('a time-out after charging, swept by three and paid again by the customer: charged once', async () => {
    expect(await run('timeoutAfterCharge')).toEqual({ refused: rounds, captured: rounds })
  })

  test('the last leg is authorised while the request expires: all is taken or nothing is kept', async () => {
    const counts = await run('lastLegAgainstExpiry')
    const covered = counts['covered'] ?? 0
    expect(covered + (counts['expired'] ?? 0)).toBe(rounds)
    expect([counts['kept'], counts['set aside']]).toEqual([covered * 1_999, 0])
    // Otherwise it was no race.
    expect(Math.min(covered, rounds - covered)).toBeGreaterThan(0)
  })

  test('a section ships while a part of its order is cancelled: never more is kept than is due', async () => {
    expect(await run('captureAgainstCancel')).toEqual({ 'kept what is due': rounds, 'set aside': 0 })
  })

  test('an order is raised while it is covered: the rest is asked for, whichever came first', async () => {
    expect(await run('raiseAgainstCover')).toEqual({ partially_covered: rounds, 'paid in full': rounds })
  })
})
