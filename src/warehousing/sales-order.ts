import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { isEnded, rankOf, type SalesOrderState } from './lifecycle.ts'

export const pickFlows = ['by_piece', 'by_zone', 'wave', 'cross_dock'] as const
export type PickFlow = (typeof pickFlows)[number]
/** What becomes of pieces that are not there: the order gives them up, or waits for them. */
export const shortPolicies = ['cancel', 'backorder'] as const
export type ShortPolicy = (typeof shortPolicies)[number]
export const skuTypes = ['dry', 'frozen', 'mixed'] as const
export type SkuType = (typeof skuTypes)[number]

/** One SKU to pick. `quantity` is asked, of that `short` are known to be missing; `picked` is told when all is picked. */
export interface SalesLine {
  readonly itemNo: number
  readonly sku: string
  readonly quantity: number
  readonly picked: number
  readonly short: number
}

export interface SalesOrder {
  readonly salesOrderId: number
  readonly warehouse: string
  /** null for work of a warehouse that no waybill asks for. */
  readonly waybillId: number | null
  readonly ask: number | null
  readonly orderId: number | null
  readonly orderNumber: string | null
  readonly pickFlow: PickFlow
  readonly wave: string | null
  readonly shortPolicy: ShortPolicy
  readonly skuType: SkuType
  readonly slot: { readonly date: string; readonly code: string } | null
  readonly destination: Readonly<Record<string, string | number>> | null
  readonly lines: readonly SalesLine[]
  /** When it will be ready for the truck, by the warehouse's word; null: nothing was said. */
  readonly readyAt: Date | null
  readonly state: SalesOrderState
  readonly version: number
  readonly transferredFrom: number | null
  readonly madeBy: string | null
  readonly reference: string | null
  readonly createdAt: Date
  readonly movedAt: Date
}

/** Pieces of a line that were found missing just now. */
export interface Missing {
  readonly itemNo: number
  readonly quantity: number
}

/** What one command makes of a sales order, decided without I/O; null where it changes nothing. */
export interface Decision {
  readonly after: SalesOrder
  readonly missing: readonly Missing[]
}
export type Decided = Outcome<Decision | null>

export const reports = ['accepted', 'picking', 'short', 'picked', 'packed'] as const
export type Report = (typeof reports)[number]

export interface ReportedLine {
  readonly itemNo: number
  /** Pieces of it that the warehouse has, or will have. */
  readonly picked: number
}

const noChange: Decided = accepted(null)
const moved = (order: SalesOrder, state: SalesOrderState, lines: readonly SalesLine[] = order.lines): SalesOrder => ({
  ...order,
  state,
  lines: rankOf(state) >= rankOf('picked') && !isEnded(state) ? lines.map(wholly) : lines,
})
const wholly = (line: SalesLine): SalesLine => ({ ...line, picked: line.quantity - line.short })

/** Opens with an item that a warehouse could not know. */
export const newLines = (items: readonly Pick<SalesLine, 'itemNo' | 'sku' | 'quantity'>[]): SalesLine[] =>
  items.map(({ itemNo, sku, quantity }) => ({ itemNo, sku, quantity, picked: 0, short: 0 }))

const stateOf: Readonly<Record<Report, SalesOrderState>> = {
  accepted: 'accepted',
  picking: 'picking',
  short: 'picking',
  picked: 'picked',
  packed: 'packed',
}

/**
 * What a warehouse says of a sales order. What is overtaken has no effect, and neither has a report on one that was called off meanwhile:
 * the warehouse is told of that by a message of its own. `short` says early what is missing, `picked` says it with the rest.
 */
export function decideReport(
  order: SalesOrder,
  { report, lines = [], readyAt }: { report: Report; lines?: readonly ReportedLine[]; readyAt?: Date },
): Decided {
  if (lines.length > 0 && report !== 'short' && report !== 'picked')
    return refused('warehousing.no_lines_wanted', `only short and picked tell of lines, not ${report}`, '/lines')
  if (report === 'short' && lines.length === 0)
    return refused('warehousing.lines_wanted', 'short names the lines that are not whole', '/lines')
  if (readyAt !== undefined && report === 'packed')
    return refused('warehousing.is_ready', 'what is packed is ready; only reports before say when it will be', '/readyAt')
  const seen = new Map<number, number>()
  for (const [at, { itemNo, picked }] of lines.entries()) {
    if (seen.has(itemNo)) return refused('warehousing.named_twice', `line ${itemNo} stands there twice`, `/lines/${at}/itemNo`)
    if (!order.lines.some((line) => line.itemNo === itemNo))
      return refused('warehousing.unknown_line', `sales order ${order.salesOrderId} has no line ${itemNo}`, `/lines/${at}/itemNo`)
    seen.set(itemNo, picked)
  }
  const isOvertaken = rankOf(stateOf[report]) < rankOf(order.state)
  const promised = readyAt === undefined || isOvertaken ? order : { ...order, readyAt }
  const isNew = promised.readyAt?.getTime() !== order.readyAt?.getTime()
  if (isEnded(order.state)) return noChange
  if (rankOf(order.state) >= rankOf('picked')) {
    const further = rankOf(stateOf[report]) > rankOf(order.state)
    return further || isNew ? accepted({ after: moved(promised, further ? stateOf[report] : order.state), missing: [] }) : noChange
  }
  const missing: Missing[] = []
  const told = order.lines.map((line): SalesLine => {
    const picked = seen.get(line.itemNo)
    if (picked === undefined) return line
    // More than is wanted is no error: less may be wanted since the warehouse was told, and the rest goes back to its shelf.
    const short = Math.max(line.short, line.quantity - picked)
    if (short > line.short) missing.push({ itemNo: line.itemNo, quantity: short - line.short })
    return short === line.short ? line : { ...line, short }
  })
  const to = rankOf(stateOf[report]) > rankOf(order.state) ? stateOf[report] : order.state
  if (to === order.state && missing.length === 0 && !isNew) return noChange
  return accepted({ after: moved(promised, to, told), missing })
}

