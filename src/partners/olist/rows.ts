import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse'

/** A folder that is not such a data set: the message names the file and what it lacks. */
export class FolderError extends Error {
  override readonly name = 'FolderError'
}

/**
 * The rows of one CSV file by column name, read as a stream: the whole data set's geolocation file has a million rows.
 * Columns that are not asked for are left out; one that is missing is an error of the folder, not of each row.
 */
export async function* readRows<Column extends string>(
  folder: string,
  file: string,
  columns: readonly Column[],
): AsyncGenerator<Readonly<Record<Column, string>>> {
  const parser = parse({
    bom: true,
    trim: true,
    skip_empty_lines: true,
    columns: (header: string[]) => {
      const missing = columns.filter((column) => !header.includes(column))
      if (missing.length > 0) throw new FolderError(`${file} has no column ${missing.join(', ')}`)
      return header
    },
  })
  const source = createReadStream(join(folder, file))
  source.on('error', (error) => parser.destroy(error))
  source.pipe(parser)
  try {
    for await (const row of parser) yield row as Record<Column, string>
  } catch (error) {
    if (error instanceof FolderError) throw error
    const { code, message } = error as { code?: string; message: string }
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new FolderError(`there is no ${file} in ${folder}`)
    throw new FolderError(`${file} can not be read: ${message}`)
  } finally {
    source.destroy()
  }
}

/** `99.9` is 9990: digits are moved, never multiplied as floats. Null where it is no amount of at most two decimals. */
export function minorOf(text: string): number | null {
  const parts = /^(\d{1,9})(?:\.(\d{1,2})0*)?$/.exec(text)
  return parts === null ? null : Number(`${parts[1]}${(parts[2] ?? '').padEnd(2, '0')}`)
}

/**
 * The data set gives wall-clock times without a zone. They are read as Brasília standard time all year: one fixed offset keeps
 * the events in the order of the file, which summer time (an hour that comes twice) would not.
 */
export function instantOf(text: string): Date | null {
  if (!/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/.test(text)) return null
  const at = new Date(`${text.replace(' ', 'T')}-03:00`)
  return Number.isNaN(at.getTime()) ? null : at
}

/** Null where it is no finite number. An empty field is none: Number('') would be 0. */
export function decimalOf(text: string): number | null {
  const value = Number(text)
  return text === '' || !Number.isFinite(value) ? null : value
}
