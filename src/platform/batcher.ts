/**
 * Coalesces single calls into batches. A call waits at most `longestWaitMs` for company when nothing is under way; while
 * `concurrent` batches are under way, calls gather and leave together as soon as one returns. So an idle server adds a
 * millisecond, and a busy one makes its batches as large as its load (group commit, one level up).
 */
export interface BatcherOptions<Entry, Result> {
  readonly largest: number
  readonly longestWaitMs: number
  readonly concurrent: number
  /** Most entries waiting; beyond it `add` refuses, so that a queue has a bound. */
  readonly mostWaiting: number
  /** Gives one result per entry in the same order. It must not throw; if it does, every caller of the batch sees it. */
  readonly run: (entries: readonly Entry[]) => Promise<readonly Result[]>
}

interface Waiting<Entry, Result> {
  readonly entry: Entry
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

export class Batcher<Entry, Result> {
  readonly #options: BatcherOptions<Entry, Result>
  #queue: Waiting<Entry, Result>[] = []
  #underWay = 0
  /** How many are worth waiting for after a batch has returned; 0 when nothing is waited for. */
  #enough = 0
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined
  #idle: (() => void)[] = []

  constructor(options: BatcherOptions<Entry, Result>) {
    this.#options = options
  }

  /** The result of this entry, or undefined at once when too many are waiting. */
  add(entry: Entry): Promise<Result> | undefined {
    if (this.#queue.length >= this.#options.mostWaiting) return undefined
    const result = new Promise<Result>((resolve, reject) => {
      this.#queue.push({ entry, resolve, reject })
    })
    this.#schedule()
    return result
  }

  /** Resolves when nothing waits and nothing is under way. */
  async drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#underWay > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    }
  }

  #schedule(): void {
    if (this.#underWay >= this.#options.concurrent) return
    if (this.#queue.length >= Math.min(this.#options.largest, this.#enough > 0 ? this.#enough : this.#options.largest)) this.#leave()
    else if (this.#timer === undefined) {
      const { longestWaitMs } = this.#options
      this.#timer = longestWaitMs > 0 ? setTimeout(() => this.#leave(), longestWaitMs) : setImmediate(() => this.#leave())
    }
  }

  #leave(): void {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer as NodeJS.Timeout)
      clearImmediate(this.#timer as NodeJS.Immediate)
      this.#timer = undefined
    }
    this.#enough = 0
    if (this.#queue.length === 0 || this.#underWay >= this.#options.concurrent) return
    const batch = this.#queue.splice(0, this.#options.largest)
    this.#underWay += 1
    void this.#run(batch).finally(() => {
      this.#underWay -= 1
      if (this.#queue.length > 0) this.#gather(batch.length)
      else if (this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve()
    })
    if (this.#queue.length > 0) this.#schedule()
  }

  /**
   * A batch has just returned and others wait. Its callers are likely to ask again at once; without a moment for them, two
   * halves of the callers would take turns for ever, each batch half as large as it could be.
   */
  #gather(returned: number): void {
    if (this.#timer !== undefined) return
    const likely = Math.min(this.#options.largest, this.#queue.length + returned)
    this.#enough = returned < 8 || this.#options.longestWaitMs === 0 ? 0 : Math.ceil(likely * 0.9)
    if (this.#queue.length >= this.#enough) this.#timer = setImmediate(() => this.#leave())
    else this.#timer = setTimeout(() => this.#leave(), this.#options.longestWaitMs)
  }

  async #run(batch: readonly Waiting<Entry, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map(({ entry }) => entry))
      if (results.length !== batch.length) throw new Error(`a batch of ${batch.length} came back with ${results.length} results`)
      batch.forEach(({ resolve }, index) => {
        resolve(results[index] as Result)
      })
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
