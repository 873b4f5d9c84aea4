import { blend, daysAt, type Quantiles, quantilesOf, type Span, worthOf } from './quantiles.ts'

/** Where a shipment goes, as far as it is known; '' and null where it is not. */
export interface Lane {
  readonly origin: string
  readonly destination: string
  readonly distanceKm: number | null
}

/** Milestones from which an arrival can be told: those of a parcel on its way out. */
export const stages = ['created', 'accepted', 'in_transit', 'at_hub', 'out_for_delivery', 'attempted'] as const
export type Stage = (typeof stages)[number]

/** What is known at the moment of telling. */
export interface Setting extends Lane {
  readonly stage: Stage
  /** When the stage was reached, ms. */
  readonly at: number
}

/** One shipment at one of its stages, and what became of it. */
export interface Case extends Setting {
  /** When it was delivered, ms; null while it is not. */
  readonly deliveredAt: number | null
  /** Until when it was watched, when it was not delivered: now, or when it was cancelled or turned back. */
  readonly watchedUntil: number
}

/** The way of one shipment, as far as it is known. */
export interface Trip extends Lane {
  /** When it came to each of its stages, ms. */
  readonly reached: Readonly<Partial<Record<Stage, number>>>
  readonly deliveredAt: number | null
  readonly watchedUntil: number
}

export const casesOf = ({ reached, ...trip }: Trip): Case[] =>
  stages.flatMap((stage) => {
    const at = reached[stage]
    return at === undefined ? [] : [{ ...trip, stage, at }]
  })

interface Cell {
  /** What its cases are worth; see worthOf. */
  readonly worth: number
  readonly quantiles: Quantiles
}

/** Plain JSON. */
export interface ArrivalModel {
  /** Of the history that it was fitted on, ms. Nothing that happened later is in it. */
  readonly until: number
  readonly cases: number
  readonly utcOffsetMinutes: number
  /** Days that a weekday adds, by stage and weekday. */
  readonly weekdayShifts: Readonly<Record<string, number>>
  readonly cells: Readonly<Record<string, Cell>>
}

const dayMs = 86_400_000

/** Distances that carriers treat alike: a town, a day by road, two, a country, a continent. */
const bands = [30, 100, 300, 600, 1_000, 1_500, 2_500] as const
/** How many of them it passes; '?' where nobody has said how far it is. */
const bandOf = (km: number | null): string => (km === null ? '?' : String(bands.filter((most) => km > most).length))

const weekdayOf = (at: number, utcOffsetMinutes: number): number => new Date(at + utcOffsetMinutes * 60_000).getUTCDay()

export const weekdayKeyOf = ({ stage, at }: Setting, utcOffsetMinutes: number): string => `${stage}/${weekdayOf(at, utcOffsetMinutes)}`

/** Cells that a setting falls into, the widest first. Each is drawn towards the one before it by as much as it lacks cases. */
export function keysOf({ stage, origin, destination, distanceKm }: Setting): string[] {
  const keys: string[] = [stage]
  const band = `b${bandOf(distanceKm)}`
  keys.push(`${stage}/${band}`)
  if (destination !== '') keys.push(`${stage}/${band}/${destination}`)
  if (destination !== '' && origin !== '') keys.push(`${stage}/${band}/${destination}/${origin}`)
  return keys
}

export interface FitOptions {
  /** The moment of the fitting, ms: nothing later is looked at. */
  readonly until: number
  /** A case that is this old counts half. */
  readonly halfLifeDays?: number
  /** Of local time at which weekdays begin. */
  readonly utcOffsetMinutes?: number
}

/** A cell with this many cases has as much to say as the wider one around it. */
const evenAt = 20
/** Fewer than this say nothing of a distribution, and would make the model large. */
const leastWorth = 4
/**
 * What is not there after this long is lost, or was handed over without a scan. It says nothing of when a parcel arrives; as "longer than this" the three in a
 * hundred of Olist that never end would stretch the windows of all by half.
 */
const longestDays = 45

