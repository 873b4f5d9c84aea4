import { orderOf, seeded } from '#partners/made-city/index.ts'
import type { LoadRequest } from './http-load.ts'
import { type MixPlaces, toteCode, toteEpc } from './mix-places.ts'
import type { BenchHouse } from './server-process.ts'

/** What thirty days left behind, to ask for; each list begins with today and goes back. */
export interface Past {
  readonly numbers: readonly string[]
  readonly orderIds: readonly number[]
  readonly customers: readonly string[]
  readonly waybillIds: readonly number[]
  readonly routeIds: readonly number[]
  readonly salesOrderIds: readonly number[]
}

export interface Mix {
  next(): LoadRequest & { readonly kind: string }
  answered(kind: string, status: number, body: string): void
  readonly counts: { placed: number; moved: number; lost: number; doubled: number }
  /** Waybills that have a route and wait for their warehouse. */
  readonly open: Map<number, number>
}

/**
 * Shares of the day's mix, in thousandths; those of product.md. How much of it writes follows from the day: of 60,000 orders with 2.5
 * waybills of nine states each, an hour of a tenth of the day has 1.7 orders and 38 reports a second. The mix has about five times that
 * at 400/s: 8 orders and 180 reports, and what follows from them.
 */
const shares = [
  // Orders and waybills: 80 to 85 %.
  ['place order', 20],
  ['order', 285],
  ['orders of a customer', 70],
  ['timeline of an order', 20],
  ['payments of an order', 50],
  ['waybills of an order', 105],
  ['waybill', 40],
  ['status of a waybill', 75],
  ['waybills that wait', 10],
  ['20 waybills moved', 23],
  ['track of a waybill', 102],
  // Route assignment: 15 to 20 %, beside the assigning that each new waybill causes.
  ['slots that are free', 85],
  ['assignments of an order', 48],
  ['route', 17],
  // Sales orders: 3 to 5 %, beside those that each released waybill causes.
  ['sales order', 22],
  ['sales orders to pick', 8],
  // Merchants, customer service and integration: 1 to 2 % each.
  ['what a merchant prepares', 10],
  ['hold', 3],
  ['cancel', 3],
  ['what a cancel would do', 4],
  ['5 facts of a carrier', 10],
  // Containers, zones and vehicles: 0.5 to 1 % each.
  ['where a tote is', 3],
  ['20 reads of tags', 2],
  ['zone of an address', 5],
] as const

/** A page that shows a status asks again while it is open: so many times in all, and so many pages are open at once. */
const asksOfAPage = 6
const openPages = 1_000

const way = ['released', 'acknowledged', 'picked', 'packed', 'staged', 'loaded', 'out_for_delivery', 'arrived', 'delivered']
const movesAtOnce = 20

