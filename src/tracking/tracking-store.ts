import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { priorityOf } from './fact.ts'
import type { Fact, Milestone, Standing } from './fold.ts'

export interface Shipment {
  readonly shipmentId: number
  readonly waybillId: number
  readonly orderId: number
  readonly token: string
  readonly standing: Standing
}

interface ShipmentRow {
  id: number
  waybill_id: number
  order_id: number
  token: string
  projection: Standing
}

const shipmentColumns = 'id, waybill_id, order_id, token, projection'

const shipmentOf = (row: ShipmentRow): Shipment => ({
  shipmentId: row.id,
  waybillId: row.waybill_id,
  orderId: row.order_id,
  token: row.token,
  standing: row.projection,
})

/** A fact with all that is stored of it. */
export interface StoredFact extends Fact {
  readonly shipmentId: number
  readonly place: string
  readonly source: string
  readonly sourceId: string | null
  readonly detail: string | null
}

const takeIds = statement<{ id: number }>(
  'tracking.take_shipment_ids',
  `select nextval('tracking.shipment_id_seq') as id from generate_series(1, $1::int)`,
)

/** Ids before rows: a fact's id holds its shipment's, and both are written in one statement. */
export async function takeShipmentIds(context: WriteContext, count: number): Promise<number[]> {
  return (await context.query(takeIds, [count])).map((row) => row.id)
}

const insertBorn = statement<{ id: number; waybill_id: number }>(
  'tracking.insert_shipments',
  `with asked as (
     select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::json[], $6::uuid[], $7::timestamptz[], $8::text[], $9::int[])
       with ordinality as asked (id, waybill_id, order_id, state, projection, fact_id, occurred_at, code, attempt, position)
   ), born as (
     insert into tracking.shipment (id, waybill_id, order_id, state, projection, created_at)
     select id, waybill_id, order_id, state, projection, $10 from asked order by position
     on conflict (waybill_id) do nothing returning id, waybill_id
   ), told as (
     insert into tracking.event (shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, received_at)
     select asked.id, asked.occurred_at, asked.fact_id, asked.code, asked.state, asked.attempt, true, '', $11, $10 from asked join born using (id)
   )
   select id, waybill_id from born`,
)

export interface NewShipment {
  readonly shipmentId: number
  readonly waybillId: number
  readonly orderId: number
  readonly standing: Standing
  readonly fact: StoredFact
}

/** Writes shipments with their first fact; those whose waybill has one already are left out of the answer. */
export async function insertShipments(
  context: WriteContext,
  shipments: readonly NewShipment[],
  source: string,
): Promise<Map<number, number>> {
  const rows = await context.query(insertBorn, [
    shipments.map((shipment) => shipment.shipmentId),
    shipments.map((shipment) => shipment.waybillId),
    shipments.map((shipment) => shipment.orderId),
    shipments.map((shipment) => shipment.standing.state),
    shipments.map((shipment) => JSON.stringify(shipment.standing)),
    shipments.map((shipment) => shipment.fact.id),
    shipments.map((shipment) => new Date(shipment.fact.time)),
    shipments.map((shipment) => shipment.fact.code),
    shipments.map((shipment) => shipment.fact.attempt),
    context.now,
    source,
  ])
  return new Map(rows.map((row) => [row.waybill_id, row.id]))
}

const lockShipmentRows = statement<ShipmentRow>(
  'tracking.lock_shipments',
  `select ${shipmentColumns} from tracking.shipment where id in (
     select id from tracking.shipment where id = any($1::bigint[])
     union select id from tracking.shipment where waybill_id = any($2::bigint[]))
   order by id for update`,
)

/** Locks shipments in ascending id order, the order of every lock on this table. */
export async function lockShipments(
  context: WriteContext,
  by: { shipmentIds: readonly number[]; waybillIds: readonly number[] },
): Promise<Shipment[]> {
  const rows = await context.query(lockShipmentRows, [[...new Set(by.shipmentIds)], [...new Set(by.waybillIds)]])
  return rows.map(shipmentOf)
}

const insertFactRows = statement<{ id: string }>(
  'tracking.insert_events',
  `insert into tracking.event (shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, received_at)
   select * , $13::timestamptz from unnest($1::bigint[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::boolean[], $8::text[], $9::text[],
     $10::text[], $11::uuid[], $12::text[])
   on conflict (shipment_id, occurred_at, id) do nothing returning id`,
)

