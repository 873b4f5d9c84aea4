/** Parcels of an outside carrier that all go the same way, each fact with the carrier's own id. */
const codes = [
  'accepted',
  'departed_hub',
  'arrived_at_hub',
  'departed_hub',
  'arrived_at_hub',
  'out_for_delivery',
  'attempted',
  'delivered',
] as const
const apartMinutes = 200

export const carrier = 'posta'
export const numberOf = (parcel: number): string => `PX${String(parcel).padStart(9, '0')}`

/** The k-th fact of a day with so many parcels: all different, and each parcel's own in the order of time. */
export function factOf(k: number, { parcels, firstMs }: { parcels: number; firstMs: number }) {
  const parcel = k % parcels
  const step = Math.floor(k / parcels)
  return {
    carrier,
    number: numberOf(parcel),
    code: codes[step % codes.length] ?? 'accepted',
    occurredAt: new Date(firstMs + step * apartMinutes * 60_000 + (parcel % 3600) * 1000).toISOString(),
    source: carrier,
    sourceId: `${parcel}-${step}`,
    place: `Hub ${parcel % 40}`,
  }
}
