import type { GatewayLine, GatewayMix } from './gateway-mix.ts'
import type { Means } from './payment-plan.ts'

/** What choosing a gateway looks at. */
export interface Choosing {
  readonly means: Means
  readonly amountMinor: number
  readonly currency: string
  /** ISO 3166-1 alpha-2 of the card, '' where nobody knows. */
  readonly country: string
}

/** Payments that each gateway has now: those under way or taken; one that failed is not among them any more. */
export type Counts = ReadonlyMap<string, number>

/**
 * Gateways in the order in which they are to be asked. `usable` leaves out those that can not take this means or are known to be
 * down; a share that drops out is divided among the others by their own.
 */
export function rankGateways(mix: GatewayMix, choosing: Choosing, counts: Counts, usable: (gateway: string) => boolean): string[] {
  const lines = mix.gateways.filter((line) => usable(line.gateway))
  switch (mix.strategy) {
    case 'ratio':
      return byRatio(lines, counts)
    case 'priority':
      return unique(lines)
    case 'cheapest':
      return unique(
        lines
          .filter((line) => covers(line, choosing))
          .toSorted((a, b) => compareFees(feeTimes10000(a, choosing), feeTimes10000(b, choosing))),
      )
    case 'card_country':
      return unique([
        ...lines.filter((line) => line.countries?.includes(choosing.country)),
        ...lines.filter((line) => line.countries === undefined),
        ...lines,
      ])
    case 'amount':
      return unique([...lines.filter((line) => isInBand(line, choosing.amountMinor)), ...lines])
  }
}

const unique = (lines: readonly GatewayLine[]): string[] => [...new Set(lines.map(({ gateway }) => gateway))]

/**
 * The quota method of Balinski and Young: among those who would not pass their share (rounded up) with one more payment, the one
 * whose next is due first. After any number of payments each has its share, rounded down or up. No dice, and what a failover
 * took from one comes back to it: its count fell, so it is due again.
 */
function byRatio(lines: readonly GatewayLine[], counts: Counts): string[] {
  const shares = new Map<string, number>()
  for (const { gateway, weight = 1 } of lines) shares.set(gateway, (shares.get(gateway) ?? 0) + weight)
  let weights = 0
  let payments = 1
  for (const [gateway, weight] of shares) {
    weights += weight
    payments += counts.get(gateway) ?? 0
  }
  const ranked = [...shares].map(([gateway, weight]) => {
    const count = counts.get(gateway) ?? 0
    // Whole numbers, compared crosswise: floating shares such as 0.7 × 10 would round the wrong way.
    return { gateway, weight, count, eligible: count * weights < weight * payments }
  })
  return ranked
    .toSorted((a, b) => Number(b.eligible) - Number(a.eligible) || (a.count + 1) * b.weight - (b.count + 1) * a.weight)
    .map(({ gateway }) => gateway)
}

const covers = (line: GatewayLine, { means, currency }: Choosing): boolean =>
  (line.means === undefined || line.means === means) && (line.currency === undefined || line.currency === currency)

/** Ten-thousandths of a minor unit, so that hundredths of a percent stay whole. */
const feeTimes10000 = ({ feeBasisPoints = 0, feeFixedMinor = 0 }: GatewayLine, { amountMinor }: Choosing): bigint =>
  BigInt(amountMinor) * BigInt(feeBasisPoints) + BigInt(feeFixedMinor) * 10_000n

const compareFees = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

const isInBand = ({ fromMinor = 0, untilMinor = Number.POSITIVE_INFINITY }: GatewayLine, amountMinor: number): boolean =>
  fromMinor <= amountMinor && amountMinor < untilMinor
