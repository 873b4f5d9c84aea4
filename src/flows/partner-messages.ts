import { type Static, type TObject, type TSchema, Type } from 'typebox'
import type { StoredWaybill, WaybillLate, WaybillMoved, WaybillsCreated } from '#fulfilment'
import type { OrderCancelled, OrderMoved, OrderPlaced } from '#orders'
import type { PaymentsMoved } from '#payments'
import type { DeliveredEvent } from '#platform/events.ts'
import type { RoutingAssigned } from '#routing'
import type { MilestoneReached } from '#tracking'
import type { SalesOrderMade, SalesOrderMoved } from '#warehousing'

/**
 * What partners are told. These shapes are a promise to others: they are not our events, which may change with us, but made from them. A
 * change that a reader could stumble over is a new version beside the old one.
 */
export interface PartnerMessage {
  /** Follows the partner in the topic: `wms.waybill.released`. */
  readonly name: string
  readonly version: number
  readonly about: string
  /** The event that it is made from. */
  readonly event: string
  /** Whether what the waybill holds has to be looked up; events say it by number only. */
  readonly needsWaybill?: true
  readonly schema: TObject
  /** The body, or undefined where this event is none of its kind. */
  readonly of: (event: DeliveredEvent, waybill: StoredWaybill | undefined) => unknown
}

/** Ties a schema to the function that fills it; the payload's type is that of the event's context. */
function message<Schema extends TObject>(
  given: Omit<PartnerMessage, 'schema' | 'of'> & {
    readonly schema: Schema
    readonly of: (payload: never, waybill: StoredWaybill | undefined) => Static<Schema> | undefined
  },
): PartnerMessage {
  const { of, ...rest } = given
  return { ...rest, of: ({ payload }, waybill) => of(payload as never, waybill) }
}

const closed = { additionalProperties: false }
const id = Type.Integer({ minimum: 1 })
const minor = (about: string) => Type.Integer({ description: `${about}, minor units` })
const when = Type.String({ format: 'date-time' })
const slot = Type.Union([Type.Object({ date: Type.String(), code: Type.String() }, closed), Type.Null()])
const destination = Type.Object(
  {
    name: Type.String(),
    line1: Type.String(),
    city: Type.String(),
    postcode: Type.String(),
    country: Type.String(),
    lat: Type.Optional(Type.Number()),
    lng: Type.Optional(Type.Number()),
  },
  closed,
)

const nullable = <T extends TSchema>(schema: T, about = '') => Type.Union([schema, Type.Null()], { description: about })
const salesOrder = Type.Object(
  {
    salesOrderId: id,
    warehouse: Type.String({ description: 'who is to do it' }),
    waybillId: nullable(id, 'null: work that no waybill asks for'),
    orderNumber: nullable(Type.String()),
    pickFlow: Type.String({ description: 'by_piece, by_zone, wave or cross_dock' }),
    wave: nullable(Type.String()),
    skuType: Type.String(),
    slot,
    destination: nullable(destination),
    lines: Type.Array(
      Type.Object(
        { itemNo: id, sku: Type.String(), quantity: Type.Integer({ minimum: 0, description: '0: not wanted any more' }) },
        closed,
      ),
      { description: 'without pieces that the warehouse itself has told to be missing' },
    ),
    transferredFrom: nullable(id, 'the sales order of another warehouse that this one stands in for'),
    version: Type.Integer({ description: 'rises with each change; what has a lower one than the last is old' }),
  },
  closed,
)
const salesOrderOf = ({ lines, destination: to, by: _by, orderId: _orderId, ...order }: SalesOrderMade): Static<typeof salesOrder> => ({
  ...order,
  destination: to as Static<typeof destination> | null,
  lines: lines.map(({ itemNo, sku, quantity, short }) => ({ itemNo, sku, quantity: quantity - short })),
})

