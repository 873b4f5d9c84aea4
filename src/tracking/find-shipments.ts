import type { WriteContext } from '#platform/database.ts'
import { nothingYet } from './fold.ts'
import { giveNumbers, shipmentsOfNumbers, type Reference } from './reference-store.ts'
import type { Named } from './reported-fact.ts'
import { lockShipments, type Shipment, takeShipmentIds } from './shipment-store.ts'

/** Shipments that are locked, by whatever they were named by. */
export interface Locked {
  readonly shipments: ReadonlyMap<number, Shipment>
  /** undefined: there is none. A shipment that was merged is answered by the one it went into. */
  find(named: Named): Shipment | undefined
}

/**
 * Finds and locks shipments; with `open`, numbers that nobody has ever named open one. Numbers are looked up and given before anything is
 * locked, and locks are taken by rising id, so that callers wait for each other in one order.
 */
export async function lockNamed(context: WriteContext, named: readonly Named[], { open }: { open: boolean }): Promise<Locked> {
  const references = new Map<string, Reference>()
  for (const each of named) if (each.by === 'number') references.set(each.name, each.reference)
  const known = await shipmentsOfNumbers(context, [...references.values()])
  const byName = open ? await openByNumber(context, references, known) : known
  const locked = await lockShipments(context, {
    shipmentIds: [...named.flatMap((each) => (each.by === 'shipment' ? each.shipmentId : [])), ...byName.values()],
    waybillIds: named.flatMap((each) => (each.by === 'waybill' ? each.waybillId : [])),
  })
  const shipments = new Map(locked.map((shipment) => [shipment.shipmentId, shipment]))
  const byWaybill = new Map(locked.map((shipment) => [shipment.waybillId, shipment]))
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

async function openByNumber(
  context: WriteContext,
  references: ReadonlyMap<string, Reference>,
  known: Map<string, number>,
): Promise<Map<string, number>> {
  const unknown = [...references].filter(([name]) => !known.has(name))
  if (unknown.length === 0) return known
  const fresh = await takeShipmentIds(context, unknown.length)
  await giveNumbers(
    context,
    unknown.map(([, reference], index) => ({ ...reference, shipmentId: fresh[index] as number })),
    { fresh, projection: nothingYet },
  )
  // Another caller may have been first with some; a new statement sees what it committed.
  const opened = await shipmentsOfNumbers(
    context,
    unknown.map(([, reference]) => reference),
  )
  return new Map([...known, ...opened])
}
