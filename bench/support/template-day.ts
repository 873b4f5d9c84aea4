import { goods, orderOf } from '#partners/made-city/index.ts'
import { systemContext } from '#platform/request-context.ts'
import { playCityRound } from '../../src/cli/city.ts'
import { isDrained } from '../../src/cli/session.ts'
import type { Core } from '../../src/core.ts'
import type { BenchHouse } from './server-process.ts'

const typeOf = new Map<string, string>(goods.map(({ sku, skuType }) => [sku, skuType]))

/** Waybills that an order becomes: one for each type of goods in each section. */
const waybillsOf = ({ sections }: ReturnType<typeof orderOf>): number =>
  sections.reduce((sum, { items }) => sum + new Set(items.map(({ sku }) => typeOf.get(sku))).size, 0)

/** Orders of the made city, as many as asked, with so many waybills each on average. */
export function ordersWithWaybills(house: BenchHouse, count: number, waybillsAnOrder: number) {
  const chosen: ReturnType<typeof orderOf>[] = []
  let waybills = 0
  for (let n = 0; chosen.length < count; n += 1) {
    const order = orderOf(n, 11, (at) => house.city.address(at))
    const made = waybillsOf(order)
    // Orders with few are passed over while the average lies below what is asked.
    if (made < waybillsAnOrder && waybills < waybillsAnOrder * chosen.length) continue
    waybills += made
    chosen.push(order)
  }
  return chosen
}

/** Places orders and plays the city's people until everything is at its door; the one day that all others are made from. */
export async function liveOneDay(core: Core, orders: readonly object[], say: (line: string) => void): Promise<void> {
  core.relay.start()
  const context = systemContext('history')
  for (let from = 0; from < orders.length; from += 200) {
    const calls = orders.slice(from, from + 200).map((input, at) => ({ context, idempotencyKey: `history-${from + at}`, input }))
    for (const outcome of await core.runner.runMany('orders.place', calls)) if (!outcome.ok) throw new Error(JSON.stringify(outcome))
  }
  say(`${orders.length} orders placed`)
  for (let quiet = 0; quiet < 3; ) {
    const moves = await playCityRound(core)
    quiet = moves.length === 0 && (await isDrained(core)) ? quiet + 1 : 0
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
