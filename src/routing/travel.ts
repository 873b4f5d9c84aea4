/** Travel when no table service is configured: great-circle distances, longer by a detour, at one speed. Metres and seconds are whole. */
export interface Point {
  readonly lat: number
  readonly lng: number
}

/** A way as a table service told it, kept at the door that it leads to or from; good for the way between these two and no other. */
export interface KnownWay extends Point {
  readonly metres: number
  readonly seconds: number
}

/** Streets are about a third longer than the straight line between two doors of a city. */
const detour = 1.3
/** 30 km/h: a van in a town, with its turns and lights. */
const metresPerSecond = 30 / 3.6
const metresPerDegree = 111_195
const radians = Math.PI / 180

/** On the plane that touches the Earth between both: within a town it differs from the sphere by less than a metre in a kilometre. */
export function metresBetween(a: Point, b: Point): number {
  const north = (b.lat - a.lat) * metresPerDegree
  const east = (b.lng - a.lng) * metresPerDegree * Math.cos((a.lat + b.lat) * 0.5 * radians)
  return Math.round(Math.sqrt(north * north + east * east) * detour)
}

export const secondsFor = (metres: number): number => Math.round(metres / metresPerSecond)
export const secondsBetween = (a: Point, b: Point): number => secondsFor(metresBetween(a, b))

/** The way that is known between two points, or what the great circle says. */
export function wayBetween(a: Point, b: Point, known: KnownWay | undefined, other: Point): { metres: number; seconds: number } {
  if (known !== undefined && known.lat === other.lat && known.lng === other.lng) return known
  const metres = metresBetween(a, b)
  return { metres, seconds: secondsFor(metres) }
}

/** To find the door and ring, and for each waybill that is left there. */
const doorSeconds = 90
const waybillSeconds = 15
export const serviceOf = (waybills: number): number => doorSeconds + waybillSeconds * waybills
