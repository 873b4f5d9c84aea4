import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import type { Asked } from '#platform/operation.ts'
import { capturesOf, movesOf } from './item-moves.ts'
import { changedClaims } from './claim-steps.ts'
import { deferClaims } from './claim-store.ts'
import type { OrderMoved } from './events.ts'
import { lockOrders } from './lock-orders.ts'
import type { Order } from './order.ts'
import { resolveOrders } from './resolve-orders.ts'
import type { Changed } from './schemas.ts'
import type { Decision } from './settle.ts'
import {
  deferDelivered,
  deferHolds,
  deferPaidEvents,
  deferReleasedEvents,
  deferWrites,
  type ChangedOrder,
  type HoldWrite,
  type LogEntry,
} from './write-orders.ts'

/** One change of one order: what decides it and what to name as its cause. */
export interface OrderChange<D extends Decision = Decision> {
  readonly orderId: number
  readonly cause: string
  readonly commandId: string
  readonly actor: string
  /** True where it looks at lines, amounts, sections' data or holds, which are read only then. */
  readonly detailed?: boolean
  /** Another order that is locked and read as well, such as the one to compare with. */
  readonly with?: number
  readonly decide: (order: Order, other: Order | undefined) => Outcome<D>
}

export interface ChangeResult<D extends Decision = Decision> {
  readonly outcome: Outcome<Changed>
  readonly decision?: D
}

/**
 * The one way an order changes: lock heads in ascending id, read inside the lock, decide one after the other, write all by
 * compare-and-set with history, announce. Several changes of one order in a batch see each other's result.
 */
export async function changeOrders<D extends Decision>(
  context: WriteContext,
  changes: readonly OrderChange<D>[],
): Promise<ChangeResult<D>[]> {
  if (changes.length === 0) return []
  const ids = new Set<number>()
  const detailed = new Set<number>()
  for (const change of changes) {
    for (const id of change.with === undefined ? [change.orderId] : [change.orderId, change.with]) {
      ids.add(id)
      if (change.detailed) detailed.add(id)
    }
  }
  const orders = await lockOrders(context, [...ids], [...detailed])
  const before = new Map(orders)
  const log: LogEntry[] = []
  const events: NewEvent[] = []
  const holds: { held: HoldWrite[]; released: HoldWrite[] } = { held: [], released: [] }
  const results = changes.map((change): ChangeResult<D> => {
    const order = orders.get(change.orderId)
    if (order === undefined) return { outcome: unknownOrder(String(change.orderId)) }
    const decided = change.decide(order, change.with === undefined ? undefined : orders.get(change.with))
    if (!decided.ok) return { outcome: decided }
    const decision = decided.value
    orders.set(order.id, decision.after)
    log.push({ orderId: order.id, changes: decision.changes, cause: change.cause, commandId: change.commandId, actor: change.actor })
    events.push(...decision.events)
    collectHolds(order, decision.after, change.actor, holds)
    return { outcome: accepted(changedOf(decision.after)), decision }
  })
  await write(context, before, orders, { log, events, holds, decisions: results.flatMap(({ decision }) => decision ?? []) })
  return results
}

export const changedOf = ({ id: orderId, number, state, moneyState }: Order): Changed => ({ orderId, number, state, moneyState })

interface Gathered {
  readonly log: readonly LogEntry[]
  readonly events: NewEvent[]
  readonly holds: { readonly held: readonly HoldWrite[]; readonly released: readonly HoldWrite[] }
  readonly decisions: readonly Decision[]
}

