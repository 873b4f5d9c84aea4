/**
 * Currencies whose minor unit by ISO 4217 is not a hundredth. Not taken from Intl: its tables say how many digits people
 * write (0 for COP, IQD, LBP or MGA on this runtime), not how many a bank counts.
 */
const otherDigits = new Map<string, number>([
  ...['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'].map(
    (code) => [code, 0] as const,
  ),
  ...['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'].map((code) => [code, 3] as const),
  ...['CLF', 'UYW'].map((code) => [code, 4] as const),
])

/** Decimal digits of a currency: 2 for EUR, 0 for JPY and CLP, 3 for KWD. */
export const currencyDigits = (currency: string): number => otherDigits.get(currency) ?? 2

/** 1999 EUR → `19.99`, 1999 JPY → `1999`; by text, so that no float is between. */
export function decimalOf(amountMinor: number, currency: string): string {
  const digits = currencyDigits(currency)
  const text = String(Math.abs(amountMinor)).padStart(digits + 1, '0')
  const sign = amountMinor < 0 ? '-' : ''
  return digits === 0 ? `${sign}${text}` : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`
}

/** The other way round; undefined where it is no such amount, or has more digits than the currency. `19.9` EUR is 1990. */
export function minorOf(decimal: string, currency: string): number | undefined {
  const [, sign, whole, fraction = ''] = /^([+-]?)(\d{1,13})(?:\.(\d+))?$/.exec(decimal.trim()) ?? []
  const digits = currencyDigits(currency)
  if (whole === undefined || /[1-9]/.test(fraction.slice(digits))) return undefined
  const minor = Number(whole + fraction.slice(0, digits).padEnd(digits, '0'))
  if (!Number.isSafeInteger(minor)) return undefined
  return sign === '-' && minor !== 0 ? -minor : minor
}