export const partnerMessages: readonly PartnerMessage[] = [
  message({
    name: 'order.placed',
    version: 1,
    about: 'an order is stored and waits for its money',
    event: 'orders.placed',
    schema: Type.Object(
      {
        orderId: id,
        number: Type.String(),
        storeId: Type.String(),
        customerId: Type.String(),
        currency: Type.String(),
        totalMinor: minor('the whole'),
      },
      closed,
    ),
    of: ({ orderId, number, storeId, customerId, currency, totalMinor }: OrderPlaced) => ({
      orderId,
      number,
      storeId,
      customerId,
      currency,
      totalMinor,
    }),
  }),
  message({
    name: 'order.moved',
    version: 1,
    about: 'items of an order changed their state',
    event: 'orders.moved',
    schema: Type.Object(
      {
        orderId: id,
        number: Type.String(),
        storeId: Type.String(),
        state: Type.String({ description: 'of the order' }),
        items: Type.Array(Type.Object({ itemNo: id, from: Type.String(), to: Type.String() }, closed)),
      },
      closed,
    ),
    of: ({ orderId, number, storeId, state, items }: OrderMoved) => ({
      orderId,
      number,
      storeId,
      state,
      items: items.map(({ itemNo, from, to }) => ({ itemNo, from, to })),
    }),
  }),
  message({
    name: 'order.cancelled',
    version: 1,
    about: 'items of an order, or all of it, will not be delivered',
    event: 'orders.cancelled',
    schema: Type.Object({ orderId: id, itemNos: Type.Array(id), whole: Type.Boolean() }, closed),
    of: ({ orderId, itemNos, whole }: OrderCancelled) => ({ orderId, itemNos: [...itemNos], whole }),
  }),
  message({
    name: 'payment.moved',
    version: 1,
    about: 'where the money of a payment request stands, whole sums',
    event: 'payments.moved',
    schema: Type.Object(
      {
        orderId: id,
        part: Type.Integer(),
        currency: Type.String(),
        covered: Type.Boolean({ description: 'with this the goods may be prepared' }),
        dueMinor: minor('asked'),
        authorizedMinor: minor('set aside'),
        capturedMinor: minor('taken'),
        refundedMinor: minor('given back'),
      },
      closed,
    ),
    of: ({ orderId, part, currency, covered, sums }: PaymentsMoved) => ({
      orderId,
      part,
      currency,
      covered,
      dueMinor: sums.dueMinor,
      authorizedMinor: sums.authorizedMinor,
      capturedMinor: sums.capturedMinor,
      refundedMinor: sums.refundedMinor,
    }),
  }),
  message({
    name: 'waybill.created',
    version: 1,
    about: 'a waybill is made and waits for a route',
    event: 'fulfilment.waybills_created',
    schema: Type.Object(
      {
        waybillId: id,
        orderId: id,
        sectionNo: id,
        skuType: Type.String(),
        attempt: id,
        slot,
        destination,
        weightGrams: Type.Integer(),
        volumeMl: Type.Integer(),
        pieces: Type.Integer(),
      },
      closed,
    ),
    of: ({
      waybillId,
      orderId,
      sectionNo,
      skuType,
      attempt,
      slot: of,
      destination: to,
      weightGrams,
      volumeMl,
      pieces,
    }: WaybillsCreated) => ({
      waybillId,
      orderId,
      sectionNo,
      skuType,
      attempt,
      slot: of,
      destination: to,
      weightGrams,
      volumeMl,
      pieces,
    }),
  }),
  message({
    name: 'waybill.assigned',
    version: 1,
    about: 'an attempt of a waybill has a place on a truck',
    event: 'routing.assigned',
    schema: Type.Object(
      { waybillId: id, orderId: id, attempt: id, date: Type.String(), slotCode: Type.String(), routeId: id, vehicleId: id },
      closed,
    ),
    of: ({ waybillId, orderId, attempt, date, slotCode, routeId, vehicleId }: RoutingAssigned) => ({
      waybillId,
      orderId,
      attempt,
      date,
      slotCode,
      routeId,
      vehicleId,
    }),
  }),
  message({
    name: 'waybill.released',
    version: 1,
    about: 'a waybill is to be prepared: what is in it, and where it goes',
    event: 'fulfilment.waybill_moved',
    needsWaybill: true,
    schema: Type.Object(
      {
        waybillId: id,
        orderId: id,
        orderNumber: Type.String(),
        attempt: id,
        merchantId: Type.Union([Type.String(), Type.Null()], { description: 'null: our own warehouse' }),
        purpose: Type.String({ description: 'delivery, replacement or return: what a customer gives back needs no preparing' }),
        skuType: Type.String(),
        slot,
        destination,
        items: Type.Array(Type.Object({ itemNo: id, sku: Type.String(), quantity: id }, closed)),
      },
      closed,
    ),
    of: ({ waybillId, orderId, to, via, attempt }: WaybillMoved, waybill) => {
      // A report of a later state walks the release: by then somebody is preparing it already.
      if (waybill === undefined || (to !== 'released' && !via.includes('released'))) return undefined
      const { orderNumber, merchant, purpose, skuType, slot: of, destination: at, items } = waybill
      return {
        waybillId,
        orderId,
        orderNumber,
        attempt,
        merchantId: merchant === '' ? null : merchant,
        purpose,
        skuType,
        slot: of,
        destination: at,
        items: items.map(({ itemNo, sku, quantity }) => ({ itemNo, sku, quantity })),
      }
    },
  }),
  message({
    name: 'sales_order.created',
    version: 1,
    about: 'a warehouse is to prepare something; it answers by sales_orders.report',
    event: 'warehousing.sales_order_made',
    schema: salesOrder,
    of: salesOrderOf,
  }),
  message({
    name: 'sales_order.updated',
    version: 1,
    about: 'a sales order as it is now; what was picked beyond it goes back to its shelf',
    event: 'warehousing.sales_order_changed',
    schema: salesOrder,
    of: salesOrderOf,
  }),
  message({
    name: 'sales_order.cancelled',
    version: 1,
    about: 'a sales order is called off, or another warehouse has it; what was picked goes back to its shelf',
    event: 'warehousing.sales_order_moved',
    schema: Type.Object(
      {
        salesOrderId: id,
        warehouse: Type.String(),
        waybillId: nullable(id),
        from: Type.String({ description: 'how far it was' }),
        transferredTo: nullable(Type.String(), 'the warehouse that does it now'),
        reason: nullable(Type.String()),
        version: Type.Integer(),
      },
      closed,
    ),
    of: ({ salesOrderId, warehouse, waybillId, from, to, transferredTo, reason, version }: SalesOrderMoved) =>
      to === 'cancelled' || to === 'transferred' ? { salesOrderId, warehouse, waybillId, from, transferredTo, reason, version } : undefined,
  }),
  message({
    name: 'waybill.moved',
    version: 1,
    about: 'a waybill changed its state',
    event: 'fulfilment.waybill_moved',
    schema: Type.Object(
      {
        waybillId: id,
        orderId: id,
        attempt: id,
        from: Type.String(),
        to: Type.String(),
        via: Type.Array(Type.String(), { description: 'states walked in between, when a report named a later one' }),
        occurredAt: when,
        reason: Type.Union([Type.String(), Type.Null()]),
      },
      closed,
    ),
    of: ({ waybillId, orderId, attempt, from, to, via, occurredAt, reason }: WaybillMoved) => ({
      waybillId,
      orderId,
      attempt,
      from,
      to,
      via: [...via],
      occurredAt,
      reason,
    }),
  }),
  message({
    name: 'waybill.late',
    version: 1,
    about: 'a waybill waits with its warehouse or merchant longer than was promised',
    event: 'fulfilment.waybill_late',
    schema: Type.Object(
      {
        waybillId: id,
        orderId: id,
        merchantId: Type.Union([Type.String(), Type.Null()], { description: 'null: our own warehouse' }),
        state: Type.String(),
        since: when,
        promisedAt: when,
      },
      closed,
    ),
    of: ({ waybillId, orderId, merchantId, state, since, promisedAt }: WaybillLate) => ({
      waybillId,
      orderId,
      merchantId,
      state,
      since,
      promisedAt,
    }),
  }),
  message({
    name: 'shipment.milestone_reached',
    version: 1,
    about: 'a shipment reached a milestone',
    event: 'tracking.milestone_reached',
    schema: Type.Object(
      { shipmentId: id, waybillId: id, orderId: id, milestone: Type.String(), leg: id, attempt: id, occurredAt: when },
      closed,
    ),
    // A shipment that another system fulfils is nothing to our partners.
    of: ({ shipmentId, waybillId, orderId, milestone, leg, attempt, occurredAt }: MilestoneReached) =>
      waybillId === null || orderId === null ? undefined : { shipmentId, waybillId, orderId, milestone, leg, attempt, occurredAt },
  }),
]

