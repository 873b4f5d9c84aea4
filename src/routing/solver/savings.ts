import type { Model } from './model.ts'
import type { Neighbours } from './neighbours.ts'
import type { Routes } from './routes.ts'

/**
 * First routes by savings (Clarke and Wright): each stop alone, then the end of one chain to the start of another where that saves most, as long as
 * windows, loads and skills hold for the type of vehicle there is most of. Single insertions begin at 30 to 100 % above what can be reached with
 * 1,000 stops, savings at about 10 %.
 */
export function beginWithSavings(routes: Routes, neighbours: Neighbours): void {
  const lists = waits.map((wait) => {
    const chains = new Chains(routes.model, routes)
    chains.joinAll(neighbours, wait)
    return { chains: chains.lists(), cost: chains.cost() }
  })
  const best = lists.toSorted((a, b) => a.cost - b.cost)[0]
  const longestFirst = best?.chains.toSorted((a, b) => b.length - a.length) ?? []
  for (const chain of longestFirst) placeChain(routes, chain)
}

/**
 * What waiting takes from a saving: for each unit that must be waited, and for each when the first stop is served as early as can be. No one pair is
 * best for wide and narrow windows alike; the cheapest of these is within a few percent of the best pair for each.
 */
const waits: readonly Wait[] = [
  { certain: 0, early: 0.05 },
  { certain: 0, early: 0.1 },
  { certain: 0, early: 0.3 },
  { certain: 0.1, early: 0.02 },
]
interface Wait {
  readonly certain: number
  readonly early: number
}

/** The first vehicle, of each type in turn, that holds the whole chain; a chain that none holds stays out, for insertion. */
function placeChain(routes: Routes, chain: readonly number[]): void {
  for (let type = 0; type + 1 < routes.model.firstOfType.length; type += 1) {
    const vehicle = routes.emptyOfType(type)
    if (vehicle !== -1 && routes.append(vehicle, chain)) return
  }
}

class Chains {
  readonly #model: Model
  readonly #vehicle: number
  readonly #next: Int32Array
  readonly #prev: Int32Array
  /** Of a chain's first stop: its last one, and the other way round. */
  readonly #other: Int32Array
  readonly #leaves: Int32Array
  readonly #latest: Int32Array
  /** Kept at both ends of a chain. */
  readonly #load: Int32Array
  readonly #skills: Int32Array
  readonly #isFree: Uint8Array

