import { type ChargeCall, type ChargeResult, type FollowUpCall, type FollowUpResult, type PaymentGateway, readKey } from '#payments'
import type { SandboxEngine } from './engine.ts'
import { chargeKeyOf } from './records.ts'
import { readSandboxSettlement } from './read-settlement.ts'
import { verifySandboxWebhook } from './webhook-signature.ts'
import { bindResultOf, chargeResultOf, followUpResultOf, queryResultOf, type SandboxFollowUpKind } from './wire.ts'

const lost = { outcome: 'unknown', reason: 'timeout' } as const

/**
 * The sandbox PG inside the process, for load: same engine, same reading of its answers, no socket, no promise per
 * payment. Slow answers come at once here; lost ones are time-outs without the wait.
 *
 * Its memory ends with the process, while our books go on. So a follow-up of a charge that it does not know, under a ref
 * that it could have given out (`ch_` and a key of a charge of ours), is believed: the charge is made up from the call. To
 * answer "no such charge" would turn every refund after a restart into a failed one.
 */
export function openSandboxTwin(options: { name: string; engine: SandboxEngine; webhookSecret: string }): PaymentGateway {
  const { name, engine, webhookSecret } = options
  const charged = (call: ChargeCall, capture: boolean): ChargeResult => {
    const handled = engine.charge(call, capture)
    return handled.delivery === 'lost' ? lost : chargeResultOf(handled, call)
  }
  const followedUp = (kind: SandboxFollowUpKind, call: FollowUpCall): FollowUpResult => {
    if (readKey(chargeKeyOf(call.gatewayRef) ?? '')?.kind === 'charge') engine.recall(kind, call)
    const handled = engine.followUp(kind, call)
    return handled.delivery === 'lost' ? lost : followUpResultOf(kind, handled, call)
  }
  return {
    name,
    means: engine.profile.means,
    chargeAtOnce: (calls) => calls.map((call) => charged(call, true)),
    charge: async (call) => charged(call, true),
    authorize: async (call) => charged(call, false),
    capture: async (call) => followedUp('capture', call),
    void: async (call) => followedUp('void', call),
    refund: async (call) => followedUp('refund', call),
    queryCharge: async (call) => queryResultOf(engine.findCharge(call.key), (answer) => chargeResultOf(answer, call)),
    queryFollowUp: async (kind, call) =>
      kind === 'credit'
        ? { outcome: 'not_found' }
        : queryResultOf(engine.findFollowUp(kind, call.key), (answer) => followUpResultOf(kind, answer, call)),
    verifyWebhook: (request, now) => verifySandboxWebhook(webhookSecret, request, now),
    bindCard: async (call) => bindResultOf(engine.bind(call)),
    finishBinding: async ({ gatewayRef }) => bindResultOf(engine.findBinding(gatewayRef)),
    readSettlement: (file) => readSandboxSettlement(engine.profile, file),
  }
}
