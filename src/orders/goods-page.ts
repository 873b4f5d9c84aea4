import { type ReadContext, statement } from '#platform/database.ts'
import type { ItemState } from './lifecycle.ts'

/** The goods of an order as it knows them, to be held against waybills. */
export interface OrderGoods {
  readonly orderId: number
  readonly items: readonly GoodsRow[]
}

export interface GoodsRow {
  readonly itemNo: number
  readonly state: ItemState
  readonly quantity: number
  /** Paid, and not told to anybody while a hold is on. */
  readonly withheld: boolean
  /** Cancelled when its goods could not be called off any more; somebody was told to look after it. */
  readonly tooFarGone: boolean
}

const page = statement<{ id: number; item_no: number; state: ItemState; quantity: number; withheld: boolean; too_far_gone: boolean }>(
  'orders.goods_page',
  `select o.id, i.item_no, i.state, i.quantity, 'withheld' = any(i.flags) as withheld,
     'too_far_gone' = any(i.flags) as too_far_gone
   from (select id from orders.orders where id > $1 order by id limit $2) as o
   cross join lateral (select item_no, state, quantity, flags from orders.item where order_id = o.id offset 0) as i
   order by o.id, i.item_no`,
)

/** Goods of the next orders after an id; empty at the end. */
export async function goodsPage(context: ReadContext, after: number, most: number): Promise<OrderGoods[]> {
  const goods: { orderId: number; items: GoodsRow[] }[] = []
  for (const { id, item_no: itemNo, state, quantity, withheld, too_far_gone: tooFarGone } of await context.query(page, [after, most])) {
    const row = { itemNo, state, quantity, withheld, tooFarGone }
    const last = goods.at(-1)
    if (last?.orderId === id) last.items.push(row)
    else goods.push({ orderId: id, items: [row] })
  }
  return goods
}
