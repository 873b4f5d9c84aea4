import type { Model } from './model.ts'
import { endOfTime, type VehicleType } from './problem.ts'

const never = 4 * endOfTime

/**
 * Walks along a whole route and says what it costs, or Infinity where it breaks a rule. Exact for everything a problem may have. Where breaks are, it
 * keeps a time for each number of breaks taken so far, and takes whichever is best at the end.
 *
 * The route to judge is written into `stops` (and `loads`: 1 where the vehicle loads again before that stop).
 */
export class Walk {
  readonly stops: Int32Array
  readonly loads: Uint8Array
  readonly #model: Model
  readonly #sums: Int32Array
  readonly #releases: Int32Array
  #times = new Float64Array(8)
  #other = new Float64Array(8)
  /** Of the last route that was judged: when it ends at the earliest, and the latest start for that. */
  endsAt = 0
  startsAt = 0
  /** Whether it could be that the route holds with more stops behind its last: all of these are reached in time. */
  mayGoOn = false

  constructor(model: Model) {
    this.#model = model
    this.stops = new Int32Array(model.stops + 1)
    this.loads = new Uint8Array(model.stops + 1)
    this.#releases = new Int32Array(model.stops + 1)
    this.#sums = new Int32Array(model.dimensions)
  }

  cost(vehicle: number, length: number): number {
    this.mayGoOn = length === 0
    if (length === 0) return 0
    const model = this.#model
    const type = model.types[vehicle]!
    if (!this.#carries(vehicle, length)) return Infinity
    const endsAt = this.#earliestEnd(vehicle, length)
    if (endsAt >= never) return Infinity
    this.endsAt = endsAt
    const duration = type.costPerDuration === 0 ? 0 : endsAt - this.latestStart(vehicle, length)
    return type.fixedCost + type.costPerTravel * this.#travelCost(vehicle, length) + type.costPerDuration * duration
  }

  /** Loads and releases by trip, and how many trips there are. */
  #carries(vehicle: number, length: number): boolean {
    const { dimensions, capacity, demand, release, types } = this.#model
    const { stops, loads } = this
    const sums = this.#sums
    const releases = this.#releases
    let trips = 1
    let first = 0
    sums.fill(0)
    releases[0] = 0
    for (let at = 0; at < length; at += 1) {
      const stop = stops[at]!
      if (at > 0 && loads[at] === 1) {
        trips += 1
        first = at
        sums.fill(0)
        releases[at] = 0
      }
      if (release[stop]! > releases[first]!) releases[first] = release[stop]!
      for (let d = 0; d < dimensions; d += 1) {
        const sum = sums[d]! + demand[stop * dimensions + d]!
        sums[d] = sum
        if (sum > capacity[vehicle * dimensions + d]!) return false
      }
    }
    return trips <= types[vehicle]!.maxTrips
  }

