import type { Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { changeOrders } from './change-orders.ts'
import { type ItemMove, moveItems } from './move-items.ts'
import type { Order } from './order.ts'
import type { Changed } from './schemas.ts'

export interface MoveCommand {
  readonly orderId: number
  readonly cause: string
  readonly moves: readonly ItemMove[]
  readonly commandId: string
  readonly actor: string
}

/** Moves items as their waybills move. A fact that is overtaken succeeds without effect. */
export async function moveOrderItems(context: WriteContext, commands: readonly MoveCommand[]): Promise<Outcome<Changed>[]> {
  const results = await changeOrders(
    context,
    commands.map(({ orderId, cause, moves, commandId, actor }) => ({
      orderId,
      cause,
      commandId,
      actor,
      decide: (order: Order) => moveItems(order, moves),
    })),
  )
  return results.map(({ outcome }) => outcome)
}
