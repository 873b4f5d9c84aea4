import type { Clock } from '#kernel/time.ts'
import type { Runner } from '#platform/operation-runner.ts'
import { SandboxEngine, sandboxProfiles, signWebhook } from '#partners/sandbox-pg/index.ts'
import { systemContext } from '#platform/request-context.ts'

/** Sandbox PGs inside the process, at which the import plays the customers who pay in. */
export interface OlistBank {
  readonly twins: ReadonlyMap<string, SandboxEngine>
  /** Signs their webhooks: SANDBOX_PG_SECRET of the core that they are given to. */
  readonly secret: string
  /** Pays in under a transfer's reference and lets the gateway tell us. False when nothing is waited for under it. */
  payIn(reference: string, at: { runner: Runner; clock: Clock }): Promise<boolean>
}

/** History is only ever paid at sandboxes, whatever GATEWAYS says. */
export const olistGateways = Object.keys(sandboxProfiles).join(',')

export function openOlistBank(clock: Clock, secret: string): OlistBank {
  let told: { gateway: string; webhook: { id: string; body: string } }[] = []
  let paysIn = false
  const twins = new Map(
    Object.entries(sandboxProfiles).map(([gateway, profile]) => [
      gateway,
      new SandboxEngine({
        seed: 1,
        clock,
        profile,
        happened({ eventId, traffic: _, ...payload }) {
          // All else the caller has as the answer to his own call.
          if (paysIn) told.push({ gateway, webhook: { id: eventId, body: JSON.stringify(payload) } })
        },
      }),
    ]),
  )
  return {
    twins,
    secret,
    async payIn(reference, { runner, clock: now }) {
      paysIn = true
      const done = [...twins.values()].some((engine) => engine.customerActs(engine.transferUnder(reference) ?? '', 'approve'))
      paysIn = false
      const calls = told.map(({ gateway, webhook }) => ({
        context: systemContext('olist_import'),
        input: { gateway, ...signWebhook(secret, { ...webhook, sentAt: now.now() }) },
      }))
      told = []
      for (const outcome of await runner.runMany('payments.webhook', calls))
        if (!outcome.ok) throw new Error(`payments.webhook was refused: ${outcome.error.code} ${outcome.error.detail}`)
      return done
    },
  }
}
