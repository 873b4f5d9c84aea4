import { type Static, Type } from 'typebox'
import { accepted } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { query } from '#platform/operation.ts'
import { fulfilmentEventTypes, type WaybillLate } from './events.ts'
import type { WaybillState } from './lifecycle.ts'
import { exact, Id, State } from './schemas.ts'

/** How long a waybill may wait in a state with its warehouse or merchant, minutes. What is held waits for somebody else. */
export interface Promises {
  readonly acknowledgeWithinMin: number
  readonly pickWithinMin: number
}

const minutesOf = ({ acknowledgeWithinMin, pickWithinMin }: Promises): [WaybillState, number][] => [
  ['released', acknowledgeWithinMin],
  ['acknowledged', pickWithinMin],
]

interface LateRow {
  id: number
  order_id: number
  merchant: string
  state: WaybillState
  since: Date
  promised_at: Date
}

const lateOf = (row: LateRow): WaybillLate => ({
  waybillId: row.id,
  orderId: row.order_id,
  merchantId: row.merchant === '' ? null : row.merchant,
  state: row.state,
  since: row.since.toISOString(),
  promisedAt: row.promised_at.toISOString(),
})

// By the index of work lists: what is prepared now is little beside what is over, and the look costs reports nothing.
const notice = statement<LateRow>(
  'fulfilment.notice_late',
  `with late as (
     insert into fulfilment.late (waybill_id, state, since, promised_at, noticed_at)
     select waybill.id, waybill.state, waybill.moved_at, waybill.moved_at + promise.minutes * interval '1 minute', $3::timestamptz
     from fulfilment.waybill join unnest($1::text[], $2::int[]) as promise (state, minutes) using (state)
     where waybill.phase = 'preparing' and waybill.holds = '{}' and waybill.moved_at < $3::timestamptz - promise.minutes * interval '1 minute'
       and not exists (select from fulfilment.late as known
         where (known.waybill_id, known.state, known.since) = (waybill.id, waybill.state, waybill.moved_at))
     order by waybill.id limit $4
     on conflict do nothing
     returning waybill_id, state, since, promised_at
   )
   select waybill.id, waybill.order_id, waybill.merchant, late.state, late.since, late.promised_at
   from late join fulfilment.waybill on waybill.id = late.waybill_id order by waybill.id`,
)

/** Notices and tells, once each, which waybills wait longer than was promised; a page at a time. Returns how many. */
export async function watchPromises(context: WriteContext, promises: Promises, most = 500): Promise<number> {
  const limits = minutesOf(promises)
  const rows = await context.query(notice, [limits.map(([state]) => state), limits.map(([, minutes]) => minutes), context.now, most])
  await context.announce(rows.map((row) => ({ key: String(row.id), type: fulfilmentEventTypes.waybillLate, payload: lateOf(row) })))
  return rows.length
}

const selectLate = statement<LateRow & { asked: number; noticed_at: Date }>(
  'fulfilment.late_waybills',
  `select asked.position::int as asked, late.*
   from unnest($1::text[], $2::bigint[], $3::int[]) with ordinality as asked (merchant, after, most, position)
   cross join lateral (
     select waybill.id, waybill.order_id, waybill.merchant, late.state, late.since, late.promised_at, late.noticed_at
     from fulfilment.waybill join fulfilment.late on late.waybill_id = waybill.id and late.state = waybill.state and late.since = waybill.moved_at
     where waybill.phase = 'preparing' and waybill.id > asked.after and (asked.merchant is null or waybill.merchant = asked.merchant)
     order by waybill.id limit asked.most
   ) as late order by asked.position, late.id`,
)

const LateView = Type.Object(
  {
    waybillId: Id,
    orderId: Id,
    merchantId: Type.Union([Type.String(), Type.Null()]),
    state: State,
    since: Type.String(),
    promisedAt: Type.String(),
    noticedAt: Type.String(),
  },
  exact,
)

async function lateWaybills(
  context: ReadContext,
  pages: readonly { readonly merchant: string | null; readonly after: number; readonly limit: number }[],
): Promise<Static<typeof LateView>[][]> {
  const lists: Static<typeof LateView>[][] = pages.map(() => [])
  const rows = await context.query(selectLate, [
    pages.map(({ merchant }) => merchant),
    pages.map(({ after }) => after),
    pages.map(({ limit }) => limit),
  ])
  for (const row of rows) lists[row.asked - 1]?.push({ ...lateOf(row), noticedAt: row.noticed_at.toISOString() })
  return lists
}

export const listLate = query({
  id: 'waybills.list_late',
  context: 'fulfilment',
  summary:
    'Waybills that still wait with their warehouse or merchant past what was promised, by rising id; `next` is the cursor of the next page',
  input: Type.Object(
    {
      merchantId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
      after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    },
    exact,
  ),
  output: Type.Object({ waybills: Type.Array(LateView), next: Type.Union([Id, Type.Null()]) }, exact),
  scopes: ['waybills:read'],
  http: { method: 'GET', path: '/v1/late-waybills' },
  batch: { largest: 20, longestWaitMs: 0 },
  priority: 'low',
  errors: {},
  body: async (context, asked) => {
    const pages = asked.map(({ input }) => ({ merchant: input.merchantId ?? null, after: input.after ?? 0, limit: input.limit ?? 100 }))
    const lists = await lateWaybills(context, pages)
    return lists.map((waybills, at) =>
      accepted({ waybills, next: waybills.length === pages[at]?.limit ? (waybills.at(-1)?.waybillId ?? null) : null }),
    )
  },
})
