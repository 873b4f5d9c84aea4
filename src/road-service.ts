import type { Config } from '#platform/config.ts'
import type { Metrics } from '#platform/metrics.ts'
import { fetchTravel } from '#partners/osrm/table-client.ts'
import type { RoadService } from '#routing'

/** Ways by road from the table service that is configured; nothing without one. */
export function roadsOf(config: Config, metrics: Metrics, log: { warn(facts: object, message: string): void }): { roads?: RoadService } {
  const { osrmUrl, osrmProfile, osrmTimeoutMs, osrmPlacesPerCall } = config
  if (osrmUrl === undefined) return {}
  const tables = metrics.counter(
    'road_tables_total',
    'Tables of ways that runs of the planner wanted: fetched, kept from before, refused, or not_asked while the service rests (great circles instead).',
    ['result'],
  )
  const settings = { baseUrl: osrmUrl, profile: osrmProfile, timeoutMs: osrmTimeoutMs, placesPerCall: osrmPlacesPerCall }
  return {
    roads: {
      fetchTable: (points) => fetchTravel(points, settings),
      nowMs: () => performance.now(),
      observe(traffic, result, reason) {
        tables(traffic, { result })
        if (result === 'refused') log.warn({ traffic, reason }, 'no road table: great circles are used')
      },
    },
  }
}
