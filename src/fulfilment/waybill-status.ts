import { type Static, Type } from 'typebox'
import type { Versioned } from '#platform/cache.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { exact, Id, Slot, State } from './schemas.ts'
import type { MovingWaybill } from './waybill-store.ts'

/** What many ask and few need to the second: where a waybill stands. Read through the cache and written through by whoever moves it. */
export const StatusView = Type.Object(
  {
    waybillId: Id,
    orderId: Id,
    state: State,
    attempt: Type.Integer(),
    slot: Type.Union([Slot, Type.Null()]),
    routeId: Type.Union([Id, Type.Null()]),
    movedAt: Type.String(),
  },
  exact,
)
type Status = Static<typeof StatusView>

const what = 'waybill_status'

type Known = Pick<MovingWaybill, 'waybillId' | 'orderId' | 'state' | 'attempt' | 'slot' | 'routeId' | 'movedAt'>
const statusOf = ({ waybillId, orderId, state, attempt, slot, routeId, movedAt }: Known): Status => ({
  waybillId,
  orderId,
  state,
  attempt,
  slot: slot === null ? null : { ...slot },
  routeId,
  movedAt: movedAt.toISOString(),
})

/**
 * Tells where waybills stand, once this is committed. A transaction may raise a version once more than is counted here (by a hold); too low a number does
 * no harm, for no other transaction ever sees it.
 */
export function tellStatus(context: WriteContext, waybills: readonly { readonly version: number; readonly after: Known }[]): void {
  context.writeThrough(
    what,
    waybills.map(({ version, after }) => [String(after.waybillId), { version, value: statusOf(after) }] as const),
  )
}

interface StatusRow extends Omit<Known, 'slot'> {
  readonly slotDate: string | null
  readonly slotCode: string | null
  readonly version: number
}

const selectStatus = statement<StatusRow>(
  'fulfilment.waybill_status',
  `select id as "waybillId", order_id as "orderId", state, attempt, slot_date as "slotDate", slot_code as "slotCode", route_id as "routeId",
     moved_at as "movedAt", version
   from fulfilment.waybill where id = any($1::bigint[])`,
)

export async function statusById(context: ReadContext, ids: readonly number[]): Promise<Map<string, Status>> {
  return context.cached<Status>(what, ids.map(String), async (missing) => {
    const rows = await context.query(selectStatus, [missing.map(Number)])
    return new Map(
      rows.map(({ slotDate, slotCode, version, ...row }): [string, Versioned<Status>] => {
        const slot = slotDate === null || slotCode === null ? null : { date: slotDate, code: slotCode }
        return [String(row.waybillId), { version, value: statusOf({ ...row, slot }) }]
      }),
    )
  })
}
