import { compile } from './model.ts'
import { defineProblem, type LockedPrefix, type Problem, ProblemError } from './problem.ts'
import { Random } from './random.ts'
import { Routes } from './routes.ts'

/** A random problem with some of everything: dimensions, windows, skills, breaks, trips, open ends, releases, locks, an incumbent. */
export function smallProblem(seed: number, mostStops: number): Problem {
  const random = new Random(seed)
  const chance = (share: number) => random.fraction() < share
  const between = (low: number, high: number) => low + random.below(high - low + 1)
  const count = between(1, mostStops)
  const size = count + 2
  const points = Array.from({ length: size }, () => ({ x: random.below(60), y: random.below(60) }))
  const bend = chance(0.3) ? 12 : 0
  const matrix = () =>
    Int32Array.from({ length: size * size }, (_, at) => {
      const [from, to] = [points[Math.floor(at / size)]!, points[at % size]!]
      return from === to ? 0 : Math.round(Math.hypot(from.x - to.x, from.y - to.y)) + random.below(bend + 1)
    })
  const durations = matrix()
  const costs = chance(0.5) ? durations : matrix()
  const dimensions = between(1, 3)
  const [hasSkills, hasBreaks, hasTrips, hasReleases, hasDurations] = [chance(0.4), chance(0.3), chance(0.3), chance(0.25), chance(0.3)]
  const amounts = (low: number, high: number) => Array.from({ length: dimensions }, () => between(low, high))
  const vehicleTypes = Array.from({ length: between(1, 2) }, () => {
    const earliest = between(20, 200)
    const pause = { earliest, latest: earliest + between(0, 80), duration: between(5, 40) }
    return {
      count: between(1, 2),
      capacity: amounts(8, 30),
      skills: hasSkills ? between(0, 3) : 0,
      start: chance(0.15) && !hasTrips ? null : chance(0.2) ? 1 : 0,
      end: chance(0.25) ? null : 0,
      shiftOpens: between(0, 40),
      shiftCloses: between(250, 700),
      breaks:
        hasBreaks && chance(0.7)
          ? chance(0.3)
            ? [pause, { earliest: pause.latest, latest: pause.latest + 60, duration: 10 }]
            : [pause]
          : [],
      fixedCost: chance(0.5) ? between(0, 80) : 0,
      costPerTravel: chance(0.3) ? between(1, 3) : 1,
      costPerDuration: hasDurations ? between(0, 2) : 0,
      maxTrips: hasTrips ? between(1, 3) : 1,
      reloadDuration: between(0, 15),
    }
  })
  const vehicles = vehicleTypes.reduce((sum, type) => sum + type.count, 0)
  const hasIncumbent = chance(0.3)
  const stops = Array.from({ length: count }, (_, at) => {
    const opens = chance(0.5) ? 0 : between(0, 300)
    return {
      place: at + 2,
      demand: amounts(0, 9),
      opens,
      closes: opens + between(30, 300),
      service: between(0, 12),
      skills: hasSkills ? between(0, 3) : 0,
      release: hasReleases ? between(0, 120) : 0,
      unassignedCost: chance(0.3) ? between(20, 300) : 10_000,
      onVehicle: chance(0.1) ? random.below(vehicles) : -1,
      incumbent: hasIncumbent && chance(0.7) ? random.below(vehicles) : -1,
    }
  })
  const problem = { stops, vehicleTypes, travel: { size, durations, costs }, moveCost: hasIncumbent ? between(0, 40) : 0 }
  return defineProblem({ ...problem, locked: chance(0.3) ? lockedIn(problem, random) : [] })
}

/** One or two stops at the start of a vehicle that is able to begin with them. */
function lockedIn(problem: Parameters<typeof defineProblem>[0], random: Random): LockedPrefix[] {
  const vehicles = problem.vehicleTypes.reduce((sum, { count }) => sum + count, 0)
  const locked = {
    vehicle: random.below(vehicles),
    stops: [...new Set([random.below(problem.stops.length), random.below(problem.stops.length)])],
  }
  return holds(defineProblem({ ...problem, locked: [locked] })) ? [locked] : []
}

/** Whether the locked stops can be made at all: a plan of them alone exists. */
function holds(problem: Problem): boolean {
  try {
    new Routes(compile(problem))
    return true
  } catch (error) {
    if (error instanceof ProblemError) return false
    throw error
  }
}
