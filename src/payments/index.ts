export type { PayOrder } from './ask-again.ts'
export type { CancelledOrRefunded, CancelOrRefund } from './cancel-or-refund.ts'
export type { Check, GatewayMovement } from './check-payments.ts'
export {
  type PaymentsCovered,
  type PaymentsFailed,
  type PaymentsRefunded,
  paymentsCovered,
  paymentsFailed,
  paymentsRefunded,
} from './events.ts'
export type { ExecutorStats, PaymentExecutor } from './executor.ts'
export {
  type ChargeCall,
  type ChargeResult,
  type FollowUpCall,
  type GatewayCall,
  type GatewayCalls,
  type GatewayNotice,
  type GatewayReach,
  type GuardedGateway,
  guardTraffic,
  type PaymentGateway,
  type QueryCall,
  type QueryResult,
  type RefundResult,
  ShadowRefused,
  type WebhookEnvelope,
} from './gateway.ts'
export { attemptCycle, legCycle, refundCycle, requestCycle } from './lifecycle.ts'
export { openPayments, type Payments, type PaymentsDeps } from './open-payments.ts'
export type { PaymentView } from './payment-store.ts'
export type { ReceiveWebhook, WebhookReceived } from './receive-webhooks.ts'
export type { AttemptResult } from './record-results.ts'
export type { Instrument, PaymentRequested, RequestPayment } from './request-payments.ts'
export type { PaymentTimes, Verdict } from './settlement.ts'
export type { Swept } from './sweep.ts'
