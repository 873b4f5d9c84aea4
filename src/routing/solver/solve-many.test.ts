import { afterAll, expect, test } from 'vitest'
import { checkPlan } from './checker.ts'
import { defineProblem } from './problem.ts'
import { smallProblem } from './small-problem-rig.ts'
import { solve } from './solve.ts'
import { SolverThreads } from './solve-many.ts'
import { tableTravel } from './travel.ts'

const threads = new SolverThreads(2)
afterAll(() => threads.close())

test('many clusters on two threads get the plans they get alone, in order', async () => {
  const tasks = Array.from({ length: 30 }, (_, at) => ({ problem: smallProblem(at + 1, 12), seed: at, iterations: 100 }))
  const plans = await threads.solveAll(tasks)
  for (const [at, { problem, seed, iterations }] of tasks.entries()) {
    expect(plans[at]).toEqual(solve(problem, { seed, iterations }))
    expect(checkPlan(problem, plans[at]!).broken).toEqual([])
  }
})

test('threads stop when asked, and take other work afterwards', async () => {
  // So many stops that its attempts are not bounded by their number.
  const problem = defineProblem({
    stops: Array.from({ length: 40 }, (_, at) => ({ place: at % 5, demand: [1] })),
    vehicleTypes: [{ count: 9, capacity: [9] }],
    travel: tableTravel([0, 1, 2, 3, 4].map((row) => [0, 1, 2, 3, 4].map((column) => Math.abs(row - column)))),
  })
  const long = threads.solve({ problem, seed: 1, millis: 600_000 })
  const ticks = { before: 0 }
  const timer = setInterval(() => {
    ticks.before += 1
    if (ticks.before === 5) threads.stopAll()
  }, 5)
  const plan = await long
  clearInterval(timer)
  expect(ticks.before).toBeGreaterThanOrEqual(5)
  expect(checkPlan(problem, plan).broken).toEqual([])
  expect((await threads.solve({ problem, seed: 1, iterations: 10 })).iterations).toBe(10)
})

test('a task that cannot be solved fails alone', async () => {
  const good = smallProblem(1, 5)
  const bad = {
    ...good,
    locked: [{ vehicle: 0, stops: [0] }],
    vehicleTypes: good.vehicleTypes.map((type) => ({ ...type, shiftCloses: type.shiftOpens })),
  }
  const [first, second] = await Promise.allSettled([
    threads.solve({ problem: bad, seed: 1, iterations: 10 }),
    threads.solve({ problem: good, seed: 1, iterations: 10 }),
  ])
  expect(first.status).toBe('rejected')
  expect(second.status).toBe('fulfilled')
})
