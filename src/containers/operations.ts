import { Type } from 'typebox'
import { accepted, refused } from '#kernel/outcome.ts'
import { type Asked, command, type Operation, query } from '#platform/operation.ts'
import { containerKinds, unknownContainer } from './container-store.ts'
import { parseEpc, uriOf } from './epc.ts'
import { type ContainerView, findUnknownTags, viewContainers } from './find-places.ts'
import { containerLifeCycle } from './lifecycle.ts'
import { nestContainers } from './nest-containers.ts'
import { type FindWaybills, packItems } from './pack-items.ts'
import { instantOf, placeContainers, recordReads } from './record-sightings.ts'
import { registerContainers } from './register-containers.ts'
import { type Report, reportContainers, reports } from './report-containers.ts'

const exact = { additionalProperties: false }
const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
// It begins with a letter and is shorter than an EPC, so that a scanner's text can be a waybill's number, a code or a tag, and never two of them.
const Code = Type.String({ pattern: '^[A-Z][A-Z0-9-]{2,19}$', description: 'reference code, as printed' })
const Scan = Type.String({ pattern: '^([A-Z][A-Z0-9-]{2,19}|[0-9A-Fa-f]{24})$', description: 'reference code, or EPC of the tag in hex' })
const Place = Type.String({ pattern: '^[\\w.:/-]{1,64}$', description: 'name of a place or of the reader that hangs there' })
const Instant = Type.String({ minLength: 1, maxLength: 40, description: 'ISO 8601 with its zone' })
const Quantity = Type.Integer({ minimum: 0, maximum: 1_000_000 })
const State = Type.Enum([...containerLifeCycle.stateNames])
const Kind = Type.Enum([...containerKinds])
const nullable = <T extends ReturnType<typeof Type.String> | typeof Id>(schema: T) => Type.Union([schema, Type.Null()])

/** Who did it, for the change log. */
const by = ({ actor, commandId }: Asked<unknown>) => ({ actor: actor.id, commandId })

const usual = { largest: 1000, longestWaitMs: 1, largestRequest: 1000 }

const register = command({
  id: 'containers.register',
  context: 'containers',
  summary: 'Registers a tote, bag or box, with its tag; repeats without effect',
  input: Type.Object(
    {
      code: Code,
      kind: Kind,
      colour: Type.String({ pattern: '^[a-z]{1,20}$' }),
      epc: Type.Optional(Type.String({ minLength: 1, maxLength: 120, description: '24 hex digits or urn:epc:tag:…, SGTIN-96 or GRAI-96' })),
      gtin: Type.Optional(Type.String({ maxLength: 40, description: 'as printed, checked against the tag' })),
      grai: Type.Optional(Type.String({ maxLength: 40, description: 'as printed, checked against the tag' })),
    },
    exact,
  ),
  output: Type.Object({ containerId: Id, code: Code, epc: nullable(Type.String()), created: Type.Boolean() }, exact),
  scopes: ['containers:write'],
  http: { method: 'POST', path: '/v1/containers', batchPath: '/v1/containers/batch' },
  batch: { largest: 2500, longestWaitMs: 1, concurrent: 1, largestRequest: 10_000 },
  // A file of 10,000 must not stumble over a limit made for single calls.
  limit: { perSecond: 5_000, burst: 20_000 },
  idempotency: 'inherent',
  priority: 'low',
  errors: { 'containers.bad_epc': 422, 'containers.bad_printed_key': 422, 'containers.code_taken': 409, 'containers.tag_taken': 409 },
  body: (context, asked) =>
    registerContainers(
      context,
      asked.map((one) => ({ ...one.input, ...by(one) })),
    ),
})

const packOf = (findWaybills: FindWaybills) =>
  command({
    id: 'containers.pack',
    context: 'containers',
    summary: 'Says how many pieces of a waybill a container holds from now on; without items, all that is in no other container',
    input: Type.Object(
      {
        code: Scan,
        waybillId: Id,
        items: Type.Optional(
          Type.Array(Type.Object({ itemNo: Type.Integer({ minimum: 1 }), quantity: Quantity }, exact), { minItems: 1, maxItems: 500 }),
        ),
      },
      exact,
    ),
    output: Type.Object(
      {
        containerId: Id,
        waybillId: Id,
        items: Type.Array(Type.Object({ itemNo: Type.Integer(), quantity: Type.Integer() }, exact)),
        changed: Type.Boolean(),
      },
      exact,
    ),
    scopes: ['containers:write'],
    http: { method: 'POST', path: '/v1/containers/:code/contents', batchPath: '/v1/containers/contents' },
    batch: usual,
    idempotency: 'inherent',
    priority: 'normal',
    errors: {
      'containers.unknown_container': 404,
      'containers.unknown_waybill': 404,
      'containers.unknown_item': 422,
      'containers.item_twice': 422,
      'containers.more_than_ordered': 409,
      'containers.not_usable': 409,
      'containers.waybill_ended': 409,
    },
    body: async (context, asked) => {
      const outcomes = await packItems(
        context,
        asked.map((one) => ({ ...one.input, ...by(one) })),
        findWaybills,
      )
      return outcomes.map((outcome) => (outcome.ok ? accepted({ ...outcome.value, items: [...outcome.value.items] }) : outcome))
    },
  })

