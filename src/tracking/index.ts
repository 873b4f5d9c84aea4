import type { ReadContext, WriteContext } from '#platform/database.ts'
import { filedIdsOf, noArchive, type ReadArchive } from './archive.ts'
import { arrivalOperations } from './arrival-operations.ts'
import { fitArrivalModel } from './arrivals.ts'
import { CarrierDesk, type CarrierDeskOptions } from './carrier-desk.ts'
import { carrierOperations } from './carrier-operations.ts'
import { checkTracking } from './check.ts'
import type { Milestone } from './fold.ts'
import type { FindInherited } from './inherited.ts'
import { shipmentOperations } from './operations.ts'
import { type Page, pageContent, renderPage } from './public-page.ts'
import { publicVersions } from './public-versions.ts'
import { comparePage, rebuildPage } from './rebuild.ts'
import { recordFacts, type RecordOptions } from './record-facts.ts'
import { type Movement, recordMovements } from './record-movements.ts'
import { type RegisterShipment, registerShipments } from './register-shipments.ts'
import type { ReportedFact } from './reported-fact.ts'
import { findShipments, type KeyKind, type KeysByKind } from './shipment-store.ts'
import { sealSome } from './fold-shipments.ts'
import { beginSeal, detachMonth, dropMonth, monthsOf, openMonths, takeMonthPage } from './months.ts'
import { shipmentsBy, type ShipmentView, viewHistories } from './shipment-view.ts'
import { type FedRecord, takeRecords } from './take-records.ts'
import { listUnknownCodes, unknownBySource } from './unknown-codes.ts'

export { type Judged, judgeArrivals, type JudgedTrip } from './arrival/judge.ts'
export type { BrokenEvent, CarrierAdapter, CarrierEvent } from './carrier-adapter.ts'
export type { ArchivedRow, ReadArchive } from './archive.ts'
export { carrierCodes, carrierMeaningOf } from './carriers/index.ts'
export type { LawReport } from './check.ts'
export { type MilestoneReached, type MilestoneWithdrawn, trackingEventTypes } from './events.ts'
export type { Milestone }
export { foldReported } from './fold-reported.ts'
export { unpackStanding } from './projection.ts'
export type { Month, MonthRow } from './months.ts'
export type { Page } from './public-page.ts'
export type { RecordedFact } from './record-facts.ts'
export type { Movement } from './record-movements.ts'
export type { Reference } from './reference-store.ts'
export type { RegisteredShipment, RegisterShipment } from './register-shipments.ts'
export type { ReportedFact } from './reported-fact.ts'
export type { KeyKind, KeysByKind, NumberKey } from './shipment-store.ts'
export type { FedRecord, Taken } from './take-records.ts'
export type { ShipmentView, TimelineEntry } from './shipment-view.ts'

export interface TrackingOptions {
  /** Without it no webhook of a carrier is taken. */
  readonly carriers?: CarrierDeskOptions
  /** Where waybills were by what they were in; without it timelines have facts only. */
  readonly inherited?: FindInherited
  /** Reads the files of months that were put away; without it what is about their facts is refused. */
  readonly archive?: ReadArchive
}

/**
 * Tracking: where each shipment stands, from facts that come in any order and any number of copies. Every function works in the
 * transaction of the context it is given; repeating a command has no second effect.
 */
