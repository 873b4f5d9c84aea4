import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { contentOf, priorityOf } from './fact.ts'
import type { Fact, Milestone, Standing } from './fold.ts'

/** A fact with all that is stored of it. */
export interface StoredFact extends Fact {
  readonly shipmentId: number
  readonly place: string
  readonly source: string
  readonly sourceId: string | null
  readonly detail: string | null
}

/** A fact on its way in. */
export interface IncomingFact extends StoredFact {
  /** The source's own count of what it said under this id. */
  readonly revision: number
  /** Tells what is said under one source id apart; null where the source has no id for it. */
  readonly version: string | null
}

// Whole seconds since 1970: neither side has to write or read a date for each fact.
const asked = `unnest($1::bigint[], $2::float8[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::boolean[], $8::text[], $9::text[],
       $10::text[], $11::uuid[], $12::text[], $13::bigint[], $14::uuid[])
       as asked (shipment_id, second, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, revision, version)`
// Where the source has an id, only what is new under it becomes a row; a version of something known goes by replaceFacts.
const insertFactRows = statement<{ id: string; shipment_id: number }>(
  'tracking.insert_events',
  `with asked as (
     select *, to_timestamp(second) as occurred_at from ${asked}
   ), claimed as (
     insert into tracking.source_fact (id, shipment_id, occurred_at, revision, version)
     select id, shipment_id, occurred_at, revision, version from asked where version is not null order by id
     on conflict (id) do nothing returning id
   )
   insert into tracking.event (shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, received_at)
   select shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, $15::timestamptz
   from asked where version is null or id in (select id from claimed)
   on conflict (shipment_id, occurred_at, id) do nothing returning id, shipment_id`,
)

const columnsOf = (facts: readonly IncomingFact[]): unknown[] => [
  facts.map((fact) => fact.shipmentId),
  facts.map((fact) => fact.time / 1000),
  facts.map((fact) => fact.id),
  facts.map((fact) => fact.code),
  facts.map((fact) => fact.milestone),
  facts.map((fact) => fact.attempt),
  facts.map((fact) => fact.zoneKnown),
  facts.map((fact) => fact.place),
  facts.map((fact) => fact.source),
  facts.map((fact) => fact.sourceId),
  facts.map((fact) => fact.voids),
  facts.map((fact) => fact.detail),
  facts.map((fact) => fact.revision),
  facts.map((fact) => fact.version),
]

/** One row of the event table, in one text. */
export const rowKeyOf = (shipmentId: number, id: string): string => `${shipmentId} ${id}`

/** Writes facts; returns the keys of rows that were not there yet. */
export async function insertFacts(
  context: WriteContext,
  facts: readonly IncomingFact[],
): Promise<{ readonly id: string; readonly shipment_id: number }[]> {
  return facts.length === 0 ? [] : context.query(insertFactRows, [...columnsOf(facts), context.now])
}

/** What counts under a source id now. */
export interface Standpoint {
  readonly id: string
  readonly shipmentId: number
  readonly time: number
  readonly revision: number
  readonly version: string
}

const lockStandpoints = statement<{ id: string; shipment_id: number; occurred_at: Date; revision: number; version: string }>(
  'tracking.lock_source_facts',
  `select id, shipment_id, occurred_at, revision, version from tracking.source_fact where id = any($1::uuid[]) order by id for update`,
)

export async function standpointsOf(context: WriteContext, ids: readonly string[]): Promise<Map<string, Standpoint>> {
  if (ids.length === 0) return new Map()
  const rows = await context.query(lockStandpoints, [ids])
  return new Map(
    rows.map(({ id, shipment_id: shipmentId, occurred_at, revision, version }) => [
      id,
      { id, shipmentId, time: occurred_at.getTime(), revision, version },
    ]),
  )
}

const insertReplaced = statement(
  'tracking.insert_replaced',
  `insert into tracking.replaced_fact (id, version, shipment_id, occurred_at, revision, code, place, source, source_id, detail, received_at)
   select id, version, shipment_id, occurred_at, revision, code, place, source, source_id, detail, $11
   from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
     as asked (id, version, shipment_id, occurred_at, revision, code, place, source, source_id, detail)
   on conflict do nothing`,
)

/** Keeps what was said under a source id that a better version of it has overtaken. */
export function keepReplaced(context: WriteContext, facts: readonly IncomingFact[]): void {
  if (facts.length === 0) return
  context.defer(insertReplaced, [
    facts.map((fact) => fact.id),
    facts.map((fact) => fact.version),
    facts.map((fact) => fact.shipmentId),
    facts.map((fact) => new Date(fact.time)),
    facts.map((fact) => fact.revision),
    facts.map((fact) => fact.code),
    facts.map((fact) => fact.place),
    facts.map((fact) => fact.source),
    facts.map((fact) => fact.sourceId),
    facts.map((fact) => fact.detail),
    context.now,
  ])
}

