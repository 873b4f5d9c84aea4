import { type Problem, typesOfVehicles, type VehicleType } from './problem.ts'

/**
 * The cheapest plan there is, for up to eight stops or so: every order of every set of stops with every choice of loadings, for each vehicle, and then every way to
 * deal the stops out. Written apart from the solver, without any of its code. What makes it fast enough for ten thousand problems: an order is given up
 * as soon as its beginning cannot be, the clock of a beginning is kept for all that begin so, and vehicles of one type share their orders.
 */
export function cheapest(problem: Problem): number {
  const types = typesOfVehicles(problem)
  const all = (1 << problem.stops.length) - 1
  const lockedBy = new Map(problem.locked.flatMap(({ vehicle, stops }) => stops.map((stop) => [stop, vehicle] as const)))
  // Left out: any set without locked stops.
  let least = new Float64Array(all + 1)
  for (let set = 0; set <= all; set += 1) {
    for (const [stop, { unassignedCost }] of problem.stops.entries()) {
      if ((set & (1 << stop)) !== 0) least[set] = least[set]! + (lockedBy.has(stop) ? Infinity : unassignedCost)
    }
  }
  const ofType = new Map<VehicleType, Float64Array>()
  for (const [vehicle, type] of types.entries()) {
    const locked = problem.locked.find((prefix) => prefix.vehicle === vehicle)?.stops ?? []
    let orders = locked.length > 0 ? undefined : ofType.get(type)
    if (orders === undefined) orders = new Orders(problem, type, locked).costs
    if (locked.length === 0) ofType.set(type, orders)
    const costs = ridden(problem, orders, { vehicle, lockedBy })
    const next = new Float64Array(all + 1).fill(Infinity)
    for (let set = 0; set <= all; set += 1) {
      for (let sub = set; ; sub = (sub - 1) & set) {
        const cost = least[set & ~sub]! + costs[sub]!
        if (cost < next[set]!) next[set] = cost
        if (sub === 0) break
      }
    }
    least = next
  }
  return least[all]!
}

interface Ridden {
  readonly vehicle: number
  readonly lockedBy: ReadonlyMap<number, number>
}

/** What depends on the vehicle and not on its type: stops that only another one may carry, and those that leave their incumbent. */
function ridden({ stops, moveCost }: Problem, orders: Float64Array, { vehicle, lockedBy }: Ridden): Float64Array {
  return orders.map((cost, set) => {
    let sum = cost
    for (const [number, { onVehicle, incumbent }] of stops.entries()) {
      if ((set & (1 << number)) === 0) continue
      if ((onVehicle !== -1 && onVehicle !== vehicle) || (lockedBy.get(number) ?? vehicle) !== vehicle) return Infinity
      if (incumbent !== -1 && incumbent !== vehicle) sum += moveCost
    }
    return sum
  })
}

/** For each set of stops, the cheapest way in which a vehicle of this type makes just these, the locked ones first. */
class Orders {
  readonly costs: Float64Array
  readonly #problem: Problem
  readonly #type: VehicleType
  readonly #locked: readonly number[]
  readonly #durations: Int32Array
  readonly #prices: Int32Array
  readonly #size: number
  /** Of the order that is looked at: its stops, and the trip of each of them. */
  readonly #order: number[] = []
  readonly #tripFrom: number[] = []
  /**
   * When the vehicle can leave each stop of the order: one time for each start worth trying and each number of breaks taken. The soonest start, and those that
   * come too late for a break.
   */
  readonly #leaves: Float64Array[]
  readonly #starts: number
  readonly #states: number

  constructor(problem: Problem, type: VehicleType, locked: readonly number[]) {
    const { size, durations, costs } = problem.travel[type.profile]!
    this.#problem = problem
    this.#type = type
    this.#locked = locked
    this.#durations = durations
    this.#prices = costs
    this.#size = size
    this.#starts = type.breaks.length + 1
    this.#states = type.breaks.length + 1
    this.#leaves = Array.from({ length: 2 * problem.stops.length + 4 }, () => new Float64Array(this.#starts * this.#states))
    this.costs = new Float64Array(1 << problem.stops.length).fill(Infinity)
    if (locked.length === 0) this.costs[0] = 0
    this.#extend({ set: 0, loads: 0, price: 0, tripFrom: 0 })
  }

