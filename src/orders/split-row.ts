import { invariant } from '#kernel/outcome.ts'
import { type Line, lineOf, type Order, type OrderItem } from './order.ts'

/**
 * Divides an amount between two shares of a quantity by largest remainder: both together are the amount, to the minor unit. On a
 * tie the odd unit stays with the rest. Products stay exact: amounts to 10^11 times quantities to 10^4 are below 2^53.
 */
export function shareOf(amountMinor: number, take: number, quantity: number): number {
  const floor = Math.floor((amountMinor * take) / quantity)
  const remainder = amountMinor * take - floor * quantity
  return remainder * 2 > quantity ? floor + 1 : floor
}

/** Splits a line: `taken` has `take` pieces, `rest` the others; every amount of both adds up to what it was. */
export function splitLine(line: Line, take: number): { rest: Line; taken: Line } {
  invariant(Number.isInteger(take) && take > 0 && take < line.quantity, `can not take ${take} of ${line.quantity} pieces`)
  const discountMinor = shareOf(line.discountMinor, take, line.quantity)
  const taxMinor = shareOf(line.taxMinor, take, line.quantity)
  return {
    taken: { ...line, quantity: take, discountMinor, taxMinor },
    rest: {
      ...line,
      quantity: line.quantity - take,
      discountMinor: line.discountMinor - discountMinor,
      taxMinor: line.taxMinor - taxMinor,
    },
  }
}

/** A row that was split off another. */
export interface Split {
  readonly itemNo: number
  readonly fromItemNo: number
  readonly quantity: number
}

export const nextItemNo = (order: Order): number => order.items.reduce((most, { itemNo }) => Math.max(most, itemNo), 0) + 1

/**
 * Takes `quantity` pieces of an item out into a row of their own, unless they are all of it. The row keeps its number for the
 * rest; the new row has all else from it, its state as well. `taken` is the row that holds the pieces.
 */
export function splitOff(order: Order, item: OrderItem, quantity: number): { order: Order; taken: OrderItem; split: Split | null } {
  const line = lineOf(item)
  if (quantity >= line.quantity) return { order, taken: item, split: null }
  const { rest, taken: takenLine } = splitLine(line, quantity)
  const taken: OrderItem = {
    ...item,
    itemNo: nextItemNo(order),
    // Siblings name the row that was ordered, not the one between: their sum is what was ordered. A row that was made in
    // exchange has its own siblings.
    line: { ...takenLine, originItemNo: line.originKind === 'split' ? line.originItemNo : item.itemNo, originKind: 'split' },
  }
  const items = order.items.map((each) => (each === item ? { ...item, line: rest } : each))
  return { order: { ...order, items: [...items, taken] }, taken, split: { itemNo: taken.itemNo, fromItemNo: item.itemNo, quantity } }
}
