import type { Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { changeOrders } from './change-orders.ts'
import { type ItemMove, moveItems } from './move-items.ts'
import type { Order } from './order.ts'
import type { Changed } from './schemas.ts'
import { type ShortItems, shortItems } from './short-items.ts'

export type MoveCommand = {
  readonly orderId: number
  readonly cause: string
  readonly commandId: string
  readonly actor: string
  /** What its waybill did, or what its warehouse does not have. */
} & ({ readonly moves: readonly ItemMove[] } | { readonly short: ShortItems })

/**
 * Moves items as their waybills move, and follows short picks. All of one order in one call, in the order in which it was told: its changes see
 * each other. A fact that is overtaken succeeds without effect.
 */
export async function moveOrderItems(context: WriteContext, commands: readonly MoveCommand[]): Promise<Outcome<Changed>[]> {
  const results = await changeOrders(
    context,
    commands.map(({ orderId, cause, commandId, actor, ...of }) => {
      const decide = (order: Order) => ('short' in of ? shortItems(order, of.short) : moveItems(order, of.moves))
      return { orderId, cause, commandId, actor, detailed: 'short' in of, decide }
    }),
  )
  return results.map(({ outcome }) => outcome)
}
