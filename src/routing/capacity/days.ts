import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'

/** One zone on one of its local dates: the unit under whose lock quotas, holds and routes change. */
export interface ZoneDay {
  readonly zoneId: number
  readonly date: string
}

const lock = statement(
  'routing.lock_zone_days',
  `select 1 from routing.zone_day join unnest($1::bigint[], $2::text[]) as asked (zone_id, date) using (zone_id, date)
   order by date, zone_id for update of zone_day`,
)

/** Locks zone days in order of date and zone. Days that have no slot have no row, and nothing that could be sold. */
export async function lockZoneDays(context: WriteContext, days: readonly ZoneDay[]): Promise<void> {
  const each = [...new Map(days.map((day) => [`${day.zoneId} ${day.date}`, day])).values()]
  if (each.length === 0) return
  await context.query(lock, [each.map(({ zoneId }) => zoneId), each.map(({ date }) => date)])
}

/** False for 2026-02-31: the pattern of a schema cannot know, and a cast in SQL would fail the whole batch. */
export function isDate(date: string): boolean {
  const at = new Date(`${date}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(date)
}

const dayMs = 24 * 3600 * 1000
export const dateOf = (instant: number): string => new Date(instant).toISOString().slice(0, 10)
export const dateAfter = (from: string, days: number): string => dateOf(Date.parse(`${from}T00:00:00Z`) + days * dayMs)
/** Local dates that may be today somewhere, and those of the next `days`. A day early: in zones west of Greenwich it is still yesterday. */
export const datesAhead = (now: Date, days: number): string[] =>
  Array.from({ length: days + 2 }, (_, at) => dateOf(now.getTime() + (at - 1) * dayMs))

const selectZoneIds = statement<{ position: number; zone_id: number | null }>(
  'routing.zone_ids',
  `select asked.position::int, zone.id as zone_id from unnest($1::text[]) with ordinality as asked (code, position)
   left join routing.zone on zone.code = asked.code and zone.kind = 'zone' order by asked.position`,
)

/** Ids of delivery zones by code, null where there is none; as many as codes, in their order. */
export async function zoneIdsOf(context: ReadContext, codes: readonly string[]): Promise<(number | null)[]> {
  return (await context.query(selectZoneIds, [codes])).map((row) => row.zone_id)
}
