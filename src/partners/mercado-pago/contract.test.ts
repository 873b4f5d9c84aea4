import { SettableClock } from '#kernel/time.ts'
import { keepsTheContract } from '#partners/gateway-contract-rig.ts'
import { openWebhookReceiver } from '#partners/webhook-receiver-rig.ts'
import { openMercadoPagoAdapter } from './adapter.ts'
import { startMercadoPagoLookAlike } from './look-alike.ts'

const now = new Date('2026-03-02T09:00:00Z')
const accounts = { BRL: 'token-of-brazil', CLP: 'token-of-chile' }
const webhookSecret = 'a secret of the contract'

keepsTheContract('Mercado Pago’s adapter against its look-alike', async () => {
  const receiver = await openWebhookReceiver()
  const clock = new SettableClock(now)
  const server = await startMercadoPagoLookAlike({ clock, accounts, webhookSecret, webhookUrl: receiver.url })
  const gone = await startMercadoPagoLookAlike({ clock, accounts, webhookSecret })
  await gone.close()
  const adapter = (baseUrl: string, timeoutMs: number) =>
    openMercadoPagoAdapter({
      name: 'mercado-pago',
      accounts,
      webhookSecret,
      timeoutMs,
      clock,
      baseUrl,
      payerEmail: (id) => `${id}@example.com`,
    })
  return {
    gateway: adapter(server.url, 10_000),
    hasty: adapter(server.url, 400),
    gone: adapter(gone.url, 1_000),
    tokens: { ok: 'visa:APRO', soft: 'visa:FUND', hard: 'visa:SECU', timeout: 'visa:MUTE', threeDs: 'visa:CHAL' },
    currency: 'BRL',
    withoutDecimals: 'CLP',
    capturesInParts: false,
    moved: (key) => server.movements.filter((movement) => movement.key === key).map(({ amountMinor }) => amountMinor),
    async customer(action, gatewayRef, what) {
      const url = action.kind === 'redirect' ? new URL(action.url) : new URL(`${server.url}/ticket/${gatewayRef}`)
      url.searchParams.set('action', what)
      await fetch(url, { method: 'POST' })
    },
    webhooks: () => receiver.received,
    now: () => now,
    settlement: () => server.report(),
    async close() {
      await server.close()
      await receiver.close()
    },
  }
})