  constructor(model: Model, routes: Routes) {
    const { stops, place, size, matrices, opens, closes, service } = model
    this.#model = model
    this.#vehicle = commonestVehicle(model)
    this.#next = new Int32Array(stops).fill(-1)
    this.#prev = new Int32Array(stops).fill(-1)
    this.#other = Int32Array.from({ length: stops }, (_, c) => c)
    this.#leaves = new Int32Array(stops)
    this.#latest = new Int32Array(stops)
    this.#load = model.demand.slice()
    this.#skills = model.skills.slice()
    this.#isFree = new Uint8Array(stops)
    const { timeOut } = matrices[model.types[this.#vehicle]!.profile]!
    const start = stops + 2 * this.#vehicle
    for (let c = 0; c < stops; c += 1) {
      const leavesAt = Math.max(opens[start]!, model.release[c]!)
      const begins = Math.max(leavesAt + timeOut[place[start]! * size + place[c]!]!, opens[c]!)
      this.#leaves[c] = begins + service[c]!
      this.#latest[c] = Math.min(closes[c]!, closes[start + 1]! - timeOut[place[c]! * size + place[start + 1]!]! - service[c]!)
      this.#isFree[c] = routes.vehicleOf[c] === -1 && begins <= this.#latest[c]! && model.onVehicle[c] === -1 ? 1 : 0
    }
  }

  joinAll({ width, after }: Neighbours, wait: Wait): void {
    const { stops, place, size, matrices, types, opens, closes, service } = this.#model
    const { costOut, costInto, timeOut } = matrices[types[this.#vehicle]!.profile]!
    const start = place[stops + 2 * this.#vehicle]! * size
    const end = place[stops + 2 * this.#vehicle + 1]! * size
    const pairs: number[] = []
    const saved = new Float64Array(stops * width)
    for (let c = 0; c < stops; c += 1) {
      for (let k = c * width; k < (c + 1) * width; k += 1) {
        const other = after[k]!
        if (other === -1) break
        const there = closes[c]! + service[c]! + timeOut[place[c]! * size + place[other]!]!
        const soonest = there - closes[c]! - service[c]! + this.#leaves[c]!
        const waiting = wait.certain * Math.max(0, opens[other]! - there) + wait.early * Math.max(0, opens[other]! - soonest)
        saved[k] = costInto[end + place[c]!]! + costOut[start + place[other]!]! - costOut[place[c]! * size + place[other]!]! - waiting
        if (saved[k]! > 0) pairs.push(k)
      }
    }
    const ordered = Int32Array.from(pairs).toSorted((a, b) => saved[b]! - saved[a]! || a - b)
    for (const k of ordered) this.#join(Math.floor(k / width), after[k]!)
  }

  #join(last: number, first: number): void {
    if (this.#next[last] !== -1 || this.#prev[first] !== -1 || this.#isFree[last] === 0 || this.#isFree[first] === 0) return
    const { place, size, matrices, types, opens, closes, service, dimensions, capacity, vehicleSkills, release } = this.#model
    const head = this.#other[last]!
    if (head === first || release[last] !== release[first]) return
    const { timeOut } = matrices[types[this.#vehicle]!.profile]!
    const way = timeOut[place[last]! * size + place[first]!]!
    if (this.#leaves[last]! + way > this.#latest[first]!) return
    for (let d = 0; d < dimensions; d += 1) {
      const load = this.#load[last * dimensions + d]! + this.#load[first * dimensions + d]!
      if (load > capacity[this.#vehicle * dimensions + d]!) return
    }
    const skills = this.#skills[last]! | this.#skills[first]!
    if ((skills & ~vehicleSkills[this.#vehicle]!) !== 0) return
    const tail = this.#other[first]!
    this.#next[last] = first
    this.#prev[first] = last
    this.#other[head] = tail
    this.#other[tail] = head
    for (let d = 0; d < dimensions; d += 1) {
      const load = this.#load[last * dimensions + d]! + this.#load[first * dimensions + d]!
      this.#load[head * dimensions + d] = load
      this.#load[tail * dimensions + d] = load
    }
    this.#skills[head] = skills
    this.#skills[tail] = skills
    for (let c = first, p = last; c !== -1; p = c, c = this.#next[c]!) {
      this.#leaves[c] = Math.max(this.#leaves[p]! + timeOut[place[p]! * size + place[c]!]!, opens[c]!) + service[c]!
    }
    for (let c = last, q = first; c !== -1; q = c, c = this.#prev[c]!) {
      this.#latest[c] = Math.min(closes[c]!, this.#latest[q]! - timeOut[place[c]! * size + place[q]!]! - service[c]!)
    }
  }

  /** All ways of all chains, and the price of a vehicle for each. */
  cost(): number {
    const { stops, place, size, matrices, types, fixedCost, costPerTravel } = this.#model
    const { costOut } = matrices[types[this.#vehicle]!.profile]!
    const start = place[stops + 2 * this.#vehicle]!
    const end = place[stops + 2 * this.#vehicle + 1]!
    let ways = 0
    let chains = 0
    for (let c = 0; c < stops; c += 1) {
      if (this.#isFree[c] === 0) continue
      const [p, q] = [this.#prev[c]!, this.#next[c]!]
      if (p === -1) chains += 1
      ways += costOut[(p === -1 ? start : place[p]!) * size + place[c]!]! + (q === -1 ? costOut[place[c]! * size + end]! : 0)
    }
    return ways * costPerTravel[this.#vehicle]! + chains * fixedCost[this.#vehicle]!
  }

  lists(): number[][] {
    const found: number[][] = []
    for (let c = 0; c < this.#next.length; c += 1) {
      if (this.#prev[c] !== -1 || this.#isFree[c] === 0) continue
      const chain: number[] = []
      for (let x = c; x !== -1; x = this.#next[x]!) chain.push(x)
      found.push(chain)
    }
    return found
  }
}

/** The first vehicle of the type with the most, and among those the one that carries most. */
function commonestVehicle({ firstOfType, capacity, dimensions }: Model): number {
  let best = 0
  let most = -1
  for (let type = 0; type + 1 < firstOfType.length; type += 1) {
    const count = firstOfType[type + 1]! - firstOfType[type]!
    const vehicle = firstOfType[type]!
    if (count > most || (count === most && capacity[vehicle * dimensions]! > capacity[best * dimensions]!)) {
      best = vehicle
      most = count
    }
  }
  return best
}