/**
 * Fits how long it takes from each stage to the door, by cell. Looks at what had happened by `until` only: a case that began later is left out, one
 * that was delivered later counts as still under way. The weekday moves a whole distribution (a Friday's parcel waits for Monday wherever it goes), so it is taken
 * off first and cells need not be cut by it.
 */
export function fitArrivals(
  cases: Iterable<Case>,
  { until, halfLifeDays = standardHalfLifeDays, utcOffsetMinutes = 0 }: FitOptions,
): ArrivalModel {
  const seen = [...cases].flatMap((one) => {
    const span = spanOf(one, until, halfLifeDays)
    return span === undefined ? [] : [{ one, span, weekday: weekdayKeyOf(one, utcOffsetMinutes) }]
  })
  const weekdayShifts = shiftsOf(seen, cellsOf(seen, {}))
  return { until, cases: seen.length, utcOffsetMinutes, weekdayShifts, cells: cellsOf(seen, weekdayShifts) }
}

interface Seen {
  readonly one: Case
  readonly span: Span
  readonly weekday: string
}

function cellsOf(seen: readonly Seen[], weekdayShifts: Readonly<Record<string, number>>): Record<string, Cell> {
  const spans = new Map<string, Span[]>()
  const wider = new Map<string, string>()
  for (const { one, span, weekday } of seen) {
    const shifted = { ...span, days: span.days - (weekdayShifts[weekday] ?? 0) }
    let around = ''
    for (const key of keysOf(one)) {
      const known = spans.get(key)
      if (known === undefined) {
        spans.set(key, [shifted])
        wider.set(key, around)
      } else known.push(shifted)
      around = key
    }
  }
  const cells: Record<string, Cell> = {}
  // Wider cells come before the cells within them, since they are met in that order.
  for (const [key, of] of spans) {
    const worth = worthOf(of)
    const own = quantilesOf(of)
    if (worth < leastWorth || own.length === 0) continue
    const around = cells[wider.get(key) ?? '']
    cells[key] = { worth, quantiles: around === undefined ? own : blend(own, around.quantiles, worth / (worth + evenAt)) }
  }
  return cells
}

function spanOf(one: Case, until: number, halfLifeDays: number): Span | undefined {
  if (one.at >= until) return undefined
  const { deliveredAt } = one
  const ended = deliveredAt !== null && deliveredAt <= until
  const end = ended ? deliveredAt : Math.min(until, deliveredAt === null ? one.watchedUntil : until)
  const days = (end - one.at) / dayMs
  // Delivered before the stage was reached: clocks differ, or rows were written later. It says nothing of how long the way takes.
  if (days < 0) return undefined
  const weight = 0.5 ** ((until - one.at) / dayMs / halfLifeDays)
  return !ended && days > longestDays ? undefined : { days, ended, weight }
}

/**
 * By how much a weekday's cases take longer than the cells that they are in: against the whole stage, a weekday on which far lanes are served would seem slow. What is
 * under way is left out, since it tells nothing of how long it takes; it is missing from all weekdays alike.
 */
function shiftsOf(seen: readonly Seen[], cells: Readonly<Record<string, Cell>>): Record<string, number> {
  const shifts: Record<string, number> = {}
  const over = seen.flatMap(({ one, span, weekday }) => {
    const cell = span.ended ? keysOf(one).findLast((key) => key in cells) : undefined
    const days = cell === undefined ? undefined : span.days - daysAt(cells[cell]?.quantiles ?? [], 0.5)
    return days === undefined ? [] : [{ stage: one.stage, weekday, span: { ...span, days } }]
  })
  const middle = (of: readonly { readonly span: Span }[]): number => daysAt(quantilesOf(of.map(({ span }) => span)), 0.5)
  for (const [, ofStage] of Map.groupBy(over, ({ stage }) => stage)) {
    const whole = middle(ofStage)
    for (const [weekday, of] of Map.groupBy(ofStage, (each) => each.weekday)) {
      const worth = worthOf(of.map(({ span }) => span))
      shifts[weekday] = ((middle(of) - whole) * worth) / (worth + evenAt)
    }
  }
  return shifts
}

/** This, evenAt and longestDays were chosen on orders of Olist up to November 2017; `bench arrival` judges later ones. */
const standardHalfLifeDays = 90
