import { Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { instantIn } from '#kernel/time.ts'
import { command, type Operation } from '#platform/operation.ts'
import type { ReadArchive } from './archive.ts'
import { FactIn, readFacts, reportedFact } from './read-facts.ts'
import { keepRefusals, type RefusedRecord } from './take-records.ts'
import { recordFacts, type RecordedFact } from './record-facts.ts'
import { type RegisteredShipment, type RegisterShipment, registerShipments } from './register-shipments.ts'
import { exact, Id, Instant, OrderRef, ReferenceOf, State } from './schemas.ts'
import { publicPathOf } from './shipment-view.ts'

const ingest = (archive: ReadArchive) =>
  command({
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
      'tracking.archive_unreadable': 409,
    },
    body: async (context, asked) => {
      const read = asked.map(({ input }) => reportedFact(input))
      const facts = read.flatMap((outcome) => (outcome.ok ? outcome.value : []))
      const recorded = (await recordFacts(context, facts, { archive })).values()
      return read.map((outcome) => (outcome.ok ? (recorded.next().value as Outcome<RecordedFact>) : outcome))
    },
  })

const ingestMany = (archive: ReadArchive) =>
  command({
    id: 'tracking.ingest_many',
    context: 'tracking',
    summary: 'The same for up to 5,000 facts at once; the answer counts them and names each one that could not be taken, with its reason',
    // Loose on purpose: a fact of a wrong shape fails alone, in the answer, and the others are recorded.
    input: Type.Object({ events: Type.Array(Type.Unknown(), { minItems: 1, maxItems: 5000 }) }, exact),
    output: Type.Object(
      {
        added: Type.Integer(),
        known: Type.Integer(),
        unknownCodes: Type.Integer(),
        refused: Type.Array(
          Type.Object({ index: Type.Integer(), field: Type.String(), code: Type.String(), detail: Type.String() }, exact),
        ),
      },
      exact,
    ),
    scopes: ['tracking:write'],
    http: { method: 'POST', path: '/v1/track/events/bulk', batchPath: null },
    // At most 20,000 facts in one transaction.
    batch: { largest: 4, longestWaitMs: 1, concurrent: 2 },
    priority: 'normal',
    idempotency: 'inherent',
    errors: {},
    body: async (context, asked) => {
      const read = asked.map(({ input }) => readFacts(input.events))
      const facts = read.flatMap((each) => each.flatMap((outcome) => (outcome.ok ? outcome.value : [])))
      const recorded = (await recordFacts(context, facts, { archive })).values()
      return read.map((each, nth) => {
        const { input, actor, commandId } = asked[nth] as (typeof asked)[number]
        const kept: RefusedRecord[] = []
        const answer = {
          added: 0,
          known: 0,
          unknownCodes: 0,
          refused: [] as { index: number; field: string; code: string; detail: string }[],
        }
        for (const [index, outcome] of each.entries()) {
          const done = outcome.ok ? (recorded.next().value as Outcome<RecordedFact>) : outcome
          if (!done.ok) {
            const { field = '', code, detail } = done.error
            kept.push({ position: `${commandId}/${index}`, body: JSON.stringify(input.events[index]), code, field, detail })
            answer.refused.push({ index, field, code, detail })
            continue
          }
          if (done.value.added) answer.added += 1
          else answer.known += 1
          if (!done.value.codeKnown) answer.unknownCodes += 1
        }
        // A message has no answer. The id of the message is the command's, so that a message that comes again keeps nothing twice.
        if (actor.id.startsWith('partner:')) keepRefusals(context, actor.id, kept)
        return accepted(answer)
      })
    },
  })

const register = (archive: ReadArchive) =>
  command({
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
      'tracking.archive_unreadable': 409,
      'tracking.not_an_instant': 422,
      'tracking.no_shipment_named': 422,
      'tracking.no_number': 422,
    },
    body: async (context, asked) => {
      const read = asked.map(({ input: { promisedAt, ...rest } }): Outcome<RegisterShipment> => {
        if (promisedAt === undefined) return accepted(rest)
        const at = instantIn(promisedAt)
        if (at === undefined) return refused('tracking.not_an_instant', `${promisedAt} is no instant that exists`, '/promisedAt')
        return accepted({ ...rest, promisedAt: at })
      })
      const done = await registerShipments(
        context,
        read.flatMap((outcome) => (outcome.ok ? outcome.value : [])),
        { archive },
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

export const ingestOperations = (archive: ReadArchive): readonly Operation[] => [ingest(archive), ingestMany(archive), register(archive)]
