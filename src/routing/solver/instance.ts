import { defineProblem, type Problem } from './problem.ts'

/** A vehicle-routing instance as files have it: place 0 is the depot, place c the customer c. */
export interface Instance {
  readonly name: string
  readonly vehicles: number
  readonly capacity: number
  readonly size: number
  /** `durations[from * size + to]`; costs are the same. */
  readonly durations: Int32Array
  readonly demand: readonly number[]
  readonly opens: readonly number[]
  readonly closes: readonly number[]
  readonly service: readonly number[]
}

/** A file that says something wrong, with its line and field. */
export class InstanceError extends Error {
  override readonly name = 'InstanceError'
  readonly line: number
  readonly field: string
  constructor(line: number, field: string, message: string) {
    super(`line ${line}, ${field}: ${message}`)
    this.line = line
    this.field = field
  }
}

export interface Point {
  readonly x: number
  readonly y: number
}

/** The rule of the DIMACS challenge: Euclidean, cut off after one decimal. All in tenths, so that they are whole. */
export const tenths = 10

export function truncatedEuclidean(points: readonly Point[]): Int32Array {
  const size = points.length
  const matrix = new Int32Array(size * size)
  for (const [row, from] of points.entries()) {
    for (const [column, to] of points.entries()) matrix[row * size + column] = Math.floor(tenths * Math.hypot(from.x - to.x, from.y - to.y))
  }
  return matrix
}

/** Customer c is stop c - 1. */
export function problemOf(instance: Instance): Problem {
  const { vehicles, capacity, size, durations, demand, opens, closes, service } = instance
  return defineProblem({
    stops: Array.from({ length: size - 1 }, (_, at) => ({
      place: at + 1,
      demand: [demand[at + 1]!],
      opens: opens[at + 1]!,
      closes: closes[at + 1]!,
      service: service[at + 1]!,
    })),
    vehicleTypes: [{ count: vehicles, capacity: [capacity], shiftOpens: opens[0]!, shiftCloses: closes[0]! }],
    travel: { size, durations, costs: durations },
  })
}
