import { type Static, type TSchema, Type } from 'typebox'
import { accepted, refused } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { retryUnassigned } from './assign-waybills.ts'
import { type CurrentZones, exact, Id } from './capacity/index.ts'
import { routesById } from './routes-by-id.ts'
import { assignmentsByOrder, type StoredAssignment } from './routing-store.ts'

const rare = {
  audited: true,
  batch: { largest: 1000, longestWaitMs: 0, concurrent: 1, largestRequest: 5000 },
  priority: 'low',
  scopes: ['routing:write'],
} as const

const Reason = Type.Enum(['no_zone', 'no_slot', 'slot_closed', 'no_quota', 'quota_full', 'no_vehicle', 'awaits_run'])
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

const RouteView = Type.Object(
  {
    routeId: Id,
    zoneCode: Type.String(),
    date: Type.String(),
    slotCode: Type.String(),
    vehicleCode: Type.String(),
    vehicleType: Type.String(),
    startsAt: Type.String(),
    endsAt: Type.String(),
    load: Type.Object({ weightGrams: Type.Integer(), volumeMl: Type.Integer(), pieces: Type.Integer(), stops: Type.Integer() }, exact),
    capacity: Type.Object({ weightGrams: Type.Integer(), volumeMl: Type.Integer(), pieces: Type.Integer() }, exact),
    waybillIds: Type.Array(Id),
    state: Type.String(),
    leavesAt: nullable(Type.String()),
    returnsAt: nullable(Type.String()),
    frozen: Type.Integer(),
    why: Type.String(),
    stops: Type.Array(
      Type.Object(
        { position: Type.Integer(), lat: Type.Number(), lng: Type.Number(), arrivesAt: Type.String(), waybillIds: Type.Array(Id) },
        exact,
      ),
    ),
  },
  exact,
)

const routesGet = query({
  id: 'routes.get',
  context: 'routing',
  summary: 'A route with its truck, its load, its stops in order with when the truck comes, and why it is as it is',
  input: Type.Object({ routeId: Id }, exact),
  output: RouteView,
  scopes: ['routing:read'],
  http: { method: 'GET', path: '/v1/routes/:routeId' },
  batch: { largest: 200, longestWaitMs: 0 },
  priority: 'normal',
  errors: { 'routing.unknown_route': 404 },
  body: async (context, asked) => {
    const routes = await routesById(
      context,
      asked.map(({ input }) => input.routeId),
    )
    return asked.map(({ input }) => {
      const route = routes.get(input.routeId)
      return route === undefined ? refused('routing.unknown_route', `there is no route ${input.routeId}`, '/routeId') : accepted(route)
    })
  },
})

const AssignmentView = Type.Object(
  {
    waybillId: Id,
    attempt: Type.Integer(),
    state: Type.String(),
    zoneId: nullable(Id),
    date: nullable(Type.String()),
    slotCode: nullable(Type.String()),
    routeId: nullable(Id),
    vehicleId: nullable(Id),
    reasonCode: nullable(Type.String()),
    reason: nullable(Type.String()),
  },
  exact,
)

function assignmentView(stored: StoredAssignment): Static<typeof AssignmentView> {
  const { waybillId, attempt, state, zoneId, date, slotCode, routeId, vehicleId, reasonCode, reason } = stored
  return { waybillId, attempt, state, zoneId, date, slotCode, routeId, vehicleId, reasonCode, reason }
}

const assignmentsOfOrder = query({
  id: 'assignments.list_by_order',
  context: 'routing',
  summary: 'Where the waybills of an order ride, or why they wait',
  input: Type.Object({ orderId: Id }, exact),
  output: Type.Object({ assignments: Type.Array(AssignmentView) }, exact),
  scopes: ['routing:read'],
  http: { method: 'GET', path: '/v1/orders/:orderId/assignments' },
  batch: { largest: 200, longestWaitMs: 0 },
  priority: 'normal',
  errors: {},
  body: async (context, asked) => {
    const found = await assignmentsByOrder(
      context,
      asked.map(({ input }) => input.orderId),
    )
    return asked.map(({ input }) => accepted({ assignments: (found.get(input.orderId) ?? []).map(assignmentView) }))
  },
})

/** What is asked of routes and assignments; operations of zones, slots, trucks and quotas are capacity's. */
export function openOperations(currentZones: CurrentZones): readonly Operation[] {
  const retry = command({
    id: 'assignments.retry',
    context: 'routing',
    summary: 'Tries waiting waybills again, a page at a time, after zones, slots, quotas or trucks have changed',
    input: Type.Object(
      {
        reasonCodes: Type.Optional(Type.Array(Reason, { minItems: 1, maxItems: 7 })),
        after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
      },
      exact,
    ),
    output: Type.Object({ tried: Type.Integer(), assigned: Type.Integer(), next: nullable(Id) }, exact),
    ...rare,
    batch: { largest: 1, longestWaitMs: 0, concurrent: 1 },
    http: { method: 'POST', path: '/v1/assignments/retry' },
    idempotency: 'inherent',
    errors: {},
    body: async (context, asked) => {
      const outcomes = []
      // One at a time: `largest` is 1, and two retries of the same page would only find each other's work done.
      for (const { input, actor, commandId } of asked)
        outcomes.push(await retryUnassigned(context, { ...input, actor: actor.id, commandId }, currentZones))
      return outcomes
    },
  })

  return [routesGet, assignmentsOfOrder, retry]
}
