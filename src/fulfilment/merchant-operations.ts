import { type Static, Type } from 'typebox'
import { accepted, type Failure, type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, statement } from '#platform/database.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { ownScopeOf } from '#platform/request-context.ts'
import type { MovedWaybill } from './change-waybills.ts'
import { type MoveWaybill, moveWaybills } from './move-waybills.ts'
import { isTooFar, type PromiseReady, promiseReady, tooFar } from './promise-ready.ts'
import { instantOf } from './schemas.ts'
import { type StoredWaybill, waybillsById } from './waybill-store.ts'

/** Waybills of which something is in the scanned containers (by code or EPC); undefined where there is no such container. */
export type FindByContainer = (
  scope: Pick<ReadContext, 'traffic' | 'rehearsalId'>,
  scanned: readonly string[],
) => Promise<readonly (readonly number[] | undefined)[]>

const exact = { additionalProperties: false }
const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
/** States in which a waybill waits with its merchant. */
const prepared = ['released', 'acknowledged', 'picked'] as const
const State = Type.Enum([...prepared])

/** All calls of a merchant's people together; a batch is one call. */
const limit = { perSecond: 2, burst: 4, key: 'merchants', per: 'merchant', counts: 'requests' } as const

// No address: a merchant prepares, it does not deliver.
const PreparedView = Type.Object(
  {
    waybillId: Id,
    orderNumber: Type.String(),
    state: Type.String(),
    skuType: Type.String(),
    slot: Type.Union([Type.Object({ date: Type.String(), code: Type.String() }, exact), Type.Null()]),
    items: Type.Array(Type.Object({ itemNo: Type.Integer(), sku: Type.String(), quantity: Type.Integer() }, exact)),
    weightGrams: Type.Integer(),
    pieces: Type.Integer(),
    movedAt: Type.String(),
  },
  exact,
)

function viewOf(waybill: StoredWaybill): Static<typeof PreparedView> {
  const { waybillId, orderNumber, state, skuType, slot, items, weightGrams, pieces, movedAt } = waybill
  return {
    waybillId,
    orderNumber,
    state,
    skuType,
    slot: slot === null ? null : { ...slot },
    items: items.map(({ itemNo, sku, quantity }) => ({ itemNo, sku, quantity })),
    weightGrams,
    pieces,
    movedAt: movedAt.toISOString(),
  }
}

// The last conditions repeat the predicate of index waybill_to_prepare.
const selectOwn = statement<{ asked: number; id: number }>(
  'fulfilment.waybills_to_prepare',
  `select asked.position::int as asked, own.id
   from unnest($1::text[], $2::text[], $3::bigint[], $4::int[]) with ordinality as asked (merchant, state, after, most, position)
   cross join lateral (
     select id from fulfilment.waybill where merchant = asked.merchant and state = asked.state and id > asked.after
       and merchant <> '' and phase = 'preparing'
     order by id limit asked.most
   ) as own order by asked.position, own.id`,
)

const list = query({
  id: 'waybills.list_to_prepare',
  context: 'fulfilment',
  summary: 'Waybills that wait with the merchant whose key this is, by rising id; `next` is the cursor of the next page, null at the end',
  input: Type.Object(
    {
      state: Type.Optional(State),
      after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    },
    exact,
  ),
  output: Type.Object({ waybills: Type.Array(PreparedView), next: Type.Union([Id, Type.Null()]) }, exact),
  scopes: ['merchants:prepare'],
  http: { method: 'GET', path: '/v1/merchant/waybills' },
  batch: { largest: 50, longestWaitMs: 0, concurrent: 1 },
  limit,
  priority: 'lowest',
  errors: {},
  body: async (context, asked) => {
    const limits = asked.map(({ input }) => input.limit ?? 100)
    const found = await context.query(selectOwn, [
      asked.map(({ actor }) => ownScopeOf(actor, 'merchant') ?? ''),
      asked.map(({ input }) => input.state ?? 'released'),
      asked.map(({ input }) => input.after ?? 0),
      limits,
    ])
    const waybills = await waybillsById(context, [...new Set(found.map(({ id }) => id))])
    const pages = Map.groupBy(found, (row) => row.asked)
    return asked.map((_, index) => {
      const ids = (pages.get(index + 1) ?? []).map(({ id }) => id)
      const views = ids.flatMap((id) => waybills.get(id) ?? []).map(viewOf)
      return accepted({ waybills: views, next: ids.length === limits[index] ? (ids.at(-1) ?? null) : null })
    })
  },
})

const Scan = Type.String({
  pattern: '^([1-9]\\d{0,14}|[A-Z][A-Z0-9-]{2,19}|[0-9A-Fa-f]{24})$',
  description: 'number of a waybill, or code or EPC of a container: then all of your waybills in it',
})
const isNumber = (scanned: string): boolean => /^\d{1,15}$/.test(scanned)

const ReportedView = Type.Object(
  {
    waybills: Type.Array(Type.Object({ waybillId: Id, state: Type.String(), changed: Type.Boolean() }, exact)),
    /** What could not be moved, where others of the container could. */
    left: Type.Array(Type.Object({ waybillId: Id, code: Type.String(), detail: Type.String() }, exact)),
  },
  exact,
)

const ReadyAt = Type.String({
  format: 'date-time',
  description: 'with acknowledged: when it will be ready; its truck leaves no sooner. Without it nothing changes',
})

