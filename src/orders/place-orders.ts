import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { IdBlocks } from '#platform/id-blocks.ts'
import type { Asked } from '#platform/operation.ts'
import type { Catalogue, Sku, Store } from './catalogue.ts'
import type { OrderPlaced, PartAsked } from './events.ts'
import { checkPlan } from './check-plan.ts'
import { birthChanges, newPart, type Part } from './order.ts'
import { orderNumberOf } from './order-number.ts'
import { insertOrders, type NewItem, type NewOrder, type NewSection } from './order-store.ts'
import type { Placed, PlaceInput } from './schemas.ts'
import { literal } from './write-orders.ts'

export interface PlaceDeps {
  readonly catalogue: Catalogue
  readonly ids: IdBlocks
  /** Numbers in [0, 1) for order numbers. */
  readonly random: () => number
}

/**
 * Places orders: each is checked by itself, then all good ones go in with one statement, and one more announces them.
 * Nothing of a refused order is stored.
 */
export async function placeOrders(deps: PlaceDeps, context: WriteContext, asked: readonly Asked<PlaceInput>[]): Promise<Outcome<Placed>[]> {
  const store = await deps.catalogue.stores(
    context,
    namesOf(asked, (input) => [input.storeId]),
  )
  const sku = await deps.catalogue.skus(
    context,
    namesOf(asked, (input) => input.sections.flatMap((section) => section.items.map((item) => item.sku))),
  )
  const checked = asked.map(({ input }) => checkOrder(input, { storeOf: store, skuOf: sku, now: context.now }))
  const good = checked.filter((outcome) => outcome.ok).length
  if (good === 0) return checked.flatMap((outcome) => (outcome.ok ? [] : [outcome]))
  const ids = await deps.ids.take(context, good)
  const orders: NewOrder[] = []
  const outcomes = checked.map((outcome, index): Outcome<Placed> => {
    if (!outcome.ok) return outcome
    const command = asked[index] as Asked<PlaceInput>
    const id = ids[orders.length] as number
    const order: NewOrder = {
      id,
      number: orderNumberOf(outcome.value.store.prefix, id, context.traffic, deps.random),
      storeId: command.input.storeId,
      customerId: command.input.customerId,
      channel: command.input.channel ?? 'web',
      currency: command.input.currency,
      totalMinor: command.input.totalMinor,
      state: 'pending_payment',
      sections: outcome.value.sections,
      parts: outcome.value.parts,
      commandId: command.commandId,
      actor: command.actor.id,
    }
    orders.push(order)
    return accepted({ orderId: id, number: order.number, state: order.state, totalMinor: order.totalMinor })
  })
  insertOrders(context, orders, birthOf)
  const payments = checked.flatMap((outcome) => (outcome.ok ? [outcome.value.payments] : []))
  await context.announce(
    orders.map((order, index) => {
      const payload: OrderPlaced = {
        orderId: order.id,
        number: order.number,
        storeId: order.storeId,
        customerId: order.customerId,
        currency: order.currency,
        totalMinor: order.totalMinor,
        payments: payments[index] ?? [],
      }
      return { key: String(order.id), type: 'orders.placed', payload }
    }),
  )
  return outcomes
}

function* namesOf(asked: readonly Asked<PlaceInput>[], of: (input: PlaceInput) => readonly string[]): Iterable<string> {
  for (const { input } of asked) yield* of(input)
}

interface CheckWith {
  readonly storeOf: (id: string) => Store | undefined
  readonly skuOf: (name: string) => Sku | undefined
  readonly now: Date
}

interface CheckedOrder {
  readonly store: Store
  readonly sections: NewSection[]
  /** Null for the usual order, which asks its total as one. */
  readonly parts: readonly Part[] | null
  readonly payments: readonly PartAsked[]
}

