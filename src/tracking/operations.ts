import { Type } from 'typebox'
import { accepted, refused } from '#kernel/outcome.ts'
import type { ReadContext } from '#platform/database.ts'
import { type Operation, query } from '#platform/operation.ts'
import type { ReadArchive } from './archive.ts'
import { ingestOperations } from './ingest-operations.ts'
import { normalNumber } from './reference-store.ts'
import { Carrier, exact, Id, Milestone, NumberOf, OrderRef, ReferenceOf, State } from './schemas.ts'
import { type FindInherited, withInherited } from './inherited.ts'
import type { KeyKind, KeysByKind } from './shipment-store.ts'
import { isToken, publicViewOf, shipmentsBy, type ShipmentView, viewHistories } from './shipment-view.ts'

const ShipmentOut = Type.Object(
  {
    shipmentId: Id,
    waybillId: Type.Union([Id, Type.Null()]),
    orderId: Type.Union([Id, Type.Null()]),
    orderRef: Type.Union([Type.String(), Type.Null()]),
    numbers: Type.Array(ReferenceOf),
    from: Type.Union([Type.String(), Type.Null()]),
    to: Type.Union([Type.String(), Type.Null()]),
    promisedAt: Type.Union([Type.String(), Type.Null()]),
    registered: Type.Boolean(),
    publicPath: Type.String(),
    state: State,
    leg: Type.Integer(),
    attempt: Type.Integer(),
    exception: Type.Union([Type.String(), Type.Null()]),
    late: Type.Integer(),
    arrival: Type.Union([
      Type.Object(
        {
          at: Type.String(),
          from: Type.String(),
          to: Type.String(),
          cases: Type.Integer(),
          basis: Type.String(),
          model: Type.Integer(),
        },
        exact,
      ),
      Type.Null(),
    ]),
    archived: Type.Array(Type.Object({ month: Type.String(), file: Type.Union([Type.String(), Type.Null()]) }, exact), {
      description: 'months that are in files: facts of them are in the timeline of tracking.get_history only',
    }),
    timeline: Type.Array(
      Type.Object(
        {
          factId: Type.Union([Type.String(), Type.Null()]),
          occurredAt: Type.String(),
          code: Type.String(),
          milestone: Milestone,
          place: Type.String(),
          source: Type.String(),
          detail: Type.Union([Type.String(), Type.Null()]),
          voided: Type.Boolean(),
          inheritedFrom: Type.Union([Type.String(), Type.Null()], {
            description: 'container that was seen there while the shipment was in it; null for a fact of the shipment itself',
          }),
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
    arrival: Type.Union([Type.Object({ at: Type.String(), from: Type.String(), to: Type.String() }, exact), Type.Null()]),
    timeline: Type.Array(
      Type.Object({ occurredAt: Type.String(), code: Type.String(), milestone: Milestone, place: Type.String() }, exact),
    ),
  },
  exact,
)

const plain = ({ timeline, numbers, archived, ...view }: ShipmentView) => ({
  ...view,
  numbers: numbers.map((number) => ({ ...number })),
  archived: archived.map((each) => ({ ...each })),
  timeline: timeline.map((entry) => ({ ...entry })),
})

const read = { scopes: ['tracking:read'], batch: { largest: 1000, longestWaitMs: 1 }, priority: 'normal' } as const
const unknown = (what: string, field: string) => refused('tracking.unknown_shipment', `there is no shipment ${what}`, field)

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
    const tokens = [...new Set(asked.map(({ input }) => input.token).filter(isToken))]
    const found = await shipmentsBy(context, 'token', tokens)
    const views = new Map(tokens.map((token, index) => [token, found[index]?.[0]]))
    return asked.map(({ input }) => {
      const view = views.get(input.token)
      if (view === undefined) return refused('tracking.unknown_token', 'no parcel has this link; check that it is whole', '/token')
      const { state, attempt, arrival, timeline } = publicViewOf(view)
      return accepted({ state, attempt, arrival, timeline: timeline.map((entry) => ({ ...entry })) })
    })
  },
})

