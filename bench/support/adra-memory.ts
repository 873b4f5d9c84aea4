import { type DayToPlan, openPlanWorkers, planDay, type SlotPlan, verifyRoutes, type WrittenRoute, type ZonePicture } from '#routing'
import type { AdraDay } from './adra-city.ts'

export interface MemoryDay {
  readonly seconds: number
  readonly assigned: number
  readonly unassigned: number
  readonly routes: number
  readonly cost: number
  /** What the independent checker found. */
  readonly broken: readonly string[]
  readonly overQuota: number
}

/** The day without a database: pictures are made as a worker is near, plans are checked when all is planned. */
export async function planInMemory(
  day: AdraDay,
  { attemptsPerDoor, workers: threads, now }: { attemptsPerDoor: number; workers: number; now: Date },
): Promise<MemoryDay> {
  const depots = new Map(day.depots.map((depot, at) => [depot.code, { depotId: at + 1, lat: depot.lat, lng: depot.lng }]))
  const vehicles = day.vehicles.map((vehicle, at) => {
    const depot = depots.get(vehicle.depotCode ?? '')
    const { code, type, weightGrams, volumeMl, pieces, tripCost = 0, kmCost = 0 } = vehicle
    const base = depot === undefined ? null : { lat: depot.lat, lng: depot.lng }
    return {
      vehicleId: at + 1,
      code,
      type,
      weightGrams,
      volumeMl,
      pieces,
      tripCost,
      kmCost,
      depotId: depot?.depotId ?? null,
      base,
      shifts: null,
    }
  })
  const features = day.features as { properties: { code: string; depot: string }; geometry: { coordinates: [[number, number][]] } }[]
  const date = day.slots[0]?.date ?? ''
  const slotsOf = Map.groupBy(day.slots, ({ zoneCode }) => zoneCode)
  const quotaOf = new Map(
    day.quotas.map((quota, at) => [
      `${quota.zoneCode} ${quota.slotCode} ${quota.skuType}`,
      { quotaId: at + 1, capacity: quota.capacity, used: 0 },
    ]),
  )
  const groundOf = (zone: number) => {
    const { properties, geometry } = features[zone] as (typeof features)[number]
    const [west, south] = geometry.coordinates[0][0] as [number, number]
    const depot = depots.get(properties.depot)
    return {
      base: depot === undefined ? null : { lat: depot.lat, lng: depot.lng },
      centre: { lat: south + 0.02, lng: west + 0.03 },
      depotId: depot?.depotId ?? null,
    }
  }
  const instant = (time: string) => new Date(`${date}T${time}:00Z`)
  const pictureOf = async (zoneId: number): Promise<Omit<ZonePicture, 'fleet' | 'effort'>> => {
    const zoneCode = features[zoneId - 1]?.properties.code ?? ''
    const cells = (slotsOf.get(zoneCode) ?? []).flatMap(({ code, startsAt, endsAt }) =>
      (['dry', 'frozen', 'mixed'] as const).map((skuType) => ({
        zoneId,
        date,
        code,
        skuType,
        startsAt: instant(startsAt),
        endsAt: instant(endsAt),
        cutOffAt: instant(startsAt),
        quota: quotaOf.get(`${zoneCode} ${code} ${skuType}`) ?? null,
      })),
    )
    const waybills = day
      .waybillsOf(zoneId - 1)
      .map(({ waybillId, orderId, skuType, weightGrams, volumeMl, pieces, destination, slot }) => ({
        waybillId,
        attempt: 1,
        orderId,
        skuType,
        weightGrams,
        volumeMl,
        pieces,
        routeId: null,
        pinned: false,
        at: { lat: destination.lat ?? 0, lng: destination.lng ?? 0 },
        asked: slot?.code ?? null,
      }))
    return { zoneId, zoneCode, ground: groundOf(zoneId - 1), date, now, cells, waybills, routes: [], held: [] }
  }
  const zones: DayToPlan['zones'] = features.map((_, zone) => {
    const counts = { dry: 0, frozen: 0, mixed: 0 }
    for (const { skuType } of day.waybillsOf(zone)) counts[skuType] += 1
    return { zoneId: zone + 1, depotId: groundOf(zone).depotId, waybills: counts }
  })
  const plans: SlotPlan[] = []
  const workers = openPlanWorkers(threads)
  const started = performance.now()
  await planDay({
    zones,
    workers,
    pictureOf,
    fleet: { vehicles, busy: [], limits: new Map() },
    effort: { seed: 1, attemptsPerDoor, moveCost: 300 },
    async finished(_, some) {
      plans.push(...some)
    },
  })
  const seconds = (performance.now() - started) / 1000
  await workers.close()
  const facts = new Map(features.flatMap((_, zone) => day.waybillsOf(zone).map((waybill) => [waybill.waybillId, waybill] as const)))
  const written = plans.flatMap(({ zoneId, code, routes }): WrittenRoute[] => {
    const slot = day.slots.find((one) => one.zoneCode === features[zoneId - 1]?.properties.code && one.code === code)
    const window = { opens: instant(slot?.startsAt ?? '').getTime() / 1000, closes: instant(slot?.endsAt ?? '').getTime() / 1000 }
    return routes.map(({ vehicleId, vehicleCode, times, path }) => {
      const truck = vehicles[vehicleId - 1] as (typeof vehicles)[number]
      return { name: `${zoneId} ${code} ${vehicleCode}`, truck, base: truck.base ?? groundOf(zoneId - 1).base, times, slot: window, path }
    })
  })
  const sold = new Map<number, number>()
  for (const { quotaId, waybillIds } of plans.flatMap(({ placed }) => placed))
    sold.set(quotaId, (sold.get(quotaId) ?? 0) + waybillIds.length)
  const capacities = new Map([...quotaOf.values()].map(({ quotaId, capacity }) => [quotaId, capacity]))
  return {
    seconds,
    assigned: written.reduce((sum, { path }) => sum + path.reduce((all, stop) => all + stop.waybills.length, 0), 0),
    unassigned: plans.reduce((sum, { refused }) => sum + refused.length, 0),
    routes: written.length,
    cost: plans.reduce((sum, { costAfter }) => sum + costAfter, 0),
    broken: verifyRoutes(written, facts),
    overQuota: [...sold].filter(([quotaId, count]) => count > (capacities.get(quotaId) ?? 0)).length,
  }
}
