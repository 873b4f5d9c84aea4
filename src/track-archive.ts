import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import type { Config } from '#platform/config.ts'
import type { Databases, Scope } from '#platform/database.ts'
import type { ArchivedRow, ReadArchive, Tracking } from '#tracking'
import { openFactFile } from './fact-files.ts'

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

export interface ArchiveContexts {
  readonly databases: Databases
  readonly tracking: Pick<Tracking, 'months'>
}

/** Where months that are put away lie, unless told. Several machines need one folder that all of them see. */
export const archiveFolder = ({ dataDir }: Pick<Config, 'dataDir'>): string => join(dataDir, 'archive')

/**
 * Reads facts of some shipments out of files. Rows are sorted by shipment, so all row groups that have none of them are passed over by
 * their statistics; one is held at a time. What can not be read is logged, and told as not there.
 */
export function openArchive(dir: string, log: { warn(facts: object, message: string): void }): ReadArchive {
  return (name, shipmentIds) =>
    readFiled(join(dir, name), shipmentIds).catch((error: unknown) => {
      log.warn({ err: error, file: join(dir, name) }, 'a file of the archive can not be read')
      return undefined
    })
}

async function readFiled(path: string, shipmentIds: readonly number[]): Promise<ArchivedRow[]> {
  const file = await asyncBufferFromFile(path)
  const metadata = await parquetMetadataAsync(file)
  const ids = [...new Set(shipmentIds)].map(BigInt)
  const found: ArchivedRow[] = []
  let rowStart = 0
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    const bounds = group.columns.find(({ meta_data: data }) => data?.path_in_schema[0] === 'shipment_id')?.meta_data?.statistics
    const [least, most] = [bounds?.min_value ?? bounds?.min, bounds?.max_value ?? bounds?.max]
    const here = least === undefined || most === undefined ? ids : ids.filter((id) => id >= (least as bigint) && id <= (most as bigint))
    if (here.length > 0) {
      const rows = await parquetReadObjects({ file, metadata, rowStart, rowEnd, filter: { shipment_id: { $in: here } } })
      for (const row of rows) found.push(rowOf(row))
    }
    rowStart = rowEnd
  }
  return found
}

const rowOf = (row: Record<string, unknown>): ArchivedRow =>
  ({
    ...Object.fromEntries(columns.map(({ name }) => [name, row[name] ?? null])),
    shipment_id: Number(row['shipment_id']),
  }) as unknown as ArchivedRow

/** The first month that stays, such as `2026-03`, when this month and a number of months before it do. */
export function firstKept(now: Date, keepMonths: number): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - keepMonths, 1)).toISOString().slice(0, 7)
}

/** Puts the months before one away, the oldest first, and tells of each when its file is on the disk and its table is gone. */
export async function* putAwayBefore(
  contexts: ArchiveContexts,
  scope: Scope,
  { dir, before }: { readonly dir: string; readonly before: string },
): AsyncGenerator<{ readonly month: string; readonly facts: number }> {
  const months = await contexts.databases.of('tracking').read(scope, (context) => contexts.tracking.months.list(context))
  const due = months.filter(({ month, kept }) => kept !== 'filed' && month.slice(0, 7) < before)
  if (due.length > 0) await mkdir(dir, { recursive: true })
  for (const { month } of due) yield { month, facts: await putAway(contexts, scope, { dir, month }) }
}

/** Begin, seal, detach, write, drop: each step finds what an earlier run of it has done. */
async function putAway(
  { databases, tracking: { months } }: ArchiveContexts,
  scope: Scope,
  { dir, month }: { readonly dir: string; readonly month: string },
): Promise<number> {
  const database = databases.of('tracking')
  await database.write(scope, (context) => months.begin(context, month), { repeatable: true })
  for (let after: number | null = 0; after !== null; ) {
    const from: number = after
    after = await database.write(scope, (context) => months.seal(context, month, from), { repeatable: true })
  }
  await database.write(scope, (context) => months.detach(context, month), { repeatable: true })
  const name = `tracking-${scope.traffic}-${month.slice(0, 7)}.parquet`
  // A name of its own: two runs at once must not write into one file. Each has the whole month, or fails because the other has dropped it.
  const part = join(dir, `${name}.${crypto.randomUUID()}.part`)
  try {
    const file = openFactFile('parquet', part, columns)
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
    const written = await open(part, 'r+')
    await written.sync().finally(() => written.close())
    await rename(part, join(dir, name))
    const folder = await open(dir, 'r')
    await folder.sync().finally(() => folder.close())
    await database.write(scope, (context) => months.drop(context, month, { file: name, facts }), { repeatable: true })
    return facts
  } finally {
    await rm(part, { force: true })
  }
}
