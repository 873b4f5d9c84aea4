import { type Outcome, accepted, refused } from '#kernel/outcome.ts'
import { unknownItem } from './move-items.ts'
import { lineOf, type Order, type OrderItem, type OrderSection } from './order.ts'
import { type Split, splitOff } from './split-row.ts'

/** Rows or quantities that a command names. */
export interface Wanted {
  readonly itemNo: number
  /** All of the row unless told. */
  readonly quantity?: number
}

export interface Picked {
  readonly item: OrderItem
  readonly quantity: number
  /** JSON pointer to what named it. */
  readonly field: string
}

/** Rows number in a smallint; whoever cancels a pallet piece by piece comes to an end. */
export const mostRows = 20_000

/** The rows that a command names, each once; with the quantity that it wants of them. */
export function pickRows(order: Order, wanted: readonly Wanted[], field: string): Outcome<Picked[]> {
  const picked: Picked[] = []
  const seen = new Set<number>()
  for (const [at, { itemNo, quantity }] of wanted.entries()) {
    const item = order.items.find((each) => each.itemNo === itemNo)
    if (item === undefined) return unknownItem(order, itemNo, `${field}/${at}`)
    if (seen.has(itemNo)) return refused('orders.named_twice', `Item ${itemNo} is named twice.`, `${field}/${at}`)
    seen.add(itemNo)
    const whole = lineOf(item).quantity
    if (quantity !== undefined && quantity > whole) {
      return refused('orders.quantity_too_large', `Item ${itemNo} has ${whole} pieces, not ${quantity}.`, `${field}/${at}/quantity`, {
        quantity: whole,
      })
    }
    if (quantity !== undefined && quantity < whole && order.items.length + wanted.length > mostRows) {
      return refused(
        'orders.too_many_items',
        `An order has at most ${mostRows} rows; this one can not be divided further.`,
        `${field}/${at}/quantity`,
      )
    }
    picked.push({ item, quantity: quantity ?? whole, field: `${field}/${at}` })
  }
  return accepted(picked)
}

/** Splits the wanted quantities off their rows; rows wanted whole stay whole. `taken` holds the numbers of the rows that hold them. */
export function takeRows(order: Order, picked: readonly Picked[]): { order: Order; taken: number[]; splits: Split[] } {
  let draft = order
  const taken: number[] = []
  const splits: Split[] = []
  for (const { item, quantity } of picked) {
    const off = splitOff(draft, item, quantity)
    draft = off.order
    taken.push(off.taken.itemNo)
    if (off.split !== null) splits.push(off.split)
  }
  return { order: draft, taken, splits }
}

/** Changes rows by number; others stay the same objects. */
export function changeRows(order: Order, itemNos: Iterable<number>, change: (item: OrderItem) => OrderItem): Order {
  const named = new Set(itemNos)
  return named.size === 0 ? order : { ...order, items: order.items.map((item) => (named.has(item.itemNo) ? change(item) : item)) }
}

export function changeSection(order: Order, sectionNo: number, change: (section: OrderSection) => OrderSection): Order {
  return { ...order, sections: order.sections.map((section) => (section.sectionNo === sectionNo ? change(section) : section)) }
}

/** A section of an order that was not merged away. */
export function findSection(order: Order, sectionNo: number, field = '/sectionNo'): Outcome<OrderSection> {
  const section = order.sections.find((each) => each.sectionNo === sectionNo)
  if (section === undefined) return refused('orders.unknown_section', `Order ${order.number} has no section ${sectionNo}.`, field)
  const mergedInto = section.detail?.mergedInto ?? null
  if (mergedInto !== null) {
    return refused(
      'orders.unknown_section',
      `Section ${sectionNo} of order ${order.number} was merged into section ${mergedInto}.`,
      field,
      { mergedInto },
    )
  }
  return accepted(section)
}
