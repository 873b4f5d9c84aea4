import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { parse } from 'csv-parse'
import { accepted, type Failure, type Outcome, type Refusal, refused } from '#kernel/outcome.ts'
import type { Layout } from './columns.ts'

export type Format = 'tsv' | 'csv'

/** The name decides: what ends otherwise is not ours, so a writer may use any other ending until the file is whole. */
export function formatOf(name: string): Format | undefined {
  const [, ending] = /^[^.].*\.(tsv|csv)$/i.exec(name) ?? []
  return ending?.toLowerCase() as Format | undefined
}

export interface Row {
  /** The line in which it ends, counted from 1; quoted cells may hold several. */
  readonly line: number
  readonly cells: readonly string[]
}

/** What a first pass over a whole file finds out. */
export interface Inspected<Columns = Layout> {
  /** SHA-256 of the content, hex. */
  readonly hash: string
  readonly bytes: number
  readonly rows: number
  readonly layout: Columns
}

/** Nothing of the file can be taken. */
class FileRefused extends Error {
  override readonly name = 'FileRefused'
  readonly failure: Failure
  constructor({ error }: Refusal) {
    super(error.detail)
    this.failure = error
  }
}

/** One record longer than this is a quote that was never closed; it must not fill the memory. */
const longestRecord = 1 << 20
/** Parsed in one go, about two milliseconds: callers over HTTP wait for no more than that. */
const chunkBytes = 64 * 1024

interface ReadOptions {
  /** Read no further than this. */
  readonly bytes?: number
  /** Sees every chunk before it is parsed. */
  readonly watch?: (chunk: Buffer) => void
}

/**
 * The rows of a file, its header among them, one chunk in memory at a time. Both formats quote as RFC 4180 says, since the programs
 * that write TSV with a tab inside of a cell do it so. Throws FileRefused where the file's structure is broken.
 */
export async function* readRows(path: string, format: Format, { bytes, watch }: ReadOptions = {}): AsyncGenerator<Row> {
  const parser = parse({
    delimiter: format === 'tsv' ? '\t' : ',',
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: longestRecord,
  })
  const source = createReadStream(path, { highWaterMark: chunkBytes, ...(bytes === undefined ? {} : { end: bytes - 1 }) })
  const watched = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      watch?.(chunk)
      yield chunk
    }
  }
  // Its errors come out of the parser as well, where they are met.
  pipeline(source, watched, parser, () => undefined)
  try {
    for await (const found of parser) {
      const { record, info } = found as { record: string[]; info: { lines: number } }
      yield { line: info.lines, cells: record }
    }
  } catch (error) {
    throw problemOf(error)
  } finally {
    source.destroy()
  }
}

function problemOf(error: unknown): unknown {
  const { code, lines, message } = error as { code?: string; lines?: number; message: string }
  if (!code?.startsWith('CSV_')) return error
  const line = lines === undefined ? '' : ` (line ${lines})`
  const says = code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quote is opened and never closed' : message
  return new FileRefused(refused('hot_folder.bad_structure', `The file can not be read: ${says}${line}.`))
}

/** Reads the whole file once: encoding, structure, header, and the hash that names its content. Nothing is imported before it is through. */
export async function inspectFile<Columns extends { readonly width: number }>(
  path: string,
  format: Format,
  layoutOf: (header: readonly string[]) => Outcome<Columns>,
): Promise<Outcome<Inspected<Columns>>> {
  const hash = createHash('sha256')
  const encoding = new EncodingWatch()
  let bytes = 0
  let lastByte = 0
  const watch = (chunk: Buffer): void => {
    hash.update(chunk)
    encoding.take(chunk)
    bytes += chunk.length
    lastByte = chunk.at(-1) ?? lastByte
  }
  try {
    let layout: Columns | undefined
    let last: Row | undefined
    let rows = 0
    for await (const row of readRows(path, format, { watch })) {
      if (layout === undefined) {
        const found = layoutOf(row.cells)
        if (!found.ok) return row.cells.length > 1 ? found : otherSeparator(row.cells[0] ?? '', format, found)
        layout = found.value
      } else {
        last = row
        rows += 1
      }
    }
    encoding.end()
    if (layout === undefined) return refused('hot_folder.empty', 'The file is empty: it has not even a header.')
    // Whoever writes whole lines ends the last one; a short one without an end is where the writer stopped.
    if (last !== undefined && lastByte !== newline && last.cells.length < layout.width)
      return refused('hot_folder.torn', `The file ends in the middle of line ${last.line}.`)
    return accepted({ hash: hash.digest('hex'), bytes, rows, layout })
  } catch (error) {
    if (error instanceof FileRefused) return { ok: false, error: error.failure }
    throw error
  }
}

function otherSeparator(header: string, format: Format, refusal: Refusal): Refusal {
  const [wanted, others] = format === 'tsv' ? ['tabs', /[,;]/] : ['commas', /[\t;]/]
  if (!others.test(header)) return refusal
  return refused(
    'hot_folder.bad_separator',
    `A ${format} file has its cells separated by ${wanted}; the header of this one is a single cell.`,
  )
}

const newline = 10

/** Refuses what is not UTF-8, by line: imported as something else, names of customers would be spoilt without anybody noticing. */
class EncodingWatch {
  #rest: Buffer = Buffer.alloc(0)
  #line = 1
  #isFirst = true

  take(chunk: Buffer): void {
    if (this.#isFirst && chunk.length >= 2 && /^(fffe|feff)$/.test(chunk.toString('hex', 0, 2)))
      throw new FileRefused(refused('hot_folder.not_utf8', 'The file is UTF-16; save it as UTF-8.'))
    this.#isFirst = false
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const whole = bytes.subarray(0, wholeCharacters(bytes))
    if (!isUtf8(whole) || whole.includes(0)) throw this.#refusal(whole)
    for (let at = whole.indexOf(newline); at !== -1; at = whole.indexOf(newline, at + 1)) this.#line += 1
    this.#rest = Buffer.from(bytes.subarray(whole.length))
  }

  end(): void {
    if (this.#rest.length > 0) throw this.#refusal(this.#rest)
  }

  #refusal(bytes: Buffer): FileRefused {
    let line = this.#line
    for (let from = 0; from < bytes.length; line += 1) {
      const end = bytes.indexOf(newline, from)
      const text = bytes.subarray(from, end === -1 ? bytes.length : end)
      if (!isUtf8(text) || text.includes(0)) break
      from = end === -1 ? bytes.length : end + 1
    }
    return new FileRefused(refused('hot_folder.not_utf8', `Line ${line} is not UTF-8; save the file as UTF-8.`))
  }
}

/** How many bytes there are before a character that goes on in the next chunk. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0
    if ((byte & 0b1100_0000) === 0b1000_0000) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
