import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import type { Catalogue, Sku } from './catalogue.ts'
import { changeNamed } from './change-orders.ts'
import type { AddItemsInput, AmendInput, Changed, ItemsAdded } from './change-schemas.ts'
import { checkPlan } from './check-plan.ts'
import { editedEvent } from './edit-sections.ts'
import { itemLifeCycle } from './lifecycle.ts'
import { amountOf, type Line, lineOf, type Order, type OrderItem, type OrderSection } from './order.ts'
import { changeRows, findSection, mostRows, pickRows, takeRows } from './pick-rows.ts'
import { askedEvent, type Decision, settle, unchanged } from './settle.ts'
import { nextItemNo, type Split } from './split-row.ts'

type SkuOf = (name: string) => Sku | undefined
type NewRow = AddItemsInput['items'][number]

/** As much as an order may come to when it is placed. */
export const largestTotalMinor = 100_000_000_000

const tooLarge = (order: Order, field: string): Outcome<never> | undefined =>
  order.totalMinor <= largestTotalMinor
    ? undefined
    : refused('orders.total_too_large', `An order comes to at most ${largestTotalMinor}; this would be ${order.totalMinor}.`, field)

/** Amends orders that are not paid yet: quantities, further items, another plan. What is owed follows. */
export async function amendOrders(
  catalogue: Catalogue,
  context: WriteContext,
  asked: readonly Asked<AmendInput>[],
): Promise<Outcome<Changed>[]> {
  const skuOf = await catalogue.skus(context, skusOf(asked.map(({ input }) => input.add ?? [])))
  return changeNamed(context, asked, {
    change: ({ input }) => ({
      cause: 'amend',
      detailed: true,
      decide: (order: Order) => amendOrder(order, input, { skuOf, now: context.now }),
    }),
    answer: (changed) => changed,
  })
}

function* skusOf(lists: readonly (readonly { readonly sku: string }[])[]): Iterable<string> {
  for (const list of lists) for (const { sku } of list) yield sku
}

interface AmendWith {
  readonly skuOf: SkuOf
  readonly now: Date
}

export function amendOrder(order: Order, input: AmendInput, { skuOf, now }: AmendWith): Outcome<Decision> {
  const resized = resize(order, input.items ?? [])
  if (!resized.ok) return resized
  let { draft } = resized.value
  for (const [at, row] of (input.add ?? []).entries()) {
    const section = findSection(order, row.sectionNo, `/add/${at}/sectionNo`)
    if (!section.ok) return section
    const refusal = alreadyPaid(order, section.value.part, `/add/${at}`) ?? nothingLeft(draft, section.value, `/add/${at}/sectionNo`)
    if (refusal !== undefined) return refusal
    const added = addRow(draft, { row, section: section.value, part: section.value.part, field: `/add/${at}` }, skuOf)
    if (!added.ok) return added
    draft = added.value
  }
  const edited = draft !== order
  const decision = edited
    ? settle(order, draft, { splits: resized.value.splits, events: [editedEvent(order, ['items'], resized.value.splits)] })
    : unchanged(order)
  const { after } = decision
  const large = tooLarge(after, '/items')
  if (large !== undefined) return large
  const asksMinor = after.parts.reduce((sum, part) => sum + part.askedMinor, 0)
  if (input.totalMinor !== undefined && input.totalMinor !== asksMinor) {
    return refused('orders.total_mismatch', `After this the order asks ${asksMinor}, not ${input.totalMinor}.`, '/totalMinor', {
      sumMinor: asksMinor,
    })
  }
  if (input.payment === undefined) return accepted(decision)
  const partNo = input.part ?? 0
  const part = after.parts.find((each) => each.part === partNo)
  if (part === undefined) return refused('orders.unknown_part', `Order ${order.number} asks for no payment ${partNo}.`, '/part')
  const refusal = alreadyPaid(order, partNo, '/payment') ?? checkPlan(input.payment, { dueMinor: part.askedMinor, now, field: '/payment' })
  if (refusal !== undefined) return refusal
  // The same request with another plan; payments take it as such, since a part has one living request.
  return accepted({
    ...decision,
    events: [...decision.events, askedEvent(after, [{ part: partNo, amountMinor: part.askedMinor, plan: input.payment }])],
  })
}

function alreadyPaid(order: Order, partNo: number, field: string): Outcome<never> | undefined {
  if (order.parts.find((part) => part.part === partNo)?.covered !== true) return undefined
  return refused('orders.already_paid', 'This was paid for already; add items with a payment of their own, or cancel some.', field, {
    part: partNo,
  })
}

const nothingLeft = (order: Order, section: OrderSection, field: string): Outcome<never> | undefined =>
  order.items.some((item) => item.sectionNo === section.sectionNo && !itemLifeCycle.states[item.state].end)
    ? undefined
    : refused(
        'orders.nothing_left',
        `Nothing of section ${section.sectionNo} is on its way any more; choose another or place an order.`,
        field,
      )