/** Writes facts; returns the ids of those that were not there yet. */
export async function insertFacts(context: WriteContext, facts: readonly StoredFact[]): Promise<Set<string>> {
  if (facts.length === 0) return new Set()
  const rows = await context.query(insertFactRows, [
    facts.map((fact) => fact.shipmentId),
    facts.map((fact) => new Date(fact.time)),
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
    context.now,
  ])
  return new Set(rows.map((row) => row.id))
}

interface FactRow {
  shipment_id: number
  occurred_at: Date
  id: string
  code: string
  milestone: Milestone | null
  attempt: number | null
  zone_known: boolean
  place: string
  source: string
  source_id: string | null
  voids: string | null
  detail: string | null
}

const selectFacts = statement<FactRow>(
  'tracking.events_of_shipments',
  `select shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail
   from tracking.event where shipment_id = any($1::bigint[]) order by shipment_id, occurred_at, id`,
)

export async function factsOf(context: ReadContext, shipmentIds: readonly number[]): Promise<Map<number, StoredFact[]>> {
  const found = new Map<number, StoredFact[]>(shipmentIds.map((shipmentId) => [shipmentId, []]))
  if (shipmentIds.length === 0) return found
  for (const row of await context.query(selectFacts, [shipmentIds])) {
    found.get(row.shipment_id)?.push({
      shipmentId: row.shipment_id,
      time: row.occurred_at.getTime(),
      id: row.id,
      code: row.code,
      milestone: row.milestone,
      priority: priorityOf(row.source),
      attempt: row.attempt,
      zoneKnown: row.zone_known,
      place: row.place,
      source: row.source,
      sourceId: row.source_id,
      voids: row.voids,
      detail: row.detail,
    })
  }
  return found
}

// tidy-ignore states: a state here is folded anew from all facts, so any may follow any; lockShipments has locked the row
const updateRows = statement(
  'tracking.update_shipments',
  `update tracking.shipment set state = folded.state, projection = folded.projection, version = version + 1
   from unnest($1::bigint[], $2::text[], $3::json[]) as folded (id, state, projection) where shipment.id = folded.id`,
)

export async function updateShipments(context: WriteContext, folded: readonly { shipmentId: number; standing: Standing }[]): Promise<void> {
  if (folded.length === 0) return
  await context.query(updateRows, [
    folded.map(({ shipmentId }) => shipmentId),
    folded.map(({ standing }) => standing.state),
    folded.map(({ standing }) => JSON.stringify(standing)),
  ])
}

const selectShipments = statement<ShipmentRow>(
  'tracking.shipments_by_id',
  `select ${shipmentColumns} from tracking.shipment where id = any($1::bigint[])`,
)
const selectByWaybill = statement<ShipmentRow>(
  'tracking.shipments_by_waybill',
  `select ${shipmentColumns} from tracking.shipment where waybill_id = any($1::bigint[])`,
)
const selectByOrder = statement<ShipmentRow>(
  'tracking.shipments_by_order',
  `select ${shipmentColumns} from tracking.shipment where order_id = any($1::bigint[]) order by id`,
)
const selectByToken = statement<ShipmentRow>(
  'tracking.shipments_by_token',
  `select ${shipmentColumns} from tracking.shipment where token = any($1::uuid[])`,
)
const byKind = { shipment: selectShipments, waybill: selectByWaybill, order: selectByOrder, token: selectByToken } as const

export async function findShipments(
  context: ReadContext,
  kind: keyof typeof byKind,
  keys: readonly (number | string)[],
): Promise<Shipment[]> {
  return keys.length === 0 ? [] : (await context.query(byKind[kind], [keys])).map(shipmentOf)
}

const selectPage = statement<ShipmentRow & { state: string }>(
  'tracking.shipments_page',
  `select ${shipmentColumns}, state from tracking.shipment where id > $1 order by id limit $2`,
)

export async function shipmentPage(context: ReadContext, after: number, limit: number): Promise<(Shipment & { state: string })[]> {
  return (await context.query(selectPage, [after, limit])).map((row) => ({ ...shipmentOf(row), state: row.state }))
}
