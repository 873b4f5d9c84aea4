import { setTimeout as delay } from 'node:timers/promises'

/** Asks until the answer is yes, or fails after the deadline with what was asked for. */
export async function untilTrue(question: () => boolean | Promise<boolean>, withinMs = 15_000, what = 'the awaited state'): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await question())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come within ${withinMs} ms`)
    await delay(10)
  }
}
