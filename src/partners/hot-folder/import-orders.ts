import { hash } from 'node:crypto'
import type { Failure, Outcome } from '#kernel/outcome.ts'
import { layoutOf } from './columns.ts'
import { type FileKind, fileKind, type Imported, type ImportJob, outcomeLine } from './file-kind.ts'
import { type Fault, type OrderLines, ordersIn, readOrder } from './order-lines.ts'
import { type Format, formatOf, inspectFile, type Inspected, readRows } from './read-file.ts'
import { runAgain, Stopped } from './run-again.ts'

type OrdersJob = ImportJob & { readonly inspected: Inspected }

/**
 * Orders asked for at once, and how many such askings are under way: one is being stored while the next is being read. No more, because
 * a caller over HTTP waits behind what is under way here.
 */
const ordersAtOnce = 128
const underWayMost = 2
const outcomeHeader = ['line', 'reference', 'outcome', 'orderNumber', 'code', 'field', 'sentence'] as const

/** Places the orders of an inspected file, in the order of the file, and writes an outcome for each of its lines. */
async function importOrders(options: OrdersJob): Promise<Imported> {
  const { inspected, outcomes, stop } = options
  const rows = withoutHeader(readRows(options.path, formatOf(options.name) as Format, { bytes: inspected.bytes }))
  const underWay: Promise<Settled[]>[] = []
  const sum = { placed: 0, refused: 0, lines: 0 }
  const writeOldest = async (): Promise<void> => {
    const settled = (await underWay.shift()) ?? []
    await outcomes.appendFile(settled.map(outcomeLines).join(''))
    for (const { lines, result } of settled) {
      sum.lines += lines.rows.length + lines.moreLines.length
      if (result.ok) sum.placed += 1
      else sum.refused += 1
    }
  }
  try {
    for await (const batch of batchesOf(ordersIn(rows, inspected.layout))) {
      if (stop.aborted) break
      const settling = placeBatch(batch, options)
      // It may fail while an older one is waited for; it is met when its turn comes.
      settling.catch(() => undefined)
      underWay.push(settling)
      if (underWay.length >= underWayMost) await writeOldest()
    }
    while (underWay.length > 0) await writeOldest()
  } catch (error) {
    await Promise.allSettled(underWay)
    if (error instanceof Stopped) return { ...sum, complete: false }
    throw error
  }
  return { ...sum, complete: !stop.aborted }
}

async function* withoutHeader<T>(rows: AsyncIterable<T>): AsyncGenerator<T> {
  let isHeader = true
  for await (const row of rows) {
    if (!isHeader) yield row
    isHeader = false
  }
}

async function* batchesOf(orders: AsyncIterable<OrderLines>): AsyncGenerator<OrderLines[]> {
  let batch: OrderLines[] = []
  for await (const order of orders) {
    batch.push(order)
    if (batch.length < ordersAtOnce) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

interface Settled {
  readonly lines: OrderLines
  readonly result: { readonly ok: true; readonly number: string } | { readonly ok: false; readonly fault: Fault }
}

async function placeBatch(batch: readonly OrderLines[], options: OrdersJob): Promise<Settled[]> {
  const { inspected, context } = options
  const read = batch.map((lines) => ({ lines, order: readOrder(lines, inspected.layout) }))
  const calls = read.flatMap(({ lines: { storeId, reference }, order }) => {
    // The key is made of the content of the file and the name of the order in it: the file under another name is the same orders.
    const idempotencyKey = `hot-folder:${hash('sha256', `${inspected.hash}\n${storeId}\n${reference}`)}`
    return order.ok ? [{ context, input: order.input, idempotencyKey }] : []
  })
  const placed = (await runAgain('orders.place', calls, options)).values()
  return read.map(({ lines, order }): Settled => {
    if (!order.ok) return { lines, result: order }
    const outcome = placed.next().value as Outcome<{ number: string }>
    if (outcome.ok) return { lines, result: { ok: true, number: outcome.value.number } }
    const { error } = outcome
    return { lines, result: { ok: false, fault: order.faultOf(error.code === keyReused ? standingApart : error) } }
  })
}

const keyReused = 'platform.idempotency_key_reused'
const standingApart: Failure = {
  code: 'hot_folder.lines_apart',
  detail: 'Lines of this order stand elsewhere in the file as well; lines of one order stand together.',
}

function outcomeLines({ lines, result }: Settled): string {
  const { reference, rows, moreLines } = lines
  return [...rows.map(({ line }) => line), ...moreLines]
    .map((line) => {
      if (result.ok) return outcomeLine([line, reference, 'placed', result.number, '', '', ''])
      const { fault } = result
      // An order fails as a whole; the line at fault names the column, the others name that line.
      const [column, sentence] = line === fault.line ? [fault.column, fault.sentence] : ['', `line ${fault.line}: ${fault.sentence}`]
      return outcomeLine([line, reference, 'refused', '', fault.code, column, sentence])
    })
    .join('')
}

/** Files of orders: a line an item. A broken line fails its order. */
export const orderFiles: FileKind = fileKind<Inspected>({
  folder: '',
  of: 'orders',
  scopes: ['orders:write'],
  outcomeHeader,
  // Keys of orders are promised for a day: an import that was broken off longer ago can not tell any more what it had done.
  resumeWithinMs: 24 * 3600 * 1000,
  takes: (name) => formatOf(name) !== undefined,
  inspect: (path, name) => inspectFile(path, formatOf(name) as Format, layoutOf),
  import: importOrders,
})
