import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { tellDays } from './availability.ts'
import { lockZoneDays, zoneIdsOf } from './days.ts'
import type { SkuType } from './goods.ts'
import { unknownZone } from './put-slots.ts'

export interface PutQuota {
  readonly zoneCode: string
  readonly date: string
  readonly slotCode: string
  readonly skuType: SkuType
  readonly capacity: number
  /** Most trucks of this type that may drive in the slot; absent: as many as there are. */
  readonly trucks?: number
}

const resolveQuotas = statement<{ position: number; zone_id: number | null; slot_code: string | null; used: number | null }>(
  'routing.resolve_quotas',
  `select asked.position::int, zone.id as zone_id, slot.code as slot_code, quota.used
   from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as asked (zone_code, date, slot_code, sku_type, position)
   left join routing.zone on zone.code = asked.zone_code and zone.kind = 'zone'
   left join routing.slot on slot.zone_id = zone.id and slot.date = asked.date and slot.code = asked.slot_code
   left join routing.quota on quota.zone_id = zone.id and quota.date = asked.date and quota.slot_code = asked.slot_code and quota.sku_type = asked.sku_type
   order by asked.position`,
)

const upsertQuotas = statement(
  'routing.upsert_quotas',
  `insert into routing.quota (zone_id, date, slot_code, sku_type, capacity, trucks)
   select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[])
     as asked (zone_id, date, slot_code, sku_type, capacity, trucks)
   order by zone_id, date, slot_code, sku_type
   on conflict (zone_id, date, slot_code, sku_type) do update set capacity = excluded.capacity, trucks = excluded.trucks, why = null, by_rule = false`,
)

/** Sets how many waybills of one SKU type a slot takes. It cannot go below what is taken already. Set for a date, it follows its weekday's rule no more. Locks zone days. */
export async function putQuotas(context: WriteContext, commands: readonly PutQuota[]): Promise<Outcome<PutQuota>[]> {
  const zoneIds = await zoneIdsOf(
    context,
    commands.map((command) => command.zoneCode),
  )
  await lockZoneDays(
    context,
    commands.flatMap(({ date }, index) => {
      const zoneId = zoneIds[index] ?? null
      return zoneId === null ? [] : [{ zoneId, date }]
    }),
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
    const written = context.query(upsertQuotas, [
      quotas.map(({ zoneId }) => zoneId),
      quotas.map(({ asked }) => asked.date),
      quotas.map(({ asked }) => asked.slotCode),
      quotas.map(({ asked }) => asked.skuType),
      quotas.map(({ asked }) => asked.capacity),
      quotas.map(({ asked }) => asked.trucks ?? null),
    ])
    const days = quotas.map(({ zoneId, asked }) => ({ zoneId, date: asked.date }))
    await Promise.all([written, tellDays(context, days)])
  }
  return outcomes
}
