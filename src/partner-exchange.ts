import { join } from 'node:path'
import { exchangeToOperations, type Partner, partners } from '#flows'
import type { CheckResult } from '#kernel/check.ts'
import type { Clock } from '#kernel/time.ts'
import { openPartnerQueues } from '#messaging'
import { openLogFile, openSandboxPartner, readLog, sandboxPartners } from '#partners/sandbox-partners/index.ts'
import type { Config } from '#platform/config.ts'
import type { Databases } from '#platform/database.ts'
import { type Consumption, type Exchange, queueOf } from '#platform/exchange.ts'
import { openAmqpExchange } from '#platform/exchange-amqp.ts'
import type { Metrics } from '#platform/metrics.ts'
import type { Runner } from '#platform/operation-runner.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import { houseScope } from './check.ts'
import { compareWithPartners, type PartnerLogs } from './check-partners.ts'

/** Messages with partners, as the configuration names them. */
export interface PartnerExchange {
  readonly exchange: Exchange
  readonly partners: readonly Partner[]
  /**
   * Takes what partners send, until it is closed; another process of ours takes over then. Plays the partners that are sandboxes, and all
   * of them for rehearsals.
   */
  open(runner: Runner): Promise<void>
  watch(metrics: Metrics): void
  /** The own logs of sandboxes against the waybills. */
  check(traffic: Traffic, contexts: Omit<PartnerLogs, 'linesOf' | 'databases'>): Promise<CheckResult[]>
  /** Takes no more. */
  stop(): Promise<void>
  /** Lets go of the broker, once nobody sends any more. */
  close(): Promise<void>
}

export interface PartnerExchangeOptions {
  readonly config: Pick<Config, 'partners' | 'amqpUrl' | 'dataDir'>
  readonly databases: Databases
  readonly clock: Clock
  readonly log: { warn(facts: object, message: string): void }
}

export function openPartnerExchange({ config, databases, clock, log }: PartnerExchangeOptions): PartnerExchange {
  const asked = (config.partners ?? '').split(',').map((each) => each.split('='))
  const spokenTo = partners.filter(({ name }) => asked.some(([partner]) => partner === name))
  const played = asked.flatMap(([name = '', by]) => (by === 'sandbox' ? [name] : []))
  const names = spokenTo.map(({ name }) => name)
  const exchange =
    config.amqpUrl === undefined || names.length === 0
      ? openPartnerQueues({ database: databases.of('messaging'), partners: names, holder: crypto.randomUUID(), log })
      : openAmqpExchange({ url: config.amqpUrl, partners: names, log })
  const folder = join(config.dataDir, 'partners')
  const opened: Consumption[] = []
  return {
    exchange,
    partners: spokenTo,
    async open(runner) {
      for (const partner of spokenTo.filter(({ asks }) => asks.length > 0)) {
        const handle = exchangeToOperations(runner, partner)
        for (const traffic of bothTraffics) opened.push(exchange.consume(queueOf('inbound', partner.name), traffic, handle))
      }
      for (const profile of sandboxPartners.filter(({ name }) => names.includes(name))) {
        // A rehearsal meets a sandbox always: real partners have no queue in its traffic.
        opened.push(openSandboxPartner({ profile, exchange, traffic: 'shadow', clock, seed: 1, keep: async () => undefined }))
        if (!played.includes(profile.name)) continue
        const file = await openLogFile(folder, profile.name)
        const partner = openSandboxPartner({ profile, exchange, clock, seed: 1, keep: file.keep })
        opened.push({ close: () => partner.close().finally(file.close) })
      }
    },
    watch(metrics) {
      metrics.gauge('partner_messages', 'Messages in the queues to and from partners, waiting or dead.', ['queue', 'state'], async () => {
        // A broker that is away leaves a hole in the metric, which is the truth; the scrape goes on.
        const levels = await Promise.all(
          bothTraffics.map(async (traffic) =>
            (await exchange.states(traffic).catch(() => [])).flatMap(({ queue, waiting, dead }) => [
              { traffic, labels: { queue, state: 'waiting' }, value: waiting },
              { traffic, labels: { queue, state: 'dead' }, value: dead },
            ]),
          ),
        )
        return levels.flat()
      })
    },
    async check(traffic, contexts) {
      if (traffic === 'shadow') return []
      return compareWithPartners(houseScope(traffic), { ...contexts, databases, linesOf: (partner) => readLog(folder, partner) })
    },
    stop: async () => void (await Promise.all(opened.splice(0).map((each) => each.close()))),
    close: () => exchange.close(),
  }
}
