import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { changeNamed } from './change-orders.ts'
import type { Changed, ClearAttentionInput } from './change-schemas.ts'
import { flagBits } from './lifecycle.ts'
import { unknownItem } from './move-items.ts'
import type { Order } from './order.ts'
import { changeRows } from './pick-rows.ts'
import { type Decision, settle, unchanged } from './settle.ts'

/** A person has looked after goods that could not be called off. Other flags go by themselves, with what they stand for. */
export const clearAttention = (context: WriteContext, asked: readonly Asked<ClearAttentionInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({ cause: `looked after: ${input.reason}`, decide: (order: Order) => lookAfter(order, input.itemNos) }),
    answer: (changed) => changed,
  })

function lookAfter(order: Order, itemNos: readonly number[] | undefined): Outcome<Decision> {
  const unknown = itemNos?.findIndex((itemNo) => !order.items.some((item) => item.itemNo === itemNo)) ?? -1
  if (unknown >= 0) return unknownItem(order, itemNos?.[unknown] as number, `/itemNos/${unknown}`)
  const flagged = order.items.filter((item) => (item.flags & flagBits.too_far_gone) !== 0 && (itemNos?.includes(item.itemNo) ?? true))
  if (flagged.length === 0) return accepted(unchanged(order))
  const draft = changeRows(
    order,
    flagged.map(({ itemNo }) => itemNo),
    (item) => ({ ...item, flags: item.flags & ~flagBits.too_far_gone }),
  )
  return accepted(settle(order, draft))
}
