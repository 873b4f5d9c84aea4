import type { Failure } from '#kernel/outcome.ts'
import { columnAt, columns, type Layout } from './columns.ts'
import type { Row } from './read-file.ts'

/** The lines of one order, as they stand together in the file. */
export interface OrderLines {
  readonly reference: string
  readonly storeId: string
  readonly rows: readonly Row[]
  /** Lines beyond the most that an order may have: only counted, so that no file can fill the memory. */
  readonly moreLines: readonly number[]
}

/** Why an order was not placed: the line and the column at fault. */
export interface Fault {
  readonly code: string
  readonly line: number
  readonly column: string
  readonly sentence: string
}

export type ReadOrder =
  | { readonly ok: true; readonly input: object; readonly faultOf: (failure: Failure) => Fault }
  | { readonly ok: false; readonly fault: Fault }

/** As many lines as an order may have; see `orders.too_many_items`. */
const mostLines = 5_000

/**
 * Lines of one order stand together, one below the other: so an order is known to be whole when the next one begins, and a file of any
 * length is read with one order in memory. Lines that stand apart are two orders of one reference: the second is refused, since the first
 * has used up its key.
 */
export async function* ordersIn(rows: AsyncIterable<Row>, layout: Layout): AsyncGenerator<OrderLines> {
  let open: { reference: string; storeId: string; rows: Row[]; moreLines: number[] } | undefined
  for await (const row of rows) {
    const reference = cellOf(row, layout, 'reference')
    const storeId = cellOf(row, layout, 'storeId')
    if (open === undefined || reference === '' || open.reference !== reference || open.storeId !== storeId) {
      if (open !== undefined) yield open
      open = { reference, storeId, rows: [], moreLines: [] }
    }
    if (open.rows.length < mostLines) open.rows.push(row)
    else open.moreLines.push(row.line)
  }
  if (open !== undefined) yield open
}

const cellOf = (row: Row, { positions }: Layout, name: string): string => row.cells[positions.get(name) ?? -1] ?? ''

/** The lines as one input of `orders.place`. What a cell may hold is the operation's to say: here only their shape is checked. */
export function readOrder({ reference, rows, moreLines }: OrderLines, layout: Layout): ReadOrder {
  const [first] = rows
  const faultAt = (line: number, column: string, code: string, sentence: string): ReadOrder => ({
    ok: false,
    fault: { code: `hot_folder.${code}`, line, column, sentence },
  })
  if (first === undefined) throw new Error('an order has at least one line')
  if (moreLines.length > 0) return faultAt(moreLines[0] ?? first.line, '', 'too_many_lines', `An order has at most ${mostLines} lines.`)
  const torn = rows.find(({ cells }) => cells.length !== layout.width)
  if (torn !== undefined)
    return faultAt(torn.line, '', 'bad_line', `The line has ${torn.cells.length} cells, the header has ${layout.width}.`)
  if (reference === '') return faultAt(first.line, 'reference', 'no_reference', 'A line needs the reference of its order.')
  const bySection = Map.groupBy(rows, (row) => cellOf(row, layout, 'section') || '1')
  const apart =
    differing(rows, 'order', layout) ??
    [...bySection.values()].map((of) => differing(of, 'section', layout)).find((found) => found !== undefined)
  if (apart !== undefined)
    return faultAt(apart.line, apart.column, 'lines_differ', `"${apart.column}" is not what it is on the lines of this order before.`)
  const sections = [...bySection.values()]
  const input = {
    channel: 'hot_folder',
    ...objectOf(first, 'order', layout),
    sections: sections.map((of) => ({
      ...objectOf(of[0] ?? first, 'section', layout),
      items: of.map((row) => objectOf(row, 'item', layout)),
    })),
  }
  return {
    ok: true,
    input,
    faultOf({ code, detail, field }) {
      const { column = '', section, item } = columnAt(field === undefined ? {} : { field })
      const row = section === undefined ? first : (sections[section]?.[item ?? 0] ?? first)
      return { code, line: row.line, column, sentence: detail }
    },
  }
}

/** The first line that says something else than the ones before it, where all of them are about one thing. */
function differing(rows: readonly Row[], level: 'order' | 'section', layout: Layout): { line: number; column: string } | undefined {
  const [first, ...others] = rows
  if (first === undefined) return undefined
  const names = columns.filter((column) => column.level === level && layout.positions.has(column.name)).map(({ name }) => name)
  for (const row of others) {
    const column = names.find((name) => cellOf(row, layout, name) !== cellOf(first, layout, name))
    if (column !== undefined) return { line: row.line, column }
  }
  return undefined
}

type Tree = { [key: string]: unknown }

function objectOf(row: Row, level: 'order' | 'section' | 'item', layout: Layout): Tree {
  const made: Tree = {}
  for (const column of columns) {
    if (column.level !== level) continue
    const cell = cellOf(row, layout, column.name)
    // An empty cell is no value: the operation says so itself where there must be one.
    if (cell !== '') put(made, column.path, valueOf(cell, column.kind))
  }
  return made
}

/** A number where the cell is one; else the text itself, which the operation's schema then refuses by name. */
function valueOf(cell: string, kind: 'text' | 'integer' | 'number'): string | number {
  const isNumber = kind === 'integer' ? /^-?\d{1,15}$/.test(cell) : kind === 'number' && /^-?\d{1,15}(\.\d{1,15})?$/.test(cell)
  return isNumber ? Number(cell) : cell
}

/** Puts a value at a path; a numeral in the path is a place in a list. */
function put(into: Tree, [key = '', next, ...rest]: readonly string[], value: unknown): void {
  if (next === undefined) into[key] = value
  else put((into[key] ??= /^\d+$/.test(next) ? [] : {}) as Tree, [next, ...rest], value)
}
