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

interface Row {
  id: number
  item_no: number
  state: ItemState
  quantity: number
  withheld: boolean
  too_far_gone: boolean
}
const goodsOf = (orders: string) =>
  `select o.id, i.item_no, i.state, i.quantity, 'withheld' = any(i.flags) as withheld,
     'too_far_gone' = any(i.flags) as too_far_gone
   from (${orders}) as o
   cross join lateral (select item_no, state, quantity, flags from orders.item where order_id = o.id offset 0) as i
   order by o.id, i.item_no`
const page = statement<Row>('orders.goods_page', goodsOf('select id from orders.orders where id > $1 order by id limit $2'))
const some = statement<Row>('orders.goods_of_orders', goodsOf('select id from orders.orders where id = any($1::bigint[])'))

/** Goods of the next orders after an id; empty at the end. */
export async function goodsPage(context: ReadContext, after: number, most: number): Promise<OrderGoods[]> {
  return byOrder(await context.query(page, [after, most]))
}

/** Goods of some orders, by id. */
export async function goodsOfOrders(context: ReadContext, orderIds: readonly number[]): Promise<OrderGoods[]> {
  return byOrder(await context.query(some, [orderIds]))
}

function byOrder(rows: readonly Row[]): OrderGoods[] {
  const goods: { orderId: number; items: GoodsRow[] }[] = []
  for (const { id, item_no: itemNo, state, quantity, withheld, too_far_gone: tooFarGone } of rows) {
    const row = { itemNo, state, quantity, withheld, tooFarGone }
    const last = goods.at(-1)
    if (last?.orderId === id) last.items.push(row)
    else goods.push({ orderId: id, items: [row] })
  }
  return goods
}
