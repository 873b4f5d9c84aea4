import { invariant, type Outcome } from '#kernel/outcome.ts'
import type { ContextDatabase, ReadContext, Scope, WriteContext } from '#platform/database.ts'
import { openIdBlocks } from '#platform/id-blocks.ts'
import type { Operation } from '#platform/operation.ts'
import { askForBinding, bindCards, finishBindings, listCardsOf, removeCards } from './bind-cards.ts'
import { openCallMaker } from './call-maker.ts'
import { type CancelledOrRefunded, type CancelOrRefund, cancelOrRefund } from './cancel-or-refund.ts'
import { type CaptureFor, type Captured, captureFor } from './capture-payments.ts'
import { cardOperations } from './card-operations.ts'
import { openCashGateway } from './cash-gateway.ts'
import { type Check, checkPayments } from './check-payments.ts'
import { comparePayments, compareWithLogs } from './compare-with-gateway.ts'
import { openExecutor, type PaymentExecutor } from './executor.ts'
import { findPayments, type PaymentView } from './find-payments.ts'
import { type GatewayMovement, type GuardedGateway, guardTraffic, type SettlementFile } from './gateway.ts'
import { GatewayHealth } from './gateway-health.ts'
import { mixOperations } from './mix-operations.ts'
import { settlementOperations } from './settlement-operations.ts'
import { Mixes } from './mixes.ts'
import { paymentOperations } from './operations.ts'
import type { PaymentParts } from './parts.ts'
import { type PayPayment, payPayments } from './pay-payments.ts'
import { findGatewayMixes, putGatewayMixes } from './put-gateway-mix.ts'
import { type RaiseDue, raiseDue } from './raise-due.ts'
import { type ReceiveWebhook, receiveWebhooks, type WebhookReceived } from './receive-webhooks.ts'
import { type AttemptResult, recordAttemptResults, recordFollowUpResults, recordNotices } from './record-results.ts'
import { type PaymentRequested, type RequestPayment, requestPayments } from './request-payments.ts'
import { retryLegs } from './retry-legs.ts'
import { defaultTimes, type PaymentTimes, type Verdict } from './settlement.ts'
import { type Swept, sweepPayments } from './sweep.ts'

export interface PaymentsDeps {
  readonly database: ContextDatabase
  /** Each behind `guardTraffic`. A store without a mix pays by the first one that takes its means; cash is added by itself. */
  readonly gateways: readonly GuardedGateway[]
  /** Part of every key at a gateway; one per set of databases, so that a new database never meets an old one's charges. */
  readonly installation: string
  /** Where a gateway sends the customer's browser after 3-D Secure. */
  readonly returnUrl?: (of: { readonly orderId: number; readonly part: number }) => string
  readonly times?: Partial<PaymentTimes>
  /** Gateway calls out at once per traffic, 64 unless told. */
  readonly concurrency?: number
  readonly log?: (problem: { message: string; error: unknown }) => void
}

