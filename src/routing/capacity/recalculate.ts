import { accepted, type Outcome } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { tellDays } from './availability.ts'
import { lockZoneDays, zoneIdsOf } from './days.ts'
import type { SkuType } from './goods.ts'
import { unknownZone } from './put-slots.ts'

export interface RecalculateQuotas {
  readonly zoneCode: string
  readonly date: string
}

export interface RecalculatedQuotas {
  /** Quotas that said something else than their ledger. */
  readonly corrected: { readonly slotCode: string; readonly skuType: SkuType; readonly was: number; readonly is: number }[]
}

/** The capacity rises where the ledger says that more is sold: what was promised stays promised, and nothing more is sold. */
const recalculate = statement<{ zone_id: number; date: string; slot_code: string; sku_type: SkuType; was: number; is: number }>(
  'routing.recalculate_quotas',
  `with booked as materialized (
     select quota.id, quota.used as was, coalesce((select sum(delta)::int from routing.quota_ledger where quota_id = quota.id), 0) as is
     from routing.quota join unnest($1::bigint[], $2::text[]) as asked (zone_id, date) using (zone_id, date)
   )
   update routing.quota set used = booked.is, capacity = greatest(quota.capacity, booked.is)
   from booked where quota.id = booked.id and quota.used <> booked.is and booked.is >= 0
   returning quota.zone_id, quota.date, quota.slot_code, quota.sku_type, booked.was, booked.is`,
)

/** Counts the ledger anew. Used is the sum of it, so that this corrects nothing unless somebody changed a row by hand. Locks the zone days. */
export async function recalculateQuotas(
  context: WriteContext,
  commands: readonly RecalculateQuotas[],
): Promise<Outcome<RecalculatedQuotas>[]> {
  const zoneIds = await zoneIdsOf(
    context,
    commands.map(({ zoneCode }) => zoneCode),
  )
  const days = [
    ...new Map(
      commands.flatMap(({ date }, index) => {
        const zoneId = zoneIds[index] ?? null
        return zoneId === null ? [] : [[`${zoneId} ${date}`, { zoneId, date }] as const]
      }),
    ).values(),
  ]
  await lockZoneDays(context, days)
  const recalculated = context.query(recalculate, [days.map(({ zoneId }) => zoneId), days.map(({ date }) => date)])
  const [rows] = await Promise.all([recalculated, tellDays(context, days)])
  return commands.map((command, index) => {
    const zoneId = zoneIds[index] ?? null
    if (zoneId === null) return unknownZone(command.zoneCode)
    const own = rows.filter((row) => row.zone_id === zoneId && row.date === command.date)
    return accepted({ corrected: own.map(({ slot_code, sku_type, was, is }) => ({ slotCode: slot_code, skuType: sku_type, was, is })) })
  })
}
