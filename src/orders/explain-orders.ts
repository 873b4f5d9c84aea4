import { accepted, type Outcome } from '#kernel/outcome.ts'
import { type ReadContext, statement } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { emptyFold, explainFold, flagNames, foldItem, joinFolds } from './cascade.ts'
import { unknownOrder } from './change-orders.ts'
import { findDrift, sayDrift } from './drift.ts'
import { loadOrders } from './lock-orders.ts'
import { foldParts } from './money-fold.ts'
import type { Order, OrderItem } from './order.ts'
import { resolveOrders } from './resolve-orders.ts'
import type { Explained, LoggedChange } from './schemas.ts'
import { partsBySection } from './settle.ts'

const log = statement<{ root: number; changes: LoggedChange[] }>(
  'orders.timelines',
  `select root, json_agg(json_build_object('sequence', sequence, 'level', level, 'entity', entity, 'from', from_state, 'to', to_state,
     'cause', cause, 'commandId', command_id, 'actor', actor, 'occurredAt', occurred_at) order by sequence, position) as changes
   from orders.change_log where root = any($1::bigint[]) group by root`,
)

/** History of orders by id, oldest first, in one statement. */
export async function readLogs(context: ReadContext, ids: readonly number[]): Promise<Map<number, LoggedChange[]>> {
  return new Map((await context.query(log, [ids])).map(({ root, changes }) => [root, changes]))
}

/** Why orders are where they are: for each entity its state, what makes it so, and the changes that led there with their causes. */
export async function explainOrders(context: ReadContext, asked: readonly Asked<{ order: string }>[]): Promise<Outcome<Explained>[]> {
  const ids = await resolveOrders(
    context,
    asked.map(({ input }) => input.order),
  )
  const wanted = [...new Set(ids.values())]
  const [orders, logs, drifts] = await Promise.all([loadOrders(context, wanted), readLogs(context, wanted), findDrift(context, wanted)])
  return asked.map(({ input }) => {
    const order = orders.get(ids.get(input.order) ?? 0)
    if (order === undefined) return unknownOrder(input.order)
    const drift = drifts.filter(({ orderId }) => orderId === order.id).map((each) => `${sayDrift(each)} (${each.against})`)
    return accepted({ orderId: order.id, number: order.number, entities: entitiesOf(order, logs.get(order.id) ?? []), drift })
  })
}

function entitiesOf(order: Order, changes: readonly LoggedChange[]): Explained['entities'] {
  const paid = partsBySection(order.sections, order.items)
  const chain = (level: string, entity: string) => changes.filter((change) => change.level === level && change.entity === entity)
  const entity = (level: string, name: string, state: string, because: string) => ({
    level,
    entity: name,
    state,
    because,
    changes: chain(level, name),
  })
  return [
    entity('order', '', order.state, becauseOf(order.items)),
    entity(
      'money',
      '',
      order.moneyState,
      moneyBecause(order, () => true),
    ),
    ...(order.attention === 0 ? [] : [entity('attention', '', flagNames(order.attention).join('+'), attentionBecause(order))]),
    ...order.sections.flatMap((section) => {
      const items = order.items.filter(({ sectionNo }) => sectionNo === section.sectionNo)
      return [
        entity('section', String(section.sectionNo), section.state, becauseOf(items)),
        entity(
          'money',
          String(section.sectionNo),
          section.moneyState,
          moneyBecause(order, (part) => paid.get(section.sectionNo)?.has(part) ?? false),
        ),
      ]
    }),
    ...order.items.map((item) => {
      const itemChanges = chain('item', String(item.itemNo))
      const last = itemChanges.at(-1)
      const because = last === undefined ? 'its log is empty' : `${last.cause}, by ${last.actor} at ${last.occurredAt}`
      return { level: 'item', entity: String(item.itemNo), state: item.state, because, changes: itemChanges }
    }),
    ...[...new Set(changes.filter(({ level }) => level === 'claim').map((change) => change.entity))].map((claimId) => {
      const last = chain('claim', claimId).at(-1) as LoggedChange
      return entity('claim', claimId, last.to, `${last.cause}, by ${last.actor} at ${last.occurredAt}`)
    }),
  ]
}

function becauseOf(items: readonly OrderItem[]): string {
  const fold = items.map((item) => foldItem(item.state)).reduce(joinFolds, emptyFold)
  const { because, by } = explainFold(fold)
  const makers = items.filter(({ state }) => by(state))
  return makers.length === 0 ? because : `${because}: ${makers.map(({ itemNo, state }) => `item ${itemNo} is ${state}`).join(', ')}`
}

function moneyBecause(order: Order, of: (part: number) => boolean): string {
  const { dueMinor, authorizedMinor, capturedMinor, refundedMinor } = foldParts(order.parts, ({ part }) => of(part))
  const names = order.parts.filter(({ part }) => of(part)).map(({ part, covered }) => `${part}${covered ? ' (covered)' : ''}`)
  return `payments ${names.join(', ')}: due ${dueMinor}, authorised ${authorizedMinor}, captured ${capturedMinor}, given back ${refundedMinor}`
}

function attentionBecause(order: Order): string {
  const items = order.items.filter((item) => foldItem(item.state, item.flags).flags !== 0)
  return [
    ...(order.held ? ['the order is on hold'] : []),
    ...order.sections.filter(({ held }) => held).map(({ sectionNo }) => `section ${sectionNo} is on hold`),
    ...order.parts.filter(({ unknown }) => unknown).map(({ part }) => `a charge of payment ${part} has no certain end yet`),
    ...items.map((item) => `item ${item.itemNo}: ${flagNames(foldItem(item.state, item.flags).flags).join(', ')}`),
  ].join('; ')
}