  #extend(at: { readonly set: number; readonly loads: number; readonly price: number; readonly tripFrom: number }): void {
    const { stops } = this.#problem
    const type = this.#type
    const length = this.#order.length
    const mustBe = this.#locked[length]
    const last = length === 0 ? type.start : stops[this.#order[length - 1]!]!.place
    for (const [number, stop] of stops.entries()) {
      if ((at.set & (1 << number)) !== 0 || (mustBe !== undefined && mustBe !== number) || (stop.skills & ~type.skills) !== 0) continue
      const set = at.set | (1 << number)
      this.#order.push(number)
      this.#tripFrom.push(at.tripFrom)
      if (this.#carries(at.tripFrom) && this.#follow(length, at.tripFrom)) {
        const price = at.price + this.#priceOf(last, stop.place)
        this.#note(set, price)
        this.#extend({ ...at, set, price })
      }
      if (length > 0 && length >= this.#locked.length && at.loads + 1 < type.maxTrips) {
        this.#tripFrom[length] = length
        if (this.#carries(length) && this.#follow(length, length)) {
          const price = at.price + this.#priceOf(last, type.start) + this.#priceOf(type.start, stop.place)
          this.#note(set, price)
          this.#extend({ set, price, loads: at.loads + 1, tripFrom: length })
        }
      }
      this.#order.pop()
      this.#tripFrom.pop()
    }
  }

