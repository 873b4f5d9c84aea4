import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { fileWriter, ParquetWriter } from 'hyparquet-writer'
import type { FactColumn } from '#analytics'

export type FactRow = Readonly<Record<string, unknown>>

/** A file of facts that is written page by page. */
export interface FactFile {
  write(rows: readonly FactRow[]): Promise<void>
  /** Everything is on its way to the disk when this is done. */
  close(): Promise<void>
}

export const factFormats = ['csv', 'parquet'] as const
export type FactFormat = (typeof factFormats)[number]

export const openFactFile = (format: FactFormat, path: string, columns: readonly FactColumn[]): FactFile =>
  format === 'csv' ? openCsv(path, columns) : openParquet(path, columns)

/** RFC 4180: a header, CRLF, quotes where a field needs them. Nothing is an empty field, an empty text is `""`; instants are ISO 8601 in UTC. */
function openCsv(path: string, columns: readonly FactColumn[]): FactFile {
  const file: WriteStream = createWriteStream(path)
  const failed = once(file, 'error').then(([error]) => Promise.reject(error as Error))
  failed.catch(() => undefined)
  const names = columns.map(({ name }) => name)
  const put = async (text: string): Promise<void> => {
    // The stream says when it holds enough; then the next page waits until the disk has taken it.
    if (!file.write(text)) await Promise.race([once(file, 'drain'), failed])
  }
  let headed = false
  const head = async () => {
    if (!headed) await put(lineOf(names))
    headed = true
  }
  return {
    async write(rows) {
      await head()
      await put(rows.map((row) => lineOf(names.map((name) => row[name]))).join(''))
    },
    async close() {
      await head()
      file.end()
      await Promise.race([once(file, 'close'), failed])
    },
  }
}

const lineOf = (values: readonly unknown[]): string => `${values.map(fieldOf).join(',')}\r\n`

function fieldOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return value.toISOString()
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Rows in one row group: large enough for readers to skip by statistics, small enough to hold in memory (about 40 MB of item facts). */
const rowGroupSize = 20_000

type ParquetType = 'INT64' | 'INT32' | 'BOOLEAN' | 'TIMESTAMP' | 'STRING'
const parquetTypes: Readonly<Record<string, ParquetType>> = {
  bigint: 'INT64',
  integer: 'INT32',
  smallint: 'INT32',
  boolean: 'BOOLEAN',
  'timestamp with time zone': 'TIMESTAMP',
  text: 'STRING',
}

/** Parquet with int64 for ids and minor units, int32, UTF-8 strings, booleans, and instants as milliseconds in UTC. */
function openParquet(path: string, columns: readonly FactColumn[]): FactFile {
  const typed = columns.map((column) => {
    const type = parquetTypes[column.type]
    if (type === undefined) throw new Error(`column ${column.name} is of type ${column.type}, which has no counterpart in Parquet here`)
    return { ...column, type }
  })
  const out = fileWriter(path)
  const writer = new ParquetWriter({
    writer: out,
    schema: [
      { name: 'root', num_children: typed.length },
      ...typed.map(({ name, type, nullable }) => ({
        name,
        ...elementOf[type],
        repetition_type: nullable ? ('OPTIONAL' as const) : ('REQUIRED' as const),
      })),
    ],
    createdBy: 'throughline',
  })
  let waiting: FactRow[] = []
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return
    const rows = waiting
    waiting = []
    const columnData = typed.map(({ name, type }) => ({ name, data: rows.map((row) => valueOf(type, row[name])) }))
    await writer.write({ columnData, rowGroupSize })
  }
  return {
    async write(rows) {
      waiting.push(...rows)
      if (waiting.length >= rowGroupSize) await flush()
    },
    async close() {
      await flush()
      await writer.finish()
    },
  }
}

const elementOf = {
  INT64: { type: 'INT64' },
  INT32: { type: 'INT32' },
  BOOLEAN: { type: 'BOOLEAN' },
  TIMESTAMP: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
  STRING: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
} as const satisfies Record<ParquetType, object>

/** The driver gives bigint as a number, which is exact to 2^53. */
const valueOf = (type: ParquetType, value: unknown): unknown =>
  value === null || value === undefined ? undefined : type === 'INT64' ? BigInt(value as number) : value
