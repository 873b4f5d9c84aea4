import { Type } from 'typebox'
import { accepted } from '#kernel/outcome.ts'
import { type Operation, query } from '#platform/operation.ts'
import { statement } from '#platform/database.ts'
import { zoneIdsOf } from './days.ts'
import type { SkuType } from './goods.ts'
import { unknownZone } from './put-slots.ts'
import { Code, exact, GoodsType, LocalDate } from './schemas.ts'

const selectQuotas = statement<{
  zone_id: number
  date: string
  slot_code: string
  sku_type: SkuType
  capacity: number
  used: number
  trucks: number | null
  by_rule: boolean
  why: string | null
}>(
  'routing.quotas_of_days',
  `select zone_id, date, slot_code, sku_type, capacity, used, trucks, by_rule, why
   from routing.quota join unnest($1::bigint[], $2::text[]) as asked (zone_id, date) using (zone_id, date) order by slot_code, sku_type`,
)

export const listQuotas: Operation = query({
  id: 'quotas.list',
  context: 'routing',
  summary: 'Quotas of a zone and date: places, how many are taken, trucks, and how the places came about where a rule planned them',
  input: Type.Object({ zoneCode: Code, date: LocalDate }, exact),
  output: Type.Object(
    {
      quotas: Type.Array(
        Type.Object(
          {
            slotCode: Type.String(),
            skuType: GoodsType,
            capacity: Type.Integer(),
            used: Type.Integer(),
            trucks: Type.Union([Type.Integer(), Type.Null()]),
            byRule: Type.Boolean(),
            why: Type.Union([Type.String(), Type.Null()]),
          },
          exact,
        ),
      ),
    },
    exact,
  ),
  scopes: ['routing:read'],
  http: { method: 'GET', path: '/v1/quotas' },
  batch: { largest: 200, longestWaitMs: 0 },
  priority: 'normal',
  errors: { 'routing.unknown_zone': 404 },
  body: async (context, asked) => {
    const zoneIds = await zoneIdsOf(
      context,
      asked.map(({ input }) => input.zoneCode),
    )
    const known = asked.flatMap(({ input: { date } }, at) => {
      const zoneId = zoneIds[at] ?? null
      return zoneId === null ? [] : [{ zoneId, date }]
    })
    const days = [...new Map(known.map((day) => [`${day.zoneId} ${day.date}`, day])).values()]
    const rows = await context.query(selectQuotas, [days.map(({ zoneId }) => zoneId), days.map(({ date }) => date)])
    return asked.map(({ input: { zoneCode, date } }, at) => {
      const zoneId = zoneIds[at] ?? null
      if (zoneId === null) return unknownZone(zoneCode)
      const own = rows.filter((row) => row.zone_id === zoneId && row.date === date)
      return accepted({
        quotas: own.map(({ slot_code, sku_type, capacity, used, trucks, by_rule, why }) => ({
          slotCode: slot_code,
          skuType: sku_type,
          capacity,
          used,
          trucks,
          byRule: by_rule,
          why,
        })),
      })
    })
  },
})
