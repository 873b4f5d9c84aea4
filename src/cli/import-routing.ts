import type { Runner } from '#platform/operation-runner.ts'
import { systemContext } from '#platform/request-context.ts'
import { UsageError } from './command.ts'
import { type BrokenLine, brokenOf, type Columns, readLines } from './csv-lines.ts'

export interface ImportedLines {
  readonly lines: number
  readonly written: number
  readonly broken: readonly BrokenLine[]
}

interface Kind {
  /** Chosen by the header where a file may be of dates or of weekdays. */
  readonly operation: (header: readonly string[]) => string
  readonly columns: Columns
  readonly numbers: readonly string[]
}

const byDay = (id: string) => (header: readonly string[]) => {
  if (header.includes('date') === header.includes('weekday'))
    throw new UsageError('the header has either a column date or a column weekday')
  return header.includes('date') ? `${id}.put` : `${id}.put_weekly`
}

/** The columns are the fields of the operation. */
export const routingFiles: Readonly<Record<string, Kind>> = {
  slots: {
    operation: byDay('slots'),
    columns: { needed: ['zoneCode', 'code', 'startsAt', 'endsAt', 'cutOffMinutes'], others: ['date', 'weekday'] },
    numbers: ['cutOffMinutes'],
  },
  quotas: {
    operation: byDay('quotas'),
    columns: { needed: ['zoneCode', 'slotCode', 'skuType', 'capacity'], others: ['date', 'weekday', 'trucks'] },
    numbers: ['capacity', 'trucks'],
  },
  vehicles: {
    operation: () => 'vehicles.put',
    columns: {
      needed: ['code', 'type', 'weightGrams', 'volumeMl', 'pieces'],
      others: ['depotCode', 'shiftStartsAt', 'shiftEndsAt', 'tripCost', 'kmCost'],
    },
    numbers: ['weightGrams', 'volumeMl', 'pieces', 'tripCost', 'kmCost'],
  },
  depots: {
    operation: () => 'depots.put',
    columns: { needed: ['code', 'name', 'timeZone', 'lat', 'lng'], others: [] },
    numbers: ['lat', 'lng'],
  },
}

const perCall = 1000
/** What is no number stays text, and the operation's schema says so by its field. */
const numberOf = (text: string): string | number => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text)

/** Slots, quotas, vehicles or depots of a CSV file with a header. A broken line fails alone; the same file again changes nothing. */
export async function importRoutingFile(runner: Runner, name: string, file: Buffer): Promise<ImportedLines> {
  const kind = routingFiles[name]
  if (kind === undefined) throw new UsageError(`there is no import of ${name}`)
  const { header, rows, broken } = readLines(file, kind.columns)
  const operation = kind.operation(header)
  const context = systemContext('routing_import')
  const lines = rows.length + broken.length
  let written = 0
  for (let from = 0; from < rows.length; from += perCall) {
    const some = rows.slice(from, from + perCall)
    const calls = some.map(({ input }) => ({
      context,
      input: Object.fromEntries(
        Object.entries(input).map(([field, text]) => [field, kind.numbers.includes(field) ? numberOf(text) : text]),
      ),
    }))
    const outcomes = await runner.runMany(operation, calls, { admitted: true })
    outcomes.forEach((outcome, index) => {
      if (outcome.ok) written += 1
      else broken.push(brokenOf(outcome, some[index]?.line ?? 0))
    })
  }
  return { lines, written, broken: broken.toSorted((a, b) => a.line - b.line) }
}

interface FeatureOutcome {
  readonly ok: boolean
  readonly error?: { readonly code: string; readonly detail: string; readonly field?: string }
}

/** Zones and districts of a GeoJSON file. Of a broken feature its number stands for the line, counted from 1. */
export async function importZoneFile(runner: Runner, file: Buffer): Promise<ImportedLines> {
  const outcome = await runner.run('zones.import', { context: systemContext('routing_import'), input: parseJson(file) })
  if (!outcome.ok) throw new UsageError(`${outcome.error.field ?? 'the file'}: ${outcome.error.detail}`)
  const { imported, features } = outcome.value as { imported: number; features: FeatureOutcome[] }
  const broken = features.flatMap(({ error }, index) =>
    error === undefined ? [] : [{ line: index + 1, field: error.field ?? '', code: error.code, detail: error.detail }],
  )
  return { lines: features.length, written: imported, broken }
}

function parseJson(file: Buffer): unknown {
  try {
    return JSON.parse(file.toString('utf8'))
  } catch (error) {
    throw new UsageError(`the file is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}