const reportOf = (findByContainer: FindByContainer): Operation =>
  command({
    id: 'waybills.report_prepared',
    context: 'fulfilment',
    summary:
      'A merchant says that it will prepare a waybill (acknowledged) or has (picked): by its number, or by scan of a container that holds it',
    input: Type.Object({ code: Scan, to: Type.Enum(['acknowledged', 'picked']), readyAt: Type.Optional(ReadyAt) }, exact),
    output: ReportedView,
    scopes: ['merchants:prepare'],
    http: { method: 'POST', path: '/v1/merchant/waybills/:code/reports', batchPath: '/v1/merchant/waybills/reports' },
    batch: { largest: 1000, longestWaitMs: 2, concurrent: 1, largestRequest: 1000 },
    limit,
    priority: 'lowest',
    // A report names the state it leads to, so a second one finds it done.
    idempotency: 'inherent',
    errors: {
      'fulfilment.unknown_waybill': 404,
      'fulfilment.not_movable': 409,
      'fulfilment.on_hold': 409,
      'fulfilment.is_ready': 422,
      'fulfilment.in_the_future': 422,
      'fulfilment.not_an_instant': 422,
    },
    body: async (context, asked) => {
      const containers = [...new Set(asked.flatMap(({ input }) => (isNumber(input.code) ? [] : [input.code])))]
      const contents = containers.length === 0 ? [] : await findByContainer(context, containers)
      const held = new Map(containers.map((scanned, index) => [scanned, contents[index] ?? []]))
      const idsOf = (scanned: string): readonly number[] => (isNumber(scanned) ? [Number(scanned)] : (held.get(scanned) ?? []))
      const waybills = await waybillsById(context, [...new Set(asked.flatMap(({ input }) => idsOf(input.code)))])

      // Whose a waybill is never changes, so it may be looked at before the lock. What is somebody else's is not there at all.
      const moves: MoveWaybill[] = []
      const promises: PromiseReady[] = []
      const ready = asked.map(({ input }) => readyOf(input, context.now))
      const owned = asked.map(({ input, actor, commandId }, index) => {
        const merchant = ownScopeOf(actor, 'merchant')
        const own = idsOf(input.code).filter((waybillId) => merchant !== undefined && waybills.get(waybillId)?.merchant === merchant)
        const at = ready[index]
        if (at?.ok === false) return []
        for (const waybillId of own) moves.push({ waybillId, to: input.to, actor: actor.id, commandId })
        // What a merchant has picked is ready, whatever it said before.
        const readyAt = input.to === 'picked' ? null : at?.value
        if (readyAt !== undefined) for (const waybillId of own) promises.push({ waybillId, readyAt, actor: actor.id, commandId })
        return own
      })
      const done = await moveWaybills(context, moves)
      // A word that was overtaken by picking has no effect, as the report that brought it.
      const stateOf = new Map(done.flatMap((one) => (one.ok ? [[one.value.waybillId, one.value.state] as const] : [])))
      await promiseReady(
        context,
        promises.filter(({ waybillId, readyAt }) => readyAt === null || stateOf.get(waybillId) === 'acknowledged'),
      )
      const moved = done.values()
      return asked.map(({ input }, index) => {
        const own = owned[index] ?? []
        const outcomes = own.map((waybillId) => ({ waybillId, outcome: moved.next().value as Outcome<MovedWaybill> }))
        const at = ready[index]
        return at?.ok === false ? at : answerOf(input.code, outcomes)
      })
    },
  })

/** Undefined where nothing was said. Errors: in_the_future, not_an_instant. */
function readyOf({ readyAt, to }: { readyAt?: string; to: string }, now: Date): Outcome<Date> | undefined {
  if (readyAt === undefined) return undefined
  if (to === 'picked') return refused('fulfilment.is_ready', 'what is picked is ready; only acknowledged says when it will be', '/readyAt')
  const at = instantOf(readyAt, '/readyAt')
  return at.ok && isTooFar(at.value, now) ? tooFar(at.value) : at
}

function answerOf(
  scanned: string,
  outcomes: readonly { waybillId: number; outcome: Outcome<MovedWaybill> }[],
): Outcome<Static<typeof ReportedView>> {
  if (outcomes.length === 0) {
    const detail = isNumber(scanned) ? `there is no waybill ${scanned}` : `there is no container ${scanned} with a waybill to prepare`
    return refused('fulfilment.unknown_waybill', detail, '/code')
  }
  const waybills: Static<typeof ReportedView>['waybills'] = []
  const left: (Failure & { waybillId: number })[] = []
  for (const { waybillId, outcome } of outcomes) {
    if (outcome.ok) waybills.push({ waybillId, state: outcome.value.state, changed: outcome.value.changed })
    else left.push({ waybillId, ...outcome.error })
  }
  const [first] = left
  if (first !== undefined && waybills.length === 0) return refused(first.code, first.detail, '/to', first.facts)
  return accepted({ waybills, left: left.map(({ waybillId, code, detail }) => ({ waybillId, code, detail })) })
}

/** What merchants ask of their own waybills. The merchant is that of the actor's scope `merchant:…`, and nothing that a caller sends. */
export const merchantOperations = (findByContainer: FindByContainer): readonly Operation[] => [list, reportOf(findByContainer)]