/** Draws the requests of the mix from a seed. */
export function openMix(house: BenchHouse, past: Past, places: MixPlaces, seed: number): Mix {
  const random = seeded(seed)
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T
  // People ask about what is on its way: four questions of five are about the last three days, the others about any day.
  const asked = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length * (random() < 0.8 ? 0.1 : 1))] as T
  const total = shares.reduce((sum, [, share]) => sum + share, 0)
  const run = Date.now().toString(36)
  const pages = Array.from({ length: openPages }, () => ({ waybillId: 0, left: 0 }))
  const own: string[] = []
  const numbers = new Set<string>()
  const open = new Map<number, number>()
  const counts = { placed: 0, moved: 0, lost: 0, doubled: 0 }
  let sent = 0
  const headers = { authorization: `Bearer ${house.key}` }
  const get = (kind: string, path: string) => ({ kind, method: 'GET', path, headers, body: '' })
  const post = (kind: string, path: string, body: object) => ({
    kind,
    method: 'POST',
    path,
    headers: { ...headers, 'idempotency-key': `mix-${run}-${sent}` },
    body: JSON.stringify(body),
  })
  const draw = (): (typeof shares)[number][0] => {
    let at = random() * total
    for (const [kind, share] of shares) if ((at -= share) < 0) return kind
    return 'order'
  }
  // A code of the carrier's own, as from a sensor on the truck: kept and shown, and it moves nothing.
  const carrierFact = () => ({
    waybillId: asked(past.waybillIds),
    code: 'temperature_read',
    occurredAt: new Date().toISOString(),
    source: 'mix-carrier',
    detail: `${(random() * 8).toFixed(1)} °C`,
  })
  const tagRead = () => ({
    reader: `portal-${Math.floor(random() * 40)}`,
    epc: toteEpc(Math.floor(random() * places.totes)),
    readAt: new Date().toISOString(),
  })
  const request = (kind: (typeof shares)[number][0]): LoadRequest & { readonly kind: string } => {
    const address = house.city.address(Math.floor(random() * 20_000))
    switch (kind) {
      case 'place order':
        return post(kind, '/v1/orders', { ...orderOf(sent, seed, (at) => house.city.address(at)), customerId: one(past.customers) })
      case 'order':
        return get(kind, `/v1/orders/${random() < 0.5 && own.length > 0 ? one(own) : asked(past.numbers)}`)
      case 'orders of a customer':
        return get(kind, `/v1/orders?customerId=${asked(past.customers)}&limit=20`)
      case 'timeline of an order':
        return get(kind, `/v1/orders/${asked(past.numbers)}/timeline`)
      case 'payments of an order':
        return get(kind, `/v1/payments/${asked(past.orderIds)}`)
      case 'waybills of an order':
        return get(kind, `/v1/orders/${asked(past.orderIds)}/waybills`)
      case 'waybill':
        return get(kind, `/v1/waybills/${asked(past.waybillIds)}`)
      case 'status of a waybill': {
        const page = one(pages)
        if (page.left === 0) Object.assign(page, { waybillId: asked(past.waybillIds), left: asksOfAPage })
        page.left -= 1
        return get(kind, `/v1/waybills/${page.waybillId}/status`)
      }
      case 'track of a waybill':
        return get(kind, `/v1/waybills/${asked(past.waybillIds)}/track`)
      case 'slots that are free':
        return get(kind, `/v1/slots/availability?lat=${address.lat}&lng=${address.lng}&skuType=dry&days=3`)
      case 'assignments of an order':
        return get(kind, `/v1/orders/${asked(past.orderIds)}/assignments`)
      case 'route':
        return get(kind, `/v1/routes/${asked(past.routeIds)}`)
      case 'zone of an address':
        return get(kind, `/v1/zones/locate?lat=${address.lat}&lng=${address.lng}`)
      case 'sales order':
        return get(kind, `/v1/sales-orders/${asked(past.salesOrderIds)}`)
      case 'sales orders to pick':
        return get(kind, '/v1/sales-orders?warehouse=main&state=created&limit=50')
      case 'what a merchant prepares':
        return { ...get(kind, '/v1/merchant/waybills?limit=20'), headers: { authorization: `Bearer ${one(places.merchantKeys)}` } }
      case 'what a cancel would do':
        return get(kind, `/v1/waybills/${asked(past.waybillIds)}/preview?act=cancel`)
      case '5 facts of a carrier':
        return post(kind, '/v1/track/events/batch', { commands: Array.from({ length: 5 }, () => ({ input: carrierFact() })) })
      case 'where a tote is':
        return get(kind, `/v1/containers/${toteCode(Math.floor(random() * places.totes))}`)
      case '20 reads of tags':
        return post(kind, '/v1/container-reads', { reads: Array.from({ length: 20 }, tagRead) })
      case 'hold':
        return own.length === 0
          ? request('order')
          : post(kind, `/v1/orders/${one(own)}/holds`, { reason: 'the customer asked', owner: `cs-${sent}` })
      case 'cancel':
        return own.length === 0 ? request('order') : post(kind, `/v1/orders/${own.pop()}/cancel`, { reason: 'changed my mind' })
      case 'waybills that wait':
        return get(kind, '/v1/waybills?state=routed&limit=500')
      case '20 waybills moved':
        return moves()
    }
  }
  const moves = (): LoadRequest & { readonly kind: string } => {
    const chosen = [...take(open, movesAtOnce)]
    if (chosen.length === 0) return get('waybills that wait', '/v1/waybills?state=routed&limit=500')
    const commands = chosen.map(([waybillId, step]) => {
      // Behind all others, so that each is moved in its turn.
      open.delete(waybillId)
      if (step + 1 < way.length) open.set(waybillId, step + 1)
      return { input: { waybillId, to: way[step] } }
    })
    counts.moved += commands.length
    return post('20 waybills moved', '/v1/waybills/updates', { commands })
  }
  return {
    counts,
    open,
    next() {
      sent += 1
      return request(draw())
    },
    answered(kind, status, body) {
      if (status === 0) counts.lost += 1
      if (kind === 'place order' && status === 201) {
        const { number } = JSON.parse(body) as { number: string }
        counts.placed += 1
        if (numbers.has(number)) counts.doubled += 1
        numbers.add(number)
        own.push(number)
        if (own.length > 5_000) own.shift()
      } else if (kind === 'waybills that wait' && status === 200) {
        // Half a megabyte: read as text, for whoever parses it here is not there for the other answers.
        for (const [, waybillId] of body.matchAll(/\{"waybillId":(\d+)/g)) if (!open.has(Number(waybillId))) open.set(Number(waybillId), 0)
      }
    },
  }
}

function* take<Key, Value>(of: Map<Key, Value>, most: number): Iterable<[Key, Value]> {
  let taken = 0
  for (const entry of of) {
    if (taken === most) return
    taken += 1
    yield entry
  }
}
