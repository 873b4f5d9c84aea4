import { isDeepStrictEqual } from 'node:util'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { ReadContext } from '#platform/database.ts'
import { archivedFactsOf, type ReadArchive, unreadableArchive } from './archive.ts'
import { arrivalsOf, type ArrivalView } from './arrivals.ts'
import { compareFacts, type Milestone } from './fold.ts'
import { type ArchivedMonth, archivedMonthsOf } from './months.ts'
import { numbersOf, type Reference } from './reference-store.ts'
import { findShipments, type KeyKind, type KeysByKind, type Shipment } from './shipment-store.ts'
import { factsOf, spanOf, type StoredFact } from './tracking-store.ts'

export interface TimelineEntry {
  /** Null where it is no fact but inherited. */
  readonly factId: string | null
  readonly occurredAt: string
  readonly code: string
  /** Null where the code says nothing about where the shipment stands. */
  readonly milestone: Milestone | null
  readonly place: string
  readonly source: string
  readonly detail: string | null
  /** True when another fact took it back. */
  readonly voided: boolean
  /** Code of the container that was seen there while the shipment was in it; null for facts of the shipment itself. */
  readonly inheritedFrom: string | null
}

export interface ShipmentView {
  readonly shipmentId: number
  /** Null where another system fulfils. */
  readonly waybillId: number | null
  readonly orderId: number | null
  /** What another fulfilment system calls the order. */
  readonly orderRef: string | null
  /** What carriers call the shipment. */
  readonly numbers: readonly Reference[]
  /** The lane: where it comes from and goes to, as the registration names them. */
  readonly from: string | null
  readonly to: string | null
  readonly promisedAt: string | null
  /** False while only facts have told of it, and nobody has said whose it is. */
  readonly registered: boolean
  /** Path of the page that anyone with this link may see. */
  readonly publicPath: string
  readonly state: Milestone
  readonly leg: number
  readonly attempt: number
  readonly exception: string | null
  /** Facts kept but not counted: out of order, or after the end. */
  readonly late: number
  /** When it is expected, from history; null where history says nothing, and once it has come or goes back. */
  readonly arrival: ArrivalView | null
  /** Months that are put away and may hold earlier facts of it, which the timeline does not show. */
  readonly archived: readonly ArchivedMonth[]
  readonly timeline: readonly TimelineEntry[]
}

export const publicPathOf = (token: string) => `/t/${token}`

function timelineOf(facts: readonly StoredFact[]): TimelineEntry[] {
  const voided = new Set(facts.flatMap((fact) => fact.voids ?? []))
  return facts.toSorted(compareFacts).map(({ id, time, code, milestone, place, source, detail }) => ({
    factId: id,
    occurredAt: new Date(time).toISOString(),
    code,
    milestone,
    place,
    source,
    detail,
    voided: voided.has(id),
    inheritedFrom: null,
  }))
}

/** Facts out of files beside those in tables; what is in both is one. */
function whole(facts: readonly StoredFact[] = [], filed: readonly StoredFact[] = []): readonly StoredFact[] {
  if (filed.length === 0) return facts
  return [...new Map([...filed, ...facts].map((fact) => [`${fact.time} ${fact.id}`, fact])).values()]
}

const either = (before: readonly ArchivedMonth[] = [], after: readonly ArchivedMonth[] = []): ArchivedMonth[] =>
  [...new Map([...before, ...after].map((each) => [each.month, each])).values()].toSorted((a, b) => (a.month < b.month ? -1 : 1))

/**
 * Views of shipments, with all their timelines, numbers and estimates in a few reads for any number of them. `filed` gives facts out of files
 * for their timelines; it is asked after the tables.
 */
