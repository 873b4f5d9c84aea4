import { isUtf8 } from 'node:buffer'
import { parse as parseCsv } from 'csv-parse/sync'
import { containerHeader, type ContainerLine, containerOf, registerLines } from '#partners/hot-folder/index.ts'
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
    const outcomes = await registerLines(some, { runner, context, stop: never })
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

const never = new AbortController().signal

function readLines(file: Buffer): { rows: ContainerLine[]; broken: BrokenLine[] } {
  // Decoding would turn broken bytes into U+FFFD without a word.
  if (!isUtf8(file)) throw new UsageError('the file is not valid UTF-8')
  const [first = '', ...lines] = file
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
  const header = cellsOf(first)
  if (!Array.isArray(header)) throw new UsageError(`the header can not be read: ${header.problem}`)
  const layout = containerHeader(header)
  if (!layout.ok) throw new UsageError(layout.error.detail)
  const rows: ContainerLine[] = []
  const broken: BrokenLine[] = []
  for (const [index, text] of lines.entries()) {
    if (text === '') continue
    const line = index + 2
    const breakLine = (detail: string) => broken.push({ line, field: '', code: 'import.broken_line', detail })
    const cells = cellsOf(text)
    if (!Array.isArray(cells)) breakLine(cells.problem)
    else {
      const read = containerOf(header, line, cells)
      if (read.ok) rows.push(read.value)
      else breakLine(read.error.detail)
    }
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
