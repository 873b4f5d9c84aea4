import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { tellDays } from './availability.ts'
import { datesAhead, lockZoneDays, zoneIdsOf } from './days.ts'
import type { SkuType } from './goods.ts'
import { learnFromHistory, whySo } from './overbook.ts'
import { unknownZone } from './put-slots.ts'

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof weekdays)[number]

/** A delivery window that a zone has on each such weekday. Times are the zone's local time, `HH:MM`. */
export interface PutWeeklySlot {
  readonly zoneCode: string
  readonly weekday: Weekday
  readonly code: string
  readonly startsAt: string
  readonly endsAt: string
  readonly cutOffMinutes: number
}

export interface PutWeeklyQuota {
  readonly zoneCode: string
  readonly weekday: Weekday
  readonly slotCode: string
  readonly skuType: SkuType
  readonly capacity: number
  /** Most trucks of this type that may drive in the slot; absent: as many as there are. */
  readonly trucks?: number
  /** Places are planned as trucks times so many stops, and `capacity` is only their bound. */
  readonly stopsPerTruck?: number
  /** How many percent of the plan may be sold at most, by what was learned of places that were lost; absent or 100: the plan and no more. */
  readonly overbookMostPercent?: number
}

const dayNumber = (weekday: Weekday) => weekdays.indexOf(weekday) + 1

const upsertSlotRules = statement(
  'routing.upsert_slot_rules',
  `insert into routing.slot_rule (zone_id, weekday, code, starts_at, ends_at, cut_off_minutes)
   select * from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[], $6::int[])
     as asked (zone_id, weekday, code, starts_at, ends_at, cut_off_minutes) order by zone_id, weekday, code
   on conflict (zone_id, weekday, code) do update set starts_at = excluded.starts_at, ends_at = excluded.ends_at,
     cut_off_minutes = excluded.cut_off_minutes`,
)

/** Says what a week looks like; `openDays` makes the dates of it. */
export async function putWeeklySlots(context: WriteContext, commands: readonly PutWeeklySlot[]): Promise<Outcome<PutWeeklySlot>[]> {
  const zoneIds = await zoneIdsOf(
    context,
    commands.map(({ zoneCode }) => zoneCode),
  )
  const wanted = new Map<string, { asked: PutWeeklySlot; zoneId: number }>()
  const outcomes = commands.map((asked, index): Outcome<PutWeeklySlot> => {
    const zoneId = zoneIds[index] ?? null
    if (zoneId === null) return unknownZone(asked.zoneCode)
    if (asked.endsAt <= asked.startsAt)
      return refused('routing.bad_slot', `a slot ends after it starts: ${asked.startsAt} to ${asked.endsAt}`, '/endsAt')
    wanted.set(`${zoneId} ${asked.weekday} ${asked.code}`, { asked, zoneId })
    return accepted(asked)
  })
  const rules = [...wanted.values()]
  await context.query(upsertSlotRules, [
    rules.map(({ zoneId }) => zoneId),
    rules.map(({ asked }) => dayNumber(asked.weekday)),
    rules.map(({ asked }) => asked.code),
    rules.map(({ asked }) => asked.startsAt),
    rules.map(({ asked }) => asked.endsAt),
    rules.map(({ asked }) => asked.cutOffMinutes),
  ])
  return outcomes
}

const resolveRules = statement<{ position: number; zone_id: number | null; known: boolean }>(
  'routing.resolve_quota_rules',
  `select asked.position::int, zone.id as zone_id, slot_rule.code is not null as known
   from unnest($1::text[], $2::int[], $3::text[]) with ordinality as asked (zone_code, weekday, slot_code, position)
   left join routing.zone on zone.code = asked.zone_code and zone.kind = 'zone'
   left join routing.slot_rule on slot_rule.zone_id = zone.id and slot_rule.weekday = asked.weekday and slot_rule.code = asked.slot_code
   order by asked.position`,
)

const upsertQuotaRules = statement(
  'routing.upsert_quota_rules',
  `insert into routing.quota_rule (zone_id, weekday, slot_code, sku_type, capacity, trucks, stops_per_truck, overbook_most)
   select * from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::int[], $6::int[], $7::int[], $8::int[])
     as asked (zone_id, weekday, slot_code, sku_type, capacity, trucks, stops_per_truck, overbook_most) order by zone_id, weekday, slot_code, sku_type
   on conflict (zone_id, weekday, slot_code, sku_type) do update set capacity = excluded.capacity, trucks = excluded.trucks,
     stops_per_truck = excluded.stops_per_truck, overbook_most = excluded.overbook_most`,
)