async function viewShipments(
  context: ReadContext,
  shipments: readonly Shipment[],
  filed?: () => Promise<ReadonlyMap<number, readonly StoredFact[]>>,
): Promise<ShipmentView[]> {
  const ids = [...new Set(shipments.map((shipment) => shipment.shipmentId))]
  const span = spanOf(shipments.map(({ standing }) => standing))
  const archivedMonths = () =>
    archivedMonthsOf(
      context,
      shipments.map(({ shipmentId, standing }) => ({ shipmentId, first: standing.first ?? null })),
    )
  // Before the tables and after: of facts that go into a file or come back in between, the month is named all the same.
  const before = await archivedMonths()
  const [facts, numbers, arrivals] = await Promise.all([
    factsOf(context, ids, span),
    numbersOf(context, ids),
    arrivalsOf(context, shipments),
  ])
  const after = await archivedMonths()
  const more = await filed?.()
  return shipments.map(({ shipmentId, waybillId, orderId, orderRef, from, to, promisedAt, registered, token, standing }) => ({
    shipmentId,
    waybillId,
    orderId,
    orderRef,
    numbers: numbers.get(shipmentId) ?? [],
    from,
    to,
    promisedAt: promisedAt?.toISOString() ?? null,
    registered,
    publicPath: publicPathOf(token),
    state: standing.state,
    leg: standing.leg,
    attempt: standing.attempt,
    exception: standing.exception,
    late: standing.late,
    arrival: arrivals.get(shipmentId) ?? null,
    archived: either(before.get(shipmentId), after.get(shipmentId)),
    timeline: timelineOf(whole(facts.get(shipmentId), more?.get(shipmentId))),
  }))
}

/** Views by keys of one kind: for each key, in its place, those that it names. */
export async function shipmentsBy<Kind extends KeyKind>(
  context: ReadContext,
  kind: Kind,
  keys: readonly KeysByKind[Kind][],
): Promise<ShipmentView[][]> {
  const found = await findShipments(context, kind, keys)
  const views = (await viewShipments(context, found.flat())).values()
  return found.map((shipments) => shipments.map(() => views.next().value as ShipmentView))
}

/** Facts of one shipment in files that one answer holds. */
const mostArchived = 10_000

/** Views with all that is in files in their timelines, by id; undefined where there is no such shipment. For one or a few: files are slow. */
export async function viewHistories(
  context: ReadContext,
  shipmentIds: readonly number[],
  read: ReadArchive,
): Promise<(Outcome<ShipmentView> | undefined)[]> {
  const find = async () => (await findShipments(context, 'shipment', shipmentIds)).map(([shipment]) => shipment)
  for (let attempt = 1, found = await find(); ; attempt += 1) {
    const views = await viewFound(context, found, read)
    // What came back out of a file, or went to another shipment, after the tables and before the files were read would be in neither.
    const now = await find()
    if (attempt === attemptsMost || isDeepStrictEqual(now, found)) return views
    found = now
  }
}

/** How often a history is read whose shipment changes meanwhile. */
const attemptsMost = 3

async function viewFound(
  context: ReadContext,
  found: readonly (Shipment | undefined)[],
  read: ReadArchive,
): Promise<(Outcome<ShipmentView> | undefined)[]> {
  const shipments = [...new Map(found.flatMap((each) => (each === undefined ? [] : [[each.shipmentId, each] as const]))).values()]
  const refusals = new Map<number, Outcome<never>>()
  const views = await viewShipments(context, shipments, async () => {
    const { facts, unreadable } = await archivedFactsOf(context, shipments, read)
    for (const [shipmentId, file] of unreadable) refusals.set(shipmentId, unreadableArchive(shipmentId, file, '/shipmentId'))
    for (const [shipmentId, { length }] of facts)
      if (length > mostArchived)
        refusals.set(
          shipmentId,
          refused('tracking.history_too_long', `it has ${length} facts in files; throughline archive show tells them all`, '/shipmentId'),
        )
    return facts
  })
  const byId = new Map(views.map((view) => [view.shipmentId, view]))
  return found.map((shipment) =>
    shipment === undefined ? undefined : (refusals.get(shipment.shipmentId) ?? accepted(byId.get(shipment.shipmentId) as ShipmentView)),
  )
}

/** What anyone with the link may know: no ids of ours, no sources, nothing that was taken back. */
export interface PublicView {
  readonly state: Milestone
  readonly attempt: number
  readonly arrival: { readonly at: string; readonly from: string; readonly to: string } | null
  readonly timeline: readonly {
    readonly occurredAt: string
    readonly code: string
    readonly milestone: Milestone | null
    readonly place: string
  }[]
}

export function publicViewOf({ state, attempt, arrival, timeline }: ShipmentView): PublicView {
  const open = timeline.filter((entry) => !entry.voided && entry.code !== 'void')
  return {
    state,
    attempt,
    arrival: arrival === null ? null : { at: arrival.at, from: arrival.from, to: arrival.to },
    timeline: open.map(({ occurredAt, code, milestone, place }) => ({ occurredAt, code, milestone, place })),
  }
}

const tokenShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** A token that is no UUID is simply unknown; the database must not see it, since its cast would fail the batch. */
export const isToken = (token: string): boolean => tokenShape.test(token)
