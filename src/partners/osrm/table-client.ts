import { type GeoPoint, tableTravel, type Travel } from '#routing'
import { failureOf } from '#partners/call-failure.ts'

export interface TableServiceSettings {
  readonly baseUrl: string
  /** As the service names it: driving, bike. */
  readonly profile: string
  /** For a whole table, however many calls it takes. */
  readonly timeoutMs: number
  /** The most places in one call; osrm-routed allows 100 unless it is started with more. */
  readonly placesPerCall: number
}

export type TableAnswer =
  | { readonly kind: 'ok'; readonly travel: Travel }
  /** Nobody was there, or it answered something else: the caller goes on with great circles. */
  | { readonly kind: 'failed'; readonly reason: string }

interface TableBody {
  readonly code?: string
  readonly message?: string
  readonly durations?: unknown
  readonly distances?: unknown
}

/** More places than this are hundreds of calls: clusters are smaller. */
const mostPlaces = 2_000

/**
 * Asks a table service with the interface of OSRM (`/table/v1/…`) for the ways between places: seconds as durations, metres as costs. More places than
 * one call takes are asked in blocks, one after the other, so that one cluster never floods the service.
 */
export async function fetchTravel(points: readonly GeoPoint[], settings: TableServiceSettings): Promise<TableAnswer> {
  const size = points.length
  if (size > mostPlaces) return { kind: 'failed', reason: `${size} places, at most ${mostPlaces}` }
  const durations: (number | null)[][] = points.map(() => Array.from({ length: size }, () => 0))
  const distances: (number | null)[][] = points.map(() => Array.from({ length: size }, () => 0))
  const signal = AbortSignal.timeout(settings.timeoutMs)
  const block = Math.max(1, Math.floor(settings.placesPerCall / 2))
  for (let from = 0; from < size; from += block) {
    for (let to = 0; to < size; to += block) {
      const sources = points.slice(from, from + block)
      const destinations = points.slice(to, to + block)
      const read = await fetchBlock({ sources, destinations, settings, signal })
      if (typeof read === 'string') return { kind: 'failed', reason: read }
      for (let row = 0; row < sources.length; row += 1) {
        for (let column = 0; column < destinations.length; column += 1) {
          durations[from + row]![to + column] = read.durations[row]![column]!
          distances[from + row]![to + column] = read.distances[row]![column]!
        }
      }
    }
  }
  return { kind: 'ok', travel: tableTravel(durations, distances) }
}

interface Block {
  readonly sources: readonly GeoPoint[]
  readonly destinations: readonly GeoPoint[]
  readonly settings: TableServiceSettings
  readonly signal: AbortSignal
}

type Table = (number | null)[][]

/** A block of the table, or what went wrong. */
async function fetchBlock({ sources, destinations, settings, signal }: Block): Promise<{ durations: Table; distances: Table } | string> {
  const places = [...sources, ...destinations].map(({ lat, lng }) => `${lng.toFixed(6)},${lat.toFixed(6)}`).join(';')
  const numbers = (count: number, first: number) => Array.from({ length: count }, (_, at) => at + first).join(';')
  const asked = `sources=${numbers(sources.length, 0)}&destinations=${numbers(destinations.length, sources.length)}&annotations=duration,distance`
  const url = `${settings.baseUrl.replace(/\/+$/, '')}/table/v1/${encodeURIComponent(settings.profile)}/${places}?${asked}`
  try {
    const response = await fetch(url, { signal })
    const body = (await response.json()) as TableBody | null
    if (body?.code !== 'Ok') return `${body?.code ?? response.status}: ${body?.message ?? 'no table'}`
    const { durations, distances } = body
    if (!isTable(durations, sources.length, destinations.length)) return 'durations are no table of the size that was asked for'
    if (!isTable(distances, sources.length, destinations.length)) return 'distances are no table of the size that was asked for'
    return { durations, distances }
  } catch (error) {
    return error instanceof SyntaxError ? 'the answer is no JSON' : failureOf(error).reason
  }
}

function isTable(value: unknown, rows: number, columns: number): value is Table {
  const isCell = (cell: unknown) => cell === null || (typeof cell === 'number' && cell >= 0)
  return (
    Array.isArray(value) && value.length === rows && value.every((row) => Array.isArray(row) && row.length === columns && row.every(isCell))
  )
}
