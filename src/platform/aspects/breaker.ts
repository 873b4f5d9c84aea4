import { type Refusal, refused } from '#kernel/outcome.ts'

export interface BreakerOptions {
  /** Batches that must fail in a row, each for an operational reason, before it opens. */
  readonly failuresToOpen: number
  /** How long it stays open before one batch may try. */
  readonly openForMs: number
  readonly nowMs: () => number
}

/**
 * Stops asking what is known to be down, so that callers hear so at once instead of after a time-out.
 * One per operation and traffic: a rehearsal that breaks its database leaves live alone.
 */
export class Breaker {
  readonly #options: BreakerOptions
  #failures = 0
  #openUntilMs = 0

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  refusal(): Refusal | undefined {
    const leftMs = this.#openUntilMs - this.#options.nowMs()
    if (leftMs <= 0) return undefined
    return refused('platform.unavailable', 'A part this needs is down; try again shortly with the same idempotency key.', undefined, {
      retryAfterSeconds: Math.ceil(leftMs / 1000),
    })
  }

  succeeded(): void {
    this.#failures = 0
  }

  failed(): void {
    this.#failures += 1
    // Reopened by each failure past the bound: after the pause a single batch tries, not a crowd.
    if (this.#failures >= this.#options.failuresToOpen) this.#openUntilMs = this.#options.nowMs() + this.#options.openForMs
  }
}
