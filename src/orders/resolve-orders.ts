import { type ReadContext, statement } from '#platform/database.ts'

/** Splits what callers call an order into ids and numbers; neither is ever read as the other. */
export function sortOut(orders: Iterable<string>): { ids: number[]; numbers: string[] } {
  const ids: number[] = []
  const numbers: string[] = []
  for (const order of new Set(orders)) {
    if (/^\d{1,15}$/.test(order)) ids.push(Number(order))
    else numbers.push(order)
  }
  return { ids, numbers }
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