const replaceRows = statement(
  'tracking.replace_events',
  `with asked as (
     select *, to_timestamp(second) as occurred_at from ${asked}
   ), before as (
     select source_fact.* from tracking.source_fact join asked using (id)
   ), gone as (
     delete from tracking.event using before
     where event.shipment_id = before.shipment_id and event.occurred_at = before.occurred_at and event.id = before.id
     returning event.*, before.revision, before.version
   ), kept as (
     insert into tracking.replaced_fact (id, version, shipment_id, occurred_at, revision, code, place, source, source_id, detail, received_at)
     select id, version, shipment_id, occurred_at, revision, code, place, source, source_id, detail, received_at from gone on conflict do nothing
   )
   update tracking.source_fact set shipment_id = asked.shipment_id, occurred_at = asked.occurred_at, revision = asked.revision, version = asked.version
   from asked where source_fact.id = asked.id`,
)
const insertReplacing = statement(
  'tracking.insert_replacing',
  `insert into tracking.event (shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, received_at)
   select shipment_id, to_timestamp(second), id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, $15::timestamptz
   from ${asked} on conflict do nothing`,
)

/** Puts better versions in the place of what counted under their source ids; the shipments of both must be locked. */
export async function replaceFacts(context: WriteContext, facts: readonly IncomingFact[]): Promise<void> {
  if (facts.length === 0) return
  const columns = columnsOf(facts)
  // Two statements: the row that goes and the one that comes may have one key.
  await context.query(replaceRows, columns)
  await context.query(insertReplacing, [...columns, context.now])
}

export interface FactRow {
  readonly shipment_id: number
  readonly occurred_at: Date
  readonly id: string
  readonly code: string
  readonly milestone: Milestone | null
  readonly attempt: number | null
  readonly zone_known: boolean
  readonly place: string
  readonly source: string
  readonly source_id: string | null
  readonly voids: string | null
  readonly detail: string | null
}

const selectFacts = statement<FactRow>(
  'tracking.events_of_shipments',
  `select shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail
   from tracking.event where shipment_id = any($1::bigint[]) and occurred_at >= $2 and occurred_at <= $3 order by shipment_id, occurred_at, id`,
)

/** Times between which facts are looked for: only the months of that time are opened. */
export interface Span {
  readonly from: number
  readonly to: number
}
// What PostgreSQL and Date both can hold.
const always: Span = { from: -62_135_596_800_000, to: 253_402_300_799_000 }

/** From the first to the last fact of some shipments, as their projections have it, and of facts that are new to them. */
export function spanOf(standings: readonly Standing[], fresh: readonly Fact[] = []): Span {
  let from = always.to
  let to = always.from
  for (const { first, last, facts } of standings) {
    if (facts === 0) continue
    // Projections of before there were months do not know their first fact.
    from = Math.min(from, first ?? always.from)
    to = Math.max(to, last?.time ?? always.to)
  }
  for (const { time } of fresh) {
    from = Math.min(from, time)
    to = Math.max(to, time)
  }
  return from > to ? { from: to, to: from } : { from, to }
}

export async function factsOf(
  context: ReadContext,
  shipmentIds: readonly number[],
  { from, to }: Span = always,
): Promise<Map<number, StoredFact[]>> {
  const found = new Map<number, StoredFact[]>(shipmentIds.map((shipmentId) => [shipmentId, []]))
  if (shipmentIds.length === 0) return found
  const rows = await context.query(selectFacts, [shipmentIds, new Date(from), new Date(to)])
  for (const row of rows) found.get(row.shipment_id)?.push(factOf(row))
  return found
}

/** What a fact says is hashed when it is asked for, which a view seldom does. A class, since a closure for each fact cost more than that saved. */
class ReadFact implements StoredFact {
  readonly shipmentId: number
  readonly time: number
  readonly id: string
  readonly code: string
  readonly milestone: Milestone | null
  readonly priority: number
  readonly attempt: number | null
  readonly zoneKnown: boolean
  readonly place: string
  readonly source: string
  readonly sourceId: string | null
  readonly voids: string | null
  readonly detail: string | null
  #content: string | undefined

  constructor(row: FactRow) {
    this.shipmentId = row.shipment_id
    this.time = row.occurred_at.getTime()
    this.id = row.id
    this.code = row.code
    this.milestone = row.milestone
    this.priority = priorityOf(row.source)
    this.attempt = row.attempt
    this.zoneKnown = row.zone_known
    this.place = row.place
    this.source = row.source
    this.sourceId = row.source_id
    this.voids = row.voids
    this.detail = row.detail
  }

  get content(): string {
    return (this.#content ??= this.sourceId === null ? this.id : contentOf(this))
  }
}

export const factOf = (row: FactRow): StoredFact => new ReadFact(row)
