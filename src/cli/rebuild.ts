import { openAnalytics } from '#analytics'
import { systemClock } from '#kernel/time.ts'
import { bothTraffics } from '#platform/request-context.ts'
import { configOf, parse, reporter, UsageError, type Verb } from './command.ts'
import { withCore } from './session.ts'

export const rebuildVerb: Verb = {
  name: 'rebuild',
  about: 'make what follows from other tables anew: facts for analysts',
  usage: [
    'throughline rebuild facts [--json]',
    '  Projects items, orders and claims again from orders, in both databases, and drops facts of orders that are no more. A server may',
    '  run meanwhile. Facts of payments are what was told once and stay. JSON: orders, written, dropped.',
  ].join('\n'),
  async run(words) {
    const flags = parse(words, {})
    if (flags.positionals.join(' ') !== 'facts') throw new UsageError('rebuild needs what: facts')
    const out = reporter(flags.flag('json'))
    return withCore({ config: configOf(), clock: systemClock, say: () => undefined }, async ({ databases, orders }) => {
      const analytics = openAnalytics({ database: databases.of('analytics'), source: { database: databases.of('orders'), orders } })
      const sum = { orders: 0, written: 0, dropped: 0 }
      for (const traffic of bothTraffics) {
        const scope = { traffic, rehearsalId: traffic === 'shadow' ? 'rebuild' : null }
        const done = await analytics.rebuild(scope)
        out.say(`${traffic}: ${done.orders} orders, ${done.written} rows written anew, ${done.dropped} dropped`)
        sum.orders += done.orders
        sum.written += done.written
        sum.dropped += done.dropped
      }
      out.end(sum)
      return 0
    })
  },
}
