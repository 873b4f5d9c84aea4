import type { Model } from './model.ts'
import { endOfTime, ProblemError } from './problem.ts'
import { Walk } from './walk.ts'

/**
 * The routes of a search: lists of nodes linked both ways, with what must be known to put a stop between two of them without walking.
 * `leaves[x]`: the earliest moment at which service at x ends; `latest[x]`: the latest at which it may begin so that all after it hold.
 * Both are kept in plain problems only; in others a walk along the route decides (see Model.isPlain).
 *
 * An attempt changes routes and either keeps or takes back all of it: `begin`, then `keep` or `takeBack`.
 */
export class Routes {
  readonly model: Model
  readonly walk: Walk
  readonly next: Int32Array
  readonly prev: Int32Array
  /** The vehicle of a node, or -1 for a stop that is left out. */
  readonly vehicleOf: Int32Array
  /** What the way to this node costs, before the price of the vehicle. */
  readonly leg: Int32Array
  readonly leaves: Int32Array
  readonly latest: Int32Array
  /** 1 where the vehicle loads again before this stop. */
  readonly loadsBefore: Uint8Array
  readonly count: Int32Array
  readonly load: Int32Array
  /** The cost of each route as the walk says it; not kept in plain problems. */
  readonly walked: Float64Array
  /** Stops that are left out. */
  readonly absent: Int32Array
  absentCount = 0
  /** Of all routes and moves, without what is left out. */
  routesCost = 0
  absentCost = 0
  used = 0

  readonly #firstEmpty: Int32Array
  readonly #touchedAt: Int32Array
  readonly #touched: Int32Array
  #touchedCount = 0
  #attempt = 0
  readonly #savedNodes: Int32Array
  readonly #savedLeaves: Int32Array
  readonly #savedLatest: Int32Array
  readonly #savedLeg: Int32Array
  readonly #savedLoads: Uint8Array
  readonly #savedFrom: Int32Array
  readonly #savedLoad: Int32Array
  readonly #savedWalked: Float64Array
  readonly #savedStart: Int32Array
  readonly #savedAbsent: Int32Array
  #savedLength = 0
  #savedAbsentCount = 0
  #savedRoutesCost = 0
  #savedAbsentCost = 0

  constructor(model: Model) {
    const { nodes, stops, vehicles, dimensions } = model
    this.model = model
    this.walk = new Walk(model)
    this.next = new Int32Array(nodes)
    this.prev = new Int32Array(nodes)
    this.vehicleOf = new Int32Array(nodes).fill(-1)
    this.leg = new Int32Array(nodes)
    this.leaves = new Int32Array(nodes)
    this.latest = new Int32Array(nodes)
    this.loadsBefore = new Uint8Array(nodes)
    this.count = new Int32Array(vehicles)
    this.load = new Int32Array(vehicles * dimensions)
    this.walked = new Float64Array(vehicles)
    this.absent = new Int32Array(stops)
    this.#firstEmpty = model.firstOfType.slice()
    this.#touchedAt = new Int32Array(vehicles)
    this.#touched = new Int32Array(vehicles)
    this.#savedNodes = new Int32Array(stops)
    this.#savedLeaves = new Int32Array(stops)
    this.#savedLatest = new Int32Array(stops + vehicles)
    this.#savedLeg = new Int32Array(stops + vehicles)
    this.#savedLoads = new Uint8Array(stops)
    this.#savedFrom = new Int32Array(vehicles + 1)
    this.#savedLoad = new Int32Array(vehicles * dimensions)
    this.#savedWalked = new Float64Array(vehicles)
    this.#savedStart = new Int32Array(vehicles)
    this.#savedAbsent = new Int32Array(stops)
    this.clear()
  }

  /** All stops out but the locked ones. */
  clear(): void {
    const { stops, vehicles, opens, closes, unassignedCost, problem } = this.model
    this.vehicleOf.fill(-1)
    this.loadsBefore.fill(0)
    this.count.fill(0)
    this.load.fill(0)
    this.walked.fill(0)
    this.routesCost = 0
    this.absentCost = 0
    this.absentCount = 0
    this.used = 0
    this.#firstEmpty.set(this.model.firstOfType)
    for (let c = 0; c < stops; c += 1) {
      this.absent[this.absentCount++] = c
      this.absentCost += unassignedCost[c]!
    }
    for (let v = 0; v < vehicles; v += 1) {
      const start = stops + 2 * v
      this.next[start] = start + 1
      this.prev[start + 1] = start
      this.vehicleOf[start] = v
      this.vehicleOf[start + 1] = v
      this.leg[start + 1] = 0
      this.leaves[start] = opens[start]!
      this.latest[start + 1] = closes[start + 1]!
    }
    for (const { vehicle, stops: prefix, loadsBefore } of problem.locked) {
      if (prefix.length > 0 && !this.append(vehicle, prefix, loadsBefore)) {
        throw new ProblemError('locked', `the locked stops of vehicle ${vehicle} break its windows, loads or skills`)
      }
    }
  }

