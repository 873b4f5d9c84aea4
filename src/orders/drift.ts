import type { Outcome } from '#kernel/outcome.ts'
import { accepted } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { changeOrders } from './change-orders.ts'
import { loadOrders } from './lock-orders.ts'
import { editedEvent } from './edit-sections.ts'
import type { Order, StateChange } from './order.ts'
import type { Changed } from './schemas.ts'
import { type Decision, settle, unchanged } from './settle.ts'

/** Something stored that is not what it follows from. */
export interface Drift {
  readonly orderId: number
  readonly level: StateChange['level']
  /** Item or section number; empty for the order itself. */
  readonly entity: string
  readonly stored: string
  /** fold: what items and payments make of it; log: what its last change says. */
  readonly expected: string
  readonly against: 'fold' | 'log'
}

/** Orders in one look. */
const pageSize = 5_000

const page = statement<{ id: number }>('orders.drift_page', `select id from orders.orders where id > $1 order by id limit $2`)

/** Drift of one page of orders by rising id; `next` is null at the end. */
export async function findFoldDrift(context: ReadContext, after: number): Promise<{ drifts: Drift[]; next: number | null }> {
  const ids = (await context.query(page, [after, pageSize])).map(({ id }) => id)
  const drifts = ids.length === 0 ? [] : foldDrifts((await loadOrders(context, ids)).values())
  return { drifts, next: ids.length < pageSize ? null : (ids.at(-1) ?? null) }
}

function foldDrifts(orders: Iterable<Order>): Drift[] {
  const drifts: Drift[] = []
  for (const order of orders) {
    // Settled anew from its items and payments, a sound order does not change.
    for (const { level, entity, from, to } of settle(order, { ...order }).changes) {
      drifts.push({ orderId: order.id, level, entity, stored: from, expected: to, against: 'fold' })
    }
  }
  return drifts
}

export function sayDrift({ orderId, level, entity, stored, expected }: Drift): string {
  if (level === 'order') return `order ${orderId} is ${stored}, its items fold to ${expected}`
  const what = [level, entity].filter((word) => word !== '').join(' ')
  return `order ${orderId} ${what} is ${stored}, it folds to ${expected}`
}

/** Rows of (root, level, entity, stored, logged) where the last state in the log is not the stored one. Conditions name an order's id. */
export function logDrift(ofLog: string, ofOrder: string): string {
  return `with logged as (
     select distinct on (root, level, entity) root, level, entity, to_state from orders.change_log
     where level in ('item', 'section', 'order', 'money', 'attention', 'claim') and ${ofLog} order by root, level, entity, sequence desc, position desc
   ), stored as (
     select o.id as root, v.level, v.entity, v.state from orders.orders o, lateral (
       values ('order', '', o.state), ('money', '', o.money_state), ('attention', '', coalesce(nullif(array_to_string(o.attention, '+'), ''), 'clear'))
       union all
       select w.level, s.section_no::text, w.state from orders.section s, lateral (
         values ('section', s.state), ('money', s.money_state), ('attention', coalesce(nullif(array_to_string(s.attention, '+'), ''), 'clear'))
       ) as w (level, state) where s.order_id = o.id
       union all
       select 'item', i.item_no::text, i.state from orders.item i where i.order_id = o.id
       union all
       select 'claim', c.id::text, c.state from orders.claim c where c.order_id = o.id
     ) as v (level, entity, state) where ${ofOrder}
   )
   select coalesce(s.root, l.root) as root, coalesce(s.level, l.level) as level, coalesce(s.entity, l.entity) as entity, s.state as stored,
     l.to_state as logged
   from stored s full join logged l on l.root = s.root and l.level = s.level and l.entity = s.entity
   where s.state is distinct from l.to_state and not (l.to_state is null and s.state in ('none', 'clear') and (s.level = 'attention' or s.entity <> ''))`
}

const logDrifts = statement<{ root: number; level: StateChange['level']; entity: string; stored: string | null; logged: string | null }>(
  'orders.log_drift',
  logDrift('root = any($1::bigint[])', 'o.id = any($1::bigint[])'),
)

/** Drift of these orders, against the fold of their items and payments and against their log. */
export async function findDrift(context: ReadContext, ids: readonly number[]): Promise<Drift[]> {
  const [orders, rows] = await Promise.all([loadOrders(context, ids), context.query(logDrifts, [ids])])
  const logged = rows.map(
    ({ root, level, entity, stored, logged: expected }): Drift => ({
      orderId: root,
      level,
      entity,
      stored: stored ?? 'absent',
      expected: expected ?? 'nothing',
      against: 'log',
    }),
  )
  return [...foldDrifts(orders.values()), ...logged]
}

/** The same for a page of orders by rising id, for a round that walks over all of them; `next` is null at the end. */
export async function driftPage(context: ReadContext, after: number): Promise<{ drifts: Drift[]; next: number | null }> {
  const ids = (await context.query(page, [after, pageSize])).map(({ id }) => id)
  return { drifts: ids.length === 0 ? [] : await findDrift(context, ids), next: ids.length < pageSize ? null : (ids.at(-1) ?? null) }
}

/**
 * Repairs orders: items are believed as they are stored, since goods do not go back in a warehouse because a log says so; what their
 * log does not know of them is added to it, and what follows from them is folded anew. Every step stands in the log with cause `repair`.
 */
export async function repairDrift(
  context: WriteContext,
  ids: readonly number[],
  by: { readonly commandId: string; readonly actor: string },
): Promise<Outcome<Changed>[]> {
  const drifts = new Map<number, StateChange[]>()
  const changes = ids.map((orderId) => ({
    orderId,
    cause: 'repair',
    ...by,
    decide(order: Order): Outcome<Decision> {
      const decision = settle(order, { ...order })
      const repairs = [...(drifts.get(orderId) ?? []), ...decision.changes]
      if (repairs.length === 0) return accepted(unchanged(order))
      // Told, so that whoever keeps facts of orders reads this one again.
      return accepted({ ...decision, changes: repairs, events: [...decision.events, editedEvent(order, ['items'])] })
    },
  }))
  // The log is read under the lock that changeOrders takes again: nobody changes these orders between the two.
  await context.query(lockForRepair, [ids])
  for (const { root, level, entity, stored, logged } of await context.query(logDrifts, [ids])) {
    if (stored === null) continue
    drifts.set(root, [...(drifts.get(root) ?? []), { level, entity, from: logged ?? '', to: stored }])
  }
  const results = await changeOrders(context, changes)
  return results.map(({ outcome }) => outcome)
}

const lockForRepair = statement<{ id: number }>(
  'orders.lock_for_repair',
  `select id from orders.orders where id = any($1::bigint[]) order by id for update`,
)
