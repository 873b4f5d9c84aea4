import { accepted, type Outcome } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { readZones, type ZoneShape } from './zone-reader.ts'

export interface ImportZones {
  /** Features of a GeoJSON FeatureCollection; read one by one, so that a bad one fails alone. */
  readonly features: readonly unknown[]
}

export interface ImportedZones {
  /** As many as features, in their order. */
  readonly features: readonly Outcome<{ code: string; zoneId: number }>[]
}

const upsertZones = statement<{ id: number; code: string }>(
  'routing.upsert_zones',
  `with raised as (update routing.zone_set set version = version + 1)
   insert into routing.zone (code, name, time_zone, postcodes, polygons)
   select code, name, time_zone, postcodes::text[], polygons from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::json[])
     as feature (code, name, time_zone, postcodes, polygons)
   order by code
   on conflict (code) do update set name = excluded.name, time_zone = excluded.time_zone, postcodes = excluded.postcodes,
     polygons = excluded.polygons, version = zone.version + 1
   returning id, code`,
)

/** Makes zones or replaces those of the same code. Zones that the collection does not name stay as they are. */
export async function importZones(context: WriteContext, commands: readonly ImportZones[]): Promise<Outcome<ImportedZones>[]> {
  const read = commands.map((command) => readZones(command.features))
  // The same code in two collections of one batch: the later one wins, as it would a moment later.
  const shapes = new Map<string, ZoneShape>()
  for (const outcome of read.flat()) if (outcome.ok) shapes.set(outcome.value.code, outcome.value)
  const zones = [...shapes.values()]
  const rows =
    zones.length === 0
      ? []
      : await context.query(upsertZones, [
          zones.map((zone) => zone.code),
          zones.map((zone) => zone.name),
          zones.map((zone) => zone.timeZone),
          zones.map((zone) => `{${zone.postcodes.join()}}`),
          zones.map((zone) => (zone.polygons === null ? null : JSON.stringify(zone.polygons))),
        ])
  const ids = new Map(rows.map((row) => [row.code, row.id]))
  return read.map((features) =>
    accepted({
      features: features.map((outcome) =>
        outcome.ok ? accepted({ code: outcome.value.code, zoneId: ids.get(outcome.value.code) as number }) : outcome,
      ),
    }),
  )
}