export function openTracking({ carriers, inherited, archive = noArchive }: TrackingOptions = {}) {
  const desk = carriers === undefined ? undefined : new CarrierDesk({ archive, ...carriers })
  return {
    operations: [
      ...shipmentOperations(archive, inherited),
      ...arrivalOperations,
      listUnknownCodes,
      ...(desk === undefined ? [] : carrierOperations(desk)),
    ],
    /** Takes webhooks of carriers; undefined where none is to be taken. */
    desk,
    /** Follows waybills: `created` opens a shipment, later states become facts. A waybill's birth must come before its moves. */
    recordMovements: (context: WriteContext, movements: readonly Movement[]) => recordMovements(context, movements, { archive }),
    /**
     * Records facts from anyone. A carrier's number that nobody has registered opens a shipment. Facts more than a day ahead or a year
     * behind are refused, unless `limits` says otherwise.
     */
    recordFacts: (context: WriteContext, facts: readonly ReportedFact[], limits?: Pick<RecordOptions, 'until' | 'since'>) =>
      recordFacts(context, facts, { ...limits, archive }),
    /** Says whose shipments are, by whatever numbers they have; numbers that were told of before are joined, never doubled. */
    registerShipments: (context: WriteContext, commands: readonly RegisterShipment[]) => registerShipments(context, commands, { archive }),
    /** Shipments with their timelines by keys of one kind: for each key, in its place, those that it names. */
    shipmentsBy: async <Kind extends KeyKind>(
      context: ReadContext,
      kind: Kind,
      keys: readonly KeysByKind[Kind][],
    ): Promise<ShipmentView[][]> => shipmentsBy(context, kind, keys),
    /** One or a few shipments by id with what is in files in their timelines; undefined where there is none. */
    histories: (context: ReadContext, shipmentIds: readonly number[]) => viewHistories(context, shipmentIds, archive),
    shipmentsOfOrders: async (context: ReadContext, orderIds: readonly number[]): Promise<ShipmentView[]> =>
      (await shipmentsBy(context, 'order', orderIds)).flat(),
    /** Where the shipment of each waybill of some orders stands. */
    milestonesOfOrders: async (context: ReadContext, orderIds: readonly number[]): Promise<Map<number, Milestone>> => {
      const shipments = (await findShipments(context, 'order', orderIds)).flat()
      return new Map(shipments.flatMap(({ waybillId, standing }) => (waybillId === null ? [] : [[waybillId, standing.state]])))
    },
    /** The HTML page behind a public link; status 404 with a page that helps when there is none. */
    publicPage: async (context: ReadContext, token: string): Promise<Page> => {
      // The version first: should a fact come in between, the page is told of it once too often and never once too little.
      const [version] = (await publicVersions(context, [token])).values()
      const [view] = version === undefined ? [] : (await shipmentsBy(context, 'token', [token])).flat()
      return renderPage(view, version ?? 0)
    },
    /** How often what each link shows has changed; links of nothing are left out. */
    publicVersions: (context: ReadContext, tokens: readonly string[]) => publicVersions(context, tokens),
    /** What pages that are open must show now, by link. */
    publicContents: async (context: ReadContext, tokens: readonly string[]): Promise<Map<string, string>> => {
      const found = await shipmentsBy(context, 'token', tokens)
      return new Map(tokens.flatMap((token, index) => found[index]?.map((view) => [token, pageContent(view)] as const) ?? []))
    },
    /** Learns anew how long each stage takes; null while nothing has been delivered. */
    fitArrivals: (context: WriteContext) => fitArrivalModel(context),
    /** Records facts of a stream; what can not be taken is kept with its reason. */
    takeRecords: (context: WriteContext, feed: string, records: readonly FedRecord[]) => takeRecords(context, feed, { records, archive }),
    /** How often each source told a code that is in no table, by whatever way. */
    unknownBySource: (context: ReadContext) => unknownBySource(context),
    /** Makes the tables of this month and the next three; a round. Says how many are new. */
    openMonths: (context: WriteContext) => openMonths(context),
    /** Putting a month away: begin, seal until none is left, detach, take its pages into a file, drop. Each step may be run again. */
    months: {
      list: (context: ReadContext) => monthsOf(context),
      /** Ids under which files may have facts of a shipment. */
      filedIds: (context: ReadContext, shipmentId: number) => filedIdsOf(context, shipmentId),
      begin: (context: WriteContext, month: string) => beginSeal(context, month),
      seal: (context: WriteContext, month: string, after: number) => sealSome(context, month, { after }),
      detach: (context: WriteContext, month: string) => detachMonth(context, month),
      takePage: (context: ReadContext, month: string, after: number) => takeMonthPage(context, month, after),
      drop: (context: WriteContext, month: string, into: { readonly file: string; readonly facts: number }) =>
        dropMonth(context, month, into),
    },
    /** A page of shipments against their facts; in a survey. */
    comparePage: (context: ReadContext, after: number, most?: number) => comparePage(context, after, most),
    /** The same, and what differs is made anew from its facts. */
    rebuildPage: (context: WriteContext, after: number) => rebuildPage(context, after),
    check: (context: ReadContext) => checkTracking(context),
  }
}

export type Tracking = ReturnType<typeof openTracking>
