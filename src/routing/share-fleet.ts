import type { SkuType } from './capacity/index.ts'
import type { Vehicle } from './fleet.ts'

export interface ZoneDemand {
  readonly zoneId: number
  readonly depotId: number | null
  /** Waybills of each kind that want a place. */
  readonly waybills: Readonly<Record<SkuType, number>>
}

/** A mixed truck also takes what the others have no room for: so much of their demand counts for it. */
const overflow = 0.2

/**
 * Gives each zone trucks of its own for a run, so that zones can be planned apart: each truck to the zone with the most waybills for each truck it has.
 * A zone that then lacks some is planned again with all that are left.
 */
export function shareFleet(vehicles: readonly Vehicle[], zones: readonly ZoneDemand[]): Map<number, Vehicle[]> {
  const shares = new Map<number, Vehicle[]>(zones.map(({ zoneId }) => [zoneId, []]))
  const wants = (type: SkuType, { waybills: { dry, frozen, mixed } }: ZoneDemand): number =>
    type === 'mixed' ? mixed + overflow * (dry + frozen) : type === 'dry' ? dry : frozen
  const counts = new Map<string, number>()
  for (const vehicle of vehicles.toSorted((a, b) => a.tripCost - b.tripCost || a.vehicleId - b.vehicleId)) {
    const { type, depotId } = vehicle
    let best: { zone: ZoneDemand; pull: number } | undefined
    for (const zone of zones) {
      if (depotId !== null && zone.depotId !== null && zone.depotId !== depotId) continue
      const pull = wants(type, zone) / (1 + (counts.get(`${zone.zoneId} ${type}`) ?? 0))
      if (best === undefined || pull > best.pull) best = { zone, pull }
    }
    if (best === undefined || best.pull === 0) continue
    const key = `${best.zone.zoneId} ${type}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
    shares.get(best.zone.zoneId)?.push(vehicle)
  }
  return shares
}