/** Fewer pieces are split off and cancelled; more are more pieces of the same row. */
function resize(order: Order, wanted: NonNullable<AmendInput['items']>): Outcome<{ draft: Order; splits: Split[] }> {
  const rows = pickRows(
    order,
    wanted.map(({ itemNo }) => ({ itemNo })),
    '/items',
  )
  if (!rows.ok) return rows
  let draft = order
  const less: { item: OrderItem; quantity: number; field: string }[] = []
  for (const [at, { item }] of rows.value.entries()) {
    const want = wanted[at] as (typeof wanted)[number]
    const field = `/items/${at}`
    const refusal = alreadyPaid(order, item.part, field)
    if (refusal !== undefined) return refusal
    const line = lineOf(item)
    if (item.state === 'cancelled' && want.quantity === 0) continue
    if (item.state !== 'pending_payment')
      return refused('orders.not_possible', `Item ${item.itemNo} is ${item.state}.`, field, { itemNo: item.itemNo, state: item.state })
    if (want.quantity < line.quantity && (want.discountMinor !== undefined || want.taxMinor !== undefined)) {
      const detail = 'Fewer pieces keep their share of discount and tax; change those in an amendment of their own.'
      return refused('orders.not_possible', detail, `${field}/${want.discountMinor === undefined ? 'taxMinor' : 'discountMinor'}`)
    }
    if (want.quantity < line.quantity) less.push({ item, quantity: line.quantity - want.quantity, field })
    const raised = want.quantity < line.quantity ? line : raise(line, want)
    if (amountOf(raised) - raised.taxMinor < 0) return tooLargeDiscount(`${field}/discountMinor`)
    if (raised !== line) draft = changeRows(draft, [item.itemNo], (row) => ({ ...row, line: raised }))
  }
  if (less.length > 0 && order.items.length + less.length > mostRows) return tooManyRows('/items')
  const { order: split, taken, splits } = takeRows(draft, less)
  return accepted({ draft: changeRows(split, taken, (item) => ({ ...item, state: 'cancelled' })), splits })
}

/** Tax follows the quantity unless it is given; a discount stays as it was agreed. */
function raise(line: Line, want: { quantity: number; discountMinor?: number; taxMinor?: number }): Line {
  const discountMinor = want.discountMinor ?? line.discountMinor
  const taxMinor = want.taxMinor ?? Math.round((line.taxMinor * want.quantity) / line.quantity)
  if (want.quantity === line.quantity && discountMinor === line.discountMinor && taxMinor === line.taxMinor) return line
  return { ...line, quantity: want.quantity, discountMinor, taxMinor }
}

const tooManyRows = (field: string): Outcome<never> => refused('orders.too_many_items', `An order has at most ${mostRows} rows.`, field)

const tooLargeDiscount = (field: string): Outcome<never> =>
  refused('orders.discount_too_large', 'A discount can not be larger than its line.', field)

function addRow(
  order: Order,
  { row, section, part, field }: { row: NewRow; section: OrderSection; part: number; field: string },
  skuOf: SkuOf,
): Outcome<Order> {
  const sku = skuOf(row.sku)
  if (sku === undefined) return refused('orders.unknown_sku', `There is no SKU "${row.sku}".`, `${field}/sku`)
  if (order.items.length >= mostRows) return tooManyRows(field)
  const line: Line = {
    sku: row.sku,
    skuType: sku.skuType,
    quantity: row.quantity,
    unitPriceMinor: row.unitPriceMinor,
    discountMinor: row.discountMinor ?? 0,
    taxMinor: row.taxMinor ?? 0,
    weightGrams: sku.weightGrams,
    volumeMl: sku.volumeMl,
    originItemNo: null,
    originKind: null,
  }
  if (amountOf(line) - line.taxMinor < 0) return tooLargeDiscount(`${field}/discountMinor`)
  const item: OrderItem = { itemNo: nextItemNo(order), sectionNo: section.sectionNo, part, state: 'pending_payment', flags: 0, line }
  return accepted({ ...order, items: [...order.items, item] })
}

interface AddDecision extends Decision {
  readonly part: number
  readonly itemNos: readonly number[]
}

/** Adds items to a section that was paid for, and asks a payment of their own for them. */
export async function addItems(
  catalogue: Catalogue,
  context: WriteContext,
  asked: readonly Asked<AddItemsInput>[],
): Promise<Outcome<ItemsAdded>[]> {
  const skuOf = await catalogue.skus(context, skusOf(asked.map(({ input }) => input.items)))
  return changeNamed(context, asked, {
    change: ({ input }) => ({
      cause: 'add items',
      detailed: true,
      decide: (order: Order) => addToSection(order, input, { skuOf, now: context.now }),
    }),
    answer: (changed, { part, itemNos }: AddDecision) => ({ ...changed, part, itemNos: [...itemNos] }),
  })
}

export function addToSection(order: Order, input: AddItemsInput, { skuOf, now }: AmendWith): Outcome<AddDecision> {
  const found = findSection(order, input.sectionNo)
  if (!found.ok) return found
  const section = found.value
  if (order.parts.find((part) => part.part === section.part)?.covered !== true) {
    return refused('orders.not_paid_yet', `Section ${section.sectionNo} is not paid yet; amend the order instead.`, '/sectionNo')
  }
  const left = nothingLeft(order, section, '/sectionNo')
  if (left !== undefined) return left
  const part = Math.max(999, ...order.parts.map((each) => each.part)) + 1
  let draft = order
  for (const [at, row] of input.items.entries()) {
    const added = addRow(draft, { row, section, part, field: `/items/${at}` }, skuOf)
    if (!added.ok) return added
    draft = added.value
  }
  const itemNos = draft.items.slice(order.items.length).map(({ itemNo }) => itemNo)
  const decision = settle(order, draft, { plans: new Map([[part, input.payment ?? null]]), events: [editedEvent(order, ['items'])] })
  const dueMinor = decision.after.parts.at(-1)?.askedMinor ?? 0
  const large = tooLarge(decision.after, '/items')
  if (large !== undefined) return large
  const refusal = input.payment === undefined ? undefined : checkPlan(input.payment, { dueMinor, now, field: '/payment' })
  return refusal ?? accepted({ ...decision, part, itemNos })
}
