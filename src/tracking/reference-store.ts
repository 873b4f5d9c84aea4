import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { Standing } from './fold.ts'
import { packStanding } from './projection.ts'

/** A number of a shipment, as a carrier has it. */
export interface Reference {
  readonly carrier: string
  readonly number: string
}

/** One text for a number, to keep it in maps; carriers have no spaces in their names. */
export const nameOf = ({ carrier, number }: Reference): string => `${carrier} ${number}`

/** Scanners and people write one number in several ways: letters of any size, blanks in between. */
export const normalNumber = (number: string): string => number.replaceAll(/\s+/g, '').toUpperCase()

interface ReferenceRow {
  carrier: string
  number: string
  shipment_id: number
}

const selectReferences = statement<ReferenceRow>(
  'tracking.references',
  `select reference.carrier, reference.number, reference.shipment_id
   from unnest($1::text[], $2::text[]) as asked (carrier, number) join tracking.reference using (carrier, number)`,
)

/** Which shipment each number is, by `nameOf`. */
export async function shipmentsOfNumbers(context: ReadContext, references: readonly Reference[]): Promise<Map<string, number>> {
  if (references.length === 0) return new Map()
  const rows = await context.query(selectReferences, [references.map(({ carrier }) => carrier), references.map(({ number }) => number)])
  return new Map(rows.map((row) => [nameOf(row), row.shipment_id]))
}

const insertReferences = statement<ReferenceRow>(
  'tracking.insert_references',
  `with asked as (
     select * from unnest($1::text[], $2::text[], $3::bigint[]) as asked (carrier, number, shipment_id)
   ), named as (
     insert into tracking.reference (carrier, number, shipment_id)
     select carrier, number, shipment_id from asked order by carrier, number
     on conflict do nothing returning carrier, number, shipment_id
   ), opened as (
     insert into tracking.shipment (id, state, projection, created_at)
     select shipment_id, 'created', $5::json, $6::timestamptz from (select distinct shipment_id from named) as opened
     where shipment_id = any($4::bigint[])
   )
   select carrier, number, shipment_id from named`,
)

/**
 * Gives numbers to shipments; those that have one already keep it. A shipment of `fresh` is opened when it got a number, and not when
 * another caller was first with all of them. Who inserts does so in the order of carrier and number. Returns those that were given here.
 */
export async function giveNumbers(
  context: WriteContext,
  given: readonly (Reference & { readonly shipmentId: number })[],
  { fresh, standing }: { fresh: readonly number[]; standing: Standing },
): Promise<(Reference & { readonly shipmentId: number })[]> {
  if (given.length === 0) return []
  const rows = await context.query(insertReferences, [
    given.map(({ carrier }) => carrier),
    given.map(({ number }) => number),
    given.map(({ shipmentId }) => shipmentId),
    fresh,
    JSON.stringify(packStanding(standing)),
    context.now,
  ])
  return rows.map(({ carrier, number, shipment_id: shipmentId }) => ({ carrier, number, shipmentId }))
}

const deleteReferences = statement(
  'tracking.take_back_references',
  `with gone as (
     delete from tracking.reference using unnest($1::text[], $2::text[]) as asked (carrier, number)
     where reference.carrier = asked.carrier and reference.number = asked.number
   )
   delete from tracking.shipment where id = any($3::bigint[])`,
)

/** Takes numbers back that this transaction gave, with shipments that it opened for nothing but them. */
export async function takeBackNumbers(context: WriteContext, given: readonly Reference[], opened: readonly number[]): Promise<void> {
  if (given.length === 0) return
  await context.query(deleteReferences, [given.map(({ carrier }) => carrier), given.map(({ number }) => number), opened])
}

const selectNumbers = statement<ReferenceRow>(
  'tracking.numbers_of_shipments',
  `select carrier, number, shipment_id from tracking.reference where shipment_id = any($1::bigint[]) order by shipment_id, carrier, number`,
)