export async function putWeeklyQuotas(context: WriteContext, commands: readonly PutWeeklyQuota[]): Promise<Outcome<PutWeeklyQuota>[]> {
  const rows = await context.query(resolveRules, [
    commands.map(({ zoneCode }) => zoneCode),
    commands.map(({ weekday }) => dayNumber(weekday)),
    commands.map(({ slotCode }) => slotCode),
  ])
  const wanted = new Map<string, { asked: PutWeeklyQuota; zoneId: number }>()
  const outcomes = commands.map((asked, index): Outcome<PutWeeklyQuota> => {
    const { zone_id: zoneId = null, known = false } = rows[index] ?? {}
    if (zoneId === null) return unknownZone(asked.zoneCode)
    if (!known)
      return refused('routing.unknown_slot', `zone ${asked.zoneCode} has no slot ${asked.slotCode} on ${asked.weekday}`, '/slotCode')
    const { trucks, stopsPerTruck, overbookMostPercent = 100 } = asked
    if (stopsPerTruck !== undefined && trucks === undefined)
      return refused('routing.bad_quota', 'places by stops of a truck need the number of trucks', '/trucks')
    if (overbookMostPercent > 100 && stopsPerTruck === undefined)
      return refused('routing.bad_quota', 'what is sold beyond the plan needs a plan: stopsPerTruck', '/stopsPerTruck')
    wanted.set(`${zoneId} ${asked.weekday} ${asked.slotCode} ${asked.skuType}`, { asked, zoneId })
    return accepted(asked)
  })
  const rules = [...wanted.values()]
  await context.query(upsertQuotaRules, [
    rules.map(({ zoneId }) => zoneId),
    rules.map(({ asked }) => dayNumber(asked.weekday)),
    rules.map(({ asked }) => asked.slotCode),
    rules.map(({ asked }) => asked.skuType),
    rules.map(({ asked }) => asked.capacity),
    rules.map(({ asked }) => asked.trucks ?? null),
    rules.map(({ asked }) => asked.stopsPerTruck ?? null),
    rules.map(({ asked }) => asked.overbookMostPercent ?? 100),
  ])
  return outcomes
}

/** The week of each zone laid over dates, as instants, without what has started. */
const dated = `select rule.zone_id, asked.date, rule.code, rule.starts_at, rule.ends_at,
     rule.starts_at - make_interval(mins => rule.cut_off_minutes) as cut_off_at
   from unnest($1::text[]) as asked (date)
   cross join lateral (
     select slot_rule.zone_id, slot_rule.code, slot_rule.cut_off_minutes,
       (asked.date || ' ' || slot_rule.starts_at)::timestamp at time zone zone.time_zone as starts_at,
       (asked.date || ' ' || slot_rule.ends_at)::timestamp at time zone zone.time_zone as ends_at
     from routing.slot_rule join routing.zone on zone.id = slot_rule.zone_id
     where slot_rule.weekday = extract(isodow from asked.date::date)
   ) as rule
   where rule.starts_at > $2`

const slotsToOpen = statement<{ zone_id: number; date: string; code: string; starts_at: Date; ends_at: Date; cut_off_at: Date }>(
  'routing.slots_to_open',
  `select wanted.* from (${dated}) as wanted
   left join routing.slot on slot.zone_id = wanted.zone_id and slot.date = wanted.date and slot.code = wanted.code
   where slot.code is null or (slot.by_rule and (slot.starts_at, slot.ends_at, slot.cut_off_at) <> (wanted.starts_at, wanted.ends_at, wanted.cut_off_at))
   order by wanted.date, wanted.zone_id, wanted.code`,
)

const openSlots = statement<{ opened: number }>(
  'routing.open_slots',
  `with days as (insert into routing.zone_day (zone_id, date) select distinct * from unnest($1::bigint[], $2::text[]) on conflict do nothing),
   opened as (
     insert into routing.slot (zone_id, date, code, starts_at, ends_at, cut_off_at, by_rule)
     select *, true from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
       as wanted (zone_id, date, code, starts_at, ends_at, cut_off_at) order by zone_id, date, code
     on conflict (zone_id, date, code) do update set starts_at = excluded.starts_at, ends_at = excluded.ends_at, cut_off_at = excluded.cut_off_at
     where slot.by_rule and ((slot.starts_at, slot.ends_at) = (excluded.starts_at, excluded.ends_at) or not exists (
       select from routing.route where route.date = slot.date and route.zone_id = slot.zone_id and route.slot_code = slot.code))
     returning 1)
   select count(*)::int as opened from opened`,
)

interface QuotaToOpen {
  zone_id: number
  date: string
  slot_code: string
  sku_type: SkuType
  capacity: number
  /** Of the quota that is there; null: none is. */
  is_capacity: number | null
  is_trucks: number | null
  is_used: number
  is_why: string | null
  trucks: number | null
  most: number
  stops_per_truck: number | null
  overbook_most: number
  dates: number | null
  used: number | null
  burnt: number | null
  percent: number | null
}

