import { describe, expect, test } from 'vitest'
import { checkPlan } from './checker.ts'
import type { Plan } from './plan.ts'
import { defineProblem, type ProblemInput } from './problem.ts'
import { smallProblem } from './small-problem-rig.ts'
import { solve } from './solve.ts'

const square = (points: readonly (readonly [number, number])[]) => {
  const size = points.length
  const durations = Int32Array.from({ length: size * size }, (_, at) => {
    const [a, b] = [points[Math.floor(at / size)]!, points[at % size]!]
    return Math.round(Math.hypot(a[0] - b[0], a[1] - b[1]))
  })
  return { size, durations, costs: durations }
}
const line = square([0, 10, 20, 30, 40].map((x) => [x, 0] as const))
const onLine = (places: readonly number[], more: Partial<ProblemInput> & { readonly stop?: object } = {}): ProblemInput => {
  const { stop = {}, ...rest } = more
  return {
    stops: places.map((place) => ({ place, demand: [1], ...stop })),
    vehicleTypes: [{ count: 2, capacity: [10] }],
    travel: line,
    ...rest,
  }
}
const ridesOf = (plan: Plan) => plan.routes.map(({ vehicle, stops }) => [vehicle, ...stops])

describe('plans keep every rule', () => {
  test('ten thousand small problems with some of everything: the checker finds nothing broken', () => {
    const broken: string[] = []
    for (let seed = 1; seed <= 10_000; seed += 1) {
      const problem = smallProblem(seed, 10)
      const verdict = checkPlan(problem, solve(problem, { seed, iterations: 12 }))
      if (verdict.broken.length > 0) broken.push(`${seed}: ${verdict.broken.join('; ')}`)
    }
    expect(broken).toEqual([])
  }, 120_000)

  test('locked prefixes stay where they are, whatever it costs', () => {
    const problem = defineProblem(onLine([1, 2, 3, 4], { locked: [{ vehicle: 1, stops: [3, 0, 2] }] }))
    const plan = solve(problem, { iterations: 2_000 })
    expect(ridesOf(plan)[0]?.slice(0, 4)).toEqual([1, 3, 0, 2])
    expect(checkPlan(problem, plan).broken).toEqual([])
  })

  test('a locked prefix that cannot be is refused by name', () => {
    const problem = defineProblem(onLine([1, 2], { stop: { opens: 0, closes: 20 }, locked: [{ vehicle: 0, stops: [1, 0] }] }))
    expect(() => solve(problem, { iterations: 10 })).toThrow('locked: the locked stops of vehicle 0')
  })
})

describe('the search', () => {
  test('the same seed and number of attempts give the same plan', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const problem = smallProblem(seed, 20)
      expect(solve(problem, { seed, iterations: 200 })).toEqual(solve(problem, { seed, iterations: 200 }))
    }
  })

  test('it stops when asked, with a plan that holds', () => {
    const problem = smallProblem(3, 30)
    let asked = 0
    const plan = solve(problem, { stopped: () => (asked += 1) > 3 })
    expect(asked).toBe(4)
    expect(plan.iterations).toBeLessThan(1_000)
    expect(checkPlan(problem, plan).broken).toEqual([])
  })

  test('it ends when its time is over', () => {
    let clock = 0
    const plan = solve(defineProblem(onLine(Array.from({ length: 40 }, (_, at) => 1 + (at % 4)))), { millis: 50, now: () => (clock += 10) })
    expect(plan.iterations).toBeLessThan(1_000)
  })

  test('a bound of time alone does not take many stops for few', () => {
    const problem = defineProblem(
      onLine(
        Array.from({ length: 40 }, (_, at) => 1 + (at % 4)),
        { vehicleTypes: [{ count: 4, capacity: [10] }] },
      ),
    )
    let clock = 0
    const plan = solve(problem, { millis: 50, now: () => (clock += 1) })
    expect(checkPlan(problem, plan).broken).toEqual([])
    expect(plan.unassigned).toEqual([])
    expect(plan.cost).toBeLessThanOrEqual(solve(problem, { iterations: 1 }).cost)
  })

  test('without any bound it does not begin', () => {
    expect(() => solve(defineProblem(onLine([1])))).toThrow('needs millis')
  })

  test('it begins with routes that are given and never ends dearer', () => {
    const problem = defineProblem(onLine([1, 2, 3, 4], { vehicleTypes: [{ count: 3, capacity: [2] }] }))
    const start = [
      { vehicle: 0, stops: [0, 1], loadsBefore: [] },
      { vehicle: 2, stops: [2, 3], loadsBefore: [] },
    ]
    const plan = solve(problem, { iterations: 1, start })
    expect(plan.cost).toBe(120)
    expect(plan.unassigned).toEqual([])
  })

  test('a plan stays calm: stops move only where that saves more than moving costs', () => {
    const stops = [1, 2, 3, 4].map((place, at) => ({ place, demand: [1], incumbent: at % 2 }))
    const calm = defineProblem({ stops, vehicleTypes: [{ count: 2, capacity: [10] }], travel: line, moveCost: 1_000 })
    expect(ridesOf(solve(calm, { iterations: 3_000 })).map((ride) => ride.length)).toEqual([3, 3])
    const eager = defineProblem({ stops, vehicleTypes: [{ count: 2, capacity: [10] }], travel: line, moveCost: 1 })
    expect(ridesOf(solve(eager, { iterations: 3_000 })).map((ride) => ride.length)).toEqual([5])
  })
})