export async function numbersOf(context: ReadContext, shipmentIds: readonly number[]): Promise<Map<number, Reference[]>> {
  const found = new Map<number, Reference[]>()
  if (shipmentIds.length === 0) return found
  for (const { shipment_id: shipmentId, carrier, number } of await context.query(selectNumbers, [shipmentIds])) {
    const list = found.get(shipmentId)
    if (list === undefined) found.set(shipmentId, [{ carrier, number }])
    else list.push({ carrier, number })
  }
  return found
}

const moveFacts = statement(
  'tracking.move_facts',
  `with pair as (
     select * from unnest($1::bigint[], $2::bigint[]) as pair (from_id, into_id)
   ), gone as (
     delete from tracking.event using pair where event.shipment_id = pair.from_id
     returning event.*, pair.into_id
   ), kept as (
     insert into tracking.event (shipment_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, received_at)
     select into_id, occurred_at, id, code, milestone, attempt, zone_known, place, source, source_id, voids, detail, received_at from gone
     on conflict do nothing
   ), pointed as (
     update tracking.source_fact set shipment_id = gone.into_id from gone where gone.source_id is not null and source_fact.id = gone.id
   ), replaced as (
     update tracking.replaced_fact set shipment_id = pair.into_id from pair where replaced_fact.shipment_id = pair.from_id
   )
   update tracking.reference set shipment_id = pair.into_id from pair where reference.shipment_id = pair.from_id`,
)
const closeMerged = statement(
  'tracking.close_merged',
  `update tracking.shipment set merged_into = pair.into_id, version = version + 1
   from unnest($1::bigint[], $2::bigint[]) as pair (from_id, into_id)
   where shipment.id = pair.from_id or shipment.merged_into = pair.from_id`,
)

/** Moves all that is known of some shipments to others. Both must be locked and have nothing in files (recall); who is moved to must not itself be moved. */
export async function mergeShipments(context: WriteContext, pairs: readonly { from: number; into: number }[]): Promise<void> {
  if (pairs.length === 0) return
  const parameters = [pairs.map(({ from }) => from), pairs.map(({ into }) => into)]
  await context.query(moveFacts, parameters)
  await context.query(closeMerged, parameters)
}

const updateRegistered = statement(
  'tracking.register_shipments',
  `update tracking.shipment set
     order_id = coalesce(asked.order_id, shipment.order_id), order_ref = coalesce(asked.order_ref, shipment.order_ref),
     lane_from = coalesce(asked.lane_from, shipment.lane_from), lane_to = coalesce(asked.lane_to, shipment.lane_to),
     promised_at = coalesce(asked.promised_at, shipment.promised_at), registered_at = coalesce(shipment.registered_at, $7),
     version = version + 1
   from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
     as asked (id, order_id, order_ref, lane_from, lane_to, promised_at)
   where shipment.id = asked.id and (shipment.registered_at is null
     or (coalesce(asked.order_id, shipment.order_id), coalesce(asked.order_ref, shipment.order_ref), coalesce(asked.lane_from, shipment.lane_from),
         coalesce(asked.lane_to, shipment.lane_to), coalesce(asked.promised_at, shipment.promised_at))
       is distinct from (shipment.order_id, shipment.order_ref, shipment.lane_from, shipment.lane_to, shipment.promised_at))`,
)

export interface RegisteredAs {
  readonly orderId?: number
  readonly orderRef?: string
  readonly from?: string
  readonly to?: string
  readonly promisedAt?: Date
}

/** One entry for a shipment; what an entry does not say stays. */
export async function updateRegistrations(context: WriteContext, entries: ReadonlyMap<number, RegisteredAs>): Promise<void> {
  if (entries.size === 0) return
  const rows = [...entries.values()]
  await context.query(updateRegistered, [
    [...entries.keys()],
    rows.map(({ orderId }) => orderId ?? null),
    rows.map(({ orderRef }) => orderRef ?? null),
    rows.map(({ from }) => from ?? null),
    rows.map(({ to }) => to ?? null),
    rows.map(({ promisedAt }) => promisedAt ?? null),
    context.now,
  ])
}
