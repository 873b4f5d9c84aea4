export type { CancelledOrRefunded, CancelOrRefund, RefundKind } from './cancel-or-refund.ts'
export type { Captured, CaptureFor } from './capture-payments.ts'
export type { Check } from './check-payments.ts'
export {
  type Movement,
  type OfRequest,
  type PaymentSums,
  type PaymentsChecking,
  type PaymentsExpired,
  type PaymentsFailed,
  type PaymentsMoved,
  paymentsChecking,
  paymentsExpired,
  paymentsFailed,
  paymentsMoved,
} from './events.ts'
export type { ExecutorStats, PaymentExecutor } from './executor.ts'
export type { LegView, PaymentView, RequestView } from './find-payments.ts'
export {
  type BindCardCall,
  type BindCardResult,
  type ChargeCall,
  type ChargeResult,
  type CustomerAction,
  type FollowUpCall,
  type FollowUpKind,
  type FollowUpResult,
  type GatewayCall,
  type GatewayCalls,
  type GatewayLog,
  type GatewayMovement,
  type GatewayNotice,
  type GatewayReach,
  type GuardedGateway,
  guardTraffic,
  keyOf,
  type PaymentGateway,
  type QueryCall,
  type QueryResult,
  readKey,
  type SettlementFile,
  type SettlementLine,
  ShadowRefused,
  type StoredCard,
  type VerifiedWebhook,
  type WebhookRequest,
} from './gateway.ts'
export type { GatewayMix } from './gateway-mix.ts'
export { attemptCycle, bindingCycle, followUpCycle, legCycle, requestCycle } from './lifecycle.ts'
export { openPayments, type Payments, type PaymentsDeps } from './open-payments.ts'
export type { PayPayment } from './pay-payments.ts'
export { type Means, meansNames, type PaymentPlan, paymentPlan, type PlannedLeg, plannedLeg } from './payment-plan.ts'
export type { RaiseDue } from './raise-due.ts'
export type { ReceiveWebhook, WebhookReceived } from './receive-webhooks.ts'
export type { AttemptResult } from './record-results.ts'
export type { PaymentRequested, RequestPayment } from './request-payments.ts'
export type { PaymentTimes, Verdict } from './settlement.ts'
export type { Swept } from './sweep.ts'
export { planRefund, type RefundableLeg, type RefundPolicy, refundPolicies } from './refund-plan.ts'
export { rankGateways } from './selector.ts'
