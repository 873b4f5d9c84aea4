import { factTables, openAnalytics } from '#analytics'
import { systemClock } from '#kernel/time.ts'
import { configOf, parse, reporter, type Verb } from './command.ts'
import { exportFacts, factExportOf } from './export-facts.ts'
import { withCore } from './session.ts'

export const exportVerb: Verb = {
  name: 'export',
  about: 'write tables of facts to files for analysts',
  usage: [
    'throughline export facts TABLE --format csv|parquet --out FILE [--from DATE] [--until DATE] [--force] [--json]',
    `  TABLE   ${factTables.map(({ name }) => name).join(', ')}`,
    `  --from, --until  days or instants, UTC; rows with from <= instant < until, by ${factTables.map(({ name, at }) => `${name}.${at}`).join(', ')}`,
    '  --force  write over a file that is there',
    '  A server may run meanwhile. JSON: table, rows, seconds.',
  ].join('\n'),
  async run(words) {
    const text = { type: 'string' } as const
    const flags = parse(words, { format: text, out: text, from: text, until: text, force: { type: 'boolean' } })
    const asked = factExportOf(flags, factTables)
    const out = reporter(flags.flag('json'))
    return withCore({ config: configOf(), clock: systemClock, say: () => undefined }, async ({ databases, orders }) => {
      const database = databases.of('analytics')
      const analytics = openAnalytics({ database, source: { database: databases.of('orders'), orders } })
      const started = performance.now()
      const rows = await exportFacts(asked, {
        analytics,
        database: databases.of('analytics'),
        scope: { traffic: 'live', rehearsalId: null },
      })
      const seconds = Math.round(performance.now() - started) / 1000
      out.say(`${rows} rows of ${asked.table.name} written to ${asked.out} in ${seconds} s`)
      out.end({ table: asked.table.name, rows, seconds })
      return 0
    })
  },
}
