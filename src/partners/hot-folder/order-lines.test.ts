import { expect, it } from 'vitest'
import { layoutOf } from './columns.ts'
import { type OrderLines, ordersIn, readOrder } from './order-lines.ts'

const header =
  'reference section storeId customerId currency totalMinor paymentMeans paymentToken name line1 city postcode country slotDate slotCode shippingMinor sku quantity unitPriceMinor'.split(
    ' ',
  )
const cells = (given: Record<string, string> = {}): string[] => {
  const standard: Record<string, string> = {
    reference: 'A-1',
    storeId: 'falls',
    customerId: 'c-1',
    currency: 'CAD',
    totalMinor: '2000',
    name: 'Ann',
    line1: '1 Mill Lane',
    city: 'Falls',
    postcode: 'L1A1A1',
    country: 'CA',
    sku: 'TEA-100',
    quantity: '2',
    unitPriceMinor: '500',
  }
  return header.map((name) => given[name] ?? standard[name] ?? '')
}
const found = layoutOf(header)
if (!found.ok) throw new Error(found.error.detail)
const layout = found.value

const group = async (...rows: string[][]): Promise<OrderLines[]> => {
  async function* lines() {
    for (const [index, row] of rows.entries()) yield { line: index + 2, cells: row }
  }
  const orders: OrderLines[] = []
  for await (const order of ordersIn(lines(), layout)) orders.push(order)
  return orders
}
const readOne = async (...rows: string[][]) => {
  const [order] = await group(...rows)
  if (order === undefined) throw new Error('no order was found')
  return readOrder(order, layout)
}
const faultOf = async (...rows: string[][]) => {
  const read = await readOne(...rows)
  return read.ok ? undefined : read.fault
}

it('a line becomes an item, lines of one section an address, lines of one order an input of orders.place', async () => {
  const read = await readOne(
    cells({ paymentMeans: 'card', paymentToken: 'tok_ok', shippingMinor: '499' }),
    cells({ paymentMeans: 'card', paymentToken: 'tok_ok', shippingMinor: '499', sku: 'RICE', quantity: '1' }),
    cells({ paymentMeans: 'card', paymentToken: 'tok_ok', section: 'b', name: 'Bob', slotDate: '2026-03-03', slotCode: 'AM' }),
  )
  const destination = { name: 'Ann', line1: '1 Mill Lane', city: 'Falls', postcode: 'L1A1A1', country: 'CA' }
  expect(read).toMatchObject({ ok: true })
  expect(read.ok && read.input).toEqual({
    storeId: 'falls',
    customerId: 'c-1',
    channel: 'hot_folder',
    currency: 'CAD',
    totalMinor: 2000,
    payment: { legs: [{ means: 'card', token: 'tok_ok' }] },
    sections: [
      {
        destination,
        shippingMinor: 499,
        items: [
          { sku: 'TEA-100', quantity: 2, unitPriceMinor: 500 },
          { sku: 'RICE', quantity: 1, unitPriceMinor: 500 },
        ],
      },
      {
        destination: { ...destination, name: 'Bob' },
        slot: { date: '2026-03-03', code: 'AM' },
        items: [{ sku: 'TEA-100', quantity: 2, unitPriceMinor: 500 }],
      },
    ],
  })
})

it('a cell that is no number is left as it is, so that the operation refuses it by its name', async () => {
  for (const quantity of ['1.5', '0x10', '1e3', ' 2', '２']) {
    const read = await readOne(cells({ quantity }))
    expect(read.ok && (read.input as { sections: [{ items: [object] }] }).sections[0].items[0]).toMatchObject({ quantity })
  }
})

it('orders end where the reference or the store changes; what stands apart is an order of its own', async () => {
  const groups = await group(cells(), cells(), cells({ reference: 'A-2' }), cells({ reference: 'A-2', storeId: 'b' }), cells())
  expect(groups.map(({ reference, storeId, rows }) => `${reference} ${storeId} ${rows.length}`)).toEqual([
    'A-1 falls 2',
    'A-2 falls 1',
    'A-2 b 1',
    'A-1 falls 1',
  ])
})

it.each([
  ['hot_folder.lines_differ', 3, 'customerId', [cells(), cells({ customerId: 'c-2' })]],
  ['hot_folder.lines_differ', 3, 'city', [cells(), cells({ city: 'Elsewhere' })]],
  ['hot_folder.bad_line', 3, '', [cells(), cells().slice(1).with(0, 'A-1').with(1, 'falls').with(2, 'falls')]],
  ['hot_folder.no_reference', 2, 'reference', [cells({ reference: '' })]],
] as const)('%s names line %i and column "%s"', async (code, line, column, rows) => {
  expect(await faultOf(...rows.map((row) => [...row]))).toMatchObject({ code, line, column })
})

it('a fault that the operation finds is told by the line and the column of the file', async () => {
  const read = await readOne(cells(), cells({ section: '2', name: 'Bob' }), cells({ section: '2', name: 'Bob', quantity: 'two' }))
  if (!read.ok) throw new Error(read.fault.sentence)
  const at = (field: string) => {
    const { line, column } = read.faultOf({ code: 'x', detail: 'x', field })
    return `${line} ${column}`
  }
  expect(at('/sections/1/items/1/quantity')).toBe('4 quantity')
  expect(at('/sections/1/destination/postcode')).toBe('3 postcode')
  expect(at('/totalMinor')).toBe('2 totalMinor')
  expect(at('/payment/legs/0/token')).toBe('2 paymentToken')
  expect(at('/sections/1/slot/date')).toBe('3 slotDate')
  expect(read.faultOf({ code: 'x', detail: 'x' })).toMatchObject({ line: 2, column: '' })
})

it('an order of more lines than an order may have is refused without keeping them', async () => {
  const [order] = await group(...Array.from({ length: 5_002 }, () => cells()))
  expect(order).toMatchObject({ rows: { length: 5_000 }, moreLines: [5_002, 5_003] })
  if (order !== undefined) expect(readOrder(order, layout)).toMatchObject({ fault: { code: 'hot_folder.too_many_lines', line: 5_002 } })
})
