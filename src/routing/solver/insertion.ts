import type { Model } from './model.ts'
import type { Neighbours } from './neighbours.ts'
import type { Random } from './random.ts'
import type { Routes } from './routes.ts'

/** How a stop goes in: into the trip of the one before it, as the first of a trip of its own or of the next stops, ahead of the next trip, or with a loading after it. */
const joins = 0
const loadsFirst = 1
const joinsNext = 2
const loadsAfter = 3

/**
 * Finds the cheapest place for a stop, by what it adds to the cost. Looks beside its neighbours first, and along all routes only when there is no place there.
 * With blinks it overlooks a place now and then: the same stops find other places the next time.
 */
export class Insertion {
  /** Of the last search: the node after which the stop goes (-1 when nowhere), and what it adds. */
  after = -1
  added = Infinity
  vehicle = -1
  readonly #model: Model
  readonly #routes: Routes
  readonly #neighbours: Neighbours
  readonly #random: Random
  #mode = joins
  #untilBlink = 0
  blinkRate = 0.01

  constructor(routes: Routes, neighbours: Neighbours, random: Random) {
    this.#model = routes.model
    this.#routes = routes
    this.#neighbours = neighbours
    this.#random = random
    this.#drawBlink()
  }

  #drawBlink(): void {
    this.#untilBlink = this.blinkRate === 0 ? 2 ** 30 : Math.ceil(Math.log(1 - this.#random.fraction()) / Math.log(1 - this.blinkRate))
  }

  find(c: number): boolean {
    this.after = -1
    this.vehicle = -1
    this.added = this.#model.unassignedCost[c]!
    if (this.#model.isPlain) this.#besidePlain(c)
    else this.#beside(c)
    this.#openRoutes(c)
    if (this.after === -1) this.#everywhere(c)
    return this.after !== -1
  }

  /** Puts the stop where `find` found room for it. */
  put(c: number): void {
    const routes = this.#routes
    const { vehicle, after } = this
    routes.touch(vehicle)
    routes.link(c, after, vehicle)
    if (this.#model.isPlain) {
      const start = this.#model.stops + 2 * vehicle
      if (this.#model.hasReleases && this.#model.release[c]! > routes.leaves[start]!) {
        routes.leaves[start] = this.#model.release[c]!
        routes.forward(start, c)
      } else routes.forward(after, c)
      routes.backward(routes.next[c]!, c)
      return
    }
    const next = routes.next[c]!
    routes.loadsBefore[c] = this.#mode === loadsFirst || this.#mode === joinsNext ? 1 : 0
    if (next < this.#model.stops) {
      if (this.#mode === joinsNext) routes.loadsBefore[next] = 0
      if (this.#mode === loadsAfter) routes.loadsBefore[next] = 1
    }
    routes.refresh(vehicle)
  }

  /** The inner loop of the whole search. Cheapest checks first: most places are too dear, fewer are full, few are too late. */
  #besidePlain(c: number): void {
    const { place, size, matrices, types, opens, closes, service, demand, dimensions, capacity, frozen, costPerTravel, stops } = this.#model
    const { next, prev, vehicleOf, leg, leaves, latest, load } = this.#routes
    const { width, before, after } = this.#neighbours
    const { costInto, costOut, timeInto, timeOut } = matrices[types[0]?.profile ?? 0]!
    const row = place[c]! * size
    const need = demand[c * dimensions]!
    const [opensAt, closesAt, takes] = [opens[c]!, closes[c]!, service[c]!]
    const { hasReleases } = this.#model
    const release = this.#model.release[c]!
    const incumbent = this.#model.incumbent[c]!
    const moving = incumbent === -1 ? 0 : this.#model.moveCost
    let best = this.added
    let bestAfter = -1
    let blink = this.#untilBlink
    for (let k = c * width, end = k + width, side = 0; side < 2; k += 1) {
      if (k === end) {
        side += 1
        k = end - width
        if (side === 2) break
      }
      let p: number
      let q: number
      if (side === 0) {
        p = before[k]!
        if (p === -1 || vehicleOf[p] === -1) continue
        q = next[p]!
      } else {
        q = after[k]!
        if (q === -1 || vehicleOf[q] === -1) continue
        p = prev[q]!
      }
      const v = vehicleOf[p]!
      const from = place[p]!
      const to = place[q]!
      let added = (costInto[row + from]! + costOut[row + to]! - leg[q]!) * costPerTravel[v]!
      if (v !== incumbent) added += moving
      if (added >= best) continue
      if (load[v * dimensions]! + need > capacity[v * dimensions]!) continue
      let clock = leaves[p]!
      if (hasReleases && release > leaves[stops + 2 * v]!) clock = this.#routes.leavesLater(p, release)
      clock += timeInto[row + from]!
      if (clock > closesAt) continue
      if (clock < opensAt) clock = opensAt
      if (clock + takes + timeOut[row + to]! > latest[q]!) continue
      if (q < stops && frozen[q] === 1) continue
      if (!this.#suits(c, v)) continue
      blink -= 1
      if (blink <= 0) {
        this.#drawBlink()
        blink = this.#untilBlink
        continue
      }
      best = added
      bestAfter = p
    }
    this.#untilBlink = blink
    if (bestAfter !== -1) this.#take(bestAfter, best)
  }

  #take(after: number, added: number): void {
    this.after = after
    this.added = added
    this.vehicle = this.#routes.vehicleOf[after]!
    this.#mode = joins
  }

  /** Skills, the lock on a truck, and the loads but the first. */
  #suits(c: number, v: number): boolean {
    const { skills, vehicleSkills, onVehicle, dimensions, demand, capacity } = this.#model
    if ((skills[c]! & ~vehicleSkills[v]!) !== 0) return false
    if (onVehicle[c] !== -1 && onVehicle[c] !== v) return false
    const { load } = this.#routes
    for (let d = 1; d < dimensions; d += 1) {
      if (load[v * dimensions + d]! + demand[c * dimensions + d]! > capacity[v * dimensions + d]!) return false
    }
    return true
  }

  /** One place after node `p`, whatever the problem has. */
  #at(c: number, p: number): void {
    const { place, size, matrices, types, costPerTravel, frozen, dimensions, demand, capacity, stops } = this.#model
    const routes = this.#routes
    const v = routes.vehicleOf[p]!
    const q = routes.next[p]!
    if (q < stops && frozen[q] === 1) return
    const type = types[v]!
    const { costInto, costOut } = matrices[type.profile]!
    const row = place[c]! * size
    const isFirst = routes.count[v] === 0
    const incumbent = this.#model.incumbent[c]!
    const moving = incumbent !== -1 && incumbent !== v ? this.#model.moveCost : 0
    const ways = costInto[row + place[p]!]! + costOut[row + place[q]!]! - routes.leg[q]!
    const added = ways * costPerTravel[v]! + moving + (isFirst ? this.#model.fixedCost[v]! : 0)
    // With several trips the true way may be shorter than by these two legs (the vehicle comes from the depot): then only the walk knows.
    if (type.maxTrips === 1) {
      if (added >= this.added) return
      if (routes.load[v * dimensions]! + demand[c * dimensions]! > capacity[v * dimensions]! || !this.#suits(c, v)) return
    } else if (!routes.mayRide(c, v)) return
    this.#untilBlink -= 1
    if (this.#untilBlink <= 0) {
      this.#drawBlink()
      return
    }
    if (this.#model.isPlain) {
      if (this.#fitsPlain(c, p)) this.#take(p, added)
      return
    }
    this.#walked(c, p, moving)
  }

  #fitsPlain(c: number, p: number): boolean {
    const { place, size, matrices, types, opens, closes, service } = this.#model
    const { leaves, latest, next, vehicleOf } = this.#routes
    const { timeInto, timeOut } = matrices[types[vehicleOf[p]!]!.profile]!
    const row = place[c]! * size
    const q = next[p]!
    const release = this.#model.release[c]!
    const waits = this.#model.hasReleases && release > leaves[this.#model.stops + 2 * vehicleOf[p]!]!
    const arrives = (waits ? this.#routes.leavesLater(p, release) : leaves[p]!) + timeInto[row + place[p]!]!
    if (arrives > closes[c]!) return false
    return Math.max(arrives, opens[c]!) + service[c]! + timeOut[row + place[q]!]! <= latest[q]!
  }

  /** Judges the route with the stop after `p` by walking along it, in each way of loading that there is. */
  #walked(c: number, p: number, moving: number): void {
    const routes = this.#routes
    const { walk, next, loadsBefore } = routes
    const v = routes.vehicleOf[p]!
    const { stops: n, types } = this.#model
    const end = n + 2 * v + 1
    const q = next[p]!
    let length = 0
    let at = 0
    for (let x = next[end - 1]!; ; x = next[x]!) {
      if (x === q) {
        at = length
        walk.stops[length] = c
        length += 1
      }
      if (x === end) break
      walk.stops[length] = x
      walk.loads[length] = loadsBefore[x]!
      length += 1
    }
    const severalTrips = types[v]!.maxTrips > 1
    const nextLoads = q !== end && loadsBefore[q] === 1
    for (let mode = joins; mode <= loadsAfter; mode += 1) {
      if (mode !== joins) {
        if (!severalTrips) break
        if (mode === loadsFirst && p >= n) continue
        if (mode === joinsNext && (!nextLoads || p >= n)) continue
        if (mode === loadsAfter && (nextLoads || q === end)) continue
      }
      walk.loads[at] = mode === loadsFirst || mode === joinsNext ? 1 : 0
      if (q !== end) walk.loads[at + 1] = mode === joinsNext ? 0 : mode === loadsAfter || nextLoads ? 1 : 0
      const added = walk.cost(v, length) - routes.walked[v]! + moving
      if (added < this.added) {
        this.#take(p, added)
        this.#mode = mode
      }
    }
  }

  #beside(c: number): void {
    const { width, before, after } = this.#neighbours
    const { vehicleOf, prev } = this.#routes
    for (let k = c * width, end = k + width; k < end; k += 1) {
      const p = before[k]!
      if (p !== -1 && vehicleOf[p] !== -1) this.#at(c, p)
      const q = after[k]!
      // A place between two neighbours is looked at once, from its left.
      if (q !== -1 && vehicleOf[q] !== -1) this.#at(c, prev[q]!)
    }
  }

  /** A vehicle that stands still: the first of each type, and those that the stop is tied to. */
  #openRoutes(c: number): void {
    const { firstOfType, onVehicle, incumbent, stops } = this.#model
    const routes = this.#routes
    for (let type = 0; type + 1 < firstOfType.length; type += 1) {
      const v = routes.emptyOfType(type)
      if (v !== -1) this.#at(c, stops + 2 * v)
    }
    for (const v of [onVehicle[c]!, incumbent[c]!]) if (v !== -1 && routes.count[v] === 0) this.#at(c, stops + 2 * v)
  }

  #everywhere(c: number): void {
    const { stops, vehicles } = this.#model
    const { next, count } = this.#routes
    for (let v = 0; v < vehicles; v += 1) {
      if (count[v] === 0 || !this.#routes.mayRide(c, v)) continue
      const end = stops + 2 * v + 1
      for (let p = end - 1; p !== end; p = next[p]!) this.#at(c, p)
    }
  }
}
