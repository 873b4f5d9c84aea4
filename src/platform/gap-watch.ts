/**
 * Outbox ids are drawn from a sequence before their transaction commits, so a reader may see id 6 while 5 is still on
 * its way, or was rolled back. A reader that simply moved on to 6 would lose 5 for ever.
 *
 * The rule: stop before the first hole; note a transaction id drawn then. The hole's transaction took its id before it drew
 * its outbox id (outbox.ts), so it is older than that. Once the oldest running transaction is not older than the note, the
 * hole's transaction has ended: if the hole is still there, it was rolled back and is passed over.
 */
export class GapWatch {
  #hole: { from: number; newest: bigint | undefined } | undefined

  get watching(): boolean {
    return this.#hole?.newest !== undefined
  }

  /** True when a hole was just met and the newest transaction id has to be noted. */
  get needsHorizon(): boolean {
    return this.#hole !== undefined && this.#hole.newest === undefined
  }

  watch(newest: string): void {
    if (this.#hole) this.#hole.newest ??= BigInt(newest)
  }

  /**
   * The leading ids after `cursor` that may be delivered. `oldest` is the oldest running transaction of a snapshot taken
   * before the ids were read; it settles a hole that was met earlier.
   */
  contiguous(cursor: number, ids: readonly number[], oldest: string | undefined): number[] {
    const settled = this.#hole?.newest !== undefined && oldest !== undefined && BigInt(oldest) >= this.#hole.newest
    // All holes below the first id that was visible when the note was taken are as old as the first one.
    const settledBelow = settled ? this.#settledBelow : 0
    const ready: number[] = []
    let expected = cursor + 1
    for (const id of ids) {
      if (id !== expected && id > settledBelow) {
        if (this.#hole?.from !== expected || settled) {
          this.#hole = { from: expected, newest: undefined }
          this.#settledBelow = ids.at(-1) ?? id
        }
        return ready
      }
      ready.push(id)
      expected = id + 1
    }
    this.#hole = undefined
    return ready
  }

  #settledBelow = 0
}
