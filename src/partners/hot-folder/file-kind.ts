import type { FileHandle } from 'node:fs/promises'
import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { Runner } from '#platform/operation-runner.ts'
import type { RequestContext } from '#platform/request-context.ts'

export interface ImportJob {
  readonly name: string
  readonly path: string
  readonly runner: Pick<Runner, 'runMany'>
  readonly context: RequestContext
  /** Where the outcome of each line is written. */
  readonly outcomes: Pick<FileHandle, 'appendFile'>
  /** Ends the import between two batches. */
  readonly stop: AbortSignal
}

export interface Imported {
  /** Orders, containers or lines that are as the file says. */
  readonly placed: number
  readonly refused: number
  readonly lines: number
  /** False when it was stopped; what was done is found again by its keys. */
  readonly complete: boolean
}

/** What a first pass over a whole file found, ready to be imported. */
export interface Whole {
  /** Names its content. */
  readonly hash: string
  readonly import: (job: ImportJob) => Promise<Imported>
}

/** A kind of file that a hot folder takes. Each has a folder of its own: where a file is dropped says what it is. */
export interface FileKind {
  /** The sub folder; '' is the folder itself. */
  readonly folder: string
  /** Of what there are lines, for log lines and metrics. */
  readonly of: string
  readonly scopes: readonly string[]
  /** Columns of the outcome file: seven, of which the third is the outcome and the last three code, field and sentence. */
  readonly outcomeHeader: readonly string[]
  /** How long an import that was broken off finds again what it had done, ms. */
  readonly resumeWithinMs: number
  readonly takes: (name: string) => boolean
  /** Nothing is imported before it is through. */
  readonly inspect: (path: string, name: string) => Promise<Outcome<Whole>>
}

/** Ties the first pass over a file to the import that knows what it found. */
export function fileKind<Inspected extends { readonly hash: string }>({
  inspect,
  import: run,
  ...kind
}: Omit<FileKind, 'inspect'> & {
  readonly inspect: (path: string, name: string) => Promise<Outcome<Inspected>>
  readonly import: (job: ImportJob & { readonly inspected: Inspected }) => Promise<Imported>
}): FileKind {
  return {
    ...kind,
    async inspect(path, name) {
      const found = await inspect(path, name)
      return found.ok ? accepted({ hash: found.value.hash, import: (job) => run({ ...job, inspected: found.value }) }) : found
    },
  }
}

/** A line of an outcome file, quoted as RFC 4180 says. */
export function outcomeLine(cells: readonly (string | number)[]): string {
  const quoted = cells.map((cell) => (/["\t\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell)))
  return `${quoted.join('\t')}\n`
}
