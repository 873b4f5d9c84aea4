import { Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { ReadContext } from '#platform/database.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { milestones } from './fold.ts'
import { recordFacts, type RecordedFact, type ReportedFact } from './record-facts.ts'
import { isToken, publicViewOf, type ShipmentView, viewShipments } from './shipment-view.ts'
import { findShipments } from './tracking-store.ts'

const exact = { additionalProperties: false }
const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const Instant = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?(Z|[+-]\\d{2}:\\d{2})$' })
const FactId = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' })
const State = Type.Enum([...milestones])
const Milestone = Type.Union([State, Type.Null()])

const ShipmentOut = Type.Object(
  {
    shipmentId: Id,
    waybillId: Id,
    orderId: Id,
    publicPath: Type.String(),
    state: State,
    leg: Type.Integer(),
    attempt: Type.Integer(),
    exception: Type.Union([Type.String(), Type.Null()]),
    late: Type.Integer(),
    timeline: Type.Array(
      Type.Object(
        {
          factId: Type.String(),
          occurredAt: Type.String(),
          code: Type.String(),
          milestone: Milestone,
          place: Type.String(),
          source: Type.String(),
          detail: Type.Union([Type.String(), Type.Null()]),
          voided: Type.Boolean(),
        },
        exact,
      ),
    ),
  },
  exact,
)

const PublicOut = Type.Object(
  {
    state: State,
    attempt: Type.Integer(),
    timeline: Type.Array(
      Type.Object({ occurredAt: Type.String(), code: Type.String(), milestone: Milestone, place: Type.String() }, exact),
    ),
  },
  exact,
)

const ingest = command({
  id: 'tracking.ingest',
  context: 'tracking',
  summary: 'Records what a carrier, scanner or hub says about a shipment; copies and any order of arrival do no harm',
  input: Type.Object(
    {
      shipmentId: Type.Optional(Id),
      waybillId: Type.Optional(Id),
      code: Type.String({ minLength: 1, maxLength: 64 }),
      occurredAt: Instant,
      source: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,31}$' }),
      sourceId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
      place: Type.Optional(Type.String({ maxLength: 100 })),
      detail: Type.Optional(Type.String({ maxLength: 200 })),
      attempt: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
      zoneKnown: Type.Optional(Type.Boolean()),
      voids: Type.Optional(FactId),
    },
    exact,
  ),
  output: Type.Object({ shipmentId: Id, factId: Type.String(), state: State, added: Type.Boolean(), codeKnown: Type.Boolean() }, exact),
  scopes: ['tracking:write'],
  http: { method: 'POST', path: '/v1/track/events' },
  batch: { largest: 1000, longestWaitMs: 2, largestRequest: 5000 },
  priority: 'normal',
  // The id of a fact is the hash of what it says, so a second copy finds itself.
  idempotency: 'inherent',
  errors: {
    'tracking.unknown_shipment': 404,
    'tracking.in_the_future': 422,
    'tracking.not_an_instant': 422,
    'tracking.no_shipment_named': 422,
    'tracking.own_source': 422,
  },
  body: async (context, asked) => {
    const facts: ReportedFact[] = []
    const bad = asked.map(({ input }): Outcome<never> | null => {
      const { occurredAt, ...rest } = input
      const at = new Date(occurredAt)
      if (Number.isNaN(at.getTime())) return refused('tracking.not_an_instant', `${occurredAt} is no instant that exists`, '/occurredAt')
      if (rest.shipmentId === undefined && rest.waybillId === undefined)
        return refused('tracking.no_shipment_named', 'name the shipment by shipmentId or waybillId', '/waybillId')
      // Our own fleet's facts come from fulfilment's events; a caller that took its name would outrank all others.
      if (rest.source === 'fulfilment')
        return refused('tracking.own_source', 'the source "fulfilment" is our own fleet; use waybills.update', '/source')
      facts.push({ ...rest, occurredAt: at })
      return null
    })
    const recorded = (await recordFacts(context, facts)).values()
    return bad.map((failure) => failure ?? (recorded.next().value as Outcome<RecordedFact>))
  },
})

