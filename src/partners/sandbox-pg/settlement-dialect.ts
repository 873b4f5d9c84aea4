import { decimalOf, minorOf } from '#partners/currency-digits.ts'

export type EntryKind = 'charge' | 'refund' | 'chargeback' | 'chargeback_reversed' | 'fee'

/** How one gateway writes its settlement file. Every one is CSV, and no two are alike: as in the real world. */
export interface SettlementDialect {
  readonly separator: ',' | ';' | '|' | '\t'
  /** Where the name of the file stands: alone in the first line, or in a column of each. */
  readonly batch: 'first_line' | { readonly column: string }
  /** Header names. `key` null: the file does not have our reference. */
  readonly columns: Readonly<Record<'kind' | 'ref' | 'gross' | 'fee' | 'net' | 'currency' | 'bookedOn', string>> & {
    readonly key: string | null
  }
  readonly kinds: Readonly<Record<EntryKind, string>>
  readonly amounts: 'minor' | 'decimal_point' | 'decimal_comma'
  /** `-1.00`, `1.00-`, or no sign where the kind says which way it went. */
  readonly signs: 'leading' | 'trailing' | 'by_kind'
  readonly dates: 'year-month-day' | 'yearmonthday' | 'day.month.year' | 'day/month/year'
  /** First word of a last line with the count of lines and the sum of net amounts; null: there is none. */
  readonly trailer: string | null
}

/** Fields of a line in the order of the file. */
export const fieldsOf = ({ columns, batch }: SettlementDialect) => [
  ...(batch === 'first_line' ? [] : [{ field: 'batch' as const, column: batch.column }]),
  { field: 'bookedOn' as const, column: columns.bookedOn },
  { field: 'kind' as const, column: columns.kind },
  { field: 'ref' as const, column: columns.ref },
  ...(columns.key === null ? [] : [{ field: 'key' as const, column: columns.key }]),
  { field: 'currency' as const, column: columns.currency },
  { field: 'gross' as const, column: columns.gross },
  { field: 'fee' as const, column: columns.fee },
  { field: 'net' as const, column: columns.net },
]

/** +1: money came to the shop; -1: it went. */
export const directionOf = (kind: EntryKind): 1 | -1 => (kind === 'charge' || kind === 'chargeback_reversed' ? 1 : -1)

export function writeAmount({ amounts, signs }: SettlementDialect, amountMinor: number, currency: string): string {
  const decimal = amounts === 'minor' ? String(amountMinor) : decimalOf(amountMinor, currency)
  const text = amounts === 'decimal_comma' ? decimal.replace('.', ',') : decimal
  return signs === 'trailing' && text.startsWith('-') ? `${text.slice(1)}-` : text
}

/** undefined: this is no amount as this dialect writes it. */
export function readAmount({ amounts, signs }: SettlementDialect, text: string, currency: string): number | undefined {
  const signed = signs === 'trailing' && text.endsWith('-') ? `-${text.slice(0, -1)}` : text
  if (amounts === 'minor') return /^-?\d{1,15}$/.test(signed) ? Number(signed) : undefined
  if (amounts === 'decimal_comma') return signed.includes('.') ? undefined : minorOf(signed.replace(',', '.'), currency)
  return minorOf(signed, currency)
}

export function writeDate({ dates }: SettlementDialect, day: string): string {
  const [year = '', month = '', date = ''] = day.split('-')
  switch (dates) {
    case 'year-month-day':
      return day
    case 'yearmonthday':
      return year + month + date
    case 'day.month.year':
      return `${date}.${month}.${year}`
    case 'day/month/year':
      return `${date}/${month}/${year}`
  }
}

const shapes = {
  'year-month-day': /^(?<year>\d{4})-(?<month>\d\d)-(?<date>\d\d)$/,
  yearmonthday: /^(?<year>\d{4})(?<month>\d\d)(?<date>\d\d)$/,
  'day.month.year': /^(?<date>\d\d)\.(?<month>\d\d)\.(?<year>\d{4})$/,
  'day/month/year': /^(?<date>\d\d)\/(?<month>\d\d)\/(?<year>\d{4})$/,
} as const

/** `YYYY-MM-DD`, or undefined: no such day, or not as this dialect writes it. */
export function readDate({ dates }: SettlementDialect, text: string): string | undefined {
  const { year, month, date } = shapes[dates].exec(text)?.groups ?? {}
  const day = `${year}-${month}-${date}`
  const instant = new Date(`${day}T00:00:00Z`)
  // The 31st of February is read as a day in March, so it is written again and compared.
  return !Number.isNaN(instant.getTime()) && instant.toISOString().startsWith(day) ? day : undefined
}
