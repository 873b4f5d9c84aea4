import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { tellDays } from './availability.ts'
import { isDate, lockZoneDays } from './days.ts'

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

export const unknownZone = (code: string) => refused('routing.unknown_zone', `there is no zone ${code}`, '/zoneCode')

const resolveSlots = statement<{ position: number; zone_id: number | null; starts_at: Date; ends_at: Date }>(
  'routing.resolve_slots',
  `select asked.position::int, zone.id as zone_id, (asked.date || ' ' || asked.starts)::timestamp at time zone coalesce(zone.time_zone, 'UTC') as starts_at,
     (asked.date || ' ' || asked.ends)::timestamp at time zone coalesce(zone.time_zone, 'UTC') as ends_at
   from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as asked (zone_code, date, starts, ends, position)
   left join routing.zone on zone.code = asked.zone_code and zone.kind = 'zone' order by asked.position`,
)

const upsertSlots = statement<{ zone_id: number; date: string; code: string }>(
  'routing.upsert_slots',
  `with days as (insert into routing.zone_day (zone_id, date) select distinct * from unnest($1::bigint[], $2::text[]) on conflict do nothing)
   insert into routing.slot (zone_id, date, code, starts_at, ends_at, cut_off_at)
   select * from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
     as asked (zone_id, date, code, starts_at, ends_at, cut_off_at) order by zone_id, date, code
   on conflict (zone_id, date, code) do update set starts_at = excluded.starts_at, ends_at = excluded.ends_at, cut_off_at = excluded.cut_off_at, by_rule = false
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
  const days = slots.map(({ zoneId, asked }) => ({ zoneId, date: asked.date }))
  await lockZoneDays(context, days)
  const written =
    slots.length === 0
      ? Promise.resolve([])
      : context.query(upsertSlots, [
          slots.map(({ zoneId }) => zoneId),
          slots.map(({ asked }) => asked.date),
          slots.map(({ asked }) => asked.code),
          slots.map(({ startsAt }) => startsAt),
          slots.map(({ endsAt }) => endsAt),
          slots.map(({ asked, startsAt }) => new Date(startsAt.getTime() - asked.cutOffMinutes * 60_000)),
        ])
  const [upserted] = await Promise.all([written, tellDays(context, days)])
  const done = new Set(upserted.map((row) => `${row.zone_id} ${row.date} ${row.code}`))
  return judged.map((outcome, index): Outcome<PutSlot> => {
    if (!outcome.ok) return outcome
    if (done.has(outcome.value)) return accepted(commands[index] as PutSlot)
    return refused('routing.slot_in_use', 'trucks have routes in this slot already; its window can no longer change', '/startsAt')
  })
}
