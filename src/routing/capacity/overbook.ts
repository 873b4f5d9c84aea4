import { statement, type WriteContext } from '#platform/database.ts'
import { dateAfter, dateOf } from './days.ts'
import type { SkuType } from './goods.ts'

/** What happened to the places of a zone, slot and SKU type on past dates. */
export interface PlaceHistory {
  /** Dates on which places were sold. */
  readonly dates: number
  /** Places that were sold when the cut-off came. */
  readonly used: number
  /** Of these, places that were lost after it, too late for anybody else: cancelled or rescheduled, or held by a checkout that came to nothing. */
  readonly burnt: number
}

/** Less than that says nothing about the next date. */
const leastDates = 8
const leastUsed = 200
/** Two standard errors: of a hundred such cells, two or three have really lost less than is taken for sure. */
const caution = 2
export const mostPercent = 150

/**
 * How many percent of the planned places to sell, so that about as many are driven to as were planned. Only the share that is surely lost counts; never below 100. A failed
 * attempt is no lost place: the truck was there.
 */
export function learnedPercent({ dates, used, burnt }: PlaceHistory): number {
  if (dates < leastDates || used < leastUsed) return 100
  const share = Math.min(1, burnt / used)
  const surely = Math.max(0, share - caution * Math.sqrt((share * (1 - share)) / used))
  return surely >= 1 - 100 / mostPercent ? mostPercent : Math.floor(100 / (1 - surely))
}

/** The numbers behind a capacity, for people. `taken`: places that are sold already, which it never goes below. */
export function whySo({
  trucks,
  stopsPerTruck,
  overbookMost,
  capacity,
  learned,
  taken = 0,
}: {
  readonly trucks: number
  readonly stopsPerTruck: number
  readonly overbookMost: number
  /** What the rule bounds it by. */
  readonly capacity: number
  readonly learned: (PlaceHistory & { readonly percent: number }) | null
  readonly taken?: number
}): string {
  const plan = `${trucks} trucks × ${stopsPerTruck} stops`
  const percentOf = learned === null ? 100 : Math.min(learned.percent, overbookMost)
  const planned = Math.min(capacity, Math.floor((trucks * stopsPerTruck * percentOf) / 100))
  const bound = taken > planned ? `never more than ${capacity}, but ${taken} are taken already` : `never more than ${capacity}`
  if (overbookMost === 100 || learned === null) return `${plan}, ${bound}`
  const { dates, used, burnt, percent } = learned
  const seen = `${burnt} of ${used} places of ${dates} dates were lost after the cut-off`
  if (dates < leastDates || used < leastUsed) return `${plan}, ${bound}; ${seen}: too few to learn from`
  return `${plan} × ${Math.min(percent, overbookMost)} %, ${bound}; ${seen}, at least ${percent - 100} % more can be sold, at most ${overbookMost - 100} % may`
}

const learnedDays = 56

const historyOf = statement<{ zone_id: number; slot_code: string; sku_type: SkuType; dates: number; used: number; burnt: number }>(
  'routing.place_history',
  `select rule.zone_id, rule.slot_code, rule.sku_type, count(quota.id) filter (where quota.used + lapse.places > 0)::int as dates, coalesce(sum(quota.used + lapse.places), 0)::int as used,
     coalesce(sum(burn.places + lapse.places), 0)::int as burnt
   from (select distinct zone_id, slot_code, sku_type from routing.quota_rule where overbook_most > 100) as rule
   left join routing.quota_learned as known using (zone_id, slot_code, sku_type)
   left join routing.quota on quota.zone_id = rule.zone_id and quota.date = any($1::text[]) and quota.slot_code = rule.slot_code
     and quota.sku_type = rule.sku_type
   left join routing.slot on slot.zone_id = quota.zone_id and slot.date = quota.date and slot.code = quota.slot_code
   left join lateral (
     select coalesce(sum(cardinality(waybill_ids)), 0) as places from routing.quota_ledger where quota_id = quota.id and kind = 'burn'
   ) as burn on true
   left join lateral (
     select coalesce(sum(-delta), 0) as places from routing.quota_ledger
     where quota_id = quota.id and kind = 'let_go' and occurred_at >= slot.cut_off_at
   ) as lapse on true
   where known.learned_on is null or known.learned_on < $2
   group by rule.zone_id, rule.slot_code, rule.sku_type order by rule.zone_id, rule.slot_code, rule.sku_type`,
)

const keep = statement(
  'routing.keep_learned',
  `insert into routing.quota_learned (zone_id, slot_code, sku_type, learned_on, dates, used, burnt, percent)
   select zone_id, slot_code, sku_type, $8, dates, used, burnt, percent
   from unnest($1::bigint[], $2::text[], $3::text[], $4::int[], $5::int[], $6::int[], $7::int[])
     as learned (zone_id, slot_code, sku_type, dates, used, burnt, percent) order by zone_id, slot_code, sku_type
   on conflict (zone_id, slot_code, sku_type) do update set learned_on = excluded.learned_on, dates = excluded.dates, used = excluded.used,
     burnt = excluded.burnt, percent = excluded.percent`,
)

/** Once a day, for rules that ask for it: what the last eight weeks say. Dates of today and later are not looked at, so that a day learned twice is the same. */
export async function learnFromHistory(context: WriteContext): Promise<void> {
  const today = dateOf(context.now.getTime())
  // A zone in the west may still be driving yesterday's last slot.
  const dates = Array.from({ length: learnedDays }, (_, at) => dateAfter(today, -2 - at))
  const rows = await context.query(historyOf, [dates, today])
  if (rows.length === 0) return
  await context.query(keep, [
    rows.map(({ zone_id }) => zone_id),
    rows.map(({ slot_code }) => slot_code),
    rows.map(({ sku_type }) => sku_type),
    rows.map((row) => row.dates),
    rows.map(({ used }) => used),
    rows.map(({ burnt }) => burnt),
    rows.map(learnedPercent),
    today,
  ])
}
