import type { ChargeCall, ChargeResult, FollowUpCall, PaymentGateway } from '#payments'
import type { Handled, SandboxEngine } from './engine.ts'
import { openSandboxWebhook } from './webhook-signature.ts'
import { chargeResultOf, queryResultOf, refundResultOf, type WireCharge, type WireFollowUp } from './wire.ts'

const lost = { outcome: 'unknown', reason: 'timeout' } as const

const wireCharge = (call: ChargeCall, capture: boolean): WireCharge => ({
  key: call.key,
  token: call.token,
  amountMinor: call.amountMinor,
  currency: call.currency,
  reference: call.reference,
  traffic: call.traffic,
  capture,
})

const wireFollowUp = (call: FollowUpCall): WireFollowUp => ({
  key: call.key,
  chargeRef: call.gatewayRef,
  amountMinor: call.amountMinor,
  currency: call.currency,
  traffic: call.traffic,
})

/**
 * The sandbox PG inside the process, for load: same engine, same reading of its answers, no socket, no promise per
 * payment. Slow answers come at once here; lost ones are time-outs without the wait.
 */
export function openSandboxTwin(options: { name: string; engine: SandboxEngine; webhookSecret: string }): PaymentGateway {
  const { name, engine, webhookSecret } = options
  const charged = (call: ChargeCall, capture: boolean): ChargeResult => {
    const handled = engine.charge(wireCharge(call, capture))
    return handled.delivery === 'lost' ? lost : chargeResultOf(handled, call)
  }
  const refunded = (handled: Handled, call: FollowUpCall) => (handled.delivery === 'lost' ? lost : refundResultOf(handled, call))
  return {
    name,
    chargeAtOnce: (calls) => calls.map((call) => charged(call, true)),
    charge: async (call) => charged(call, true),
    authorize: async (call) => charged(call, false),
    capture: async (call) => chargeResultOf(engine.capture(wireFollowUp(call)), call),
    void: async (call) => refunded(engine.void(wireFollowUp(call)), call),
    refund: async (call) => refunded(engine.refund(wireFollowUp(call)), call),
    queryCharge: async (call) => queryResultOf(engine.findCharge(call.key), (answer) => chargeResultOf(answer, call)),
    queryRefund: async (call) => queryResultOf(engine.findRefund(call.key), (answer) => refundResultOf(answer, call)),
    openWebhook: (envelope, now) => openSandboxWebhook(webhookSecret, envelope, now),
  }
}
