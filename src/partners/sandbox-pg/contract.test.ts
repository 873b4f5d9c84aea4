import { SettableClock } from '#kernel/time.ts'
import { type ContractStand, keepsTheContract } from '#partners/gateway-contract-rig.ts'
import { openWebhookReceiver } from '#partners/webhook-receiver-rig.ts'
import type { CustomerAction, WebhookRequest } from '#payments'
import { openSandboxAdapter } from './adapter.ts'
import { SandboxEngine } from './engine.ts'
import { sandboxProfiles } from './profiles.ts'
import { startSandboxServer } from './server.ts'
import { writeSettlement } from './settlement-file.ts'
import { openSandboxTwin } from './twin.ts'
import { signWebhook } from './webhook-signature.ts'

const now = new Date('2026-03-02T09:00:00Z')
const webhookSecret = 'a secret of the contract'
const tokens = {
  ok: 'tok_ok',
  soft: 'tok_declined_soft',
  hard: 'tok_declined_hard',
  timeout: 'tok_timeout_after_charge',
  threeDs: 'tok_3ds',
}
const form = { ok: 'tok_form_ok', threeDs: 'tok_form_3ds', refused: 'tok_form_refused' }

/** What the engine says of itself; the same for the server and the twin. */
const standOn = (engine: SandboxEngine) => ({
  tokens,
  form,
  currency: 'EUR',
  withoutDecimals: 'JPY',
  capturesInParts: true,
  now: () => now,
  moved: (key: string) =>
    engine
      .log()
      .movements.filter((movement) => movement.key === key)
      .map(({ kind, amountMinor }) => (kind === 'refund' ? -amountMinor : amountMinor)),
  settlement: () => writeSettlement(engine, { day: '2026-03-02', defects: false }).file,
})

keepsTheContract('the twin in the process', async () => {
  const webhooks: WebhookRequest[] = []
  const engine = new SandboxEngine({
    seed: 4,
    clock: new SettableClock(now),
    happened: ({ eventId, traffic: _, ...payload }) =>
      webhooks.push(signWebhook(webhookSecret, { id: eventId, sentAt: now, body: JSON.stringify(payload) })),
  })
  const gateway = openSandboxTwin({ name: 'sandbox', engine, webhookSecret })
  const stand: ContractStand = {
    ...standOn(engine),
    gateway,
    hasty: gateway,
    webhooks: () => webhooks,
    close: async () => {},
    async customer(_, gatewayRef, what) {
      engine.customerActs(gatewayRef, what === 'decline' ? 'decline' : 'approve')
    },
  }
  return stand
})

for (const profile of Object.values(sandboxProfiles)) {
  keepsTheContract(`${profile.name} over HTTP`, async () => {
    const receiver = await openWebhookReceiver()
    const ways = { seed: 4, clock: new SettableClock(now), profile, webhookSecret }
    // Webhooks without faults here: the contract is about what one says, the faults are about whether it comes.
    const server = await startSandboxServer({ ...ways, targets: { live: { url: receiver.url } }, faults: {} })
    const gone = await startSandboxServer(ways)
    await gone.close()
    const adapter = (baseUrl: string, timeoutMs: number) => openSandboxAdapter({ name: profile.name, baseUrl, timeoutMs, webhookSecret })
    const press = async (action: CustomerAction, gatewayRef: string, what: 'approve' | 'decline' | 'pay') => {
      const url = action.kind === 'redirect' ? action.url : `${server.url}/transfers/${encodeURIComponent(gatewayRef)}/pay`
      await fetch(url, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ action: what }) })
    }
    return {
      ...standOn(server.engine),
      gateway: adapter(server.url, 10_000),
      hasty: adapter(server.url, 400),
      gone: adapter(gone.url, 1_000),
      webhooks: () => receiver.received,
      customer: press,
      async close() {
        await server.close()
        await receiver.close()
      },
    }
  })
}
