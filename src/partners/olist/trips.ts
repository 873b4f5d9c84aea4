import type { JudgedTrip } from '#tracking'
import { type OlistFolder, type OlistPlace, readOlist } from './folder.ts'
import { readRows } from './rows.ts'

/** Of the data set's one clock; see rows.ts. */
export const olistUtcOffsetMinutes = -180

const dayMs = 86_400_000

/** The ways of the data set's parcels: from the seller of the first item to the customer. Reads the folder where it lies; throws FolderError. */
export async function readOlistTrips(folder: string): Promise<JudgedTrip[]> {
  const sellers = new Map<string, { prefix: string; state: string }>()
  for await (const row of readRows(folder, 'sellers.csv', ['seller_id', 'seller_zip_code_prefix', 'seller_state'])) {
    sellers.set(row.seller_id, { prefix: row.seller_zip_code_prefix, state: row.seller_state })
  }
  return tripsOf(await readOlist(folder), sellers)
}

function tripsOf({ orders, places }: OlistFolder, sellers: ReadonlyMap<string, { prefix: string; state: string }>): JudgedTrip[] {
  return orders.map(({ purchasedAt, approvedAt, carrierAt, deliveredAt, promisedAt, customer, items }) => {
    const seller = sellers.get(items[0]?.seller ?? '')
    const [from, to] = [places.get(seller?.prefix ?? ''), places.get(customer?.prefix ?? '')]
    return {
      origin: seller?.state ?? '',
      destination: customer?.state ?? '',
      distanceKm: from === undefined || to === undefined ? null : kilometresBetween(from, to),
      reached: {
        ...(purchasedAt === null ? {} : { created: purchasedAt.getTime() }),
        ...(approvedAt === null ? {} : { accepted: approvedAt.getTime() }),
        ...(carrierAt === null ? {} : { in_transit: carrierAt.getTime() }),
      },
      deliveredAt: deliveredAt?.getTime() ?? null,
      // The status is the last one, without its time: that an order was cancelled in the end is not known while it is under way.
      watchedUntil: Infinity,
      promised: promisedAt === null ? null : { from: promisedAt.getTime(), to: promisedAt.getTime() + dayMs },
    }
  })
}

const radians = Math.PI / 180

/** Great circle, on a sphere: across Brazil a plane would be wrong by a tenth. */
function kilometresBetween(a: OlistPlace, b: OlistPlace): number {
  const half = (from: number, to: number): number => Math.sin(((to - from) * radians) / 2) ** 2
  const chord = half(a.lat, b.lat) + Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * half(a.lng, b.lng)
  return 12_742 * Math.asin(Math.min(1, Math.sqrt(chord)))
}
