import { invariant, type Outcome } from '#kernel/outcome.ts'
import type { ContextDatabase, ReadContext, Scope, WriteContext } from '#platform/database.ts'
import { openIdBlocks } from '#platform/id-blocks.ts'
import type { Operation } from '#platform/operation.ts'
import { type PayOrder, payOrders } from './ask-again.ts'
import { type CancelledOrRefunded, type CancelOrRefund, cancelOrRefund } from './cancel-or-refund.ts'
import { type Check, checkPayments, comparePayments, type GatewayMovement } from './check-payments.ts'
import { openExecutor, type PaymentExecutor } from './executor.ts'
import type { GuardedGateway } from './gateway.ts'
import { paymentOperations } from './operations.ts'
import type { PaymentParts } from './parts.ts'
import { findPayments, type PaymentView } from './payment-store.ts'
import { type ReceiveWebhook, receiveWebhooks, type WebhookReceived } from './receive-webhooks.ts'
import { type AttemptResult, recordAttemptResults, recordRefundResults } from './record-results.ts'
import { type PaymentRequested, type RequestPayment, requestPayments } from './request-payments.ts'
import { defaultTimes, type PaymentTimes, type Verdict } from './settlement.ts'
import { type Swept, sweepPayments } from './sweep.ts'

export interface PaymentsDeps {
  readonly database: ContextDatabase
  /** Each behind `guardTraffic`. Stores pay by the first one unless `gatewayFor` says otherwise. */
  readonly gateways: readonly GuardedGateway[]
  readonly gatewayFor?: (storeId: string) => string
  /** Part of every key at a gateway; one per set of databases, so that a new database never meets an old one's charges. */
  readonly installation: string
  readonly times?: Partial<PaymentTimes>
  /** Gateway calls out at once per traffic, 64 unless told. */
  readonly concurrency?: number
  readonly log?: (problem: { message: string; error: unknown }) => void
}

export interface Payments {
  /** Asks for the payment of orders; the gateway is called after the caller's commit. */
  requestPayments(context: WriteContext, commands: readonly RequestPayment[]): Promise<Outcome<PaymentRequested>[]>
  /** Brings a means of payment to orders whose request is open. */
  payOrders(context: WriteContext, commands: readonly PayOrder[]): Promise<Outcome<PaymentRequested>[]>
  /** Takes an amount, or all, off what orders owe; what is in hand beyond that is refunded, also when it comes later. */
  cancelOrRefund(context: WriteContext, commands: readonly CancelOrRefund[]): Promise<Outcome<CancelledOrRefunded>[]>
  receiveWebhooks(context: WriteContext, webhooks: readonly ReceiveWebhook[]): Promise<Outcome<WebhookReceived>[]>
  recordAttemptResults(context: WriteContext, results: readonly AttemptResult[]): Promise<Verdict[]>
  findPayments(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, PaymentView>>
  /** Resolves by query what has no end yet, sends retries that are due, applies webhooks left behind. Run it every second or so. */
  sweep(scope: Scope): Promise<Swept>
  check(read: ReadContext): Promise<Check[]>
  compareWithGateway(read: ReadContext, gateway: string, movements: readonly GatewayMovement[]): Promise<Check[]>
  readonly executor: PaymentExecutor
  readonly operations: readonly Operation[]
}

/** Largest number of calls that wait in memory; about ten seconds of the rate that this is made for. */
const queueMost = 25_000

export function openPayments(deps: PaymentsDeps): Payments {
  const { database, installation } = deps
  const times = { ...defaultTimes, ...deps.times }
  invariant(/^[a-z0-9-]{1,40}$/.test(installation), `an installation is named by a-z, 0-9 and -, not "${installation}"`)
  invariant(times.safeDelayMs > times.callWithinMs, 'the safe delay must outlast the calls that may still be made')
  const gateways = new Map(deps.gateways.map((gateway) => [gateway.name, gateway]))
  const [first] = deps.gateways
  invariant(first !== undefined && gateways.size === deps.gateways.length, 'payments needs at least one gateway, each with its own name')
  const log = deps.log ?? (() => undefined)

  const executor = openExecutor({
    gateways,
    installation,
    times,
    concurrency: deps.concurrency ?? 64,
    queueMost,
    log,
    // Repeatable: a result that was applied before its connection broke is met again as a repeated one.
    recordAttempts: async (scope, results) => {
      await database.write(scope, (context) => recordAttemptResults(parts, context, results), { repeatable: true })
    },
    recordRefunds: async (scope, results) => {
      await database.write(scope, (context) => recordRefundResults(parts, context, results), { repeatable: true })
    },
  })
  const parts: PaymentParts = {
    ids: openIdBlocks(database, 'payments'),
    times,
    handOff: executor,
    gatewayFor: deps.gatewayFor ?? (() => first.name),
  }
  const sweeping = { database, parts, executor, gateways, installation, concurrency: 16, most: 500, log }
  const faces = {
    requestPayments: requestPayments.bind(null, parts),
    payOrders: payOrders.bind(null, parts),
    cancelOrRefund: cancelOrRefund.bind(null, parts),
    receiveWebhooks: receiveWebhooks.bind(null, { ...parts, gateways, installation }),
    recordAttemptResults: recordAttemptResults.bind(null, parts),
    findPayments,
  }
  return {
    ...faces,
    sweep: (scope) => sweepPayments(sweeping, scope),
    check: checkPayments,
    compareWithGateway: (read, gateway, movements) => comparePayments(read, gateway, movements, installation),
    executor,
    operations: paymentOperations(faces),
  }
}
