import { openAnalytics } from '#analytics'
import { openContainers } from '#containers'
import { openFlows, partners } from '#flows'
import { merchantOperations, openFulfilment, previewOperations } from '#fulfilment'
import { systemClock } from '#kernel/time.ts'
import { openLedger } from '#ledger'
import { openMerchants } from '#merchants'
import { openMessaging } from '#messaging'
import { openOrders } from '#orders'
import { openSandboxTwin, SandboxEngine } from '#partners/sandbox-pg/index.ts'
import { guardTraffic, openPayments } from '#payments'
import type { Consumer } from '#platform/consumer.ts'
import type { ContextDatabase, ContextName } from '#platform/database.ts'
import type { Operation } from '#platform/operation.ts'
import { openRouting } from '#routing'
import { openTracking } from '#tracking'
import { openWarehousing } from '#warehousing'
import { operationsOf } from '../../src/core.ts'

/** The tables of the house without the house: contexts and flows opened on databases that answer nothing, so that no engine runs. */
export interface House {
  readonly operations: readonly Operation[]
  readonly consumers: readonly Consumer[]
}

export function openHouse(): House {
  const engine = new SandboxEngine({ seed: 1, clock: systemClock, rememberMost: 1 })
  const gateway = openSandboxTwin({ name: 'sandbox', engine, webhookSecret: 'no webhook is ever sent here' })
  const orders = openOrders({ database: silent('orders'), random: () => 0 })
  const contexts = {
    orders,
    analytics: openAnalytics({ database: silent('analytics'), source: { database: silent('orders'), orders } }),
    payments: openPayments({ database: silent('payments'), gateways: [guardTraffic(gateway, 'sandbox')], installation: 'reference' }),
    ledger: openLedger({ database: silent('ledger') }),
    messaging: openMessaging({ database: silent('messaging'), randomBytes: () => Buffer.alloc(32), log: () => undefined }),
    fulfilment: openFulfilment(),
    routing: openRouting({ database: silent('routing') }),
    tracking: openTracking({ carriers: { carriers: [], secrets: new Map(), database: silent('tracking'), log: () => undefined } }),
    merchants: openMerchants({ keys: { issue: () => Promise.resolve(''), revoke: () => Promise.resolve(false) } }),
    portal: { operations: [...merchantOperations(() => Promise.resolve([])), ...previewOperations(() => Promise.resolve([]))] },
    warehousing: openWarehousing({ findPreparable: () => Promise.resolve(new Map()) }),
    containers: openContainers({ findWaybills: () => Promise.resolve(new Map()) }),
  }
  const exchange = { publish: () => Promise.reject(new Error('the reference sends nothing')) }
  const consumers = openFlows({ ...contexts, log: { warn: () => undefined }, exchange, partners, databases: { of: silent } })
  return { operations: operationsOf(contexts), consumers }
}

function silent(context: ContextName): ContextDatabase {
  const refuse = () => Promise.reject(new Error(`the reference asked the database of ${context}`))
  return { context, read: refuse, survey: refuse, write: refuse }
}
