/** How long something took, or, when it had not ended yet, how long it had been watched. */
export interface Span {
  readonly days: number
  readonly ended: boolean
  /** What it counts; old spans count less. */
  readonly weight: number
}

/** The shares at which a distribution is kept: fine in the middle and at the ends of windows, nothing beyond what cases can tell. */
export const shares = [
  0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98,
] as const

/** Days at each of `shares`; never falling. */
export type Quantiles = readonly number[]

/**
 * Quantiles of how long it takes, by Kaplan and Meier: what has not ended yet counts as "longer than this" instead of being left out. Without it the
 * newest orders would count only when they were quick, and each model would promise too early. Empty when nothing has ended.
 */
export function quantilesOf(spans: readonly Span[]): Quantiles {
  // At one time an end comes before a watch that stops: the one watched was still under way then.
  const sorted = spans.toSorted((a, b) => a.days - b.days || Number(b.ended) - Number(a.ended))
  let atRisk = sorted.reduce((sum, { weight }) => sum + weight, 0)
  let under = 1
  let longest: number | undefined
  const found: number[] = []
  for (const { days, ended, weight } of sorted) {
    if (ended) {
      under *= 1 - Math.min(1, weight / atRisk)
      longest = days
      // A hair of slack: shares like 0.1 are not exact in binary, and the tenth of a hundred equal cases would be the eleventh.
      while (found.length < shares.length && 1 - under >= (shares[found.length] ?? 1) - 1e-9) found.push(days)
    }
    atRisk -= weight
  }
  if (longest === undefined) return []
  // The last ones may still be under way: the longest that was seen is the least that can be said of the tail.
  while (found.length < shares.length) found.push(longest)
  return found
}

/** Cases that weights are worth together (Kish): a hundred old ones may be worth ten. */
export function worthOf(spans: readonly Span[]): number {
  let sum = 0
  let squares = 0
  for (const { weight } of spans) {
    sum += weight
    squares += weight * weight
  }
  return squares === 0 ? 0 : (sum * sum) / squares
}

/**
 * Two distributions as one of which a part is the first: their shares are mixed at each number of days. Mixing the days at each share instead is as good on
 * Olist, and wrong where the wider cell has two humps: between a lane of two days and one of ten it would tell six, which neither takes.
 */
export function blend(own: Quantiles, other: Quantiles, ownPart: number): Quantiles {
  const days = [...own, ...other].toSorted((a, b) => a - b)
  const under = days.map((at) => ownPart * shareUpTo(own, at) + (1 - ownPart) * shareUpTo(other, at))
  let high = 0
  return shares.map((share) => {
    while (high < days.length - 1 && (under[high] ?? 1) < share) high += 1
    const [from, to] = [days[high - 1] ?? days[high] ?? 0, days[high] ?? 0]
    const [low, top] = [under[high - 1] ?? 0, under[high] ?? 1]
    return top <= low ? to : from + (to - from) * Math.min(1, Math.max(0, (share - low) / (top - low)))
  })
}

const shareUpTo = (quantiles: Quantiles, days: number): number => (days >= (quantiles.at(-1) ?? 0) ? 1 : shareAt(quantiles, days))

/** The days by which a share has ended; straight between what is kept. */
export function daysAt(quantiles: Quantiles, share: number): number {
  const above = shares.findIndex((each) => each >= share)
  if (above <= 0) return quantiles.at(above) ?? 0
  const [low, high] = [shares[above - 1] ?? 0, shares[above] ?? 1]
  const [from, to] = [quantiles[above - 1] ?? 0, quantiles[above] ?? 0]
  return from + ((to - from) * (share - low)) / (high - low)
}

/** The share that has ended after some days: 0 before the first that is kept, the last share after the last. */
export function shareAt(quantiles: Quantiles, days: number): number {
  const above = quantiles.findIndex((each) => each > days)
  if (above === 0) return 0
  if (above === -1) return shares.at(-1) ?? 1
  const [from, to] = [quantiles[above - 1] ?? 0, quantiles[above] ?? 0]
  const [low, high] = [shares[above - 1] ?? 0, shares[above] ?? 1]
  return low + ((high - low) * (days - from)) / (to - from)
}
