import type { ReadContext, WriteContext } from '#platform/database.ts'
import { checkTracking } from './check.ts'
import type { Milestone } from './fold.ts'
import { operations } from './operations.ts'
import { type Page, renderPage } from './public-page.ts'
import { type Movement, recordFacts, recordMovements, type ReportedFact } from './record-facts.ts'
import { isToken, publicViewOf, type ShipmentView, viewShipments } from './shipment-view.ts'
import { findShipments } from './tracking-store.ts'

export { type Judged, judgeArrivals, type JudgedTrip } from './arrival/judge.ts'
export type { BrokenEvent, CarrierAdapter, CarrierEvent } from './carrier-adapter.ts'
export { carrierCodes, carrierMeaningOf } from './carriers/index.ts'
export type { LawReport } from './check.ts'
export { type MilestoneReached, type MilestoneWithdrawn, trackingEventTypes } from './events.ts'
export type { Milestone }
export type { Page } from './public-page.ts'
export type { Movement, RecordedFact, ReportedFact } from './record-facts.ts'
export type { ShipmentView, TimelineEntry } from './shipment-view.ts'

/**
 * Tracking: where each shipment stands, from facts that come in any order and any number of copies. Every function works in the
 * transaction of the context it is given; repeating a command has no second effect.
 */
export function openTracking() {
  return {
    operations,
    /** Follows waybills: `created` opens a shipment, later states become facts. A waybill's birth must come before its moves. */
    recordMovements: (context: WriteContext, movements: readonly Movement[]) => recordMovements(context, movements),
    recordFacts: (context: WriteContext, facts: readonly ReportedFact[]) => recordFacts(context, facts),
    shipmentsOfOrders: async (context: ReadContext, orderIds: readonly number[]): Promise<ShipmentView[]> =>
      viewShipments(context, await findShipments(context, 'order', orderIds)),
    /** Where the shipment of each waybill of some orders stands. */
    milestonesOfOrders: async (context: ReadContext, orderIds: readonly number[]): Promise<Map<number, Milestone>> => {
      const shipments = await findShipments(context, 'order', orderIds)
      return new Map(shipments.map(({ waybillId, standing }) => [waybillId, standing.state]))
    },
    /** The HTML page behind a public link; status 404 with a page that helps when there is none. */
    publicPage: async (context: ReadContext, token: string): Promise<Page> => {
      const shipments = isToken(token) ? await findShipments(context, 'token', [token]) : []
      const [view] = await viewShipments(context, shipments)
      return renderPage(view === undefined ? undefined : publicViewOf(view))
    },
    check: (context: ReadContext) => checkTracking(context),
  }
}

export type Tracking = ReturnType<typeof openTracking>