  #carries(tripFrom: number): boolean {
    const { stops } = this.#problem
    return this.#type.capacity.every((capacity, dimension) => {
      let sum = 0
      for (let at = tripFrom; at < this.#order.length; at += 1) sum += stops[this.#order[at]!]!.demand[dimension]!
      return sum <= capacity
    })
  }

  readonly #priceOf = (from: number | null, to: number | null): number =>
    from === null || to === null ? 0 : this.#prices[from * this.#size + to]!
  readonly #wayOf = (from: number | null, to: number | null): number =>
    from === null || to === null ? 0 : this.#durations[from * this.#size + to]!
  readonly #placeAt = (at: number): number | null => (at < 0 ? this.#type.start : this.#problem.stops[this.#order[at]!]!.place)

  #released(tripFrom: number, upTo: number): number {
    let latest = 0
    for (let at = tripFrom; at <= upTo; at += 1) latest = Math.max(latest, this.#problem.stops[this.#order[at]!]!.release)
    return latest
  }

  /** The clock at the last stop of the order; false when it cannot be made in time. Its whole trip is followed anew where it makes the trip leave later. */
  #follow(last: number, tripFrom: number): boolean {
    const released = this.#released(tripFrom, last)
    const goesOn = last > tripFrom && released === this.#released(tripFrom, last - 1)
    if (goesOn) return this.#visit(last, this.#leaves[last - 1]!, this.#leaves[last]!)
    const [one, other] = [this.#leaves.at(-1)!, this.#leaves.at(-2)!]
    let from = one
    if (tripFrom === 0) this.#start(from, Math.max(this.#type.shiftOpens, released))
    else this.#load(this.#leaves[tripFrom - 1]!, from, { at: tripFrom, released })
    for (let at = tripFrom; at <= last; at += 1) {
      const into = at === last ? this.#leaves[last]! : from === one ? other : one
      if (!this.#visit(at, from, into, at === tripFrom)) return false
      from = into
    }
    return true
  }

  /** Who starts after a break's last moment needs it no more: each such start, too, and as many of those breaks passed over. */
  #start(times: Float64Array, soonest: number): void {
    const { breaks } = this.#type
    times.fill(Infinity)
    for (let nth = 0; nth < this.#starts; nth += 1) {
      const start = this.#startOf(nth, soonest)
      for (let taken = 0; taken < this.#states; taken += 1) {
        if (taken === 0 || breaks[taken - 1]!.latest < start) times[nth * this.#states + taken] = start
      }
    }
  }

  readonly #startOf = (nth: number, soonest: number): number =>
    nth === 0 ? soonest : Math.max(soonest, this.#type.breaks[nth - 1]!.latest + 1)

  #load(from: Float64Array, into: Float64Array, { at, released }: { at: number; released: number }): void {
    const { start, reloadDuration } = this.#type
    this.#drive(from, into, {
      way: this.#wayOf(this.#placeAt(at - 1), start),
      opens: released,
      closes: Infinity,
      takes: reloadDuration,
    })
  }

  #visit(at: number, from: Float64Array, into: Float64Array, fromDepot = false): boolean {
    const { place, opens, closes, service } = this.#problem.stops[this.#order[at]!]!
    return this.#drive(from, into, {
      way: this.#wayOf(fromDepot ? this.#type.start : this.#placeAt(at - 1), place),
      opens,
      closes,
      takes: service,
    })
  }

  /** One leg and what waits at its end, with every choice of breaks on the way. False when it is too late for all. */
  #drive(from: Float64Array, into: Float64Array, leg: { way: number; opens: number; closes: number; takes: number }): boolean {
    const { breaks, shiftCloses } = this.#type
    const states = this.#states
    let isAlive = false
    into.fill(Infinity)
    for (let base = 0; base < into.length; base += states) {
      for (let taken = 0; taken < states; taken += 1) {
        let leaves = from[base + taken]!
        if (leaves === Infinity) continue
        let arrives = leaves + leg.way
        for (let upTo = taken; upTo < states; upTo += 1) {
          if (upTo > taken) {
            const { earliest, latest, duration } = breaks[upTo - 1]!
            const begins = Math.max(leaves, earliest)
            if (begins > latest) break
            leaves = begins + duration
            arrives = Math.max(arrives, earliest) + duration
          }
          const begins = Math.max(arrives, leg.opens)
          if (begins > leg.closes || begins > shiftCloses) continue
          isAlive = true
          if (begins + leg.takes < into[base + upTo]!) into[base + upTo] = begins + leg.takes
        }
      }
    }
    return isAlive
  }

  /** Writes down what the order costs, when it can end here and no other order of these stops is cheaper. */
  #note(set: number, ways: number): void {
    const { fixedCost, costPerTravel, costPerDuration, end } = this.#type
    const last = this.#order.length - 1
    const price = fixedCost + costPerTravel * (ways + this.#priceOf(this.#placeAt(last), end))
    if (this.#order.length < this.#locked.length || price >= this.costs[set]!) return
    const released = this.#released(0, (this.#tripFrom.find((from) => from > 0) ?? this.#order.length) - 1)
    const soonest = Math.max(this.#type.shiftOpens, released)
    const endsAt = this.#end(last, soonest)
    if (endsAt === Infinity) return
    let duration = 0
    if (costPerDuration > 0) {
      // Who starts later never ends sooner: the latest start that still ends then is found by halving.
      let [low, high] = [soonest, endsAt]
      while (low < high) {
        const middle = Math.ceil((low + high) / 2)
        if (this.#endFrom(middle) === endsAt) low = middle
        else high = middle - 1
      }
      duration = endsAt - low
    }
    this.costs[set] = Math.min(this.costs[set]!, price + costPerDuration * duration)
  }

  #end(last: number, soonest: number): number {
    const { breaks, end, shiftCloses } = this.#type
    const into = this.#leaves.at(-1)!
    const way = this.#wayOf(this.#placeAt(last), end)
    if (!this.#drive(this.#leaves[last]!, into, { way, opens: 0, closes: shiftCloses, takes: 0 })) return Infinity
    let least = Infinity
    for (let nth = 0; nth < this.#starts; nth += 1) {
      const start = this.#startOf(nth, soonest)
      for (let taken = 0; taken < this.#states; taken += 1) {
        const clock = into[nth * this.#states + taken]!
        if (clock < least && breaks.slice(taken).every(({ latest }) => start > latest || clock <= latest)) least = clock
      }
    }
    return least
  }

  /** The soonest end of the same order for who starts at `soonest` or later. */
  #endFrom(soonest: number): number {
    const kept = this.#leaves.map((times) => times.slice())
    let from = new Float64Array(this.#starts * this.#states)
    this.#start(from, soonest)
    let isAlive = true
    for (const [at, tripFrom] of this.#tripFrom.entries()) {
      const loads = at > 0 && at === tripFrom
      if (loads) {
        const upTo = this.#tripFrom.lastIndexOf(tripFrom)
        const loaded = from.slice()
        this.#load(from, loaded, { at, released: this.#released(tripFrom, upTo) })
        from = loaded
      }
      const into = from.slice()
      isAlive &&= this.#visit(at, from, into, loads || at === 0)
      from = into
    }
    const last = this.#order.length - 1
    this.#leaves[last]!.set(from)
    const endsAt = isAlive ? this.#end(last, soonest) : Infinity
    for (const [at, times] of kept.entries()) this.#leaves[at]!.set(times)
    return endsAt
  }
}
