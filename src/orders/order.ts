import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { emptyFold, foldItem, foldStates, joinFolds, stateOfFold } from './cascade.ts'
import { type FoldedState, type ItemState, itemLifeCycle, type MoneyState, rankOf } from './lifecycle.ts'

export interface Destination {
  readonly name: string
  readonly line1: string
  readonly city: string
  readonly postcode: string
  readonly country: string
  readonly lat?: number
  readonly lng?: number
}

export interface OrderItem {
  readonly itemNo: number
  readonly sectionNo: number
  readonly state: ItemState
}

export interface OrderSection {
  readonly sectionNo: number
  readonly state: FoldedState
}

/** What decisions need of an order, read under its lock. */
export interface Order {
  readonly id: number
  readonly number: string
  readonly storeId: string
  readonly state: FoldedState
  readonly moneyState: MoneyState
  readonly sections: readonly OrderSection[]
  readonly items: readonly OrderItem[]
}

export interface StateChange {
  readonly level: 'item' | 'section' | 'order' | 'money'
  /** Item or section number; empty for the order itself. */
  readonly entity: string
  /** Empty at birth. */
  readonly from: string
  readonly to: string
}

export interface Decision {
  readonly changes: readonly StateChange[]
  readonly after: Order
}

export interface ItemMove {
  readonly itemNo: number
  readonly to: ItemState
}

/** Moves items and folds what follows for their sections and the order. A move that was made already, or is overtaken, changes nothing. */
export function moveItems(order: Order, moves: readonly ItemMove[]): Outcome<Decision> {
  const wanted = new Map(moves.map((move) => [move.itemNo, move.to]))
  const changes: StateChange[] = []
  for (const { itemNo } of moves) {
    if (!order.items.some((item) => item.itemNo === itemNo))
      return refused('orders.unknown_item', `Order ${order.number} has no item ${itemNo}.`)
  }
  const items: OrderItem[] = []
  for (const item of order.items) {
    const to = wanted.get(item.itemNo)
    if (to === undefined || to === item.state || isOvertaken(item.state, to)) {
      items.push(item)
      continue
    }
    if (!itemLifeCycle.canMove(item.state, to)) {
      return refused('orders.not_possible', `Item ${item.itemNo} is ${item.state} and can not become ${to}.`, undefined, {
        state: item.state,
      })
    }
    changes.push({ level: 'item', entity: String(item.itemNo), from: item.state, to })
    items.push({ ...item, state: to })
  }
  return accepted(cascade({ ...order, items }, changes))
}

/** A late fact about a stage that the item has left behind, such as "picked" after "delivered". */
function isOvertaken(state: ItemState, to: ItemState): boolean {
  if (itemLifeCycle.states[to].end) return false
  if (itemLifeCycle.states[state].end) return true
  return rankOf(to) < rankOf(state) && !itemLifeCycle.canMove(state, to)
}

function cascade(order: Order, changes: StateChange[]): Decision {
  if (changes.length === 0) return { changes, after: order }
  let whole = emptyFold
  const sections = order.sections.map((section) => {
    const fold = foldStates(order.items.filter((item) => item.sectionNo === section.sectionNo).map((item) => item.state))
    whole = joinFolds(whole, fold)
    const state = stateOfFold(fold)
    if (state !== section.state) changes.push({ level: 'section', entity: String(section.sectionNo), from: section.state, to: state })
    return { ...section, state }
  })
  const state = stateOfFold(whole)
  if (state !== order.state) changes.push({ level: 'order', entity: '', from: order.state, to: state })
  return { changes, after: { ...order, sections, state } }
}

function moveMoney({ changes, after }: Decision, to: MoneyState): Decision {
  if (after.moneyState === to) return { changes, after }
  return { changes: [...changes, { level: 'money', entity: '', from: after.moneyState, to }], after: { ...after, moneyState: to } }
}

/** The order's money is there: whatever waits for it becomes paid. An order cancelled meanwhile only notes the money. */
export function coverOrder(order: Order): Outcome<Decision> {
  const waiting = order.items.filter((item) => item.state === 'pending_payment')
  const moved = moveItems(
    order,
    waiting.map(({ itemNo }) => ({ itemNo, to: 'paid' })),
  )
  return moved.ok ? accepted(moveMoney(moved.value, 'captured')) : moved
}

/** Money went back; what payments still hold says whether all of it did. */
export function refundOrder(order: Order, heldMinor: number): Outcome<Decision> {
  return accepted(moveMoney({ changes: [], after: order }, heldMinor === 0 ? 'refunded' : 'partially_refunded'))
}

/** Cancels the items asked for (none given: all). All of them or none. */
export function cancelOrder(order: Order, itemNos: readonly number[] | undefined): Outcome<Decision> {
  const asked = itemNos ?? order.items.map((item) => item.itemNo)
  for (const itemNo of asked) {
    const item = order.items.find((candidate) => candidate.itemNo === itemNo)
    if (item === undefined) return refused('orders.unknown_item', `Order ${order.number} has no item ${itemNo}.`, '/itemNos')
    if (item.state === 'cancelled') continue
    const facts = { itemNo, state: item.state }
    if (itemLifeCycle.states[item.state].end) {
      return refused('orders.not_cancellable', `Item ${itemNo} is ${item.state}.`, '/itemNos', facts)
    }
    const rank = rankOf(item.state)
    if (rank >= 60) {
      return refused('orders.not_cancellable', `Item ${itemNo} is ${item.state}; ask for a return instead.`, '/itemNos', facts)
    }
    if (rank >= 40) {
      return refused('orders.needs_warehouse_consent', `Item ${itemNo} is ${item.state}; the warehouse has to agree.`, '/itemNos', facts)
    }
  }
  return moveItems(
    order,
    asked.map((itemNo) => ({ itemNo, to: 'cancelled' })),
  )
}

/** States at birth, for placing. */
export function birthChanges(itemNosBySection: readonly (readonly number[])[], state: ItemState & FoldedState): StateChange[] {
  const fold = foldItem(state)
  return [
    ...itemNosBySection.flatMap((itemNos) =>
      itemNos.map((itemNo): StateChange => ({ level: 'item', entity: String(itemNo), from: '', to: state })),
    ),
    ...itemNosBySection.map((_, index): StateChange => ({ level: 'section', entity: String(index + 1), from: '', to: stateOfFold(fold) })),
    { level: 'order', entity: '', from: '', to: stateOfFold(fold) },
    { level: 'money', entity: '', from: '', to: 'none' },
  ]
}
