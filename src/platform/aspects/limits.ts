import { type Refusal, refused } from '#kernel/outcome.ts'
import type { Operation } from '#platform/operation.ts'
import type { RequestContext } from '#platform/request-context.ts'

export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

interface Bucket {
  tokens: number
  filledAtMs: number
}

/** Buckets that have been full for this long say nothing any more and are dropped. */
const sweepEveryMs = 60_000

/**
 * Limits, first form: a token bucket per client and operation, in this process. Shadow has its own buckets (`shadow.`
 * before the key), so that a rehearsal can not use up a live client's rate.
 */
export class Limits {
  readonly #standard: Rate
  readonly #nowMs: () => number
  readonly #buckets = new Map<string, Bucket>()
  #sweptAtMs = 0

  constructor(standard: Rate, nowMs: () => number) {
    this.#standard = standard
    this.#nowMs = nowMs
  }

  /** Takes one token, or tells when there will be one. */
  take(operation: Operation, context: RequestContext): Refusal | undefined {
    const rate = operation.limit ?? this.#standard
    const key = `${context.traffic === 'shadow' ? 'shadow.' : ''}${operation.id} ${context.actor.id}`
    const nowMs = this.#nowMs()
    this.#sweep(nowMs)
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      bucket = { tokens: rate.burst, filledAtMs: nowMs }
      this.#buckets.set(key, bucket)
    }
    bucket.tokens = Math.min(rate.burst, bucket.tokens + ((nowMs - bucket.filledAtMs) / 1000) * rate.perSecond)
    bucket.filledAtMs = nowMs
    if (bucket.tokens < 1) {
      const retryAfterSeconds = Math.max(1, Math.ceil((1 - bucket.tokens) / rate.perSecond))
      return refused('platform.limited', `At most ${rate.perSecond} a second of ${operation.id} for one client.`, undefined, {
        retryAfterSeconds,
      })
    }
    bucket.tokens -= 1
    return undefined
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptAtMs < sweepEveryMs) return
    this.#sweptAtMs = nowMs
    for (const [key, bucket] of this.#buckets) if (nowMs - bucket.filledAtMs > sweepEveryMs) this.#buckets.delete(key)
  }
}
