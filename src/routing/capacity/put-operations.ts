import { Type } from 'typebox'
import { accepted } from '#kernel/outcome.ts'
import { command, type Operation } from '#platform/operation.ts'
import { openDays, putWeeklyQuotas, putWeeklySlots, weekdays } from './calendar.ts'
import { importZones } from './import-zones.ts'
import { mostPercent } from './overbook.ts'
import { putQuotas } from './put-quotas.ts'
import { putSlots } from './put-slots.ts'
import { putDepots, putVehicles } from './put-vehicles.ts'
import { recalculateQuotas } from './recalculate.ts'
import { Code, Failed, GoodsType, Id, LocalDate, LocalTime, exact } from './schemas.ts'

const rare = {
  audited: true,
  batch: { largest: 1000, longestWaitMs: 0, concurrent: 1, largestRequest: 5000 },
  priority: 'low',
  scopes: ['routing:write'],
} as const

const zonesImport = command({
  id: 'zones.import',
  context: 'routing',
  summary: 'Makes or replaces delivery zones and districts from a GeoJSON FeatureCollection; each feature has its own outcome',
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
      depotCode: Type.Optional(Code),
      shiftStartsAt: Type.Optional(LocalTime),
      shiftEndsAt: Type.Optional(LocalTime),
      tripCost: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000 })),
      kmCost: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
      active: Type.Optional(Type.Boolean()),
    },
    exact,
  ),
  output: Type.Object({ vehicleId: Id, code: Code }, exact),
  ...rare,
  http: { method: 'PUT', path: '/v1/vehicles' },
  idempotency: 'inherent',
  errors: { 'routing.unknown_depot': 404, 'routing.bad_shift': 422 },
  body: (context, asked) =>
    putVehicles(
      context,
      asked.map(({ input }) => input),
    ),
})

const quotaInput = Type.Object(
  {
    zoneCode: Code,
    date: LocalDate,
    slotCode: Code,
    skuType: GoodsType,
    capacity: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
    trucks: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 })),
  },
  exact,
)

const quotasPut = command({
  id: 'quotas.put',
  context: 'routing',
  summary: 'Sets how many waybills of one SKU type a slot of a zone takes on a date, and how many trucks of that type may drive in it',
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

const weeklySlotInput = Type.Object(
  {
    zoneCode: Code,
    weekday: Type.Enum([...weekdays]),
    code: Code,
    startsAt: LocalTime,
    endsAt: LocalTime,
    cutOffMinutes: Type.Integer({ minimum: 0, maximum: 20_160 }),
  },
  exact,
)

const slotsPutWeekly = command({
  id: 'slots.put_weekly',
  context: 'routing',
  summary: 'Makes or changes a delivery window that a zone has every week; dates are made from it two weeks ahead',
  input: weeklySlotInput,
  output: weeklySlotInput,
  ...rare,
  http: { method: 'PUT', path: '/v1/slots/weekly' },
  idempotency: 'inherent',
  errors: { 'routing.unknown_zone': 404, 'routing.bad_slot': 422 },
  body: (context, asked) =>
    putWeeklySlots(
      context,
      asked.map(({ input }) => input),
    ),
})

const weeklyQuotaInput = Type.Object(
  {
    zoneCode: Code,
    weekday: Type.Enum([...weekdays]),
    slotCode: Code,
    skuType: GoodsType,
    capacity: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
    trucks: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 })),
    stopsPerTruck: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    overbookMostPercent: Type.Optional(Type.Integer({ minimum: 100, maximum: mostPercent })),
  },
  exact,
)

const quotasPutWeekly = command({
  id: 'quotas.put_weekly',
  context: 'routing',
  summary:
    'Sets what a slot takes every week, or plans it by trucks and stops with what was learned of lost places; a quota set for a date overrides it',
  input: weeklyQuotaInput,
  output: weeklyQuotaInput,
  ...rare,
  http: { method: 'PUT', path: '/v1/quotas/weekly' },
  idempotency: 'inherent',
  errors: { 'routing.unknown_zone': 404, 'routing.unknown_slot': 404, 'routing.bad_quota': 422 },
  body: (context, asked) =>
    putWeeklyQuotas(
      context,
      asked.map(({ input }) => input),
    ),
})

const daysOpened = command({
  id: 'slots.open_days',
  context: 'routing',
  summary: 'Makes slots and quotas of dates ahead from the weeks of zones, as the hourly round does; what was set for a date stays',
  input: Type.Object({ days: Type.Integer({ minimum: 0, maximum: 60 }) }, exact),
  output: Type.Object({ slots: Type.Integer(), quotas: Type.Integer() }, exact),
  ...rare,
  batch: { largest: 1, longestWaitMs: 0, concurrent: 1 },
  http: { method: 'POST', path: '/v1/slots/days' },
  idempotency: 'inherent',
  errors: {},
  body: async (context, asked) => {
    const outcomes = []
    // `largest` is 1.
    for (const { input } of asked) outcomes.push(accepted(await openDays(context, input)))
    return outcomes
  },
})

const depotsPut = command({
  id: 'depots.put',
  context: 'routing',
  summary: 'Makes or changes a depot, where trucks start and end',
  input: Type.Object(
    {
      code: Code,
      name: Type.String({ minLength: 1, maxLength: 100 }),
      timeZone: Type.String({ minLength: 1, maxLength: 64 }),
      lat: Type.Number({ minimum: -90, maximum: 90 }),
      lng: Type.Number({ minimum: -180, maximum: 180 }),
    },
    exact,
  ),
  output: Type.Object({ depotId: Id, code: Code }, exact),
  ...rare,
  http: { method: 'PUT', path: '/v1/depots' },
  idempotency: 'inherent',
  errors: { 'routing.bad_depot': 422 },
  body: (context, asked) =>
    putDepots(
      context,
      asked.map(({ input }) => input),
    ),
})

const quotasRecalculate = command({
  id: 'quotas.recalculate',
  context: 'routing',
  summary: 'Counts the ledger of a zone and date anew and corrects what a quota says it has used',
  input: Type.Object({ zoneCode: Code, date: LocalDate }, exact),
  output: Type.Object(
    {
      corrected: Type.Array(Type.Object({ slotCode: Type.String(), skuType: GoodsType, was: Type.Integer(), is: Type.Integer() }, exact)),
    },
    exact,
  ),
  ...rare,
  http: { method: 'POST', path: '/v1/quotas/recalculate' },
  idempotency: 'inherent',
  errors: { 'routing.unknown_zone': 404 },
  body: (context, asked) =>
    recalculateQuotas(
      context,
      asked.map(({ input }) => input),
    ),
})

export const putOperations: readonly Operation[] = [
  zonesImport,
  depotsPut,
  slotsPut,
  slotsPutWeekly,
  vehiclesPut,
  quotasPut,
  quotasPutWeekly,
  daysOpened,
  quotasRecalculate,
]
