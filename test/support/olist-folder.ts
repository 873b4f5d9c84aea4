import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seeded } from '#partners/made-city/index.ts'
import type { ReasonCode } from '#partners/olist/index.ts'

/** What must become of one made order. */
export interface Made {
  readonly id: string
  readonly kind: 'asExpected' | 'explained'
  readonly reasons: readonly ReasonCode[]
}

interface Life {
  readonly status: string
  /** Hours after the purchase; absent: the field is empty. */
  readonly approved?: number
  readonly carrier?: number
  readonly delivered?: number
  readonly reasons?: readonly ReasonCode[]
  /** Changes of what an ordinary order has. */
  readonly noItems?: true
  readonly nowhere?: true
  readonly paidMinor?: number
  readonly noPayment?: true
  readonly means?: string
  /** Rows of payment by type and instalments; the due amount is divided among them. */
  readonly pays?: readonly (readonly [type: string, instalments: number])[]
  /** As one more row of nothing. */
  readonly zeroRow?: true
  readonly price?: string
  readonly noCustomer?: true
  readonly customerOfFirst?: true
  readonly purchase?: string
}

/** Every way that an order of such a data set goes, right or wrong. */
const lives: readonly Life[] = [
  { status: 'delivered', approved: 0.3, carrier: 40, delivered: 200 },
  { status: 'delivered', approved: 20, carrier: 21, delivered: 22 },
  { status: 'shipped', approved: 0.3, carrier: 30 },
  { status: 'processing', approved: 1 },
  { status: 'invoiced', approved: 2 },
  { status: 'approved', approved: 3 },
  { status: 'created' },
  { status: 'canceled' },
  { status: 'canceled', approved: 5 },
  { status: 'unavailable', approved: 5 },
  { status: 'processing', approved: 1, nowhere: true },
  { status: 'canceled', approved: 1, nowhere: true },
  { status: 'delivered', approved: 1, carrier: 2, delivered: 30, nowhere: true, reasons: ['no_zone'] },
  { status: 'unavailable', approved: 1, noItems: true, reasons: ['no_items'] },
  { status: 'canceled', approved: 1, carrier: 30, reasons: ['cancelled_after_carrier'] },
  { status: 'canceled', approved: 1, carrier: 30, delivered: 90, reasons: ['cancelled_after_carrier'] },
  { status: 'shipped', approved: 30, carrier: 10, reasons: ['carrier_before_approval'] },
  { status: 'delivered', approved: 3, carrier: -2, delivered: 40, reasons: ['carrier_before_purchase'] },
  { status: 'delivered', approved: 3, carrier: 50, delivered: 40, reasons: ['delivered_before_carrier'] },
  { status: 'delivered', approved: 50, carrier: 10, delivered: 20, reasons: ['carrier_before_approval', 'delivered_before_approval'] },
  { status: 'delivered', approved: -3, carrier: 50, delivered: 60, reasons: ['approved_before_purchase'] },
  { status: 'delivered', carrier: 50, delivered: 60, reasons: ['no_approval'] },
  { status: 'delivered', approved: 1, carrier: 50, reasons: ['no_delivery_date'] },
  { status: 'delivered', approved: 1, reasons: ['no_carrier_date', 'no_delivery_date'] },
  { status: 'shipped', approved: 1, reasons: ['no_carrier_date'] },
  { status: 'processing', approved: 1, carrier: 20, reasons: ['dates_beyond_status'] },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, paidMinor: 7, reasons: ['paid_other_than_due'] },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, noPayment: true, reasons: ['no_payment'] },
  { status: 'canceled', means: 'not_defined', paidMinor: 0, reasons: ['means_not_defined', 'paid_other_than_due'] },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, pays: [['credit_card', 1]] },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, pays: [['credit_card', 24]] },
  { status: 'shipped', approved: 1, carrier: 20, pays: [['debit_card', 1]] },
  { status: 'delivered', approved: 30, carrier: 40, delivered: 90, pays: [['boleto', 1]] },
  { status: 'processing', approved: 1, pays: [['voucher', 1]] },
  { status: 'canceled', approved: 1, pays: [['boleto', 1]] },
  {
    status: 'canceled',
    approved: 1,
    pays: [
      ['voucher', 1],
      ['boleto', 1],
    ],
  },
  {
    status: 'unavailable',
    approved: 1,
    pays: [
      ['credit_card', 6],
      ['voucher', 1],
      ['voucher', 1],
    ],
  },
  {
    status: 'delivered',
    approved: 9,
    carrier: 20,
    delivered: 90,
    pays: [
      ['boleto', 1],
      ['credit_card', 3],
      ['debit_card', 1],
      ['voucher', 1],
    ],
  },
  { status: 'canceled', pays: [['boleto', 1]] },
  {
    status: 'canceled',
    approved: 1,
    carrier: 30,
    pays: [
      ['voucher', 1],
      ['boleto', 1],
    ],
    reasons: ['cancelled_after_carrier'],
  },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, pays: [['credit_card', 0]], reasons: ['odd_instalments'] },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, zeroRow: true, reasons: ['zero_payment'] },
  {
    status: 'delivered',
    approved: 1,
    carrier: 20,
    delivered: 90,
    pays: Array.from({ length: 26 }, () => ['voucher', 1] as const),
    reasons: ['many_means'],
  },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, means: 'not_defined', reasons: ['means_not_defined'] },
  { status: 'misplaced', approved: 1, reasons: ['dates_beyond_status', 'unknown_status'] },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, price: '12.345', reasons: ['unreadable_amount'] },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, purchase: 'yesterday', reasons: ['no_purchase_time'] },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, noCustomer: true, reasons: ['no_customer'] },
  { status: 'delivered', approved: 1, carrier: 20, delivered: 90, customerOfFirst: true, reasons: ['repeated_id'] },
]

