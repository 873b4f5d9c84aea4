import { Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { type WaybillState, waybillLifeCycle, waybillStates } from './lifecycle.ts'
import { type MoveWaybill, moveWaybills } from './move-waybills.ts'
import { historyOf, type StoredWaybill, waybillsById, waybillsByOrder, waybillsByState } from './waybill-store.ts'

const exact = { additionalProperties: false }
const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const State = Type.Enum([...waybillStates])
const LocalDate = Type.String({ pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$' })
const Instant = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?(Z|[+-]\\d{2}:\\d{2})$' })
const Slot = Type.Object({ date: LocalDate, code: Type.String({ minLength: 1, maxLength: 32 }) }, exact)

const WaybillView = Type.Object(
  {
    waybillId: Id,
    orderId: Id,
    orderNumber: Type.String(),
    sectionNo: Type.Integer(),
    merchantId: Type.Union([Type.String(), Type.Null()]),
    skuType: Type.String(),
    purpose: Type.String(),
    state: State,
    attempt: Type.Integer(),
    destination: Type.Object({
      name: Type.String(),
      line1: Type.String(),
      city: Type.String(),
      postcode: Type.String(),
      country: Type.String(),
      lat: Type.Optional(Type.Number()),
      lng: Type.Optional(Type.Number()),
    }),
    slot: Type.Union([Slot, Type.Null()]),
    routeId: Type.Union([Id, Type.Null()]),
    items: Type.Array(
      Type.Object({
        itemNo: Type.Integer(),
        sku: Type.String(),
        quantity: Type.Integer(),
        weightGrams: Type.Integer(),
        volumeMl: Type.Integer(),
      }),
    ),
    weightGrams: Type.Integer(),
    volumeMl: Type.Integer(),
    pieces: Type.Integer(),
    createdAt: Type.String(),
    movedAt: Type.String(),
  },
  exact,
)

const HistoryView = Type.Array(
  Type.Object({ from: Type.String(), to: Type.String(), cause: Type.String(), actor: Type.String(), at: Type.String() }, exact),
)

function viewOf(waybill: StoredWaybill) {
  const { merchant, version: _version, createdAt, movedAt, destination, slot, items, ...rest } = waybill
  return {
    ...rest,
    merchantId: merchant === '' ? null : merchant,
    destination: { ...destination },
    slot: slot === null ? null : { ...slot },
    items: items.map((item) => ({ ...item })),
    createdAt: createdAt.toISOString(),
    movedAt: movedAt.toISOString(),
  }
}

const unknownWaybill = (waybillId: number): Outcome<never> =>
  refused('fulfilment.unknown_waybill', `there is no waybill ${waybillId}`, '/waybillId')

const update = command({
  id: 'waybills.update',
  context: 'fulfilment',
  summary: 'Reports what happened to a waybill; a state further along the way to the door includes those before it',
  input: Type.Object(
    {
      waybillId: Id,
      to: State,
      occurredAt: Type.Optional(Instant),
      reason: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
      slot: Type.Optional(Type.Union([Slot, Type.Null()])),
    },
    exact,
  ),
  output: Type.Object({ waybillId: Id, orderId: Id, state: State, attempt: Type.Integer(), changed: Type.Boolean() }, exact),
  scopes: ['waybills:write'],
  http: { method: 'POST', path: '/v1/waybills/:waybillId/updates', batchPath: '/v1/waybills/updates' },
  batch: { largest: 1000, longestWaitMs: 1, largestRequest: 1000 },
  priority: 'high',
  // A report names the state it leads to, so a second one finds it done.
  idempotency: 'inherent',
  errors: {
    'fulfilment.unknown_waybill': 404,
    'fulfilment.not_movable': 409,
    'fulfilment.needs_a_route': 409,
    'fulfilment.in_the_future': 422,
    'fulfilment.not_an_instant': 422,
  },
  body: async (context, asked) => {
    const moves: MoveWaybill[] = []
    // The pattern lets 2026-13-45T99:00:00Z pass; such an entry fails alone, here.
    const bad = asked.map(({ input, actor, commandId }): Outcome<never> | null => {
      const { occurredAt, ...rest } = input
      const at = occurredAt === undefined ? undefined : new Date(occurredAt)
      if (at !== undefined && Number.isNaN(at.getTime()))
        return refused('fulfilment.not_an_instant', `${occurredAt} is no instant that exists`, '/occurredAt')
      moves.push({ ...rest, actor: actor.id, commandId, ...(at === undefined ? {} : { occurredAt: at }) })
      return null
    })
    const moved = (await moveWaybills(context, moves)).values()
    return bad.map(
      (failure) =>
        failure ??
        (moved.next().value as Outcome<{ waybillId: number; orderId: number; state: WaybillState; attempt: number; changed: boolean }>),
    )
  },
})

const get = query({
  id: 'waybills.get',
  context: 'fulfilment',
  summary: 'A waybill with its history',
  input: Type.Object({ waybillId: Id }, exact),
  output: Type.Object({ waybill: WaybillView, history: HistoryView }, exact),
  scopes: ['waybills:read'],
  http: { method: 'GET', path: '/v1/waybills/:waybillId' },
  batch: { largest: 200, longestWaitMs: 0 },
  priority: 'normal',
  errors: { 'fulfilment.unknown_waybill': 404 },
  body: async (context, asked) => {
    const ids = asked.map(({ input }) => input.waybillId)
    const [waybills, histories] = await Promise.all([waybillsById(context, ids), historyOf(context, ids)])
    return ids.map((waybillId) => {
      const waybill = waybills.get(waybillId)
      if (waybill === undefined) return unknownWaybill(waybillId)
      const history = (histories.get(waybillId) ?? []).map((row) => ({
        from: row.from_state,
        to: row.to_state,
        cause: row.cause,
        actor: row.actor,
        at: row.occurred_at.toISOString(),
      }))
      return accepted({ waybill: viewOf(waybill), history })
    })
  },
})

const listByOrder = query({
  id: 'waybills.list_by_order',
  context: 'fulfilment',
  summary: 'The waybills of an order; an empty list while none are made',
  input: Type.Object({ orderId: Id }, exact),
  output: Type.Object({ waybills: Type.Array(WaybillView) }, exact),
  scopes: ['waybills:read'],
  http: { method: 'GET', path: '/v1/orders/:orderId/waybills' },
  batch: { largest: 200, longestWaitMs: 0 },
  priority: 'normal',
  errors: {},
  body: async (context, asked) => {
    const found = await waybillsByOrder(
      context,
      asked.map(({ input }) => input.orderId),
    )
    return asked.map(({ input }) => accepted({ waybills: (found.get(input.orderId) ?? []).map(viewOf) }))
  },
})

/** States in which work waits; only those can be listed, since ended waybills are found by order or id. */
export const listableStates = waybillStates.filter((state) => !waybillLifeCycle.states[state].end)

const list = query({
  id: 'waybills.list',
  context: 'fulfilment',
  summary: 'Waybills that wait in a state, by rising id; `next` is the cursor of the next page, null at the end',
  input: Type.Object(
    {
      state: Type.Enum([...listableStates]),
      after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    },
    exact,
  ),
  output: Type.Object({ waybills: Type.Array(WaybillView), next: Type.Union([Id, Type.Null()]) }, exact),
  scopes: ['waybills:read'],
  http: { method: 'GET', path: '/v1/waybills' },
  batch: { largest: 20, longestWaitMs: 0 },
  priority: 'low',
  errors: {},
  body: async (context, asked) => {
    const pages = asked.map(({ input }) => ({ state: input.state, after: input.after ?? 0, limit: input.limit ?? 100 }))
    const lists = await waybillsByState(context, pages)
    return lists.map((waybills, index) => {
      const last = waybills.at(-1)
      const full = waybills.length === pages[index]?.limit
      return accepted({ waybills: waybills.map(viewOf), next: full && last !== undefined ? last.waybillId : null })
    })
  },
})

export const operations: readonly Operation[] = [update, get, listByOrder, list]