  /** Puts stops at the end of a route and says whether that holds; if not, nothing has changed. `trips` are the numbers (from 0) of those before which it loads. */
  append(vehicle: number, stops: readonly number[], trips: readonly number[] = []): boolean {
    const end = this.model.stops + 2 * vehicle + 1
    if (!stops.every((stop) => this.vehicleOf[stop] === -1 && this.mayRide(stop, vehicle))) return false
    this.begin()
    this.touch(vehicle)
    for (const [nth, stop] of stops.entries()) {
      this.link(stop, this.prev[end]!, vehicle)
      this.loadsBefore[stop] = trips.includes(nth) && this.count[vehicle]! > 1 ? 1 : 0
    }
    const holds = this.walk.cost(vehicle, this.write(vehicle)) < Infinity
    if (holds) {
      this.refresh(vehicle)
      this.forgetAbsent()
    } else this.takeBack()
    return holds
  }

  /** Skills and the lock on a truck. */
  mayRide(stop: number, vehicle: number): boolean {
    const { skills, vehicleSkills, onVehicle } = this.model
    return (skills[stop]! & ~vehicleSkills[vehicle]!) === 0 && (onVehicle[stop] === -1 || onVehicle[stop] === vehicle)
  }

  /** The first vehicle of a type that has no stop, or -1. */
  emptyOfType(type: number): number {
    const end = this.model.firstOfType[type + 1]!
    let v = this.#firstEmpty[type]!
    while (v < end && this.count[v]! > 0) v += 1
    this.#firstEmpty[type] = v
    return v < end ? v : -1
  }

  get cost(): number {
    return this.routesCost + this.absentCost
  }

  begin(): void {
    this.#attempt += 1
    this.#touchedCount = 0
    this.#savedLength = 0
    this.#savedAbsentCount = this.absentCount
    this.#savedRoutesCost = this.routesCost
    this.#savedAbsentCost = this.absentCost
    for (let n = 0; n < this.absentCount; n += 1) this.#savedAbsent[n] = this.absent[n]!
  }

