import { type ReadContext, statement } from '#platform/database.ts'
import type { SkuType } from './goods.ts'

const selectAvailability = statement<{
  position: number
  date: string
  code: string
  starts_at: Date
  ends_at: Date
  cut_off_at: Date
  capacity: number
  used: number
}>(
  'routing.availability',
  `select asked.position::int, slot.date, slot.code, slot.starts_at, slot.ends_at, slot.cut_off_at, quota.capacity, quota.used
   from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) with ordinality as asked (zone_id, sku_type, from_date, to_date, position)
   join routing.slot on slot.zone_id = asked.zone_id and slot.date between asked.from_date and asked.to_date
   join routing.quota on quota.zone_id = slot.zone_id and quota.date = slot.date and quota.slot_code = slot.code and quota.sku_type = asked.sku_type
   order by asked.position, slot.starts_at, slot.code`,
)

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
 * Slots with the places that are left, for any number of storefronts at once: one statement by index. What checkouts hold is not left; a place
 * is sold by `holdPlaces` or by an assignment, never by this answer.
 */
export async function availabilityOf(context: ReadContext, demands: readonly AvailabilityDemand[]): Promise<SlotAvailability[][]> {
  const lists: SlotAvailability[][] = demands.map(() => [])
  const rows = await context.query(selectAvailability, [
    demands.map((demand) => demand.zoneId),
    demands.map((demand) => demand.skuType),
    demands.map((demand) => demand.from),
    demands.map((demand) => demand.to),
  ])
  for (const { position, date, code, starts_at, ends_at, cut_off_at, capacity, used } of rows) {
    const left = capacity - used
    const open = left > 0 && cut_off_at > context.now
    lists[position - 1]?.push({ date, code, startsAt: starts_at, endsAt: ends_at, cutOffAt: cut_off_at, capacity, left, open })
  }
  return lists
}
