import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import type { Asked } from '#platform/operation.ts'
import type { AnswerCancelInput, CancelAnswered, CancelInput, Cancelled, Changed } from './change-schemas.ts'
import { changeNamed, changeOrders } from './change-orders.ts'
import type { OrderCancelRequested, OrderEdited } from './events.ts'
import { flagBits, itemLifeCycle, rankOf } from './lifecycle.ts'
import { unknownItem } from './move-items.ts'
import { openReturn } from './open-claim.ts'
import { lineOf, type Order, type OrderItem } from './order.ts'
import { changeRows, findSection, type Picked, pickRows, takeRows } from './pick-rows.ts'
import { type Decision, settle, unchanged } from './settle.ts'
import type { Split } from './split-row.ts'

/** What a cancel may name: nothing (the whole order), a section, rows, or quantities of rows. */
export interface CancelTarget {
  readonly sectionNo?: number | undefined
  readonly itemNos?: readonly number[] | undefined
  readonly items?: readonly { readonly itemNo: number; readonly quantity: number }[] | undefined
  readonly reason: string
}

export interface CancelCommand extends CancelTarget {
  readonly orderId: number
  readonly commandId: string
  readonly actor: string
}

export interface CancelDecision extends Decision {
  /** Rows that this command cancelled. */
  readonly cancelled: readonly number[]
  /** Rows whose cancel the warehouse was asked for. */
  readonly requested: readonly number[]
  /** Returns that it opened for what had left. */
  readonly claimIds: readonly number[]
}

/** Cancels for flows: by id. Money and goods that follow are told by `orders.cancelled`. */
export async function cancelOrders(context: WriteContext, commands: readonly CancelCommand[]): Promise<Outcome<Changed>[]> {
  const results = await changeOrders(
    context,
    commands.map((command) => ({
      orderId: command.orderId,
      commandId: command.commandId,
      actor: command.actor,
      cause: `cancel: ${command.reason}`,
      detailed: true,
      decide: (order: Order) => cancelOrder(order, command),
    })),
  )
  return results.map(({ outcome }) => outcome)
}

/** The operation: goods up to allocated are cancelled at once, goods in preparation only with the warehouse's consent. */
export const cancelNamed = (context: WriteContext, asked: readonly Asked<CancelInput>[]): Promise<Outcome<Cancelled>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({ cause: `cancel: ${input.reason}`, detailed: true, decide: (order: Order) => cancelOrder(order, input) }),
    answer: (changed, { cancelled, requested, claimIds }: CancelDecision) => ({
      ...changed,
      cancelled: [...cancelled],
      requested: [...requested],
      claimIds: [...claimIds],
    }),
  })

/** Decides a cancel, all of what it names or none. */
export function cancelOrder(order: Order, target: CancelTarget): Outcome<CancelDecision> {
  const picked = pick(order, target)
  if (!picked.ok) return picked
  const { rows, named } = picked.value
  const due: Picked[] = []
  const left: Picked[] = []
  for (const row of rows) {
    const { item, field } = row
    if (item.state === 'cancelled') continue
    if (itemLifeCycle.states[item.state].end) {
      // Of a whole order, what has come back or is lost is no reason to keep the rest.
      if (named) return notCancellable(item, field)
      continue
    }
    if (rankOf(item.state) >= 60) left.push(row)
    else due.push(row)
  }
  const ended = rows.find(({ item }) => itemLifeCycle.states[item.state].end && item.state !== 'cancelled')
  if (due.length + left.length === 0 && ended !== undefined && !rows.some(({ item }) => item.state === 'cancelled'))
    return notCancellable(ended.item, ended.field)
  const asked = due.filter(({ item, quantity }) => !(asksAlready(item) && quantity === lineOf(item).quantity))
  const opened = openReturn(order, left, target.reason)
  if (!opened.ok) return opened
  const { order: claimed, claimIds } = opened.value
  if (asked.length === 0) {
    return accepted({ ...(claimed === order ? unchanged(order) : settle(order, claimed)), cancelled: [], requested: [], claimIds })
  }
  return accepted({ ...cancelRows(order, claimed, { due: asked, reason: target.reason }), claimIds })
}

const asksAlready = (item: OrderItem): boolean => (item.flags & flagBits.cancel_requested) !== 0
const notCancellable = (item: OrderItem, field: string): Outcome<never> =>
  refused('orders.not_cancellable', `Item ${item.itemNo} is ${item.state}.`, field, { itemNo: item.itemNo, state: item.state })

