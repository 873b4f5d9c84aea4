import type { Traffic } from '#platform/request-context.ts'
import type { Travel } from './solver/index.ts'
import type { KnownWay, Point } from './travel.ts'

/** Ways by road between places, as a table service told them: metres as costs, seconds as durations. Plain data, so that it can be sent to a worker. */
export interface RoadTable {
  readonly places: readonly Point[]
  readonly travel: Travel
}

export type AskedTable = { readonly kind: 'ok'; readonly travel: Travel } | { readonly kind: 'failed'; readonly reason: string }

/** Fetched, kept from before, refused for a reason, or not asked for: the service rests, or the run has waited long enough. */
export type TableResult = 'fetched' | 'kept' | 'refused' | 'not_asked'

/** Where road tables come from. Without it ways are great circles. */
export interface RoadService {
  readonly fetchTable: (points: readonly Point[]) => Promise<AskedTable>
  readonly nowMs: () => number
  /** Told of each table that was wanted; where there is none, great circles are used instead. */
  readonly observe?: (traffic: Traffic, result: TableResult, reason?: string) => void
}

/** A cluster has up to 500 doors; a slot that is larger is planned in parts, and its table would be millions of ways. */
const mostPlaces = 1_000
/** After a failure the service is left alone for so long: a day has hundreds of clusters, and each would wait for the same time-out. */
const restMs = 30_000
/** Tables that are kept, the least recently used going first, by how many ways they have in all: 8 bytes each. */
const mostKept = 4_000_000
/** Roads change slowly, closures do not. */
const keptMs = 3_600_000
/** What one run waits for tables in all, over all of its zones: a service that is slow but answers must not make a day late. */
const mostWaitMs = 60_000

export interface Roads {
  /** The table of these places, or why there is none. Never throws and never waits longer than the service's own time-out. */
  tableOf(points: readonly Point[]): Promise<RoadTable | string>
  /** The same for one run, which waits for tables so long and no longer. */
  forRun(): Pick<Roads, 'tableOf'>
}

export const placeKey = ({ lat, lng }: Point): string => `${lat} ${lng}`

/** Live and shadow have tables and failures of their own. */
export function openRoads({ fetchTable, nowMs, observe = () => undefined }: RoadService, traffic: Traffic): Roads {
  const kept = new Map<string, { readonly table: RoadTable; readonly until: number }>()
  const asking = new Map<string, Promise<RoadTable | string>>()
  let ways = 0
  let restsUntil = -Infinity
  let lastReason = ''

  const forget = (key: string): void => {
    const size = kept.get(key)?.table.places.length ?? 0
    if (kept.delete(key)) ways -= size * size
  }
  const keep = (key: string, table: RoadTable): void => {
    forget(key)
    kept.set(key, { table, until: nowMs() + keptMs })
    ways += table.places.length ** 2
    for (const oldest of kept.keys()) {
      if (ways <= mostKept) break
      forget(oldest)
    }
  }
  const refuse = (reason: string, result: TableResult = 'refused'): string => {
    observe(traffic, result, reason)
    return reason
  }
  const ask = async (key: string, places: readonly Point[]): Promise<RoadTable | string> => {
    const answer = await fetchTable(places).catch((error: unknown) => ({ kind: 'failed' as const, reason: String(error) }))
    if (answer.kind === 'failed') {
      restsUntil = nowMs() + restMs
      lastReason = answer.reason
      return refuse(answer.reason)
    }
    observe(traffic, 'fetched')
    const table = { places, travel: answer.travel }
    keep(key, table)
    return table
  }

  const roads: Roads = {
    async tableOf(points) {
      const places = [...new Map(points.map((point) => [placeKey(point), { lat: point.lat, lng: point.lng }])).values()]
      if (places.length > mostPlaces) return refuse(`${places.length} places, at most ${mostPlaces}`)
      const key = places.map(placeKey).toSorted().join(';')
      const known = kept.get(key)
      if (known !== undefined && known.until > nowMs()) {
        kept.delete(key)
        kept.set(key, known)
        observe(traffic, 'kept')
        return known.table
      }
      if (nowMs() < restsUntil) return refuse(`the table service rests after a failure: ${lastReason}`, 'not_asked')
      let asked = asking.get(key)
      if (asked === undefined) {
        asked = ask(key, places).finally(() => asking.delete(key))
        asking.set(key, asked)
      }
      return asked
    },
    forRun() {
      let waited = 0
      return {
        async tableOf(points) {
          if (waited >= mostWaitMs) return refuse(`this run has waited ${Math.round(waited / 1000)} s for road tables`, 'not_asked')
          const began = nowMs()
          const table = await roads.tableOf(points)
          waited += nowMs() - began
          return table
        },
      }
    },
  }
  return roads
}

/** Looks up ways by point. */
export class RoadWays {
  readonly #at: Map<string, number>
  readonly #travel: Travel

  constructor({ places, travel }: RoadTable) {
    this.#at = new Map(places.map((place, at) => [placeKey(place), at]))
    this.#travel = travel
  }

  covers(points: readonly Point[]): boolean {
    return points.every((point) => this.#at.has(placeKey(point)))
  }

  /** Only between points that it covers. */
  way(from: Point, to: Point): { metres: number; seconds: number } {
    const at = (this.#at.get(placeKey(from)) ?? 0) * this.#travel.size + (this.#at.get(placeKey(to)) ?? 0)
    return { metres: this.#travel.costs[at] ?? 0, seconds: this.#travel.durations[at] ?? 0 }
  }

  /** The way, to be kept at a door: `other` is its other end. */
  known(from: Point, to: Point, other: Point): KnownWay {
    return { lat: other.lat, lng: other.lng, ...this.way(from, to) }
  }
}
