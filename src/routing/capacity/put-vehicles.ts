import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { SkuType } from './goods.ts'

/** Where trucks start and end. */
export interface PutDepot {
  readonly code: string
  readonly name: string
  readonly timeZone: string
  readonly lat: number
  readonly lng: number
}

export interface PutVehicle {
  readonly code: string
  readonly type: SkuType
  readonly weightGrams: number
  readonly volumeMl: number
  readonly pieces: number
  /** Serves zones of this depot, and those that name none; absent: all zones. */
  readonly depotCode?: string
  /** Local times of the depot, `HH:MM`, both or none; an end before the start is on the next day. */
  readonly shiftStartsAt?: string
  readonly shiftEndsAt?: string
  /** What one trip and one kilometre cost, in any one unit; weighed against each other only. */
  readonly tripCost?: number
  readonly kmCost?: number
  /** Inactive trucks get no new routes; true unless told. */
  readonly active?: boolean
}

const upsertDepots = statement<{ id: number; code: string }>(
  'routing.upsert_depots',
  // Zones are kept in memory with their depots; raised, so that each process reads them anew.
  `with raised as (update routing.zone_set set version = version + 1)
   insert into routing.depot (code, name, time_zone, lat, lng)
   select * from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[]) as asked (code, name, time_zone, lat, lng) order by code
   on conflict (code) do update set name = excluded.name, time_zone = excluded.time_zone, lat = excluded.lat, lng = excluded.lng
   returning id, code`,
)

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

export async function putDepots(
  context: WriteContext,
  commands: readonly PutDepot[],
): Promise<Outcome<{ depotId: number; code: string }>[]> {
  const good = commands.filter(({ timeZone }) => isTimeZone(timeZone))
  const depots = [...new Map(good.map((command) => [command.code, command])).values()]
  const rows = await context.query(upsertDepots, [
    depots.map(({ code }) => code),
    depots.map(({ name }) => name),
    depots.map(({ timeZone }) => timeZone),
    depots.map(({ lat }) => lat),
    depots.map(({ lng }) => lng),
  ])
  const ids = new Map(rows.map((row) => [row.code, row.id]))
  const kept = new Set(good)
  return commands.map((command) =>
    kept.has(command)
      ? accepted({ depotId: ids.get(command.code) as number, code: command.code })
      : refused('routing.bad_depot', `${command.timeZone} is no IANA time zone`, '/timeZone'),
  )
}

const selectDepots = statement<{ id: number; code: string }>(
  'routing.depots_by_code',
  'select id, code from routing.depot where code = any($1::text[])',
)

export async function depotIdsOf(context: ReadContext, codes: readonly string[]): Promise<Map<string, number>> {
  if (codes.length === 0) return new Map()
  return new Map((await context.query(selectDepots, [[...new Set(codes)]])).map(({ id, code }) => [code, id]))
}

const upsertVehicles = statement<{ id: number; code: string }>(
  'routing.upsert_vehicles',
  `insert into routing.vehicle (code, type, weight_grams, volume_ml, pieces, depot_id, shift_starts_at, shift_ends_at, trip_cost, km_cost, active)
   select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::int[], $6::bigint[], $7::text[], $8::text[], $9::int[], $10::int[],
     $11::boolean[]) as asked (code, type, weight_grams, volume_ml, pieces, depot_id, shift_starts_at, shift_ends_at, trip_cost, km_cost, active)
   order by code
   on conflict (code) do update set type = excluded.type, weight_grams = excluded.weight_grams, volume_ml = excluded.volume_ml,
     pieces = excluded.pieces, depot_id = excluded.depot_id, shift_starts_at = excluded.shift_starts_at, shift_ends_at = excluded.shift_ends_at,
     trip_cost = excluded.trip_cost, km_cost = excluded.km_cost, active = excluded.active
   returning id, code`,
)

/** Makes trucks or changes them. Routes that are open keep the capacities that they were opened with. */
export async function putVehicles(
  context: WriteContext,
  commands: readonly PutVehicle[],
): Promise<Outcome<{ vehicleId: number; code: string }>[]> {
  const depotIds = await depotIdsOf(
    context,
    commands.flatMap(({ depotCode }) => (depotCode === undefined ? [] : [depotCode])),
  )
  const judged = commands.map((command): Outcome<PutVehicle> => {
    const { depotCode, shiftStartsAt, shiftEndsAt } = command
    if (depotCode !== undefined && !depotIds.has(depotCode))
      return refused('routing.unknown_depot', `there is no depot ${depotCode}`, '/depotCode')
    if ((shiftStartsAt === undefined) !== (shiftEndsAt === undefined))
      return refused(
        'routing.bad_shift',
        'a shift has a start and an end, or neither is given',
        shiftStartsAt === undefined ? '/shiftStartsAt' : '/shiftEndsAt',
      )
    if (shiftStartsAt !== undefined && shiftStartsAt === shiftEndsAt)
      return refused('routing.bad_shift', `a shift does not end when it starts: ${shiftStartsAt}`, '/shiftEndsAt')
    return accepted(command)
  })
  const good = judged.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
  const vehicles = [...new Map(good.map((command) => [command.code, command])).values()]
  const rows = await context.query(upsertVehicles, [
    vehicles.map((vehicle) => vehicle.code),
    vehicles.map((vehicle) => vehicle.type),
    vehicles.map((vehicle) => vehicle.weightGrams),
    vehicles.map((vehicle) => vehicle.volumeMl),
    vehicles.map((vehicle) => vehicle.pieces),
    vehicles.map((vehicle) => depotIds.get(vehicle.depotCode ?? '') ?? null),
    vehicles.map((vehicle) => vehicle.shiftStartsAt ?? null),
    vehicles.map((vehicle) => vehicle.shiftEndsAt ?? null),
    vehicles.map((vehicle) => vehicle.tripCost ?? 5000),
    vehicles.map((vehicle) => vehicle.kmCost ?? 60),
    vehicles.map((vehicle) => vehicle.active ?? true),
  ])
  const ids = new Map(rows.map((row) => [row.code, row.id]))
  return judged.map((outcome) =>
    outcome.ok ? accepted({ vehicleId: ids.get(outcome.value.code) as number, code: outcome.value.code }) : outcome,
  )
}
