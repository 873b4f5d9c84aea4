import { isUtf8 } from 'node:buffer'
import { parse as parseCsv } from 'csv-parse/sync'
import type { Refusal } from '#kernel/outcome.ts'
import { UsageError } from './command.ts'

/** A line that was not imported, and why. */
export interface BrokenLine {
  /** As an editor counts them: the header is line 1. */
  readonly line: number
  /** The column at fault; '' where it is the line as a whole. */
  readonly field: string
  readonly code: string
  readonly detail: string
}

export interface Columns {
  readonly needed: readonly string[]
  readonly others: readonly string[]
}

export interface Row {
  readonly line: number
  readonly input: Readonly<Record<string, string>>
}

/** Reads a CSV file with a header. What is wrong with it as a whole is thrown; a line that can not be read is broken alone. */
export function readLines(file: Buffer, { needed, others }: Columns): { header: string[]; rows: Row[]; broken: BrokenLine[] } {
  const columns = [...needed, ...others]
  // Decoding would turn broken bytes into U+FFFD without a word.
  if (!isUtf8(file)) throw new UsageError('the file is not valid UTF-8')
  const [first = '', ...lines] = file
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
  const header = cellsOf(first)
  if (!Array.isArray(header)) throw new UsageError(`the header can not be read: ${header.problem}`)
  for (const name of needed)
    if (!header.includes(name)) throw new UsageError(`the header has no column ${name}; there are ${columns.join(', ')}`)
  for (const name of header)
    if (!columns.includes(name)) throw new UsageError(`there is no column "${name}"; there are ${columns.join(', ')}`)
  const twice = header.find((name, at) => header.indexOf(name) < at)
  if (twice !== undefined) throw new UsageError(`the column "${twice}" is there twice`)
  const rows: Row[] = []
  const broken: BrokenLine[] = []
  for (const [index, text] of lines.entries()) {
    if (text === '') continue
    const line = index + 2
    const breakLine = (detail: string) => broken.push({ line, field: '', code: 'import.broken_line', detail })
    const cells = cellsOf(text)
    if (!Array.isArray(cells)) breakLine(cells.problem)
    else if (cells.length !== header.length) breakLine(`the line has ${cells.length} columns, the header ${header.length}`)
    // An empty cell is a field that was not sent.
    else rows.push({ line, input: Object.fromEntries(header.flatMap((name, at) => (cells[at] === '' ? [] : [[name, cells[at] ?? '']]))) })
  }
  return { header, rows, broken }
}

/** A line that was read and then refused. */
export const brokenOf = ({ error: { code, detail, field = '' } }: Refusal, line: number): BrokenLine => ({
  line,
  field: field.replace(/^\//, ''),
  code,
  detail,
})

/** A line by itself: no column of ours has a line end in it, and so a stray quotation mark can not swallow the lines below. */
function cellsOf(line: string): string[] | { readonly problem: string } {
  try {
    return parseCsv(line)[0] ?? []
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}