/** States of a made country; each has its towns in an area of its own, which touch. */
const states = ['AB', 'CD', 'EF'] as const
const hourMs = 3_600_000
const started = Date.parse('2015-03-01T10:00:00Z')
const textOf = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
const moneyOf = (minor: number): string => `${Math.floor(minor / 100)}.${String(minor % 100).padStart(2, '0')}`.replace(/0$/, '')

/** An amount in so many parts, none of them nothing unless it is too small for that. */
function dividedIn(amountMinor: number, parts: number, random: () => number): number[] {
  const amounts: number[] = []
  for (let left = amountMinor; amounts.length < parts; left -= amounts.at(-1) ?? 0) {
    const still = parts - amounts.length - 1
    amounts.push(still === 0 ? left : Math.max(Math.min(1, left), Math.floor((random() * (left - still) * 2) / (still + 2))))
  }
  return amounts
}

/** Writes a small data set of the shape of Olist's, made from a seed, into a new folder. Each life occurs in every round. */
export async function writeOlistFolder(seed: number, rounds = 3): Promise<{ folder: string; made: Made[] }> {
  const random = seeded(seed)
  const pick = (most: number): number => Math.floor(random() * most)
  const hex = (): string => Array.from({ length: 32 }, () => pick(16).toString(16)).join('')
  const prefixes = states.flatMap((state, index) =>
    Array.from({ length: 8 }, (_, town) => ({
      state,
      prefix: `${index + 1}${String(town).padStart(4, '0')}`,
      lat: -10 + random() * 4,
      lng: -50 + index + random(),
    })),
  )
  const products = Array.from({ length: 12 }, hex)
  const sellers = Array.from({ length: 5 }, hex)
  const tables = {
    'customers.csv': ['customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state'],
    'geolocation.csv': [
      'geolocation_zip_code_prefix,geolocation_lat,geolocation_lng,geolocation_city,geolocation_state',
      ...prefixes.map(({ prefix, lat, lng, state }) => `${prefix},${lat},${lng},"town, near ${prefix}",${state}`),
      '99998,,-48,nowhere,AB',
    ],
    'order_items.csv': ['order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value'],
    'order_payments.csv': ['order_id,payment_sequential,payment_type,payment_installments,payment_value'],
    'orders.csv': [
      'order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date',
    ],
    'products.csv': [
      'product_id,product_category_name,product_name_lenght,product_description_lenght,product_photos_qty,product_weight_g,product_length_cm,product_height_cm,product_width_cm',
      ...products.map((id, index) =>
        index === 0 ? `${id},,,,,,,,` : `${id},things,1,1,1,${100 + pick(5_000)},${10 + pick(40)},${2 + pick(20)},${10 + pick(30)}`,
      ),
    ],
    'sellers.csv': ['seller_id,seller_zip_code_prefix,seller_city,seller_state'],
  }
  const made: Made[] = []
  let firstCustomer = ''
  const all = Array.from({ length: rounds }, () => lives).flat()
  for (const life of all) {
    const id = hex()
    const customer = hex()
    if (firstCustomer === '') firstCustomer = customer
    const purchase = started + pick(120 * 24) * hourMs
    const at = (hours: number | undefined): string => (hours === undefined ? '' : textOf(purchase + hours * hourMs))
    const owner = life.customerOfFirst ? firstCustomer : customer
    const prefix = life.nowhere ? '99999' : (prefixes[pick(prefixes.length)]?.prefix ?? '')
    if (!life.noCustomer && !life.customerOfFirst) tables['customers.csv'].push(`${owner},${hex()},${prefix},"são joão, ""do"" norte",AB`)
    tables['orders.csv'].push(
      [id, owner, life.status, life.purchase ?? textOf(purchase), at(life.approved), at(life.carrier), at(life.delivered), at(400)].join(),
    )
    let dueMinor = 0
    const items = life.noItems ? 0 : 1 + pick(4)
    for (let item = 1; item <= items; item += 1) {
      const [priceMinor, freightMinor] = [100 + pick(90_000), pick(5_000)]
      dueMinor += priceMinor + freightMinor
      const row = [
        id,
        item,
        products[pick(products.length)],
        sellers[pick(sellers.length)],
        at(26),
        life.price ?? moneyOf(priceMinor),
        moneyOf(freightMinor),
      ]
      tables['order_items.csv'].push(row.join())
      // Now and then the same again: one line of two pieces.
      if (random() < 0.2) {
        dueMinor += priceMinor + freightMinor
        tables['order_items.csv'].push(row.join())
      }
    }
    if (!life.noPayment) {
      const paidMinor = life.paidMinor ?? dueMinor
      const pays = life.pays ?? [[life.means ?? 'voucher', 1] as const, [life.means ?? 'credit_card', 1 + pick(10)] as const]
      const amounts = dividedIn(paidMinor, pays.length, random)
      pays.forEach(([type, instalments], index) =>
        tables['order_payments.csv'].push([id, index + 1, type, instalments, moneyOf(amounts[index] ?? 0)].join()),
      )
      if (life.zeroRow) tables['order_payments.csv'].push([id, pays.length + 1, 'voucher', 1, '0.0'].join())
    }
    const reasons = life.reasons ?? []
    made.push({ id, kind: reasons.length === 0 ? 'asExpected' : 'explained', reasons })
  }
  const folder = await mkdtemp(join(tmpdir(), 'throughline-olist-'))
  for (const [name, rows] of Object.entries(tables)) await writeFile(join(folder, name), `${rows.join('\n')}\n`)
  return { folder, made }
}
