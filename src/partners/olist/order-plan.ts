import { sumMinor } from '#kernel/money.ts'
import type { OlistFolder, OlistItem, OlistOrder, OlistPlace, OlistProduct } from './folder.ts'
import { zoneCodeOf } from './geography.ts'
import { legsOf, type OlistLeg } from './payment-legs.ts'
import { type Expected, expectationOf, knownStatuses, type Reason, type ReasonCode } from './reasons.ts'

export const olistStore = { storeId: 'olist', name: 'Olist marketplace', prefix: 'OL', currency: 'BRL' } as const

export type StepKind = 'place' | 'pay' | 'ship' | 'deliver' | 'cancel'

/** One command of an order's life, and when it was due. Times of an order never fall. */
export interface Step {
  readonly kind: StepKind
  readonly at: Date
}

/** One order of the data set as commands, and what must come of them. */
export interface OrderPlan {
  readonly id: string
  readonly customerId: string
  readonly status: string
  /** Input of orders.place; null when there is nothing that could be placed. */
  readonly place: PlaceInput | null
  readonly steps: readonly Step[]
  /** How it is paid, if it is: amounts add up to what is due. */
  readonly legs: readonly OlistLeg[]
  /** Zone of the destination; null when the address lies in none. */
  readonly zoneCode: string | null
  /** Where it stands at the end; null for a status that is not known. */
  readonly expected: Expected | null
  /** What is odd about it. */
  readonly reasons: readonly Reason[]
}

export interface PlaceInput {
  readonly storeId: string
  readonly customerId: string
  readonly channel: string
  readonly currency: string
  readonly totalMinor: number
  readonly sections: readonly {
    readonly destination: {
      readonly name: string
      readonly line1: string
      readonly city: string
      readonly postcode: string
      readonly country: string
      readonly lat?: number
      readonly lng?: number
    }
    readonly merchantId: string
    readonly shippingMinor: number
    readonly items: readonly { readonly sku: string; readonly quantity: number; readonly unitPriceMinor: number }[]
  }[]
}

/** All orders as plans, in the order of the file. */
export function planOrders({ orders, places }: Pick<OlistFolder, 'orders' | 'places'>): OrderPlan[] {
  const ids = new Set<string>()
  const customers = new Set<string>()
  return orders.map((order) => {
    // The customer id tells an order again in a later run, so it must be the order's own, as the data set promises.
    const repeated = ids.has(order.id) || customers.has(order.customerId)
    ids.add(order.id)
    customers.add(order.customerId)
    return planOrder(order, { places, repeated })
  })
}

export function planOrder(
  order: OlistOrder,
  { places, repeated = false }: { places: ReadonlyMap<string, OlistPlace>; repeated?: boolean },
): OrderPlan {
  const { id, customerId, status, customer, purchasedAt } = order
  const place = customer === null ? undefined : places.get(customer.prefix)
  const zoneCode = place === undefined ? null : zoneCodeOf(place.state)
  const unplayable = whyUnplayable(order, repeated)
  if (unplayable !== undefined || purchasedAt === null) {
    const reasons = unplayable === undefined ? [] : [unplayable]
    return { id, customerId, status, place: null, steps: [], legs: [], zoneCode, expected: null, reasons }
  }
  const input = placeInputOf(order, place)
  const { steps, reasons } = lifeOf(order, purchasedAt)
  const wasPaid = steps.some(({ kind }) => kind === 'pay')
  const { legs, reasons: aboutMeans } = legsOf(order.payments, input.totalMinor)
  return {
    id,
    customerId,
    status,
    place: input,
    steps,
    legs: wasPaid ? legs : [],
    zoneCode,
    expected: expectationOf(status, wasPaid) ?? null,
    reasons: [...reasons, ...aboutMeans, ...aboutMoney(order, { totalMinor: input.totalMinor, wasPaid })],
  }
}

const reason = (code: ReasonCode, detail: string): Reason => ({ code, detail })

