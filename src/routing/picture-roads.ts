import { type FleetFacts, slotKey } from './assign.ts'
import type { PathStop } from './path.ts'
import type { ZonePicture } from './plan-zone.ts'
import type { Roads, RoadTable } from './roads.ts'
import type { Point } from './travel.ts'

type Picture = Omit<ZonePicture, 'fleet' | 'effort'>

/**
 * Adds ways by road, a table for each slot that something is planned in: doors of those that ask for it or for any slot, of the routes that it has, and bases. One slot
 * after the other, so that a zone asks the service for one table at a time.
 */
export async function withRoads(picture: Picture, { vehicles }: FleetFacts, roads: Pick<Roads, 'tableOf'>): Promise<Picture> {
  const bases = [...vehicles.map(({ base }) => base), picture.ground.base].filter((base) => base !== null)
  const bySlot = new Map<string, RoadTable | string>()
  const waiting = picture.waybills.filter(({ routeId }) => routeId === null)
  for (const [cell] of Map.groupBy(picture.cells, slotKey).values()) {
    if (cell === undefined || cell.startsAt <= picture.now) continue
    const asking = waiting.filter(({ asked }) => asked === null || asked === cell.code).map(({ at }) => at)
    const routes = picture.routes.filter((route) => slotKey(route) === slotKey(cell) && route.open)
    const riding = routes.flatMap(({ path }): Point[] => JSON.parse(path) as PathStop[])
    if (asking.length + riding.length === 0) continue
    const own = routes.flatMap(({ vehicle: { base } }) => (base === null ? [] : [base]))
    bySlot.set(cell.code, await roads.tableOf([...asking, ...riding, ...near(bases, picture), ...own]))
  }
  return { ...picture, roads: bySlot }
}

/** A fleet may have depots that this zone's trucks never start from. */
function near(bases: readonly Point[], { ground }: Picture): Point[] {
  return bases.filter((base) => ground.base === null || (base.lat === ground.base.lat && base.lng === ground.base.lng))
}
