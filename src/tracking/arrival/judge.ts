import { estimateArrival } from './estimate.ts'
import { casesOf, fitArrivals, type Stage, stages, type Trip } from './model.ts'

/** How far off a way of telling was. Days; a bias above 0 says that parcels came later than told. */
export interface Miss {
  readonly medianDays: number
  readonly p90Days: number
  readonly biasDays: number
  /** Of parcels that came after the last moment that was told. */
  readonly lateShare: number
}

export interface Judged extends Miss {
  readonly stage: Stage
  readonly cases: number
  /** Cases about which the model had nothing to say; they are in no other figure. */
  readonly untold: number
  /** Of parcels that came within the window, and how wide it was at the median. */
  readonly withinShare: number
  readonly windowDays: number
  /** The same cases by what was promised to the customer, where something was. */
  readonly promised: Miss
}

export interface JudgedTrip extends Trip {
  /** The day that was promised, from its first moment to its last, ms. */
  readonly promised: { readonly from: number; readonly to: number } | null
}

export interface JudgeOptions {
  /** Trips that began before this are only learned from. */
  readonly from: number
  readonly until: number
  /** A new model is fitted after so many days; more than there are makes one model do for all. */
  readonly refitDays: number
  readonly utcOffsetMinutes: number
}

const dayMs = 86_400_000

/**
 * Plays history: at each refit a model is made of what had happened by then, and tells every trip that reaches a stage before the next one, at the moment
 * it does. What became of those is then compared. A model never sees what it is judged by, since it is cut off before.
 */
export function judgeArrivals(trips: readonly JudgedTrip[], { from, until, refitDays, utcOffsetMinutes }: JudgeOptions): Judged[] {
  const cases = trips.flatMap((trip) => casesOf(trip).map((one) => ({ ...one, promised: trip.promised })))
  const told = new Map<Stage, Told[]>(stages.map((stage) => [stage, []]))
  const untold = new Map<Stage, number>()
  for (let cut = from; cut < until; cut += refitDays * dayMs) {
    const model = fitArrivals(cases, { until: cut, utcOffsetMinutes })
    const before = Math.min(until, cut + refitDays * dayMs)
    for (const one of cases) {
      const { deliveredAt, promised } = one
      if (one.at < cut || one.at >= before || deliveredAt === null || deliveredAt < one.at) continue
      const arrival = estimateArrival(model, one, one.at)
      if (arrival === undefined) untold.set(one.stage, (untold.get(one.stage) ?? 0) + 1)
      else told.get(one.stage)?.push({ deliveredAt, arrival, promised })
    }
  }
  return [...told].flatMap(([stage, of]) => (of.length === 0 ? [] : [judgedOf(stage, of, untold.get(stage) ?? 0)]))
}

interface Told {
  readonly deliveredAt: number
  readonly arrival: { readonly at: number; readonly from: number; readonly to: number }
  readonly promised: JudgedTrip['promised']
}

function judgedOf(stage: Stage, told: readonly Told[], untold: number): Judged {
  const within = told.filter(({ deliveredAt, arrival }) => deliveredAt >= arrival.from && deliveredAt <= arrival.to)
  const promised = told.flatMap((one) => (one.promised === null ? [] : [{ ...one, promised: one.promised }]))
  return {
    stage,
    cases: told.length,
    untold,
    ...missOf(told.map(({ deliveredAt, arrival }) => ({ deliveredAt, at: arrival.at, last: arrival.to }))),
    withinShare: within.length / told.length,
    windowDays: quantile(
      told.map(({ arrival }) => (arrival.to - arrival.from) / dayMs),
      0.5,
    ),
    // A day has no moment: its middle is what serves the promise best, and it is late when the day is over.
    promised: missOf(promised.map(({ deliveredAt, promised: { from, to } }) => ({ deliveredAt, at: (from + to) / 2, last: to }))),
  }
}

function missOf(told: readonly { readonly deliveredAt: number; readonly at: number; readonly last: number }[]): Miss {
  const off = told.map(({ deliveredAt, at }) => (deliveredAt - at) / dayMs)
  return {
    medianDays: quantile(off.map(Math.abs), 0.5),
    p90Days: quantile(off.map(Math.abs), 0.9),
    biasDays: off.reduce((sum, days) => sum + days, 0) / Math.max(1, off.length),
    lateShare: told.filter(({ deliveredAt, last }) => deliveredAt > last).length / Math.max(1, told.length),
  }
}

const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0