describe('what is left out is explained in numbers', () => {
  const reasonsOf = (input: ProblemInput) => solve(defineProblem(input), { iterations: 200 }).unassigned.map(({ reasons }) => reasons[0])

  test('by how much it is over', () => {
    const input = onLine([1, 2], { vehicleTypes: [{ count: 1, capacity: [59] }], stop: { demand: [50] } })
    expect(reasonsOf(input)).toEqual([{ vehicle: 0, kind: 'capacity', dimension: 0, over: 41 }])
  })

  test('by how much it is late, and at which stop', () => {
    const input = onLine([4, 4], { vehicleTypes: [{ count: 1, capacity: [9] }], stop: { closes: 40, service: 12 } })
    expect(reasonsOf(input)).toEqual([expect.objectContaining({ vehicle: 0, kind: 'late', by: 12 })])
  })

  test('the shift that is too short, the skill that is missing, the price that is too high', () => {
    expect(reasonsOf(onLine([4], { vehicleTypes: [{ count: 1, capacity: [9], shiftCloses: 70 }] }))).toEqual([
      { vehicle: 0, kind: 'shift', by: 10 },
    ])
    expect(reasonsOf(onLine([4], { stop: { skills: 6 }, vehicleTypes: [{ count: 1, capacity: [9], skills: 2 }] }))).toEqual([
      { vehicle: 0, kind: 'skills', missing: 4 },
    ])
    expect(reasonsOf(onLine([4], { stop: { unassignedCost: 50 } }))).toEqual([{ vehicle: 0, kind: 'too_dear', by: 30 }])
  })
})

describe('a problem that makes no sense is refused by its field', () => {
  test.each([
    [{ stops: [{ place: 9 }] }, 'stops/0/place'],
    [{ stops: [{ place: 1, opens: 5, closes: 4 }] }, 'stops/0/closes'],
    [{ stops: [{ place: 1, demand: [1, 2] }] }, 'vehicleTypes/0/capacity'],
    [{ vehicleTypes: [{ count: 1, capacity: [-1] }] }, 'vehicleTypes/0/capacity/0'],
    [{ vehicleTypes: [{ count: 1.5, capacity: [1] }] }, 'vehicleTypes/0/count'],
    [{ vehicleTypes: [{ count: 1, capacity: [1], start: null, maxTrips: 2 }] }, 'vehicleTypes/0/maxTrips'],
    [{ travel: { size: 2, durations: new Int32Array(3), costs: new Int32Array(4) } }, 'travel/0/durations'],
    [{ travel: { size: 2, durations: new Int32Array([0, -1, 1, 0]), costs: new Int32Array(4) } }, 'travel/0/durations/1'],
    [{ locked: [{ vehicle: 7, stops: [0] }] }, 'locked/0/vehicle'],
    [{ locked: [{ vehicle: 0, stops: [0, 0] }] }, 'locked/0/stops/1'],
  ])('%o', (change, field) => {
    const input = { ...onLine([1]), travel: { ...line }, ...change } as ProblemInput
    expect(() => defineProblem(input)).toThrow(`${field}:`)
  })
})

describe('the checker', () => {
  const problem = defineProblem(
    onLine([1, 2, 3], {
      stop: { opens: 0, closes: 60, service: 5 },
      vehicleTypes: [{ count: 2, capacity: [3], breaks: [{ earliest: 20, latest: 30, duration: 10 }] }],
    }),
  )
  const plan = solve(problem, { iterations: 500 })
  const route = plan.routes[0]!
  const changed = (change: object): Plan => ({ ...plan, routes: [{ ...route, ...change }, ...plan.routes.slice(1)] })

  test('finds nothing in a good plan', () => expect(checkPlan(problem, plan).broken).toEqual([]))

  test.each([
    ['a break left out', { breaks: [] }, 'break 0 is not taken'],
    ['a break too late', { breaks: route.breaks.map((each) => ({ ...each, startsAt: 31 })) }, 'break 0 starts at 31'],
    ['a way that is too short', { begins: route.begins.map((time) => time - 3) }, 'too soon'],
    ['a stop that is gone', { stops: route.stops.slice(1), begins: route.begins.slice(1) }, 'is nowhere'],
    ['a stop made twice', { stops: [...route.stops, route.stops[0]!], begins: [...route.begins, 55] }, 'is in route'],
    ['a price that is wrong', { cost: route.cost - 1 }, 'it says it costs'],
    ['an end after the shift', { endsAt: 2_000_000_000 }, 'after the shift'],
    ['a vehicle that does not exist', { vehicle: 9 }, 'no such vehicle'],
    ['trips that are not allowed', { loadsBefore: [1], loadings: [30] }, '2 trips where 1'],
  ])('sees %s', (_, change, message) => {
    expect(checkPlan(problem, changed(change)).broken.join('; ')).toContain(message)
  })
})
