import type { Insertion } from './insertion.ts'
import type { Model } from './model.ts'
import type { Random } from './random.ts'
import type { Routes } from './routes.ts'

/** With many stops left out, only some of them are tried again each time. */
const mostTried = 30

type Order = (model: Model, c: number) => number

const depotOf = ({ place, stops }: Model): number => place[stops]!
const toDepot: Order = (model, c) => model.matrices[0]!.costOut[model.place[c]! * model.size + depotOf(model)]!

/** Which stops go in first, and how often each order is used: a random one, large loads, far ones, near ones, narrow, early and late windows. */
const orders: readonly { readonly weight: number; readonly key: Order | null }[] = [
  { weight: 4, key: null },
  { weight: 4, key: (model, c) => -model.demand[c * model.dimensions]! },
  { weight: 2, key: (model, c) => -toDepot(model, c) },
  { weight: 1, key: toDepot },
  { weight: 2, key: (model, c) => model.closes[c]! - model.opens[c]! },
  { weight: 2, key: (model, c) => model.opens[c]! },
  { weight: 2, key: (model, c) => -model.closes[c]! },
]
const weights = orders.reduce((sum, { weight }) => sum + weight, 0)

export class Recreate {
  readonly #keys: (Float64Array | null)[]
  readonly #queue: Int32Array
  readonly #drawn: Float64Array
  readonly #routes: Routes
  readonly #insertion: Insertion
  readonly #random: Random

  constructor(routes: Routes, insertion: Insertion, random: Random) {
    const { model } = routes
    this.#routes = routes
    this.#insertion = insertion
    this.#random = random
    this.#queue = new Int32Array(model.stops)
    this.#drawn = new Float64Array(model.stops)
    this.#keys = orders.map(({ key }) => (key === null ? null : Float64Array.from({ length: model.stops }, (_, c) => key(model, c))))
  }

  /** Puts absent stops in, each at its cheapest place; `all` of them or as many as one attempt bears. */
  run(all = false): void {
    const routes = this.#routes
    const random = this.#random
    const queue = this.#queue
    const { absent, absentCount } = routes
    let length = absentCount
    if (!all && absentCount > mostTried) {
      // Those that this attempt took out stand at the end and are always tried.
      length = 0
      for (let n = absentCount - 1; n >= 0; n -= 1) {
        if (length < mostTried) queue[length++] = absent[n]!
        else if (random.below(n + 1) < 4) queue[length++] = absent[n]!
      }
    } else for (let n = 0; n < absentCount; n += 1) queue[n] = absent[n]!
    this.#sort(length)
    for (let n = 0; n < length; n += 1) {
      const c = queue[n]!
      if (this.#insertion.find(c)) this.#insertion.put(c)
    }
    routes.forgetAbsent()
  }

  #sort(length: number): void {
    const queue = this.#queue
    const keys = this.#drawOrder(length)
    if (length > 60) {
      queue.set(queue.subarray(0, length).toSorted((a, b) => keys[a]! - keys[b]!))
      return
    }
    for (let n = 1; n < length; n += 1) {
      const c = queue[n]!
      const key = keys[c]!
      let at = n - 1
      while (at >= 0 && keys[queue[at]!]! > key) {
        queue[at + 1] = queue[at]!
        at -= 1
      }
      queue[at + 1] = c
    }
  }

  #drawOrder(length: number): Float64Array {
    let draw = this.#random.below(weights)
    let nth = 0
    while (draw >= orders[nth]!.weight) draw -= orders[nth++]!.weight
    const keys = this.#keys[nth]!
    if (keys !== null) return keys
    for (let n = 0; n < length; n += 1) this.#drawn[this.#queue[n]!] = this.#random.fraction()
    return this.#drawn
  }
}
