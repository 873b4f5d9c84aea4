import { seeded } from '#partners/made-city/index.ts'
import type { JudgedTrip } from '#tracking'

const dayMs = 86_400_000
const firstDay = Date.UTC(2017, 0, 1)

/** Regions on a line, some 400 km apart; the last is an island to which everything takes a week longer. */
const regions = ['A', 'B', 'C', 'D', 'E', 'F', 'I'] as const

export interface MadeTripsOptions {
  readonly seed: number
  readonly count: number
  /** Over how many days they begin. */
  readonly days?: number
}

/**
 * Trips whose law is known: a day to be accepted, a day to be handed over, then a day for each 400 km, a week more to the island, two days more for what was
 * ordered on a Friday or Saturday (UTC), and chance with a long tail. Two in a hundred never arrive. The promised day is a careful one, ten days too late at the median.
 */
export function madeTrips({ seed, count, days = 540 }: MadeTripsOptions): JudgedTrip[] {
  const random = seeded(seed)
  const draw = (): number => Math.floor(random() * regions.length)
  return Array.from({ length: count }, (): JudgedTrip => {
    const [origin, destination] = [draw(), draw()]
    const created = firstDay + Math.floor(random() * days * dayMs)
    const distanceKm = Math.abs(origin - destination) * 400 + 20
    const tail = -Math.log(1 - random() * 0.999) * 1.2
    const weekend = [5, 6].includes(new Date(created).getUTCDay()) ? 2 : 0
    const island = destination === regions.length - 1 && origin !== destination ? 7 : 0
    const handedOver = created + (1.5 + weekend + random()) * dayMs
    const delivered = handedOver + (1 + distanceKm / 400 + island + tail) * dayMs
    const promised = Math.floor((created + (16 + distanceKm / 400 + random() * 4) * dayMs) / dayMs) * dayMs
    return {
      origin: regions[origin] ?? '',
      destination: regions[destination] ?? '',
      distanceKm,
      reached: { created, accepted: created + random() * dayMs, in_transit: handedOver },
      deliveredAt: random() < 0.02 ? null : delivered,
      watchedUntil: Infinity,
      promised: { from: promised, to: promised + dayMs },
    }
  })
}
