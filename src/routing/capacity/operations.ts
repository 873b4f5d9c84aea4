import { Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { ReadContext } from '#platform/database.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { availabilityOf, type SlotAvailability } from './availability.ts'
import type { SkuType } from './goods.ts'
import { dateAfter, isDate } from './days.ts'
import { type HeldPlaces, holdPlaces, keepPlaces, letGoPlaces } from './holds.ts'
import { listQuotas } from './list-quotas.ts'
import { putOperations } from './put-operations.ts'
import { Address, Code, exact, GoodsType, Id, LocalDate } from './schemas.ts'
import type { CurrentZones } from './zone-store.ts'
import type { Zone, ZoneMap } from './zones.ts'

const Reference = Type.String({ pattern: '^[\\w.:-]{1,64}$' })
const Ttl = Type.Integer({ minimum: 10, maximum: 86_400 })
const Held = Type.Object({ reference: Type.String(), expiresAt: Type.Union([Type.String(), Type.Null()]) }, exact)
const selling = {
  scopes: ['routing:sell'],
  batch: { largest: 500, longestWaitMs: 1 },
  priority: 'high',
  idempotency: 'inherent',
} as const

const heldView = (outcome: Outcome<HeldPlaces>): Outcome<{ reference: string; expiresAt: string | null }> =>
  outcome.ok ? accepted({ reference: outcome.value.reference, expiresAt: outcome.value.expiresAt?.toISOString() ?? null }) : outcome

const placesHold = command({
  id: 'places.hold',
  context: 'routing',
  summary: 'Holds places of a slot for a checkout: all or none. What the same reference held of other slots is given back',
  input: Type.Object(
    {
      reference: Reference,
      zoneCode: Code,
      date: LocalDate,
      slotCode: Code,
      places: Type.Array(Type.Object({ skuType: GoodsType, places: Type.Integer({ minimum: 1, maximum: 1000 }) }, exact), {
        minItems: 1,
        maxItems: 3,
      }),
      ttlSeconds: Ttl,
      orderId: Type.Optional(Id),
    },
    exact,
  ),
  output: Held,
  ...selling,
  http: { method: 'POST', path: '/v1/places/hold' },
  errors: {
    'routing.unknown_zone': 404,
    'routing.unknown_slot': 404,
    'routing.slot_closed': 409,
    'routing.no_quota': 409,
    'routing.quota_full': 409,
    'routing.bad_hold': 422,
  },
  body: async (context, asked) =>
    (
      await holdPlaces(
        context,
        asked.map(({ input }) => input),
      )
    ).map(heldView),
})

const placesKeep = command({
  id: 'places.keep',
  context: 'routing',
  summary: 'Ties what a checkout holds to the order that was placed: its waybills take those places',
  input: Type.Object({ reference: Reference, orderId: Id, ttlSeconds: Ttl }, exact),
  output: Held,
  ...selling,
  http: { method: 'POST', path: '/v1/places/keep' },
  errors: { 'routing.unknown_hold': 404 },
  body: async (context, asked) =>
    (
      await keepPlaces(
        context,
        asked.map(({ input }) => input),
      )
    ).map(heldView),
})

const placesLetGo = command({
  id: 'places.let_go',
  context: 'routing',
  summary: 'Gives back what a checkout holds',
  input: Type.Object({ reference: Reference }, exact),
  output: Held,
  ...selling,
  http: { method: 'POST', path: '/v1/places/let-go' },
  errors: {},
  body: async (context, asked) =>
    (
      await letGoPlaces(
        context,
        asked.map(({ input }) => input),
      )
    ).map(heldView),
})

const ZoneAnswer = Type.Object(
  { zoneId: Id, code: Type.String(), name: Type.String(), timeZone: Type.String(), district: Type.Union([Type.String(), Type.Null()]) },
  exact,
)
const zoneAnswer = ({ zoneId, code, name, timeZone, district }: Zone) => ({ zoneId, code, name, timeZone, district })

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

export interface Door {
  readonly lat?: number
  readonly lng?: number
  readonly postcode?: string
  readonly skuType: SkuType
}

/** The slots of the next week that still take one more at some doors; none where no zone is. */
export async function freeSlotsAt(context: ReadContext, zones: ZoneMap, doors: readonly Door[]): Promise<SlotAvailability[][]> {
  const from = context.now.toISOString().slice(0, 10)
  const found = doors.map((door) => findZone(zones, door))
  const demands = found.flatMap((zone, at) =>
    zone.ok ? [{ zoneId: zone.value.zoneId, skuType: (doors[at] as Door).skuType, from, to: dateAfter(from, 6) }] : [],
  )
  const lists = (await availabilityOf(context, demands)).values()
  return found.map((zone) => (zone.ok ? (lists.next().value ?? []).filter(({ open }) => open) : []))
}

/** Operations that need the zones in memory share the cache that the face opened. */
export function capacityOperations(currentZones: CurrentZones): readonly Operation[] {
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
        if (input.from !== undefined && !isDate(input.from))
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

  return [...putOperations, listQuotas, locate, availability, placesHold, placesKeep, placesLetGo]
}
