import { createHmac } from 'node:crypto'
import type { Clock } from '#kernel/time.ts'
import { openSandboxAdapter, openSandboxTwin, SandboxEngine, type SandboxName, sandboxProfiles } from '#partners/sandbox-pg/index.ts'
import { openMercadoPagoAdapter } from '#partners/mercado-pago/index.ts'
import { openStripeAdapter } from '#partners/stripe/index.ts'
import { type GuardedGateway, guardTraffic, type PaymentGateway } from '#payments'
import type { Config } from '#platform/config.ts'
import type { Engines } from './engines.ts'

/** 100,000 charges to remember, about 25 MB where they come: enough to answer every query that a sweep may ask. */
const rememberMost = 100_000

/**
 * Payment gateways as the configuration names them, each behind the guard that keeps shadow traffic from real money. `twins`: engines for sandboxes inside
 * the process, for those who play the customer at them.
 */
export function openGateways(
  config: Config,
  engines: Engines,
  clock: Clock,
  twins: ReadonlyMap<string, SandboxEngine> = new Map(),
): GuardedGateway[] {
  const timeoutMs = config.gatewayTimeoutMs
  return config.gateways.split(',').map((word) => {
    const [name = '', ...rest] = word.split('=')
    const url = rest.length === 0 ? undefined : rest.join('=')
    if (isSandbox(name)) {
      const webhookSecret = config.sandboxPgSecret ?? createHmac('sha256', engines.secrets.roleSecret).update('sandbox pg').digest('hex')
      const gateway =
        url === undefined
          ? openSandboxTwin({
              name,
              engine: twins.get(name) ?? new SandboxEngine({ seed: 1, clock, rememberMost, profile: sandboxProfiles[name] }),
              webhookSecret,
            })
          : openSandboxAdapter({ name, baseUrl: url, timeoutMs, webhookSecret })
      return guardTraffic(gateway, 'sandbox')
    }
    return guardTraffic(name === 'stripe' ? openOurStripe(config, url) : openOurMercadoPago(config, clock, url), 'real')
  })
}

function openOurStripe(config: Config, url: string | undefined): PaymentGateway {
  const { stripeSecretKey: apiKey, stripeWebhookSecret: webhookSecret, gatewayTimeoutMs: timeoutMs } = config
  if (apiKey === undefined || webhookSecret === undefined) throw missing('stripe', 'STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET')
  return openStripeAdapter({ name: 'stripe', apiKey, webhookSecret, timeoutMs, ...(url === undefined ? {} : { baseUrl: url }) })
}

function openOurMercadoPago(config: Config, clock: Clock, url: string | undefined): PaymentGateway {
  const { mercadoPagoAccounts, mercadoPagoWebhookSecret: webhookSecret, gatewayTimeoutMs: timeoutMs } = config
  if (mercadoPagoAccounts === undefined || webhookSecret === undefined)
    throw missing('mercado_pago', 'MERCADO_PAGO_ACCOUNTS and MERCADO_PAGO_WEBHOOK_SECRET')
  return openMercadoPagoAdapter({
    name: 'mercado_pago',
    accounts: Object.fromEntries(mercadoPagoAccounts.split(',').map((account) => account.split(':', 2) as [string, string])),
    webhookSecret,
    timeoutMs,
    clock,
    // It wants an address of each payer; ours are not its business, so each customer gets one that leads nowhere.
    payerEmail: (customerId) => `${encodeURIComponent(customerId)}@customers.invalid`,
    ...(url === undefined ? {} : { baseUrl: url }),
  })
}

const missing = (name: string, variables: string): Error => new Error(`GATEWAYS names ${name}: set ${variables}`)

const isSandbox = (name: string): name is SandboxName => Object.hasOwn(sandboxProfiles, name)
