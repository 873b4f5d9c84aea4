import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type ItemState, itemLifeCycle, rankOf } from './lifecycle.ts'
import type { Order, OrderItem } from './order.ts'
import { type Decision, settle, unchanged } from './settle.ts'

export interface ItemMove {
  readonly itemNo: number
  readonly to: ItemState
}

/** Moves items and folds what follows for their sections and the order. A move that was made already, or is overtaken, changes nothing. */
export function moveItems(order: Order, moves: readonly ItemMove[]): Outcome<Decision> {
  const moved = movedItems(order, moves)
  if (!moved.ok) return moved
  return accepted(moved.value === order.items ? unchanged(order) : settle(order, { ...order, items: moved.value }))
}

/** Items as they are after the moves; the same array where nothing moves. All moves or none. */
function movedItems(order: Order, moves: readonly ItemMove[]): Outcome<readonly OrderItem[]> {
  const wanted = new Map(moves.map((move) => [move.itemNo, move.to]))
  for (const { itemNo } of moves) {
    if (!order.items.some((item) => item.itemNo === itemNo)) return unknownItem(order, itemNo)
  }
  let any = false
  const items: OrderItem[] = []
  for (const item of order.items) {
    const to = wanted.get(item.itemNo)
    if (to === undefined || to === item.state || isOvertaken(item.state, to)) {
      items.push(item)
      continue
    }
    if (!itemLifeCycle.canMove(item.state, to)) {
      return refused('orders.not_possible', `Item ${item.itemNo} is ${item.state} and can not become ${to}.`, undefined, {
        itemNo: item.itemNo,
        state: item.state,
      })
    }
    any = true
    items.push({ ...item, state: to })
  }
  return accepted(any ? items : order.items)
}

export const unknownItem = (order: Order, itemNo: number, field?: string): Outcome<never> =>
  refused('orders.unknown_item', `Order ${order.number} has no item ${itemNo}.`, field)

/** A late fact about a stage that the item has left behind, such as "picked" after "delivered". */
function isOvertaken(state: ItemState, to: ItemState): boolean {
  if (itemLifeCycle.states[to].end) return false
  if (itemLifeCycle.states[state].end) return true
  return rankOf(to) < rankOf(state) && !itemLifeCycle.canMove(state, to)
}
