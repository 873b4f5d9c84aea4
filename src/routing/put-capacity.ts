import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import type { SkuType } from './assign.ts'
import { lockDays } from './routing-store.ts'

/** A delivery window of one zone on one local date. Times are the zone's local time, `HH:MM`. */
export interface PutSlot {
  readonly zoneCode: string
  readonly date: string
  readonly code: string
  readonly startsAt: string
  readonly endsAt: string
  /** How long before its start the slot closes for new waybills. */
  readonly cutOffMinutes: number
}

export interface PutVehicle {
  readonly code: string
  readonly type: SkuType
  readonly weightGrams: number
  readonly volumeMl: number
  readonly pieces: number
  /** Inactive trucks get no new routes; true unless told. */
  readonly active?: boolean
}

export interface PutQuota {
  readonly zoneCode: string
  readonly date: string
  readonly slotCode: string
  readonly skuType: SkuType
  readonly capacity: number
}

const unknownZone = (code: string) => refused('routing.unknown_zone', `there is no zone ${code}`, '/zoneCode')

/** False for 2026-02-31: the pattern of the schema cannot know, and a cast in SQL would fail the whole batch. */
function isDate(date: string): boolean {
  const at = new Date(`${date}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(date)
}

const resolveSlots = statement<{ position: number; zone_id: number | null; starts_at: Date; ends_at: Date }>(
  'routing.resolve_slots',
  `select asked.position::int, zone.id as zone_id, (asked.date || ' ' || asked.starts)::timestamp at time zone coalesce(zone.time_zone, 'UTC') as starts_at,
     (asked.date || ' ' || asked.ends)::timestamp at time zone coalesce(zone.time_zone, 'UTC') as ends_at
   from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as asked (zone_code, date, starts, ends, position)
   left join routing.zone on zone.code = asked.zone_code order by asked.position`,
)

const upsertSlots = statement<{ zone_id: number; date: string; code: string }>(
  'routing.upsert_slots',
  `with days as (insert into routing.delivery_day (date) select distinct unnest($2::text[]) on conflict do nothing)
   insert into routing.slot (zone_id, date, code, starts_at, ends_at, cut_off_at)
   select * from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
     as asked (zone_id, date, code, starts_at, ends_at, cut_off_at) order by zone_id, date, code
   on conflict (zone_id, date, code) do update set starts_at = excluded.starts_at, ends_at = excluded.ends_at, cut_off_at = excluded.cut_off_at
   where (slot.starts_at, slot.ends_at) = (excluded.starts_at, excluded.ends_at) or not exists (
     select from routing.route where route.date = slot.date and route.zone_id = slot.zone_id and route.slot_code = slot.code)
   returning zone_id, date, code`,
)

interface ResolvedSlot {
  readonly asked: PutSlot
  readonly zoneId: number
  readonly startsAt: Date
  readonly endsAt: Date
}

/** Makes slots or changes them. One that trucks already drive keeps its window; its cut-off may still move. */
export async function putSlots(context: WriteContext, commands: readonly PutSlot[]): Promise<Outcome<PutSlot>[]> {
  const readable = commands.filter((command) => isDate(command.date))
  if (readable.length > 0) {
    await lockDays(
      context,
      readable.map((command) => command.date),
      null,
    )
  }
  const resolved = await context.query(resolveSlots, [
    readable.map((command) => command.zoneCode),
    readable.map((command) => command.date),
    readable.map((command) => command.startsAt),
    readable.map((command) => command.endsAt),
  ])
  const rows = new Map(readable.map((command, index) => [command, resolved[index]]))
  const wanted = new Map<string, ResolvedSlot>()
  const judged = commands.map((asked): Outcome<string> => {
    const row = rows.get(asked)
    if (row === undefined) return refused('routing.no_such_date', `${asked.date} is in no calendar`, '/date')
    if (row.zone_id === null) return unknownZone(asked.zoneCode)
    if (row.ends_at <= row.starts_at)
      return refused('routing.bad_slot', `a slot ends after it starts: ${asked.startsAt} to ${asked.endsAt}`, '/endsAt')
    if (row.starts_at <= context.now)
      return refused('routing.slot_in_the_past', `slot ${asked.code} on ${asked.date} started at ${row.starts_at.toISOString()}`, '/date')
    const key = `${row.zone_id} ${asked.date} ${asked.code}`
    wanted.set(key, { asked, zoneId: row.zone_id, startsAt: row.starts_at, endsAt: row.ends_at })
    return accepted(key)
  })
  const slots = [...wanted.values()]
  const written =
    slots.length === 0
      ? []
      : await context.query(upsertSlots, [
          slots.map(({ zoneId }) => zoneId),
          slots.map(({ asked }) => asked.date),
          slots.map(({ asked }) => asked.code),
          slots.map(({ startsAt }) => startsAt),
          slots.map(({ endsAt }) => endsAt),
          slots.map(({ asked, startsAt }) => new Date(startsAt.getTime() - asked.cutOffMinutes * 60_000)),
        ])
  const done = new Set(written.map((row) => `${row.zone_id} ${row.date} ${row.code}`))
  return judged.map((outcome, index): Outcome<PutSlot> => {
    if (!outcome.ok) return outcome
    if (done.has(outcome.value)) return accepted(commands[index] as PutSlot)
    return refused('routing.slot_in_use', 'trucks have routes in this slot already; its window can no longer change', '/startsAt')
  })
}

const upsertVehicles = statement<{ id: number; code: string }>(
  'routing.upsert_vehicles',
  `insert into routing.vehicle (code, type, weight_grams, volume_ml, pieces, active)
   select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::int[], $6::boolean[])
     as asked (code, type, weight_grams, volume_ml, pieces, active) order by code
   on conflict (code) do update set type = excluded.type, weight_grams = excluded.weight_grams, volume_ml = excluded.volume_ml,
     pieces = excluded.pieces, active = excluded.active
   returning id, code`,
)

/** Makes trucks or changes them. Routes that are open keep the capacities that they were opened with. */
export async function putVehicles(
  context: WriteContext,
  commands: readonly PutVehicle[],
): Promise<Outcome<{ vehicleId: number; code: string }>[]> {
  const vehicles = [...new Map(commands.map((command) => [command.code, command])).values()]
  const rows = await context.query(upsertVehicles, [
    vehicles.map((vehicle) => vehicle.code),
    vehicles.map((vehicle) => vehicle.type),
    vehicles.map((vehicle) => vehicle.weightGrams),
    vehicles.map((vehicle) => vehicle.volumeMl),
    vehicles.map((vehicle) => vehicle.pieces),
    vehicles.map((vehicle) => vehicle.active ?? true),
  ])
  const ids = new Map(rows.map((row) => [row.code, row.id]))
  return commands.map(({ code }) => accepted({ vehicleId: ids.get(code) as number, code }))
}

const resolveQuotas = statement<{ position: number; zone_id: number | null; slot_code: string | null; used: number | null }>(
  'routing.resolve_quotas',
  `select asked.position::int, zone.id as zone_id, slot.code as slot_code, quota.used
   from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as asked (zone_code, date, slot_code, sku_type, position)
   left join routing.zone on zone.code = asked.zone_code
   left join routing.slot on slot.zone_id = zone.id and slot.date = asked.date and slot.code = asked.slot_code
   left join routing.quota on quota.zone_id = zone.id and quota.date = asked.date and quota.slot_code = asked.slot_code and quota.sku_type = asked.sku_type
   order by asked.position`,
)

const upsertQuotas = statement(
  'routing.upsert_quotas',
  `insert into routing.quota (zone_id, date, slot_code, sku_type, capacity)
   select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::int[]) as asked (zone_id, date, slot_code, sku_type, capacity)
   order by zone_id, date, slot_code, sku_type
   on conflict (zone_id, date, slot_code, sku_type) do update set capacity = excluded.capacity`,
)

/** Sets how many waybills of one SKU type a slot takes. It cannot go below what is taken already. Locks the days, in order of date. */
export async function putQuotas(context: WriteContext, commands: readonly PutQuota[]): Promise<Outcome<PutQuota>[]> {
  await lockDays(
    context,
    commands.map((command) => command.date),
    null,
  )
  const resolved = await context.query(resolveQuotas, [
    commands.map((command) => command.zoneCode),
    commands.map((command) => command.date),
    commands.map((command) => command.slotCode),
    commands.map((command) => command.skuType),
  ])
  const wanted = new Map<string, { asked: PutQuota; zoneId: number }>()
  const outcomes = commands.map((asked, index): Outcome<PutQuota> => {
    const row = resolved[index]
    if (row === undefined || row.zone_id === null) return unknownZone(asked.zoneCode)
    if (row.slot_code === null)
      return refused('routing.unknown_slot', `zone ${asked.zoneCode} has no slot ${asked.slotCode} on ${asked.date}`, '/slotCode')
    if ((row.used ?? 0) > asked.capacity)
      return refused(
        'routing.quota_below_use',
        `${row.used} places are taken already; the quota cannot be ${asked.capacity}`,
        '/capacity',
        { used: row.used },
      )
    wanted.set(`${row.zone_id} ${asked.date} ${asked.slotCode} ${asked.skuType}`, { asked, zoneId: row.zone_id })
    return accepted(asked)
  })
  const quotas = [...wanted.values()]
  if (quotas.length > 0) {
    await context.query(upsertQuotas, [
      quotas.map(({ zoneId }) => zoneId),
      quotas.map(({ asked }) => asked.date),
      quotas.map(({ asked }) => asked.slotCode),
      quotas.map(({ asked }) => asked.skuType),
      quotas.map(({ asked }) => asked.capacity),
    ])
  }
  return outcomes
}
