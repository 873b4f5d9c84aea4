import { createHash } from 'node:crypto'
import { parse } from 'csv-parse/sync'
import { minorOf } from '#partners/currency-digits.ts'
import type { SettlementFile, SettlementLine } from '#payments'

const needed = [
  'SOURCE_ID',
  'EXTERNAL_REFERENCE',
  'TRANSACTION_TYPE',
  'TRANSACTION_AMOUNT',
  'TRANSACTION_CURRENCY',
  'FEE_AMOUNT',
  'SETTLEMENT_NET_AMOUNT',
  'SETTLEMENT_DATE',
] as const

/** Kinds of lines that move money of ours. Withdrawals and payouts only carry to the bank what was settled before. */
const kinds: Readonly<Record<string, SettlementLine['kind'] | 'carried'>> = {
  SETTLEMENT: 'charge',
  REFUND: 'refund',
  CHARGEBACK: 'chargeback',
  CHARGEBACK_CANCEL: 'chargeback',
  FEE: 'fee',
  WITHDRAWAL: 'carried',
  PAYOUT: 'carried',
}

type Row = Readonly<Partial<Record<string, string>>>

/**
 * Reads Mercado Pago's settlement report: semicolons, decimal points, fees below zero, days as its account has them. The
 * report does not name itself, so its content does: the same file again has the same name.
 */
export function readMercadoPagoSettlement(file: string): SettlementFile {
  const [header = [], ...records]: string[][] = parse(file, { bom: true, delimiter: ';', relaxColumnCount: true, relaxQuotes: true })
  const missing = needed.filter((column) => !header.includes(column))
  if (missing.length > 0) throw new Error(`This is no settlement file of Mercado Pago: it has no columns ${missing.join(', ')}.`)
  const lines: SettlementLine[] = []
  const problems: { line: number; problem: string }[] = []
  records.forEach((record, index) => {
    const line = index + 2
    const row: Row = Object.fromEntries(header.map((column, at) => [column, record[at]]))
    const read = record.length === header.length ? readRow(row) : `has ${record.length} fields, not ${header.length}`
    if (typeof read === 'string') problems.push({ line, problem: read })
    else if (read !== null) lines.push({ line, ...read })
  })
  return { batch: `settlement-${createHash('sha256').update(file).digest('hex').slice(0, 16)}`, lines, problems }
}

function readRow(row: Row): Omit<SettlementLine, 'line'> | string | null {
  const type = row['TRANSACTION_TYPE'] ?? ''
  const kind = Object.hasOwn(kinds, type) ? kinds[type] : undefined
  if (kind === undefined) return `no kind of line is called "${type}"`
  if (kind === 'carried') return null
  const currency = row['TRANSACTION_CURRENCY'] ?? ''
  const bookedOn = /^(\d{4}-\d\d-\d\d)T/.exec(row['SETTLEMENT_DATE'] ?? '')?.[1]
  if (bookedOn === undefined || Number.isNaN(Date.parse(bookedOn))) return `"${row['SETTLEMENT_DATE']}" is no time`
  const [grossMinor, fee, netMinor] = ['TRANSACTION_AMOUNT', 'FEE_AMOUNT', 'SETTLEMENT_NET_AMOUNT'].map((column) =>
    minorOf(row[column] ?? '', currency),
  )
  if (grossMinor === undefined || fee === undefined || netMinor === undefined) return 'amount, fee or net is no amount'
  const feeMinor = fee === 0 ? 0 : -fee
  if (netMinor !== grossMinor - feeMinor) return `net ${netMinor} is not gross ${grossMinor} less fee ${feeMinor}`
  // A refund has the reference of its charge; as a key it would name the wrong thing, so its payment and amount have to match.
  const key = kind === 'refund' ? null : row['EXTERNAL_REFERENCE'] || null
  return { kind, key, gatewayRef: row['SOURCE_ID'] ?? '', grossMinor, feeMinor, netMinor, currency, bookedOn }
}
