import Flatbush from 'flatbush'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { isTimeZone } from './put-vehicles.ts'

/** `[lng, lat]` in degrees, WGS 84, as GeoJSON has it. */
export type Position = readonly [number, number]
/** Closed ring: the last position repeats the first. */
export type Ring = readonly Position[]
/** Outer ring, then holes. */
export type Polygon = readonly Ring[]

export interface ZoneShape {
  readonly code: string
  readonly name: string
  /** Addresses are looked up in zones; a district groups zones and may name their depot. */
  readonly kind: 'zone' | 'district'
  /** Code of the district that a zone is part of, and of the depot that serves it; null where none is named. */
  readonly district: string | null
  readonly depot: string | null
  /** Whether its waybills get routes as they come, or wait for a run. */
  readonly planning: 'incremental' | 'wave'
  /** Codes of zones that have agreed to help out with their trucks, the first asked first. */
  readonly neighbours: readonly string[]
  /** IANA name, such as `America/Toronto`; slots of the zone are in its local time. */
  readonly timeZone: string
  /** Postcodes that belong to the zone when an address has no point; upper case, no spaces. */
  readonly postcodes: readonly string[]
  /** Null when the zone is only a list of postcodes. */
  readonly polygons: readonly Polygon[] | null
}

/** Above this a feature is not a delivery zone but a mistake; also bounds the check for crossings. */
const mostPositions = 20_000

/** Postcodes are compared in upper case without spaces or hyphens: `l2e 1a1` is `L2E1A1`. */
export function plainPostcode(postcode: string): string {
  return postcode.toUpperCase().replaceAll(/[\s-]/g, '')
}

/**
 * Reads the features of a GeoJSON FeatureCollection one by one; a bad one fails alone, with a pointer to its coordinate.
 * `path` is where the collection stands in the caller's input.
 */
export function readZones(features: readonly unknown[], path = '/features'): Outcome<ZoneShape>[] {
  const seen = new Set<string>()
  return features.map((feature, index) => {
    const read = readZone(feature, `${path}/${index}`)
    if (!read.ok) return read
    if (seen.has(read.value.code))
      return bad('duplicate_zone', `zone ${read.value.code} is in the collection twice`, `${path}/${index}/properties/code`)
    seen.add(read.value.code)
    return read
  })
}

/** Each is one more look for a waybill that found no truck, and one more day that is locked. */
const mostNeighbours = 4

const bad = (reason: string, detail: string, field: string): Outcome<never> => refused(`routing.${reason}`, detail, field)

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const isCodeOrNull = (value: unknown): value is string | null =>
  value === null || (typeof value === 'string' && /^[\w.-]{1,32}$/.test(value))

