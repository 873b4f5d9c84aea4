import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Defect,
  type DifferenceKind,
  eventColumns,
  type FmsColumn,
  fmsSource,
  type FmsShipment,
  isDefect,
  readEvent,
  readShipment,
  shipmentColumns,
  ShipmentTrail,
} from '#partners/fms/index.ts'
import type { ContextDatabase, Scope } from '#platform/database.ts'
import type { ReportedFact, Tracking } from '#tracking'
import { UsageError } from './command.ts'
import { KeysTwice } from './keys-twice.ts'
import { type BrokenLine, brokenOf, type Columns, type Row, streamLines } from './csv-lines.ts'

/** One line of the outcome: what could not be taken, was taken with a change, or differs. */
export interface FmsOutcome {
  readonly what: 'broken' | 'noted' | 'differs'
  readonly file: 'shipments.csv' | 'tracking.csv'
  /** Of the file; for a difference that of the shipment. */
  readonly line: number
  readonly field: string
  readonly code: string
  readonly detail: string
}

export interface ImportedFms {
  readonly shipments: { readonly lines: number; readonly added: number; readonly known: number; readonly broken: number }
  readonly events: { readonly lines: number; readonly added: number; readonly known: number; readonly broken: number }
  readonly noted: number
  /** Shipments whose status says what their events say. */
  readonly same: number
  readonly differences: Readonly<Partial<Record<DifferenceKind, number>>>
}

export interface FmsImportOptions {
  readonly tracking: Pick<Tracking, 'registerShipments' | 'recordFacts' | 'shipmentsBy'>
  readonly database: ContextDatabase
  readonly folder: string
  /** Gets each line of the outcome as soon as it is known; waited for. */
  readonly tell: (outcome: FmsOutcome) => Promise<void> | void
  /** Called after each batch that is committed; for progress, and for tests that stop in the middle. */
  readonly committed?: (rows: number) => void
}

const live: Scope = { traffic: 'live', rehearsalId: null }
/** A statement of so many rows takes some tens of milliseconds, and locks as many shipments. */
const perBatch = 1_000

const columnsOf = (columns: readonly FmsColumn[]): Columns => ({
  needed: columns.filter(({ needed }) => needed).map(({ name }) => name),
  others: columns.filter(({ needed }) => !needed).map(({ name }) => name),
})

interface Seen {
  readonly line: number
  readonly zone: string
  readonly trail: ShipmentTrail
}

/**
 * Brings the history of the fulfilment monolith in: shipments.csv is registered, tracking.csv is recorded, and then what we make of the events is held against
 * the status that the monolith shows. Each batch is one transaction that may be run again, and every row has a name of its own; stopped in the middle it is
 * begun again from the start and does what was left. A row that is wrong is named and fails alone.
 */
export async function importFms(options: FmsImportOptions): Promise<ImportedFms> {
  const { folder } = options
  for (const file of ['shipments.csv', 'tracking.csv'])
    if (!existsSync(join(folder, file))) throw new UsageError(`there is no ${file} in ${folder}`)
  const report = new Report(options.tell)
  const { seen, ...shipments } = await importShipments(options, report)
  const events = await importEvents(options, report, seen)
  const { same, differences } = await compare(options, report, seen)
  return { shipments, events, noted: report.noted, same, differences }
}

class Report {
  noted = 0
  readonly #tell: FmsImportOptions['tell']

  constructor(tell: FmsImportOptions['tell']) {
    this.#tell = tell
  }

  async broken(file: FmsOutcome['file'], { line, field, code, detail }: BrokenLine): Promise<void> {
    await this.#tell({ what: 'broken', file, line, field, code, detail })
  }

  async notes(file: FmsOutcome['file'], line: number, notes: readonly Defect[]): Promise<void> {
    for (const note of notes) {
      this.noted += 1
      await this.#tell({ what: 'noted', file, line, ...note })
    }
  }

  async differs(line: number, kind: DifferenceKind, detail: string): Promise<void> {
    await this.#tell({ what: 'differs', file: 'shipments.csv', line, field: 'status', code: kind, detail })
  }
}

async function importShipments({ tracking, database, folder, committed }: FmsImportOptions, report: Report) {
  const counts = { lines: 0, added: 0, known: 0, broken: 0 }
  const seen = new Map<string, Seen>()
  const numbers = new Map<string, string>()
  const breakRow = async (line: number, defect: Defect): Promise<void> => {
    counts.broken += 1
    await report.broken('shipments.csv', { line, ...defect })
  }
  for await (const batch of batchesOf(streamLines(join(folder, 'shipments.csv'), columnsOf(shipmentColumns)))) {
    const good: { line: number; shipment: FmsShipment }[] = []
    for (const row of batch) {
      counts.lines += 1
      const shipment = 'code' in row ? row : readShipment(row.input)
      const defect = isDefect(shipment) ? shipment : twiceIn(shipment, { seen, numbers })
      if (defect !== undefined || isDefect(shipment)) await breakRow(row.line, defect ?? (shipment as Defect))
      else {
        seen.set(shipment.id, { line: row.line, zone: shipment.zone, trail: new ShipmentTrail(shipment.status) })
        if (shipment.number !== null) numbers.set(`${shipment.number.carrier} ${shipment.number.number}`, shipment.id)
        good.push({ line: row.line, shipment })
        await report.notes('shipments.csv', row.line, shipment.notes)
      }
    }
    const commands = good.map(({ shipment }) => shipment.command)
    const outcomes = await database.write(live, (context) => tracking.registerShipments(context, commands), { repeatable: true })
    for (const [index, outcome] of outcomes.entries()) {
      const { line, shipment } = good[index] as (typeof good)[number]
      if (outcome.ok) counts[outcome.value.added ? 'added' : 'known'] += 1
      else {
        seen.delete(shipment.id)
        await breakRow(line, brokenOf(outcome, line))
      }
    }
    committed?.(good.length)
  }
  return { ...counts, seen }
}

