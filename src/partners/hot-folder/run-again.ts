import { setTimeout as delay } from 'node:timers/promises'
import type { Outcome } from '#kernel/outcome.ts'
import type { Runner } from '#platform/operation-runner.ts'

type Call = Parameters<Runner['runMany']>[1][number]

/** The same may be asked for again a moment later: nothing of it was done, or its key finds what was. */
const passing: ReadonlySet<string> = new Set(['platform.overloaded', 'platform.unavailable', 'platform.deadline'])
const longestPauseMs = 5_000

/** The import was stopped between two askings. */
export class Stopped extends Error {
  override readonly name = 'Stopped'
}

/** Asks again for what failed for a passing reason, until it is stopped: an import waits for its database, it gives nothing up. */
export async function runAgain(
  operation: string,
  calls: readonly Call[],
  { runner, stop }: { readonly runner: Pick<Runner, 'runMany'>; readonly stop: AbortSignal },
): Promise<Outcome<unknown>[]> {
  const outcomes: Outcome<unknown>[] = []
  let open = calls.map((call, index) => ({ call, index }))
  for (let pauseMs = 100; open.length > 0; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    if (stop.aborted) throw new Stopped()
    // The folder holds itself back by what is under way; limits are for callers who do not.
    const answers = await runner.runMany(
      operation,
      open.map(({ call }) => call),
      { admitted: true },
    )
    const again: typeof open = []
    for (const [at, entry] of open.entries()) {
      const answer = answers[at]
      if (answer === undefined || (!answer.ok && passing.has(answer.error.code))) again.push(entry)
      else outcomes[entry.index] = answer
    }
    open = again
    if (open.length > 0) await delay(pauseMs, undefined, { signal: stop }).catch(() => undefined)
  }
  return outcomes
}
