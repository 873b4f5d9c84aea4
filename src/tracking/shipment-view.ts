import type { ReadContext } from '#platform/database.ts'
import { compareKeys, type Milestone, sortKeyOf } from './fold.ts'
import { factsOf, type Shipment, type StoredFact } from './tracking-store.ts'

export interface TimelineEntry {
  readonly factId: string
  readonly occurredAt: string
  readonly code: string
  /** Null where the code says nothing about where the shipment stands. */
  readonly milestone: Milestone | null
  readonly place: string
  readonly source: string
  readonly detail: string | null
  /** True when another fact took it back. */
  readonly voided: boolean
}

export interface ShipmentView {
  readonly shipmentId: number
  readonly waybillId: number
  readonly orderId: number
  /** Path of the page that anyone with this link may see. */
  readonly publicPath: string
  readonly state: Milestone
  readonly leg: number
  readonly attempt: number
  readonly exception: string | null
  /** Facts kept but not counted: out of order, or after the end. */
  readonly late: number
  readonly timeline: readonly TimelineEntry[]
}

export const publicPathOf = (token: string) => `/t/${token}`

function timelineOf(facts: readonly StoredFact[]): TimelineEntry[] {
  const voided = new Set(facts.flatMap((fact) => fact.voids ?? []))
  return facts
    .toSorted((a, b) => compareKeys(sortKeyOf(a), sortKeyOf(b)))
    .map(({ id, time, code, milestone, place, source, detail }) => ({
      factId: id,
      occurredAt: new Date(time).toISOString(),
      code,
      milestone,
      place,
      source,
      detail,
      voided: voided.has(id),
    }))
}

/** Views of shipments, with all their timelines in one read. */
export async function viewShipments(context: ReadContext, shipments: readonly Shipment[]): Promise<ShipmentView[]> {
  const facts = await factsOf(
    context,
    shipments.map((shipment) => shipment.shipmentId),
  )
  return shipments.map(({ shipmentId, waybillId, orderId, token, standing: { state, leg, attempt, exception, late } }) => ({
    shipmentId,
    waybillId,
    orderId,
    publicPath: publicPathOf(token),
    state,
    leg,
    attempt,
    exception,
    late,
    timeline: timelineOf(facts.get(shipmentId) ?? []),
  }))
}

/** What anyone with the link may know: no ids of ours, no sources, nothing that was taken back. */
export interface PublicView {
  readonly state: Milestone
  readonly attempt: number
  readonly timeline: readonly {
    readonly occurredAt: string
    readonly code: string
    readonly milestone: Milestone | null
    readonly place: string
  }[]
}

export function publicViewOf({ state, attempt, timeline }: ShipmentView): PublicView {
  const open = timeline.filter((entry) => !entry.voided && entry.code !== 'void')
  return { state, attempt, timeline: open.map(({ occurredAt, code, milestone, place }) => ({ occurredAt, code, milestone, place })) }
}

const tokenShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** A token that is no UUID is simply unknown; the database must not see it, since its cast would fail the batch. */
export const isToken = (token: string): boolean => tokenShape.test(token)
