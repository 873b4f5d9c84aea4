import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { checkPlan, type Instance, problemOf, readSolomon, readSolutionCost, readVrplib, solve, tenths } from '#solver'
import { madeInstance } from './support/made-instance.ts'
import { numberFlag, printReport, type Row, textFlag } from './support/report.ts'

/**
 * Vehicle routing with time windows, by the DIMACS rule: mean gap to the best known cost for each class of instances. `--dir DIR` takes the instances of
 * one folder (`.vrp` in VRPLIB form or `.txt` in Solomon's, the best known cost in a `.sol` beside it) with `--seconds N`; without it, each class
 * under ../shared/data/vrptw with its own budget, or made instances where there are none. `--limit N` takes every so manieth instance, N in all.
 * The budget is counted by `--clock wall` (standard) or `--clock cpu`, the processor time of this process, which others on the machine do not shorten.
 */
const shared = join(import.meta.dirname, '../../shared/data/vrptw')
const classes = [
  { name: 'solomon', seconds: 2, bar: 1 },
  { name: 'gh200', seconds: 10, bar: 1.5 },
  { name: 'gh400', seconds: 30, bar: 2.5 },
  { name: 'gh1000', seconds: 60, bar: 3.5 },
]
const clock = textFlag('clock', 'wall')
if (clock !== 'wall' && clock !== 'cpu') throw new Error('--clock is wall or cpu')
const cpuMillis = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
const now = clock === 'cpu' ? cpuMillis : () => performance.now()
const limit = process.argv.includes('--limit') ? numberFlag('limit', 1) : Infinity
const seed = numberFlag('seed', 1)

interface Run {
  readonly name: string
  readonly seconds: number
  readonly bar?: number
  readonly instances: readonly { readonly instance: Instance; readonly best: number | undefined }[]
}

function instancesIn(dir: string): Run['instances'] {
  const files = readdirSync(dir)
    .filter((file) => /\.(vrp|txt)$/i.test(file))
    .toSorted()
  const step = Math.max(1, files.length / limit)
  const chosen = files.filter((_, at) => Math.floor(at / step) !== Math.floor((at - 1) / step))
  return chosen.map((file) => {
    const text = readFileSync(join(dir, file), 'utf8')
    const solution = join(dir, file.replace(/\.\w+$/, '.sol'))
    try {
      const instance = /\.txt$/i.test(file) ? readSolomon(text) : readVrplib(text)
      return { instance, best: existsSync(solution) ? readSolutionCost(readFileSync(solution, 'utf8')) : undefined }
    } catch (error) {
      throw new Error(`${file}: ${(error as Error).message}`, { cause: error })
    }
  })
}

function runs(): Run[] {
  const dir = textFlag('dir', '')
  if (dir !== '') {
    const known = classes.find(({ name }) => name === basename(dir))
    return [
      {
        name: basename(dir),
        seconds: numberFlag('seconds', known?.seconds ?? 10),
        ...(known && { bar: known.bar }),
        instances: instancesIn(dir),
      },
    ]
  }
  if (existsSync(shared)) {
    return classes.map(({ name, seconds, bar }) => ({
      name,
      seconds: numberFlag('seconds', seconds),
      bar,
      instances: instancesIn(join(shared, name)),
    }))
  }
  const made = Array.from({ length: Math.min(6, limit) }, (_, at) => ({
    instance: madeInstance({ seed: at + 1, customers: 200 }),
    best: undefined,
  }))
  return [{ name: 'made', seconds: numberFlag('seconds', 10), instances: made }]
}

const rows: Row[] = []
const figures: Record<string, number> = {}
let broken = 0
let left = 0
for (const { name, seconds, bar, instances } of runs()) {
  const gaps: { family: string; gap: number }[] = []
  let attempts = 0
  let costs = 0
  for (const { instance, best } of instances) {
    const problem = problemOf(instance)
    const started = now()
    const plan = solve(problem, { seed, millis: seconds * 1000, now })
    const took = (now() - started) / 1000
    const verdict = checkPlan(problem, plan)
    for (const text of verdict.broken.slice(0, 5)) process.stderr.write(`BREAK ${instance.name}: ${text}\n`)
    broken += verdict.broken.length
    left += plan.unassigned.length
    attempts += plan.iterations
    costs += verdict.cost / tenths
    const gap = best === undefined ? Number.NaN : (verdict.cost / tenths / best - 1) * 100
    if (best !== undefined) gaps.push({ family: /^[A-Za-z]+\d/.exec(instance.name)?.[0] ?? 'all', gap })
    process.stderr.write(
      `${instance.name.padEnd(14)} ${(verdict.cost / tenths).toFixed(1)} in ${took.toFixed(1)} s, ${best === undefined ? '' : `gap ${gap.toFixed(2)} %, `}${plan.routes.length} routes\n`,
    )
  }
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const budget = `${instances.length} instances, ${seconds} s each by ${clock} time`
  if (gaps.length > 0) {
    const gap = mean(gaps.map((each) => each.gap))
    rows.push({
      what: `${name}: mean gap to best known`,
      value: gap,
      unit: '%',
      beside: `${bar === undefined ? '' : `bar ${bar} %; `}${budget}`,
    })
    figures[`${name}GapPercent`] = gap
    for (const family of [...new Set(gaps.map((each) => each.family))].toSorted()) {
      const own = gaps.filter((each) => each.family === family).map((each) => each.gap)
      rows.push({ what: `${name}: ${family}`, value: mean(own), unit: '%', beside: `worst ${Math.max(...own).toFixed(2)} %` })
    }
  } else rows.push({ what: `${name}: mean cost`, value: costs / instances.length, unit: '', beside: budget })
  rows.push({ what: `${name}: attempts`, value: attempts / instances.length / seconds, unit: '/s' })
  figures[`${name}Seconds`] = seconds
}
printReport({ bench: 'vrptw', rows, figures, counts: { lost: left, doubled: 0, errors: broken } })
