import { invariant } from '#kernel/outcome.ts'
import type { Scope } from '#platform/database.ts'
import { type ChargeCall, type ChargeResult, type FollowUpResult, type GuardedGateway, keyOf, ShadowRefused } from './gateway.ts'
import type { GatewayHealth } from './gateway-health.ts'
import type { ChargeToMake, FollowUpToMake, WebhookToApply } from './parts.ts'
import { subjectOf } from './receive-webhooks.ts'
import type { FollowUpRecord } from './record-results.ts'

export interface CallMakerOptions {
  readonly gateways: ReadonlyMap<string, GuardedGateway>
  readonly health: GatewayHealth
  readonly installation: string
  /** Where a gateway sends the customer's browser back to. */
  readonly returnUrl: (of: { readonly orderId: number; readonly part: number }) => string
  readonly log: (problem: { message: string; error: unknown }) => void
}

/** Calls of gateways whose rows are committed. None throws: what breaks off is a result, too. */
export interface CallMaker {
  chargesAtOnce(gateway: string): boolean
  chargeAtOnce(scope: Scope, gateway: string, charges: readonly ChargeToMake[]): readonly ChargeResult[]
  charge(scope: Scope, charge: ChargeToMake): Promise<ChargeResult>
  followUp(scope: Scope, followUp: FollowUpToMake): Promise<FollowUpRecord>
  /** Asks what a webhook is about; undefined: it can not be asked now, the sweep asks again. */
  readNotice(scope: Scope, webhook: WebhookToApply): Promise<WebhookToApply | undefined>
}

export function openCallMaker({ gateways, health, installation, returnUrl, log }: CallMakerOptions): CallMaker {
  const callOf = ({ traffic, rehearsalId }: Scope, charge: ChargeToMake): ChargeCall => ({
    key: keyOf(installation, traffic, 'charge', charge.attemptId),
    traffic,
    rehearsalId,
    means: charge.means,
    token: charge.token,
    amountMinor: charge.amountMinor,
    currency: charge.currency,
    reference: String(charge.orderId),
    customerId: charge.customerId,
    instalments: charge.instalments,
    returnUrl: returnUrl(charge),
  })

  /** An adapter turns the world's failures into results; what still throws is a guard's refusal or a bug, whose effect is not known. */
  const resultOfError = (error: unknown): ChargeResult => {
    log({ message: 'a charge broke off', error })
    if (error instanceof ShadowRefused) return { outcome: 'declined_hard', reason: 'shadow_refused' }
    return { outcome: 'unknown', reason: 'adapter_error' }
  }

  return {
    chargesAtOnce: (name) => gateways.get(name)?.chargeAtOnce !== undefined,
    chargeAtOnce(scope, name, charges) {
      let results: readonly ChargeResult[]
      try {
        results = gateways.get(name)?.chargeAtOnce?.(charges.map((charge) => callOf(scope, charge))) ?? []
        invariant(results.length === charges.length, `gateway ${name} answered ${results.length} of ${charges.length} charges`)
      } catch (error) {
        const result = resultOfError(error)
        results = charges.map(() => result)
      }
      for (const { outcome } of results) health.note(scope.traffic, name, outcome)
      return results
    },
    async charge(scope, charge) {
      const gateway = gateways.get(charge.gateway)
      // Nothing was sent, so this is certain: the gateway was taken out of the configuration after the attempt was made.
      if (gateway === undefined) return { outcome: 'unreachable', reason: 'gateway_not_configured' }
      const call = callOf(scope, charge)
      const result = await (charge.mode === 'charge' ? gateway.charge(call) : gateway.authorize(call)).catch(resultOfError)
      health.note(scope.traffic, charge.gateway, result.outcome)
      return result
    },
    async followUp(scope, { followUpId, orderId, kind, gateway: name, chargeRef: gatewayRef, amountMinor, currency, last, stray }) {
      const { traffic, rehearsalId } = scope
      const key = keyOf(installation, traffic, kind, followUpId)
      const call = {
        key,
        traffic,
        rehearsalId,
        gatewayRef,
        amountMinor,
        currency,
        reference: String(orderId),
        ...(kind === 'capture' ? { last } : {}),
      }
      const gateway = gateways.get(name)
      const asked = kind === 'credit' ? gateway?.credit?.({ ...call, stray }) : gateway?.[kind](call)
      const result: FollowUpResult = (await asked?.catch((error: unknown): FollowUpResult => {
        log({ message: `${kind} ${followUpId} broke off`, error })
        if (error instanceof ShadowRefused) return { outcome: 'failed', reason: 'shadow_refused' }
        return { outcome: 'unknown', reason: 'adapter_error' }
      })) ?? { outcome: 'unknown', reason: 'gateway_not_configured' }
      return { followUpId, result, cause: 'answer' }
    },
    async readNotice(scope, { gateway: name, eventId, request }) {
      const read = gateways.get(name)?.readNotice
      if (read === undefined || request === null) return { gateway: name, eventId, subjectId: 0, notice: null, request: null }
      try {
        const notice = await read(request)
        // Gateways know nothing of our two traffics: what is about the other one's charge concerns nothing here.
        const subjectId = notice === null || !notice.key.includes(`-${scope.traffic}-`) ? 0 : subjectOf(notice, installation)
        return { gateway: name, eventId, subjectId, notice, request: null }
      } catch (error) {
        log({ message: `the gateway ${name} could not be asked about its event ${eventId}`, error })
        return undefined
      }
    },
  }
}
