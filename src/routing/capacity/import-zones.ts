import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { depotIdsOf } from './put-vehicles.ts'
import { readZones, type ZoneShape } from './zone-reader.ts'

export interface ImportZones {
  /** Features of a GeoJSON FeatureCollection; read one by one, so that a bad one fails alone. */
  readonly features: readonly unknown[]
}

export interface ImportedZones {
  /** As many as features, in their order. */
  readonly features: readonly Outcome<{ code: string; zoneId: number }>[]
}

const selectKnown = statement<{ code: string }>(
  'routing.zones_by_code',
  `select code from routing.zone where kind = 'zone' and code = any($1::text[])`,
)

const selectDistricts = statement<{ code: string }>(
  'routing.districts_by_code',
  `select code from routing.zone where kind = 'district' and code = any($1::text[])`,
)

const upsertZones = statement<{ id: number; code: string }>(
  'routing.upsert_zones',
  `with raised as (update routing.zone_set set version = version + 1)
   insert into routing.zone (code, name, time_zone, postcodes, polygons, kind, depot_id, planning, neighbours)
   select code, name, time_zone, postcodes::text[], polygons, kind, depot_id, planning, neighbours::text[]
   from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::json[], $6::text[], $7::bigint[], $8::text[], $9::text[])
     as feature (code, name, time_zone, postcodes, polygons, kind, depot_id, planning, neighbours)
   order by code
   on conflict (code) do update set name = excluded.name, time_zone = excluded.time_zone, postcodes = excluded.postcodes,
     polygons = excluded.polygons, kind = excluded.kind, depot_id = excluded.depot_id, planning = excluded.planning,
     neighbours = excluded.neighbours, version = zone.version + 1
   returning id, code`,
)

/** After all zones are there, so that a zone and its district may come in one collection, in any order. */
const linkDistricts = statement(
  'routing.link_districts',
  `update routing.zone set district_id = district.id
   from unnest($1::text[], $2::text[]) as feature (code, district)
   left join routing.zone as district on district.code = feature.district
   where zone.code = feature.code and zone.district_id is distinct from district.id`,
)

/** Makes zones and districts or replaces those of the same code. Those that the collection does not name stay as they are. */
export async function importZones(context: WriteContext, commands: readonly ImportZones[]): Promise<Outcome<ImportedZones>[]> {
  const shaped = commands.map((command) => readZones(command.features))
  const named = shaped.flat().flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
  const depotIds = await depotIdsOf(
    context,
    named.flatMap(({ depot }) => (depot === null ? [] : [depot])),
  )
  const wantedDistricts = named.flatMap(({ district }) => (district === null ? [] : [district]))
  const stored = wantedDistricts.length === 0 ? [] : await context.query(selectDistricts, [[...new Set(wantedDistricts)]])
  const districts = new Set(stored.map(({ code }) => code))
  for (const { kind, code } of named) if (kind === 'district') districts.add(code)
  const wantedNeighbours = named.flatMap(({ neighbours }) => neighbours)
  const helping = wantedNeighbours.length === 0 ? [] : await context.query(selectKnown, [[...new Set(wantedNeighbours)]])
  const known = new Set([...helping.map(({ code }) => code), ...named.flatMap(({ kind, code }) => (kind === 'zone' ? [code] : []))])
  const read = shaped.map((features) =>
    features.map((outcome, index): Outcome<ZoneShape> => {
      if (!outcome.ok) return outcome
      const { code, district, depot, neighbours } = outcome.value
      const at = `/features/${index}/properties`
      if (district !== null && !districts.has(district))
        return refused('routing.unknown_district', `zone ${code}: there is no district ${district}`, `${at}/district`)
      if (depot !== null && !depotIds.has(depot))
        return refused('routing.unknown_depot', `zone ${code}: there is no depot ${depot}`, `${at}/depot`)
      const stranger = neighbours.findIndex((neighbour) => !known.has(neighbour))
      if (stranger >= 0)
        return refused('routing.unknown_zone', `zone ${code}: there is no zone ${neighbours[stranger]}`, `${at}/neighbours/${stranger}`)
      return outcome
    }),
  )
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
          zones.map((zone) => zone.kind),
          zones.map((zone) => depotIds.get(zone.depot ?? '') ?? null),
          zones.map((zone) => zone.planning),
          zones.map((zone) => `{${zone.neighbours.join()}}`),
        ])
  if (zones.length > 0) context.defer(linkDistricts, [zones.map((zone) => zone.code), zones.map((zone) => zone.district)])
  const ids = new Map(rows.map((row) => [row.code, row.id]))
  return read.map((features) =>
    accepted({
      features: features.map((outcome) =>
        outcome.ok ? accepted({ code: outcome.value.code, zoneId: ids.get(outcome.value.code) as number }) : outcome,
      ),
    }),
  )
}