function pick(order: Order, target: CancelTarget): Outcome<{ rows: Picked[]; named: boolean }> {
  const all = (items: readonly OrderItem[], field: string) =>
    items.map((item): Picked => ({ item, quantity: lineOf(item).quantity, field }))
  const { sectionNo, itemNos, items } = target
  if ([sectionNo, itemNos, items].filter((given) => given !== undefined).length > 1) {
    return refused('orders.two_targets', 'Name a section, or items, or quantities of items: only one of these.', '/items')
  }
  if (sectionNo !== undefined) {
    const section = findSection(order, sectionNo)
    if (!section.ok) return section
    return accepted({
      rows: all(
        order.items.filter((item) => item.sectionNo === sectionNo),
        '/sectionNo',
      ),
      named: false,
    })
  }
  if (itemNos === undefined && items === undefined) return accepted({ rows: all(order.items, ''), named: false })
  const rows =
    items === undefined
      ? pickRows(
          order,
          (itemNos ?? []).map((itemNo) => ({ itemNo })),
          '/itemNos',
        )
      : pickRows(order, items, '/items')
  return rows.ok ? accepted({ rows: rows.value, named: true }) : rows
}

function cancelRows(
  order: Order,
  claimed: Order,
  { due, reason }: { due: readonly Picked[]; reason: string },
): Omit<CancelDecision, 'claimIds'> {
  const { order: split, taken, splits } = takeRows(claimed, due)
  const rowOf = new Map(split.items.map((item) => [item.itemNo, item]))
  const early = taken.filter((itemNo) => rankOf((rowOf.get(itemNo) as OrderItem).state) < 40)
  const late = taken.filter((itemNo) => !early.includes(itemNo))
  const cancelled = changeRows(split, early, (item) => ({ ...item, state: 'cancelled' }))
  const draft = changeRows(cancelled, late, (item) => ({ ...item, flags: item.flags | flagBits.cancel_requested }))
  const decision = settle(order, draft, { splits, events: requestEvents(order, late, splits, reason) })
  return { ...decision, cancelled: early, requested: late }
}

function requestEvents(order: Order, itemNos: readonly number[], splits: readonly Split[], reason: string): NewEvent[] {
  if (itemNos.length === 0) return []
  const key = String(order.id)
  const requested: OrderCancelRequested = { orderId: order.id, itemNos, reason }
  const asked = splits.filter((split) => itemNos.includes(split.itemNo))
  const edited: OrderEdited = { orderId: order.id, fields: ['items'], splits: asked, sections: [] }
  // Whoever prepares the goods must know the row that was split off before it is asked about it.
  return [
    ...(asked.length > 0 ? [{ key, type: 'orders.edited', payload: edited }] : []),
    { key, type: 'orders.cancel_requested', payload: requested },
  ]
}

/** The warehouse's answer to a cancel of goods in preparation: with its consent they are cancelled, else they go on. */
export const answerCancels = (context: WriteContext, asked: readonly Asked<AnswerCancelInput>[]): Promise<Outcome<CancelAnswered>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({
      cause: `cancel ${input.consent ? 'agreed' : 'refused'}: ${input.reason}`,
      detailed: true,
      decide: (order: Order) => answerCancel(order, input),
    }),
    answer: (changed, { claimIds }: AnswerDecision) => ({ ...changed, claimIds: [...claimIds] }),
  })

type AnswerDecision = Decision & Pick<CancelDecision, 'claimIds'>

export function answerCancel(
  order: Order,
  { itemNos, consent, reason }: Pick<AnswerCancelInput, 'itemNos' | 'consent' | 'reason'>,
): Outcome<AnswerDecision> {
  const unknown = itemNos?.find((itemNo) => !order.items.some((item) => item.itemNo === itemNo))
  if (unknown !== undefined) return unknownItem(order, unknown, '/itemNos')
  const named = itemNos === undefined ? undefined : new Set(itemNos)
  const meant = order.items.filter((item) => (named === undefined ? asksAlready(item) : named.has(item.itemNo)))
  const open = meant.filter(asksAlready)
  const never = meant.find((item) => !asksAlready(item) && item.state !== 'cancelled')
  if (consent && never !== undefined) {
    return refused('orders.not_requested', `Nobody asked to cancel item ${never.itemNo}.`, '/itemNos', { itemNo: never.itemNo })
  }
  if (open.length === 0) return accepted({ ...unchanged(order), claimIds: [] })
  // Goods that left while the warehouse was asked can only come back.
  const gone = new Set(open.filter((item) => rankOf(item.state) >= 60))
  const opened = openReturn(
    order,
    consent ? [...gone].map((item) => ({ item, quantity: lineOf(item).quantity, field: '/itemNos' })) : [],
    reason,
  )
  if (!opened.ok) return opened
  const draft = changeRows(
    opened.value.order,
    open.map(({ itemNo }) => itemNo),
    (item) => ({ ...item, state: consent && !gone.has(item) ? 'cancelled' : item.state, flags: item.flags & ~flagBits.cancel_requested }),
  )
  return accepted({ ...settle(order, draft), claimIds: opened.value.claimIds })
}
