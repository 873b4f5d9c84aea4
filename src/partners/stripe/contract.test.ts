import { SettableClock } from '#kernel/time.ts'
import { keepsTheContract } from '#partners/gateway-contract-rig.ts'
import { openWebhookReceiver } from '#partners/webhook-receiver-rig.ts'
import type { CustomerAction } from '#payments'
import { openStripeAdapter } from './adapter.ts'
import { fromStripe } from './amounts.ts'
import { startStripeLookAlike, writeStripeReport } from './look-alike.ts'

const now = new Date('2026-03-02T09:00:00Z')
const apiKey = 'sk_test_of_the_contract'
const webhookSecret = 'whsec_of_the_contract'

keepsTheContract('Stripe’s adapter against its look-alike', async () => {
  const receiver = await openWebhookReceiver()
  const clock = new SettableClock(now)
  const server = await startStripeLookAlike({ clock, apiKey, webhookSecret, webhookUrl: receiver.url })
  const gone = await startStripeLookAlike({ clock, apiKey, webhookSecret })
  await gone.close()
  const adapter = (baseUrl: string, timeoutMs: number) => openStripeAdapter({ name: 'stripe', apiKey, webhookSecret, timeoutMs, baseUrl })
  const { books } = server
  return {
    gateway: adapter(server.url, 10_000),
    hasty: adapter(server.url, 400),
    gone: adapter(gone.url, 1_000),
    tokens: {
      ok: 'pm_card_visa',
      soft: 'pm_card_visa_chargeDeclinedInsufficientFunds',
      hard: 'pm_card_visa_chargeDeclinedLostCard',
      timeout: 'pm_lookalike_silent',
      threeDs: 'pm_card_authenticationRequired',
    },
    form: { ok: 'pm_card_mastercard', threeDs: 'pm_card_authenticationRequired', refused: 'pm_card_chargeDeclinedStolenCard' },
    currency: 'EUR',
    withoutDecimals: 'JPY',
    capturesInParts: true,
    moved: (key) =>
      books.movements.filter((movement) => movement.key === key).map(({ amount, currency }) => fromStripe(amount, currency.toUpperCase())),
    async customer(action: CustomerAction, _, what) {
      if (action.kind === 'redirect') await fetch(action.url, { method: 'POST', body: new URLSearchParams({ action: what }) })
    },
    webhooks: () => receiver.received,
    now: () => now,
    settlement: () => writeStripeReport(books, 'po_1'),
    async close() {
      await server.close()
      await receiver.close()
    },
  }
})
