import { setTimeout as delay } from 'node:timers/promises'

/** Machines are shared: a deadline is there to end what hangs, so it is three times what work takes that nothing disturbs. */
const patience = 3

/** Asks until the answer is yes, or fails after the deadline with what was asked for. `withinMs` is for an undisturbed machine. */
export async function untilTrue(question: () => boolean | Promise<boolean>, withinMs = 15_000, what = 'the awaited state'): Promise<void> {
  const withinAll = withinMs * patience
  const deadline = performance.now() + withinAll
  while (!(await question())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come within ${withinAll} ms`)
    await delay(10)
  }
}
