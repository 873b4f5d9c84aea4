/** One invariant and what breaks it; `check` runs them all and names each break. */
export interface CheckResult {
  /** A sentence that is true when nothing is broken. */
  readonly check: string
  /** How many rows were looked at, so that an empty check can be told from a good one. */
  readonly looked: number
  /** Each break by name; at most a hundred are listed. */
  readonly breaks: readonly string[]
}
