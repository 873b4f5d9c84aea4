/**
 * A routing problem in numbers. Places are rows of the travel matrices; times are whole seconds (or any other whole unit, the same everywhere) from an
 * instant that the caller chooses; loads are whole units of each dimension. Nothing in it is ever changed by the solver.
 */
export interface Problem {
  readonly stops: readonly Stop[]
  readonly vehicleTypes: readonly VehicleType[]
  /** By profile: a bicycle and a lorry may have other matrices. */
  readonly travel: readonly Travel[]
  /** How many numbers each `demand` and `capacity` has. */
  readonly dimensions: number
  /** What it costs that a stop rides on another vehicle than its incumbent. */
  readonly moveCost: number
  /** Starts of routes that never change: the vehicle keeps these stops, in this order, before all others. */
  readonly locked: readonly LockedPrefix[]
}

/** `durations[from * size + to]`, and the same for costs. Both may be one array. */
export interface Travel {
  readonly size: number
  readonly durations: Int32Array
  readonly costs: Int32Array
}

export interface Stop {
  readonly place: number
  readonly demand: readonly number[]
  /** Service starts between these two; who is early waits. */
  readonly opens: number
  readonly closes: number
  readonly service: number
  /** Bits that the vehicle must have, such as frozen. */
  readonly skills: number
  /** The trip that carries it leaves the depot at this time or later. */
  readonly release: number
  /** What it costs to leave it out. Above every route that could carry it, unless the caller says otherwise. */
  readonly unassignedCost: number
  /** The only vehicle that may carry it, or -1: the lock "on this truck". */
  readonly onVehicle: number
  /** The vehicle that carries it in the plan that people know, or -1. */
  readonly incumbent: number
}

/** Vehicles are numbered through the types in order: with counts 2 and 3, the second type has 2, 3 and 4. */
export interface VehicleType {
  readonly count: number
  readonly capacity: readonly number[]
  readonly skills: number
  /** Where it starts, or null: at its first stop. */
  readonly start: number | null
  /** Where it ends, or null: at its last stop (an open route). */
  readonly end: number | null
  readonly shiftOpens: number
  readonly shiftCloses: number
  readonly breaks: readonly Break[]
  readonly fixedCost: number
  readonly costPerTravel: number
  readonly costPerDuration: number
  /** How often it may load, the first time included. */
  readonly maxTrips: number
  /** Time at the depot between two trips. */
  readonly reloadDuration: number
  readonly profile: number
}

/**
 * Begins between `earliest` and `latest`, on the road or while waiting, never during service. A vehicle that ends its route until `latest` needs none.
 * Breaks are taken in order.
 */
export interface Break {
  readonly earliest: number
  readonly latest: number
  readonly duration: number
}

export interface LockedPrefix {
  readonly vehicle: number
  readonly stops: readonly number[]
  /** Numbers (from 0) of those stops before which the vehicle loads again. */
  readonly loadsBefore?: readonly number[] | undefined
}

type Some<T, Needed extends keyof T> = Pick<T, Needed> & { readonly [Key in keyof T]?: T[Key] | undefined }
export type StopInput = Some<Stop, 'place'>
export type VehicleTypeInput = Some<VehicleType, 'count'>
export interface ProblemInput {
  readonly stops: readonly StopInput[]
  readonly vehicleTypes: readonly VehicleTypeInput[]
  readonly travel: Travel | readonly Travel[]
  readonly moveCost?: number | undefined
  readonly locked?: readonly LockedPrefix[] | undefined
}

/** Later than every time that a problem may name, and far enough from 2^31 for sums. */
export const endOfTime = 1_000_000_000
/** Also what a caller may give for "no road": ten of them are later than the end of time. */
export const longestWay = 100_000_000
const mostDimensions = 8

export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly field: string
  constructor(field: string, message: string) {
    super(`${field}: ${message}`)
    this.field = field
  }
}

