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
