import type { Model } from './model.ts'

/**
 * For each stop, which others it is likely to be next to. Fixed width, nearest first; -1 where there are fewer.
 * `before[c * width + k]` are stops after which c may come, `after` those which may come after c: near by travel, and with little waiting between.
 * `around` are stops near by travel alone, either way: where a ruin spreads.
 */
export interface Neighbours {
  readonly width: number
  readonly before: Int32Array
  readonly after: Int32Array
  readonly aroundWidth: number
  readonly around: Int32Array
}

const mostBeside = 40
const mostAround = 100
/** Waiting is worth less than driving: at 0.2 a stop that waits 5 min is as far as one 1 min further away. */
const waitingWeight = 0.2

export function findNeighbours(model: Model): Neighbours {
  const { stops } = model
  const width = Math.min(mostBeside, Math.max(1, stops - 1))
  const aroundWidth = Math.min(mostAround, Math.max(1, stops))
  const before = new Int32Array(stops * width).fill(-1)
  const after = new Int32Array(stops * width).fill(-1)
  const around = new Int32Array(stops * aroundWidth).fill(-1)
  const keys = new Float64Array(stops)
  for (let c = 0; c < stops; c += 1) {
    besideKeys(model, c, keys, true)
    nearest(keys, before.subarray(c * width, (c + 1) * width))
    besideKeys(model, c, keys, false)
    nearest(keys, after.subarray(c * width, (c + 1) * width))
    aroundKeys(model, c, keys)
    nearest(keys, around.subarray(c * aroundWidth, (c + 1) * aroundWidth))
  }
  return { width, before, after, aroundWidth, around }
}

function besideKeys(model: Model, c: number, keys: Float64Array, isBefore: boolean): void {
  const { size, place, opens, closes, service, stops } = model
  const { costOut, costInto, timeOut, timeInto } = model.matrices[0]!
  const row = place[c]! * size
  const costs = isBefore ? costInto : costOut
  const times = isBefore ? timeInto : timeOut
  for (let other = 0; other < stops; other += 1) {
    const from = isBefore ? other : c
    const to = isBefore ? c : other
    const way = service[from]! + times[row + place[other]!]!
    const waits = opens[to]! - (closes[from]! + way)
    const late = opens[from]! + way > closes[to]!
    keys[other] = other === c || late ? Infinity : costs[row + place[other]!]! + (waits > 0 ? waitingWeight * waits : 0)
  }
}

function aroundKeys(model: Model, c: number, keys: Float64Array): void {
  const { size, place, stops } = model
  const { costOut, costInto } = model.matrices[0]!
  const row = place[c]! * size
  for (let other = 0; other < stops; other += 1) keys[other] = costOut[row + place[other]!]! + costInto[row + place[other]!]!
  keys[c] = -1
}

/** Writes the numbers of the smallest keys into `into`, smallest first; a heap of the chosen, as it is much shorter than the keys. */
function nearest(keys: Float64Array, into: Int32Array): void {
  const most = into.length
  let held = 0
  for (let n = 0; n < keys.length; n += 1) {
    const key = keys[n]!
    if (key === Infinity) continue
    if (held === most && key >= keys[into[0]!]!) continue
    if (held < most) {
      let child = held
      held += 1
      while (child > 0) {
        const parent = (child - 1) >> 1
        if (keys[into[parent]!]! >= key) break
        into[child] = into[parent]!
        child = parent
      }
      into[child] = n
    } else sink(keys, into, { held, with: n })
  }
  for (let end = held - 1; end > 0; end -= 1) {
    const last = into[end]!
    const top = into[0]!
    sink(keys, into, { held: end, with: last })
    into[end] = top
  }
}

function sink(keys: Float64Array, into: Int32Array, put: { held: number; with: number }): void {
  const key = keys[put.with]!
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= put.held) break
    if (child + 1 < put.held && keys[into[child + 1]!]! > keys[into[child]!]!) child += 1
    if (keys[into[child]!]! <= key) break
    into[at] = into[child]!
    at = child
  }
  into[at] = put.with
}
