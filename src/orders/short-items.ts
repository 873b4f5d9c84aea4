import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { changeNamed } from './change-orders.ts'
import type { Changed, FillBackorderInput } from './change-schemas.ts'
import { itemLifeCycle, rankOf } from './lifecycle.ts'
import { unknownItem } from './move-items.ts'
import { lineOf, type Order, type OrderItem } from './order.ts'
import { changeRows, type Picked, takeRows } from './pick-rows.ts'
import { type Decision, settle, unchanged } from './settle.ts'

/** Pieces of rows that a warehouse does not have, and what the order does about them: give them up, or wait for them. */
export interface ShortItems {
  readonly items: readonly { readonly itemNo: number; readonly quantity: number }[]
  readonly policy: 'cancel' | 'backorder'
}

/**
 * Follows a short pick: the missing pieces become rows of their own, cancelled, so that their money goes back, or on back order. Where a row
 * was split meanwhile, what it has too little comes from its siblings. What nobody wants any more is not missed.
 */
export function shortItems(order: Order, { items, policy }: ShortItems): Outcome<Decision> {
  const unknown = items.find(({ itemNo }) => !order.items.some((item) => item.itemNo === itemNo))
  if (unknown !== undefined) return unknownItem(order, unknown.itemNo)
  const to = policy === 'cancel' ? 'cancelled' : 'backordered'
  const open = order.items.filter((item) => itemLifeCycle.canMove(item.state, to) && rankOf(item.state) >= 20)
  const left = new Map(open.map((item) => [item, lineOf(item).quantity]))
  const wanted = new Map<OrderItem, number>()
  for (const { itemNo, quantity } of items) {
    const row = order.items.find((item) => item.itemNo === itemNo) as OrderItem
    let missing = quantity
    for (const each of [row, ...open.filter((item) => item !== row && isSibling(item, row))]) {
      const off = Math.min(missing, left.get(each) ?? 0)
      if (off === 0) continue
      left.set(each, (left.get(each) ?? 0) - off)
      wanted.set(each, (wanted.get(each) ?? 0) + off)
      missing -= off
    }
  }
  if (wanted.size === 0) return accepted(unchanged(order))
  const {
    order: split,
    taken,
    splits,
  } = takeRows(
    order,
    [...wanted].map(([item, quantity]): Picked => ({ item, quantity, field: '' })),
  )
  const draft = changeRows(split, taken, (item) => ({ ...item, state: to }))
  // A row on back order is on no waybill, so nobody is told of the split: the waybill has let go of the pieces itself.
  return accepted(settle(order, draft, policy === 'cancel' ? { splits } : {}))
}

const familyOf = (item: OrderItem): number =>
  lineOf(item).originKind === 'split' ? (lineOf(item).originItemNo ?? item.itemNo) : item.itemNo
const isSibling = (a: OrderItem, b: OrderItem): boolean => a.sectionNo === b.sectionNo && familyOf(a) === familyOf(b)

/** The goods are there: what waits for them is announced as paid again, and gets a waybill. Until that has a route it may be said again. */
export const fillBackorders = (context: WriteContext, asked: readonly Asked<FillBackorderInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({ cause: 'fill back order', detailed: true, decide: (order: Order) => fillBackorder(order, input) }),
    answer: (changed) => changed,
  })

export function fillBackorder(order: Order, { itemNos }: Pick<FillBackorderInput, 'itemNos'>): Outcome<Decision> {
  for (const [at, itemNo] of (itemNos ?? []).entries())
    if (!order.items.some((item) => item.itemNo === itemNo)) return unknownItem(order, itemNo, `/itemNos/${at}`)
  const released = order.items.filter(({ itemNo, state }) => state === 'backordered' && (itemNos?.includes(itemNo) ?? true))
  return accepted({ ...unchanged(order), released: released.map(({ itemNo }) => itemNo) })
}
