import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { type Cause, describedEvent, movedEvent, readyEvents } from './events.ts'
import type { SalesOrderState } from './lifecycle.ts'
import {
  type Decided,
  decideCallOff,
  decideCancel,
  decideContents,
  decidePacked,
  decideReport,
  decideUpdate,
  type Missing,
  type Report,
  type ReportedLine,
  type SalesLine,
  type SalesOrder,
  type Update,
} from './sales-order.ts'
import { linesWord, lockCurrent, lockSalesOrders, type SalesOrderChange, updateSalesOrders } from './sales-order-store.ts'

export interface ChangedSalesOrder {
  readonly salesOrderId: number
  readonly state: SalesOrderState
  readonly version: number
  readonly changed: boolean
}

interface By {
  readonly reason?: string
  readonly actor: string
  readonly commandId: string
}
interface Named extends By {
  readonly salesOrderId: number
}
export type UpdateSalesOrder = Named & Update
export type CancelSalesOrder = Named & { readonly reason: string }
export type ReportSalesOrder = Named & { readonly report: Report; readonly lines?: readonly ReportedLine[]; readonly readyAt?: Date }

/** What a waybill told: it was called off or is planned again, somebody packed it, or it carries something else. */
export type FollowWaybill = By & { readonly waybillId: number } & (
    | { readonly to: 'cancelled' | 'packed' }
    | { readonly to: 'contents'; readonly items: readonly Pick<SalesLine, 'itemNo' | 'sku' | 'quantity'>[] }
  )

export const unknownSalesOrder = (salesOrderId: number): Outcome<never> =>
  refused('warehousing.unknown_sales_order', `there is no sales order ${salesOrderId}`, '/salesOrderId')

export const changedOf = ({ salesOrderId, state, version }: SalesOrder, changed: boolean): ChangedSalesOrder => ({
  salesOrderId,
  state,
  version,
  changed,
})

/** What one command did to one sales order, to be written and told. */
export interface Applied extends By {
  readonly before: SalesOrder
  readonly after: SalesOrder
  readonly missing: readonly Missing[]
  readonly by: Cause
  readonly cause: string
  readonly transferredTo?: string
}

/** Decides each command on what the one before it left, and writes every sales order once. Three statements, of which two leave with the commit. */
async function change<Command extends By>(
  context: WriteContext,
  commands: readonly Command[],
  use: {
    readonly locked: ReadonlyMap<number, SalesOrder>
    readonly idOf: (command: Command) => number
    readonly decide: (order: SalesOrder, command: Command) => Decided
    readonly unknown: (command: Command) => Outcome<ChangedSalesOrder>
    readonly by: Cause
    readonly cause: string
  },
): Promise<Outcome<ChangedSalesOrder>[]> {
  const now = new Map(use.locked)
  const applied: Applied[] = []
  const outcomes = commands.map((command): Outcome<ChangedSalesOrder> => {
    const key = use.idOf(command)
    const before = now.get(key)
    if (before === undefined) return use.unknown(command)
    const decided = use.decide(before, command)
    if (!decided.ok) return decided
    if (decided.value === null) return accepted(changedOf(before, false))
    const { after: drafted, missing } = decided.value
    const after = {
      ...drafted,
      version: (use.locked.get(key)?.version ?? 0) + 1,
      movedAt: drafted.state === before.state ? before.movedAt : context.now,
    }
    now.set(key, after)
    const { reason, actor, commandId } = command
    applied.push({ before, after, missing, by: use.by, cause: use.cause, actor, commandId, ...(reason === undefined ? {} : { reason }) })
    return accepted(changedOf(after, true))
  })
  await writeApplied(context, applied)
  return outcomes
}

/** Writes what commands did to locked sales orders, each row once, and tells it. */
export async function writeApplied(context: WriteContext, applied: readonly Applied[]): Promise<void> {
  const whole = new Map<number, { before: SalesOrder; after: SalesOrder }>()
  for (const { before, after } of applied)
    whole.set(before.salesOrderId, { before: whole.get(before.salesOrderId)?.before ?? before, after })
  await updateSalesOrders(context, [...whole.values()], applied.flatMap(changesOf))
  await context.announce(applied.flatMap(eventsOf))
}

