import { longestWay, ProblemError, type Travel } from './problem.ts'

export interface GeoPoint {
  readonly lat: number
  readonly lng: number
}

/** How fast a vehicle is, by how far it goes: short ways lie in towns. Bands in ascending order of `upToMetres`; the last one holds for all that is longer. */
export interface SpeedProfile {
  /** Roads are longer than great circles, by this factor. */
  readonly detour: number
  readonly bands: readonly SpeedBand[]
  /** Added to each way between two places that differ: parking, turning, the door. */
  readonly secondsPerWay: number
}

export interface SpeedBand {
  readonly upToMetres: number
  readonly metresPerSecond: number
}

export const vanInTown: SpeedProfile = {
  detour: 1.3,
  secondsPerWay: 30,
  bands: [
    { upToMetres: 2_000, metresPerSecond: 6 },
    { upToMetres: 10_000, metresPerSecond: 9 },
    { upToMetres: 40_000, metresPerSecond: 15 },
    { upToMetres: Infinity, metresPerSecond: 22 },
  ],
}

const earthRadius = 6_371_000

/** Ways by great circle: seconds as durations, metres as costs. The part of a way within each band is driven at the speed of that band. */
export function greatCircleTravel(points: readonly GeoPoint[], profile: SpeedProfile = vanInTown): Travel {
  checkPoints(points)
  checkProfile(profile)
  const size = points.length
  const durations = new Int32Array(size * size)
  const costs = new Int32Array(size * size)
  // As points of the unit sphere a distance is one root and one arc sine, where the usual formula needs five calls of trigonometry.
  const [x, y, z] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)]
  for (const [at, { lat, lng }] of points.entries()) {
    const [phi, lambda] = [(lat * Math.PI) / 180, (lng * Math.PI) / 180]
    x[at] = Math.cos(phi) * Math.cos(lambda)
    y[at] = Math.cos(phi) * Math.sin(lambda)
    z[at] = Math.sin(phi)
  }
  for (let row = 1; row < size; row += 1) {
    for (let column = 0; column < row; column += 1) {
      const chord = Math.sqrt((x[row]! - x[column]!) ** 2 + (y[row]! - y[column]!) ** 2 + (z[row]! - z[column]!) ** 2)
      const metres = Math.round(2 * earthRadius * Math.asin(Math.min(1, chord / 2)) * profile.detour)
      const seconds = metres === 0 ? 0 : Math.round(secondsFor(metres, profile))
      costs[row * size + column] = metres
      costs[column * size + row] = metres
      durations[row * size + column] = seconds
      durations[column * size + row] = seconds
    }
  }
  return { size, durations, costs }
}

function secondsFor(metres: number, { bands, secondsPerWay }: SpeedProfile): number {
  let seconds = secondsPerWay
  let from = 0
  for (const { upToMetres, metresPerSecond } of bands) {
    seconds += (Math.min(metres, upToMetres) - from) / metresPerSecond
    if (metres <= upToMetres) break
    from = upToMetres
  }
  return seconds
}

function checkPoints(points: readonly GeoPoint[]): void {
  for (const [at, { lat, lng }] of points.entries()) {
    if (!(Math.abs(lat) <= 90)) throw new ProblemError(`points/${at}/lat`, `${lat} is no latitude`)
    if (!(Math.abs(lng) <= 180)) throw new ProblemError(`points/${at}/lng`, `${lng} is no longitude`)
  }
}

function checkProfile({ detour, bands, secondsPerWay }: SpeedProfile): void {
  if (!(detour >= 1 && detour <= 10)) throw new ProblemError('profile/detour', `${detour} is not between 1 and 10`)
  if (!(secondsPerWay >= 0 && secondsPerWay <= 3_600))
    throw new ProblemError('profile/secondsPerWay', `${secondsPerWay} is not between 0 and 3600`)
  if (bands.at(-1)?.upToMetres !== Infinity) throw new ProblemError('profile/bands', 'the last band holds for all lengths')
  for (const [at, { upToMetres, metresPerSecond }] of bands.entries()) {
    if (!(upToMetres > (bands[at - 1]?.upToMetres ?? 0))) throw new ProblemError(`profile/bands/${at}/upToMetres`, 'bands go upwards')
    if (!(metresPerSecond >= 0.5 && metresPerSecond <= 100))
      throw new ProblemError(`profile/bands/${at}/metresPerSecond`, `${metresPerSecond} is not between 0.5 and 100`)
  }
}

/** A matrix as a table service gives it (OSRM: rows of numbers, null where there is no way). */
export type TableRows = readonly (readonly (number | null)[])[]

/** Ways from given tables; without costs, durations are the costs. */
export function tableTravel(durations: TableRows, costs?: TableRows): Travel {
  const size = durations.length
  const times = flattened('durations', durations, size)
  return { size, durations: times, costs: costs === undefined ? times : flattened('costs', costs, size) }
}

function flattened(name: string, rows: TableRows, size: number): Int32Array {
  if (rows.length !== size) throw new ProblemError(name, `${rows.length} rows for ${size} places`)
  const matrix = new Int32Array(size * size)
  for (const [row, values] of rows.entries()) {
    if (values.length !== size) throw new ProblemError(`${name}/${row}`, `${values.length} numbers for ${size} places`)
    for (const [column, value] of values.entries()) {
      if (value !== null && !(value >= 0)) throw new ProblemError(`${name}/${row}/${column}`, `${value} is no way`)
      matrix[row * size + column] = value === null ? longestWay : Math.min(longestWay, Math.round(value))
    }
  }
  return matrix
}
