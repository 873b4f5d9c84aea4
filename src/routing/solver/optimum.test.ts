import { describe, expect, test } from 'vitest'
import { cheapest } from './brute-force-rig.ts'
import { checkPlan } from './checker.ts'
import { defineProblem } from './problem.ts'
import { smallProblem } from './small-problem-rig.ts'
import { solve } from './solve.ts'

/** `PROBLEMS=10000` is the long form, under two minutes on a quiet machine; the short one takes the first of them. */
const problems = Number(process.env['PROBLEMS'] ?? 1_000)
const everyRoute = 1e9

describe('up to eight stops', () => {
  test(`${problems} problems with some of everything: the plan keeps every rule and costs what the cheapest of all plans costs`, () => {
    const off: string[] = []
    const byStops = Array.from({ length: 9 }, () => 0)
    for (let seed = 1; seed <= problems; seed += 1) {
      const problem = smallProblem(seed, 8)
      const plan = solve(problem, { seed, iterations: everyRoute })
      const { broken } = checkPlan(problem, plan)
      const least = cheapest(problem)
      if (broken.length > 0) off.push(`${seed}: ${broken.join('; ')}`)
      else if (Math.abs(plan.cost - least) > 1e-6) off.push(`${seed}: ${plan.cost} where ${least} is possible`)
      else byStops[problem.stops.length]! += 1
    }
    const right = byStops.reduce((sum, count) => sum + count, 0)
    process.stdout.write(`optimum: ${right} of ${problems} problems, by stops 1 to 8: ${byStops.slice(1).join(', ')}\n`)
    expect(off).toEqual([])
    expect(right).toBe(problems)
  }, 1_800_000)

  test('the search alone, which larger problems have to do with, finds the cheapest plan of five and six stops in nine of ten', () => {
    const small = Array.from({ length: 300 }, (_, at) => smallProblem(at + 1, 6)).filter(({ stops }) => stops.length >= 5)
    // Fewer attempts than there are routes: so they are not looked at.
    const found = small.filter((problem) => Math.abs(solve(problem, { seed: 1, iterations: 300 }).cost - cheapest(problem)) < 1e-6)
    expect(found.length / small.length).toBeGreaterThan(0.9)
  }, 120_000)

  test('two stops that pay only together are found together', () => {
    const size = 3
    // 50 there and 50 back, and 5 between the two: one of them costs 100, both cost 105, and leaving one out costs 60.
    const durations = Int32Array.from([0, 50, 50, 50, 0, 5, 50, 5, 0])
    const stops = [1, 2].map((place) => ({ place, unassignedCost: 60 }))
    const problem = defineProblem({ stops, vehicleTypes: [{ count: 1 }], travel: { size, durations, costs: durations } })
    expect(solve(problem, { iterations: 100 })).toMatchObject({ cost: 105, unassigned: [] })
  })

  test('whoever stops it, or gives it too little, gets the best plan so far', () => {
    const problem = smallProblem(37, 8)
    const least = cheapest(problem)
    let clock = 0
    const hurried = solve(problem, { millis: 1, now: () => (clock += 0.3) })
    expect(checkPlan(problem, hurried).broken).toEqual([])
    expect(hurried.cost).toBeGreaterThanOrEqual(least)
    expect(solve(problem, { iterations: 2_000 }).iterations).toBe(2_000)
  })
})
