import { type Static, type TSchema, Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { retryUnassigned } from './assign-waybills.ts'
import { importZones } from './import-zones.ts'
import { putQuotas, putSlots, putVehicles } from './put-capacity.ts'
import { availabilityOf, routesById } from './queries.ts'
import { assignmentsByOrder, type CurrentZones, type StoredAssignment } from './routing-store.ts'
import type { Zone, ZoneMap } from './zones.ts'

const exact = { additionalProperties: false }
const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const Code = Type.String({ pattern: '^[\\w.-]{1,32}$' })
const LocalDate = Type.String({ pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$' })
const LocalTime = Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' })
const GoodsType = Type.Enum(['dry', 'frozen', 'mixed'])
const Reason = Type.Enum(['no_zone', 'no_slot', 'slot_closed', 'no_quota', 'quota_full', 'no_vehicle'])
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Address = {
  lat: Type.Optional(Type.Number({ minimum: -90, maximum: 90 })),
  lng: Type.Optional(Type.Number({ minimum: -180, maximum: 180 })),
  postcode: Type.Optional(Type.String({ minLength: 1, maxLength: 16 })),
}

const Failed = Type.Object({ code: Type.String(), detail: Type.String(), field: Type.Optional(Type.String()) }, exact)
const rare = {
  audited: true,
  batch: { largest: 1000, longestWaitMs: 0, concurrent: 1, largestRequest: 5000 },
  priority: 'low',
  scopes: ['routing:write'],
} as const

const zonesImport = command({
  id: 'zones.import',
  context: 'routing',
  summary: 'Makes or replaces delivery zones from a GeoJSON FeatureCollection; each feature has its own outcome',
  input: Type.Object(
    { type: Type.Literal('FeatureCollection'), features: Type.Array(Type.Unknown(), { minItems: 1, maxItems: 5000 }) },
    // Tools add members such as `name` and `crs` to a collection; they do no harm.
    { additionalProperties: true },
  ),
  output: Type.Object(
    {
      imported: Type.Integer(),
      features: Type.Array(
        Type.Object(
          { ok: Type.Boolean(), code: Type.Optional(Type.String()), zoneId: Type.Optional(Id), error: Type.Optional(Failed) },
          exact,
        ),
      ),
    },
    exact,
  ),
  ...rare,
  batch: { largest: 1, longestWaitMs: 0, concurrent: 1 },
  http: { method: 'POST', path: '/v1/zones/import' },
  idempotency: 'inherent',
  errors: {},
  body: async (context, asked) => {
    const outcomes = await importZones(
      context,
      asked.map(({ input }) => input),
    )
    return outcomes.map((outcome) => {
      if (!outcome.ok) return outcome
      const features = outcome.value.features.map((feature) => {
        if (feature.ok) return { ok: true, ...feature.value }
        const { code, detail, field } = feature.error
        return { ok: false, error: { code, detail, ...(field === undefined ? {} : { field }) } }
      })
      return accepted({ imported: features.filter((feature) => feature.ok).length, features })
    })
  },
})

const slotInput = Type.Object(
  {
    zoneCode: Code,
    date: LocalDate,
    code: Code,
    startsAt: LocalTime,
    endsAt: LocalTime,
    cutOffMinutes: Type.Integer({ minimum: 0, maximum: 20_160 }),
  },
  exact,
)

const slotsPut = command({
  id: 'slots.put',
  context: 'routing',
  summary: 'Makes or changes a delivery window of a zone, in the zone’s local time',
  input: slotInput,
  output: slotInput,
  ...rare,
  http: { method: 'PUT', path: '/v1/slots' },
  idempotency: 'inherent',
  errors: {
    'routing.unknown_zone': 404,
    'routing.no_such_date': 422,
    'routing.bad_slot': 422,
    'routing.slot_in_the_past': 422,
    'routing.slot_in_use': 409,
  },
  body: (context, asked) =>
    putSlots(
      context,
      asked.map(({ input }) => input),
    ),
})

const vehiclesPut = command({
  id: 'vehicles.put',
  context: 'routing',
  summary: 'Makes or changes a truck',
  input: Type.Object(
    {
      code: Code,
      type: GoodsType,
      weightGrams: Type.Integer({ minimum: 1, maximum: 100_000_000 }),
      volumeMl: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
      pieces: Type.Integer({ minimum: 1, maximum: 100_000 }),
      active: Type.Optional(Type.Boolean()),
    },
    exact,
  ),
  output: Type.Object({ vehicleId: Id, code: Code }, exact),
  ...rare,
  http: { method: 'PUT', path: '/v1/vehicles' },
  idempotency: 'inherent',
  errors: {},
  body: (context, asked) =>
    putVehicles(
      context,
      asked.map(({ input }) => input),
    ),
})

const quotaInput = Type.Object(
  { zoneCode: Code, date: LocalDate, slotCode: Code, skuType: GoodsType, capacity: Type.Integer({ minimum: 0, maximum: 1_000_000 }) },
  exact,
)

const quotasPut = command({
  id: 'quotas.put',
  context: 'routing',
  summary: 'Sets how many waybills of one SKU type a slot of a zone takes',
  input: quotaInput,
  output: quotaInput,
  ...rare,
  http: { method: 'PUT', path: '/v1/quotas' },
  idempotency: 'inherent',
  errors: { 'routing.unknown_zone': 404, 'routing.unknown_slot': 404, 'routing.quota_below_use': 409 },
  body: (context, asked) =>
    putQuotas(
      context,
      asked.map(({ input }) => input),
    ),
})

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
  },
  exact,
)

const routesGet = query({
  id: 'routes.get',
  context: 'routing',
  summary: 'A route with its truck, its load and its waybills',
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

const ZoneAnswer = Type.Object({ zoneId: Id, code: Type.String(), name: Type.String(), timeZone: Type.String() }, exact)
const zoneAnswer = ({ zoneId, code, name, timeZone }: Zone) => ({ zoneId, code, name, timeZone })

function findZone(zones: ZoneMap, input: { zoneCode?: string; lat?: number; lng?: number; postcode?: string }): Outcome<Zone> {
  const { zoneCode, lat, lng, postcode } = input
  if (zoneCode !== undefined) {
    const zone = zones.byCode(zoneCode)
    return zone === undefined ? refused('routing.unknown_zone', `there is no zone ${zoneCode}`, '/zoneCode') : accepted(zone)
  }
  if ((lat === undefined) !== (lng === undefined) || (lat === undefined && postcode === undefined))
    return refused('routing.no_address', 'give lat and lng, or a postcode', lat === undefined ? '/lat' : '/lng')
  const zone = zones.locate({ postcode: postcode ?? '', ...(lat === undefined || lng === undefined ? {} : { lat, lng }) })
  const where = lat === undefined ? `postcode ${postcode}` : `${lat},${lng}`
  return zone === undefined ? refused('routing.no_zone', `${where} lies in no delivery zone`) : accepted(zone)
}

const dayMs = 24 * 3600 * 1000
const dateAfter = (from: string, days: number) => new Date(Date.parse(`${from}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10)

/** Operations that need the zones in memory share the cache that the face opened. */
export function openOperations(currentZones: CurrentZones): readonly Operation[] {
  const locate = query({
    id: 'zones.locate',
    context: 'routing',
    summary: 'The delivery zone of a point or postcode',
    input: Type.Object(Address, exact),
    output: ZoneAnswer,
    scopes: ['routing:read'],
    http: { method: 'GET', path: '/v1/zones/locate' },
    batch: { largest: 1000, longestWaitMs: 0 },
    priority: 'normal',
    errors: { 'routing.no_zone': 404, 'routing.no_address': 422 },
    body: async (context, asked) => {
      const zones = await currentZones(context)
      return asked.map(({ input }) => {
        const zone = findZone(zones, input)
        return zone.ok ? accepted(zoneAnswer(zone.value)) : zone
      })
    },
  })

  const availability = query({
    id: 'slots.availability',
    context: 'routing',
    summary: 'Slots of a zone with the places left for one SKU type, up to 14 days',
    input: Type.Object(
      {
        zoneCode: Type.Optional(Code),
        ...Address,
        skuType: GoodsType,
        from: Type.Optional(LocalDate),
        days: Type.Optional(Type.Integer({ minimum: 1, maximum: 14 })),
      },
      exact,
    ),
    output: Type.Object(
      {
        zone: ZoneAnswer,
        slots: Type.Array(
          Type.Object(
            {
              date: Type.String(),
              code: Type.String(),
              startsAt: Type.String(),
              endsAt: Type.String(),
              cutOffAt: Type.String(),
              left: Type.Integer(),
              open: Type.Boolean(),
            },
            exact,
          ),
        ),
      },
      exact,
    ),
    scopes: ['routing:read'],
    http: { method: 'GET', path: '/v1/slots/availability' },
    batch: { largest: 200, longestWaitMs: 1 },
    priority: 'high',
    errors: { 'routing.unknown_zone': 404, 'routing.no_zone': 404, 'routing.no_address': 422, 'routing.no_such_date': 422 },
    body: async (context, asked) => {
      const zones = await currentZones(context)
      const today = context.now.toISOString().slice(0, 10)
      const found = asked.map(({ input }): Outcome<Zone> => {
        if (input.from !== undefined && Number.isNaN(Date.parse(`${input.from}T00:00:00Z`)))
          return refused('routing.no_such_date', `${input.from} is in no calendar`, '/from')
        return findZone(zones, input)
      })
      const demands = found.flatMap((zone, index) => {
        const input = asked[index]?.input
        if (!zone.ok || input === undefined) return []
        const { skuType, from = today, days = 7 } = input
        return [{ zoneId: zone.value.zoneId, skuType, from, to: dateAfter(from, days - 1) }]
      })
      const lists = (await availabilityOf(context, demands)).values()
      return found.map((zone) => {
        if (!zone.ok) return zone
        const slots = (lists.next().value ?? []).map(({ date, code, startsAt, endsAt, cutOffAt, left, open }) => ({
          date,
          code,
          startsAt: startsAt.toISOString(),
          endsAt: endsAt.toISOString(),
          cutOffAt: cutOffAt.toISOString(),
          left,
          open,
        }))
        return accepted({ zone: zoneAnswer(zone.value), slots })
      })
    },
  })

  const retry = command({
    id: 'assignments.retry',
    context: 'routing',
    summary: 'Tries waiting waybills again, a page at a time, after zones, slots, quotas or trucks have changed',
    input: Type.Object(
      {
        reasonCodes: Type.Optional(Type.Array(Reason, { minItems: 1, maxItems: 6 })),
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

  return [zonesImport, slotsPut, vehiclesPut, quotasPut, routesGet, assignmentsOfOrder, locate, availability, retry]
}
