import { decimalOf, instantOf, minorOf, readRows } from './rows.ts'

export interface OlistItem {
  readonly product: string
  readonly seller: string
  /** Null where the file has no readable amount. */
  readonly priceMinor: number | null
  readonly freightMinor: number | null
  /** By when the seller had to hand it to the carrier. */
  readonly shipBy: Date | null
}

export interface OlistPayment {
  /** Payments of one order are counted from 1. */
  readonly sequential: number
  readonly instalments: number
  readonly means: string
  readonly amountMinor: number | null
}

export interface OlistCustomer {
  /** The person; one may have several customer ids. */
  readonly person: string
  readonly prefix: string
  readonly city: string
  readonly state: string
}

export interface OlistOrder {
  readonly id: string
  readonly customerId: string
  readonly customer: OlistCustomer | null
  readonly status: string
  readonly purchasedAt: Date | null
  readonly approvedAt: Date | null
  readonly carrierAt: Date | null
  readonly deliveredAt: Date | null
  readonly promisedAt: Date | null
  readonly items: readonly OlistItem[]
  readonly payments: readonly OlistPayment[]
}

export interface OlistProduct {
  readonly id: string
  readonly category: string
  readonly weightGrams: number | null
  readonly volumeMl: number | null
}

/** Where a postcode prefix lies. */
export interface OlistPlace {
  readonly prefix: string
  readonly lat: number
  readonly lng: number
  readonly state: string
}

export interface OlistFolder {
  /** As in the file; an id that comes twice is there twice. */
  readonly orders: readonly OlistOrder[]
  readonly products: ReadonlyMap<string, OlistProduct>
  readonly places: ReadonlyMap<string, OlistPlace>
  /** Rows of items and payments whose order is not in orders.csv. */
  readonly strayRows: number
}

/** Reads a folder of the Olist marketplace data set where it lies. Throws FolderError when it is not one. */
export async function readOlist(folder: string): Promise<OlistFolder> {
  const customers = await readCustomers(folder)
  const items = await readItems(folder)
  const payments = await readPayments(folder)
  const orders: OlistOrder[] = []
  for await (const row of readRows(folder, 'orders.csv', orderColumns)) {
    const id = row.order_id
    orders.push({
      id,
      customerId: row.customer_id,
      customer: customers.get(row.customer_id) ?? null,
      status: row.order_status,
      purchasedAt: instantOf(row.order_purchase_timestamp),
      approvedAt: instantOf(row.order_approved_at),
      carrierAt: instantOf(row.order_delivered_carrier_date),
      deliveredAt: instantOf(row.order_delivered_customer_date),
      promisedAt: instantOf(row.order_estimated_delivery_date),
      items: items.get(id) ?? [],
      payments: payments.get(id) ?? [],
    })
  }
  const known = new Set(orders.map(({ id }) => id))
  let strayRows = 0
  for (const rows of [items, payments]) for (const [id, of] of rows) if (!known.has(id)) strayRows += of.length
  return { orders, products: await readProducts(folder), places: await readPlaces(folder), strayRows }
}

const orderColumns = [
  'order_id',
  'customer_id',
  'order_status',
  'order_purchase_timestamp',
  'order_approved_at',
  'order_delivered_carrier_date',
  'order_delivered_customer_date',
  'order_estimated_delivery_date',
] as const

async function readCustomers(folder: string): Promise<Map<string, OlistCustomer>> {
  const customers = new Map<string, OlistCustomer>()
  const columns = ['customer_id', 'customer_unique_id', 'customer_zip_code_prefix', 'customer_city', 'customer_state'] as const
  for await (const row of readRows(folder, 'customers.csv', columns)) {
    customers.set(row.customer_id, {
      person: row.customer_unique_id,
      prefix: row.customer_zip_code_prefix,
      city: row.customer_city,
      state: row.customer_state,
    })
  }
  return customers
}

async function readItems(folder: string): Promise<Map<string, OlistItem[]>> {
  const items = new Map<string, OlistItem[]>()
  const columns = ['order_id', 'product_id', 'seller_id', 'shipping_limit_date', 'price', 'freight_value'] as const
  for await (const row of readRows(folder, 'order_items.csv', columns)) {
    append(items, row.order_id, {
      product: row.product_id,
      seller: row.seller_id,
      priceMinor: minorOf(row.price),
      freightMinor: minorOf(row.freight_value),
      shipBy: instantOf(row.shipping_limit_date),
    })
  }
  return items
}

async function readPayments(folder: string): Promise<Map<string, OlistPayment[]>> {
  const payments = new Map<string, OlistPayment[]>()
  const columns = ['order_id', 'payment_sequential', 'payment_type', 'payment_installments', 'payment_value'] as const
  for await (const row of readRows(folder, 'order_payments.csv', columns)) {
    append(payments, row.order_id, {
      sequential: decimalOf(row.payment_sequential) ?? 0,
      means: row.payment_type,
      instalments: Math.trunc(decimalOf(row.payment_installments) ?? 0),
      amountMinor: minorOf(row.payment_value),
    })
  }
  return payments
}

async function readProducts(folder: string): Promise<Map<string, OlistProduct>> {
  const products = new Map<string, OlistProduct>()
  const columns = [
    'product_id',
    'product_category_name',
    'product_weight_g',
    'product_length_cm',
    'product_height_cm',
    'product_width_cm',
  ] as const
  for await (const row of readRows(folder, 'products.csv', columns)) {
    const sides = [row.product_length_cm, row.product_height_cm, row.product_width_cm].map(decimalOf)
    const weight = decimalOf(row.product_weight_g)
    products.set(row.product_id, {
      id: row.product_id,
      category: row.product_category_name,
      weightGrams: weight === null || weight <= 0 ? null : Math.round(weight),
      // A cubic centimetre is a millilitre.
      volumeMl: sides.some((side) => side === null || side <= 0)
        ? null
        : Math.round(sides.reduce<number>((product, side) => product * (side ?? 0), 1)),
    })
  }
  return products
}

async function readPlaces(folder: string): Promise<Map<string, OlistPlace>> {
  const places = new Map<string, OlistPlace>()
  const columns = ['geolocation_zip_code_prefix', 'geolocation_lat', 'geolocation_lng', 'geolocation_state'] as const
  for await (const row of readRows(folder, 'geolocation.csv', columns)) {
    const prefix = row.geolocation_zip_code_prefix
    const lat = decimalOf(row.geolocation_lat)
    const lng = decimalOf(row.geolocation_lng)
    // The whole data set has many points for one prefix; the first is as good as any for finding a state.
    if (lat === null || lng === null || Math.abs(lat) > 90 || Math.abs(lng) > 180 || places.has(prefix)) continue
    if (/^[A-Z]{2}$/.test(row.geolocation_state)) places.set(prefix, { prefix, lat, lng, state: row.geolocation_state })
  }
  return places
}

function append<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
