import type { SkuType } from './goods.ts'
import type { PutQuota } from './put-quotas.ts'
import type { PutSlot } from './put-slots.ts'
import type { PutVehicle } from './put-vehicles.ts'
import type { Position } from './zone-reader.ts'

export interface CityPlan {
  readonly seed: number
  /** First local date of delivery, YYYY-MM-DD. */
  readonly firstDate: string
  readonly days: number
  readonly centre?: Position
  readonly timeZone?: string
  /** Waybills that one zone, slot and SKU type takes. */
  readonly quotaCapacity?: number
  readonly vehicles?: number
}

export interface MadeCity {
  readonly features: readonly ZoneFeature[]
  readonly slots: readonly PutSlot[]
  readonly vehicles: readonly PutVehicle[]
  readonly quotas: readonly PutQuota[]
  /** The n-th address of the city: always the same one, inside of a zone. */
  address(n: number): { name: string; line1: string; city: string; postcode: string; country: string; lat: number; lng: number }
}

export interface ZoneFeature {
  readonly type: 'Feature'
  readonly properties: { readonly code: string; readonly name: string; readonly timeZone: string; readonly postcodes: readonly string[] }
  readonly geometry: { readonly type: 'Polygon'; readonly coordinates: readonly (readonly Position[])[] }
}

/** A small seeded generator (mulberry32): the same seed gives the same city on every machine. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const sectors = 6
const rings = ['Old Town', 'Garden'] as const
const quarters = ['East', 'North-East', 'North-West', 'West', 'South-West', 'South-East'] as const
const skuTypes: readonly SkuType[] = ['dry', 'frozen', 'mixed']
const windows = ['08', '10', '12', '14', '16', '18'] as const
const streets = ['Maple St', 'Harbour Rd', 'Mill Lane', 'Station Ave', 'Orchard Dr', 'Canal St', 'Hill Rd', 'Park Ave'] as const

/**
 * A city made from a seed: twelve zones in two rings around a centre, which share their borders exactly; six slots a day;
 * trucks and quotas. Pure data, for demos, tests and rehearsals.
 */
export function madeCity(plan: CityPlan): MadeCity {
  const {
    seed,
    firstDate,
    days,
    centre = [-79.09, 43.09],
    timeZone = 'America/Toronto',
    quotaCapacity = 400,
    vehicles: trucks = 240,
  } = plan
  const random = seeded(seed)
  // About 4 and 9 km from the centre; a degree of longitude is shorter than one of latitude here by the cosine.
  const narrow = Math.cos((centre[1] * Math.PI) / 180)
  const corner = (turn: number, radius: number): Position => [
    round(centre[0] + (radius * Math.cos(turn)) / narrow),
    round(centre[1] + radius * Math.sin(turn)),
  ]
  const turnOf = (sector: number) => (2 * Math.PI * sector) / sectors
  const inner = Array.from({ length: sectors }, (_, sector) => corner(turnOf(sector) + (random() - 0.5) * 0.3, 0.036 + random() * 0.01))
  const outer = Array.from({ length: sectors }, (_, sector) => corner(turnOf(sector) + (random() - 0.5) * 0.3, 0.078 + random() * 0.014))
  // Between the corners of the outer border, further out, so that the city looks round.
  const bulge = Array.from({ length: sectors }, (_, sector) => corner(turnOf(sector + 0.5), 0.088 + random() * 0.008))
  const at = (list: readonly Position[], sector: number) => list[sector % sectors] as Position

  const features = rings.flatMap((ring, ringNo) =>
    quarters.map((quarter, sector): ZoneFeature => {
      const code = `${ringNo === 0 ? 'T' : 'G'}${sector + 1}`
      const loop =
        ringNo === 0
          ? [centre, at(inner, sector), at(inner, sector + 1), centre]
          : [at(inner, sector), at(outer, sector), at(bulge, sector), at(outer, sector + 1), at(inner, sector + 1), at(inner, sector)]
      return {
        type: 'Feature',
        properties: { code, name: `${ring} ${quarter}`, timeZone, postcodes: [`L${ringNo + 1}${'ABCEGH'[sector]}1A1`] },
        geometry: { type: 'Polygon', coordinates: [loop] },
      }
    }),
  )

  const dates = Array.from({ length: days }, (_, day) =>
    new Date(Date.parse(`${firstDate}T00:00:00Z`) + day * 86_400_000).toISOString().slice(0, 10),
  )
  const slots = features.flatMap(({ properties: { code: zoneCode } }) =>
    dates.flatMap((date) =>
      windows.map((hour) => ({
        zoneCode,
        date,
        code: `S${hour}`,
        startsAt: `${hour}:00`,
        endsAt: `${String(Number(hour) + 2).padStart(2, '0')}:00`,
        cutOffMinutes: 120,
      })),
    ),
  )
  const quotas = slots.flatMap(({ zoneCode, date, code }) =>
    skuTypes.map((skuType) => ({ zoneCode, date, slotCode: code, skuType, capacity: quotaCapacity })),
  )
  const vehicles = Array.from({ length: trucks }, (_, index): PutVehicle => {
    const type = (['dry', 'dry', 'mixed', 'frozen', 'dry', 'mixed'] as const)[index % 6] as SkuType
    const size = random() < 0.3 ? 2 : 1
    return {
      code: `T-${String(index + 1).padStart(3, '0')}`,
      type,
      weightGrams: size * 1_200_000,
      volumeMl: size * 8_000_000,
      pieces: size * 600,
    }
  })

  return {
    features,
    slots,
    vehicles,
    quotas,
    address(n) {
      const own = seeded(seed ^ Math.imul(n + 1, 0x9e3779b1))
      const feature = features[Math.floor(own() * features.length)] as ZoneFeature
      const loop = feature.geometry.coordinates[0] as readonly Position[]
      // A mean of the corners with random weights lies inside of a zone that bulges outwards, as all of these do.
      const weights = loop.slice(1).map(() => 0.05 + own())
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const mean = (axis: 0 | 1) =>
        round(weights.reduce((sum, weight, index) => sum + weight * (loop[index + 1] as Position)[axis], 0) / total)
      return {
        name: `Resident ${n + 1}`,
        line1: `${1 + Math.floor(own() * 300)} ${streets[Math.floor(own() * streets.length)]}`,
        city: 'Throughline Falls',
        postcode: feature.properties.postcodes[0] as string,
        country: 'CA',
        lat: mean(1),
        lng: mean(0),
      }
    },
  }
}

/** Six decimals of a degree are about ten centimetres. */
const round = (degrees: number) => Math.round(degrees * 1e6) / 1e6
