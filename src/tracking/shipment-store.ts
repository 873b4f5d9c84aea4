import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { Standing } from './fold.ts'
import { packStanding, type StoredProjection, unpackStanding } from './projection.ts'
import { nameOf, type Reference } from './reference-store.ts'
import type { StoredFact } from './tracking-store.ts'

export interface Shipment {
  readonly shipmentId: number
  /** Null where another system fulfils, and while only a carrier has told of it. */
  readonly waybillId: number | null
  readonly orderId: number | null
  /** What another fulfilment system calls the order. */
  readonly orderRef: string | null
  readonly from: string | null
  readonly to: string | null
  readonly promisedAt: Date | null
  /** False while only facts have told of it. */
  readonly registered: boolean
  /** The shipment that it became one with. */
  readonly mergedInto: number | null
  readonly token: string
  readonly standing: Standing
}

interface ShipmentRow {
  id: number
  waybill_id: number | null
  order_id: number | null
  order_ref: string | null
  lane_from: string | null
  lane_to: string | null
  promised_at: Date | null
  registered_at: Date | null
  merged_into: number | null
  token: string
  projection: StoredProjection
}

const shipmentColumns =
  'shipment.id, waybill_id, order_id, order_ref, lane_from, lane_to, promised_at, registered_at, merged_into, token, projection'

const shipmentOf = (row: ShipmentRow): Shipment => ({
  shipmentId: row.id,
  waybillId: row.waybill_id,
  orderId: row.order_id,
  orderRef: row.order_ref,
  from: row.lane_from,
  to: row.lane_to,
  promisedAt: row.promised_at,
  registered: row.registered_at !== null,
  mergedInto: row.merged_into,
  token: row.token,
  standing: unpackStanding(row.projection),
})

const takeIds = statement<{ id: number }>(
  'tracking.take_shipment_ids',
  `select nextval('tracking.shipment_id_seq') as id from generate_series(1, $1::int)`,
)

/** Ids before rows: numbers of a shipment are written in the statement that writes it. */
export async function takeShipmentIds(context: WriteContext, count: number): Promise<number[]> {
  return count === 0 ? [] : (await context.query(takeIds, [count])).map((row) => row.id)
}