async function write(context: WriteContext, before: Map<number, Order>, orders: Map<number, Order>, gathered: Gathered): Promise<void> {
  const changed: ChangedOrder[] = []
  const delivered: number[] = []
  for (const [id, was] of before) {
    const after = orders.get(id) as Order
    if (after === was) continue
    changed.push({ before: was, after })
    const moves = movesOf(was, after)
    if (moves.length === 0) continue
    if (moves.some(({ to }) => to === 'delivered')) delivered.push(id)
    const payload: OrderMoved = {
      orderId: id,
      number: after.number,
      storeId: after.storeId,
      state: after.state,
      items: moves,
      ...capturesOf(was, after),
    }
    gathered.events.push({ key: String(id), type: 'orders.moved', payload })
  }
  deferWrites(context, changed, gathered.log)
  deferHolds(context, gathered.holds.held, gathered.holds.released)
  deferClaims(
    context,
    changed.flatMap((each) => changedClaims(each.before, each.after).map((claim) => ({ orderId: each.after.id, ...claim }))),
  )
  deferDelivered(context, delivered)
  deferPaidEvents(
    context,
    gathered.decisions.flatMap(({ after, paidParts }) => paidParts.map((part) => ({ orderId: after.id, part }))),
  )
  deferReleasedEvents(
    context,
    gathered.decisions.flatMap(({ after, released }) =>
      released.map((itemNo) => ({ orderId: after.id, itemNo, part: after.items.find((item) => item.itemNo === itemNo)?.part ?? 0 })),
    ),
  )
  if (gathered.events.length > 0) await context.announce(gathered.events)
}

function collectHolds(before: Order, after: Order, actor: string, into: { held: HoldWrite[]; released: HoldWrite[] }): void {
  if (before.detail === undefined || after.detail === undefined || before.detail.holds === after.detail.holds) return
  const was = new Set(before.detail.holds)
  const is = new Set(after.detail.holds)
  for (const hold of is) if (!was.has(hold)) into.held.push({ ...hold, orderId: after.id, actor })
  for (const hold of was) if (!is.has(hold)) into.released.push({ ...hold, orderId: after.id, actor })
}

export const unknownOrder = (order: string, field = '/order'): Outcome<never> =>
  refused('orders.not_found', `There is no order "${order}".`, field)

/** A change of the order that its command names, unless it says another. */
type NamedChange<D extends Decision> = Omit<OrderChange<D>, 'orderId' | 'commandId' | 'actor'> & {
  readonly orderId?: number
  /** How the caller named that other order, and where. */
  readonly named?: { readonly order: string; readonly field: string }
}

/** Runs commands that name an order by number or id as changes; outcomes stand where their commands stood. */
export async function changeNamed<I extends { order: string }, O, D extends Decision>(
  context: WriteContext,
  asked: readonly Asked<I>[],
  use: {
    readonly change: (command: Asked<I>, idOf: (order: string) => number | undefined) => NamedChange<D> | Outcome<never>
    readonly answer: (changed: Changed, decision: D) => O
    /** Other orders that a command names. */
    readonly names?: (input: I) => readonly string[]
  },
): Promise<Outcome<O>[]> {
  const ids = await resolveOrders(
    context,
    asked.flatMap(({ input }) => [input.order, ...(use.names?.(input) ?? [])]),
  )
  const outcomes: Outcome<O>[] = Array.from({ length: asked.length })
  const changes: (OrderChange<D> & Pick<NamedChange<D>, 'named'>)[] = []
  const places: number[] = []
  asked.forEach((command, at) => {
    const orderId = ids.get(command.input.order)
    const change = orderId === undefined ? unknownOrder(command.input.order) : use.change(command, (order) => ids.get(order))
    if ('ok' in change) {
      outcomes[at] = change
      return
    }
    changes.push({ ...change, orderId: change.orderId ?? (orderId as number), commandId: command.commandId, actor: command.actor.id })
    places.push(at)
  })
  const results = await changeOrders(context, changes)
  results.forEach(({ outcome, decision }, index) => {
    const at = places[index] as number
    const { order, field } = changes[index]?.named ?? { order: (asked[at] as Asked<I>).input.order, field: '/order' }
    if (!outcome.ok) outcomes[at] = outcome.error.code === 'orders.not_found' ? unknownOrder(order, field) : outcome
    else outcomes[at] = accepted(use.answer(outcome.value, decision as D))
  })
  return outcomes
}