/** Fills in what was left out and refuses what makes no sense, naming the field. */
export function defineProblem(input: ProblemInput): Problem {
  const travel = Array.isArray(input.travel) ? (input.travel as readonly Travel[]) : [input.travel as Travel]
  checkTravel(travel)
  const dimensions = Math.max(1, input.stops[0]?.demand?.length ?? 0, input.vehicleTypes[0]?.capacity?.length ?? 0)
  if (dimensions > mostDimensions) throw new ProblemError('stops/0/demand', `at most ${mostDimensions} dimensions`)
  const size = travel[0]?.size ?? 0
  const vehicleTypes = input.vehicleTypes.map((type, at) => readType(type, { at, dimensions, size, profiles: travel.length }))
  const vehicles = vehicleTypes.reduce((sum, { count }) => sum + count, 0)
  const leaveOut = aboveEveryPlan({ travel, vehicleTypes, stops: input.stops.length })
  const stops = input.stops.map((stop, at) => readStop(stop, { at, dimensions, size, vehicles, leaveOut }))
  const locked = input.locked ?? []
  checkLocked(locked, { vehicles, stops })
  const moveCost = input.moveCost ?? 0
  within('moveCost', moveCost, 0, Number.MAX_SAFE_INTEGER)
  return { stops, vehicleTypes, travel, dimensions, moveCost, locked }
}

/** The type of each vehicle, by its number. */
export const typesOfVehicles = (problem: Problem): VehicleType[] =>
  problem.vehicleTypes.flatMap((type) => Array.from({ length: type.count }, () => type))

function within(field: string, value: number, low: number, high: number): void {
  if (!(value >= low && value <= high)) throw new ProblemError(field, `${value} is not between ${low} and ${high}`)
}

function whole(field: string, value: number, low: number, high: number): void {
  within(field, value, low, high)
  if (!Number.isInteger(value)) throw new ProblemError(field, `${value} is no whole number`)
}

function checkTravel(travel: readonly Travel[]): void {
  if (travel.length === 0) throw new ProblemError('travel', 'there is no matrix')
  for (const [profile, { size, durations, costs }] of travel.entries()) {
    whole(`travel/${profile}/size`, size, 1, 20_000)
    if (size !== travel[0]?.size) throw new ProblemError(`travel/${profile}/size`, 'all profiles have the same places')
    for (const [name, matrix] of Object.entries({ durations, costs })) {
      const field = `travel/${profile}/${name}`
      if (matrix.length !== size * size) throw new ProblemError(field, `${matrix.length} numbers for ${size} places`)
      const bad = matrix.findIndex((value) => value < 0 || value > longestWay)
      if (bad !== -1) throw new ProblemError(`${field}/${bad}`, `${matrix[bad]} is not between 0 and ${longestWay}`)
    }
  }
}

interface TypeBounds {
  readonly at: number
  readonly dimensions: number
  readonly size: number
  readonly profiles: number
}

function readType(input: VehicleTypeInput, { at, dimensions, size, profiles }: TypeBounds): VehicleType {
  const type: VehicleType = {
    count: input.count,
    capacity: input.capacity ?? Array.from({ length: dimensions }, () => endOfTime),
    skills: input.skills ?? 0,
    start: input.start === undefined ? 0 : input.start,
    end: input.end === undefined ? 0 : input.end,
    shiftOpens: input.shiftOpens ?? 0,
    shiftCloses: input.shiftCloses ?? endOfTime,
    breaks: input.breaks ?? [],
    fixedCost: input.fixedCost ?? 0,
    costPerTravel: input.costPerTravel ?? 1,
    costPerDuration: input.costPerDuration ?? 0,
    maxTrips: input.maxTrips ?? 1,
    reloadDuration: input.reloadDuration ?? 0,
    profile: input.profile ?? 0,
  }
  const field = (name: string) => `vehicleTypes/${at}/${name}`
  whole(field('count'), type.count, 0, 100_000)
  checkAmounts(field('capacity'), type.capacity, dimensions)
  for (const name of ['start', 'end'] as const) {
    const place = type[name]
    if (place !== null) whole(field(name), place, 0, size - 1)
  }
  whole(field('skills'), type.skills, 0, 2 ** 31 - 1)
  whole(field('shiftOpens'), type.shiftOpens, 0, endOfTime)
  whole(field('shiftCloses'), type.shiftCloses, type.shiftOpens, endOfTime)
  for (const name of ['fixedCost', 'costPerTravel', 'costPerDuration'] as const) within(field(name), type[name], 0, endOfTime)
  whole(field('maxTrips'), type.maxTrips, 1, 1_000)
  if (type.maxTrips > 1 && type.start === null) throw new ProblemError(field('maxTrips'), 'who has no depot cannot load again')
  whole(field('reloadDuration'), type.reloadDuration, 0, endOfTime)
  whole(field('profile'), type.profile, 0, profiles - 1)
  for (const [nth, { earliest, latest, duration }] of type.breaks.entries()) {
    whole(field(`breaks/${nth}/earliest`), earliest, 0, endOfTime)
    whole(field(`breaks/${nth}/latest`), latest, Math.max(earliest, type.breaks[nth - 1]?.latest ?? 0), endOfTime)
    whole(field(`breaks/${nth}/duration`), duration, 0, endOfTime)
  }
  return type
}

