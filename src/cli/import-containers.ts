import { containerColumns, registerLines } from '#partners/hot-folder/index.ts'
import type { Runner } from '#platform/operation-runner.ts'
import { systemContext } from '#platform/request-context.ts'
import { type BrokenLine, brokenOf, readLines } from './csv-lines.ts'

export interface ImportedContainers {
  readonly lines: number
  readonly created: number
  /** Lines whose container had been registered just so before. */
  readonly known: number
  readonly broken: readonly BrokenLine[]
}

const namesOf = (required: boolean) => containerColumns.filter((column) => column.required === required).map(({ name }) => name)
const columns = { needed: namesOf(true), others: namesOf(false) }

/** As many as one request over HTTP may have. */
const perCall = 10_000

/**
 * Registers the containers of a CSV file with a header. What is wrong with the file as a whole (no UTF-8, a column that is missing or
 * unknown) stops it before anything is done; a broken line fails alone. The same file again finds what the first left.
 */
export async function importContainers(runner: Runner, file: Buffer): Promise<ImportedContainers> {
  const { rows, broken } = readLines(file, columns)
  const context = systemContext('containers_import')
  let created = 0
  for (let from = 0; from < rows.length; from += perCall) {
    const some = rows.slice(from, from + perCall)
    const outcomes = await registerLines(some, { runner, context, stop: never })
    outcomes.forEach((outcome, index) => {
      if (outcome.ok) created += (outcome.value as { created: boolean }).created ? 1 : 0
      else broken.push(brokenOf(outcome, some[index]?.line ?? 0))
    })
  }
  const lines = rows.length + broken.filter(({ code }) => code === 'import.broken_line').length
  return { lines, created, known: lines - created - broken.length, broken: broken.toSorted((a, b) => a.line - b.line) }
}

const never = new AbortController().signal