/** A partner: what it is told, and what it may ask of us. */
export interface Partner {
  readonly name: string
  readonly about: string
  /** Names of messages, with what it wants of them; true: all. */
  readonly takes: Readonly<Record<string, true | ((body: never) => boolean)>>
  /** Operations that its messages may call. */
  readonly asks: readonly string[]
  readonly scopes: readonly string[]
}

export const partners: readonly Partner[] = [
  {
    name: 'wms',
    about: 'warehouse system: prepares sales orders of our own warehouses',
    takes: { 'sales_order.created': true, 'sales_order.updated': true, 'sales_order.cancelled': true },
    asks: ['sales_orders.report', 'waybills.update'],
    scopes: ['sales-orders:write', 'waybills:write'],
  },
  {
    name: 'pss',
    about: 'picking and sorting system: brings what is packed to its truck',
    takes: { 'waybill.moved': ({ to }: { to: string }) => to === 'packed' || to === 'cancelled' },
    asks: ['waybills.update'],
    scopes: ['waybills:write'],
  },
  {
    name: 'ods',
    about: 'operational data store: takes every message',
    takes: Object.fromEntries(partnerMessages.map(({ name }) => [name, true])),
    asks: [],
    scopes: [],
  },
  {
    name: 'hybris',
    about: 'storefront: places orders and follows them',
    takes: { 'order.placed': true, 'order.moved': true, 'order.cancelled': true, 'payment.moved': true },
    asks: ['orders.place'],
    scopes: ['orders:write'],
  },
  {
    name: 'track',
    about: 'whoever knows where parcels are: carriers, scanners, another fulfilment system',
    takes: {},
    asks: ['tracking.ingest_many', 'tracking.ingest', 'tracking.register'],
    scopes: ['tracking:write'],
  },
]