function whyUnplayable(order: OlistOrder, repeated: boolean): Reason | undefined {
  if (order.items.length === 0) return reason('no_items', `${order.status}, but no row of order_items.csv is of it`)
  if (repeated) return reason('repeated_id', `order ${order.id}, customer ${order.customerId}`)
  if (order.customer === null) return reason('no_customer', `customer ${order.customerId} is not in customers.csv`)
  if (order.purchasedAt === null) return reason('no_purchase_time', 'order_purchase_timestamp is empty or not readable')
  const wrong = order.items.find((item) => item.priceMinor === null || item.freightMinor === null)
  return wrong === undefined ? undefined : reason('unreadable_amount', `price or freight of product ${wrong.product}`)
}

/** Items of one seller are one section; pieces of one product at one price are one line. */
function placeInputOf(order: OlistOrder, place: OlistPlace | undefined): PlaceInput {
  const { customer, items } = order
  const destination = {
    // Names and streets are not in the data set: it was published without them.
    name: `Customer ${customer?.person.slice(0, 8) ?? ''}`,
    line1: 'not in the data set',
    city: customer?.city.slice(0, 100) || 'unknown',
    postcode: customer?.prefix.slice(0, 16) || '0',
    country: 'BR',
    ...(place === undefined ? {} : { lat: place.lat, lng: place.lng }),
  }
  const sellers = [...new Set(items.map(({ seller }) => seller))]
  const sections = sellers.map((seller) => {
    const own = items.filter((item) => item.seller === seller)
    return {
      destination,
      merchantId: seller,
      shippingMinor: sumMinor(own.map(({ freightMinor }) => freightMinor ?? 0)),
      items: linesOf(own),
    }
  })
  return {
    storeId: olistStore.storeId,
    // The data set has a customer id for each order; the person behind it is customer_unique_id.
    customerId: order.customerId,
    channel: 'olist',
    currency: olistStore.currency,
    totalMinor: sumMinor(items.flatMap(({ priceMinor, freightMinor }) => [priceMinor ?? 0, freightMinor ?? 0])),
    sections,
  }
}

function linesOf(items: readonly OlistItem[]): { sku: string; quantity: number; unitPriceMinor: number }[] {
  const lines = new Map<string, { sku: string; quantity: number; unitPriceMinor: number }>()
  for (const { product, priceMinor } of items) {
    const key = `${product} ${priceMinor}`
    const line = lines.get(key)
    if (line === undefined) lines.set(key, { sku: product, quantity: 1, unitPriceMinor: priceMinor ?? 0 })
    else line.quantity += 1
  }
  return [...lines.values()]
}

/** The data set does not say when an order was called off, only that it was: a day after the last that is known of it. */
const calledOffAfterMs = 24 * 3600 * 1000

const isCalledOff = (status: string): boolean => status === 'canceled' || status === 'unavailable'

/**
 * The steps of an order's life in the one sequence that makes sense, each at its time in the data set. A time that lies before
 * the step that must come first is moved to it and noted; one that is missing is taken from the nearest promise and noted.
 */
