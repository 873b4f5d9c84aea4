import { type Static, Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { command, type Operation } from '#platform/operation.ts'
import { ownSource } from './fact.ts'
import { recordFacts, type RecordedFact } from './record-facts.ts'
import { type RegisteredShipment, type RegisterShipment, registerShipments } from './register-shipments.ts'
import type { ReportedFact } from './reported-fact.ts'
import { Carrier, exact, FactId, Id, Instant, NumberOf, OrderRef, ReferenceOf, Source, SourceId, State } from './schemas.ts'
import { publicPathOf } from './shipment-view.ts'

/** One fact as it is sent: by HTTP, in a message or in a stream. */
export const FactIn = Type.Object(
  {
    shipmentId: Type.Optional(Id),
    waybillId: Type.Optional(Id),
    carrier: Type.Optional(Carrier),
    number: Type.Optional(NumberOf),
    code: Type.String({ minLength: 1, maxLength: 64 }),
    occurredAt: Instant,
    source: Source,
    sourceId: Type.Optional(SourceId),
    revision: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
    place: Type.Optional(Type.String({ maxLength: 100 })),
    detail: Type.Optional(Type.String({ maxLength: 200 })),
    attempt: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    zoneKnown: Type.Optional(Type.Boolean()),
    voids: Type.Optional(FactId),
    voidsSourceId: Type.Optional(SourceId),
  },
  exact,
)

/** What the schema can not say of a fact. */
export function reportedFact({ occurredAt, ...rest }: Static<typeof FactIn>): Outcome<ReportedFact> {
  const at = new Date(occurredAt)
  if (Number.isNaN(at.getTime())) return refused('tracking.not_an_instant', `${occurredAt} is no instant that exists`, '/occurredAt')
  // Our own fleet's facts come from fulfilment's events; a caller that took its name would outrank all others.
  if (rest.source === ownSource)
    return refused('tracking.own_source', `the source "${ownSource}" is our own fleet; use waybills.update`, '/source')
  return accepted({ ...rest, occurredAt: at })
}

const ingest = command({
  id: 'tracking.ingest',
  context: 'tracking',
  summary: 'Records what a carrier, scanner or hub says about a shipment; copies and any order of arrival do no harm',
  input: FactIn,
  output: Type.Object({ shipmentId: Id, factId: Type.String(), state: State, added: Type.Boolean(), codeKnown: Type.Boolean() }, exact),
  scopes: ['tracking:write'],
  http: { method: 'POST', path: '/v1/track/events' },
  batch: { largest: 1000, longestWaitMs: 2, largestRequest: 5000 },
  priority: 'normal',
  // The id of a fact is a hash, so a second copy finds itself.
  idempotency: 'inherent',
  errors: {
    'tracking.unknown_shipment': 404,
    'tracking.in_the_future': 422,
    'tracking.too_long_ago': 422,
    'tracking.not_an_instant': 422,
    'tracking.no_shipment_named': 422,
    'tracking.no_number': 422,
    'tracking.own_source': 422,
  },
  body: async (context, asked) => {
    const read = asked.map(({ input }) => reportedFact(input))
    const facts = read.flatMap((outcome) => (outcome.ok ? outcome.value : []))
    const recorded = (await recordFacts(context, facts)).values()
    return read.map((outcome) => (outcome.ok ? (recorded.next().value as Outcome<RecordedFact>) : outcome))
  },
})

const register = command({
  id: 'tracking.register',
  context: 'tracking',
  summary: 'Says whose a shipment is and what carriers call it; what was told of its numbers before is joined',
  input: Type.Object(
    {
      shipmentId: Type.Optional(Id),
      waybillId: Type.Optional(Id),
      numbers: Type.Optional(Type.Array(ReferenceOf, { maxItems: 20 })),
      orderRef: Type.Optional(OrderRef),
      from: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
      to: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
      promisedAt: Type.Optional(Instant),
    },
    exact,
  ),
  output: Type.Object({ shipmentId: Id, publicPath: Type.String(), added: Type.Boolean() }, exact),
  scopes: ['tracking:write'],
  http: { method: 'POST', path: '/v1/track/shipments' },
  batch: { largest: 1000, longestWaitMs: 2 },
  priority: 'normal',
  // Registered again it says the same again.
  idempotency: 'inherent',
  errors: {
    'tracking.unknown_shipment': 404,
    'tracking.number_taken': 409,
    'tracking.not_an_instant': 422,
    'tracking.no_shipment_named': 422,
    'tracking.no_number': 422,
  },
  body: async (context, asked) => {
    const read = asked.map(({ input: { promisedAt, ...rest } }): Outcome<RegisterShipment> => {
      if (promisedAt === undefined) return accepted(rest)
      const at = new Date(promisedAt)
      if (Number.isNaN(at.getTime())) return refused('tracking.not_an_instant', `${promisedAt} is no instant that exists`, '/promisedAt')
      return accepted({ ...rest, promisedAt: at })
    })
    const done = await registerShipments(
      context,
      read.flatMap((outcome) => (outcome.ok ? outcome.value : [])),
    )
    const registered = done.values()
    return read.map((outcome) => {
      const made = outcome.ok ? (registered.next().value as Outcome<RegisteredShipment>) : outcome
      if (!made.ok) return made
      const { token, ...rest } = made.value
      return accepted({ ...rest, publicPath: publicPathOf(token) })
    })
  },
})

export const ingestOperations: readonly Operation[] = [ingest, register]
