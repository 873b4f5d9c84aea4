import { existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Analytics, FactTable } from '#analytics'
import type { ContextDatabase, Scope } from '#platform/database.ts'
import { type Parsed, UsageError } from './command.ts'
import { type FactFormat, factFormats, openFactFile } from '../fact-files.ts'

/** What an export is asked for. */
export interface FactExport {
  readonly table: FactTable
  /** First instant that is wanted. */
  readonly from: Date | null
  /** First instant that is not. */
  readonly until: Date | null
  readonly format: FactFormat
  readonly out: string
}

/** Rows in one read: one statement stays short, and the process holds a page and a row group, not the table. */
const pageSize = 5_000

/** Reads the words of a call; what is wrong with them is a UsageError that says what would be right. */
export function factExportOf(flags: Parsed, tables: readonly FactTable[]): FactExport {
  const [kind, name, ...rest] = flags.positionals
  if (kind !== 'facts' || rest.length > 0) throw new UsageError('export needs what and which: facts TABLE')
  const names = tables.map((each) => each.name).join(', ')
  const table = tables.find((each) => each.name === name)
  if (table === undefined)
    throw new UsageError(
      name === undefined ? `name a table of facts: ${names}` : `there is no table of facts "${name}"; there are ${names}`,
    )
  const format = factFormats.find((each) => each === flags.text('format'))
  if (format === undefined) throw new UsageError(`--format must be one of ${factFormats.join(', ')}`)
  const out = flags.text('out')
  if (out === undefined || out === '') throw new UsageError('--out FILE says where to write')
  const [from, until] = [dateOf(flags, 'from'), dateOf(flags, 'until')]
  if (from !== null && until !== null && from >= until) throw new UsageError('--from must lie before --until, which is not included')
  const path = resolve(out)
  if (!existsSync(dirname(path))) throw new UsageError(`there is no folder ${dirname(out)} to write ${out} into`)
  if (existsSync(path) && !statSync(path).isFile()) throw new UsageError(`${out} is not a file that could be written`)
  if (existsSync(path) && !flags.flag('force')) throw new UsageError(`${out} is there already; --force writes over it`)
  return { table, from, until, format, out: path }
}

function dateOf(flags: Parsed, name: string): Date | null {
  const text = flags.text(name)
  if (text === undefined) return null
  const wrong = new UsageError(`--${name} must be a day such as 2026-03-01 (UTC) or an instant such as 2026-03-01T12:00:00Z, not "${text}"`)
  const [day] = /^\d{4}-\d{2}-\d{2}(?=$|T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$)/.exec(text) ?? []
  const date = new Date(text)
  if (day === undefined || Number.isNaN(date.getTime())) throw wrong
  // JavaScript takes 30 February for 2 March.
  if (!new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)) throw wrong
  return date
}

/** Writes the rows of a table into a file, page by page; the file has its name only when it is whole. Returns the number of rows. */
export async function exportFacts(
  { table, from, until, format, out }: FactExport,
  { analytics, database, scope }: { readonly analytics: Analytics; readonly database: ContextDatabase; readonly scope: Scope },
): Promise<number> {
  const columns = await database.read(scope, (read) => analytics.columnsOf(read, table))
  const part = `${out}.part`
  let rows = 0
  try {
    const file = openFactFile(format, part, columns)
    for (let place: readonly unknown[] | null = analytics.startOf(table, from); place !== null; ) {
      const asked: Parameters<Analytics['readPage']>[2] = { place, until, most: pageSize }
      const page: Awaited<ReturnType<Analytics['readPage']>> = await database.read(scope, (read) => analytics.readPage(read, table, asked))
      await file.write(page.rows)
      rows += page.rows.length
      place = page.next
    }
    await file.close()
    renameSync(part, out)
  } finally {
    rmSync(part, { force: true })
  }
  return rows
}