function readZone(feature: unknown, path: string): Outcome<ZoneShape> {
  if (!isObject(feature) || feature['type'] !== 'Feature') return bad('bad_zone', 'a zone is a GeoJSON Feature', `${path}/type`)
  const properties = isObject(feature['properties']) ? feature['properties'] : {}
  const {
    code,
    name = code,
    kind = 'zone',
    district = null,
    depot = null,
    planning = 'incremental',
    neighbours = [],
    timeZone = 'UTC',
    postcodes = [],
  } = properties
  if (typeof code !== 'string' || !/^[\w.-]{1,32}$/.test(code))
    return bad('bad_zone', 'a zone needs a code of 1 to 32 letters, digits, dots, hyphens', `${path}/properties/code`)
  if (typeof name !== 'string' || name.length < 1 || name.length > 100)
    return bad('bad_zone', `zone ${code}: the name has 1 to 100 characters`, `${path}/properties/name`)
  if (kind !== 'zone' && kind !== 'district')
    return bad('bad_zone', `zone ${code}: the kind is zone or district, not ${String(kind)}`, `${path}/properties/kind`)
  if (!isCodeOrNull(district) || (kind === 'district' && district !== null))
    return bad('bad_zone', `zone ${code}: the district is the code of one, and a district has none`, `${path}/properties/district`)
  if (planning !== 'incremental' && planning !== 'wave')
    return bad('bad_zone', `zone ${code}: planning is incremental or wave, not ${String(planning)}`, `${path}/properties/planning`)
  if (
    !Array.isArray(neighbours) ||
    neighbours.length > mostNeighbours ||
    !neighbours.every((one) => isCodeOrNull(one) && one !== null && one !== code)
  )
    return bad(
      'bad_zone',
      `zone ${code}: neighbours are codes of at most ${mostNeighbours} other zones whose trucks may help out`,
      `${path}/properties/neighbours`,
    )
  if (!isCodeOrNull(depot)) return bad('bad_zone', `zone ${code}: the depot is the code of one`, `${path}/properties/depot`)
  if (typeof timeZone !== 'string' || !isTimeZone(timeZone))
    return bad('bad_zone', `zone ${code}: ${String(timeZone)} is no IANA time zone`, `${path}/properties/timeZone`)
  if (!Array.isArray(postcodes) || postcodes.length > 10_000)
    return bad('bad_zone', `zone ${code}: postcodes are a list of at most 10,000 texts`, `${path}/properties/postcodes`)
  const wrong = postcodes.findIndex((postcode) => typeof postcode !== 'string' || !/^[A-Za-z0-9 -]{1,16}$/.test(postcode))
  if (wrong >= 0)
    return bad('bad_zone', `zone ${code}: postcode ${String(postcodes[wrong])} is not readable`, `${path}/properties/postcodes/${wrong}`)
  const rest: Omit<ZoneShape, 'polygons'> = {
    code,
    name,
    kind,
    district,
    depot,
    planning,
    neighbours: [...new Set(neighbours as string[])],
    timeZone,
    postcodes: [...new Set((postcodes as string[]).map(plainPostcode))],
  }

  const { geometry } = feature
  if (geometry === null || geometry === undefined) {
    if (postcodes.length > 0) return accepted({ ...rest, polygons: null })
    return bad('bad_zone', `zone ${code} has neither a polygon nor postcodes`, `${path}/geometry`)
  }
  if (!isObject(geometry)) return bad('bad_zone', `zone ${code}: the geometry is not an object`, `${path}/geometry`)
  const many = geometry['type'] === 'MultiPolygon'
  if (!many && geometry['type'] !== 'Polygon')
    return bad('bad_zone', `zone ${code}: a zone is a Polygon or MultiPolygon, not ${String(geometry['type'])}`, `${path}/geometry/type`)
  const at = `${path}/geometry/coordinates`
  const { coordinates } = geometry
  if (!Array.isArray(coordinates) || coordinates.length === 0) return bad('bad_zone', `zone ${code} has no coordinates`, at)
  const polygons: Polygon[] = []
  for (const [index, polygon] of (many ? coordinates : [coordinates]).entries()) {
    const read = readPolygon(polygon, { code, at: many ? `${at}/${index}` : at })
    if (!read.ok) return read
    polygons.push(read.value)
  }
  return accepted({ ...rest, polygons })
}

interface Place {
  readonly code: string
  readonly at: string
}

function readPolygon(value: unknown, { code, at }: Place): Outcome<Polygon> {
  if (!Array.isArray(value) || value.length === 0) return bad('bad_zone', `zone ${code}: a polygon is a list of rings`, at)
  const rings: Position[][] = []
  let total = 0
  for (const [ringNo, ring] of value.entries()) {
    const ringAt = `${at}/${ringNo}`
    if (!Array.isArray(ring) || ring.length < 4)
      return bad('open_ring', `zone ${code}: a ring has at least four positions, the last one equal to the first`, ringAt)
    total += ring.length
    if (total > mostPositions) return bad('bad_zone', `zone ${code} has more than ${mostPositions} positions`, ringAt)
    const positions: Position[] = []
    for (const [index, position] of ring.entries()) {
      const [lng, lat] = Array.isArray(position) ? (position as unknown[]) : []
      if (typeof lng !== 'number' || typeof lat !== 'number' || !Number.isFinite(lng) || !Number.isFinite(lat))
        return bad('bad_coordinate', `zone ${code}: a position is [longitude, latitude] in finite degrees`, `${ringAt}/${index}`)
      if (Math.abs(lng) > 180 || Math.abs(lat) > 90)
        return bad('bad_coordinate', `zone ${code}: ${lng},${lat} is not on Earth (longitude first, then latitude)`, `${ringAt}/${index}`)
      const before = positions.at(-1)
      // A position written twice in a row adds nothing; many tools do it.
      if (before?.[0] !== lng || before[1] !== lat) positions.push([lng, lat])
    }
    const [first] = positions
    const last = positions.at(-1)
    if (first === undefined || last === undefined || first[0] !== last[0] || first[1] !== last[1])
      return bad(
        'open_ring',
        `zone ${code}: the ring is not closed: it ends at ${last?.join()} and began at ${first?.join()}`,
        `${ringAt}/${ring.length - 1}`,
      )
    if (positions.length < 4) return bad('flat_ring', `zone ${code}: the ring encloses nothing`, ringAt)
    const lngs = positions.map(([lng]) => lng)
    if (Math.max(...lngs) - Math.min(...lngs) > 180)
      return bad('bad_zone', `zone ${code} spans the 180th meridian: split it there into two polygons`, ringAt)
    rings.push(positions)
  }
  const crossing = findCrossing(rings)
  if (crossing !== undefined) {
    const { ring, segment, other } = crossing
    return bad(
      'self_crossing',
      `zone ${code}: the border from ${rings[ring]?.[segment]?.join()} to ${rings[ring]?.[segment + 1]?.join()} meets the one from ${other.from.join()} to ${other.to.join()}`,
      `${at}/${ring}/${segment}`,
    )
  }
  const [outer, ...holes] = rings as [Position[], ...Position[][]]
  for (const [index, hole] of holes.entries()) {
    // No borders meet, so one position of the hole speaks for all.
    if (!insideRing(outer, hole[0] as Position))
      return bad('bad_zone', `zone ${code}: a hole lies outside of its polygon`, `${at}/${index + 1}`)
  }
  return accepted(rings)
}

