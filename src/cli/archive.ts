import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { systemClock } from '#kernel/time.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import type { TrackCore } from '../track-core.ts'
import { configOf, parse, reporter, UsageError, type Verb } from './command.ts'
import { openFactFile } from './fact-files.ts'
import { withTrackCore } from './session.ts'

const column = (name: string, type: string) => ({ name, type, nullable: !['shipment_id', 'occurred_at', 'id'].includes(name) })
const columns = [
  column('shipment_id', 'bigint'),
  column('occurred_at', 'timestamp with time zone'),
  ...['id', 'code', 'milestone'].map((name) => column(name, 'text')),
  column('attempt', 'integer'),
  column('zone_known', 'boolean'),
  ...['place', 'source', 'source_id', 'voids', 'detail'].map((name) => column(name, 'text')),
  column('received_at', 'timestamp with time zone'),
]

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
    const dir = flags.text('dir') ?? join(config.dataDir, 'archive')
    const what = flags.positionals.join(' ')
    const before = flags.text('before') ?? ''
    const shipmentId = flags.number('shipment', 0)
    if (what === 'tracking' && !/^\d{4}-(0[1-9]|1[0-2])$/.test(before)) throw new UsageError('--before must be a month such as 2026-03')
    // A month that goes on would be sealed up to its end, for good, and what happens in it from now on would move nothing.
    if (what === 'tracking' && before > systemClock.now().toISOString().slice(0, 7))
      throw new UsageError(`--before is ${before}: only months that are over can be put away`)
    if (what === 'show' && !(shipmentId > 0)) throw new UsageError('--shipment must be the id of a shipment')
    if (what !== 'tracking' && what !== 'show') throw new UsageError('archive needs what: tracking or show')
    return withTrackCore({ config, clock: systemClock, say: () => undefined }, async (core) => {
      if (what === 'show') {
        const facts = await filedFacts(core, { traffic: 'live', dir, shipmentId })
        for (const fact of facts) out.say(`${String(fact['occurred_at'])}  ${String(fact['code'])}  ${String(fact['place'])}`)
        out.end({ facts: facts.map((fact) => ({ ...fact, shipment_id: Number(fact['shipment_id']) })) })
        return 0
      }
      await mkdir(dir, { recursive: true })
      const sum = { months: 0, facts: 0 }
      for (const traffic of bothTraffics) {
        for (const month of await monthsBefore(core, traffic, before)) {
          const facts = await putAway(core, { traffic, dir, month })
          out.say(`${traffic}: ${month.slice(0, 7)}, ${facts} facts`)
          sum.months += 1
          sum.facts += facts
        }
      }
      out.end(sum)
      return 0
    })
  },
}

const scopeOf = (traffic: Traffic) => ({ traffic, rehearsalId: traffic === 'shadow' ? 'archive' : null })

async function monthsBefore({ databases, tracking }: TrackCore, traffic: Traffic, before: string): Promise<string[]> {
  const months = await databases.of('tracking').read(scopeOf(traffic), (context) => tracking.months.list(context))
  return months.filter(({ month, kept }) => kept !== 'filed' && month.slice(0, 7) < before).map(({ month }) => month)
}

/** Seal, detach, write, drop: each step finds what an earlier run of it has done. */
async function putAway(
  { databases, tracking }: TrackCore,
  { traffic, dir, month }: { traffic: Traffic; dir: string; month: string },
): Promise<number> {
  const { months } = tracking
  const scope = scopeOf(traffic)
  const database = databases.of('tracking')
  for (let sealed = 1; sealed > 0; ) sealed = await database.write(scope, (context) => months.seal(context, month), { repeatable: true })
  await database.write(scope, (context) => months.detach(context, month), { repeatable: true })
  const name = `tracking-${traffic}-${month.slice(0, 7)}.parquet`
  const file = openFactFile('parquet', join(dir, `${name}.part`), columns)
  let facts = 0
  for (let after = 0; ; ) {
    const from = after
    const rows = await database.write(scope, (context) => months.takePage(context, month, from), { repeatable: true })
    const last = rows.at(-1)
    if (last === undefined) break
    await file.write(rows)
    facts += rows.length
    after = last.shipment_id
  }
  await file.close()
  // The table goes only when the file is on the disk under its name.
  const written = await open(join(dir, `${name}.part`), 'r+')
  await written.sync().finally(() => written.close())
  await rename(join(dir, `${name}.part`), join(dir, name))
  const folder = await open(dir, 'r')
  await folder.sync().finally(() => folder.close())
  await database.write(scope, (context) => months.drop(context, month, { file: name, facts }), { repeatable: true })
  return facts
}

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
