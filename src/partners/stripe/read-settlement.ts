import { parse } from 'csv-parse/sync'
import { minorOf } from '#partners/currency-digits.ts'
import type { SettlementFile, SettlementLine } from '#payments'
import { keyName } from './intents.ts'

const needed = ['automatic_payout_id', 'created_utc', 'reporting_category', 'gross', 'currency', 'fee', 'net', 'payment_intent_id'] as const

/** Reporting categories of Stripe that move money of ours. A payout only says that the rest of the file was paid. */
const kinds: Readonly<Record<string, SettlementLine['kind'] | 'payout'>> = {
  charge: 'charge',
  refund: 'refund',
  refund_failure: 'refund',
  dispute: 'chargeback',
  dispute_reversal: 'chargeback',
  fee: 'fee',
  network_cost: 'fee',
  payout: 'payout',
}

type Row = Readonly<Partial<Record<string, string>>>

/** Reads Stripe's itemised payout reconciliation report (amounts in major units, times in UTC), exported with our metadata column. */
export function readStripeSettlement(file: string): SettlementFile {
  const [header = [], ...records]: string[][] = parse(file, { bom: true, relaxColumnCount: true, relaxQuotes: true })
  const missing = needed.filter((column) => !header.includes(column))
  if (missing.length > 0) throw new Error(`This is no settlement file of Stripe: it has no columns ${missing.join(', ')}.`)
  const lines: SettlementLine[] = []
  const problems: { line: number; problem: string }[] = []
  let batch = ''
  records.forEach((record, index) => {
    const line = index + 2
    const row: Row = Object.fromEntries(header.map((column, at) => [column, record[at]]))
    batch ||= row['automatic_payout_id'] ?? ''
    const read = record.length === header.length ? readRow(row) : `has ${record.length} fields, not ${header.length}`
    if (typeof read === 'string') problems.push({ line, problem: read })
    else if (read !== null) lines.push({ line, ...read })
  })
  return { batch: batch || 'stripe-without-payout', lines, problems }
}

function readRow(row: Row): Omit<SettlementLine, 'line'> | string | null {
  const category = row['reporting_category'] ?? ''
  const kind = Object.hasOwn(kinds, category) ? kinds[category] : undefined
  if (kind === undefined) return `no reporting category that moves our money is called "${category}"`
  if (kind === 'payout') return null
  const currency = (row['currency'] ?? '').toUpperCase()
  const bookedOn = /^(\d{4}-\d\d-\d\d)[ T]/.exec(row['created_utc'] ?? '')?.[1]
  if (bookedOn === undefined || Number.isNaN(Date.parse(bookedOn))) return `"${row['created_utc']}" is no time`
  const [grossMinor, feeMinor, netMinor] = ['gross', 'fee', 'net'].map((column) => minorOf(row[column] ?? '', currency))
  if (grossMinor === undefined || feeMinor === undefined || netMinor === undefined) return 'gross, fee or net is no amount'
  if (netMinor !== grossMinor - feeMinor) return `net ${netMinor} is not gross ${grossMinor} less fee ${feeMinor}`
  const key = row[`${kind === 'refund' ? 'refund' : 'payment'}_metadata[${keyName}]`]
  return { kind, key: key ? key : null, gatewayRef: row['payment_intent_id'] ?? '', grossMinor, feeMinor, netMinor, currency, bookedOn }
}