function changesOf({ before, after, cause, reason, actor, commandId }: Applied): SalesOrderChange[] {
  const of = { salesOrderId: before.salesOrderId, cause: reason === undefined ? cause : `${cause}: ${reason}`, commandId, actor }
  const pairs = [
    ['sales_order', before.state, after.state],
    ['lines', linesWord(before.lines), linesWord(after.lines)],
    ['pick_flow', before.pickFlow, after.pickFlow],
    ['wave', before.wave ?? 'none', after.wave ?? 'none'],
    ['ready', before.readyAt?.toISOString() ?? '', after.readyAt?.toISOString() ?? ''],
  ] as const
  return pairs.flatMap(([level, from, to]) => (from === to ? [] : [{ ...of, level, from, to }]))
}

function eventsOf({ before, after, missing, by, reason, transferredTo }: Applied): NewEvent[] {
  const told = { by, missing, reason: reason ?? null, ...(transferredTo === undefined ? {} : { transferredTo }) }
  const moved = [
    ...(before.state !== after.state || missing.length > 0 ? [movedEvent(before, after, told)] : []),
    ...readyEvents(before, after),
  ]
  const other =
    before.pickFlow !== after.pickFlow ||
    before.wave !== after.wave ||
    // What is missing was said by the warehouse itself.
    before.lines.length !== after.lines.length ||
    after.lines.some((line, at) => line.quantity !== before.lines[at]?.quantity || line.sku !== before.lines[at]?.sku)
  return other ? [...moved, describedEvent('changed', after, by)] : moved
}

async function changeNamed<Command extends Named>(
  context: WriteContext,
  commands: readonly Command[],
  use: { readonly decide: (order: SalesOrder, command: Command) => Decided; readonly by: Cause; readonly cause: string },
): Promise<Outcome<ChangedSalesOrder>[]> {
  if (commands.length === 0) return []
  const locked = await lockSalesOrders(
    context,
    commands.map(({ salesOrderId }) => salesOrderId),
  )
  const idOf = ({ salesOrderId }: Command) => salesOrderId
  return change(context, commands, { ...use, locked, idOf, unknown: ({ salesOrderId }) => unknownSalesOrder(salesOrderId) })
}

/** Errors: unknown_sales_order, is_over, already_picked, follows_waybill, named_twice. */
export const updateSalesOrdersBy = (context: WriteContext, commands: readonly UpdateSalesOrder[]): Promise<Outcome<ChangedSalesOrder>[]> =>
  changeNamed(context, commands, { decide: decideUpdate, by: 'hand', cause: 'sales_orders.update' })

/** Errors: unknown_sales_order, is_over, already_picked. */
export const cancelSalesOrders = (context: WriteContext, commands: readonly CancelSalesOrder[]): Promise<Outcome<ChangedSalesOrder>[]> =>
  changeNamed(context, commands, { decide: decideCancel, by: 'hand', cause: 'sales_orders.cancel' })

/** Errors: unknown_sales_order, unknown_line, named_twice, lines_wanted, no_lines_wanted. */
export const reportSalesOrders = (context: WriteContext, commands: readonly ReportSalesOrder[]): Promise<Outcome<ChangedSalesOrder>[]> =>
  changeNamed(context, commands, { decide: decideReport, by: 'report', cause: 'sales_orders.report' })

/** Follows what waybills told. One that has no sales order now (a merchant's, or one that was called off) has no effect. */
export async function followWaybills(context: WriteContext, commands: readonly FollowWaybill[]): Promise<void> {
  if (commands.length === 0) return
  const idOf = ({ waybillId }: FollowWaybill) => waybillId
  const locked = await lockCurrent(context, commands.map(idOf))
  if (locked.size === 0) return
  await change(context, commands, {
    locked,
    idOf,
    decide: (order, command) => {
      if (command.to === 'contents') return decideContents(order, command.items)
      return command.to === 'packed' ? decidePacked(order) : decideCallOff(order)
    },
    unknown: () => accepted({ salesOrderId: 0, state: 'cancelled', version: 0, changed: false }),
    by: 'waybill',
    cause: 'warehousing.follow',
  })
}
