import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { type Base, fold, seal, type Standing, unsealed } from './fold.ts'
import { packStanding, type StoredProjection, unpackStanding } from './projection.ts'
import { lockShipments, updateShipments } from './shipment-store.ts'
import { factsOf, type Span } from './tracking-store.ts'

const selectSealed = statement<{ shipment_id: number; standing: StoredProjection; voided: string[] }>(
  'tracking.sealed',
  `select shipment_id, standing, voided::text[] from tracking.sealed where shipment_id = any($1::bigint[])`,
)

async function basesOf(context: ReadContext, shipmentIds: readonly number[]): Promise<Map<number, Base>> {
  const rows = await context.query(selectSealed, [shipmentIds])
  return new Map(rows.map(({ shipment_id, standing, voided }) => [shipment_id, { standing: unpackStanding(standing), voided }]))
}

/** Where shipments stand by all their facts: those in tables, folded onto what those in files came to. */
export async function foldShipments(context: ReadContext, shipmentIds: readonly number[], span?: Span): Promise<Map<number, Standing>> {
  if (shipmentIds.length === 0) return new Map()
  const [facts, bases] = await Promise.all([factsOf(context, shipmentIds, span), basesOf(context, shipmentIds)])
  return new Map([...facts].map(([shipmentId, own]) => [shipmentId, fold(own, bases.get(shipmentId))]))
}

const unsealedOfMonth = statement<{ shipment_id: number }>(
  'tracking.unsealed_of_month',
  'select shipment_id from tracking.unsealed_of_month($1::date, $2, $3::int)',
)
const sealAgainOfMonth = statement<{ shipment_id: number }>(
  'tracking.seal_again_of_month',
  'select shipment_id from tracking.seal_again_of_month($1::date, $2, $3::int)',
)
const writeSealed = statement(
  'tracking.write_sealed',
  `insert into tracking.sealed (shipment_id, until, standing, voided)
   select id, $1, standing, voided::uuid[] from json_to_recordset($2::json) as asked (id bigint, standing json, voided text[])
   on conflict (shipment_id) do update set until = excluded.until, standing = excluded.standing, voided = excluded.voided`,
)

const shipmentsAPage = 500

export interface SealPage {
  /** The last shipment of the page before. */
  readonly after: number
  /** Of those only that something came for since sealing began. */
  readonly noted?: boolean
}

/** Seals the next shipments behind `after` that have facts of a month up to its end; says which was the last, null when none was left. */
export async function sealSome(context: WriteContext, month: string, { after, noted = false }: SealPage): Promise<number | null> {
  const asked = noted ? sealAgainOfMonth : unsealedOfMonth
  const ids = (await context.query(asked, [month, after, shipmentsAPage])).map((row) => row.shipment_id)
  const last = ids.at(-1)
  if (last === undefined) return null
  const until = endOf(month)
  await lockShipments(context, { shipmentIds: ids })
  const [facts, bases] = await Promise.all([factsOf(context, ids), basesOf(context, ids)])
  const sealed = [...facts].map(([shipmentId, own]) => {
    const base = seal(own, until, bases.get(shipmentId) ?? unsealed)
    return { shipmentId, base, standing: fold(own, base) }
  })
  await context.query(writeSealed, [
    new Date(until),
    JSON.stringify(sealed.map(({ shipmentId, base }) => ({ id: shipmentId, standing: packStanding(base.standing), voided: base.voided }))),
  ])
  updateShipments(context, sealed)
  return last
}

const endOf = (month: string): number => {
  const first = new Date(month)
  return Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 1)
}
