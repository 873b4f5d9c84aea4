import type { Model } from './model.ts'

/** For each set of stops the cheapest route that makes just these: its price, its order (three bits a stop), and before which of them it loads. */
export interface RoutesBySet {
  readonly price: Float64Array
  readonly order: Int32Array
  readonly loads: Uint8Array
}

/** A way through all stops of a set, ending at one of them: when the vehicle is free there, what the way cost, and its order (three bits a stop). */
interface Label {
  readonly time: number
  readonly travel: number
  readonly order: number
}

/** Sets with the stop that is their last, for each time at which the vehicle may leave. */
export const looksAtLabels = (model: Model, vehicle: number): number => leavesOf(model, vehicle).length * (1 << model.stops) * model.stops

/** Goods that come later make the whole route leave later; so each time at which some are ready is looked at by itself. */
const leavesOf = ({ release, types }: Model, vehicle: number): number[] => {
  const { shiftOpens } = types[vehicle]!
  return [...new Set([shiftOpens, ...release.map((at) => Math.max(at, shiftOpens))])].toSorted((a, b) => a - b)
}

/**
 * For each set of stops the cheapest route that makes just these, where a problem is plain: then of two ways through the same stops to the same last one, who is
 * there no sooner and has not driven for less is never better, whatever comes behind. So few of the orders are looked at. Undefined when it was stopped.
 */
export function routesByLabels(model: Model, vehicle: number, isOver: () => boolean): RoutesBySet | undefined {
  const size = 1 << model.stops
  const found = { price: new Float64Array(size).fill(Infinity), order: new Int32Array(size), loads: new Uint8Array(size) }
  const prefix = model.problem.locked.find((each) => each.vehicle === vehicle && each.stops.length > 0)
  if (prefix === undefined) found.price[0] = 0
  const carries = carriable(model, vehicle)
  for (const leaves of leavesOf(model, vehicle))
    if (!extend(model, { vehicle, leaves, begun: prefix?.stops ?? [], carries, found, isOver })) return undefined
  return found
}

/** Which sets fit into the vehicle. */
function carriable({ stops, dimensions, demand, capacity }: Model, vehicle: number): Uint8Array {
  const fits = new Uint8Array(1 << stops)
  const sums = new Float64Array((1 << stops) * dimensions)
  for (let set = 0; set < fits.length; set += 1) {
    const stop = 31 - Math.clz32(set)
    fits[set] = 1
    for (let d = 0; d < dimensions; d += 1) {
      const sum = set === 0 ? 0 : sums[(set & ~(1 << stop)) * dimensions + d]! + demand[stop * dimensions + d]!
      sums[set * dimensions + d] = sum
      if (sum > capacity[vehicle * dimensions + d]!) fits[set] = 0
    }
  }
  return fits
}

interface Search {
  readonly vehicle: number
  readonly leaves: number
  /** Stops of the locked prefix. */
  readonly begun: readonly number[]
  readonly carries: Uint8Array
  readonly found: RoutesBySet
  readonly isOver: () => boolean
}

/** Notes the cheapest routes that leave at a given time. False when it was stopped. */
function extend(model: Model, { vehicle, leaves, begun, carries, found, isOver }: Search): boolean {
  const { stops: n, place, size, matrices, types, opens, closes, service, release, frozen, skills, vehicleSkills } = model
  const type = types[vehicle]!
  const { timeOut, costOut } = matrices[type.profile]!
  const depot = place[n + 2 * vehicle]!
  const home = place[n + 2 * vehicle + 1]!
  const labels: (Label[] | undefined)[] = []
  const mayTake = (stop: number) => release[stop]! <= leaves && (skills[stop]! & ~vehicleSkills[vehicle]!) === 0

  /** The way on to a stop; undefined where it comes too late. */
  const onTo = (label: Label, { from, length, stop }: { from: number; length: number; stop: number }): Label | undefined => {
    const way = from * size + place[stop]!
    const begins = Math.max(label.time + timeOut[way]!, opens[stop]!)
    if (begins > closes[stop]!) return undefined
    return { time: begins + service[stop]!, travel: label.travel + costOut[way]!, order: label.order | (stop << (3 * length)) }
  }
  const keep = (at: number, label: Label | undefined) => {
    if (label === undefined) return
    const known = (labels[at] ??= [])
    if (known.some(({ time, travel }) => time <= label.time && travel <= label.travel)) return
    labels[at] = [...known.filter(({ time, travel }) => time < label.time || travel < label.travel), label]
  }
  const branch = (label: Label, { set, from, length }: { set: number; from: number; length: number }) => {
    for (let stop = 0; stop < n; stop += 1) {
      const more = set | (1 << stop)
      if (more !== set && frozen[stop] === 0 && carries[more] === 1 && mayTake(stop))
        keep(more * n + stop, onTo(label, { from, length, stop }))
    }
  }

  let [first, set, from]: [Label | undefined, number, number] = [{ time: leaves, travel: 0, order: 0 }, 0, depot]
  for (const [length, stop] of begun.entries()) {
    set |= 1 << stop
    first = first === undefined || release[stop]! > leaves || carries[set] === 0 ? undefined : onTo(first, { from, length, stop })
    from = place[stop]!
  }
  if (begun.length > 0) keep(set * n + begun.at(-1)!, first)
  else if (first !== undefined) branch(first, { set, from, length: 0 })

  // What is put behind a set makes a larger number, so each is complete when its turn comes.
  for (let has = 1, length = 0; has < 1 << n; has += 1) {
    length = bitsOf(has)
    for (let last = 0; last < n; last += 1) {
      for (const label of labels[has * n + last] ?? []) {
        if (isOver()) return false
        const end = place[last]! * size + home
        const price = type.fixedCost + type.costPerTravel * (label.travel + costOut[end]!)
        if (label.time + timeOut[end]! <= type.shiftCloses && price < found.price[has]!) {
          found.price[has] = price
          found.order[has] = label.order
        }
        branch(label, { set: has, from: place[last]!, length })
      }
    }
  }
  return true
}

function bitsOf(set: number): number {
  let count = 0
  for (let left = set; left !== 0; left &= left - 1) count += 1
  return count
}
