import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Address, orderOf } from '#partners/made-city/index.ts'

export interface OrderFileOptions {
  readonly orders: number
  readonly seed: number
  readonly addressOf: (n: number) => Address
  /** The token of every card; `tok_ok` unless told. */
  readonly token?: string
}

const header =
  'reference storeId customerId currency totalMinor paymentMeans paymentToken name line1 city postcode country lat lng shippingMinor sku quantity unitPriceMinor'.replaceAll(
    ' ',
    '\t',
  )

/** A TSV of orders of the made city, 1 to 4 lines each: the same text for the same seed, however long, one order at a time. */
export function* orderFile({ orders, seed, addressOf, token = 'tok_ok' }: OrderFileOptions): Generator<string> {
  yield `${header}\n`
  for (let n = 0; n < orders; n += 1) {
    const { storeId, customerId, currency, totalMinor, sections } = orderOf(n, seed, addressOf)
    const lines = sections.flatMap(({ destination: to, shippingMinor, items }) =>
      items.map(({ sku, quantity, unitPriceMinor }) => {
        const ofOrder = [`A-${seed}-${n}`, storeId, customerId, currency, totalMinor, 'card', token]
        const ofSection = [to.name, to.line1, to.city, to.postcode, to.country, to.lat, to.lng, shippingMinor]
        return [...ofOrder, ...ofSection, sku, quantity, unitPriceMinor].join('	')
      }),
    )
    yield `${lines.join('\n')}\n`
  }
}

export const writeOrderFile = (path: string, options: OrderFileOptions): Promise<void> =>
  pipeline(Readable.from(orderFile(options), { highWaterMark: 1_000 }), createWriteStream(path))
