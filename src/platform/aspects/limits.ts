import { type Refusal, refused } from '#kernel/outcome.ts'
import type { Operation } from '#platform/operation.ts'
import { ownScopeOf, type RequestContext } from '#platform/request-context.ts'

export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

interface Bucket {
  tokens: number
  filledAtMs: number
}

export interface LimitsOptions {
  /** Where an operation has no limit of its own. */
  readonly standard: Rate
  /** Rates by limit key, set from outside; they win over those of operations. */
  readonly set?: ReadonlyMap<string, Rate>
  readonly nowMs: () => number
}

/** Buckets that have been full for this long say nothing any more and are dropped. */
const sweepEveryMs = 60_000

/** What operations of the lowest priority may take together while a rush of high-priority callers is on: some hundredths of a small machine. */
const lowestInRush: Rate = { perSecond: 50, burst: 50 }

/**
 * Limits, first form: a token bucket per client and limit key, in this process. Shadow has its own buckets (`shadow.`
 * before the key), so that a rehearsal can not use up a live client's rate.
 */
export class Limits {
  readonly #options: LimitsOptions
  readonly #buckets = new Map<string, Bucket>()
  #sweptAtMs = 0

  constructor(options: LimitsOptions) {
    this.#options = options
  }

  /** Takes one token, or tells when there will be one. */
  take({ id, limit }: Operation, context: RequestContext): Refusal | undefined {
    const key = limit?.key ?? id
    const rate = this.#options.set?.get(key) ?? limit ?? this.#options.standard
    const whose = (limit?.per === undefined ? undefined : ownScopeOf(context.actor, limit.per)) ?? context.actor.id
    return this.#draw(
      `${shadowed(context)}${key} ${whose}`,
      rate,
      `At most ${rate.perSecond} a second of ${key} for one ${limit?.per ?? 'client'}.`,
    )
  }

  /** Takes one of the few tokens that all operations of the lowest priority share in a rush. */
  takeInRush(context: RequestContext): Refusal | undefined {
    return this.#draw(`${shadowed(context)}lowest priority`, lowestInRush, 'More urgent work is under way; this can wait.')
  }

  #draw(key: string, rate: Rate, detail: string): Refusal | undefined {
    const nowMs = this.#options.nowMs()
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
      return refused('platform.limited', detail, undefined, { retryAfterSeconds })
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

const shadowed = ({ traffic }: RequestContext): string => (traffic === 'shadow' ? 'shadow.' : '')
