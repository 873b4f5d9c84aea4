import { accepted, type Failure, type Outcome, refused } from '#kernel/outcome.ts'

/** A column of an order file, and where its cells go in the input of `orders.place`. */
export interface Column {
  readonly name: string
  /** What it is about: columns of an order say the same on each of its lines, those of a section on each line of that section. */
  readonly level: 'line' | 'order' | 'section' | 'item'
  /** From the input, the section or the item; empty where the cell is for the import itself. */
  readonly path: readonly string[]
  readonly kind: 'text' | 'integer' | 'number'
  readonly required: boolean
  readonly about: string
}

type Rest = Partial<Pick<Column, 'path' | 'kind' | 'required'>>
const column = (level: Column['level'], name: string, about: string, rest: Rest = {}): Column => ({
  name,
  level,
  path: [name],
  kind: 'text',
  required: true,
  about,
  ...rest,
})
const optional = { required: false } as const

/** Every column that an order file may have; the order in the file is free. */
export const columns: readonly Column[] = [
  column('line', 'reference', 'your own name for the order; lines of one order stand together', { path: [] }),
  column('line', 'section', 'lines of one destination share a number; 1 unless told', { path: [], ...optional }),
  column('order', 'storeId', 'the store whose order it is'),
  column('order', 'customerId', 'the customer, by the store’s own id'),
  column('order', 'channel', 'where it was placed; hot_folder unless told', optional),
  column('order', 'currency', 'ISO 4217 code, such as CAD'),
  column('order', 'totalMinor', 'all lines and shipping together, minor units', { kind: 'integer' }),
  column('order', 'paymentMeans', 'means of payment, such as card; without it the order waits for its money', {
    path: ['payment', 'legs', '0', 'means'],
    ...optional,
  }),
  column('order', 'paymentToken', 'token of the means of payment', { path: ['payment', 'legs', '0', 'token'], ...optional }),
  column('section', 'name', 'who receives it', { path: ['destination', 'name'] }),
  column('section', 'line1', 'street and number', { path: ['destination', 'line1'] }),
  column('section', 'city', 'city', { path: ['destination', 'city'] }),
  column('section', 'postcode', 'postcode', { path: ['destination', 'postcode'] }),
  column('section', 'country', 'ISO 3166-1 alpha-2 code', { path: ['destination', 'country'] }),
  column('section', 'lat', 'degrees, WGS 84', { path: ['destination', 'lat'], kind: 'number', ...optional }),
  column('section', 'lng', 'degrees, WGS 84', { path: ['destination', 'lng'], kind: 'number', ...optional }),
  column('section', 'slotDate', 'local date of the slot, YYYY-MM-DD', { path: ['slot', 'date'], ...optional }),
  column('section', 'slotCode', 'slot of the zone, such as AM', { path: ['slot', 'code'], ...optional }),
  column('section', 'merchantId', 'merchant or warehouse that prepares it', optional),
  column('section', 'shippingMinor', 'shipping of the section, minor units', { kind: 'integer', ...optional }),
  column('item', 'sku', 'a registered SKU'),
  column('item', 'quantity', 'pieces', { kind: 'integer' }),
  column('item', 'unitPriceMinor', 'price of one piece, minor units', { kind: 'integer' }),
  column('item', 'discountMinor', 'discount on the line, minor units', { kind: 'integer', ...optional }),
  column('item', 'taxMinor', 'tax added to the line, minor units', { kind: 'integer', ...optional }),
]

/** Which column stands where in one file. */
export interface Layout {
  readonly width: number
  readonly positions: ReadonlyMap<string, number>
}

/** Reads the header; the first column at fault is named. */
export function layoutOf(header: readonly string[]): Outcome<Layout> {
  const positions = new Map<string, number>()
  for (const [position, name] of header.entries()) {
    if (!columns.some((known) => known.name === name))
      return refused(
        'hot_folder.unknown_column',
        `There is no column "${name}"; there are ${columns.map((known) => known.name).join(', ')}.`,
        name,
      )
    if (positions.has(name)) return refused('hot_folder.column_twice', `The column "${name}" is there twice.`, name)
    positions.set(name, position)
  }
  const missing = columns.find(({ name, required }) => required && !positions.has(name))
  if (missing !== undefined) return refused('hot_folder.missing_column', `The column "${missing.name}" is missing.`, missing.name)
  return accepted({ width: header.length, positions })
}

/** The column that a JSON pointer of a refusal is about, with the section and the item in which it lies. */
export function columnAt({ field = '' }: Pick<Failure, 'field'>): { column?: string; section?: number; item?: number } {
  const [, section, item, rest] = /^(?:\/sections\/(\d+))?(?:\/items\/(\d+))?(?:\/(.*))?$/.exec(field) ?? []
  const level = item !== undefined ? 'item' : section !== undefined ? 'section' : 'order'
  const found = columns.find(({ level: of, path }) => of === level && path.join('/') === rest)
  return {
    ...(found === undefined ? {} : { column: found.name }),
    ...(section === undefined ? {} : { section: Number(section) }),
    ...(item === undefined ? {} : { item: Number(item) }),
  }
}
