import { type Static, Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { instantIn } from '#kernel/time.ts'
import { compileValidation } from '#platform/aspects/validation.ts'
import { ownSource } from './fact.ts'
import type { ReportedFact } from './reported-fact.ts'
import { Carrier, exact, FactId, Id, Instant, NumberOf, Source, SourceId } from './schemas.ts'

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
  const at = instantIn(occurredAt)
  if (at === undefined) return refused('tracking.not_an_instant', `${occurredAt} is no instant that exists`, '/occurredAt')
  // Our own fleet's facts come from fulfilment's events; a caller that took its name would outrank all others.
  if (rest.source === ownSource)
    return refused('tracking.own_source', `the source "${ownSource}" is our own fleet; use waybills.update`, '/source')
  return accepted({ ...rest, occurredAt: at })
}

const validate = compileValidation(FactIn)

/** HTTP refuses such text before anybody sees it; streams and messages have no such gate. */
function unstorable(value: unknown): Outcome<never> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  for (const name in value) {
    const text: unknown = value[name as keyof typeof value]
    if (typeof text === 'string' && (text.includes('\u0000') || !text.isWellFormed()))
      return refused('tracking.unstorable_text', 'text can not hold U+0000 or half of a surrogate pair', `/${name.toWellFormed()}`)
  }
  return undefined
}

/** Facts out of anything: each is judged by itself, so that one of a wrong shape does not take the others along. */
export function readFacts(given: readonly unknown[]): Outcome<ReportedFact>[] {
  return given.map((each) => unstorable(each) ?? validate(each) ?? reportedFact(each as Static<typeof FactIn>))
}
