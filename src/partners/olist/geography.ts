import type { OlistPlace } from './folder.ts'

type Position = readonly [lng: number, lat: number]

export interface ZoneFeature {
  readonly type: 'Feature'
  readonly properties: { readonly code: string; readonly name: string; readonly timeZone: string; readonly postcodes: readonly string[] }
  readonly geometry: { readonly type: 'MultiPolygon'; readonly coordinates: readonly (readonly (readonly Position[])[])[] }
}

/** One zone a state, by its ISO 3166-2 code. */
export const zoneCodeOf = (state: string): string => `BR-${state}`

/** All of Brazil in one zone of time: the data set has one clock, see rows.ts. */
const timeZone = 'America/Sao_Paulo'

/**
 * A delivery zone for each state, made from the data set's own points. A quadtree halves the map until each cell holds points
 * of one state only; a state is its cells. The cells tile the plane half-open, as routing asks its borders, so every point of
 * the data set lies in exactly one zone and that is its own. Convex hulls would overlap along every border.
 */
export function zonesOf(places: Iterable<OlistPlace>): ZoneFeature[] {
  const points = [...places]
  const cells = new Map<string, Box[]>()
  const lngs = points.map(({ lng }) => lng)
  const lats = points.map(({ lat }) => lat)
  const least = (values: readonly number[]) => Math.floor(values.reduce((a, b) => Math.min(a, b), Infinity))
  // One more than the floor: the eastern and northern borders belong to nobody.
  const most = (values: readonly number[]) => Math.floor(values.reduce((a, b) => Math.max(a, b), -Infinity)) + 1
  if (points.length > 0) divide(points, { west: least(lngs), south: least(lats), east: most(lngs), north: most(lats) }, { cells, depth: 0 })
  return [...cells]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([state, boxes]) => ({
      type: 'Feature',
      properties: {
        code: zoneCodeOf(state),
        name: `Brazil, ${state}`,
        timeZone,
        // Routing takes 10,000 for a zone; the largest state of the whole data set has about 6,300.
        postcodes: points.flatMap((place) => (place.state === state ? [place.prefix] : [])).slice(0, 10_000),
      },
      geometry: { type: 'MultiPolygon', coordinates: boxes.map((box) => [ringOf(box)]) },
    }))
}

interface Box {
  readonly west: number
  readonly south: number
  readonly east: number
  readonly north: number
}

/** A cell of this depth is about 70 m wide; points of two states that lie closer are one point of the larger number. */
const deepest = 16

function divide(points: readonly OlistPlace[], box: Box, { cells, depth }: { cells: Map<string, Box[]>; depth: number }): void {
  const counts = new Map<string, number>()
  for (const { state } of points) counts.set(state, (counts.get(state) ?? 0) + 1)
  const [largest] = [...counts].toSorted(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
  if (largest === undefined) return
  if (counts.size === 1 || depth === deepest) {
    const [state] = largest
    const known = cells.get(state)
    if (known === undefined) cells.set(state, [box])
    else known.push(box)
    return
  }
  const middle = { lng: (box.west + box.east) / 2, lat: (box.south + box.north) / 2 }
  for (const eastern of [false, true]) {
    for (const northern of [false, true]) {
      const quarter: Box = {
        west: eastern ? middle.lng : box.west,
        east: eastern ? box.east : middle.lng,
        south: northern ? middle.lat : box.south,
        north: northern ? box.north : middle.lat,
      }
      const inside = points.filter(({ lng, lat }) => lng >= middle.lng === eastern && lat >= middle.lat === northern)
      divide(inside, quarter, { cells, depth: depth + 1 })
    }
  }
}

function ringOf({ west, south, east, north }: Box): readonly Position[] {
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ]
}

const dayMs = 24 * 3600 * 1000

/** The Monday after an instant, as YYYY-MM-DD: always after it, and at most seven days ahead, which is as far as routing looks. */
export function mondayAfter(instant: Date): string {
  const local = new Date(instant.getTime() - 3 * 3600 * 1000)
  const days = (8 - local.getUTCDay()) % 7 || 7
  return new Date(local.getTime() + days * dayMs).toISOString().slice(0, 10)
}

/**
 * One slot a state and week. Olist has no slots: sellers hand parcels to carriers when they like. What fulfilment needs is a
 * route, and a weekly one keeps the slots at a few thousand for two years where one a day would make ten thousand.
 */
export function slotOf(zoneCode: string, date: string) {
  return { zoneCode, date, code: 'DAY', startsAt: '08:00', endsAt: '18:00', cutOffMinutes: 0 }
}

/** Far above what a week has, as carriers are: what is tested here is orders, not trucks. */
export function quotaOf(zoneCode: string, date: string) {
  return { zoneCode, date, slotCode: 'DAY', skuType: 'dry', capacity: 1_000_000 }
}

/** As many trucks as states need on one Monday, and as many again; each as large as routing allows, for the same reason. */
export function vehiclesFor(zones: number) {
  return Array.from({ length: zones * 2 }, (_, index) => ({
    code: `OL-${String(index + 1).padStart(3, '0')}`,
    type: 'dry',
    weightGrams: 100_000_000,
    volumeMl: 1_000_000_000,
    pieces: 100_000,
  }))
}
