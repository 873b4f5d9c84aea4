import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { contentOf, milestoneOf, priorityOf, secondOf, sourceFactIdOf, versionOf } from './fact.ts'
import { nameOf, normalNumber, type Reference } from './reference-store.ts'
import type { IncomingFact } from './tracking-store.ts'

/** A fact from any source. One of shipmentId, waybillId, and carrier with number says which shipment; in this order, where there are several. */
export interface ReportedFact {
  readonly shipmentId?: number
  readonly waybillId?: number
  /** A number that nobody has registered opens a shipment, which a later registration joins. */
  readonly carrier?: string
  readonly number?: string
  readonly code: string
  readonly occurredAt: Date
  readonly source: string
  /** What the source calls this fact. There is one fact under it: another content is a correction. */
  readonly sourceId?: string
  /** Of several contents under one source id the one with the highest revision counts; of one revision, the latest time of occurrence. */
  readonly revision?: number
  readonly place?: string
  readonly detail?: string
  readonly attempt?: number
  /** False when the source gave local time without a zone. */
  readonly zoneKnown?: boolean
  /** Id of a fact that this one takes back. */
  readonly voids?: string
  /** The same, by what its source calls it. */
  readonly voidsSourceId?: string
}

/** Which shipment a fact is about: an id, or a name to look up. */
export type Named =
  | { readonly by: 'shipment'; readonly shipmentId: number }
  | { readonly by: 'waybill'; readonly waybillId: number }
  | { readonly by: 'number'; readonly reference: Reference; readonly name: string }

/** Our own numbers are not kept, for they are the ids: S17 is shipment 17, W17 the shipment of waybill 17. */
export const ownCarrier = 'throughline'
const ownNumber = /^([SW])([1-9]\d{0,14})$/

export function namedBy({ shipmentId, waybillId, carrier, number }: ReportedFact): Outcome<Named> {
  if (shipmentId !== undefined) return accepted({ by: 'shipment', shipmentId })
  if (waybillId !== undefined) return accepted({ by: 'waybill', waybillId })
  if (carrier === undefined || number === undefined)
    return refused('tracking.no_shipment_named', 'name the shipment by shipmentId, by waybillId, or by carrier and number', '/number')
  return referenceNamed({ carrier, number })
}

export function referenceNamed(given: Reference, field = '/number'): Outcome<Named> {
  const reference = { carrier: given.carrier, number: normalNumber(given.number) }
  if (reference.number === '') return refused('tracking.no_number', 'a number has letters or digits', field)
  if (reference.carrier !== ownCarrier) return accepted({ by: 'number', reference, name: nameOf(reference) })
  const [, kind, digits] = ownNumber.exec(reference.number) ?? []
  if (kind === undefined)
    return refused('tracking.unknown_shipment', `a number of ${ownCarrier} is S17 or W17, for shipment or waybill 17`, field)
  return accepted(kind === 'S' ? { by: 'shipment', shipmentId: Number(digits) } : { by: 'waybill', waybillId: Number(digits) })
}

const textOf = (named: Named): string =>
  named.by === 'shipment' ? `S${named.shipmentId}` : named.by === 'waybill' ? `W${named.waybillId}` : named.name

export function unknownShipment(named: Named, field?: string): Outcome<never> {
  if (named.by === 'shipment')
    return refused('tracking.unknown_shipment', `there is no shipment ${named.shipmentId}`, field ?? '/shipmentId')
  if (named.by === 'waybill')
    return refused('tracking.unknown_shipment', `there is no shipment of waybill ${named.waybillId}`, field ?? '/waybillId')
  return refused('tracking.unknown_shipment', `there is no shipment ${named.name}`, field ?? '/number')
}

/** A fact as it is stored, but for its shipment: all of the work that can be done before that one is found and locked. */
export type Draft = Omit<IncomingFact, 'shipmentId'>

export function draftOf(reported: ReportedFact, named?: Named): Draft {
  const { code, source, sourceId = null, place = '', detail = null, attempt = null, zoneKnown = true, revision = 0 } = reported
  const voids = reported.voids ?? (reported.voidsSourceId === undefined ? null : sourceFactIdOf(source, reported.voidsSourceId))
  // Whole seconds, as the content has them: two copies of one fact must be one row, whichever comes first.
  const time = secondOf(reported.occurredAt.getTime())
  const content = contentOf({ source, code, time, place, attempt, zoneKnown, voids })
  return {
    id: sourceId === null ? content : sourceFactIdOf(source, sourceId),
    content,
    time,
    milestone: voids === null ? milestoneOf(source, code) : null,
    priority: priorityOf(source),
    attempt,
    zoneKnown,
    voids,
    code,
    place,
    source,
    sourceId,
    detail,
    revision,
    version: sourceId === null ? null : versionOf(content, named === undefined ? '' : textOf(named), detail),
  }
}

/** Which of two versions under one source id counts: the same for both orders in which they may come. */
export function isBetter(
  a: { readonly revision: number; readonly time: number; readonly version: string | null },
  b: { readonly revision: number; readonly time: number; readonly version: string | null },
): boolean {
  if (a.revision !== b.revision) return a.revision > b.revision
  if (a.time !== b.time) return a.time > b.time
  return (a.version ?? '') > (b.version ?? '')
}