const insertBorn = statement<{ id: number; waybill_id: number }>(
  'tracking.insert_shipments',
  `with asked as (
     select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::json[], $6::uuid[], $7::timestamptz[], $8::text[], $9::int[])
       with ordinality as asked (id, waybill_id, order_id, state, projection, fact_id, occurred_at, code, attempt, position)
   ), born as (
     insert into tracking.shipment (id, waybill_id, order_id, state, projection, created_at, registered_at)
     select id, waybill_id, order_id, state, projection, $10, $10 from asked order by position
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
    shipments.map((shipment) => JSON.stringify(packStanding(shipment.standing))),
    shipments.map((shipment) => shipment.fact.id),
    shipments.map((shipment) => new Date(shipment.fact.time)),
    shipments.map((shipment) => shipment.fact.code),
    shipments.map((shipment) => shipment.fact.attempt),
    context.now,
    source,
  ])
  return new Map(rows.map((row) => [row.waybill_id, row.id]))
}

const lockShipmentRows = statement<ShipmentRow & { position: number | null }>(
  'tracking.lock_shipments',
  // Materialised: as a subquery of the plan, rows that another caller had just changed were missing from the answer.
  `with asked as materialized (
     select id, null::int as position from unnest($1::bigint[]) as named (id)
     union all
     select shipment.id, null from unnest($2::bigint[]) as named (waybill_id) join tracking.shipment using (waybill_id)
     union all
     select reference.shipment_id, position::int
     from unnest($3::text[], $4::text[]) with ordinality as named (carrier, number, position) join tracking.reference using (carrier, number)
   )
   select asked.position, ${shipmentColumns} from asked join tracking.shipment using (id)
   order by shipment.id for update of shipment`,
)

export interface LockBy {
  readonly shipmentIds?: readonly number[]
  readonly waybillIds?: readonly number[]
  readonly references?: readonly Reference[]
}

export interface LockedShipments {
  readonly shipments: Map<number, Shipment>
  /** Which shipment each number is, by `nameOf`; numbers that nobody has named are not in it. */
  readonly byName: Map<string, number>
}

/** Locks shipments in ascending id order, the order of every lock on this table. Those that were merged come with where they went. */
export async function lockShipments(
  context: WriteContext,
  { shipmentIds = [], waybillIds = [], references = [] }: LockBy,
): Promise<LockedShipments> {
  const shipments = new Map<number, Shipment>()
  const byName = new Map<string, number>()
  const parameters = [
    [...new Set(shipmentIds)],
    [...new Set(waybillIds)],
    references.map(({ carrier }) => carrier),
    references.map(({ number }) => number),
  ]
  for (const row of await context.query(lockShipmentRows, parameters)) {
    if (!shipments.has(row.id)) shipments.set(row.id, shipmentOf(row))
    if (row.position !== null) byName.set(nameOf(references[row.position - 1] as Reference), row.id)
  }
  const elsewhere = [...shipments.values()].flatMap(({ mergedInto }) =>
    mergedInto === null || shipments.has(mergedInto) ? [] : [mergedInto],
  )
  // One step is enough: a shipment that is merged takes along all that was merged into it.
  if (elsewhere.length > 0)
    for (const [id, shipment] of (await lockShipments(context, { shipmentIds: elsewhere })).shipments) shipments.set(id, shipment)
  return { shipments, byName }
}

// tidy-ignore states: a state here is folded anew from all facts, so any may follow any; lockShipments has locked the row
const updateRows = statement(
  'tracking.update_shipments',
  `update tracking.shipment set state = folded.state, projection = folded.projection, version = version + 1
   from (select id, state, projection::json from unnest($1::bigint[], $2::text[], $3::text[]) as folded (id, state, projection)) as folded
   where shipment.id = folded.id`,
)

/** Leaves with the commit: nobody waits for it. Texts and not one JSON for all, which PostgreSQL would read more than once. */
export function updateShipments(context: WriteContext, folded: readonly { shipmentId: number; standing: Standing }[]): void {
  if (folded.length === 0) return
  context.defer(updateRows, [
    folded.map(({ shipmentId }) => shipmentId),
    folded.map(({ standing }) => standing.state),
    folded.map(({ standing }) => JSON.stringify(packStanding(standing))),
  ])
}

export interface NumberKey {
  /** Any carrier, unless told. */
  readonly carrier?: string
  readonly number: string
}

/** What a shipment may be asked by. */
export interface KeysByKind {
  readonly shipment: number
  readonly waybill: number
  readonly order: number
  readonly orderRef: string
  readonly token: string
  readonly number: NumberKey
}
export type KeyKind = keyof KeysByKind

const following = 'join tracking.shipment on shipment.id = coalesce(named.merged_into, named.id)'
const selectBy = (kind: string, column: string, type: string) =>
  statement<ShipmentRow & { position: number }>(
    `tracking.shipments_by_${kind}`,
    `select asked.position, ${shipmentColumns.replaceAll(/(?<=, )/g, 'shipment.')}
     from unnest($1::${type}[]) with ordinality as asked (key, position)
     join tracking.shipment as named on named.${column} = asked.key ${following} order by asked.position, shipment.id`,
  )
const byKind = {
  shipment: selectBy('id', 'id', 'bigint'),
  waybill: selectBy('waybill', 'waybill_id', 'bigint'),
  order: selectBy('order', 'order_id', 'bigint'),
  orderRef: selectBy('order_ref', 'order_ref', 'text'),
  token: selectBy('token', 'token', 'uuid'),
} as const
const selectByNumber = statement<ShipmentRow & { position: number }>(
  'tracking.shipments_by_number',
  `select asked.position, ${shipmentColumns.replaceAll(/(?<=, )/g, 'shipment.')}
   from unnest($1::text[], $2::text[]) with ordinality as asked (carrier, number, position)
   join tracking.reference on reference.number = asked.number and (asked.carrier is null or reference.carrier = asked.carrier)
   join tracking.shipment as named on named.id = reference.shipment_id ${following} order by asked.position, shipment.id`,
)

const statementOf = (kind: KeyKind) => (kind === 'number' ? undefined : byKind[kind])

/** Shipments by keys of one kind, in the order of the keys: for each key those that it names. A shipment that was merged is answered by the one it went into. */
export async function findShipments<Kind extends KeyKind>(
  context: ReadContext,
  kind: Kind,
  keys: readonly KeysByKind[Kind][],
): Promise<Shipment[][]> {
  const found = keys.map((): Shipment[] => [])
  if (keys.length === 0) return found
  const named = statementOf(kind)
  const rows =
    named === undefined
      ? await context.query(selectByNumber, [
          (keys as readonly NumberKey[]).map(({ carrier }) => carrier ?? null),
          (keys as readonly NumberKey[]).map(({ number }) => number),
        ])
      : await context.query(named, [keys])
  for (const row of rows) {
    const list = found[row.position - 1] as Shipment[]
    // Two numbers of one shipment are one answer.
    if (list.at(-1)?.shipmentId !== row.id) list.push(shipmentOf(row))
  }
  return found
}

const selectPage = statement<ShipmentRow & { state: string }>(
  'tracking.shipments_page',
  `select ${shipmentColumns}, state from tracking.shipment where id > $1 and merged_into is null order by id limit $2`,
)

export async function shipmentPage(context: ReadContext, after: number, limit: number): Promise<(Shipment & { state: string })[]> {
  return (await context.query(selectPage, [after, limit])).map((row) => ({ ...shipmentOf(row), state: row.state }))
}