const nest = command({
  id: 'containers.nest',
  context: 'containers',
  summary: 'Puts a container into another, or, with null, takes it out of the one that it is in',
  input: Type.Object({ code: Scan, into: Type.Union([Scan, Type.Null()]) }, exact),
  output: Type.Object({ containerId: Id, into: nullable(Type.String()), changed: Type.Boolean() }, exact),
  scopes: ['containers:write'],
  http: { method: 'POST', path: '/v1/containers/:code/nest', batchPath: '/v1/containers/nest' },
  batch: { ...usual, concurrent: 1 },
  idempotency: 'inherent',
  priority: 'normal',
  errors: {
    'containers.unknown_container': 404,
    'containers.not_usable': 409,
    'containers.cycle': 409,
    'containers.too_deep': 409,
  },
  body: (context, asked) =>
    nestContainers(
      context,
      asked.map((one) => ({ ...one.input, ...by(one) })),
    ),
})

const report = command({
  id: 'containers.report',
  context: 'containers',
  summary: 'Reports that a container was emptied, is lost, was found, or is out of use for good',
  input: Type.Object({ code: Scan, report: Type.Enum(Object.keys(reports) as Report[]) }, exact),
  output: Type.Object({ containerId: Id, state: State, changed: Type.Boolean() }, exact),
  scopes: ['containers:write'],
  http: { method: 'POST', path: '/v1/containers/:code/reports', batchPath: '/v1/containers/reports' },
  batch: { ...usual, concurrent: 1 },
  idempotency: 'inherent',
  priority: 'normal',
  errors: { 'containers.unknown_container': 404, 'containers.not_reportable': 409 },
  body: (context, asked) =>
    reportContainers(
      context,
      asked.map((one) => ({ ...one.input, ...by(one) })),
    ),
})

const move = command({
  id: 'containers.move',
  context: 'containers',
  summary: 'Says where a container was put; what is in it went along',
  input: Type.Object({ code: Scan, place: Place, occurredAt: Type.Optional(Instant) }, exact),
  output: Type.Object({ containerId: Id, changed: Type.Boolean() }, exact),
  scopes: ['containers:write'],
  http: { method: 'POST', path: '/v1/containers/:code/places', batchPath: '/v1/containers/places' },
  batch: usual,
  idempotency: 'inherent',
  priority: 'normal',
  errors: { 'containers.unknown_container': 404, 'containers.not_an_instant': 422, 'containers.in_the_future': 422 },
  body: (context, asked) =>
    placeContainers(
      context,
      asked.map((one) => ({ ...one.input, actor: one.actor.id })),
    ),
})

const record = command({
  id: 'containers.record_reads',
  context: 'containers',
  summary: 'Keeps what RFID readers saw, in any order and any number of copies; each read that can not be kept is named with its reason',
  input: Type.Object(
    {
      reads: Type.Array(
        // Loose on purpose: a broken read fails alone, in the answer, and the others are kept.
        Type.Object({ reader: Place, epc: Type.String({ maxLength: 120 }), readAt: Type.String({ maxLength: 60 }) }, exact),
        { minItems: 1, maxItems: 5000 },
      ),
    },
    exact,
  ),
  output: Type.Object(
    {
      recorded: Type.Integer(),
      repeated: Type.Integer(),
      unknownTags: Type.Integer(),
      refused: Type.Array(Type.Object({ index: Type.Integer(), field: Type.String(), code: Type.String(), detail: Type.String() }, exact)),
    },
    exact,
  ),
  scopes: ['reads:write', 'containers:write'],
  http: { method: 'POST', path: '/v1/container-reads', batchPath: null },
  // At most 40,000 rows in one transaction.
  batch: { largest: 8, longestWaitMs: 1 },
  idempotency: 'inherent',
  priority: 'normal',
  errors: {},
  body: async (context, asked) => {
    const outcomes = await recordReads(
      context,
      asked.map(({ input }) => input),
    )
    return outcomes.map((outcome) =>
      outcome.ok ? accepted({ ...outcome.value, refused: outcome.value.refused.map((read) => ({ ...read })) }) : outcome,
    )
  },
})

