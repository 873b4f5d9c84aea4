import { Type } from 'typebox'
import { accepted, type Outcome } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { actOperations } from './act-operations.ts'
import { unknownWaybill } from './change-waybills.ts'
import { openHolds } from './hold-store.ts'
import { waybillLifeCycle, waybillStates } from './lifecycle.ts'
import { type MoveWaybill, moveWaybills } from './move-waybills.ts'
import { listLate } from './promises.ts'
import { eachAlone, exact, HistoryView, HoldsView, Id, Instant, instantOf, MovedView, Slot, State, viewOf, WaybillView } from './schemas.ts'
import { statusById, StatusView } from './waybill-status.ts'
import { waybillsById, waybillsByOrder, waybillsByState } from './waybill-store.ts'
import { historyOf } from './waybill-writer.ts'

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
  output: MovedView,
  scopes: ['waybills:write'],
  http: { method: 'POST', path: '/v1/waybills/:waybillId/updates', batchPath: '/v1/waybills/updates' },
  batch: { largest: 1000, longestWaitMs: 1, largestRequest: 1000 },
  priority: 'high',
  // A report names the state it leads to, so a second one finds it done.
  idempotency: 'inherent',
  errors: {
    'fulfilment.unknown_waybill': 404,
    'fulfilment.not_movable': 409,
    'fulfilment.on_hold': 409,
    'fulfilment.needs_a_route': 409,
    'fulfilment.in_the_future': 422,
    'fulfilment.not_an_instant': 422,
  },
  body: (context, asked) =>
    eachAlone(
      asked.map(({ input: { occurredAt, ...rest }, actor, commandId }): Outcome<MoveWaybill> => {
        const move = { ...rest, actor: actor.id, commandId }
        if (occurredAt === undefined) return accepted(move)
        const at = instantOf(occurredAt, '/occurredAt')
        return at.ok ? accepted({ ...move, occurredAt: at.value }) : at
      }),
      (moves) => moveWaybills(context, moves),
    ),
})

const get = query({
  id: 'waybills.get',
  context: 'fulfilment',
  summary: 'A waybill with its open holds and its history',
  input: Type.Object({ waybillId: Id }, exact),
  output: Type.Object({ waybill: WaybillView, holds: HoldsView, history: HistoryView }, exact),
  scopes: ['waybills:read'],
  http: { method: 'GET', path: '/v1/waybills/:waybillId' },
  batch: { largest: 200, longestWaitMs: 0 },
  priority: 'normal',
  errors: { 'fulfilment.unknown_waybill': 404 },
  body: async (context, asked) => {
    const ids = asked.map(({ input }) => input.waybillId)
    const [waybills, holds, histories] = await Promise.all([waybillsById(context, ids), openHolds(context, ids), historyOf(context, ids)])
    return ids.map((waybillId) => {
      const waybill = waybills.get(waybillId)
      if (waybill === undefined) return unknownWaybill(waybillId)
      const history = (histories.get(waybillId) ?? []).map(({ at, ...step }) => ({ ...step, at: at.toISOString() }))
      const held = (holds.get(waybillId) ?? []).map(({ kind, owner, reason, heldAt, expiresAt, expiredAt }) => ({
        kind,
        owner,
        reason,
        heldAt: heldAt.toISOString(),
        expiresAt: expiresAt?.toISOString() ?? null,
        expired: expiredAt !== null,
      }))
      return accepted({ waybill: viewOf(waybill), holds: held, history })
    })
  },
})

const status = query({
  id: 'waybills.status',
  context: 'fulfilment',
  summary: 'Where a waybill stands, for pages that many look at; with several processes and no Redis it may be five minutes old',
  input: Type.Object({ waybillId: Id }, exact),
  output: StatusView,
  scopes: ['waybills:read'],
  http: { method: 'GET', path: '/v1/waybills/:waybillId/status' },
  batch: { largest: 500, longestWaitMs: 0 },
  priority: 'normal',
  errors: { 'fulfilment.unknown_waybill': 404 },
  body: async (context, asked) => {
    const found = await statusById(
      context,
      asked.map(({ input }) => input.waybillId),
    )
    return asked.map(({ input: { waybillId } }) => {
      const view = found.get(String(waybillId))
      return view === undefined ? unknownWaybill(waybillId) : accepted({ ...view })
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

export const operations: readonly Operation[] = [update, ...actOperations, get, status, listByOrder, list, listLate]
