import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { olistUtcOffsetMinutes, readOlistTrips } from '#partners/olist/index.ts'
import { type Judged, judgeArrivals } from '#tracking'
import { madeTrips } from '#test/made-trips.ts'
import { numberFlag, printReport, type Row, textFlag } from './support/report.ts'

/**
 * Estimates of arrival, judged on orders that they were not fitted on, beside the day that was promised to the customer. `--dir DIR` takes a folder of
 * the Olist data set; without it ../shared/data/olist, or made trips. The model is fitted anew after `--refit` days (30), always of what had
 * happened by then, and tells each order at the moment it reaches a stage; `--from-day` (days since 1970) is where judging begins. Beside it: one model for all, fitted once.
 */
const shared = join(import.meta.dirname, '../../shared/data/olist')
const given = textFlag('dir', '')
const dir = given === '' && existsSync(shared) ? shared : given
const trips = dir === '' ? madeTrips({ seed: 1, count: 20_000 }) : await readOlistTrips(dir)
const dayMs = 86_400_000
// 2018-01-01: the constants of the model were chosen on what came before.
const from = numberFlag('from-day', 17_532) * dayMs
const until = Math.max(...trips.flatMap(({ reached }) => Object.values(reached))) + 1
const options = { from, until, utcOffsetMinutes: olistUtcOffsetMinutes }
const began = performance.now()
const refitted = judgeArrivals(trips, { ...options, refitDays: numberFlag('refit', 30) })
const seconds = (performance.now() - began) / 1000
const once = judgeArrivals(trips, { ...options, refitDays: 100_000 })

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
const rowsOf = (name: string, of: readonly Judged[]): Row[] =>
  of.flatMap(({ stage, cases, untold, promised, ...own }) => [
    {
      what: `${name}, from ${stage}: days off, median`,
      value: own.medianDays,
      unit: 'd',
      beside: `promised day ${promised.medianDays.toFixed(2)}; ${cases} orders, ${untold} untold`,
    },
    { what: '  90th percentile', value: own.p90Days, unit: 'd', beside: `promised day ${promised.p90Days.toFixed(2)}` },
    { what: '  bias (above 0: came later)', value: own.biasDays, unit: 'd', beside: `promised day ${promised.biasDays.toFixed(2)}` },
    {
      what: '  late, after the window',
      value: own.lateShare * 100,
      unit: '%',
      beside: `after the promised day ${percent(promised.lateShare)}; after the estimate itself half, by construction`,
    },
    {
      what: '  within the window',
      value: own.withinShare * 100,
      unit: '%',
      beside: `made to hold 80 %; ${own.windowDays.toFixed(1)} days wide`,
    },
  ])
const figuresOf = (name: string, of: readonly Judged[]): [string, number][] =>
  of.flatMap(({ stage, medianDays, p90Days, biasDays, lateShare, withinShare, promised }): [string, number][] => [
    [`${name}.${stage}.medianDays`, medianDays],
    [`${name}.${stage}.p90Days`, p90Days],
    [`${name}.${stage}.biasDays`, biasDays],
    [`${name}.${stage}.lateShare`, lateShare],
    [`${name}.${stage}.withinShare`, withinShare],
    [`${name}.${stage}.promisedMedianDays`, promised.medianDays],
    [`${name}.${stage}.promisedP90Days`, promised.p90Days],
  ])
printReport({
  bench: 'arrival',
  rows: [
    ...rowsOf('refitted', refitted),
    ...rowsOf('fitted once', once),
    { what: 'fitting and telling', value: seconds, unit: 's', beside: `${trips.length} trips` },
  ],
  figures: Object.fromEntries([...figuresOf('refitted', refitted), ...figuresOf('once', once), ['seconds', seconds]]),
  counts: { lost: refitted.reduce((sum, { untold }) => sum + untold, 0), doubled: 0, errors: 0 },
})
if (refitted.some(({ medianDays, promised }) => medianDays >= promised.medianDays)) process.exitCode = 1
