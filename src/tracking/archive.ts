import { type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { archivedMonthsOf } from './months.ts'
import { type FactRow, factOf, type StoredFact } from './tracking-store.ts'

/** A fact as it lies in a file of a month. */
export interface ArchivedRow extends FactRow {
  readonly received_at: Date
}

/** Facts of some shipments out of a file of a month, by its name; undefined where it can not be read here. */
export type ReadArchive = (file: string, shipmentIds: readonly number[]) => Promise<readonly ArchivedRow[] | undefined>

/** No archive: whatever needs one is refused, by the name of the file. */
export const noArchive: ReadArchive = () => Promise.resolve(undefined)

interface Archived {
  readonly rows: readonly ArchivedRow[]
  /** Shipments of which a file could not be read, and that file. */
  readonly unreadable: ReadonlyMap<number, string>
}

interface Asked {
  readonly shipmentId: number
  readonly standing: { readonly first: number | null }
}

const selectMergedInto = statement<{ id: number; into: number }>(
  'tracking.merged_into',
  `select id, merged_into as into from tracking.shipment where merged_into = any($1::bigint[])`,
)
async function mergedInto(context: ReadContext, shipmentIds: readonly number[]): Promise<Map<number, number>> {
  return new Map((await context.query(selectMergedInto, [shipmentIds])).map((row) => [row.id, row.into]))
}
/** Ids under which files may have facts of a shipment: its own, and those of shipments that became one with it later. */
export const filedIdsOf = async (context: ReadContext, shipmentId: number): Promise<number[]> => [
  shipmentId,
  ...(await mergedInto(context, [shipmentId])).keys(),
]
const selectMonthRows = statement<ArchivedRow>('tracking.month_rows', 'select * from tracking.month_rows($1::date, $2::bigint[])')
const selectBooked = statement<{ id: string; shipment_id: number; occurred_at: Date }>(
  'tracking.source_facts',
  'select id, shipment_id, occurred_at from tracking.source_fact where id = any($1::uuid[])',
)

/** What shipments have in months that are no tables any more, without what was corrected since: the book of source ids knows where such a fact is now. */
async function archivedRowsOf(context: ReadContext, shipments: readonly Asked[], read: ReadArchive): Promise<Archived> {
  const months = await archivedMonthsOf(
    context,
    shipments.map(({ shipmentId, standing }) => ({ shipmentId, first: standing.first })),
  )
  const wanted = new Map<string, { file: string | null; shipmentIds: number[] }>()
  for (const [shipmentId, own] of months)
    for (const { month, file } of own) {
      const known = wanted.get(month)
      if (known === undefined) wanted.set(month, { file, shipmentIds: [shipmentId] })
      else known.shipmentIds.push(shipmentId)
    }
  if (wanted.size === 0) return { rows: [], unreadable: new Map() }
  // A file has a shipment under the id that it had then.
  const into = await mergedInto(
    context,
    shipments.map(({ shipmentId }) => shipmentId),
  )
  const found: ArchivedRow[] = []
  const unreadable = new Map<number, string>()
  for (const [month, { file, shipmentIds }] of [...wanted].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const own = new Set(shipmentIds)
    const asked = [...shipmentIds, ...[...into].flatMap(([id, target]) => (own.has(target) ? [id] : []))]
    const rows = file === null ? await context.query(selectMonthRows, [month, asked]) : await read(file, asked)
    if (rows === undefined) for (const shipmentId of shipmentIds) unreadable.set(shipmentId, file ?? '')
    for (const row of rows ?? []) found.push({ ...row, shipment_id: into.get(row.shipment_id) ?? row.shipment_id })
  }
  const named = found.filter((row) => row.source_id !== null)
  const booked = named.length === 0 ? [] : await context.query(selectBooked, [named.map(({ id }) => id)])
  const book = new Map(booked.map((row) => [row.id, row]))
  const rows = found.filter((row) => {
    const now = row.source_id === null ? undefined : book.get(row.id)
    return now === undefined || (now.shipment_id === row.shipment_id && now.occurred_at.getTime() === row.occurred_at.getTime())
  })
  return { rows, unreadable }
}

/** The same as facts, by shipment, for looks. Who asks has read the tables before: what goes into a file meanwhile is found twice, never not at all. */
export async function archivedFactsOf(
  context: ReadContext,
  shipments: readonly Asked[],
  read: ReadArchive,
): Promise<{ facts: Map<number, StoredFact[]>; unreadable: ReadonlyMap<number, string> }> {
  const { rows, unreadable } = await archivedRowsOf(context, shipments, read)
  const facts = new Map<number, StoredFact[]>()
  for (const row of rows) {
    const own = facts.get(row.shipment_id)
    if (own === undefined) facts.set(row.shipment_id, [factOf(row)])
    else own.push(factOf(row))
  }
  return { facts, unreadable }
}

export const unreadableArchive = (shipmentId: number, file: string, field?: string): Outcome<never> =>
  refused(
    'tracking.archive_unreadable',
    `shipment ${shipmentId} has facts in ${file}, which can not be read here; put the file into the folder of archives and ask again`,
    field ?? '',
  )

const keepMonths = statement('tracking.keep_months', 'lock table tracking.event in row exclusive mode')
const bringBack = statement(
  'tracking.bring_back',
  `with asked as (
     select * from unnest($1::bigint[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::boolean[], $8::text[], $9::text[],
       $10::text[], $11::uuid[], $12::text[], $13::timestamptz[])
       as asked (shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, received_at)
   ), booked as (
     -- Months of before the book was kept for good have left it; any version is better than what is not known.
     insert into tracking.source_fact (id, shipment_id, occurred_at, revision, version)
     select id, shipment_id, occurred_at, 0, '00000000-0000-0000-0000-000000000000' from asked where source_id is not null order by id
     on conflict (id) do nothing
   ), opened as (
     delete from tracking.sealed where shipment_id = any($14::bigint[])
   )
   insert into tracking.event (shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, received_at)
   select * from asked on conflict do nothing`,
)

/**
 * Brings all that shipments have in files back into tables, and unseals them: from then on all their facts count as if none had been put away,
 * until a later month of theirs is. They must be locked, and folded from all their facts afterwards. Gives those of which a file can not
 * be read, with that file; they stay as they were.
 */
export async function recall(context: WriteContext, shipments: readonly Asked[], read: ReadArchive): Promise<ReadonlyMap<number, string>> {
  if (shipments.length === 0) return new Map()
  // A month that was taken out after it was asked which are would be in neither place.
  await context.query(keepMonths)
  const { rows, unreadable } = await archivedRowsOf(context, shipments, read)
  const back = rows.filter((row) => !unreadable.has(row.shipment_id))
  await context.query(bringBack, [
    back.map((row) => row.shipment_id),
    back.map((row) => row.occurred_at),
    back.map((row) => row.id),
    back.map((row) => row.code),
    back.map((row) => row.milestone),
    back.map((row) => row.attempt),
    back.map((row) => row.zone_known),
    back.map((row) => row.place),
    back.map((row) => row.source),
    back.map((row) => row.source_id),
    back.map((row) => row.voids),
    back.map((row) => row.detail),
    back.map((row) => row.received_at),
    shipments.map(({ shipmentId }) => shipmentId).filter((id) => !unreadable.has(id)),
  ])
  return unreadable
}
