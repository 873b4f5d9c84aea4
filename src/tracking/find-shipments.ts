import type { WriteContext } from '#platform/database.ts'
import { nothingYet } from './fold.ts'
import { giveNumbers, type Reference } from './reference-store.ts'
import type { Named } from './reported-fact.ts'
import { lockShipments, type Shipment, takeShipmentIds } from './shipment-store.ts'

/** Shipments that are locked, by whatever they were named by. */
export interface Locked {
  readonly shipments: ReadonlyMap<number, Shipment>
  /** undefined: there is none. A shipment that was merged is answered by the one it went into. */
  find(named: Named): Shipment | undefined
}

/**
 * Finds and locks shipments; with `open`, numbers that nobody has ever named open one. What is known is found and locked by one
 * statement, by rising id. Numbers are given while these locks are held, so two callers may wait for each other when both give numbers
 * that both name; the database ends one of them, and it is run again.
 */
export async function lockNamed(context: WriteContext, named: readonly Named[], { open }: { open: boolean }): Promise<Locked> {
  const references = new Map<string, Reference>()
  for (const each of named) if (each.by === 'number') references.set(each.name, each.reference)
  const { shipments, byName } = await lockShipments(context, {
    shipmentIds: named.flatMap((each) => (each.by === 'shipment' ? each.shipmentId : [])),
    waybillIds: named.flatMap((each) => (each.by === 'waybill' ? each.waybillId : [])),
    references: [...references.values()],
  })
  const unknown = [...references].flatMap(([name, reference]) => (byName.has(name) ? [] : [reference]))
  if (open && unknown.length > 0) {
    await openByNumber(context, unknown)
    // Another caller may have been first with some; a new statement sees what it committed.
    const opened = await lockShipments(context, { references: unknown })
    for (const [id, shipment] of opened.shipments) shipments.set(id, shipment)
    for (const [name, id] of opened.byName) byName.set(name, id)
  }
  const byWaybill = new Map([...shipments.values()].map((shipment) => [shipment.waybillId, shipment]))
  const followed = (shipment: Shipment | undefined): Shipment | undefined =>
    shipment === undefined || shipment.mergedInto === null ? shipment : shipments.get(shipment.mergedInto)
  return {
    shipments,
    find(asked) {
      if (asked.by === 'shipment') return followed(shipments.get(asked.shipmentId))
      if (asked.by === 'waybill') return followed(byWaybill.get(asked.waybillId))
      return followed(shipments.get(byName.get(asked.name) ?? 0))
    },
  }
}

async function openByNumber(context: WriteContext, references: readonly Reference[]): Promise<void> {
  const fresh = await takeShipmentIds(context, references.length)
  await giveNumbers(
    context,
    references.map((reference, index) => ({ ...reference, shipmentId: fresh[index] as number })),
    { fresh, standing: nothingYet },
  )
}
