import { demoStore, goods } from './goods.ts'

export interface Address {
  readonly name: string
  readonly line1: string
  readonly city: string
  readonly postcode: string
  readonly country: string
  readonly lat: number
  readonly lng: number
}

/** The n-th order of the city: the same one for the same seed, as a body of POST /v1/orders. */
export function orderOf(n: number, seed: number, addressOf: (n: number) => Address) {
  const random = seeded(seed ^ Math.imul(n + 1, 0x85ebca6b))
  const customer = Math.floor(random() * 20_000)
  const lines = 1 + Math.floor(random() * 4)
  const start = Math.floor(random() * goods.length)
  const items = Array.from({ length: lines }, (_, line) => {
    const good = goods[(start + line * 3) % goods.length] ?? goods[0]
    return { sku: good.sku, quantity: 1 + Math.floor(random() * 3), unitPriceMinor: good.priceMinor }
  })
  const shippingMinor = 499
  const totalMinor = shippingMinor + items.reduce((sum, item) => sum + item.quantity * item.unitPriceMinor, 0)
  return {
    storeId: demoStore.storeId,
    customerId: `resident-${customer + 1}`,
    currency: demoStore.currency,
    totalMinor,
    payment: { legs: [{ means: 'card' as const, token: 'tok_ok' }] },
    sections: [{ destination: addressOf(customer), shippingMinor, items }],
  }
}

/** A small seeded generator (xorshift): the same numbers on every machine. */
export function seeded(seed: number): () => number {
  let state = (seed | 0) === 0 ? 0x9e3779b9 : seed | 0
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4_294_967_296
  }
}
