import { hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Failure, Outcome } from '#kernel/outcome.ts'
import type { Runner } from '#platform/operation-runner.ts'
import type { RequestContext } from '#platform/request-context.ts'
import { type Fault, type OrderLines, ordersIn, readOrder } from './order-lines.ts'
import { type Format, type Inspected, readRows } from './read-file.ts'

export interface ImportOptions {
  readonly path: string
  readonly format: Format
  readonly inspected: Inspected
  readonly runner: Pick<Runner, 'runMany'>
  readonly context: RequestContext
  /** Where the outcome of each line is written. */
  readonly outcomes: Pick<FileHandle, 'appendFile'>
  /** Ends the import between two batches. */
  readonly stop: AbortSignal
}

export interface Imported {
  readonly placed: number
  readonly refused: number
  readonly lines: number
  /** False when it was stopped; what was placed is found again by its keys. */
  readonly complete: boolean
}

/**
 * Orders asked for at once, and how many such askings are under way: one is being stored while the next is being read. No more, because
 * a caller over HTTP waits behind what is under way here.
 */
const ordersAtOnce = 128
const underWayMost = 2
/** The same order may be asked for again a moment later: nothing of it was done, or its key finds what was. */
const passing: ReadonlySet<string> = new Set(['platform.overloaded', 'platform.unavailable', 'platform.deadline'])
const longestPauseMs = 5_000

export const outcomeHeader = ['line', 'reference', 'outcome', 'orderNumber', 'code', 'field', 'sentence'] as const

/** Places the orders of an inspected file, in the order of the file, and writes an outcome for each of its lines. */
export async function importOrders(options: ImportOptions): Promise<Imported> {
  const { inspected, outcomes, stop } = options
  const rows = withoutHeader(readRows(options.path, options.format, { bytes: inspected.bytes }))
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

class Stopped extends Error {
  override readonly name = 'Stopped'
}

async function placeBatch(batch: readonly OrderLines[], options: ImportOptions): Promise<Settled[]> {
  const { inspected, context } = options
  const read = batch.map((lines) => ({ lines, order: readOrder(lines, inspected.layout) }))
  const calls = read.flatMap(({ lines: { storeId, reference }, order }) => {
    // The key is made of the content of the file and the name of the order in it: the file under another name is the same orders.
    const idempotencyKey = `hot-folder:${hash('sha256', `${inspected.hash}\n${storeId}\n${reference}`)}`
    return order.ok ? [{ context, input: order.input, idempotencyKey }] : []
  })
  const placed = (await placeAll(calls, options)).values()
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

type PlaceCall = Parameters<Runner['runMany']>[1][number]

/** Asks again for what failed for a passing reason, until it is stopped: an import waits for its database, it does not give up orders. */
async function placeAll(calls: readonly PlaceCall[], { runner, stop }: ImportOptions): Promise<Outcome<unknown>[]> {
  const outcomes: Outcome<unknown>[] = []
  let open = calls.map((call, index) => ({ call, index }))
  for (let pauseMs = 100; open.length > 0; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    if (stop.aborted) throw new Stopped()
    // The folder holds itself back by what is under way; limits are for callers who do not.
    const answers = await runner.runMany(
      'orders.place',
      open.map(({ call }) => call),
      { admitted: true },
    )
    const again: typeof open = []
    for (const [at, entry] of open.entries()) {
      const answer = answers[at]
      if (answer === undefined || (!answer.ok && passing.has(answer.error.code))) again.push(entry)
      else outcomes[entry.index] = answer
    }
    open = again
    if (open.length > 0) await delay(pauseMs, undefined, { signal: stop }).catch(() => undefined)
  }
  return outcomes
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

/** A line of an outcome file, quoted as RFC 4180 says. */
export function outcomeLine(cells: readonly (string | number)[]): string {
  const quoted = cells.map((cell) => (/["\t\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell)))
  return `${quoted.join('\t')}\n`
}