  #travelCost(vehicle: number, length: number): number {
    const { stops: n, place, size, matrices, types } = this.#model
    const { costOut } = matrices[types[vehicle]!.profile]!
    const depot = place[n + 2 * vehicle]!
    let cost = 0
    let from = depot
    for (let at = 0; at < length; at += 1) {
      if (at > 0 && this.loads[at] === 1) {
        cost += costOut[from * size + depot]!
        from = depot
      }
      const to = place[this.stops[at]!]!
      cost += costOut[from * size + to]!
      from = to
    }
    return cost + costOut[from * size + place[n + 2 * vehicle + 1]!]!
  }

  #earliestEnd(vehicle: number, length: number): number {
    const { stops: n, place, size, matrices, types, opens, closes, service } = this.#model
    const type = types[vehicle]!
    const { timeOut } = matrices[type.profile]!
    const depot = place[n + 2 * vehicle]!
    const states = type.breaks.length + 1
    const leaves = Math.max(type.shiftOpens, this.#releases[0]!)
    let times = this.#enough(states)
    // Who starts after the last moment of a break needs none.
    times[0] = leaves
    for (let s = 1; s < states; s += 1) times[s] = Math.max(leaves, type.breaks[s - 1]!.latest + 1)
    let from = depot
    for (let at = 0; at < length; at += 1) {
      if (at > 0 && this.loads[at] === 1) {
        times = this.#drive(type, times, timeOut[from * size + depot]!)
        const released = this.#releases[at]!
        for (let s = 0; s < states; s += 1) times[s] = Math.max(times[s]!, released) + type.reloadDuration
        from = depot
      }
      const stop = this.stops[at]!
      const to = place[stop]!
      times = this.#drive(type, times, timeOut[from * size + to]!)
      let alive = false
      for (let s = 0; s < states; s += 1) {
        const begins = Math.max(times[s]!, opens[stop]!)
        if (begins > closes[stop]!) times[s] = never
        else {
          times[s] = begins + service[stop]!
          alive = true
        }
      }
      if (!alive) return never
      from = to
    }
    this.mayGoOn = true
    times = this.#drive(type, times, timeOut[from * size + place[n + 2 * vehicle + 1]!]!)
    let least = never
    for (let s = 0; s < states; s += 1) {
      const limit = s < states - 1 ? Math.min(type.shiftCloses, type.breaks[s]!.latest) : type.shiftCloses
      if (times[s]! <= limit && times[s]! < least) least = times[s]!
    }
    return least
  }

  /** Arrival for each number of breaks taken, some of them perhaps on this leg. */
  #drive(type: VehicleType, leaves: Float64Array, way: number): Float64Array {
    const { breaks } = type
    if (breaks.length === 0) {
      leaves[0] = leaves[0]! + way
      return leaves
    }
    const arrives = leaves === this.#times ? this.#other : this.#times
    for (let to = 0; to <= breaks.length; to += 1) {
      let least = never
      for (let from = 0; from <= to; from += 1) {
        let clock = leaves[from]!
        if (clock >= never) continue
        let arrival = clock + way
        for (let b = from; b < to; b += 1) {
          const pause = breaks[b]!
          const begins = Math.max(clock, pause.earliest)
          if (begins > pause.latest) arrival = never
          clock = begins + pause.duration
          arrival = Math.max(arrival, pause.earliest) + pause.duration
        }
        if (arrival < least) least = arrival
      }
      arrives[to] = least
    }
    return arrives
  }

  /** The latest start with which the vehicle still ends at `endsAt`. */
  latestStart(vehicle: number, length: number): number {
    const { stops: n, place, size, matrices, types, opens, closes, service } = this.#model
    const type = types[vehicle]!
    const { timeOut } = matrices[type.profile]!
    const depot = place[n + 2 * vehicle]!
    const states = type.breaks.length + 1
    let times = this.#enough(states)
    for (let s = 0; s < states; s += 1) times[s] = s === states - 1 || this.endsAt <= type.breaks[s]!.latest ? this.endsAt : -never
    let to = place[n + 2 * vehicle + 1]!
    for (let at = length - 1; at >= 0; at -= 1) {
      const stop = this.stops[at]!
      times = this.#driveBack(type, times, timeOut[place[stop]! * size + to]!)
      for (let s = 0; s < states; s += 1) {
        const begins = Math.min(times[s]! - service[stop]!, closes[stop]!)
        times[s] = begins < opens[stop]! ? -never : begins
      }
      to = place[stop]!
      if (at > 0 && this.loads[at] === 1) {
        times = this.#driveBack(type, times, timeOut[depot * size + to]!)
        for (let s = 0; s < states; s += 1) {
          const begins = times[s]! - type.reloadDuration
          times[s] = begins < this.#releases[at]! ? -never : begins
        }
        to = depot
      }
    }
    times = this.#driveBack(type, times, timeOut[depot * size + to]!)
    let latest = -never
    for (let s = 0; s < states; s += 1) {
      if ((s === 0 || times[s]! > type.breaks[s - 1]!.latest) && times[s]! > latest) latest = times[s]!
    }
    this.startsAt = latest
    return latest
  }

  #driveBack(type: VehicleType, arrives: Float64Array, way: number): Float64Array {
    const { breaks } = type
    if (breaks.length === 0) {
      arrives[0] = arrives[0]! - way
      return arrives
    }
    const leaves = arrives === this.#times ? this.#other : this.#times
    for (let from = 0; from <= breaks.length; from += 1) {
      let latest = -never
      for (let to = from; to <= breaks.length; to += 1) {
        let arrival = arrives[to]!
        // Backwards: what must be reached before each break, and the last moment at which the first of them may begin.
        let begins = never
        for (let b = to - 1; b >= from; b -= 1) {
          const pause = breaks[b]!
          begins = Math.min(pause.latest, begins - pause.duration)
          arrival -= pause.duration
          if (pause.earliest > begins || pause.earliest > arrival) arrival = -never
        }
        latest = Math.max(latest, Math.min(arrival - way, begins))
      }
      leaves[from] = latest
    }
    return leaves
  }

  #enough(states: number): Float64Array {
    if (this.#times.length < states) {
      this.#times = new Float64Array(2 * states)
      this.#other = new Float64Array(2 * states)
    }
    return this.#times
  }
}
