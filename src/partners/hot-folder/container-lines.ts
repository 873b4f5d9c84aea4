import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { Runner } from '#platform/operation-runner.ts'
import type { RequestContext } from '#platform/request-context.ts'
import { type FileKind, fileKind, outcomeLine } from './file-kind.ts'
import { type Format, formatOf, inspectFile, type Inspected, readRows } from './read-file.ts'
import { runAgain, Stopped } from './run-again.ts'

/** Columns of a file of containers; the order in the file is free, and an empty cell is a field that was not sent. */
export const containerColumns = [
  { name: 'code', required: true, about: 'reference code, as printed' },
  { name: 'kind', required: true, about: 'tote, bag or box' },
  { name: 'colour', required: true, about: 'a word in small letters' },
  { name: 'epc', required: false, about: 'the tag: 24 hex digits or urn:epc:tag:…' },
  { name: 'gtin', required: false, about: 'as printed, checked against the tag' },
  { name: 'grai', required: false, about: 'as printed, checked against the tag' },
] as const

/** Which column stands where, or the first column at fault. */
function containerHeader(header: readonly string[]): Outcome<{ readonly width: number; readonly names: readonly string[] }> {
  const known = containerColumns.map(({ name }) => name as string)
  const unknown = header.find((name) => !known.includes(name))
  const twice = header.find((name, at) => header.indexOf(name) < at)
  if (unknown !== undefined)
    return refused('hot_folder.unknown_column', `there is no column "${unknown}"; there are ${known.join(', ')}`, unknown)
  if (twice !== undefined) return refused('hot_folder.column_twice', `the column "${twice}" is there twice`, twice)
  const missing = containerColumns.find(({ name, required }) => required && !header.includes(name))
  if (missing !== undefined)
    return refused('hot_folder.missing_column', `the header has no column ${missing.name}; there are ${known.join(', ')}`, missing.name)
  return accepted({ width: header.length, names: [...header] })
}

/** A line as `containers.register` takes it. */
interface ContainerLine {
  readonly line: number
  readonly input: Readonly<Record<string, string>>
}

function containerOf(names: readonly string[], line: number, cells: readonly string[]): Outcome<ContainerLine> {
  if (cells.length !== names.length)
    return refused('import.broken_line', `the line has ${cells.length} columns, the header ${names.length}`, '')
  return accepted({ line, input: Object.fromEntries(names.flatMap((name, at) => (cells[at] === '' ? [] : [[name, cells[at] ?? '']]))) })
}

interface Registering {
  readonly runner: Pick<Runner, 'runMany'>
  readonly context: RequestContext
  readonly stop: AbortSignal
}

/** Registers containers of lines; each outcome is its own, and the same line again finds the first. */
export const registerLines = (lines: readonly ContainerLine[], { context, ...how }: Registering): Promise<Outcome<unknown>[]> =>
  runAgain(
    'containers.register',
    lines.map(({ input }) => ({ context, input })),
    how,
  )

type ContainerFile = Inspected<{ readonly width: number; readonly names: readonly string[] }>
const linesAtOnce = 1_000

/** Files of containers: a line a container. A broken line, such as one with a tag that does not fit what is printed, fails alone. */
export const containerFiles: FileKind = fileKind<ContainerFile>({
  folder: 'containers',
  of: 'containers',
  scopes: ['containers:write'],
  outcomeHeader: ['line', 'container', 'outcome', 'containerId', 'code', 'field', 'sentence'],
  // A registration is its own key: the same one finds the first, however long ago that was.
  resumeWithinMs: Number.POSITIVE_INFINITY,
  takes: (name) => formatOf(name) !== undefined,
  inspect: (path, name) => inspectFile(path, formatOf(name) as Format, containerHeader),
  async import({ path, name, inspected, outcomes, ...how }) {
    const { names } = inspected.layout
    const sum = { placed: 0, refused: 0, lines: 0 }
    const settle = async (batch: readonly { readonly line: number; readonly read: Outcome<ContainerLine> }[]): Promise<void> => {
      const good = batch.flatMap(({ read }) => (read.ok ? [read.value] : []))
      const answers = (await registerLines(good, how)).values()
      const written = batch.map(({ line, read }) => {
        const outcome = read.ok ? (answers.next().value as Outcome<unknown>) : read
        const code = read.ok ? (read.value.input['code'] ?? '') : ''
        sum.lines += 1
        sum[outcome.ok ? 'placed' : 'refused'] += 1
        if (!outcome.ok) {
          const { code: problem, field = '', detail } = outcome.error
          return outcomeLine([line, code, 'refused', '', problem, field.replace(/^\//, ''), detail])
        }
        const { containerId, created } = outcome.value as { containerId: number; created: boolean }
        return outcomeLine([line, code, created ? 'registered' : 'known', containerId, '', '', ''])
      })
      await outcomes.appendFile(written.join(''))
    }
    try {
      let batch: Parameters<typeof settle>[0][number][] = []
      let isHeader = true
      for await (const { line, cells } of readRows(path, formatOf(name) as Format, { bytes: inspected.bytes })) {
        if (!isHeader) batch.push({ line, read: containerOf(names, line, cells) })
        isHeader = false
        if (batch.length < linesAtOnce) continue
        await settle(batch)
        batch = []
        if (how.stop.aborted) return { ...sum, complete: false }
      }
      await settle(batch)
    } catch (error) {
      if (error instanceof Stopped) return { ...sum, complete: false }
      throw error
    }
    return { ...sum, complete: true }
  },
})
