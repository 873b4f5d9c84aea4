import type { Neighbours } from './neighbours.ts'
import type { Random } from './random.ts'
import type { Routes } from './routes.ts'

const stopsOnAverage = 10
const longestString = 10
/** How often a string is taken with a gap in it, and how often the gap grows. */
const splitRate = 0.5
const gapGrowth = 0.01

/**
 * Takes strings of neighbouring stops out of routes that lie near each other (Christiaens and Vanden Berghe's slack induction by string removals):
 * the routes get room in the same place and at the same time, so that their stops can change over.
 */
export function ruin(routes: Routes, { neighbours, random }: { neighbours: Neighbours; random: Random }): void {
  const { stops, frozen } = routes.model
  const { around, aroundWidth } = neighbours
  const riding = stops - routes.absentCount
  if (riding === 0) return
  const longest = Math.min(longestString, Math.max(1, riding / routes.used))
  const mostStrings = (4 * stopsOnAverage) / (1 + longest) - 1
  const strings = Math.floor(1 + random.fraction() * mostStrings)
  const seed = random.below(stops)
  let ruined = 0
  for (let k = seed * aroundWidth, end = k + aroundWidth; k < end && ruined < strings; k += 1) {
    const c = around[k]!
    if (c === -1) break
    const vehicle = routes.vehicleOf[c]!
    if (vehicle === -1 || frozen[c] === 1 || routes.wasTouched(vehicle)) continue
    const most = Math.min(routes.count[vehicle]!, longest)
    removeString(routes, { c, length: Math.floor(1 + random.fraction() * most), random })
    ruined += 1
  }
  for (let nth = 0; nth < routes.touchedCount; nth += 1) {
    const vehicle = routes.touchedVehicle(nth)
    if (!routes.refresh(vehicle)) emptyRoute(routes, vehicle)
  }
}

interface Removal {
  readonly c: number
  readonly length: number
  readonly random: Random
}

function removeString(routes: Routes, { c, length, random }: Removal): void {
  const { stops, frozen } = routes.model
  const { next, prev } = routes
  const vehicle = routes.vehicleOf[c]!
  routes.touch(vehicle)
  let gap = 0
  if (length > 1 && random.fraction() < splitRate) {
    const most = routes.count[vehicle]! - length
    gap = Math.min(1, most)
    while (gap < most && random.fraction() < gapGrowth) gap += 1
  }
  const span = length + gap
  // How far the string can reach back and on from c: not over the ends, nor into what is locked.
  let back = 0
  let first = c
  while (back < span - 1 && prev[first]! < stops && frozen[prev[first]!] === 0) {
    first = prev[first]!
    back += 1
  }
  let on = 0
  for (let x = next[c]!; on < span - 1 && x < stops; x = next[x]!) on += 1
  const taken = Math.min(span, back + on + 1)
  const leastBack = Math.max(0, taken - 1 - on)
  const mostBack = Math.min(taken - 1, back)
  const reach = leastBack + random.below(mostBack - leastBack + 1)
  let x = c
  for (let n = 0; n < reach; n += 1) x = prev[x]!
  const gapFrom = gap > 0 && taken > gap ? random.below(taken - gap + 1) : taken
  for (let n = 0; n < taken; n += 1) {
    const following = next[x]!
    if (n < gapFrom || n >= gapFrom + gap) remove(routes, x)
    x = following
  }
}

function remove(routes: Routes, c: number): void {
  routes.unlink(c)
  routes.absent[routes.absentCount++] = c
}

/** Where ways over a third place are shorter than direct ones, less stops may take longer; then the whole route is laid anew. */
function emptyRoute(routes: Routes, vehicle: number): void {
  const { stops, frozen } = routes.model
  const end = stops + 2 * vehicle + 1
  for (let x = routes.prev[end]!; x < stops && frozen[x] === 0; x = routes.prev[end]!) remove(routes, x)
  routes.refresh(vehicle)
}
