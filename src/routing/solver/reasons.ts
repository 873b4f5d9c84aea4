import type { Routes } from './routes.ts'

/** Why a vehicle does not carry a stop, and by how much: the smallest miss there is. */
export type UnassignedReason =
  | { readonly vehicle: number; readonly kind: 'skills'; readonly missing: number }
  | { readonly vehicle: number; readonly kind: 'on_other_vehicle'; readonly only: number }
  | { readonly vehicle: number; readonly kind: 'capacity'; readonly dimension: number; readonly over: number }
  | { readonly vehicle: number; readonly kind: 'late'; readonly stop: number; readonly by: number }
  /** It would be back only after its shift. */
  | { readonly vehicle: number; readonly kind: 'shift'; readonly by: number }
  /** It fits alone, and is left out because carrying it costs more than leaving it out. */
  | { readonly vehicle: number; readonly kind: 'too_dear'; readonly by: number }
  /** Loads, windows and shift allow it somewhere, but not together with breaks, releases or trips. */
  | { readonly vehicle: number; readonly kind: 'breaks_or_trips' }

const mostReasons = 3

/** Looks at each vehicle (of those that stand still, one of each type) and gives the closest misses. */
export function reasonsFor(routes: Routes, c: number): UnassignedReason[] {
  const { vehicles, typeOf } = routes.model
  const emptySeen = new Set<number>()
  const found: { share: number; reason: UnassignedReason }[] = []
  for (let v = 0; v < vehicles; v += 1) {
    if (routes.count[v] === 0 && routes.model.onVehicle[c] !== v) {
      if (emptySeen.has(typeOf[v]!)) continue
      emptySeen.add(typeOf[v]!)
    }
    found.push(missOf(routes, c, v))
  }
  const ordered = found.toSorted((a, b) => a.share - b.share || a.reason.vehicle - b.reason.vehicle)
  return ordered.slice(0, mostReasons).map(({ reason }) => reason)
}

/** `share` orders misses of all kinds: over by a part of the capacity, late by a part of ten hours; what no room could heal comes last. */
function missOf(routes: Routes, c: number, vehicle: number): { share: number; reason: UnassignedReason } {
  const { skills, vehicleSkills, onVehicle, dimensions, demand, capacity, types } = routes.model
  const only = onVehicle[c]!
  if (only !== -1 && only !== vehicle) return { share: 1e9, reason: { vehicle, kind: 'on_other_vehicle', only } }
  const missing = skills[c]! & ~vehicleSkills[vehicle]!
  if (missing !== 0) return { share: 1e8, reason: { vehicle, kind: 'skills', missing } }
  let worst: { share: number; reason: UnassignedReason } | undefined
  for (let d = 0; d < dimensions; d += 1) {
    const room = capacity[vehicle * dimensions + d]! * types[vehicle]!.maxTrips
    const over = routes.load[vehicle * dimensions + d]! + demand[c * dimensions + d]! - room
    const share = over / Math.max(1, room)
    if (over > 0 && share > (worst?.share ?? 0)) worst = { share, reason: { vehicle, kind: 'capacity', dimension: d, over } }
  }
  return worst ?? missByTime(routes, c, vehicle)
}

const tenHours = 36_000

function missByTime(routes: Routes, c: number, vehicle: number): { share: number; reason: UnassignedReason } {
  const { types, stops, unassignedCost } = routes.model
  const length = routes.write(vehicle)
  const route = [...routes.walk.stops.subarray(0, length)]
  const trips = [...routes.walk.loads.subarray(0, length)]
  const before = length === 0 ? 0 : routes.walk.cost(vehicle, length)
  let least: UnassignedReason | undefined
  let leastBy = Infinity
  for (let at = 0; at <= length; at += 1) {
    if (at < length && routes.model.frozen[route[at]!] === 1) continue
    routes.walk.stops.set([...route.slice(0, at), c, ...route.slice(at)])
    routes.walk.loads.set([...trips.slice(0, at), 0, ...trips.slice(at)])
    const cost = routes.walk.cost(vehicle, length + 1)
    if (cost < Infinity) {
      const by = cost - before - unassignedCost[c]!
      if (least?.kind !== 'too_dear' || by < leastBy) [least, leastBy] = [{ vehicle, kind: 'too_dear', by: Math.max(0, by) }, by]
      continue
    }
    if (least?.kind === 'too_dear') continue
    const miss = lateness(routes, vehicle, length + 1)
    if (miss.by >= leastBy) continue
    leastBy = miss.by
    if (miss.by === 0) least = { vehicle, kind: 'breaks_or_trips' }
    else if (miss.stop < stops) least = { vehicle, kind: 'late', stop: miss.stop, by: miss.by }
    else least = { vehicle, kind: 'shift', by: miss.by }
  }
  const reason = least ?? { vehicle, kind: 'breaks_or_trips' }
  const share = reason.kind === 'too_dear' ? 0 : leastBy / Math.max(tenHours, types[vehicle]!.shiftCloses / 1e6)
  return { share, reason }
}

/** By how much the route that stands in the walk misses its windows where it misses most, going on as if it were let in. */
function lateness(routes: Routes, vehicle: number, length: number): { stop: number; by: number } {
  const { place, size, opens, closes, service, release, matrices, types, stops: n } = routes.model
  const type = types[vehicle]!
  const { timeOut } = matrices[type.profile]!
  const { stops, loads } = routes.walk
  const depot = place[n + 2 * vehicle]!
  let clock = type.shiftOpens
  let from = depot
  let worst = { stop: n, by: 0 }
  for (let at = 0; at < length; at += 1) if (loads[at] === 0) clock = Math.max(clock, release[stops[at]!]!)
  for (let at = 0; at < length; at += 1) {
    const stop = stops[at]!
    if (at > 0 && loads[at] === 1) {
      clock += timeOut[from * size + depot]! + type.reloadDuration
      from = depot
    }
    clock = Math.max(clock + timeOut[from * size + place[stop]!]!, opens[stop]!)
    if (clock - closes[stop]! > worst.by) worst = { stop, by: clock - closes[stop]! }
    clock += service[stop]!
    from = place[stop]!
  }
  const back = clock + timeOut[from * size + place[n + 2 * vehicle + 1]!]! - type.shiftCloses
  return back > worst.by ? { stop: n, by: back } : worst
}
