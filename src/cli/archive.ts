import { systemClock } from '#kernel/time.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import { archiveFolder, firstKept, openArchive, putAwayBefore } from '../track-archive.ts'
import type { ArchivedRow } from '#tracking'
import type { TrackCore } from '../track-core.ts'
import { configOf, parse, reporter, UsageError, type Verb } from './command.ts'
import { withTrackCore } from './session.ts'

export const archiveVerb: Verb = {
  name: 'archive',
  about: 'put months of facts about shipments away into Parquet files, and read them there',
  usage: [
    'throughline archive tracking --before YYYY-MM [--dir DIR] [--json]',
    '  Each month before that one, in both databases, becomes a file in DIR (archive in the data folder unless told) and its table goes.',
    '  Shipments stand where they stood; what comes later of such a month brings the facts of its shipment back. A server may run',
    '  meanwhile, and finds files in its own archive folder only; a run that was cut off is simply run again. JSON: months, facts.',
    'throughline archive show --shipment ID [--dir DIR] [--json]',
    '  The facts of a shipment that are in files. JSON: facts.',
  ].join('\n'),
  async run(words) {
    const flags = parse(words, { before: { type: 'string' }, dir: { type: 'string' }, shipment: { type: 'string' } })
    const out = reporter(flags.flag('json'))
    const config = { ...configOf(), databaseStatementTimeoutMs: 600_000 }
    const dir = flags.text('dir') ?? archiveFolder(config)
    const what = flags.positionals.join(' ')
    const before = flags.text('before') ?? ''
    const shipmentId = flags.number('shipment', 0)
    if (what === 'tracking' && !/^\d{4}-(0[1-9]|1[0-2])$/.test(before)) throw new UsageError('--before must be a month such as 2026-03')
    if (what === 'tracking' && before > firstKept(systemClock.now(), 1))
      throw new UsageError('--before must be the last month or an earlier one: that one and this one stay in tables')
    if (what === 'show' && !(shipmentId > 0)) throw new UsageError('--shipment must be the id of a shipment')
    if (what !== 'tracking' && what !== 'show') throw new UsageError('archive needs what: tracking or show')
    return withTrackCore({ config, clock: systemClock, say: () => undefined }, async (core) => {
      if (what === 'show') {
        const facts = await filedFacts(core, { traffic: 'live', dir, shipmentId })
        for (const fact of facts) out.say(`${fact.occurred_at.toISOString()}  ${fact.code}  ${fact.place}`)
        out.end({ facts: facts.map((fact) => ({ ...fact })) })
        return 0
      }
      const sum = { months: 0, facts: 0 }
      for (const traffic of bothTraffics)
        for await (const { month, facts } of putAwayBefore(core, scopeOf(traffic), { dir, before })) {
          out.say(`${traffic}: ${month.slice(0, 7)}, ${facts} facts`)
          sum.months += 1
          sum.facts += facts
        }
      out.end(sum)
      return 0
    })
  },
}

const scopeOf = (traffic: Traffic) => ({ traffic, rehearsalId: traffic === 'shadow' ? 'archive' : null })

async function filedFacts(
  { databases, tracking }: TrackCore,
  { traffic, dir, shipmentId }: { traffic: Traffic; dir: string; shipmentId: number },
): Promise<ArchivedRow[]> {
  const database = databases.of('tracking')
  const months = await database.read(scopeOf(traffic), (context) => tracking.months.list(context))
  const ids = await database.read(scopeOf(traffic), (context) => tracking.months.filedIds(context, shipmentId))
  let why: unknown
  const read = openArchive(dir, { warn: ({ err }: { err?: unknown }) => (why = err) })
  const found: ArchivedRow[] = []
  for (const { file } of months) {
    if (file === null) continue
    const rows = await read(file, ids)
    if (rows === undefined) throw new UsageError(`${file} in ${dir} can not be read: ${why instanceof Error ? why.message : 'unknown'}`)
    found.push(...rows)
  }
  return found
}
