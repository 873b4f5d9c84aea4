import { endOfTime, type Problem, type Travel, typesOfVehicles, type VehicleType } from './problem.ts'

/**
 * The problem as the search reads it: flat typed arrays over nodes. Node 0 … n-1 are the stops; vehicle v starts at node n + 2v and ends at n + 2v + 1.
 * A vehicle that starts or ends anywhere has its node at a place "nowhere", from and to which the way takes nothing.
 */
export interface Model {
  readonly problem: Problem
  readonly stops: number
  readonly vehicles: number
  readonly nodes: number
  readonly dimensions: number
  /** Places in the matrices below, nowhere included where there is one. */
  readonly size: number
  readonly matrices: readonly Matrices[]
  readonly place: Int32Array
  readonly opens: Int32Array
  readonly closes: Int32Array
  readonly service: Int32Array
  readonly demand: Int32Array
  readonly skills: Int32Array
  readonly release: Int32Array
  /** Some goods come after some vehicle may leave. */
  readonly hasReleases: boolean
  readonly unassignedCost: Float64Array
  readonly onVehicle: Int32Array
  readonly incumbent: Int32Array
  readonly moveCost: number
  /** 1 for stops of a locked prefix: nothing is put before them and they are not taken out. */
  readonly frozen: Uint8Array
  readonly types: readonly VehicleType[]
  readonly typeOf: Int32Array
  readonly firstOfType: Int32Array
  readonly capacity: Int32Array
  readonly vehicleSkills: Int32Array
  readonly fixedCost: Float64Array
  readonly costPerTravel: Float64Array
  /**
   * Nothing but windows, loads, skills, locks, releases and prices by travel: then two times a stop say whether another one fits beside it. Breaks,
   * several trips and prices by duration need a walk along the route instead.
   */
  readonly isPlain: boolean
}

/** `out[a * size + b]` is the way from a to b; `into[b * size + a]` is the same number, so that all ways to a place lie side by side. */
export interface Matrices {
  readonly costOut: Int32Array
  readonly costInto: Int32Array
  readonly timeOut: Int32Array
  readonly timeInto: Int32Array
}

export function compile(problem: Problem): Model {
  const stops = problem.stops.length
  const types = typesOfVehicles(problem)
  const vehicles = types.length
  const nodes = stops + 2 * vehicles
  const { dimensions } = problem
  const given = problem.travel[0]?.size ?? 0
  const nowhere = types.some(({ start, end }) => start === null || end === null)
  const size = nowhere ? given + 1 : given
  const model = {
    problem,
    stops,
    vehicles,
    nodes,
    dimensions,
    size,
    matrices: problem.travel.map((travel) => matricesOf(travel, size)),
    place: new Int32Array(nodes),
    opens: new Int32Array(nodes),
    closes: new Int32Array(nodes).fill(endOfTime),
    service: new Int32Array(nodes),
    demand: new Int32Array(stops * dimensions),
    skills: new Int32Array(stops),
    release: new Int32Array(stops),
    hasReleases: problem.stops.some(({ release }) => types.some(({ shiftOpens }) => release > shiftOpens)),
    unassignedCost: new Float64Array(stops),
    onVehicle: new Int32Array(stops),
    incumbent: new Int32Array(stops),
    moveCost: problem.moveCost,
    frozen: new Uint8Array(nodes),
    types,
    typeOf: new Int32Array(vehicles),
    firstOfType: new Int32Array(problem.vehicleTypes.length + 1),
    capacity: new Int32Array(vehicles * dimensions),
    vehicleSkills: new Int32Array(vehicles),
    fixedCost: new Float64Array(vehicles),
    costPerTravel: new Float64Array(vehicles),
    isPlain: isPlain(problem),
  }
  for (const [at, stop] of problem.stops.entries()) {
    model.place[at] = stop.place
    model.opens[at] = stop.opens
    model.closes[at] = stop.closes
    model.service[at] = stop.service
    model.demand.set(stop.demand, at * dimensions)
    model.skills[at] = stop.skills
    model.release[at] = stop.release
    model.unassignedCost[at] = stop.unassignedCost
    model.onVehicle[at] = stop.onVehicle
    model.incumbent[at] = stop.incumbent
  }
  let vehicle = 0
  for (const [nth, type] of problem.vehicleTypes.entries()) {
    model.firstOfType[nth] = vehicle
    for (let n = 0; n < type.count; n += 1) {
      const start = stops + 2 * vehicle
      model.place[start] = type.start ?? given
      model.place[start + 1] = type.end ?? given
      model.opens[start] = type.shiftOpens
      model.closes[start] = type.shiftCloses
      model.closes[start + 1] = type.shiftCloses
      model.typeOf[vehicle] = nth
      model.capacity.set(type.capacity, vehicle * dimensions)
      model.vehicleSkills[vehicle] = type.skills
      model.fixedCost[vehicle] = type.fixedCost
      model.costPerTravel[vehicle] = type.costPerTravel
      vehicle += 1
    }
  }
  model.firstOfType[problem.vehicleTypes.length] = vehicle
  for (const prefix of problem.locked) for (const stop of prefix.stops) model.frozen[stop] = 1
  return model
}

function isPlain({ vehicleTypes }: Problem): boolean {
  return vehicleTypes.every(
    (type) => type.breaks.length === 0 && type.maxTrips === 1 && type.costPerDuration === 0 && type.profile === vehicleTypes[0]?.profile,
  )
}

function matricesOf({ size: given, durations, costs }: Travel, size: number): Matrices {
  const timeOut = widened(durations, given, size)
  const costOut = costs === durations ? timeOut : widened(costs, given, size)
  const timeInto = turned(timeOut, size)
  return { timeOut, costOut, timeInto, costInto: costs === durations ? timeInto : turned(costOut, size) }
}

function widened(matrix: Int32Array, given: number, size: number): Int32Array {
  if (given === size) return matrix
  const wide = new Int32Array(size * size)
  for (let row = 0; row < given; row += 1) wide.set(matrix.subarray(row * given, (row + 1) * given), row * size)
  return wide
}

/** Rows and columns changed over; the same array when that changes nothing. */
function turned(matrix: Int32Array, size: number): Int32Array {
  let symmetric = true
  for (let row = 0; row < size && symmetric; row += 1) {
    for (let column = 0; column < row; column += 1) {
      if (matrix[row * size + column] !== matrix[column * size + row]) {
        symmetric = false
        break
      }
    }
  }
  if (symmetric) return matrix
  const result = new Int32Array(size * size)
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) result[column * size + row] = matrix[row * size + column]!
  }
  return result
}
