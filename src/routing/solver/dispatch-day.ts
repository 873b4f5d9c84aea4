import type { Instance } from './instance.ts'
import { Random } from './random.ts'

/**
 * A day on which orders come by the hour, sampled from a static instance by the rules of the dynamic track of the EURO meets NeurIPS 2022 competition:
 * each hour up to a hundred requests, whose place, load, service time and window are drawn one by one from those of the instance; those that could
 * not be served any more are not made. Routes that are decided in an hour leave at its end.
 */
export interface Request {
  readonly place: number
  readonly demand: number
  readonly service: number
  readonly opens: number
  readonly closes: number
  /** The wave in which it becomes known. */
  readonly wave: number
}

export const hour = 3_600
const competitionPerWave = 100

export interface DispatchDay {
  readonly instance: Instance
  readonly firstWave: number
  readonly lastWave: number
  /** How many are drawn for each wave. */
  readonly perWave: number
  /** By wave, from the first one. */
  readonly requests: readonly (readonly Request[])[]
}

/** When routes decided in a wave leave. */
export const leavesAt = (wave: number): number => (wave + 1) * hour

export function dispatchDay(instance: Instance, seed: number, perWave = competitionPerWave): DispatchDay {
  const opens = instance.opens.slice(1)
  const wave = (time: number) => Math.max(0, Math.floor((time - hour) / hour))
  const firstWave = wave(opens.reduce((least, time) => Math.min(least, time)))
  const lastWave = wave(opens.reduce((most, time) => Math.max(most, time)))
  const random = new Random(seed)
  const requests = Array.from({ length: lastWave - firstWave + 1 }, (_, nth) => sampleWave({ instance, perWave }, firstWave + nth, random))
  return { instance, firstWave, lastWave, perWave, requests }
}

/** Also how a policy imagines what will come. */
export function sampleWave(day: Pick<DispatchDay, 'instance' | 'perWave'>, wave: number, random: Random): Request[] {
  const { instance, perWave } = day
  const customer = () => 1 + random.below(instance.size - 1)
  return Array.from({ length: perWave }, () => {
    const window = customer()
    return {
      place: customer(),
      demand: instance.demand[customer()]!,
      service: instance.service[customer()]!,
      opens: instance.opens[window]!,
      closes: instance.closes[window]!,
      wave,
    }
  }).filter((request) => canLeave(instance, request, leavesAt(wave)))
}

/** Whether a vehicle that leaves at that time can still serve it and be back before the depot closes. */
export function canLeave(instance: Instance, request: Request, at: number): boolean {
  const arrives = at + instance.durations[request.place]!
  if (arrives > request.closes) return false
  const done = Math.max(arrives, request.opens) + request.service
  return done + instance.durations[request.place * instance.size]! <= instance.closes[0]!
}

/** Whether it must leave in this wave: the next one would be too late for it. */
export const mustGo = ({ instance, lastWave }: DispatchDay, request: Request, wave: number): boolean =>
  wave === lastWave || !canLeave(instance, request, leavesAt(wave + 1))
