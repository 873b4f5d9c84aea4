export interface CarrierTime {
  readonly at: Date
  readonly zoneKnown: boolean
}

const shape = /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?$/

/**
 * Reads `2026-03-02T07:53:47` with or without an offset. Without one the time is taken as that of `assumedOffsetMinutes`, and said to be so: the order rule
 * gives such facts a window of 12 h. Undefined for what no calendar or clock has, such as 30 February.
 */
export function readTime(text: unknown, assumedOffsetMinutes: number): CarrierTime | undefined {
  const parts = typeof text === 'string' ? shape.exec(text.trim()) : null
  if (parts === null) return undefined
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((at) => Number(parts[at] ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const local = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // Date.UTC rolls over what does not exist: the 30th of February would be the 2nd of March.
  const same =
    local.getUTCMonth() === month - 1 && local.getUTCDate() === day && local.getUTCHours() === hour && local.getUTCMinutes() === minute
  if (!same || second > 59 || year < 2000) return undefined
  const offset = offsetOf(parts[7])
  if (offset === null) return undefined
  return { at: new Date(local.getTime() - (offset ?? assumedOffsetMinutes) * 60_000), zoneKnown: offset !== undefined }
}

/** Minutes east of Greenwich; undefined when none is given, null when it is none that exists. */
function offsetOf(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined
  if (text === 'Z') return 0
  const digits = text.replace(':', '')
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3, 5))
  if (minutes > 14 * 60 || Number(digits.slice(3, 5)) > 59) return null
  return digits.startsWith('-') ? -minutes : minutes
}
