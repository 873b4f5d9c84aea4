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
  /** Who leaves with what is yet to come in at least this share of futures waits. */
  readonly waitShare: number
  readonly each: Omit<SolveOptions, 'seed' | 'start'>
}

/**
 * Weighs going and waiting by sampled futures: plans what is known together with what may come, and looks who rides with whom. A request that in most
 * futures shares its route with goods that are not there yet waits for them; the others go. Each round holds those that wait and asks again about the rest, since
 * who stays changes whom the others would ride with.
 */
export function byFutures(options: FuturesOptions): DispatchPolicy {
  return (view) => {
    const { day, wave, known, must } = view
    if (wave === day.lastWave || must.every(Boolean)) return must
    const random = new Random(options.seed * 1_000 + wave)
    const waits = known.map(() => false)
    for (let round = 0; round < options.rounds; round += 1) {
      const votes = new Float64Array(known.length)
      for (let n = 0; n < options.futures; n += 1) {
        for (const number of leavingLater(view, { waits, random, options })) votes[number] = votes[number]! + 1 / options.futures
      }
      for (const number of known.keys()) if (!must[number] && votes[number]! >= options.waitShare) waits[number] = true
    }
    return waits.map((waiting) => !waiting)
  }
}

interface Imagined {
  readonly waits: readonly boolean[]
  readonly random: Random
  readonly options: FuturesOptions
}

/** Plans one future and gives the known requests whose route leaves after this wave. */
function leavingLater({ day, wave, known, must }: WaveView, { waits, random, options }: Imagined): number[] {
  const { instance, lastWave } = day
  const future: Request[] = []
  for (let ahead = wave + 1; ahead <= Math.min(lastWave, wave + options.waves); ahead += 1) future.push(...sampleWave(day, ahead, random))
  const requests = [...known, ...future]
  const release = requests.map((request, number) =>
    number < known.length ? leavesAt(waits[number] ? wave + 1 : wave) : leavesAt(request.wave),
  )
  const plan = solve(waveProblem(instance, { requests, release }), { ...options.each, seed: random.bits() })
  const later: number[] = []
  for (const { stops } of plan.routes) {
    const leaves = stops.reduce((latest, stop) => Math.max(latest, release[stop]!), 0)
    if (leaves > leavesAt(wave)) later.push(...stops.filter((stop) => stop < known.length && !must[stop]))
  }
  return later
}

/** As many vehicles as requests, all of which can go: nobody is left out for want of a truck. Only driving costs. */
function waveProblem(instance: Instance, { requests, release }: { requests: readonly Request[]; release: readonly number[] }): Problem {
  const { capacity, durations, size, closes } = instance
  return defineProblem({
    stops: requests.map(({ place, demand, service, opens, closes: until }, number) => {
      return { place, demand: [demand], service, opens, closes: until, release: release[number] }
    }),
    vehicleTypes: [{ count: requests.length, capacity: [capacity], shiftOpens: 0, shiftCloses: closes[0]! }],
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
    const goes = known.filter((_, number) => must[number]! || chosen[number]!)
    waiting = known.filter((_, number) => !must[number] && !chosen[number])
    const release = goes.map(() => leavesAt(wave))
    const problem = waveProblem(day.instance, { requests: goes, release })
    const plan = solve(problem, options)
    played.push({ wave, known: known.length, must: must.filter(Boolean).length, went: goes.length, problem, plan })
  }
  return played
}
