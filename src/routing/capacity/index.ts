import type { ReadContext, WriteContext } from '#platform/database.ts'
import { openDays, type PutWeeklyQuota, type PutWeeklySlot, putWeeklyQuotas, putWeeklySlots } from './calendar.ts'
import { expireHolds, type HoldPlaces, holdPlaces, type KeepPlaces, keepPlaces, letGoPlaces } from './holds.ts'
import { type ImportZones, importZones } from './import-zones.ts'
import { capacityOperations, type Door, freeSlotsAt } from './operations.ts'
import { type PutQuota, putQuotas } from './put-quotas.ts'
import { type PutSlot, putSlots } from './put-slots.ts'
import { type PutDepot, putDepots, type PutVehicle, putVehicles } from './put-vehicles.ts'
import { type AvailabilityDemand, availabilityOf } from './availability.ts'
import { openZoneCache } from './zone-store.ts'

export { type AvailabilityDemand, type SlotAvailability, tellQuotas } from './availability.ts'
export { dateAfter, datesAhead, isDate, lockZoneDays, type ZoneDay } from './days.ts'
export { fitsType, type Load, type SkuType } from './goods.ts'
export type { HeldPlaces, HoldPlaces, KeepPlaces } from './holds.ts'
export type { ImportedZones, ImportZones } from './import-zones.ts'
export { type CityPlan, type MadeCity, madeCity } from './made-city.ts'
export type { PutQuota } from './put-quotas.ts'
export type { PutSlot } from './put-slots.ts'
export type { PutDepot, PutVehicle } from './put-vehicles.ts'
export type { PutWeeklyQuota, PutWeeklySlot } from './calendar.ts'
export { Code, exact, Id, LocalDate } from './schemas.ts'
export type { CurrentZones } from './zone-store.ts'
export type { Depot, Zone, ZoneMap } from './zones.ts'

/** How far ahead slots and quotas are made from the week of a zone. */
const daysOpen = 14

/** What can be sold and driven: zones, slots, quotas with their holds, depots and trucks. Every function takes any number of commands. */
export function openCapacity() {
  const zones = openZoneCache()
  return {
    zones,
    operations: capacityOperations(zones),
    importZones: (context: WriteContext, commands: readonly ImportZones[]) => importZones(context, commands),
    putSlots: (context: WriteContext, commands: readonly PutSlot[]) => putSlots(context, commands),
    putQuotas: (context: WriteContext, commands: readonly PutQuota[]) => putQuotas(context, commands),
    putWeeklySlots: (context: WriteContext, commands: readonly PutWeeklySlot[]) => putWeeklySlots(context, commands),
    putWeeklyQuotas: (context: WriteContext, commands: readonly PutWeeklyQuota[]) => putWeeklyQuotas(context, commands),
    putDepots: (context: WriteContext, commands: readonly PutDepot[]) => putDepots(context, commands),
    putVehicles: (context: WriteContext, commands: readonly PutVehicle[]) => putVehicles(context, commands),
    holdPlaces: (context: WriteContext, commands: readonly HoldPlaces[]) => holdPlaces(context, commands),
    keepPlaces: (context: WriteContext, commands: readonly KeepPlaces[]) => keepPlaces(context, commands),
    letGoPlaces: (context: WriteContext, commands: readonly { reference: string }[]) => letGoPlaces(context, commands),
    /** A round: ends holds whose time is over. */
    expireHolds: (context: WriteContext) => expireHolds(context),
    /** A round: makes the dates of the next two weeks from the weeks of zones. */
    openDays: (context: WriteContext) => openDays(context, { days: daysOpen }),
    /** Slots of the next week with a place left at each door. */
    freeSlotsAt: async (context: ReadContext, doors: readonly Door[]) => freeSlotsAt(context, await zones(context), doors),
    availability: (context: ReadContext, demands: readonly AvailabilityDemand[]) => availabilityOf(context, demands),
  }
}
