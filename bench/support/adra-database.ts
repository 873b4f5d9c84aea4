import type pg from 'pg'
import type { AssignWaybill, PutQuota, WrittenRoute } from '#routing'
import { verifyRoutes } from '#routing'
import type { Core } from '../../src/core.ts'
import type { AdraDay } from './adra-city.ts'

const live = { traffic: 'live', rehearsalId: null } as const

/** The region beside the made city, whose trucks stay at home; its waybills wait for a run. */
export async function settleAdra(core: Core, admin: pg.Client, day: AdraDay): Promise<number> {
  await admin.query('update routing.vehicle set active = false')
  const { routing } = core
  const write = core.databases.of('routing').write
  await write(live, (context) => routing.putDepots(context, day.depots))
  await write(live, (context) => routing.importZones(context, [{ features: day.features }]))
  await write(live, (context) => routing.putSlots(context, day.slots))
  await write(live, (context) => routing.putQuotas(context, day.quotas as PutQuota[]))
  await write(live, (context) => routing.putVehicles(context, day.vehicles))
  let waiting = 0
  for (let zone = 0; zone < day.features.length; zone += 1) {
    const all: AssignWaybill[] = day.waybillsOf(zone)
    for (let from = 0; from < all.length; from += 1000) {
      const outcomes = await write(live, (context) => routing.assignWaybills(context, all.slice(from, from + 1000)))
      waiting += outcomes.filter((outcome) => outcome.ok && outcome.value.state === 'waiting').length
    }
  }
  return waiting
}

interface RouteRow {
  id: string
  type: 'dry' | 'frozen' | 'mixed'
  vehicle_id: string
  weight: string
  volume: string
  pieces: number
  lat: number
  lng: number
  leaves: string
  returns: string
  opens: string
  closes: string
  path: WrittenRoute['path']
}

/** Reads all routes of the day back and has them judged by the independent checker. */
export async function verifyDay(admin: pg.Client, day: AdraDay): Promise<{ routes: number; assigned: number; broken: string[] }> {
  const { rows } = await admin.query<RouteRow>(
    `select route.id, vehicle.type, vehicle.id as vehicle_id, route.weight_capacity_grams as weight, route.volume_capacity_ml as volume, route.pieces_capacity as pieces,
       depot.lat, depot.lng, extract(epoch from leaves_at) as leaves, extract(epoch from returns_at) as returns, extract(epoch from starts_at) as opens,
       extract(epoch from ends_at) as closes, path
     from routing.route join routing.vehicle on vehicle.id = route.vehicle_id join routing.depot on depot.id = vehicle.depot_id where leaves_at is not null`,
  )
  const facts = new Map(day.features.flatMap((_, zone) => day.waybillsOf(zone).map((waybill) => [waybill.waybillId, waybill] as const)))
  const routes = rows.map(
    (row): WrittenRoute => ({
      name: `route ${row.id}`,
      truck: {
        type: row.type,
        vehicleId: Number(row.vehicle_id),
        weightGrams: Number(row.weight),
        volumeMl: Number(row.volume),
        pieces: row.pieces,
      },
      base: { lat: row.lat, lng: row.lng },
      times: { from: Number(row.leaves), to: Number(row.returns) },
      slot: { opens: Number(row.opens), closes: Number(row.closes) },
      path: row.path,
    }),
  )
  const assigned = routes.reduce((sum, { path }) => sum + path.reduce((all, stop) => all + stop.waybills.length, 0), 0)
  return { routes: routes.length, assigned, broken: verifyRoutes(routes, facts) }
}