function lifeOf(order: OlistOrder, purchasedAt: Date): { steps: Step[]; reasons: Reason[] } {
  const { status, approvedAt, carrierAt, deliveredAt } = order
  const calledOff = isCalledOff(status)
  const steps: Step[] = [{ kind: 'place', at: purchasedAt }]
  const reasons: Reason[] = []
  const note = (code: ReasonCode, detail: string): void => void reasons.push(reason(code, detail))
  const last = (): Date => steps.at(-1)?.at ?? purchasedAt
  const add = (kind: StepKind, at: Date): void => void steps.push({ kind, at: at < last() ? last() : at })
  const delivers = status === 'delivered' || (calledOff && deliveredAt !== null)
  const ships = delivers || status === 'shipped' || (calledOff && carrierAt !== null)
  const pays = ships || ['approved', 'invoiced', 'processing'].includes(status) || (calledOff && approvedAt !== null)

  if (pays) {
    if (approvedAt === null) note('no_approval', `${status} without order_approved_at`)
    else if (approvedAt < purchasedAt) note('approved_before_purchase', `approved ${textOf(approvedAt)}, purchased ${textOf(purchasedAt)}`)
    add('pay', approvedAt ?? purchasedAt)
  }
  if (ships) {
    if (carrierAt === null) note('no_carrier_date', `${status} without order_delivered_carrier_date`)
    else if (carrierAt < purchasedAt) note('carrier_before_purchase', `carrier ${textOf(carrierAt)}, purchased ${textOf(purchasedAt)}`)
    else if (approvedAt !== null && carrierAt < approvedAt)
      note('carrier_before_approval', `carrier ${textOf(carrierAt)}, approved ${textOf(approvedAt)}`)
    // Where the carrier's date is missing, the seller's own deadline is the best guess.
    add('ship', carrierAt ?? latest(order.items.map(({ shipBy }) => shipBy)) ?? last())
  }
  if (delivers) {
    if (deliveredAt === null) note('no_delivery_date', `${status} without order_delivered_customer_date`)
    else if (carrierAt !== null && deliveredAt < carrierAt)
      note('delivered_before_carrier', `delivered ${textOf(deliveredAt)}, carrier ${textOf(carrierAt)}`)
    else if (approvedAt !== null && deliveredAt < approvedAt)
      note('delivered_before_approval', `delivered ${textOf(deliveredAt)}, approved ${textOf(approvedAt)}`)
    add('deliver', deliveredAt ?? order.promisedAt ?? last())
  }
  if (calledOff) add('cancel', new Date(last().getTime() + calledOffAfterMs))
  if (!calledOff && ((carrierAt !== null && !ships) || (deliveredAt !== null && !delivers) || (approvedAt !== null && !pays)))
    note('dates_beyond_status', `${status}, yet ${beyond(order, { ships, delivers })}`)
  if (!knownStatuses.includes(status)) note('unknown_status', `"${status}"`)
  return { steps, reasons }
}

function beyond({ approvedAt, carrierAt, deliveredAt }: OlistOrder, { ships, delivers }: { ships: boolean; delivers: boolean }): string {
  if (deliveredAt !== null && !delivers) return `delivered ${textOf(deliveredAt)}`
  if (carrierAt !== null && !ships) return `carrier ${textOf(carrierAt)}`
  return `approved ${approvedAt === null ? '' : textOf(approvedAt)}`
}

function aboutMoney(order: OlistOrder, { totalMinor, wasPaid }: { totalMinor: number; wasPaid: boolean }): Reason[] {
  const found: Reason[] = []
  if (order.payments.length === 0) {
    if (wasPaid) found.push(reason('no_payment', `items and freight make ${reais(totalMinor)}`))
    return found
  }
  const unreadable = order.payments.some(({ amountMinor }) => amountMinor === null)
  const paidMinor = sumMinor(order.payments.map(({ amountMinor }) => amountMinor ?? 0))
  if (unreadable || paidMinor !== totalMinor)
    found.push(reason('paid_other_than_due', `paid ${reais(paidMinor)}, items and freight make ${reais(totalMinor)}`))
  return found
}

const reais = (minor: number): string => `R$ ${Math.floor(minor / 100)}.${String(minor % 100).padStart(2, '0')}`

/** In the data set's own clock, as it stands in its files. */
const textOf = (at: Date): string => new Date(at.getTime() - 3 * 3600 * 1000).toISOString().slice(0, 19).replace('T', ' ')

function latest(dates: readonly (Date | null)[]): Date | undefined {
  return dates.flatMap((date) => (date === null ? [] : [date])).toSorted((a, b) => b.getTime() - a.getTime())[0]
}

/** Where products.csv has no weight or size: an ordinary small parcel, about the median of the data set. */
const ordinary = { weightGrams: 700, volumeMl: 6_500 }

/** Every product that is sold or listed, as a SKU. */
export function skusOf({ orders, products }: Pick<OlistFolder, 'orders' | 'products'>) {
  const sold = new Set(orders.flatMap(({ items }) => items.map(({ product }) => product)))
  const all = new Map<string, OlistProduct | undefined>([...[...sold].map((id) => [id, undefined] as const), ...products])
  return [...all].map(([sku, product]) => ({
    sku,
    name: product?.category || 'no category',
    // The marketplace sold food, but nothing that had to be kept cold.
    skuType: 'dry' as const,
    weightGrams: product?.weightGrams ?? ordinary.weightGrams,
    volumeMl: product?.volumeMl ?? ordinary.volumeMl,
  }))
}
