import { orderOf } from '#partners/made-city/index.ts'
import type { BenchHouse } from './server-process.ts'

/** Bodies of orders with three lines each, the n-th always the same. */
export function threeLineOrders(house: BenchHouse, count: number): object[] {
  return Array.from({ length: count }, (_, n) => {
    const order = orderOf(n, 7, (at) => house.city.address(at))
    const [section] = order.sections
    const [first] = section?.items ?? []
    const items = [0, 1, 2].map((line) => ({ ...first, quantity: 1 + ((n + line) % 3) }))
    const totalMinor = (section?.shippingMinor ?? 0) + items.reduce((sum, item) => sum + item.quantity * (item.unitPriceMinor ?? 0), 0)
    return { ...order, totalMinor, sections: [{ ...section, items }] }
  })
}
