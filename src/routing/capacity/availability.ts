import type { Versioned } from '#platform/cache.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { dateAfter, type ZoneDay } from './days.ts'
import type { SkuType } from './goods.ts'

/**
 * What is kept: all slots and quotas of one zone on one date, since all of them change under one lock. Its version is the sum of the versions of these rows,
 * each raised by every change (migration 0009), so that of two looks at a day the later one has the higher number.
 */
interface KeptSlot {
  readonly code: string
  /** Milliseconds, since a cache keeps JSON. */
  readonly startsAt: number
  readonly endsAt: number
  readonly cutOffAt: number
  /** Capacity and use by SKU type. */
  readonly quotas: Readonly<Partial<Record<SkuType, readonly [capacity: number, used: number]>>>
}
type KeptDay = readonly KeptSlot[]

interface DayRow {
  readonly zone_id: number
  readonly date: string
  readonly version: number
  readonly slots: KeptDay
}

const dayColumns = `select asked.zone_id, asked.date, coalesce(day.version, 0)::bigint as version, coalesce(day.slots, '[]') as slots from asked cross join lateral (
     select sum(slot.version + coalesce(cell.version, 0)) as version,
       json_agg(json_build_object('code', slot.code, 'startsAt', (extract(epoch from slot.starts_at) * 1000)::bigint,
         'endsAt', (extract(epoch from slot.ends_at) * 1000)::bigint, 'cutOffAt', (extract(epoch from slot.cut_off_at) * 1000)::bigint,
         'quotas', coalesce(cell.quotas, '{}')) order by slot.starts_at, slot.code) as slots
     from routing.slot left join lateral (
       select sum(quota.version) as version, json_object_agg(quota.sku_type, json_build_array(quota.capacity, quota.used)) as quotas
       from routing.quota where quota.zone_id = slot.zone_id and quota.date = slot.date and quota.slot_code = slot.code
     ) as cell on true
     where slot.zone_id = asked.zone_id and slot.date = asked.date
   ) as day`

const selectDays = statement<DayRow>(
  'routing.availability',
  `with asked as (select * from unnest($1::bigint[], $2::text[]) as asked (zone_id, date)) ${dayColumns}`,
)

const selectDaysOfQuotas = statement<DayRow>(
  'routing.availability_of_quotas',
  `with asked as materialized (select distinct zone_id, date from routing.quota where id = any($1::bigint[])) ${dayColumns}`,
)

const what = 'availability'
const keyOf = ({ zoneId, date }: ZoneDay): string => `${zoneId} ${date}`
const dayOf = (key: string): ZoneDay => {
  const [zoneId, date = ''] = key.split(' ')
  return { zoneId: Number(zoneId), date }
}
const entriesOf = (rows: readonly DayRow[]): [string, Versioned<KeptDay>][] =>
  rows.map(({ zone_id, date, version, slots }) => [keyOf({ zoneId: zone_id, date }), { version, value: slots }])

/**
 * Tells the cache what these days look like, once this is committed. Called in the same turn as the statement that changes them, it leaves right behind
 * that one and costs no round trip. Only under the lock of the days: else it might tell of somebody else's change without its own.
 */
export async function tellDays(context: WriteContext, days: readonly ZoneDay[]): Promise<void> {
  const each = [...new Map(days.map((day) => [keyOf(day), day])).values()]
  if (each.length === 0) return
  context.writeThrough(what, entriesOf(await context.query(selectDays, [each.map(({ zoneId }) => zoneId), each.map(({ date }) => date)])))
}

/** The same for the days of these quotas. */
export async function tellQuotas(context: WriteContext, quotaIds: readonly number[]): Promise<void> {
  if (quotaIds.length === 0) return
  context.writeThrough(what, entriesOf(await context.query(selectDaysOfQuotas, [[...new Set(quotaIds)]])))
}

export interface AvailabilityDemand {
  readonly zoneId: number
  readonly skuType: SkuType
  readonly from: string
  readonly to: string
}

export interface SlotAvailability {
  readonly date: string
  readonly code: string
  readonly startsAt: Date
  readonly endsAt: Date
  readonly cutOffAt: Date
  readonly capacity: number
  readonly left: number
  /** True while the cut-off is ahead and a place is left. */
  readonly open: boolean
}

/**
 * Slots with the places that are left, for any number of storefronts at once: from the cache, and what it does not have by one statement. What checkouts hold
 * is not left. The answer may be some minutes old where several processes write and no Redis is shared; a place is sold by `holdPlaces` or by an
 * assignment, which ask the row itself, never by this answer.
 */
export async function availabilityOf(context: ReadContext, demands: readonly AvailabilityDemand[]): Promise<SlotAvailability[][]> {
  const datesOf = ({ from, to }: AvailabilityDemand): string[] => {
    const dates: string[] = []
    for (let date = from; date <= to; date = dateAfter(date, 1)) dates.push(date)
    return dates
  }
  const keys = demands.flatMap((demand) => datesOf(demand).map((date) => keyOf({ zoneId: demand.zoneId, date })))
  const days = await context.cached<KeptDay>(what, [...new Set(keys)], async (missing) => {
    const asked = missing.map(dayOf)
    return new Map(entriesOf(await context.query(selectDays, [asked.map(({ zoneId }) => zoneId), asked.map(({ date }) => date)])))
  })
  return demands.map((demand) =>
    datesOf(demand).flatMap((date) =>
      (days.get(keyOf({ zoneId: demand.zoneId, date })) ?? []).flatMap(({ code, startsAt, endsAt, cutOffAt, quotas }) => {
        const quota = quotas[demand.skuType]
        if (quota === undefined) return []
        const [capacity, used] = quota
        const left = capacity - used
        return [
          {
            date,
            code,
            startsAt: new Date(startsAt),
            endsAt: new Date(endsAt),
            cutOffAt: new Date(cutOffAt),
            capacity,
            left,
            open: left > 0 && cutOffAt > context.now.getTime(),
          },
        ]
      }),
    ),
  )
}
