import { cpus } from 'node:os'

export interface Row {
  readonly what: string
  readonly value: number
  readonly unit: string
  /** The bar or the raw limit beside it, as text. */
  readonly beside?: string
}

export interface Report {
  readonly bench: string
  readonly rows: readonly Row[]
  readonly figures: Readonly<Record<string, number>>
  readonly counts: { readonly lost: number; readonly doubled: number; readonly errors: number }
}

const rounded = (value: number): number => (Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100)

/** Prints the table for people and, last, the one line of JSON for machines. */
export function printReport({ bench, rows, figures, counts }: Report): void {
  const width = Math.max(...rows.map(({ what }) => what.length))
  process.stdout.write(
    `\n${bench}: ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node.js ${process.version}\n\n`,
  )
  for (const { what, value, unit, beside } of rows) {
    process.stdout.write(`  ${what.padEnd(width)}  ${String(rounded(value)).padStart(9)} ${unit.padEnd(10)} ${beside ?? ''}\n`)
  }
  process.stdout.write(`  lost ${counts.lost}, doubled ${counts.doubled}, errors ${counts.errors}\n\n`)
  const all = Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, rounded(value)]))
  process.stdout.write(`${JSON.stringify({ bench, figures: all, counts })}\n`)
}

/** `--seconds 20` and the like, with a standard. */
export function numberFlag(name: string, standard: number): number {
  const at = process.argv.indexOf(`--${name}`)
  const value = at === -1 ? standard : Number(process.argv[at + 1])
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} takes a number above 0`)
  return value
}

/** `--dir DIR` and the like, with a standard. */
export function textFlag(name: string, standard: string): string {
  const at = process.argv.indexOf(`--${name}`)
  const value = at === -1 ? standard : process.argv[at + 1]
  if (value === undefined || value.startsWith('--')) throw new Error(`--${name} takes a word`)
  return value
}
