/** One invariant and what breaks it; `check` runs them all and names each break. */
export interface CheckResult {
  /** A sentence that is true when nothing is broken. */
  readonly check: string
  /** Each break by name; at most a hundred are listed. */
  readonly breaks: readonly string[]
}
