import type { AssignWaybill, MadeCity, PutDepot } from '#routing'

export interface AdraDay {
  readonly depots: readonly PutDepot[]
  readonly features: readonly object[]
  readonly slots: MadeCity['slots']
  readonly quotas: MadeCity['quotas']
  readonly vehicles: MadeCity['vehicles'][number][]
  /** One zone's waybills, made when they are asked for: a day of them need not lie in memory. */
  waybillsOf(zone: number): AssignWaybill[]
}

export interface AdraPlan {
  readonly seed: number
  readonly date: string
  readonly zones: number
  readonly trucks: number
  readonly waybills: number
}

/** Mulberry32: the same seed gives the same day on every machine. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const hours = ['08', '10', '12', '14', '16', '18'] as const
const perRow = 10

/** A region of square zones of about four by five kilometres around four depots, three waybills a door, of which one in five is frozen and one in twenty mixed. */
export function adraDay({ seed, date, zones, trucks, waybills }: AdraPlan): AdraDay {
  const cornerOf = (zone: number) => ({ west: (zone % perRow) * 0.06, south: 43 + Math.floor(zone / perRow) * 0.04 })
  const codeOf = (zone: number) => `Z${String(zone + 1).padStart(2, '0')}`
  const rows = Math.ceil(zones / perRow)
  const depotOf = (zone: number) => `D${(zone % perRow < perRow / 2 ? 1 : 2) + (Math.floor(zone / perRow) < rows / 2 ? 0 : 2)}`
  const depots = [1, 2, 3, 4].map((number) => ({
    code: `D${number}`,
    name: `Depot ${number}`,
    timeZone: 'UTC',
    lat: 43 + (number <= 2 ? 0.25 : 0.75) * rows * 0.04,
    lng: (number % 2 === 1 ? 0.25 : 0.75) * perRow * 0.06,
  }))
  const features = Array.from({ length: zones }, (_, zone) => {
    const { west, south } = cornerOf(zone)
    const ring = [
      [west, south],
      [west + 0.06, south],
      [west + 0.06, south + 0.04],
      [west, south + 0.04],
      [west, south],
    ]
    const properties = { code: codeOf(zone), depot: depotOf(zone), planning: 'wave', timeZone: 'UTC' }
    return { type: 'Feature', properties, geometry: { type: 'Polygon', coordinates: [ring] } }
  })
  const slots = Array.from({ length: zones }, (_, zone) =>
    hours.map((hour) => ({
      zoneCode: codeOf(zone),
      date,
      code: `S${hour}`,
      startsAt: `${hour}:00`,
      endsAt: `${Number(hour) + 2}:00`,
      cutOffMinutes: 120,
    })),
  ).flat()
  const perCell = Math.ceil(waybills / zones / hours.length)
  // Dry places are a few fewer than wanted in one slot of ten, so that quotas are met exactly.
  const quotas = slots.flatMap(({ zoneCode, code }, at) => [
    { zoneCode, date, slotCode: code, skuType: 'dry' as const, capacity: Math.floor(perCell * (at % 10 === 0 ? 0.7 : 0.85)) },
    { zoneCode, date, slotCode: code, skuType: 'frozen' as const, capacity: Math.ceil(perCell * 0.3) },
    { zoneCode, date, slotCode: code, skuType: 'mixed' as const, capacity: Math.ceil(perCell * 0.15) },
  ])
  const vehicles = Array.from({ length: trucks }, (_, at) => {
    const type = (['dry', 'mixed', 'dry', 'mixed', 'mixed'] as const)[Math.floor(at / zones) % 5] ?? 'dry'
    const large = Math.floor(at / zones) % 4 === 0
    return {
      code: `T-${String(at + 1).padStart(4, '0')}`,
      type,
      depotCode: depotOf(at % zones),
      weightGrams: large ? 1_500_000 : 1_000_000,
      volumeMl: large ? 9_000_000 : 6_000_000,
      pieces: large ? 600 : 400,
      tripCost: (large ? 5500 : 5000) + (type === 'mixed' ? 800 : 0),
      kmCost: large ? 70 : 60,
    }
  })
  const perZone = Math.ceil(waybills / zones)
  return {
    depots,
    features,
    slots,
    quotas,
    vehicles,
    waybillsOf(zone) {
      const random = seeded(seed ^ Math.imul(zone + 1, 0x9e3779b1))
      const { west, south } = cornerOf(zone)
      const first = zone * perZone
      const count = Math.min(perZone, waybills - first)
      let door = { lat: 0, lng: 0 }
      let slot = ''
      return Array.from({ length: Math.max(0, count) }, (_, at) => {
        if (at % 3 === 0) {
          door = { lat: round(south + 0.0002 + random() * 0.0396), lng: round(west + 0.0002 + random() * 0.0596) }
          slot = `S${hours[Math.floor(at / 3) % hours.length]}`
        }
        const draw = random()
        const skuType = draw < 0.75 ? 'dry' : draw < 0.95 ? 'frozen' : 'mixed'
        return {
          waybillId: first + at + 1,
          orderId: Math.floor((first + at) / 3) + 1,
          destination: { postcode: '', ...door },
          slot: { date, code: slot },
          skuType: skuType,
          actor: 'bench',
          commandId: 'adra-day',
          weightGrams: 500 + Math.floor(random() * 12_000),
          volumeMl: 2_000 + Math.floor(random() * 60_000),
          pieces: 1 + Math.floor(random() * 5),
        }
      })
    },
  }
}

const round = (degrees: number) => Math.round(degrees * 1e6) / 1e6

/** A date some days from now, in UTC. */
export const dateAhead = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
