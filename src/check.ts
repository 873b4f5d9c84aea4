import type { Analytics } from '#analytics'
import type { Containers } from '#containers'
import type { Fulfilment, LawReport } from '#fulfilment'
import type { CheckResult } from '#kernel/check.ts'
import type { Ledger } from '#ledger'
import type { Orders } from '#orders'
import type { Payments } from '#payments'
import type { ContextName, Databases, ReadContext, Scope } from '#platform/database.ts'
import type { Relay } from '#platform/relay.ts'
import type { Traffic } from '#platform/request-context.ts'
import type { Routing } from '#routing'
import type { Tracking } from '#tracking'
import type { Warehousing } from '#warehousing'
import { checkGoods } from './check-goods.ts'
import { checkSalesOrders } from './check-warehousing.ts'

/** The contexts whose laws are checked. */
export interface Contexts {
  readonly orders: Orders
  readonly payments: Payments
  readonly ledger: Ledger
  readonly analytics: Analytics
  readonly fulfilment: Fulfilment
  readonly routing: Routing
  readonly tracking: Tracking
  readonly containers: Containers
  readonly warehousing: Warehousing
}

/** Work of the house itself, in both traffics' scopes: shadow rounds run under a rehearsal of their own. */
export const houseScope = (traffic: Traffic): Scope => ({ traffic, rehearsalId: traffic === 'shadow' ? 'housekeeping' : null })

/** A law of a context in the shape that `check` prints. */
const resultOf = ({ law, broken, examples }: LawReport): CheckResult => ({
  check: law,
  breaks: broken === 0 ? [] : [`${broken} rows break it, such as ${examples.join(', ')}`],
})

/** Laws of one context, under its name. */
export const lawsOf = (context: string, reports: readonly LawReport[]): CheckResult[] =>
  reports.map((report) => {
    const { check, breaks } = resultOf(report)
    return { check: `${context}: ${check}`, breaks }
  })

/** Every law of every context, and those that span contexts. */
export async function checkAll(traffic: Traffic, databases: Databases, relay: Relay, contexts: Contexts): Promise<CheckResult[]> {
  const read = <T>(context: ContextName, work: (read: ReadContext) => Promise<T>): Promise<T> =>
    databases.of(context).survey(houseScope(traffic), work)
  const results = await Promise.all([
    read('orders', contexts.orders.check),
    read('payments', contexts.payments.check),
    read('ledger', contexts.ledger.check),
    read('fulfilment', contexts.fulfilment.check),
    read('routing', contexts.routing.check),
    read('tracking', contexts.tracking.check),
    read('containers', contexts.containers.check),
    read('warehousing', contexts.warehousing.check),
    contexts.analytics.check(houseScope(traffic)),
    contexts.payments.compareWithLogs(houseScope(traffic)),
    relay.backlog(traffic),
    checkMoney(traffic, databases, contexts),
    checkPacked(traffic, databases, contexts),
    checkGoods(houseScope(traffic), databases, contexts),
    checkSalesOrders(houseScope(traffic), databases, contexts),
  ])
  const [orders, payments, ledger, fulfilment, routing, tracking, containers, warehousing, analytics, gateways, ...spanning] = results
  const [backlog, money, packed, goods, salesOrders] = spanning
  const named = (context: string, result: CheckResult): CheckResult => ({ ...result, check: `${context}: ${result.check}` })
  return [
    ...orders.map((result) => named('orders', result)),
    ...payments.map((result) => named('payments', result)),
    ...gateways.map((result) => named('payments', result)),
    ...ledger.map((result) => named('ledger', result)),
    ...lawsOf('fulfilment', fulfilment),
    ...lawsOf('routing', routing),
    ...lawsOf('tracking', tracking),
    ...containers.map((result) => named('containers', result)),
    packed,
    ...warehousing.map((result) => named('warehousing', result)),
    ...salesOrders,
    ...analytics.map((result) => named('analytics', result)),
    ...money,
    ...goods,
    {
      check: 'outbox: every event has been taken by every consumer, none is parked',
      breaks: backlog
        .filter(({ waiting, parked }) => waiting > 0 || parked > 0)
        .map(({ consumer, waiting, parked }) => `${consumer} has ${waiting} events waiting and ${parked} parked`),
    },
  ]
}

/**
 * Money, order by order: what orders were told, what payments hold and what the ledger has booked must be the same to the minor
 * unit. It is exact once every event has been taken.
 */
async function checkMoney(traffic: Traffic, databases: Databases, { orders, payments, ledger }: Contexts): Promise<CheckResult[]> {
  const untrue: string[] = []
  const unbooked: string[] = []
  for (let after = 0; ; ) {
    const page = await databases.of('orders').read(houseScope(traffic), (context) => orders.moneyPage(context, after))
    const last = page.at(-1)
    if (last === undefined) break
    after = last.orderId
    const ids = page.map(({ orderId }) => orderId)
    const found = await databases.of('payments').read(houseScope(traffic), (context) => payments.findPayments(context, ids))
    const booked = await databases.of('ledger').read(houseScope(traffic), (context) => ledger.findOrderTotals(context, ids))
    for (const { orderId, moneyState, heldMinor, askedMinor } of page) {
      const view = found.get(orderId)
      const held = (view?.capturedMinor ?? 0) - (view?.refundedMinor ?? 0)
      if (held !== heldMinor) untrue.push(`order ${orderId} (${moneyState}) was told of ${heldMinor}, payments hold ${held}`)
      if (view !== undefined && view.dueMinor !== askedMinor)
        untrue.push(`order ${orderId} asks ${askedMinor}, payments ask ${view.dueMinor}`)
      // What the bank took back is neither given back nor kept: it stands on an account of its own until it is settled.
      const kept = held - (view?.disputedMinor ?? 0)
      const inLedger = booked.get(orderId) ?? 0
      if (inLedger !== kept) unbooked.push(`order ${orderId}: payments keep ${kept}, the ledger has ${inLedger}`)
    }
  }
  return [
    { check: 'money: what orders say is what payments hold', breaks: untrue.slice(0, 100) },
    { check: 'money: what payments hold is what the ledger has booked', breaks: unbooked.slice(0, 100) },
  ]
}

/** What containers hold is of waybills that fulfilment has. */
async function checkPacked(traffic: Traffic, databases: Databases, { containers, fulfilment }: Contexts): Promise<CheckResult> {
  const breaks: string[] = []
  const limit = 1_000
  for (let after = 0; ; ) {
    const page = { after, limit }
    const ids = await databases.of('containers').read(houseScope(traffic), (context) => containers.packedWaybills(context, page))
    const found = await databases.of('fulfilment').read(houseScope(traffic), (context) => fulfilment.waybillsById(context, ids))
    for (const id of ids) if (!found.has(id)) breaks.push(`something of waybill ${id} is packed, which does not exist`)
    after = ids.at(-1) ?? 0
    if (ids.length < limit) break
  }
  return { check: 'containers: what is packed is of a waybill that exists', breaks: breaks.slice(0, 100) }
}
