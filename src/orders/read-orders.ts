import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { ReadContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { unknownOrder } from './change-orders.ts'
import { readLogs } from './explain-orders.ts'
import { readOrders } from './order-store.ts'
import { resolveOrders, sortOut } from './resolve-orders.ts'
import type { LoggedChange, OrderView } from './schemas.ts'

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

/** History of orders with causes, oldest first. */
export async function getTimelines(
  context: ReadContext,
  asked: readonly Asked<{ order: string }>[],
): Promise<Outcome<{ changes: LoggedChange[] }>[]> {
  const ids = await resolveOrders(
    context,
    asked.map(({ input }) => input.order),
  )
  const logs = await readLogs(context, [...new Set(ids.values())])
  return asked.map(({ input }) => {
    const changes = logs.get(ids.get(input.order) ?? 0)
    return changes === undefined ? unknownOrder(input.order) : accepted({ changes })
  })
}
