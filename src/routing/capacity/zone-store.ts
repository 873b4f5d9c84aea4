import { invariant } from '#kernel/outcome.ts'
import { type ReadContext, statement } from '#platform/database.ts'
import type { Traffic } from '#platform/request-context.ts'
import type { Polygon } from './zone-reader.ts'
import { buildZoneMap, centreOf, type ZoneMap } from './zones.ts'

const selectVersion = statement<{ version: number }>('routing.zone_version', 'select version from routing.zone_set')
const selectZones = statement<{
  id: number
  code: string
  name: string
  time_zone: string
  postcodes: string[]
  polygons: Polygon[] | null
  district: string | null
  planning: 'incremental' | 'wave'
  neighbours: string[]
  depot_id: number | null
  depot: string | null
  depot_time_zone: string | null
  lat: number | null
  lng: number | null
}>(
  'routing.zones',
  `select zone.id, zone.code, zone.name, zone.time_zone, zone.postcodes, zone.polygons, zone.planning, zone.neighbours, district.code as district,
     depot.id as depot_id, depot.code as depot, depot.time_zone as depot_time_zone, depot.lat, depot.lng
   from routing.zone left join routing.zone as district on district.id = zone.district_id
   left join routing.depot on depot.id = coalesce(zone.depot_id, district.depot_id)
   where zone.kind = 'zone' order by zone.id`,
)

export type CurrentZones = (context: ReadContext) => Promise<ZoneMap>

/** Keeps one zone map a traffic in memory and reads the zones anew when their version has moved: one small read a batch. */
export function openZoneCache(): CurrentZones {
  const kept = new Map<Traffic, ZoneMap>()
  return async (context) => {
    const [row] = await context.query(selectVersion)
    invariant(row, 'routing.zone_set has its one row')
    const known = kept.get(context.traffic)
    if (known?.version === row.version) return known
    const zones = await context.query(selectZones)
    const map = buildZoneMap(
      row.version,
      zones.map(
        ({
          id,
          code,
          name,
          time_zone,
          postcodes,
          polygons,
          planning,
          neighbours,
          district,
          depot_id,
          depot,
          depot_time_zone,
          lat,
          lng,
        }) => {
          const base =
            depot_id === null || depot === null || depot_time_zone === null || lat === null || lng === null
              ? null
              : { depotId: depot_id, code: depot, timeZone: depot_time_zone, lat, lng }
          return {
            zoneId: id,
            code,
            name,
            kind: 'zone' as const,
            timeZone: time_zone,
            postcodes,
            polygons,
            district,
            depot,
            planning,
            neighbours,
            base,
            centre: centreOf(polygons),
          }
        },
      ),
    )
    kept.set(context.traffic, map)
    return map
  }
}
