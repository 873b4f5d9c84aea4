import { parse } from 'csv-parse/sync'
import type { SettlementFile, SettlementLine } from '#payments'
import type { SandboxProfile } from './profiles.ts'
import { directionOf, type EntryKind, fieldsOf, readAmount, readDate, type SettlementDialect } from './settlement-dialect.ts'

/** Reads the settlement file of a sandbox PG. Throws when head and columns are not those of its dialect. */
export function readSandboxSettlement({ name, settlement: dialect }: SandboxProfile, file: string): SettlementFile {
  const columns = fieldsOf(dialect).map(({ column }) => column)
  // These dialects quote nothing, so a line is a line: one stray quote in a garbled one must not swallow all that follow.
  const records: string[][] = parse(file, { bom: true, delimiter: dialect.separator, relaxColumnCount: true, quote: false })
  const headAt = dialect.batch === 'first_line' ? 1 : 0
  if (records[headAt]?.join('\n') !== columns.join('\n')) {
    throw new Error(`This is no settlement file of ${name}: its columns would be ${columns.join(', ')}.`)
  }
  const kinds = new Map(Object.entries(dialect.kinds).map(([kind, text]) => [text, kind as EntryKind]))
  const lines: SettlementLine[] = []
  const problems: { line: number; problem: string }[] = []
  let batch = dialect.batch === 'first_line' ? (records[0]?.[0] ?? '') : ''
  for (let index = headAt + 1; index < records.length; index += 1) {
    const record = records[index] ?? []
    const line = index + 1
    if (dialect.trailer !== null && record[0] === dialect.trailer) {
      const problem = trailerProblem(dialect, record, lines)
      if (problem !== undefined) problems.push({ line, problem })
      continue
    }
    const values = Object.fromEntries(fieldsOf(dialect).map(({ field }, at) => [field, record[at] ?? ''])) as Values
    const read = record.length === columns.length ? readLine(dialect, kinds, values) : `has ${record.length} fields, not ${columns.length}`
    if (typeof read === 'string') problems.push({ line, problem: read })
    else lines.push({ line, ...read })
    if (values.batch) batch ||= values.batch
  }
  return { batch: batch || `${name}-without-lines`, lines, problems }
}

type Values = Readonly<Record<ReturnType<typeof fieldsOf>[number]['field'], string>>

/** A line in our words, or what is wrong with it. */
function readLine(
  dialect: SettlementDialect,
  kinds: ReadonlyMap<string, EntryKind>,
  values: Values,
): Omit<SettlementLine, 'line'> | string {
  const kind = kinds.get(values.kind)
  if (kind === undefined) return `no kind of line is called "${values.kind}"`
  const { currency } = values
  if (!/^[A-Z]{3}$/.test(currency)) return `"${currency}" is no currency`
  const bookedOn = readDate(dialect, values.bookedOn)
  if (bookedOn === undefined) return `"${values.bookedOn}" is no date as this gateway writes it`
  const [gross, feeMinor, net] = [values.gross, values.fee, values.net].map((text) => readAmount(dialect, text, currency))
  if (gross === undefined || feeMinor === undefined || net === undefined) {
    return `"${values.gross}", "${values.fee}", "${values.net}": one of them is no amount in ${currency}`
  }
  const towards = dialect.signs === 'by_kind' ? directionOf(kind) : 1
  const [grossMinor, netMinor] = [positiveZero(towards * gross), positiveZero(towards * net)]
  if (netMinor !== grossMinor - feeMinor) return `net ${netMinor} is not gross ${grossMinor} less fee ${feeMinor}`
  const ourKind = kind === 'chargeback_reversed' ? 'chargeback' : kind
  return { kind: ourKind, key: values.key ? values.key : null, gatewayRef: values.ref, grossMinor, feeMinor, netMinor, currency, bookedOn }
}

/** -0 equals 0 but does not look so in a comparison of records. */
const positiveZero = (value: number): number => (value === 0 ? 0 : value)

function trailerProblem(
  dialect: SettlementDialect,
  [, count, sum]: readonly string[],
  lines: readonly SettlementLine[],
): string | undefined {
  const net = lines.reduce((total, line) => total + line.netMinor, 0)
  if (Number(count) === lines.length && readAmount(dialect, sum ?? '', 'EUR') === net) return undefined
  return `the last line says ${count} lines and ${sum} in sum, there are ${lines.length} that can be read, of ${net} minor units`
}
