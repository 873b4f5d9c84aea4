import { type DispatchDay, leavesAt, mustGo, type Request, sampleWave } from './dispatch-day.ts'
import type { Instance } from './instance.ts'
import type { Plan } from './plan.ts'
import { defineProblem, type Problem } from './problem.ts'
import { Random } from './random.ts'
import { solve, type SolveOptions } from './solve.ts'

/** What a policy sees in a wave: what is known and has not left, and which of it must go. It knows the instance that requests come from, not what comes. */
export interface WaveView {
  readonly day: DispatchDay
  readonly wave: number
  readonly known: readonly Request[]
  readonly must: readonly boolean[]
}

/** Says for each known request whether it goes now. */
export type DispatchPolicy = (view: WaveView) => readonly boolean[]

export const greedy: DispatchPolicy = ({ known }) => known.map(() => true)
export const lazy: DispatchPolicy = ({ must }) => must

export interface FuturesOptions {
  readonly seed: number
  /** How many futures are imagined in each round. */
  readonly futures: number
  /** How many waves ahead they reach. */
  readonly waves: number
  readonly rounds: number
  /** Who leaves later in at least this share of futures waits from then on; who does in at most `goShare` of them goes. */
  readonly waitShare: number
  readonly goShare: number
  readonly each: Omit<SolveOptions, 'seed' | 'start'>
}

const undecided = 0
const goes = 1
const waits = 2

/**
 * Weighs going and waiting by sampled futures: plans what is known together with what may come, and looks who rides with whom. A request that in most
 * futures shares its route with goods that are not there yet waits for them, one that hardly ever does goes. Each round asks again about those in between, with the
 * others held to what was decided, since who stays changes whom the rest would ride with. Who is never decided goes.
 */
export function byFutures(options: FuturesOptions): DispatchPolicy {
  return (view) => {
    const { day, wave, known, must } = view
    if (wave === day.lastWave || must.every(Boolean)) return must
    const random = new Random(options.seed * 1_000 + wave)
    const decided = Uint8Array.from(must, (each) => (each ? goes : undecided))
    for (let round = 0; round < options.rounds; round += 1) {
      const later = new Int32Array(known.length)
      for (let n = 0; n < options.futures; n += 1) {
        for (const number of leavingLater(view, { decided, random, options })) later[number] = later[number]! + 1
      }
      for (const number of known.keys()) {
        if (decided[number] !== undecided) continue
        const share = later[number]! / options.futures
        if (share >= options.waitShare) decided[number] = waits
        else if (share <= options.goShare) decided[number] = goes
      }
    }
    return known.map((_, number) => decided[number] !== waits)
  }
}

interface Imagined {
  readonly decided: Uint8Array
  readonly random: Random
  readonly options: FuturesOptions
}

/** Plans one future and gives the known requests whose route leaves after this wave. */
function leavingLater({ day, wave, known }: WaveView, { decided, random, options }: Imagined): number[] {
  const { instance, lastWave } = day
  const future: Request[] = []
  for (let ahead = wave + 1; ahead <= Math.min(lastWave, wave + options.waves); ahead += 1) future.push(...sampleWave(day, ahead, random))
  const requests = [...known, ...future]
  const side = requests.map((_, number) => (number < known.length ? decided[number]! : waits))
  const release = requests.map((request, number) => leavesAt(side[number] === waits ? Math.max(request.wave, wave + 1) : wave))
  const plan = solve(waveProblem(instance, { requests, release, side }), { ...options.each, seed: random.bits() })
  const later: number[] = []
  for (const { stops } of plan.routes) {
    const leaves = stops.reduce((latest, stop) => Math.max(latest, release[stop]!), 0)
    if (leaves > leavesAt(wave)) later.push(...stops.filter((stop) => stop < known.length))
  }
  return later
}

interface WaveRequests {
  readonly requests: readonly Request[]
  readonly release: readonly number[]
  /** Who goes rides with nobody who waits: two kinds of vehicles, each with the skill that one of them needs. */
  readonly side: readonly number[]
}

/** As many vehicles as requests, all of which can go: nobody is left out for want of a truck. Only driving costs. */
function waveProblem(instance: Instance, { requests, release, side }: WaveRequests): Problem {
  const { capacity, durations, size, closes } = instance
  const sides = side.every((each) => each === goes) ? [goes] : [goes, waits]
  return defineProblem({
    stops: requests.map(({ place, demand, service, opens, closes: until }, number) => {
      return { place, demand: [demand], service, opens, closes: until, release: release[number], skills: side[number] }
    }),
    vehicleTypes: sides.map((skills) => ({ count: requests.length, capacity: [capacity], skills, shiftOpens: 0, shiftCloses: closes[0]! })),
    travel: { size, durations, costs: durations },
  })
}

export interface PlayedWave {
  readonly wave: number
  readonly known: number
  readonly must: number
  readonly went: number
  readonly problem: Problem
  readonly plan: Plan
}

/** Plays a day with a policy: in each wave what it sends leaves in routes of its own. The cost of the day is the sum of the plans. */
export function playDay(day: DispatchDay, policy: DispatchPolicy, options: SolveOptions): PlayedWave[] {
  const played: PlayedWave[] = []
  let waiting: Request[] = []
  for (let wave = day.firstWave; wave <= day.lastWave; wave += 1) {
    const known = [...waiting, ...(day.requests[wave - day.firstWave] ?? [])]
    const must = known.map((request) => mustGo(day, request, wave))
    const chosen = known.length === 0 ? [] : policy({ day, wave, known, must })
    const leaving = known.filter((_, number) => must[number]! || chosen[number]!)
    waiting = known.filter((_, number) => !must[number] && !chosen[number])
    const release = leaving.map(() => leavesAt(wave))
    const problem = waveProblem(day.instance, { requests: leaving, release, side: leaving.map(() => goes) })
    const plan = solve(problem, options)
    played.push({ wave, known: known.length, must: must.filter(Boolean).length, went: leaving.length, problem, plan })
  }
  return played
}
