import { join } from 'node:path'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { systemClock } from '#kernel/time.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import { archiveFolder, firstKept, putAwayBefore } from '../track-archive.ts'
import type { TrackCore } from '../track-core.ts'
import { configOf, parse, reporter, UsageError, type Verb } from './command.ts'
import { withTrackCore } from './session.ts'

export const archiveVerb: Verb = {
  name: 'archive',
  about: 'put months of facts about shipments away into Parquet files, and read them there',
  usage: [
    'throughline archive tracking --before YYYY-MM [--dir DIR] [--json]',
    '  Each month before that one, in both databases, becomes a file in DIR (archive in the data folder unless told) and its table goes.',
    '  Shipments stand where they stood; what comes later of such a month is kept and changes nothing. A server may run meanwhile;',
    '  a run that was cut off is simply run again. JSON: months, facts.',
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
        for (const fact of facts) out.say(`${String(fact['occurred_at'])}  ${String(fact['code'])}  ${String(fact['place'])}`)
        out.end({ facts: facts.map((fact) => ({ ...fact, shipment_id: Number(fact['shipment_id']) })) })
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
): Promise<Record<string, unknown>[]> {
  const months = await databases.of('tracking').read(scopeOf(traffic), (context) => tracking.months.list(context))
  const found: Record<string, unknown>[] = []
  for (const { file } of months) {
    if (file === null) continue
    // Rows are sorted by shipment, so that its statistics pass over all row groups but one.
    const rows = await parquetReadObjects({
      file: await asyncBufferFromFile(join(dir, file)),
      filter: { shipment_id: { $eq: BigInt(shipmentId) } },
    })
    found.push(...rows)
  }
  return found
}