export interface Update {
  readonly pickFlow?: PickFlow
  readonly wave?: string | null
  readonly lines?: readonly Pick<SalesLine, 'itemNo' | 'sku' | 'quantity'>[]
}

export const notChangeable = ({ salesOrderId, state }: SalesOrder, to: string): Outcome<never> =>
  isEnded(state)
    ? refused('warehousing.is_over', `sales order ${salesOrderId} is ${state}`, '/salesOrderId', { state })
    : refused('warehousing.already_picked', `sales order ${salesOrderId} is ${state} and can not be ${to} any more`, '/salesOrderId', {
        state,
      })

const isBefore = (order: SalesOrder, state: SalesOrderState): boolean => !isEnded(order.state) && rankOf(order.state) < rankOf(state)

export function decideUpdate(order: SalesOrder, { pickFlow = order.pickFlow, wave = order.wave, lines }: Update): Decided {
  if (!isBefore(order, 'picked')) return notChangeable(order, 'changed')
  if (lines !== undefined && order.waybillId !== null)
    return refused(
      'warehousing.follows_waybill',
      `sales order ${order.salesOrderId} has the lines of waybill ${order.waybillId} and follows it; change the order of that`,
      '/lines',
    )
  const again = lines?.findIndex(({ itemNo }, at) => lines.findIndex((line) => line.itemNo === itemNo) < at) ?? -1
  if (again >= 0) return refused('warehousing.named_twice', `a line stands there twice`, `/lines/${again}/itemNo`)
  const kept = lines === undefined || sameLines(order.lines, lines)
  if (pickFlow === order.pickFlow && wave === order.wave && kept) return noChange
  return accepted({ after: { ...order, pickFlow, wave, lines: kept ? order.lines : newLines(lines) }, missing: [] })
}

const sameLines = (a: readonly SalesLine[], b: NonNullable<Update['lines']>): boolean =>
  a.length === b.length &&
  a.every(({ itemNo, sku, quantity }, at) => itemNo === b[at]?.itemNo && sku === b[at]?.sku && quantity === b[at]?.quantity)

/** By hand, until it is picked; its waybill may call it off later still. */
export function decideCancel(order: SalesOrder): Decided {
  if (order.state === 'cancelled') return noChange
  return isBefore(order, 'picked') ? accepted({ after: moved(order, 'cancelled'), missing: [] }) : notChangeable(order, 'cancelled')
}

/** Its waybill was called off or is planned again. */
export const decideCallOff = (order: SalesOrder): Decided =>
  isEnded(order.state) ? noChange : accepted({ after: moved(order, 'cancelled'), missing: [] })

/** Somebody else has said that its waybill is packed. */
export const decidePacked = (order: SalesOrder): Decided =>
  isBefore(order, 'packed') ? accepted({ after: moved(order, 'packed'), missing: [] }) : noChange

/**
 * The waybill carries something else now. Its word is without what it knows to be missing; so a line asks for that and what is short.
 * A line is never taken away: a warehouse may report on it before it has heard.
 */
export function decideContents(order: SalesOrder, items: readonly Pick<SalesLine, 'itemNo' | 'sku' | 'quantity'>[]): Decided {
  if (isEnded(order.state)) return noChange
  const wanted = new Map(items.map((item) => [item.itemNo, item.quantity]))
  const known = new Set(order.lines.map(({ itemNo }) => itemNo))
  const lines = [
    ...order.lines.map((line): SalesLine => {
      const quantity = (wanted.get(line.itemNo) ?? 0) + line.short
      return quantity === line.quantity ? line : { ...line, quantity }
    }),
    ...newLines(items.filter(({ itemNo }) => !known.has(itemNo))),
  ]
  if (lines.length === order.lines.length && lines.every((line, at) => line === order.lines[at])) return noChange
  return accepted({ after: moved(order, order.state, lines), missing: [] })
}
