import { accepted, type Outcome } from '#kernel/outcome.ts'
import { type ReadContext, statement } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { unknownOrder } from './change-orders.ts'
import { readOrders, readTimelines } from './order-store.ts'
import type { ListOutput, OrderView } from './schemas.ts'

/** Splits what callers call an order into ids and numbers; neither is ever read as the other. */
function sortOut(orders: Iterable<string>): { ids: number[]; numbers: string[] } {
  const ids: number[] = []
  const numbers: string[] = []
  for (const order of new Set(orders)) {
    if (/^\d{1,15}$/.test(order)) ids.push(Number(order))
    else numbers.push(order)
  }
  return { ids, numbers }
}

/** Order details, however many were asked for at once, in one statement. */
export async function getOrders(context: ReadContext, asked: readonly Asked<{ order: string }>[]): Promise<Outcome<OrderView>[]> {
  const { ids, numbers } = sortOut(asked.map(({ input }) => input.order))
  const found = new Map<string, OrderView>()
  for (const view of await readOrders(context, ids, numbers)) {
    found.set(view.number, view)
    found.set(String(view.orderId), view)
  }
  return asked.map(({ input }) => {
    const view = found.get(input.order)
    return view === undefined ? unknownOrder(input.order) : accepted(view)
  })
}

const idsOfNumbers = statement<{ id: number; number: string }>(
  'orders.ids_of_numbers',
  `select id, number from orders.orders where number = any($1::text[])`,
)

/** Ids of orders named by id or number; those that do not exist by number are absent. */
export async function resolveOrders(context: ReadContext, orders: readonly string[]): Promise<Map<string, number>> {
  const { ids, numbers } = sortOut(orders)
  const rows = numbers.length === 0 ? [] : await context.query(idsOfNumbers, [numbers])
  return new Map([...ids.map((id): [string, number] => [String(id), id]), ...rows.map((row): [string, number] => [row.number, row.id])])
}

/** History of orders with causes, oldest first. */
export async function getTimelines(
  context: ReadContext,
  asked: readonly Asked<{ order: string }>[],
): Promise<Outcome<{ changes: never[] }>[]> {
  const ids = await resolveOrders(
    context,
    asked.map(({ input }) => input.order),
  )
  return Promise.all(
    asked.map(async ({ input }) => {
      const id = ids.get(input.order)
      const [changes] = id === undefined ? [] : await readTimelines(context, [id])
      return changes === undefined ? unknownOrder(input.order) : accepted({ changes: changes as never[] })
    }),
  )
}

interface ListRow {
  id: number
  number: string
  store_id: string
  customer_id: string
  total_minor: number
  currency: string
  state: string
  money_state: string
  placed_at: Date
}

const list = statement<ListRow>(
  'orders.list',
  `select id, number, store_id, customer_id, total_minor, currency, state, money_state, placed_at from orders.orders
   where ($1::text is null or customer_id = $1) and ($2::text is null or store_id = $2) and ($3::text is null or state = $3)
     and id < coalesce($4::bigint, 9223372036854775807)
   order by id desc limit $5`,
)

export interface ListQuestion {
  readonly customerId?: string
  readonly storeId?: string
  readonly state?: string
  readonly before?: number
  readonly limit?: number
}

/** A page of orders, newest first. */
export function listOrders(context: ReadContext, asked: readonly Asked<ListQuestion>[]): Promise<Outcome<ListOutput>[]> {
  return Promise.all(
    asked.map(async ({ input }) => {
      const limit = input.limit ?? 50
      const rows = await context.query(list, [
        input.customerId ?? null,
        input.storeId ?? null,
        input.state ?? null,
        input.before ?? null,
        limit,
      ])
      return accepted({
        orders: rows.map((row) => ({
          orderId: row.id,
          number: row.number,
          storeId: row.store_id,
          customerId: row.customer_id,
          totalMinor: row.total_minor,
          currency: row.currency,
          state: row.state,
          moneyState: row.money_state,
          placedAt: row.placed_at.toISOString(),
        })),
        next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
      })
    }),
  )
}