  /** Before the first change of a route in an attempt: keeps what it was. */
  touch(vehicle: number): void {
    if (this.#touchedAt[vehicle] === this.#attempt) return
    const { stops, dimensions } = this.model
    this.#touchedAt[vehicle] = this.#attempt
    const nth = this.#touchedCount++
    this.#touched[nth] = vehicle
    let at = this.#savedLength
    this.#savedFrom[nth] = at
    const { next, leaves, latest, leg, loadsBefore } = this
    const end = stops + 2 * vehicle + 1
    for (let x = next[end - 1]!; x !== end; x = next[x]!) {
      this.#savedNodes[at] = x
      this.#savedLeaves[at] = leaves[x]!
      this.#savedLatest[at + nth] = latest[x]!
      this.#savedLeg[at + nth] = leg[x]!
      this.#savedLoads[at] = loadsBefore[x]!
      at += 1
    }
    this.#savedLeg[at + nth] = leg[end]!
    this.#savedLatest[at + nth] = latest[end - 1]!
    this.#savedLength = at
    this.#savedFrom[nth + 1] = at
    for (let d = 0; d < dimensions; d += 1) this.#savedLoad[nth * dimensions + d] = this.load[vehicle * dimensions + d]!
    this.#savedWalked[nth] = this.walked[vehicle]!
    this.#savedStart[nth] = leaves[end - 1]!
  }

  wasTouched(vehicle: number): boolean {
    return this.#touchedAt[vehicle] === this.#attempt
  }

  get touchedCount(): number {
    return this.#touchedCount
  }

  touchedVehicle(nth: number): number {
    return this.#touched[nth]!
  }

  takeBack(): void {
    const { stops, dimensions } = this.model
    const { next, prev, vehicleOf, leaves, latest, leg, loadsBefore } = this
    // First all out, then all back: a stop may have changed over to another touched route.
    for (let n = 0; n < this.#savedAbsentCount; n += 1) vehicleOf[this.#savedAbsent[n]!] = -1
    for (let nth = 0; nth < this.#touchedCount; nth += 1) {
      const vehicle = this.#touched[nth]!
      const from = this.#savedFrom[nth]!
      const to = this.#savedFrom[nth + 1]!
      const start = stops + 2 * vehicle
      let last = start
      for (let at = from; at < to; at += 1) {
        const x = this.#savedNodes[at]!
        next[last] = x
        prev[x] = last
        vehicleOf[x] = vehicle
        leaves[x] = this.#savedLeaves[at]!
        latest[x] = this.#savedLatest[at + nth]!
        leg[x] = this.#savedLeg[at + nth]!
        loadsBefore[x] = this.#savedLoads[at]!
        last = x
      }
      next[last] = start + 1
      prev[start + 1] = last
      leg[start + 1] = this.#savedLeg[to + nth]!
      latest[start] = this.#savedLatest[to + nth]!
      leaves[start] = this.#savedStart[nth]!
      if (this.count[vehicle]! > 0) this.used -= 1
      this.count[vehicle] = to - from
      if (to > from) this.used += 1
      else this.#emptied(vehicle)
      for (let d = 0; d < dimensions; d += 1) this.load[vehicle * dimensions + d] = this.#savedLoad[nth * dimensions + d]!
      this.walked[vehicle] = this.#savedWalked[nth]!
    }
    this.absentCount = this.#savedAbsentCount
    for (let n = 0; n < this.absentCount; n += 1) this.absent[n] = this.#savedAbsent[n]!
    this.routesCost = this.#savedRoutesCost
    this.absentCost = this.#savedAbsentCost
  }

  #emptied(vehicle: number): void {
    const type = this.model.typeOf[vehicle]!
    if (vehicle < this.#firstEmpty[type]!) this.#firstEmpty[type] = vehicle
  }

  /** Takes a stop out of its (touched) route; `refresh` must follow before anything is put in. It is not yet among the absent. */
  unlink(c: number): void {
    const { model, next, prev, leg } = this
    const { dimensions, demand, place, size } = model
    const vehicle = this.vehicleOf[c]!
    const p = prev[c]!
    const q = next[c]!
    const isLast = this.count[vehicle] === 1
    const { costOut } = model.matrices[model.types[vehicle]!.profile]!
    const way = isLast ? 0 : costOut[place[p]! * size + place[q]!]!
    next[p] = q
    prev[q] = p
    if (model.isPlain) this.routesCost += (way - leg[c]! - leg[q]!) * model.costPerTravel[vehicle]!
    leg[q] = way
    // The trip that began with this stop begins with the next one; a route begins without loading again.
    if (q < model.stops) this.loadsBefore[q] = p >= model.stops ? 0 : this.loadsBefore[q]! | this.loadsBefore[c]!
    this.loadsBefore[c] = 0
    this.count[vehicle] = this.count[vehicle]! - 1
    for (let d = 0; d < dimensions; d += 1) {
      this.load[vehicle * dimensions + d] = this.load[vehicle * dimensions + d]! - demand[c * dimensions + d]!
    }
    if (isLast) {
      this.used -= 1
      this.#emptied(vehicle)
      if (model.isPlain) this.routesCost -= model.fixedCost[vehicle]!
    }
    const incumbent = model.incumbent[c]!
    if (incumbent !== -1 && incumbent !== vehicle) this.routesCost -= model.moveCost
    this.absentCost += model.unassignedCost[c]!
    this.vehicleOf[c] = -1
  }

  /** Puts a stop after node `p` of a (touched) route, without looking whether that holds. */
  link(c: number, p: number, vehicle: number): void {
    const { model, next, prev, leg } = this
    const { dimensions, demand, place, size } = model
    const q = next[p]!
    const { costOut } = model.matrices[model.types[vehicle]!.profile]!
    const way = costOut[place[p]! * size + place[c]!]!
    const onwards = costOut[place[c]! * size + place[q]!]!
    next[p] = c
    prev[c] = p
    next[c] = q
    prev[q] = c
    if (model.isPlain) this.routesCost += (way + onwards - leg[q]!) * model.costPerTravel[vehicle]!
    leg[c] = way
    leg[q] = onwards
    for (let d = 0; d < dimensions; d += 1) {
      this.load[vehicle * dimensions + d] = this.load[vehicle * dimensions + d]! + demand[c * dimensions + d]!
    }
    if (this.count[vehicle] === 0) {
      this.used += 1
      if (model.isPlain) this.routesCost += model.fixedCost[vehicle]!
    }
    this.count[vehicle] = this.count[vehicle]! + 1
    const incumbent = model.incumbent[c]!
    if (incumbent !== -1 && incumbent !== vehicle) this.routesCost += model.moveCost
    this.absentCost -= model.unassignedCost[c]!
    this.vehicleOf[c] = vehicle
  }

  /** Brings the times (or the walked cost) of a route up to date; false when the route does not hold. */
  refresh(vehicle: number): boolean {
    if (!this.model.isPlain) {
      const cost = this.walk.cost(vehicle, this.write(vehicle))
      if (cost === Infinity) return false
      this.routesCost += cost - this.walked[vehicle]!
      this.walked[vehicle] = cost
      return true
    }
    const end = this.model.stops + 2 * vehicle + 1
    this.leaves[end - 1] = this.released(vehicle)
    this.forward(end - 1, end)
    this.backward(end, end - 1)
    return this.latest[end - 1]! >= this.leaves[end - 1]!
  }

  /** When the vehicle can leave at the earliest: in its shift, with all its goods. */
  released(vehicle: number): number {
    const { opens, release, stops, hasReleases } = this.model
    const start = stops + 2 * vehicle
    let at = opens[start]!
    if (!hasReleases) return at
    for (let x = this.next[start]!; x < stops; x = this.next[x]!) if (release[x]! > at) at = release[x]!
    return at
  }

  /** When service at node `p` ends if the vehicle leaves only at `at`; too late to be of use where a window is missed. */
  leavesLater(p: number, at: number): number {
    const { next, vehicleOf, leaves } = this
    const { place, size, opens, service, stops, matrices, types } = this.model
    const { timeOut } = matrices[types[vehicleOf[p]!]!.profile]!
    let x = stops + 2 * vehicleOf[p]!
    if (at > this.latest[x]! && this.count[vehicleOf[p]!]! > 0) return endOfTime
    let clock = at
    let row = place[x]! * size
    while (x !== p) {
      x = next[x]!
      clock += timeOut[row + place[x]!]!
      if (clock < opens[x]!) clock = opens[x]!
      clock += service[x]!
      if (clock === leaves[x]) return leaves[p]!
      row = place[x]! * size
    }
    return clock
  }

  /** Times after node `p`; up to `until` in any case, then as long as they change. */
  forward(p: number, until: number): void {
    const { next, leaves, vehicleOf } = this
    const { place, size, opens, service, stops, matrices, types } = this.model
    const { timeOut } = matrices[types[vehicleOf[p]!]!.profile]!
    let clock = leaves[p]!
    let row = place[p]! * size
    let must = p !== until
    for (let x = next[p]!; x < stops; x = next[x]!) {
      const to = place[x]!
      clock += timeOut[row + to]!
      if (clock < opens[x]!) clock = opens[x]!
      clock += service[x]!
      if (x === until) must = false
      else if (!must && leaves[x] === clock) return
      leaves[x] = clock
      row = to * size
    }
  }

  /** Latest starts before node `q`; down to `until` in any case, then as long as they change. */
  backward(q: number, until: number): void {
    const { prev, latest, vehicleOf } = this
    const { place, size, closes, service, stops, matrices, types } = this.model
    const { timeInto } = matrices[types[vehicleOf[q]!]!.profile]!
    let clock = latest[q]!
    let row = place[q]! * size
    let must = q !== until
    let x = prev[q]!
    for (; x < stops; x = prev[x]!) {
      const from = place[x]!
      clock -= timeInto[row + from]! + service[x]!
      if (clock > closes[x]!) clock = closes[x]!
      if (x === until) must = false
      else if (!must && latest[x] === clock) return
      latest[x] = clock
      row = from * size
    }
    latest[x] = clock - timeInto[row + place[x]!]!
  }

  /** Writes a route where the walk reads it; returns its length. */
  write(vehicle: number): number {
    const { next, loadsBefore } = this
    const { stops, loads } = this.walk
    const end = this.model.stops + 2 * vehicle + 1
    let length = 0
    for (let x = next[end - 1]!; x !== end; x = next[x]!) {
      stops[length] = x
      loads[length] = loadsBefore[x]!
      length += 1
    }
    return length
  }

  /** Drops those from the list of the absent that ride by now. */
  forgetAbsent(): void {
    let kept = 0
    for (let n = 0; n < this.absentCount; n += 1) {
      const c = this.absent[n]!
      if (this.vehicleOf[c] === -1) this.absent[kept++] = c
    }
    this.absentCount = kept
  }
}
