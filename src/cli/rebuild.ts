import { openAnalytics } from '#analytics'
import { systemClock } from '#kernel/time.ts'
import { bothTraffics } from '#platform/request-context.ts'
import { configOf, parse, reporter, UsageError, type Verb } from './command.ts'
import { withCore, withTrackCore } from './session.ts'

export const rebuildVerb: Verb = {
  name: 'rebuild',
  about: 'make what follows from other tables anew: facts for analysts, projections of tracking',
  usage: [
    'throughline rebuild facts [--json]',
    '  Projects items, orders and claims again from orders, in both databases, and drops facts of orders that are no more. A server may',
    '  run meanwhile. Facts of payments are what was told once and stay. JSON: orders, written, dropped.',
    'throughline rebuild tracking [--json]',
    '  Folds every shipment again from its facts, in both databases, and makes anew what differs; what that changes is told like any',
    '  other news. A server may run meanwhile. JSON: shipments, repaired.',
  ].join('\n'),
  async run(words) {
    const flags = parse(words, {})
    const what = flags.positionals.join(' ')
    if (what !== 'facts' && what !== 'tracking') throw new UsageError('rebuild needs what: facts or tracking')
    const out = reporter(flags.flag('json'))
    if (what === 'tracking') return rebuildTracking(out)
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

async function rebuildTracking(out: ReturnType<typeof reporter>): Promise<number> {
  return withTrackCore({ config: configOf(), clock: systemClock, say: () => undefined }, async ({ databases, tracking }) => {
    const sum = { shipments: 0, repaired: 0 }
    for (const traffic of bothTraffics) {
      const scope = { traffic, rehearsalId: traffic === 'shadow' ? 'rebuild' : null }
      const before = { ...sum }
      for (let after: number | null = 0; after !== null; ) {
        const from: number = after
        const page = await databases.of('tracking').write(scope, (context) => tracking.rebuildPage(context, from), { repeatable: true })
        sum.shipments += page.checked
        sum.repaired += page.repaired
        after = page.next
      }
      out.say(`${traffic}: ${sum.shipments - before.shipments} shipments, ${sum.repaired - before.repaired} made anew`)
    }
    out.end(sum)
    return 0
  })
}
