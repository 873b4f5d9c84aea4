import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { differenceKinds, type DifferenceKind } from '#partners/fms/index.ts'
import { table, UsageError } from './command.ts'
import type { FmsOutcome, ImportedFms } from './import-fms.ts'

export interface FmsOutcomeFile {
  readonly tell: (outcome: FmsOutcome) => Promise<void>
  /** The first of each code. */
  readonly examples: ReadonlyMap<string, readonly FmsOutcome[]>
  close(): Promise<void>
}

const examplesMost = 3
const quoted = (cell: string | number): string => (/[",\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell))

/** The outcome file, a line for each thing to know; written as the import goes, so that what was found is there even when it is stopped. */
export async function openFmsOutcome(path: string): Promise<FmsOutcomeFile> {
  const file = createWriteStream(path)
  await once(file, 'open').catch((error: Error) => {
    throw new UsageError(`${path} can not be written: ${error.message}`)
  })
  const examples = new Map<string, FmsOutcome[]>()
  file.write('what,file,line,field,code,detail\n')
  return {
    examples,
    async tell(outcome) {
      const known = examples.get(outcome.code)
      if (known === undefined) examples.set(outcome.code, [outcome])
      else if (known.length < examplesMost) known.push(outcome)
      const { what, file: of, line, field, code, detail } = outcome
      if (!file.write(`${[what, of, line, field, code, detail].map(quoted).join(',')}\n`)) await once(file, 'drain')
    },
    async close() {
      file.end()
      await once(file, 'close')
    },
  }
}

/** What an import did, for people: counts, then broken and noted lines and differences by kind, each with examples. */
export function* describeFms(imported: ImportedFms, examples: FmsOutcomeFile['examples']): Generator<string> {
  const { shipments, events, same, differences } = imported
  const counts = ({ lines, added, known, broken }: ImportedFms['events']) => [lines, added, known, broken]
  yield table([
    ['', 'lines', 'added', 'known', 'broken'],
    ['shipments', ...counts(shipments)],
    ['events', ...counts(events)],
  ])
  yield ''
  for (const [code, of] of examples) {
    if (code in differenceKinds) continue
    for (const { what, file, line, field, detail } of of)
      yield `${what}: ${file} line ${line}${field === '' ? '' : `, ${field}`}: ${detail}`
  }
  const kinds = Object.entries(differences) as [DifferenceKind, number][]
  const differing = kinds.reduce((sum, [, count]) => sum + count, 0)
  yield `${same} shipments stand there as their events say, ${differing} do not`
  for (const [kind, count] of kinds.toSorted(([, a], [, b]) => b - a)) {
    yield `  ${count}: ${differenceKinds[kind]}`
    for (const { line, detail } of examples.get(kind) ?? []) yield `    line ${line}: ${detail}`
  }
}
