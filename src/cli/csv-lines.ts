import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
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
export function readLines(file: Buffer, columns: Columns): { header: string[]; rows: Row[]; broken: BrokenLine[] } {
  // Decoding would turn broken bytes into U+FFFD without a word.
  if (!isUtf8(file)) throw new UsageError('the file is not valid UTF-8')
  const [first = '', ...lines] = file.toString('utf8').split(/\r?\n/)
  const header = headerOf(first, columns)
  const rows: Row[] = []
  const broken: BrokenLine[] = []
  for (const [index, text] of lines.entries()) {
    if (text === '') continue
    const read = rowOf(text, index + 2, header)
    if ('code' in read) broken.push(read)
    else rows.push(read)
  }
  return { header, rows, broken }
}

/** The same line by line, for files that are larger than memory. A line that is not valid UTF-8 is broken alone. */
export async function* streamLines(path: string, columns: Columns): AsyncGenerator<Row | BrokenLine> {
  let header: string[] | undefined
  let line = 0
  for await (const bytes of rawLines(path)) {
    line += 1
    const text = bytes.toString('utf8').replace(/\r$/, '')
    if (header === undefined) header = headerOf(text, columns)
    else if (!isUtf8(bytes)) yield { line, field: '', code: 'import.broken_line', detail: 'the line is not valid UTF-8' }
    else if (text !== '') yield rowOf(text, line, header)
  }
  if (header === undefined) throw new UsageError(`${path} is empty`)
}

/** A megabyte without an end of line is no line of ours. */
const longestLine = 1 << 20

async function* rawLines(path: string): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      yield rest.length === 0 ? chunk.subarray(from, end) : Buffer.concat([rest, chunk.subarray(from, end)])
      rest = Buffer.alloc(0)
      from = end + 1
    }
    rest = Buffer.concat([rest, chunk.subarray(from)])
    if (rest.length > longestLine) throw new UsageError(`${path} has a line of more than a megabyte`)
  }
  if (rest.length > 0) yield rest
}

function headerOf(first: string, { needed, others }: Columns): string[] {
  const columns = [...needed, ...others]
  const header = cellsOf(first.replace(/^\uFEFF/, ''))
  if (!Array.isArray(header)) throw new UsageError(`the header can not be read: ${header.problem}`)
  for (const name of needed)
    if (!header.includes(name)) throw new UsageError(`the header has no column ${name}; there are ${columns.join(', ')}`)
  for (const name of header)
    if (!columns.includes(name)) throw new UsageError(`there is no column "${name}"; there are ${columns.join(', ')}`)
  const twice = header.find((name, at) => header.indexOf(name) < at)
  if (twice !== undefined) throw new UsageError(`the column "${twice}" is there twice`)
  return header
}

function rowOf(text: string, line: number, header: readonly string[]): Row | BrokenLine {
  const breakLine = (detail: string): BrokenLine => ({ line, field: '', code: 'import.broken_line', detail })
  const cells = cellsOf(text)
  if (!Array.isArray(cells)) return breakLine(cells.problem)
  if (cells.length !== header.length) return breakLine(`the line has ${cells.length} columns, the header ${header.length}`)
  // An empty cell is a field that was not sent.
  return { line, input: Object.fromEntries(header.flatMap((name, at) => (cells[at] === '' ? [] : [[name, cells[at] ?? '']]))) }
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
  // Nearly all lines have no quotation mark, and then a cell is what lies between two commas.
  if (!line.includes('"')) return line.split(',')
  try {
    return parseCsv(line)[0] ?? []
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}
