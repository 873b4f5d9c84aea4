import type { FleetFacts } from './assign.ts'
import type { PlanWorkers } from './plan-workers.ts'
import type { SlotPlan, ZonePicture } from './plan-zone.ts'
import { shareFleet, type ZoneDemand } from './share-fleet.ts'
import type { Effort } from './solve-slot.ts'

export interface DayToPlan {
  readonly zones: readonly ZoneDemand[]
  readonly fleet: FleetFacts
  readonly effort: Effort
  readonly workers: PlanWorkers
  /** Asked for when a worker is near, so that a day of pictures need not lie in memory. */
  readonly pictureOf: (zoneId: number) => Promise<Omit<ZonePicture, 'fleet' | 'effort'>>
  readonly finished: (zoneId: number, plans: SlotPlan[]) => Promise<void>
}

const lacksTrucks = (plans: readonly SlotPlan[]) => plans.some(({ refused }) => refused.some(({ code }) => code === 'no_vehicle'))

/** Plans zones apart from each other, each with trucks of its own; those that lack some are planned again, one after the other, with all that are left. */
export async function planDay({ zones, fleet, effort, workers, pictureOf, finished }: DayToPlan): Promise<void> {
  const shares = shareFleet(fleet.vehicles, zones)
  const trips = new Map<number, { vehicleId: number; from: number; to: number }[]>()
  const plan = async (zoneId: number, facts: Partial<FleetFacts>): Promise<SlotPlan[]> => {
    const plans = await workers.plan({ ...(await pictureOf(zoneId)), effort, fleet: { ...fleet, ...facts } })
    trips.set(
      zoneId,
      plans.flatMap(({ routes }) => routes.flatMap(({ vehicleId, times, path }) => (path.length === 0 ? [] : [{ vehicleId, ...times }]))),
    )
    return plans
  }
  const short: number[] = []
  // One more than there are workers: while some plan, another one is read or written.
  await inTurn(zones, workers.count + 1, async ({ zoneId }) => {
    const plans = await plan(zoneId, { vehicles: shares.get(zoneId) ?? [] })
    if (lacksTrucks(plans)) short.push(zoneId)
    else await finished(zoneId, plans)
  })
  for (const zoneId of short.toSorted((a, b) => a - b)) {
    const taken = [...trips].flatMap(([other, out]) => (other === zoneId ? [] : out))
    await finished(zoneId, await plan(zoneId, { busy: [...fleet.busy, ...taken] }))
  }
}

/** Works through a list, so many at once. */
async function inTurn<T>(list: readonly T[], atOnce: number, work: (one: T) => Promise<void>): Promise<void> {
  const waiting = list.values()
  const worker = async (): Promise<void> => {
    for (const one of waiting) await work(one)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