function twiceIn(
  { id, number }: FmsShipment,
  { seen, numbers }: { seen: ReadonlyMap<string, Seen>; numbers: ReadonlyMap<string, string> },
): Defect | undefined {
  const first = seen.get(id)
  if (first !== undefined) return { field: 'id', code: 'fms.key_twice', detail: `the id ${id} is that of line ${first.line} as well` }
  const other = number === null ? undefined : numbers.get(`${number.carrier} ${number.number}`)
  if (other === undefined) return undefined
  return {
    field: 'tracking_number',
    code: 'fms.number_twice',
    detail: `${number?.number} of ${number?.carrier} is that of shipment ${other} as well`,
  }
}

/** Lines of events whose id an earlier good line has: the monolith's own exports overlap, and what the first one said holds. */
async function eventsTwice(folder: string, seen: ReadonlyMap<string, Seen>): Promise<ReadonlySet<number>> {
  const keys = await KeysTwice.open()
  try {
    for await (const row of streamLines(join(folder, 'tracking.csv'), columnsOf(eventColumns))) {
      const event = 'code' in row ? row : readEvent(row.input, (id) => seen.get(id)?.zone)
      if (!isDefect(event)) await keys.add(event.id, row.line)
    }
    return await keys.later()
  } finally {
    await keys.close()
  }
}

async function importEvents({ tracking, database, folder, committed }: FmsImportOptions, report: Report, seen: ReadonlyMap<string, Seen>) {
  const counts = { lines: 0, added: 0, known: 0, broken: 0 }
  const twice = await eventsTwice(folder, seen)
  const breakRow = async (row: BrokenLine, shipmentId: string): Promise<void> => {
    counts.broken += 1
    seen.get(shipmentId)?.trail.break()
    await report.broken('tracking.csv', row)
  }
  for await (const batch of batchesOf(streamLines(join(folder, 'tracking.csv'), columnsOf(eventColumns)))) {
    const facts: { line: number; fact: ReportedFact; shipmentId: string }[] = []
    for (const row of batch) {
      counts.lines += 1
      const event = 'code' in row ? row : readEvent(row.input, (id) => seen.get(id)?.zone)
      const shipmentId = 'code' in row ? '' : (row.input['shipment_id'] ?? '')
      if (isDefect(event)) await breakRow({ line: row.line, field: event.field, code: event.code, detail: event.detail }, shipmentId)
      else if (twice.has(row.line)) {
        counts.broken += 1
        await report.broken('tracking.csv', {
          line: row.line,
          field: 'id',
          code: 'fms.key_twice',
          detail: `the id ${event.id} was there before`,
        })
      } else {
        seen.get(event.shipmentId)?.trail.tell(event)
        for (const fact of event.facts) facts.push({ line: row.line, fact, shipmentId: event.shipmentId })
        await report.notes('tracking.csv', row.line, event.notes)
      }
    }
    const outcomes = await database.write(
      live,
      // History is older than what a live feed may tell.
      (context) =>
        tracking.recordFacts(
          context,
          facts.map(({ fact }) => fact),
          { since: new Date(0) },
        ),
      { repeatable: true },
    )
    for (const [index, outcome] of outcomes.entries()) {
      const { line, shipmentId, fact } = facts[index] as (typeof facts)[number]
      if (!outcome.ok) await breakRow({ ...brokenOf(outcome, line), field: fieldOf(outcome.error.field) }, shipmentId)
      else if (fact.voidsSourceId === undefined) counts[outcome.value.added ? 'added' : 'known'] += 1
    }
    committed?.(facts.length)
  }
  return counts
}

/** Names of fields in the file for those of a fact. */
const fieldOf = (pointer = ''): string =>
  pointer === '/occurredAt' ? 'happened_at' : pointer === '/number' ? 'shipment_id' : pointer.slice(1)

async function compare({ tracking, database }: FmsImportOptions, report: Report, seen: ReadonlyMap<string, Seen>) {
  const differences: Partial<Record<DifferenceKind, number>> = {}
  let same = 0
  const all = [...seen]
  for (let from = 0; from < all.length; from += perBatch) {
    const some = all.slice(from, from + perBatch)
    const keys = some.map(([id]) => ({ carrier: fmsSource, number: id }))
    const found = await database.read(live, (context) => tracking.shipmentsBy(context, 'number', keys))
    for (const [index, [id, { line, trail }]] of some.entries()) {
      const state = found[index]?.[0]?.state
      const kind = state === undefined ? undefined : trail.differenceTo(state)
      if (kind === undefined) same += 1
      else {
        differences[kind] = (differences[kind] ?? 0) + 1
        await report.differs(line, kind, `shipment ${id} is ${trail.status} there and ${state} by its events`)
      }
    }
  }
  return { same, differences }
}

async function* batchesOf(rows: AsyncIterable<Row | BrokenLine>): AsyncGenerator<(Row | BrokenLine)[]> {
  let batch: (Row | BrokenLine)[] = []
  for await (const row of rows) {
    batch.push(row)
    if (batch.length < perBatch) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
