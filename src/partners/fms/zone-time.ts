/** What became of a local time in its zone. */
export type ZoneTime =
  | { readonly kind: 'instant'; readonly at: Date }
  /** The hour comes twice when clocks go back; the first is given. */
  | { readonly kind: 'twice'; readonly at: Date }
  /** Clocks skipped it. */
  | { readonly kind: 'skipped' }

const dayMs = 86_400_000
const clocks = new Map<string, Intl.DateTimeFormat | null>()
const offsets = new Map<string, number>()
/** A zone has some 400 days a year in such a file; ten zones and ten years stay well below. */
const mostOffsets = 200_000

function clockOf(zone: string): Intl.DateTimeFormat | null {
  let clock = clocks.get(zone)
  if (clock === undefined) {
    try {
      clock = new Intl.DateTimeFormat('en-CA', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23' })
    } catch {
      clock = null
    }
    // What is in a file decides what is asked: a column full of nonsense must not fill the memory.
    if (clocks.size < 1_000) clocks.set(zone, clock)
  }
  return clock
}

export const isZone = (zone: string): boolean => clockOf(zone) !== null

/** How far clocks in a zone are ahead of UTC at an instant. */
function offsetAt(zone: string, instant: number): number {
  const key = `${zone} ${instant}`
  const known = offsets.get(key)
  if (known !== undefined) return known
  const parts = new Map((clockOf(zone)?.formatToParts(instant) ?? []).map(({ type, value }) => [type, Number(value)]))
  const of = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0
  const offset =
    Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')) - Math.floor(instant / 1000) * 1000
  if (offsets.size >= mostOffsets) offsets.clear()
  offsets.set(key, offset)
  return offset
}

const shape = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,6})?)?$/

/** Reads `2026-03-02 07:53:47` as that of a zone that exists. Undefined where no calendar has it. */
export function readLocal(text: string, zone: string): ZoneTime | undefined {
  const [, ...parts] = shape.exec(text) ?? []
  const [year, month, day, hour, minute, second] = parts.map((part) => Number(part ?? 0))
  if (year === undefined || month === undefined || day === undefined || hour === undefined || minute === undefined) return undefined
  if (hour > 23 || minute > 59 || (second ?? 0) > 59 || year < 1990) return undefined
  const midnight = Date.UTC(year, month - 1, day)
  // Date.UTC rolls over what does not exist: the 30th of February would be the 2nd of March.
  if (new Date(midnight).getUTCMonth() !== month - 1 || new Date(midnight).getUTCDate() !== day) return undefined
  const local = midnight + ((hour * 60 + minute) * 60 + (second ?? 0)) * 1000
  // Offsets are kept by day: a formatter takes some microseconds for each line, and nearly all days begin and end with the same one.
  const before = offsetAt(zone, midnight - dayMs)
  const after = offsetAt(zone, midnight + 2 * dayMs)
  if (before === after) return { kind: 'instant', at: new Date(local - before) }
  const fits = (offset: number): boolean => offsetAt(zone, local - offset) === offset
  const [early, late] = [fits(before), fits(after)]
  if (early && late) return { kind: 'twice', at: new Date(Math.min(local - before, local - after)) }
  if (early || late) return { kind: 'instant', at: new Date(local - (early ? before : after)) }
  return { kind: 'skipped' }
}