const plain = ({ timeline, ...view }: ShipmentView) => ({ ...view, timeline: timeline.map((entry) => ({ ...entry })) })

async function viewsBy(
  context: ReadContext,
  kind: 'shipment' | 'waybill' | 'order' | 'token',
  keys: readonly (number | string)[],
): Promise<ShipmentView[]> {
  return viewShipments(context, await findShipments(context, kind, [...new Set(keys)]))
}

const read = { scopes: ['tracking:read'], batch: { largest: 200, longestWaitMs: 1 }, priority: 'normal' } as const

const get = query({
  id: 'tracking.get',
  context: 'tracking',
  summary: 'A shipment with its timeline',
  input: Type.Object({ shipmentId: Id }, exact),
  output: ShipmentOut,
  ...read,
  http: { method: 'GET', path: '/v1/shipments/:shipmentId' },
  errors: { 'tracking.unknown_shipment': 404 },
  body: async (context, asked) => {
    const views = await viewsBy(
      context,
      'shipment',
      asked.map(({ input }) => input.shipmentId),
    )
    return asked.map(({ input }) => {
      const view = views.find((one) => one.shipmentId === input.shipmentId)
      return view === undefined
        ? refused('tracking.unknown_shipment', `there is no shipment ${input.shipmentId}`, '/shipmentId')
        : accepted(plain(view))
    })
  },
})

const getByWaybill = query({
  id: 'tracking.get_by_waybill',
  context: 'tracking',
  summary: 'The shipment of a waybill with its timeline',
  input: Type.Object({ waybillId: Id }, exact),
  output: ShipmentOut,
  ...read,
  http: { method: 'GET', path: '/v1/waybills/:waybillId/track' },
  errors: { 'tracking.unknown_shipment': 404 },
  body: async (context, asked) => {
    const views = await viewsBy(
      context,
      'waybill',
      asked.map(({ input }) => input.waybillId),
    )
    return asked.map(({ input }) => {
      const view = views.find((one) => one.waybillId === input.waybillId)
      return view === undefined
        ? refused('tracking.unknown_shipment', `there is no shipment of waybill ${input.waybillId}`, '/waybillId')
        : accepted(plain(view))
    })
  },
})

const listByOrder = query({
  id: 'tracking.list_by_order',
  context: 'tracking',
  summary: 'The shipments of an order with their timelines; an empty list while none is made',
  input: Type.Object({ orderId: Id }, exact),
  output: Type.Object({ shipments: Type.Array(ShipmentOut) }, exact),
  ...read,
  http: { method: 'GET', path: '/v1/orders/:orderId/track' },
  errors: {},
  body: async (context, asked) => {
    const views = await viewsBy(
      context,
      'order',
      asked.map(({ input }) => input.orderId),
    )
    return asked.map(({ input }) => accepted({ shipments: views.filter((view) => view.orderId === input.orderId).map(plain) }))
  },
})

const publicGet = query({
  id: 'tracking.public',
  context: 'tracking',
  summary: 'What anyone with the link may know of a parcel',
  input: Type.Object({ token: Type.String({ minLength: 1, maxLength: 64 }) }, exact),
  output: PublicOut,
  // Open to all: the 122 random bits of the link are the key, and the answer holds no name and no address.
  scopes: [],
  http: { method: 'GET', path: '/track/:token' },
  batch: { largest: 200, longestWaitMs: 1 },
  priority: 'normal',
  errors: { 'tracking.unknown_token': 404 },
  body: async (context, asked) => {
    const tokens = asked.map(({ input }) => input.token).filter(isToken)
    const shipments = await findShipments(context, 'token', [...new Set(tokens)])
    const views = await viewShipments(context, shipments)
    return asked.map(({ input }) => {
      const index = shipments.findIndex((shipment) => shipment.token === input.token)
      const view = views[index]
      if (view === undefined) return refused('tracking.unknown_token', 'no parcel has this link; check that it is whole', '/token')
      const { state, attempt, timeline } = publicViewOf(view)
      return accepted({ state, attempt, timeline: timeline.map((entry) => ({ ...entry })) })
    })
  },
})

export const operations: readonly Operation[] = [ingest, get, getByWaybill, listByOrder, publicGet]