/** Twice the signed area of a triangle: positive when c lies left of the way from a to b. */
const turn = (a: Position, b: Position, c: Position) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

const within = (a: Position, b: Position, c: Position) =>
  Math.min(a[0], b[0]) <= c[0] && c[0] <= Math.max(a[0], b[0]) && Math.min(a[1], b[1]) <= c[1] && c[1] <= Math.max(a[1], b[1])

function meet(a: Position, b: Position, c: Position, d: Position): boolean {
  const abc = turn(a, b, c)
  const abd = turn(a, b, d)
  const cda = turn(c, d, a)
  const cdb = turn(c, d, b)
  if (((abc > 0 && abd < 0) || (abc < 0 && abd > 0)) && ((cda > 0 && cdb < 0) || (cda < 0 && cdb > 0))) return true
  return (
    (abc === 0 && within(a, b, c)) || (abd === 0 && within(a, b, d)) || (cda === 0 && within(c, d, a)) || (cdb === 0 && within(c, d, b))
  )
}

/**
 * The first two borders of a polygon that cross or touch, neighbours in a ring excepted; neighbours may not fold back on each
 * other. A box index over the segments keeps it near n log n; comparing all pairs of 20,000 would be 200 million.
 */
function findCrossing(rings: readonly Ring[]): { ring: number; segment: number; other: { from: Position; to: Position } } | undefined {
  const segments = rings.flatMap((ring, ringNo) =>
    ring.slice(0, -1).map((from, index) => ({ ringNo, index, from, to: ring[index + 1] as Position })),
  )
  const boxes = new Flatbush(segments.length)
  for (const { from, to } of segments)
    boxes.add(Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1]))
  boxes.finish()
  for (const [number, one] of segments.entries()) {
    const { from, to } = one
    const near = boxes.search(Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1]))
    for (const otherNumber of near.toSorted((a, b) => a - b)) {
      const other = segments[otherNumber]
      if (other === undefined || otherNumber <= number) continue
      const last = (rings[one.ringNo]?.length ?? 0) - 2
      const follows = other.ringNo === one.ringNo && other.index === one.index + 1
      const closes = other.ringNo === one.ringNo && one.index === 0 && other.index === last
      const crossed = follows
        ? foldsBack(from, to, other.to)
        : closes
          ? foldsBack(other.from, other.to, to)
          : meet(from, to, other.from, other.to)
      if (crossed) return { ring: one.ringNo, segment: one.index, other }
    }
  }
  return undefined
}

/** Whether the way a → b → c turns straight back on itself. */
const foldsBack = (a: Position, b: Position, c: Position) =>
  turn(a, b, c) === 0 && (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0

/**
 * Ray cast to the east with half-open edges: an edge counts from its lower end, included, to its upper end, not included, and
 * a point on an edge is not west of it. So where zones share a border, a point on it is in exactly one of them. Edges are
 * taken from the lower to the upper end whichever way the ring runs, so that both neighbours compute the very same number.
 */
export function insideRing(ring: Ring, [lng, lat]: Position): boolean {
  let inside = false
  for (let index = 1; index < ring.length; index += 1) {
    const a = ring[index - 1] as Position
    const b = ring[index] as Position
    const [low, high] = a[1] <= b[1] ? [a, b] : [b, a]
    if (low[1] <= lat && lat < high[1] && (high[0] - low[0]) * (lat - low[1]) - (lng - low[0]) * (high[1] - low[1]) > 0) inside = !inside
  }
  return inside
}
