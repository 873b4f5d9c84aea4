/** A story of parcels that can be told from any place: the k-th fact follows from k and the seed alone. */
export interface Story {
  readonly events: number
  readonly parcels: number
  readonly firstMs: number
  readonly seed: number
}

export const carrier = 'posta'
/** Facts name a parcel by either of its numbers; that the two are one, only its registration says. */
export const numbersOf = (parcel: number): readonly [string, string] => [`PA${parcel}`, `PB${parcel}`]

const codes = [
  'accepted',
  'departed_hub',
  'arrived_at_hub',
  'out_for_delivery',
  'attempted',
  'delivered',
  'exception',
  'returning',
  'customs_check',
]

/** 32 mixed bits of two numbers (the finish of MurmurHash3). */
function mixed(a: number, b: number): number {
  let bits = (Math.imul(a + 0x9e37, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b)) >>> 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

export function factOf(k: number, { parcels, firstMs, seed }: Story) {
  const parcel = k % parcels
  const step = Math.floor(k / parcels)
  const draw = (what: number, below: number) => mixed(seed * 31 + what, k) % below
  const sourceId = (at: number) => `${parcel}-${at}`
  const isVoid = step > 0 && draw(1, 50) === 0
  const corrects = step > 0 && !isVoid && draw(2, 12) === 0
  const hasId = corrects || isVoid || draw(3, 5) > 0
  // Mostly ahead, one in four somewhere else: late, too early, or at the very time of another.
  const step0 = draw(4, 4) === 0 ? draw(5, 10) : step
  const code = isVoid ? 'void' : (codes[draw(6, 4) === 0 ? draw(7, codes.length) : Math.min(step0, codes.length - 1)] ?? 'accepted')
  const id = hasId ? { sourceId: sourceId(corrects ? step - 1 : step), ...(corrects ? { revision: 1 + draw(8, 3) } : {}) } : {}
  return {
    carrier,
    number: numbersOf(parcel)[parcel % 2 === 0 && draw(9, 2) === 1 ? 1 : 0],
    code,
    occurredAt: new Date(firstMs + step0 * 5 * 3_600_000 + draw(10, 8) * 900_000).toISOString(),
    source: carrier,
    ...id,
    ...(isVoid ? { voidsSourceId: sourceId(step - 1) } : {}),
  }
}

/** Every parcel that has two numbers is registered, and one in three of the others. */
export function ordersOf({ parcels }: Story) {
  return Array.from({ length: parcels }, (_, parcel) => parcel)
    .filter((parcel) => parcel % 2 === 0 || parcel % 3 === 0)
    .map((parcel) => ({ numbers: numbersOf(parcel).map((number) => ({ carrier, number })), orderRef: `web-${parcel}` }))
}
