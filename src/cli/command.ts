import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { type Config, ConfigError, readConfig } from '#platform/config.ts'

/** What a verb of the command line is made of. */
export interface Verb {
  readonly name: string
  /** One line for the list of verbs. */
  readonly about: string
  /** Arguments and flags, as shown in its usage. */
  readonly usage: string
  readonly run: (words: readonly string[]) => Promise<number>
}

/** A mistake in the call: its message is shown with the usage, and the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export interface Parsed {
  readonly positionals: readonly string[]
  text(name: string): string | undefined
  flag(name: string): boolean
  number(name: string, standard: number): number
}

export function parse(words: readonly string[], options: ParseArgsOptionsConfig): Parsed {
  let parsed: { values: Record<string, unknown>; positionals: string[] }
  try {
    parsed = parseArgs({ args: [...words], options: { ...options, json: { type: 'boolean' } }, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const { values, positionals } = parsed
  return {
    positionals,
    text: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
    flag: (name) => values[name] === true,
    number(name, standard) {
      const given = values[name]
      if (typeof given !== 'string') return standard
      const value = Number(given)
      if (!Number.isFinite(value) || value < 0) throw new UsageError(`--${name} must be a number of at least 0, not "${given}"`)
      return value
    },
  }
}

/** With --json the last line is one line of JSON for machines; what people read goes before it, to standard error. */
export function reporter(json: boolean): { say(line: string): void; end(result: object): void } {
  return {
    say: (line) => void (json ? process.stderr : process.stdout).write(`${line}\n`),
    end(result) {
      if (json) process.stdout.write(`${JSON.stringify(result)}\n`)
    },
  }
}

/** The configuration of this process's environment; what is wrong with it is a mistake in the call. */
export function configOf(overrides: Record<string, string> = {}): Config {
  try {
    return readConfig({ ...process.env, ...overrides })
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message)
    throw error
  }
}

/** A table with aligned columns. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) => row.map((cell) => String(cell)))
  const widths = (texts[0] ?? []).map((_, column) => Math.max(...texts.map((row) => (row[column] ?? '').length)))
  return texts
    .map((row, index) =>
      row
        .map((cell, column) =>
          typeof rows[index]?.[column] === 'number' ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
