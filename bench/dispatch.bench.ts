import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { byFutures, checkPlan, type DispatchPolicy, dispatchDay, greedy, type Instance, lazy, playDay, readVrplib } from '#solver'
import { madeInstance } from './support/made-instance.ts'
import { numberFlag, printReport, type Row, textFlag } from './support/report.ts'

/**
 * When to dispatch: days on which orders come by the hour, by the rules of the dynamic track of EURO meets NeurIPS 2022, played by three policies on the
 * same requests and with the same budget for the routes that leave. `--dir DIR` takes the instances of a folder (ORTEC's files); without it,
 * ../shared/data/ortec, or days made here. Budgets are counted in attempts, so that the figure does not depend on who else uses the machine:
 * `--attempts` for the routes of a wave, `--futures` and `--imagine` (attempts for each) for the policy. `--limit N` takes the first N days, `--day-seed S` other requests.
 */
const shared = join(import.meta.dirname, '../../shared/data/ortec')
const limit = numberFlag('limit', 1_000)
const daySeed = numberFlag('day-seed', 1)
const iterations = numberFlag('attempts', 10_000)
const policies: Record<string, DispatchPolicy> = {
  greedy,
  lazy,
  futures: byFutures({
    seed: 1,
    futures: numberFlag('futures', 10),
    waves: numberFlag('waves', 1),
    rounds: numberFlag('rounds', 2),
    waitShare: numberFlag('share', 0.75),
    goShare: numberFlag('go-share', 0.2),
    each: { iterations: numberFlag('imagine', 1_500) },
  }),
}

function instances(): Instance[] {
  const given = textFlag('dir', '')
  const dir = given === '' && existsSync(shared) ? shared : given
  if (dir === '') return Array.from({ length: Math.min(limit, 4) }, (_, at) => hourly(madeInstance({ seed: at + 1, customers: 120 })))
  const files = readdirSync(dir).filter((file) => /\.(txt|vrp)$/i.test(file))
  return files
    .toSorted()
    .slice(0, limit)
    .map((file) => {
      try {
        return readVrplib(readFileSync(join(dir, file), 'utf8'))
      } catch (error) {
        throw new Error(`${file}: ${(error as Error).message}`, { cause: error })
      }
    })
}

/** A made day of 10,000 units, stretched to ten hours. */
function hourly(instance: Instance): Instance {
  const stretched = (times: readonly number[]) => times.map((time) => Math.floor(time * 3.6))
  return {
    ...instance,
    durations: instance.durations.map((way) => way * 3),
    opens: stretched(instance.opens),
    closes: stretched(instance.closes),
    service: stretched(instance.service),
  }
}

const costs: Record<string, number[]> = {}
const slowest: Record<string, number> = {}
let broken = 0
let left = 0
const days = instances()
for (const instance of days) {
  const day = dispatchDay(instance, daySeed)
  const line: string[] = []
  for (const [name, policy] of Object.entries(policies)) {
    const began = performance.now()
    const played = playDay(day, policy, { seed: 1, iterations })
    slowest[name] = Math.max(slowest[name] ?? 0, (performance.now() - began) / 1000 / played.length)
    let cost = 0
    for (const { problem, plan } of played) {
      const verdict = checkPlan(problem, plan)
      for (const text of verdict.broken.slice(0, 5)) process.stderr.write(`BREAK ${instance.name} ${name}: ${text}\n`)
      broken += verdict.broken.length
      left += plan.unassigned.length
      cost += verdict.cost
    }
    costs[name] = [...(costs[name] ?? []), cost]
    line.push(`${name} ${cost}`)
  }
  process.stderr.write(`${instance.name.padEnd(44)} ${line.join('  ')}\n`)
}
const sum = (name: string): number => (costs[name] ?? []).reduce((total, cost) => total + cost, 0)
const cheaper = (name: string): number => (1 - sum(name) / sum('greedy')) * 100
const worstDay = Math.min(...days.map((_, at) => (1 - costs['futures']![at]! / costs['greedy']![at]!) * 100))
const rows: Row[] = [
  {
    what: 'greedy: driving time of all days',
    value: sum('greedy') / 3600,
    unit: 'h',
    beside: `${days.length} days, ${iterations} attempts a wave`,
  },
  { what: 'lazy: cheaper than greedy', value: cheaper('lazy'), unit: '%' },
  { what: 'by futures: cheaper than greedy', value: cheaper('futures'), unit: '%', beside: 'bar 8 %' },
  { what: 'by futures: on its worst day', value: worstDay, unit: '%' },
  { what: 'by futures: seconds for a wave', value: slowest['futures'] ?? 0, unit: 's', beside: 'mean of the slowest day, wall time' },
]
const figures = {
  futuresCheaperPercent: cheaper('futures'),
  lazyCheaperPercent: cheaper('lazy'),
  worstDayPercent: worstDay,
  days: days.length,
}
printReport({ bench: 'dispatch', rows, figures, counts: { lost: left, doubled: 0, errors: broken } })