/** Quotas that rules plan, with what they are now: they follow the rule and what was learned, down to what is sold and no further. */
const quotasToOpen = statement<QuotaToOpen>(
  'routing.quotas_to_open',
  `select slot.zone_id, slot.date, slot.code as slot_code, quota_rule.sku_type, planned.capacity, quota_rule.trucks, quota_rule.capacity as most,
     quota_rule.stops_per_truck, quota_rule.overbook_most, learned.dates, learned.used, learned.burnt, learned.percent,
     quota.capacity as is_capacity, quota.trucks as is_trucks, coalesce(quota.used, 0) as is_used, quota.why as is_why
   from routing.slot
   join routing.quota_rule on quota_rule.zone_id = slot.zone_id and quota_rule.weekday = extract(isodow from slot.date::date)
     and quota_rule.slot_code = slot.code
   left join routing.quota_learned as learned on learned.zone_id = slot.zone_id and learned.slot_code = slot.code and learned.sku_type = quota_rule.sku_type
   cross join lateral (select case when stops_per_truck is null then quota_rule.capacity else least(quota_rule.capacity::bigint,
     quota_rule.trucks::bigint * stops_per_truck * least(overbook_most, coalesce(learned.percent, 100)) / 100)::int end as capacity) as planned
   left join routing.quota on quota.zone_id = slot.zone_id and quota.date = slot.date and quota.slot_code = slot.code
     and quota.sku_type = quota_rule.sku_type
   where slot.date = any($1::text[]) and slot.starts_at > $2
     and (quota.id is null or (quota.by_rule and (quota.capacity <> greatest(planned.capacity, quota.used)
       or quota.trucks is distinct from quota_rule.trucks or quota.why is not null or quota_rule.stops_per_truck is not null)))
   order by slot.date, slot.zone_id, slot.code, quota_rule.sku_type`,
)

const openQuotas = statement<{ opened: number; kept: number }>(
  'routing.open_quotas',
  `with opened as (
     insert into routing.quota (zone_id, date, slot_code, sku_type, capacity, trucks, why, by_rule)
     select *, true from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::text[])
       as wanted (zone_id, date, slot_code, sku_type, capacity, trucks, why) order by zone_id, date, slot_code, sku_type
     on conflict (zone_id, date, slot_code, sku_type) do update set capacity = greatest(excluded.capacity, quota.used), trucks = excluded.trucks,
       why = excluded.why
     where quota.by_rule
     returning 1)
   select count(*)::int as opened from opened`,
)

/** Numbers that are told may be other ones though the places are as many as before. */
const isOther = (row: QuotaToOpen): boolean =>
  row.is_capacity !== Math.max(row.capacity, row.is_used) || row.is_trucks !== row.trucks || row.is_why !== whyOf(row)

function whyOf({ trucks, stops_per_truck, overbook_most, most, is_used: taken, dates, used, burnt, percent }: QuotaToOpen): string | null {
  if (stops_per_truck === null || trucks === null) return null
  const learned = dates === null || used === null || burnt === null || percent === null ? null : { dates, used, burnt, percent }
  return whySo({ trucks, stopsPerTruck: stops_per_truck, overbookMost: overbook_most, capacity: most, learned, taken })
}

export interface OpenedDays {
  readonly slots: number
  readonly quotas: number
}

/**
 * Makes slots and quotas of today and the next `days` dates from the week of each zone, and lets those that follow a rule follow its change. What was
 * set for a date stays. Called again it finds nothing to do, and takes no lock. Locks: the zone days that change, in order.
 */
export async function openDays(context: WriteContext, { days }: { readonly days: number }): Promise<OpenedDays> {
  const dates = datesAhead(context.now, days)
  const slots = await context.query(slotsToOpen, [dates, context.now])
  let openedSlots = 0
  if (slots.length > 0) {
    const opening = slots.map(({ zone_id, date }) => ({ zoneId: zone_id, date }))
    await lockZoneDays(context, opening)
    const opened = context.query(openSlots, [
      slots.map(({ zone_id }) => zone_id),
      slots.map(({ date }) => date),
      slots.map(({ code }) => code),
      slots.map(({ starts_at }) => starts_at),
      slots.map(({ ends_at }) => ends_at),
      slots.map(({ cut_off_at }) => cut_off_at),
    ])
    const [[row]] = await Promise.all([opened, tellDays(context, opening)])
    openedSlots = row?.opened ?? 0
  }
  await learnFromHistory(context)
  const quotas = (await context.query(quotasToOpen, [dates, context.now])).filter(isOther)
  if (quotas.length === 0) return { slots: openedSlots, quotas: 0 }
  const changing = quotas.map(({ zone_id, date }) => ({ zoneId: zone_id, date }))
  await lockZoneDays(context, changing)
  const opened = context.query(openQuotas, [
    quotas.map(({ zone_id }) => zone_id),
    quotas.map(({ date }) => date),
    quotas.map(({ slot_code }) => slot_code),
    quotas.map(({ sku_type }) => sku_type),
    quotas.map(({ capacity }) => capacity),
    quotas.map(({ trucks }) => trucks),
    quotas.map(whyOf),
  ])
  const [[row]] = await Promise.all([opened, tellDays(context, changing)])
  return { slots: openedSlots, quotas: row?.opened ?? 0 }
}