/** The pure part: what the input means, or the first thing wrong with it, by field. */
export function checkOrder(input: PlaceInput, { storeOf, skuOf, now }: CheckWith): Outcome<CheckedOrder> {
  const store = storeOf(input.storeId)
  if (store === undefined) return refused('orders.unknown_store', `There is no store "${input.storeId}".`, '/storeId')
  if (store.currency !== input.currency) {
    return refused('orders.two_currencies', `Store ${input.storeId} sells in ${store.currency}, not in ${input.currency}.`, '/currency')
  }
  let sumMinor = 0
  let itemNo = 0
  const sections: NewSection[] = []
  const askedMinor = new Map<number, number>()
  for (const [s, section] of input.sections.entries()) {
    const items: NewItem[] = []
    const part = section.payment === undefined ? 0 : s + 1
    const beforeMinor = sumMinor
    sumMinor += section.shippingMinor ?? 0
    for (const [i, item] of section.items.entries()) {
      const at = `/sections/${s}/items/${i}`
      const sku = skuOf(item.sku)
      if (sku === undefined) return refused('orders.unknown_sku', `There is no SKU "${item.sku}".`, `${at}/sku`)
      if (item.currency !== undefined && item.currency !== input.currency) {
        return refused('orders.two_currencies', `This line is in ${item.currency}, the order in ${input.currency}.`, `${at}/currency`)
      }
      const discountMinor = item.discountMinor ?? 0
      const taxMinor = item.taxMinor ?? 0
      const lineMinor = item.quantity * item.unitPriceMinor - discountMinor
      if (lineMinor < 0) return refused('orders.discount_too_large', 'A discount can not be larger than its line.', `${at}/discountMinor`)
      sumMinor += lineMinor + taxMinor
      itemNo += 1
      items.push({
        itemNo,
        part,
        sku: item.sku,
        skuType: sku.skuType,
        quantity: item.quantity,
        unitPriceMinor: item.unitPriceMinor,
        discountMinor,
        taxMinor,
        weightGrams: sku.weightGrams,
        volumeMl: sku.volumeMl,
        state: 'pending_payment',
      })
    }
    askedMinor.set(part, (askedMinor.get(part) ?? 0) + sumMinor - beforeMinor)
    sections.push({
      part,
      destination: section.destination,
      slot: section.slot ?? null,
      merchantId: section.merchantId ?? null,
      shippingMinor: section.shippingMinor ?? 0,
      items,
    })
  }
  if (itemNo > mostItems)
    return refused('orders.too_many_items', `An order has at most ${mostItems} lines; this one has ${itemNo}.`, '/sections')
  if (sumMinor !== input.totalMinor) {
    return refused('orders.total_mismatch', `Lines and shipping add up to ${sumMinor}, not ${input.totalMinor}.`, '/totalMinor', {
      sumMinor,
    })
  }
  const payments: PartAsked[] = []
  for (const [part, amountMinor] of askedMinor) {
    const plan = (part === 0 ? input.payment : input.sections[part - 1]?.payment) ?? null
    const refusal =
      plan && checkPlan(plan, { dueMinor: amountMinor, now, field: part === 0 ? '/payment' : `/sections/${part - 1}/payment` })
    if (refusal) return refusal
    payments.push({ part, amountMinor, plan })
  }
  if (input.payment !== undefined && !askedMinor.has(0)) {
    return refused('orders.payment_mismatch', 'Every section pays for itself; nothing is left for a payment of the order.', '/payment')
  }
  const single = payments.length === 1 && payments[0]?.part === 0
  return accepted({ store, sections, payments, parts: single ? null : payments.map(({ part, amountMinor }) => newPart(part, amountMinor)) })
}

/** Largest order seen in the systems we replace had 1,100 lines; ten such still number in a smallint. */
const mostItems = 5_000

// Most orders share a shape, so the text of their birth in the log is made once for each shape.
const births = new Map<string, { levels: string; entities: string; from: string; to: string }>()
function birthOf(order: NewOrder): { levels: string; entities: string; from: string; to: string } {
  const shape = order.sections.map((section) => section.items.length).join(',')
  let birth = births.get(shape)
  if (birth === undefined) {
    const changes = birthChanges(
      order.sections.map((section) => section.items.map((item) => item.itemNo)),
      'pending_payment',
    )
    birth = {
      levels: literal(changes.map(({ level }) => level)),
      entities: literal(changes.map(({ entity }) => entity)),
      from: literal(changes.map(({ from }) => from)),
      to: literal(changes.map(({ to }) => to)),
    }
    if (births.size < 10_000) births.set(shape, birth)
  }
  return birth
}
