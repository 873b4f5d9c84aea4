import Flatbush from 'flatbush'
import { insideRing, plainPostcode, type Polygon, type ZoneShape } from './zone-reader.ts'

export interface Zone extends ZoneShape {
  readonly zoneId: number
  /** The depot of the zone, or else of its district: where its trucks start. */
  readonly base: Depot | null
  /** The middle of its box, for what has no point of its own. */
  readonly centre: { readonly lat: number; readonly lng: number } | null
}

export function centreOf(polygons: readonly Polygon[] | null): Zone['centre'] {
  const ring = (polygons ?? []).flatMap((polygon) => polygon[0] ?? [])
  if (ring.length === 0) return null
  const middle = (axis: 0 | 1) => {
    const values = ring.map((position) => position[axis])
    return (values.reduce((a, b) => Math.min(a, b)) + values.reduce((a, b) => Math.max(a, b))) / 2
  }
  return { lat: middle(1), lng: middle(0) }
}

export interface Depot {
  readonly depotId: number
  readonly code: string
  readonly timeZone: string
  readonly lat: number
  readonly lng: number
}

export interface Address {
  readonly lat?: number | null
  readonly lng?: number | null
  readonly postcode: string
}

/** All delivery zones of one traffic, ready to be asked. Immutable; a change of zones builds another. */
export interface ZoneMap {
  readonly version: number
  readonly zones: readonly Zone[]
  byId(zoneId: number): Zone | undefined
  byCode(code: string): Zone | undefined
  /** By point where the address has one, else by postcode. Overlapping zones: the one with the smallest id. */
  locate(address: Address): Zone | undefined
}

export function buildZoneMap(version: number, zones: readonly Zone[]): ZoneMap {
  const ordered = zones.filter(({ kind }) => kind === 'zone').toSorted((a, b) => a.zoneId - b.zoneId)
  const shapes: { zone: Zone; polygon: Polygon }[] = ordered.flatMap((zone) => (zone.polygons ?? []).map((polygon) => ({ zone, polygon })))
  const boxes = shapes.length === 0 ? undefined : new Flatbush(shapes.length)
  for (const { polygon } of shapes) {
    let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity]
    for (const [lng, lat] of polygon[0] ?? []) {
      west = Math.min(west, lng)
      south = Math.min(south, lat)
      east = Math.max(east, lng)
      north = Math.max(north, lat)
    }
    boxes?.add(west, south, east, north)
  }
  boxes?.finish()

  const ids = new Map(ordered.map((zone) => [zone.zoneId, zone]))
  const codes = new Map(ordered.map((zone) => [zone.code, zone]))
  // Reversed, so that of two zones that claim a postcode the one with the smaller id is set last and stays.
  const postcodes = new Map(ordered.toReversed().flatMap((zone) => zone.postcodes.map((postcode) => [postcode, zone] as const)))

  const locatePoint = (lng: number, lat: number): Zone | undefined => {
    let found = Infinity
    for (const number of boxes?.search(lng, lat, lng, lat) ?? []) {
      if (number >= found) continue
      // Even and odd over all rings: inside the outer ring and inside a hole is outside.
      const inside = shapes[number]?.polygon.reduce((odd, ring) => odd !== insideRing(ring, [lng, lat]), false)
      if (inside) found = number
    }
    return shapes[found]?.zone
  }

  return {
    version,
    zones: ordered,
    byId: (zoneId) => ids.get(zoneId),
    byCode: (code) => codes.get(code),
    locate: ({ lat, lng, postcode }) =>
      typeof lat === 'number' && typeof lng === 'number' ? locatePoint(lng, lat) : postcodes.get(plainPostcode(postcode)),
  }
}
