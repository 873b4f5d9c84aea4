import { systemClock } from '#kernel/time.ts'
import { isDrained } from '#platform/backlog.ts'
import { bothTraffics } from '#platform/request-context.ts'
import type { Core } from '../core.ts'
import { configOf, parse, reporter, type Verb } from './command.ts'
import { withCore } from './session.ts'

export const checkVerb: Verb = {
  name: 'check',
  about: 'prove the invariants: cascade = log, outbox drained, quotas exact, money sums equal',
  usage:
    'throughline check [--wait SECONDS] [--repair] [--json]\n  --wait    how long a running server may take to drain its outbox first, 10 unless told\n  --repair  first folds orders anew that drifted from their items or log; every step stands in the log with cause repair\n  JSON: checks, breaks, repaired. Exit code 1 when anything is broken.',
  async run(words) {
    const flags = parse(words, { wait: { type: 'string' }, repair: { type: 'boolean' } })
    const out = reporter(flags.flag('json'))
    const config = { ...configOf(), databaseStatementTimeoutMs: 600_000 }
    return withCore({ config, clock: systemClock, say: () => undefined }, async (core) => {
      // A running server may just be carrying something over; a broken one will still have it in ten seconds.
      const deadline = performance.now() + flags.number('wait', 10) * 1000
      while (performance.now() < deadline && !((await isDrained(core.relay, 'live')) && (await isDrained(core.relay, 'shadow'))))
        await new Promise((resolve) => setTimeout(resolve, 100))
      const repaired = flags.flag('repair') ? await repairAll(core, out.say) : 0
      const checks: { traffic: string; check: string; breaks: readonly string[] }[] = []
      for (const traffic of bothTraffics) {
        for (const result of await core.check(traffic)) {
          checks.push({ traffic, ...result })
          out.say(`${result.breaks.length === 0 ? 'ok   ' : 'BREAK'}  ${traffic.padEnd(6)}  ${result.check}`)
          for (const each of result.breaks) out.say(`         ${each}`)
        }
      }
      const breaks = checks.flatMap(({ traffic, check, breaks: each }) => each.map((detail) => ({ traffic, check, detail })))
      out.say(breaks.length === 0 ? `${checks.length} checks, nothing is broken` : `${checks.length} checks, ${breaks.length} breaks`)
      out.end({ checks: checks.length, breaks, repaired })
      return breaks.length === 0 ? 0 : 1
    })
  },
}

/** Repairs what drifted, page by page; returns how many orders. */
async function repairAll(core: Core, say: (line: string) => void): Promise<number> {
  let repaired = 0
  for (const traffic of bothTraffics) {
    const scope = { traffic, rehearsalId: traffic === 'shadow' ? 'housekeeping' : null }
    const database = core.databases.of('orders')
    for (let after: number | null = 0; after !== null; ) {
      const from: number = after
      const { drifts, next } = await database.read(scope, (read) => core.orders.driftPage(read, from))
      const ids = [...new Set(drifts.map(({ orderId }) => orderId))]
      for (const { orderId, level, entity, stored, expected } of drifts)
        say(`repair ${traffic} order ${orderId} ${level} ${entity}: ${stored} becomes ${expected}`)
      if (ids.length > 0) {
        const by = { commandId: 'check --repair', actor: `user:${process.env['USER'] ?? 'unknown'}` }
        await database.write(scope, (write) => core.orders.repairDrift(write, ids, by))
      }
      repaired += ids.length
      after = next
    }
  }
  return repaired
}
