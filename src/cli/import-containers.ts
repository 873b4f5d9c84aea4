import { isUtf8 } from 'node:buffer'
import { parse as parseCsv } from 'csv-parse/sync'
import type { Runner } from '#platform/operation-runner.ts'
import { systemContext } from '#platform/request-context.ts'
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

export interface ImportedContainers {
  readonly lines: number
  readonly created: number
  /** Lines whose container had been registered just so before. */
  readonly known: number
  readonly broken: readonly BrokenLine[]
}

const needed = ['code', 'kind', 'colour']
const columns = [...needed, 'epc', 'gtin', 'grai']
/** As many as one request over HTTP may have. */
const perCall = 10_000

/**
 * Registers the containers of a CSV file with a header. What is wrong with the file as a whole (no UTF-8, a column that is missing or
 * unknown) stops it before anything is done; a broken line fails alone. The same file again finds what the first left.
 */
export async function importContainers(runner: Runner, file: Buffer): Promise<ImportedContainers> {
  const { rows, broken } = readLines(file)
  const context = systemContext('containers_import')
  let created = 0
  for (let from = 0; from < rows.length; from += perCall) {
    const some = rows.slice(from, from + perCall)
    const calls = some.map(({ input }) => ({ context, input }))
    // Not counted against limits: the operator who starts an import has been let in.
    const outcomes = await runner.runMany('containers.register', calls, { admitted: true })
    outcomes.forEach((outcome, index) => {
      if (outcome.ok) created += (outcome.value as { created: boolean }).created ? 1 : 0
      else {
        const { code, detail, field = '' } = outcome.error
        broken.push({ line: some[index]?.line ?? 0, field: field.replace(/^\//, ''), code, detail })
      }
    })
  }
  const lines = rows.length + broken.filter(({ code }) => code === 'import.broken_line').length
  return { lines, created, known: lines - created - broken.length, broken: broken.toSorted((a, b) => a.line - b.line) }
}

interface Row {
  readonly line: number
  readonly input: Readonly<Record<string, string>>
}

function readLines(file: Buffer): { rows: Row[]; broken: BrokenLine[] } {
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
  return { rows, broken }
}

/** A line by itself: no column of ours has a line end in it, and so a stray quotation mark can not swallow the lines below. */
function cellsOf(line: string): string[] | { readonly problem: string } {
  try {
    return parseCsv(line)[0] ?? []
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}
