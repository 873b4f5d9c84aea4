import { type Fulfilment, type StoredWaybill, wayToTheDoor } from '#fulfilment'
import type { CheckResult } from '#kernel/check.ts'
import type { Orders } from '#orders'
import type { SandboxLogLine } from '#partners/sandbox-partners/index.ts'
import type { Databases, Scope } from '#platform/database.ts'
import { isEnded, rankOf, type SalesOrder, salesOrderLifeCycle, type Warehousing } from '#warehousing'

export interface PartnerLogs {
  readonly databases: Databases
  readonly orders: Pick<Orders, 'moneyPage'>
  readonly fulfilment: Pick<Fulfilment, 'waybillsOfOrders'>
  readonly warehousing: Pick<Warehousing, 'salesOrdersPage'>
  /** The partner's own log. */
  readonly linesOf: (partner: string) => AsyncIterable<SandboxLogLine>
}

/** At most so many breaks are named. */
const namedMost = 100

/**
 * Holds the own logs of sandbox partners against what we have: the warehouse was told of each sales order once, and what it has done and found
 * missing stands there; what the sorter has done, our waybills have passed. Exact when every event and message has been taken.
 */
export async function compareWithPartners(scope: Scope, options: PartnerLogs): Promise<CheckResult[]> {
  const nameOfSalesOrder = ({ salesOrderId }: { salesOrderId: number }) => `sales order ${salesOrderId}`
  const wms = await readOf(options.linesOf('wms'), 'sales_order.created', nameOfSalesOrder)
  const pss = await readOf(options.linesOf('pss'), 'waybill.moved', ({ waybillId, attempt }: { waybillId: number; attempt: number }) =>
    nameOf(waybillId, attempt),
  )
  if (wms.told + pss.told === 0) return []
  const untold: string[] = []
  const behind: string[] = []
  const missing: string[] = []
  const unknown = new Set([...wms.lineOf.keys(), ...pss.lineOf.keys()])
  for await (const order of salesOrdersOf(scope, options)) {
    const name = nameOfSalesOrder(order)
    unknown.delete(name)
    const line = wms.lineOf.get(name)
    if (line === undefined) untold.push(`${name} is ${order.state}, and the warehouse was never told`)
    else {
      const furthest = line.asked.at(-1)
      if (furthest !== undefined && isBehind(order, furthest))
        behind.push(`${name} is ${order.state}, and the warehouse has it ${furthest}`)
      missing.push(...missed(order, line))
    }
  }
  for await (const { waybillId, attempt, state } of waybillsOf(scope, options)) {
    for (let of = 1; of <= attempt; of += 1) {
      const name = nameOf(waybillId, of)
      unknown.delete(name)
      const furthest = pss.lineOf.get(name)?.asked.at(-1)
      if (furthest !== undefined && of === attempt && isBefore(state, furthest))
        behind.push(`waybill ${waybillId} is ${state}, and the sorter has it ${furthest}`)
    }
  }
  return [
    {
      check: 'partners: the warehouse was told of every sales order, each as one message',
      breaks: [...wms.twice, ...(wms.told === 0 ? [] : untold)].slice(0, namedMost),
    },
    { check: 'partners: what warehouse and sorter have done, sales orders and waybills have passed', breaks: behind.slice(0, namedMost) },
    {
      check: 'partners: what the warehouse found missing is missing in its sales orders, and nothing else',
      breaks: missing.slice(0, namedMost),
    },
    {
      check: 'partners: warehouse and sorter know of nothing that we do not have',
      breaks: [...unknown].slice(0, namedMost).map((name) => `${name} is in a log only`),
    },
  ]
}

const nameOf = (waybillId: number, attempt: number): string => `waybill ${waybillId} attempt ${attempt}`

/** What a partner was asked to do, by what it was about, and what it asked of us for it. */
async function readOf(lines: AsyncIterable<SandboxLogLine>, kind: string, nameOfBody: (body: never) => string) {
  const lineOf = new Map<string, SandboxLogLine>()
  const twice: string[] = []
  let told = 0
  for await (const line of lines) {
    if (!line.topic.endsWith(`.${kind}`) || line.asked.length === 0) continue
    const name = nameOfBody(line.body as never)
    const before = lineOf.get(name)
    if (before !== undefined && before.id !== line.id && twice.length < namedMost)
      twice.push(`${name} was told as ${before.id} and as ${line.id}`)
    lineOf.set(name, line)
    told += 1
  }
  return { lineOf, twice, told }
}

/** Whether a sales order stands before what the warehouse has done; what was called off is done with. */
const isBehind = ({ state }: SalesOrder, reported: string): boolean =>
  !isEnded(state) && salesOrderLifeCycle.isState(reported) && rankOf(state) < rankOf(reported)

/** Pieces that one side knows to be missing and the other does not. What was wanted may be less than the warehouse was told. */
function missed(order: SalesOrder, { body, short = [] }: SandboxLogLine): string[] {
  if (isEnded(order.state)) return []
  const asked = new Map((body as { lines: { itemNo: number; quantity: number }[] }).lines.map(({ itemNo, quantity }) => [itemNo, quantity]))
  const has = new Map(short.map(({ itemNo, picked }) => [itemNo, picked]))
  return order.lines.flatMap((line) => {
    const picked = has.get(line.itemNo)
    const told = picked === undefined ? 0 : (asked.get(line.itemNo) ?? 0) - picked
    return told >= line.short && (line.short > 0 || line.quantity <= (picked ?? line.quantity))
      ? []
      : [`of line ${line.itemNo} of sales order ${order.salesOrderId} the warehouse misses ${told}, and we ${line.short}`]
  })
}

/** Whether a waybill stands before what a partner has done; what has left the way has passed it or was called off. */
function isBefore(state: StoredWaybill['state'], reported: string): boolean {
  const at = wayToTheDoor.indexOf(state)
  return at >= 0 && at < wayToTheDoor.findIndex((each) => each === reported)
}

async function* salesOrdersOf(scope: Scope, { databases, warehousing }: PartnerLogs): AsyncGenerator<SalesOrder> {
  for (let after = 0; ; ) {
    const page = await databases.of('warehousing').read(scope, (context) => warehousing.salesOrdersPage(context, after, 1_000))
    yield* page
    const last = page.at(-1)
    if (last === undefined) return
    after = last.salesOrderId
  }
}

async function* waybillsOf(scope: Scope, { databases, orders, fulfilment }: PartnerLogs): AsyncGenerator<StoredWaybill> {
  for (let after = 0; ; ) {
    const page = await databases.of('orders').read(scope, (context) => orders.moneyPage(context, after))
    const last = page.at(-1)
    if (last === undefined) return
    after = last.orderId
    const found = await databases.of('fulfilment').read(scope, (context) =>
      fulfilment.waybillsOfOrders(
        context,
        page.map(({ orderId }) => orderId),
      ),
    )
    yield* [...found.values()].flat()
  }
}