/** Reads of shipments with their timelines; `inherited` adds where they were by what they were in. */
function readOperations(archive: ReadArchive, inherited?: FindInherited): Operation[] {
  const lookUp = async <Kind extends KeyKind>(context: ReadContext, kind: Kind, keys: readonly KeysByKind[Kind][]) =>
    withInherited(context, await shipmentsBy(context, kind, keys), inherited)

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
      const keys = asked.map(({ input }) => input.shipmentId)
      const views = await lookUp(context, 'shipment', keys)
      return views.map(([view], index) => (view === undefined ? unknown(`${keys[index]}`, '/shipmentId') : accepted(plain(view))))
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
      const keys = asked.map(({ input }) => input.waybillId)
      const views = await lookUp(context, 'waybill', keys)
      return views.map(([view], index) => (view === undefined ? unknown(`of waybill ${keys[index]}`, '/waybillId') : accepted(plain(view))))
    },
  })

  const getByNumber = query({
    id: 'tracking.get_by_number',
    context: 'tracking',
    summary: 'The shipment with a number: S17 and W17 are our own, for shipment and waybill 17; any other is that of a carrier',
    input: Type.Object({ number: NumberOf, carrier: Type.Optional(Carrier) }, exact),
    output: ShipmentOut,
    ...read,
    http: { method: 'GET', path: '/v1/track/numbers/:number' },
    errors: { 'tracking.unknown_shipment': 404, 'tracking.number_of_several': 409 },
    body: async (context, asked) => {
      const keys = asked.map(({ input }): KeysByKind['number'] => ({ ...input, number: normalNumber(input.number) }))
      const views = await lookUp(context, 'number', keys)
      return views.map(([view, ...others], index) => {
        const { number, carrier } = keys[index] as KeysByKind['number']
        if (view === undefined) return unknown(`with the number ${number}${carrier === undefined ? '' : ` of ${carrier}`}`, '/number')
        if (others.length === 0) return accepted(plain(view))
        const carriers = [view, ...others].flatMap(({ numbers }) =>
          numbers.filter((one) => one.number === number).map((one) => one.carrier),
        )
        return refused('tracking.number_of_several', `several carriers have this number; name one of ${carriers.join(', ')}`, '/carrier')
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
      const views = await lookUp(
        context,
        'order',
        asked.map(({ input }) => input.orderId),
      )
      return views.map((shipments) => accepted({ shipments: shipments.map(plain) }))
    },
  })

  const listByOrderRef = query({
    id: 'tracking.list_by_order_ref',
    context: 'tracking',
    summary: 'The shipments of an order of another fulfilment system, by what it calls the order',
    input: Type.Object({ orderRef: OrderRef }, exact),
    output: Type.Object({ shipments: Type.Array(ShipmentOut) }, exact),
    ...read,
    http: { method: 'GET', path: '/v1/track/orders/:orderRef' },
    errors: {},
    body: async (context, asked) => {
      const views = await lookUp(
        context,
        'orderRef',
        asked.map(({ input }) => input.orderRef),
      )
      return views.map((shipments) => accepted({ shipments: shipments.map(plain) }))
    },
  })

  const getHistory = query({
    id: 'tracking.get_history',
    context: 'tracking',
    summary: 'A shipment with its whole timeline, out of tables and of the files that `archived` names; slower than tracking.get',
    input: Type.Object({ shipmentId: Id }, exact),
    output: ShipmentOut,
    scopes: ['tracking:read'],
    http: { method: 'GET', path: '/v1/shipments/:shipmentId/history' },
    // One batch at a time opens files; plain reads do not wait for it.
    batch: { largest: 20, longestWaitMs: 1, concurrent: 1 },
    priority: 'low',
    errors: { 'tracking.unknown_shipment': 404, 'tracking.archive_unreadable': 409, 'tracking.history_too_long': 422 },
    body: async (context, asked) => {
      const keys = asked.map(({ input }) => input.shipmentId)
      const found = await viewHistories(context, keys, archive)
      const views = found.map((outcome) => (outcome?.ok === true ? [outcome.value] : []))
      const whole = await withInherited(context, views, inherited)
      return found.map((outcome, index) => {
        if (outcome === undefined) return unknown(`${keys[index]}`, '/shipmentId')
        return outcome.ok ? accepted(plain((whole[index] as ShipmentView[])[0] as ShipmentView)) : outcome
      })
    },
  })

  return [get, getHistory, getByWaybill, getByNumber, listByOrder, listByOrderRef]
}

export const shipmentOperations = (archive: ReadArchive, inherited?: FindInherited): readonly Operation[] => [
  ...ingestOperations(archive),
  ...readOperations(archive, inherited),
  publicGet,
]