export interface Payments {
  /** Asks for the payment of parts of orders; gateways are called after the caller's commit. */
  requestPayments(context: WriteContext, commands: readonly RequestPayment[]): Promise<Outcome<PaymentRequested>[]>
  /** Brings means of payment to parts that are open: all that is open, or a share. */
  payPayments(context: WriteContext, commands: readonly PayPayment[]): Promise<Outcome<PaymentRequested>[]>
  /** Parts owe more than before. */
  raiseDue(context: WriteContext, commands: readonly RaiseDue[]): Promise<Outcome<PaymentRequested>[]>
  /** Takes amounts, or all, off what orders owe, or gives goodwill; what is in hand beyond that goes back, also when it comes later. */
  cancelOrRefund(context: WriteContext, commands: readonly CancelOrRefund[]): Promise<Outcome<CancelledOrRefunded>[]>
  /** Captures what is set aside, as sections ship. */
  captureFor(context: WriteContext, commands: readonly CaptureFor[]): Promise<Outcome<Captured>[]>
  receiveWebhooks(context: WriteContext, webhooks: readonly ReceiveWebhook[]): Promise<Outcome<WebhookReceived>[]>
  recordAttemptResults(context: WriteContext, results: readonly AttemptResult[]): Promise<Verdict[]>
  findPayments(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, PaymentView>>
  /** Resolves by query what has no end yet, sends what is due, ends what has expired, applies webhooks left behind. Run it every second or so. */
  sweep(scope: Scope): Promise<Swept>
  check(read: ReadContext): Promise<Check[]>
  /** Compares with the own log of each gateway that shows one. */
  compareWithLogs(scope: Scope): Promise<Check[]>
  compareWithGateway(read: ReadContext, gateway: string, movements: readonly GatewayMovement[]): Promise<Check[]>
  readonly executor: PaymentExecutor
  readonly operations: readonly Operation[]
  /** Readers of settlement files, by gateway; those of the gateways that send some. */
  readonly settlementReaders: ReadonlyMap<string, (file: string) => SettlementFile>
}

/** Largest number of calls that wait in memory; about ten seconds of the rate that this is made for. */
const queueMost = 25_000

export function openPayments(deps: PaymentsDeps): Payments {
  const { database, installation } = deps
  const times = { ...defaultTimes, ...deps.times }
  invariant(/^[a-z0-9-]{1,40}$/.test(installation), `an installation is named by a-z, 0-9 and -, not "${installation}"`)
  invariant(times.safeDelayMs > times.callWithinMs, 'the safe delay must outlast the calls that may still be made')
  const gateways = new Map(deps.gateways.map((gateway) => [gateway.name, gateway]))
  invariant(gateways.size > 0 && gateways.size === deps.gateways.length, 'payments needs at least one gateway, each with its own name')
  // Cash is no outside world: shadow orders may promise it as well.
  if (!gateways.has('cash')) gateways.set('cash', guardTraffic(openCashGateway(), 'sandbox'))
  const log = deps.log ?? (() => undefined)
  const health = new GatewayHealth()
  const returnUrl = deps.returnUrl ?? (({ orderId, part }) => `http://localhost/orders/${orderId}?paid=${part}`)
  const calls = openCallMaker({ gateways, health, installation, returnUrl, log })

  // Repeatable: a result that was applied before its connection broke is met again as a repeated one.
  const recording =
    <Item>(record: (parts: PaymentParts, context: WriteContext, items: readonly Item[]) => Promise<unknown>) =>
    async (scope: Scope, items: readonly Item[]): Promise<void> => {
      await database.write(scope, (context) => record(parts, context, items), { repeatable: true })
    }
  const executor = openExecutor({
    calls,
    times,
    concurrency: deps.concurrency ?? 64,
    queueMost,
    log,
    recordAttempts: recording(recordAttemptResults),
    recordFollowUps: recording(recordFollowUpResults),
    recordNotices: recording(recordNotices),
    retryLegs: recording(retryLegs),
    bindCard: (scope, bindingId) => askForBinding(parts, database, scope, bindingId),
  })
  const parts: PaymentParts = {
    ids: openIdBlocks(database, 'payments'),
    times,
    handOff: executor,
    mixes: new Mixes(gateways, health),
    gateways,
    installation,
  }
  const faces = {
    requestPayments: requestPayments.bind(null, parts),
    payPayments: payPayments.bind(null, parts),
    raiseDue: raiseDue.bind(null, parts),
    cancelOrRefund: cancelOrRefund.bind(null, parts),
    captureFor: captureFor.bind(null, parts),
    receiveWebhooks: receiveWebhooks.bind(null, parts),
    recordAttemptResults: recordAttemptResults.bind(null, parts),
    findPayments,
  }
  const cards = {
    bindCards: bindCards.bind(null, parts),
    finishBindings: finishBindings.bind(null, parts),
    listCardsOf,
    removeCards,
  }
  const mixes = { putGatewayMixes: putGatewayMixes.bind(null, parts), findGatewayMixes }
  return {
    ...faces,
    sweep: (scope) => sweepPayments({ database, parts, executor, calls, concurrency: 16, most: 500, log }, scope),
    check: checkPayments,
    compareWithLogs: (scope) => compareWithLogs(database, scope, gateways.values(), installation),
    compareWithGateway: (read, gateway, movements) => comparePayments(read, gateway, movements, installation),
    executor,
    operations: [
      ...paymentOperations(faces),
      ...mixOperations(mixes),
      ...cardOperations(cards),
      ...settlementOperations({ gateways, installation }),
    ],
    settlementReaders: new Map(
      [...gateways].flatMap(([name, { readSettlement }]) => (readSettlement === undefined ? [] : [[name, readSettlement]])),
    ),
  }
}