const ContentView = Type.Object({ code: Code, waybillId: Id, itemNo: Type.Integer(), quantity: Type.Integer() }, exact)
const View = Type.Object(
  {
    containerId: Id,
    code: Code,
    kind: Kind,
    colour: Type.String(),
    epc: nullable(Type.String()),
    epcUri: nullable(Type.String()),
    state: State,
    at: Type.String(),
    place: Type.Union([
      Type.Object({ name: Type.String(), seenAt: Type.String(), by: Type.Enum(['reader', 'person']), container: Code }, exact),
      Type.Null(),
    ]),
    inside: Type.Array(Type.Object({ code: Code, since: Type.String() }, exact)),
    containers: Type.Array(Type.Object({ code: Code, kind: Kind, into: Code }, exact)),
    contents: Type.Array(ContentView),
  },
  exact,
)

function viewOf({ container, at, place, inside, containers, contents }: ContainerView) {
  const { version: _version, epc, ...rest } = container
  const codes = new Map([container, ...inside, ...containers].map(({ containerId, code }) => [containerId, code]))
  const codeOf = (containerId: number): string => codes.get(containerId) ?? ''
  const tag = epc === null ? undefined : parseEpc(epc)
  return {
    ...rest,
    epc,
    epcUri: tag?.ok ? uriOf(tag.value) : null,
    at: at.toISOString(),
    place: place === null ? null : { name: place.place, seenAt: place.seenAt.toISOString(), by: place.by, container: place.code },
    inside: inside.map(({ code, since }) => ({ code, since: since.toISOString() })),
    containers: containers.map(({ code, kind, into }) => ({ code, kind, into: codeOf(into) })),
    contents: contents.map(({ containerId, ...line }) => ({ code: codeOf(containerId), ...line })),
  }
}

const get = query({
  id: 'containers.get',
  context: 'containers',
  summary: 'Where a container is and what is in it, now or at an instant; its state is always that of now',
  input: Type.Object({ code: Scan, at: Type.Optional(Instant) }, exact),
  output: View,
  scopes: ['containers:read', 'containers:write'],
  http: { method: 'GET', path: '/v1/containers/:code' },
  batch: { largest: 100, longestWaitMs: 0 },
  priority: 'normal',
  errors: { 'containers.unknown_container': 404, 'containers.not_an_instant': 422, 'containers.in_the_future': 422 },
  body: async (context, asked) => {
    const instants = asked.map(({ input }) => (input.at === undefined ? context.now : instantOf(input.at, context.now)))
    const questions = asked.flatMap(({ input }, index) => {
      const at = instants[index]
      return at instanceof Date ? [{ scanned: input.code, at }] : []
    })
    const views = (await viewContainers(context, questions)).values()
    return asked.map(({ input }, index) => {
      const at = instants[index]
      if (at !== undefined && !(at instanceof Date)) return refused(at.code, at.detail, '/at')
      const view = views.next().value
      return view === undefined ? unknownContainer(input.code) : accepted(viewOf(view))
    })
  },
})

const listUnknown = query({
  id: 'containers.list_unknown_tags',
  context: 'containers',
  summary: 'Tags that were read and are on no registered container, by rising code; `next` is the cursor of the next page, null at the end',
  input: Type.Object(
    {
      after: Type.Optional(Type.String({ pattern: '^[0-9A-F]{16,64}$' })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    },
    exact,
  ),
  output: Type.Object(
    {
      tags: Type.Array(Type.Object({ epc: Type.String(), place: Type.String(), seenAt: Type.String() }, exact)),
      next: nullable(Type.String()),
    },
    exact,
  ),
  scopes: ['containers:read', 'containers:write'],
  http: { method: 'GET', path: '/v1/unknown-tags' },
  batch: { largest: 8, longestWaitMs: 0 },
  priority: 'low',
  errors: {},
  body: (context, asked) =>
    Promise.all(
      asked.map(async ({ input }) => {
        const limit = input.limit ?? 100
        const tags = await findUnknownTags(context, { after: input.after ?? '', limit })
        const next = tags.length === limit ? (tags.at(-1)?.epc ?? null) : null
        return accepted({ tags: tags.map((tag) => ({ ...tag, seenAt: tag.seenAt.toISOString() })), next })
      }),
    ),
})

/** Everything that can be asked of containers. */
export const containerOperations = (findWaybills: FindWaybills): readonly Operation[] => [
  register,
  packOf(findWaybills),
  nest,
  report,
  move,
  record,
  get,
  listUnknown,
]
