import { accepted, type Outcome, refused } from '#kernel/outcome.ts'

/** From `opens` until `closes`, local times such as 08:30; 24:00 closes at midnight. */
export interface Opening {
  readonly opens: string
  readonly closes: string
}

export interface Hours {
  /** IANA name of the zone that all times are of. */
  readonly zone: string
  /** `day` is 1 for Monday to 7 for Sunday. */
  readonly weekly: readonly (Opening & { readonly day: number })[]
  /** What holds on a date instead of the week's hours; an empty list is closed. */
  readonly exceptions: readonly { readonly date: string; readonly openings: readonly Opening[] }[]
}

const bad = (detail: string, field: string): Outcome<never> => refused('merchants.bad_hours', detail, field)

/** Whether hours make sense: a zone that exists, days that exist, no opening that ends before it begins, none that overlap. */
export function checkHours({ zone, weekly, exceptions }: Hours): Outcome<null> {
  if (!isZone(zone)) return refused('merchants.unknown_zone', `there is no time zone "${zone}"; one is America/Toronto`, '/zone')
  for (const [day, openings] of Map.groupBy(weekly, (opening) => opening.day)) {
    const problem = problemIn(openings)
    if (problem !== undefined) return bad(`day ${day}: ${problem}`, '/weekly')
  }
  const dates = new Set<string>()
  for (const [index, { date, openings }] of exceptions.entries()) {
    const field = `/exceptions/${index}`
    if (!isDate(date)) return bad(`there is no day ${date}`, `${field}/date`)
    if (dates.has(date)) return bad(`${date} has two exceptions`, `${field}/date`)
    dates.add(date)
    const problem = problemIn(openings)
    if (problem !== undefined) return bad(`${date}: ${problem}`, `${field}/openings`)
  }
  return accepted(null)
}

function problemIn(openings: readonly Opening[]): string | undefined {
  const sorted = openings.toSorted((a, b) => (a.opens < b.opens ? -1 : 1))
  for (const [index, { opens, closes }] of sorted.entries()) {
    if (closes <= opens) return `it opens at ${opens} and closes at ${closes}; what goes over midnight is two openings`
    const next = sorted[index + 1]
    if (next !== undefined && next.opens < closes) return `${opens} to ${closes} and ${next.opens} to ${next.closes} overlap`
  }
  return undefined
}

export function isDate(date: string): boolean {
  const time = Date.parse(`${date}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(date)
}

function isZone(zone: string): boolean {
  try {
    clockOf(zone)
    return true
  } catch {
    return false
  }
}

const clocks = new Map<string, Intl.DateTimeFormat>()

/** A formatter is dear to make, and there are few zones. Throws for one that does not exist. */
function clockOf(zone: string): Intl.DateTimeFormat {
  let clock = clocks.get(zone)
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-CA', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23' })
    clocks.set(zone, clock)
  }
  return clock
}

/** What clocks in the zone show at an instant, as if it were UTC. */
function wallTime(zone: string, instant: number): number {
  const part = new Map(
    clockOf(zone)
      .formatToParts(instant)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const of = (name: Intl.DateTimeFormatPartTypes): number => part.get(name) ?? 0
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'))
}

/**
 * The instant of a local time. A time that is skipped in spring is the instant at which clocks have gone on as far; of a time that comes
 * twice in autumn the first is meant.
 */
export function instantIn(zone: string, date: string, time: string): Date {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  const local = Date.parse(`${date}T00:00:00Z`) + (hours * 60 + minutes) * 60_000
  // Offsets a day before and after: with the one before, times before a change come out right, and skipped ones just after it.
  const before = wallTime(zone, local - 86_400_000) - (local - 86_400_000)
  const after = wallTime(zone, local + 86_400_000) - (local + 86_400_000)
  const early = local - before
  const late = local - after
  if (wallTime(zone, early) === local || wallTime(zone, late) !== local) return new Date(early)
  return new Date(late)
}

export interface OpenInterval {
  readonly date: string
  readonly opensAt: Date
  readonly closesAt: Date
}

/** When a store is open on `days` local dates from `from` on. */
export function openingsOf({ zone, weekly, exceptions }: Hours, from: string, days: number): OpenInterval[] {
  const special = new Map(exceptions.map(({ date, openings }) => [date, openings]))
  return Array.from({ length: days }, (_, index) => {
    const day = new Date(Date.parse(`${from}T00:00:00Z`) + index * 86_400_000)
    const date = day.toISOString().slice(0, 10)
    const usual = weekly.filter((opening) => opening.day === (day.getUTCDay() || 7))
    return (special.get(date) ?? usual)
      .toSorted((a, b) => (a.opens < b.opens ? -1 : 1))
      .map(({ opens, closes }) => ({ date, opensAt: instantIn(zone, date, opens), closesAt: instantIn(zone, date, closes) }))
  }).flat()
}

/** The local date in a zone. */
export const dateIn = (zone: string, instant: Date): string => new Date(wallTime(zone, instant.getTime())).toISOString().slice(0, 10)