function checkAmounts(field: string, amounts: readonly number[], dimensions: number): void {
  if (amounts.length !== dimensions) throw new ProblemError(field, `${amounts.length} numbers where there are ${dimensions} dimensions`)
  for (const [dimension, amount] of amounts.entries()) whole(`${field}/${dimension}`, amount, 0, endOfTime)
}

interface StopBounds {
  readonly at: number
  readonly dimensions: number
  readonly size: number
  readonly vehicles: number
  readonly leaveOut: number
}

function readStop(input: StopInput, { at, dimensions, size, vehicles, leaveOut }: StopBounds): Stop {
  const stop: Stop = {
    place: input.place,
    demand: input.demand ?? Array.from({ length: dimensions }, () => 0),
    opens: input.opens ?? 0,
    closes: input.closes ?? endOfTime,
    service: input.service ?? 0,
    skills: input.skills ?? 0,
    release: input.release ?? 0,
    unassignedCost: input.unassignedCost ?? leaveOut,
    onVehicle: input.onVehicle ?? -1,
    incumbent: input.incumbent ?? -1,
  }
  const field = (name: string) => `stops/${at}/${name}`
  whole(field('place'), stop.place, 0, size - 1)
  checkAmounts(field('demand'), stop.demand, dimensions)
  whole(field('opens'), stop.opens, 0, endOfTime)
  whole(field('closes'), stop.closes, stop.opens, endOfTime)
  whole(field('service'), stop.service, 0, endOfTime)
  whole(field('skills'), stop.skills, 0, 2 ** 31 - 1)
  whole(field('release'), stop.release, 0, endOfTime)
  within(field('unassignedCost'), stop.unassignedCost, 0, Number.MAX_SAFE_INTEGER)
  whole(field('onVehicle'), stop.onVehicle, -1, vehicles - 1)
  whole(field('incumbent'), stop.incumbent, -1, vehicles - 1)
  return stop
}

function checkLocked(locked: readonly LockedPrefix[], { vehicles, stops }: { vehicles: number; stops: readonly Stop[] }): void {
  const seen = new Set<number>()
  const routes = new Set<number>()
  for (const [at, prefix] of locked.entries()) {
    whole(`locked/${at}/vehicle`, prefix.vehicle, 0, vehicles - 1)
    if (routes.has(prefix.vehicle)) throw new ProblemError(`locked/${at}/vehicle`, `vehicle ${prefix.vehicle} is there twice`)
    routes.add(prefix.vehicle)
    for (const [nth, stop] of prefix.stops.entries()) {
      const field = `locked/${at}/stops/${nth}`
      whole(field, stop, 0, stops.length - 1)
      if (seen.has(stop)) throw new ProblemError(field, `stop ${stop} is there twice`)
      seen.add(stop)
    }
  }
}

interface Extent {
  readonly travel: readonly Travel[]
  readonly vehicleTypes: readonly VehicleType[]
  readonly stops: number
}

/** A cost that no way of carrying one stop more can reach, so that leaving out is the last resort. */
function aboveEveryPlan({ travel, vehicleTypes, stops }: Extent): number {
  const dearestLeg = travel.reduce((most, { costs }) => costs.reduce((high, cost) => Math.max(high, cost), most), 0)
  const dearest = vehicleTypes.reduce(
    (most, type) =>
      Math.max(most, type.fixedCost + type.costPerTravel * dearestLeg + type.costPerDuration * Math.min(type.shiftCloses, 1e7)),
    1,
  )
  return Math.min(2 * (stops + 2) * dearest, 2 ** 52 / (stops + 1))
}
