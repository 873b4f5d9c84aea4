import { invariant } from '#kernel/outcome.ts'

/** An amount in integer minor units (cents) of one ISO 4217 currency. Never a float. */
export interface Money {
  readonly amountMinor: number
  readonly currency: string
}

/** Largest amount that any sum may reach; far below 2^53, so that sums of many amounts stay exact. */
export const largestAmountMinor = 1_000_000_000_000

export function sumMinor(amounts: Iterable<number>): number {
  let sum = 0
  for (const amount of amounts) sum += amount
  invariant(Number.isSafeInteger(sum), `a sum of money left the exact range: ${sum}`)
  return sum
}

/**
 * Splits an amount over weights to the exact minor unit (largest remainder; ties go to the earlier share).
 * The shares always sum to the amount. With no weight at all the first share takes everything.
 */
export function allocateMinor(amountMinor: number, weights: readonly number[]): number[] {
  invariant(weights.length > 0, 'an amount needs at least one share to go to')
  const total = sumMinor(weights)
  if (total === 0) return weights.map((_, index) => (index === 0 ? amountMinor : 0))
  // BigInt: amount × weight may exceed 2^53 although neither does.
  const exact = weights.map((weight) => BigInt(amountMinor) * BigInt(weight))
  const shares = exact.map((product) => Number(product / BigInt(total)))
  const remainders = exact.map((product, index) => ({ index, rest: product % BigInt(total) }))
  let left = amountMinor - sumMinor(shares)
  const step = Math.sign(left)
  const size = (rest: bigint) => (rest < 0n ? -rest : rest)
  remainders.sort((a, b) => (size(a.rest) === size(b.rest) ? a.index - b.index : size(a.rest) > size(b.rest) ? -1 : 1))
  for (const { index } of remainders) {
    if (left === 0) break
    shares[index] = (shares[index] ?? 0) + step
    left -= step
  }
  return shares
}
