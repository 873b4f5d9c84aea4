import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openOlistHouse } from '#test/olist-house.ts'
import { importOlist, summaryOf } from '../src/cli/import.ts'

// The data set may be used but not handed on, so it lies beside the project, where it is there at all.
const folder = join(import.meta.dirname, '../../shared/data/olist')

test('orders of the real data set end as their status says or in an explained break, and nothing is broken', async () => {
  if (!existsSync(folder)) {
    console.log('skipped: no shared data')
    return
  }
  const house = await openOlistHouse()
  try {
    await house.withCore(async (core, clock) => {
      // Three weeks at once: what is proved is the same, in a third of the time.
      const { verdicts, seconds } = await importOlist({
        core,
        clock,
        bank: house.bank,
        folder,
        tick: { longestMs: 21 * 24 * 3600 * 1000, mostSteps: 4_000 },
        // A quarter of them; `throughline import olist DIR` plays the whole.
        only: (_order, index) => index % 4 === 0,
      })
      expect(verdicts.filter(({ kind }) => kind === 'unexplained')).toEqual([])
      const { orders, asExpected, explained } = summaryOf(verdicts)
      expect(orders).toBeGreaterThan(1_400)
      expect(asExpected + explained).toBe(orders)
      expect(asExpected).toBeGreaterThan(orders * 0.85)
      expect((await core.check('live')).flatMap(({ breaks }) => breaks)).toEqual([])
      console.log(`${orders} orders, ${asExpected} as expected, ${explained} explained, ${Math.round(orders / seconds)} orders/s`)
    })
  } finally {
    await house.close()
  }
}, 540_000)
